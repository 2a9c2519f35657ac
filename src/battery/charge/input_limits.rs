//! Limits by measured inputs: cell voltage, temperature, MOSFET temperature, state of charge.
//!
//! An input that the BMS never provides limits nothing, which is logged once. An input that was present and is missing keeps its
//! last limit, then at most a quarter of the current is allowed. The same applies if part of an input is missing: a sensor that is
//! no longer listed, or has an impossible value. An input that was broken from the start does not count as never provided.

use super::chemistry::{BY_MOS_TEMPERATURE, ChemistryPreset, Curve};
use super::proposed_limits::{ProposedLimits, RuleContext};
use super::steps::{self, CELL_CHARGE, CELL_DISCHARGE, SOC_CHARGE, SOC_DISCHARGE, Table};
use super::{ChargeInputs, Config, Memory};
use crate::base::units::{Amps, Moment, Volts};
use crate::model::{AlarmName, ByDirection, Level, Limit};
use std::time::Duration;

/// After this time without an input that was present, at most a quarter of the current is allowed.
const MISSING_HOLD: Duration = Duration::from_secs(30);
/// That quarter.
pub(super) const CAUTIOUS_SHARE: f64 = 0.25;
/// Hysteresis of the highest and lowest cell, V, so that noise moves no limit.
const CELL_NOISE: f64 = 0.006;

/// Reasons of the limits that react to the current they allow.
pub(super) const BY_CELLS: [&str; 2] = [HIGHEST_CELL, LOWEST_CELL];
pub(super) const HIGHEST_CELL: &str = "highest cell voltage";
pub(super) const LOWEST_CELL: &str = "lowest cell voltage";
/// Reasons of the limits by temperature.
pub(super) const BY_TEMPERATURE: [&str; 2] = [TEMPERATURE, MOS_TEMPERATURE];
const TEMPERATURE: &str = "battery temperature";
const MOS_TEMPERATURE: &str = "MOSFET temperature";

/// Number of inputs.
const INPUT_COUNT: usize = 4;

/// The last limits by each input, and when.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct LastAllowed {
    allowed: [Option<(ByDirection<Amps>, Moment)>; INPUT_COUNT],
    /// Highest and lowest cell with hysteresis.
    cells: Option<(f64, f64)>,
}

/// One input.
struct LimitInput<'a> {
    /// The values to look up; the lower result counts. `None` when unknown.
    values: Option<ByDirection<[f64; 2]>>,
    /// The input is present, but at least part of it has no usable value.
    missing: bool,
    tables: ByDirection<Option<Table<'a>>>,
    why: ByDirection<&'static str>,
    /// Whether a configured minimum may raise the limit.
    comfort: ByDirection<bool>,
    never_given: &'static str,
    /// Logged once if it is missing for long.
    missing_for_long: &'static str,
}

/// The tables in force.
struct LimitTables<'a> {
    by_cell: ByDirection<Table<'a>>,
    by_temperature: ByDirection<Table<'a>>,
    by_soc: ByDirection<Option<Table<'a>>>,
}

impl<'a> LimitTables<'a> {
    fn new(config: &'a Config, chemistry: &'static ChemistryPreset) -> Self {
        fn or<'a>(configured: Option<&'a Curve>, preset: &'static [(f64, f64)]) -> Table<'a> {
            Table::Curve(configured.map_or(preset, Vec::as_slice))
        }
        let mut tables = Self {
            by_cell: ByDirection {
                charge: or(config.charge_by_cell_voltage.as_ref(), chemistry.charge_by_cell),
                discharge: or(config.discharge_by_cell_voltage.as_ref(), chemistry.discharge_by_cell),
            },
            by_temperature: ByDirection {
                charge: or(config.charge_by_temperature.as_ref(), chemistry.charge_by_temperature),
                discharge: or(config.discharge_by_temperature.as_ref(), chemistry.discharge_by_temperature),
            },
            by_soc: ByDirection { charge: &config.charge_by_soc, discharge: &config.discharge_by_soc }
                .map(|curve| curve.as_deref().map(Table::Curve)),
        };
        match config.preset {
            steps::LimitsPreset::Curves => {}
            steps::LimitsPreset::SerialbatterySocSteps => {
                tables.by_soc = ByDirection { charge: SOC_CHARGE, discharge: SOC_DISCHARGE }.map(|steps| Some(Table::Steps(steps)));
            }
            steps::LimitsPreset::CellSteps => {
                tables.by_cell = ByDirection { charge: CELL_CHARGE, discharge: CELL_DISCHARGE }.map(Table::Steps);
            }
        }
        tables
    }
}

