//! Limits by measured inputs: cell voltage, temperature, MOSFET temperature, state of charge.
//!
//! An input that the BMS never gives is no limiter, and that is said once. One that was there and is missing holds what it
//! allowed last, then a quarter of the current at most flows.

use super::chemistry::{BY_MOS_TEMPERATURE, Curve, Preset};
use super::steps::{self, CELL_CHARGE, CELL_DISCHARGE, SEED_CHARGE, SEED_DISCHARGE, Table};
use super::verdict::{Given, Verdict};
use super::{Config, Facts, Memory};
use crate::units::{Amps, Moment, Volts};
use std::time::Duration;

/// After so long without an input that was there, at most a quarter of the current flows.
const MISSING_HOLD: Duration = Duration::from_secs(30);
/// A cell's highest (lowest) value stands until the cell has moved away from it by so much, V: noise moves no limit.
const CELL_NOISE: f64 = 0.006;

/// The reasons of limits that react to the current they allow.
pub(super) const BY_CELLS: [&str; 2] = [HIGHEST, LOWEST];
const HIGHEST: &str = "highest cell voltage";
const LOWEST: &str = "lowest cell voltage";
/// The reasons of limits by temperature.
pub(super) const BY_TEMPERATURE: [&str; 2] = [TEMPERATURE, MOS_TEMPERATURE];
const TEMPERATURE: &str = "battery temperature";
const MOS_TEMPERATURE: &str = "MOSFET temperature";

/// The number of inputs.
const COUNT: usize = 4;

/// What each input last allowed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Seen {
    allowed: [Option<(Amps, Amps, Moment)>; COUNT],
    /// Highest and lowest cell without their noise.
    cells: Option<(f64, f64)>,
}

/// One input.
struct Input<'a> {
    /// The values to look up for charging and for discharging; the lower result counts. `None` when unknown.
    values: Option<([f64; 2], [f64; 2])>,
    charge: Option<Table<'a>>,
    discharge: Option<Table<'a>>,
    charge_why: &'static str,
    discharge_why: &'static str,
    /// Whether a configured minimum may lift what it allows for charging and for discharging.
    comfort: [bool; 2],
    never_given: &'static str,
}

/// The tables in force.
struct Tables<'a> {
    charge_by_cell: Table<'a>,
    discharge_by_cell: Table<'a>,
    charge_by_temperature: Table<'a>,
    discharge_by_temperature: Table<'a>,
    charge_by_soc: Option<Table<'a>>,
    discharge_by_soc: Option<Table<'a>>,
}

impl<'a> Tables<'a> {
    fn new(config: &'a Config, chemistry: &'static Preset) -> Self {
        fn or<'a>(configured: Option<&'a Curve>, preset: &'static [(f64, f64)]) -> Table<'a> {
            Table::Curve(configured.map_or(preset, Vec::as_slice))
        }
        let mut tables = Self {
            charge_by_cell: or(config.charge_by_cell_voltage.as_ref(), chemistry.charge_by_cell),
            discharge_by_cell: or(config.discharge_by_cell_voltage.as_ref(), chemistry.discharge_by_cell),
            charge_by_temperature: or(config.charge_by_temperature.as_ref(), chemistry.charge_by_temperature),
            discharge_by_temperature: or(config.discharge_by_temperature.as_ref(), chemistry.discharge_by_temperature),
            charge_by_soc: config.charge_by_soc.as_deref().map(Table::Curve),
            discharge_by_soc: config.discharge_by_soc.as_deref().map(Table::Curve),
        };
        match config.preset {
            steps::Preset::Curves => {}
            steps::Preset::SeedSocSteps => {
                tables.charge_by_soc = Some(Table::Steps(SEED_CHARGE));
                tables.discharge_by_soc = Some(Table::Steps(SEED_DISCHARGE));
            }
            steps::Preset::CellSteps => {
                tables.charge_by_cell = Table::Steps(CELL_CHARGE);
                tables.discharge_by_cell = Table::Steps(CELL_DISCHARGE);
            }
        }
        tables
    }
}