/// Applies all inputs. `lift` is how much higher than usual this charge goes per cell; `full` are the limits without the inputs.
pub(super) fn apply(
    context: &RuleContext<'_>,
    lift: f64,
    memory: &mut Memory,
    full: ByDirection<Amps>,
    proposed: &mut ProposedLimits,
) {
    let RuleContext { config, inputs, chemistry, now, .. } = *context;
    memory.last_allowed.cells = steady(memory.last_allowed.cells, inputs);
    let tables = LimitTables::new(config, chemistry);
    let inputs = [
        LimitInput {
            values: memory.last_allowed.cells.map(|(high, low)| ByDirection { charge: [high - lift; 2], discharge: [low; 2] }),
            missing: false,
            tables: tables.by_cell.map(Some),
            why: ByDirection { charge: HIGHEST_CELL, discharge: LOWEST_CELL },
            comfort: cells_bear_more(context, memory.last_allowed.cells),
            never_given: "the BMS gives no cell voltages: no limit by cell voltage",
            missing_for_long: "the BMS gives no cell voltages any more: a quarter of the current until it does; check BMS and sense wires",
        },
        LimitInput {
            values: inputs.coldest.zip(inputs.hottest).map(|(cold, hot)| ByDirection::both([cold.get(), hot.get()])),
            missing: inputs.missing_sensor,
            tables: tables.by_temperature.map(Some),
            why: ByDirection::both(TEMPERATURE),
            comfort: ByDirection::both(false),
            never_given: "the BMS gives no temperature: no limit by temperature",
            missing_for_long: "a temperature sensor tells nothing: a quarter of the current until it does; check sensor and wire, or name it in `temperatures_ignored`",
        },
        LimitInput {
            values: inputs.mos.map(|mos| ByDirection::both([mos.get(); 2])),
            missing: false,
            tables: ByDirection::both(Some(Table::Curve(BY_MOS_TEMPERATURE))),
            why: ByDirection::both(MOS_TEMPERATURE),
            comfort: ByDirection::both(false),
            never_given: "the BMS gives no MOSFET temperature: no limit by it",
            missing_for_long: "the BMS gives no MOSFET temperature any more: a quarter of the current until it does; check the BMS",
        },
        LimitInput {
            values: inputs
                .high_soc
                .zip(inputs.low_soc)
                .map(|(high, low)| ByDirection { charge: [high.get(); 2], discharge: [low.get(); 2] }),
            missing: false,
            tables: tables.by_soc,
            why: ByDirection::both("state of charge"),
            comfort: ByDirection::both(true),
            never_given: "the BMS gives no SoC: no limit by SoC",
            missing_for_long: "the BMS gives no SoC any more: a quarter of the current until it does; check the BMS",
        },
    ];
    for (input, last_allowed) in inputs.iter().zip(&mut memory.last_allowed.allowed) {
        limit(input, last_allowed, now, full, proposed);
    }
}

fn limit(
    input: &LimitInput<'_>,
    last_allowed: &mut Option<(ByDirection<Amps>, Moment)>,
    now: Moment,
    full: ByDirection<Amps>,
    proposed: &mut ProposedLimits,
) {
    let limits = |values: ByDirection<Amps>| values.zip(input.why).map(|(value, why)| Limit { value, why });
    let looked_up =
        |values: ByDirection<[f64; 2]>| input.tables.zip(values).zip(full).map(|((table, values), full)| amps(table, values, full));
    if let Some(allowed) = input.values.map(looked_up) {
        proposed.limit_or_ease(limits(allowed), input.comfort);
        if !input.missing {
            *last_allowed = Some((allowed, now));
            return;
        }
    }
    let cautious = full.map(|full| full * CAUTIOUS_SHARE);
    let allowed = match *last_allowed {
        Some((allowed, at)) if now.since(at) <= MISSING_HOLD => allowed,
        Some((allowed, _)) => {
            if input.why.charge == TEMPERATURE {
                proposed.alarm(AlarmName::SensorFault, Level::Warning);
            }
            proposed.notices.push(input.missing_for_long);
            allowed.zip(cautious).map(|(allowed, most)| allowed.min(most))
        }
        // What it would have allowed is unknown.
        None if input.missing => {
            proposed.notices.push(input.missing_for_long);
            cautious
        }
        None => {
            proposed.notices.push(input.never_given);
            return;
        }
    };
    proposed.limit_or_ease(limits(allowed), ByDirection::both(false));
}

/// Whether the cells tolerate slightly more than their curves allow: none is at the maximum charge voltage, or empty.
fn cells_bear_more(context: &RuleContext<'_>, cells: Option<(f64, f64)>) -> ByDirection<bool> {
    let RuleContext { config, inputs, chemistry, .. } = *context;
    let most =
        config.cell_voltage(chemistry).map_or(0.0, Volts::get).max(chemistry.balance_cell).min(chemistry.highest_cell - 0.10);
    let most = inputs.settings.cell_ovp.map_or(most, |ovp| most.min(ovp.get() - 0.05));
    cells.map_or(ByDirection::both(false), |(high, low)| ByDirection { charge: high < most, discharge: low >= chemistry.min_cell })
}

fn amps(table: Option<Table<'_>>, ends: [f64; 2], full: Amps) -> Amps {
    let lowest = |table: Table<'_>| ends.into_iter().map(|x| table.amps(x, full.get())).fold(f64::INFINITY, f64::min);
    table.map_or(full, |table| Amps::new(lowest(table)))
}

/// Highest and lowest cell with hysteresis: a worse value counts at once, a better one only if it is better by more than the noise.
fn steady(before: Option<(f64, f64)>, inputs: &ChargeInputs) -> Option<(f64, f64)> {
    let (high, low) = (inputs.high_cell?.get(), inputs.low_cell?.get());
    if !high.is_finite() || !low.is_finite() {
        return Some((high, low));
    }
    let (high_before, low_before) = before.unwrap_or((high, low));
    Some((high_before.clamp(high, high + CELL_NOISE), low_before.clamp(low - CELL_NOISE, low)))
}