/// Applies all inputs. `lift` is how much higher than usual this charge goes per cell, `full` the limits without the inputs.
pub(super) fn apply(given: &Given<'_>, lift: f64, memory: &mut Memory, full: (Amps, Amps), verdict: &mut Verdict) {
    let Given { config, facts, chemistry, now, .. } = *given;
    memory.seen.cells = steady(memory.seen.cells, facts);
    let tables = Tables::new(config, chemistry);
    let inputs = [
        Input {
            values: memory.seen.cells.map(|(high, low)| ([high - lift; 2], [low; 2])),
            charge: Some(tables.charge_by_cell),
            discharge: Some(tables.discharge_by_cell),
            charge_why: HIGHEST,
            discharge_why: LOWEST,
            comfort: cells_bear_more(given, memory.seen.cells),
            never_given: "the BMS gives no cell voltages: no limit by cell voltage",
        },
        Input {
            values: facts.coldest.zip(facts.hottest).map(|(cold, hot)| ([cold.get(), hot.get()], [cold.get(), hot.get()])),
            charge: Some(tables.charge_by_temperature),
            discharge: Some(tables.discharge_by_temperature),
            charge_why: TEMPERATURE,
            discharge_why: TEMPERATURE,
            comfort: [false; 2],
            never_given: "the BMS gives no temperature: no limit by temperature",
        },
        Input {
            values: facts.mos.map(|mos| ([mos.get(); 2], [mos.get(); 2])),
            charge: Some(Table::Curve(BY_MOS_TEMPERATURE)),
            discharge: Some(Table::Curve(BY_MOS_TEMPERATURE)),
            charge_why: MOS_TEMPERATURE,
            discharge_why: MOS_TEMPERATURE,
            comfort: [false; 2],
            never_given: "the BMS gives no MOSFET temperature: no limit by it",
        },
        Input {
            values: facts.high_soc.zip(facts.low_soc).map(|(high, low)| ([high.get(); 2], [low.get(); 2])),
            charge: tables.charge_by_soc,
            discharge: tables.discharge_by_soc,
            charge_why: "state of charge",
            discharge_why: "state of charge",
            comfort: [true; 2],
            never_given: "the BMS gives no SoC: no limit by SoC",
        },
    ];
    for (input, seen) in inputs.iter().zip(&mut memory.seen.allowed) {
        limit(input, seen, now, full, verdict);
    }
}

fn limit(input: &Input<'_>, seen: &mut Option<(Amps, Amps, Moment)>, now: Moment, full: (Amps, Amps), verdict: &mut Verdict) {
    let (charge, discharge) = match (input.values, *seen) {
        (Some((for_charge, for_discharge)), _) => {
            let charge = amps(input.charge, for_charge, full.0);
            let discharge = amps(input.discharge, for_discharge, full.1);
            *seen = Some((charge, discharge, now));
            (charge, discharge)
        }
        (None, Some((charge, discharge, at))) if now.since(at) <= MISSING_HOLD => (charge, discharge),
        (None, Some((charge, discharge, _))) => (charge.min(full.0 * 0.25), discharge.min(full.1 * 0.25)),
        (None, None) => {
            verdict.notices.push(input.never_given);
            return;
        }
    };
    let [ease_charge, ease_discharge] = input.comfort;
    if ease_charge {
        verdict.ease_ccl(charge, input.charge_why)
    } else {
        verdict.limit_ccl(charge, input.charge_why)
    }
    if ease_discharge {
        verdict.ease_dcl(discharge, input.discharge_why)
    } else {
        verdict.limit_dcl(discharge, input.discharge_why)
    }
}

/// Whether the cells bear a little more than their curves allow: no cell is as high as cells are ever charged, or empty.
fn cells_bear_more(given: &Given<'_>, cells: Option<(f64, f64)>) -> [bool; 2] {
    let Given { config, facts, chemistry, .. } = *given;
    let most = config.max_cell_voltage.map_or(0.0, Volts::get).max(chemistry.balance_cell).min(chemistry.highest_cell - 0.10);
    let most = facts.settings.cell_ovp.map_or(most, |ovp| most.min(ovp.get() - 0.05));
    cells.map_or([false; 2], |(high, low)| [high < most, low >= chemistry.min_cell])
}

fn amps(table: Option<Table<'_>>, ends: [f64; 2], full: Amps) -> Amps {
    let lowest = |table: Table<'_>| ends.into_iter().map(|x| table.amps(x, full.get())).fold(f64::INFINITY, f64::min);
    table.map_or(full, |table| Amps::new(lowest(table)))
}

/// The highest and the lowest cell without their noise: a worse value counts at once, a better one when it is better by more
/// than noise.
fn steady(before: Option<(f64, f64)>, facts: &Facts) -> Option<(f64, f64)> {
    let (high, low) = (facts.high_cell?.get(), facts.low_cell?.get());
    if !high.is_finite() || !low.is_finite() {
        return Some((high, low));
    }
    let (high_before, low_before) = before.unwrap_or((high, low));
    Some((high_before.clamp(high, high + CELL_NOISE), low_before.clamp(low - CELL_NOISE, low)))
}
