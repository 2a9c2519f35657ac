//! The rules. Each may lower a limit and names itself; the lowest limit wins and its name is published.

use super::cells::{self, Count};
use super::chemistry::{BY_MOS_TEMPERATURE, Preset, interpolate, preset};
use super::{Config, Facts, Memory};
use crate::model::{Alarm, AlarmName, Chemistry, Level, Limit, Limits, Mode};
use crate::units::{Amps, Moment, Volts};
use std::time::Duration;

/// Reason while the number of cells is not certain (wording fixed by contract.md).
pub(super) const CELL_COUNT_UNCLEAR: &str = "cell count unclear";
/// Reason while the chemistry is not certain (wording fixed by contract.md).
pub(super) const CHEMISTRY_UNKNOWN: &str = "chemistry unknown: set chemistry";

/// The limits that the rules allow, before ramps.
#[derive(Debug)]
pub(super) struct Verdict {
    pub limits: Limits,
    pub cell_count: Option<u8>,
    pub chemistry: Option<Chemistry>,
    pub alarms: Vec<Alarm>,
    pub notices: Vec<&'static str>,
}

impl Verdict {
    pub(super) fn limit_cvl(&mut self, value: Volts, why: &'static str) {
        lower(&mut self.limits.cvl, value, why);
    }
    pub(super) fn limit_ccl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.limits.ccl, value, why);
    }
    pub(super) fn limit_dcl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.limits.dcl, value, why);
    }
    fn alarm(&mut self, name: AlarmName, level: Level) {
        self.alarms.push(Alarm { name, level });
    }
    /// Neither charge nor discharge, and no voltage above the present one.
    fn block(&mut self, facts: &Facts, why: &'static str) {
        self.limit_cvl(facts.cautious_voltage().unwrap_or_default(), why);
        self.limit_ccl(Amps::ZERO, why);
        self.limit_dcl(Amps::ZERO, why);
        self.limits.mode = Mode::Hold;
    }
}

fn lower<T: PartialOrd + Copy>(limit: &mut Limit<T>, value: T, why: &'static str) {
    if value < limit.value {
        *limit = Limit { value, why };
    }
}

/// All rules in order.
pub(super) fn apply(config: &Config, facts: &Facts, memory: &mut Memory, now: Moment) -> Verdict {
    let count = cells::count(config, facts, memory);
    let known = cells::chemistry(config, facts, memory);
    let chemistry = preset(known.unwrap_or(Chemistry::Lfp));
    let cell_count = match count {
        Count::Clear(cells) | Count::Changed(cells) => Some(cells),
        Count::Unclear => None,
    };
    let mut verdict = maxima(config, facts, known, cell_count);
    let full_ccl = verdict.limits.ccl.value;
    let full_dcl = verdict.limits.dcl.value;
    bms_limits(facts, &mut verdict);
    for input in INPUTS {
        limit_by_input(input, config, facts, chemistry, memory, now, (full_ccl, full_dcl), &mut verdict);
    }
    damage(config, facts, chemistry, &mut verdict);
    if facts.broken_cell {
        verdict.alarm(AlarmName::BmsInternal, Level::Alarm);
        verdict.block(facts, "cell sense wire broken");
    }
    if facts.broken_sensor {
        verdict.alarm(AlarmName::SensorFault, Level::Warning);
    }
    match count {
        Count::Clear(_) => {}
        Count::Changed(_) => verdict.alarm(AlarmName::BmsInternal, Level::Alarm),
        Count::Unclear => verdict.block(facts, CELL_COUNT_UNCLEAR),
    }
    if known.is_none() {
        verdict.block(facts, CHEMISTRY_UNKNOWN);
    }
    verdict
}

/// The configured maxima, else cautious ones derived from the BMS and the capacity; and the charge voltage. While the number of
/// cells or the chemistry is unknown there is none: the rules that say so then set it to the present voltage.
fn maxima(config: &Config, facts: &Facts, known: Option<Chemistry>, cell_count: Option<u8>) -> Verdict {
    let chemistry = preset(known.unwrap_or(Chemistry::Lfp));
    let cells = f64::from(cell_count.unwrap_or(0));
    let (per_cell, why) = match config.max_cell_voltage {
        Some(configured) => (configured.get().min(chemistry.highest_cell - 0.10), "configured cell voltage"),
        None => (chemistry.max_cell, "charge voltage of the chemistry"),
    };
    let cvl = if cell_count.is_some() && known.is_some() { per_cell * cells } else { f64::INFINITY };
    let mut verdict = Verdict {
        limits: Limits {
            cvl: Limit { value: Volts::new(cvl), why },
            ccl: Limit { value: Amps::new(f64::INFINITY), why: "no limit" },
            dcl: Limit { value: Amps::new(f64::INFINITY), why: "no limit" },
            low_voltage: Volts::new(chemistry.min_cell * cells).rounded(2),
            mode: Mode::Bulk,
        },
        cell_count,
        chemistry: known,
        alarms: Vec::new(),
        notices: Vec::new(),
    };
    match facts.settings.cell_ovp {
        Some(ovp) if (1.0..=5.0).contains(&ovp.get()) => {
            let cells = cell_count.map_or(f64::INFINITY, f64::from);
            verdict.limit_cvl(Volts::new((ovp.get() - 0.05) * cells), "BMS cell over-voltage protection");
        }
        Some(_) => verdict.notices.push("the BMS reports an implausible cell over-voltage protection; it is ignored"),
        None => {}
    }
    let (ccl, why) = maximum(config.max_charge_current, config, facts, 50.0);
    verdict.limit_ccl(ccl, why);
    let (dcl, why) = maximum(config.max_discharge_current, config, facts, 60.0);
    verdict.limit_dcl(dcl, why);
    let protections = [(facts.settings.charge_ocp, true), (facts.settings.discharge_ocp, false)];
    for (protection, charge) in protections {
        let Some(protection) = protection else { continue };
        if !plausible_protection(config, facts, protection) {
            verdict.notices.push(if charge {
                "the BMS reports an implausible charge over-current protection; it is ignored"
            } else {
                "the BMS reports an implausible discharge over-current protection; it is ignored"
            });
            continue;
        }
        let why = "BMS over-current protection";
        if charge { verdict.limit_ccl(protection * 0.9, why) } else { verdict.limit_dcl(protection * 0.9, why) }
    }
    verdict
}

/// The configured current, else the smaller of a fixed default and 0.5 C.
fn maximum(configured: Option<Amps>, config: &Config, facts: &Facts, default: f64) -> (Amps, &'static str) {
    match (configured, config.capacity.or(facts.capacity)) {
        (Some(configured), _) => (configured, "configured maximum"),
        (None, Some(capacity)) if capacity.get() * 0.5 < default => {
            (Amps::new(capacity.get() * 0.5), "0.5 C of the installed capacity")
        }
        (None, _) => (Amps::new(default), "default maximum"),
    }
}

/// A protection setting of 0 or above 10 C is no protection.
fn plausible_protection(config: &Config, facts: &Facts, protection: Amps) -> bool {
    let ten_c = config.capacity.or(facts.capacity).map(|capacity| capacity.get() * 10.0);
    protection.get() > 0.0 && ten_c.is_none_or(|ten_c| protection.get() <= ten_c)
}

/// What the BMS forbids or asks for is obeyed, 0 included.
fn bms_limits(facts: &Facts, verdict: &mut Verdict) {
    if let Some(limit) = facts.settings.charge_limit {
        verdict.limit_ccl(limit.max(Amps::ZERO), "limit the BMS asks for");
    }
    if let Some(limit) = facts.settings.discharge_limit {
        verdict.limit_dcl(limit.max(Amps::ZERO), "limit the BMS asks for");
    }
    if facts.charge_allowed == Some(false) {
        verdict.limit_ccl(Amps::ZERO, "BMS forbids charging");
    }
    if facts.discharge_allowed == Some(false) {
        verdict.limit_dcl(Amps::ZERO, "BMS forbids discharging");
    }
}

/// A cell under the damage voltage is charged at 0.05 C at most; one above the chemistry's highest raises an alarm.
fn damage(config: &Config, facts: &Facts, chemistry: &Preset, verdict: &mut Verdict) {
    let low = facts.low_cell.map(|cell| cell.get()).filter(|cell| *cell > cells::PLAUSIBLE_CELL);
    if low.is_some_and(|cell| cell < chemistry.damage_cell) {
        // Without a capacity: 2 A, 0.05 C of a small 40 Ah pack.
        let gentle = config.capacity.or(facts.capacity).map_or(2.0, |capacity| capacity.get() * 0.05);
        verdict.limit_ccl(Amps::new(gentle), "cell under its damage voltage");
        verdict.alarm(AlarmName::CellLowVoltage, Level::Alarm);
    }
    if facts.high_cell.is_some_and(|cell| cell.get() > chemistry.highest_cell) {
        verdict.alarm(AlarmName::CellHighVoltage, Level::Alarm);
    }
}

/// One input with its curves for both directions.
#[derive(Debug, Clone, Copy)]
struct Input {
    slot: usize,
    /// The values to look up, the cautious ones, for charging and discharging; `None` when unknown.
    values: fn(&Facts) -> Option<(Range, Range)>,
    charge: fn(&Config, &'static Preset) -> Vec<(f64, f64)>,
    discharge: fn(&Config, &'static Preset) -> Vec<(f64, f64)>,
    charge_why: &'static str,
    discharge_why: &'static str,
    never_given: &'static str,
}

/// The two ends at which a curve is looked up; the lower result counts.
type Range = (f64, f64);

const INPUTS: [Input; 4] = [
    Input {
        slot: 0,
        values: |facts| match (facts.high_cell, facts.low_cell) {
            (Some(high), Some(low)) => Some(((high.get(), high.get()), (low.get(), low.get()))),
            _ => None,
        },
        charge: |config, chemistry| config.charge_by_cell_voltage.clone().unwrap_or_else(|| chemistry.charge_by_cell.to_vec()),
        discharge: |config, chemistry| {
            config.discharge_by_cell_voltage.clone().unwrap_or_else(|| chemistry.discharge_by_cell.to_vec())
        },
        charge_why: "highest cell voltage",
        discharge_why: "lowest cell voltage",
        never_given: "the BMS gives no cell voltages: no limit by cell voltage",
    },
    Input {
        slot: 1,
        values: |facts| match (facts.coldest, facts.hottest) {
            (Some(cold), Some(hot)) => Some(((cold.get(), hot.get()), (cold.get(), hot.get()))),
            _ => None,
        },
        charge: |config, chemistry| {
            config.charge_by_temperature.clone().unwrap_or_else(|| chemistry.charge_by_temperature.to_vec())
        },
        discharge: |config, chemistry| {
            config.discharge_by_temperature.clone().unwrap_or_else(|| chemistry.discharge_by_temperature.to_vec())
        },
        charge_why: "battery temperature",
        discharge_why: "battery temperature",
        never_given: "the BMS gives no temperature: no limit by temperature",
    },
    Input {
        slot: 2,
        values: |facts| facts.mos.map(|mos| ((mos.get(), mos.get()), (mos.get(), mos.get()))),
        charge: |_, _| BY_MOS_TEMPERATURE.to_vec(),
        discharge: |_, _| BY_MOS_TEMPERATURE.to_vec(),
        charge_why: "MOSFET temperature",
        discharge_why: "MOSFET temperature",
        never_given: "the BMS gives no MOSFET temperature: no limit by it",
    },
    Input {
        slot: 3,
        values: |facts| match (facts.high_soc, facts.low_soc) {
            (Some(high), Some(low)) => Some(((high.get(), high.get()), (low.get(), low.get()))),
            _ => None,
        },
        charge: |config, _| config.charge_by_soc.clone().unwrap_or_default(),
        discharge: |config, _| config.discharge_by_soc.clone().unwrap_or_default(),
        charge_why: "state of charge",
        discharge_why: "state of charge",
        never_given: "the BMS gives no SoC: no limit by SoC",
    },
];

/// What each input last allowed, and when: an input that goes missing holds, then falls.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Seen([Option<(f64, f64, Moment)>; 4]);

/// After so long without an input that was there, at most a quarter of the current flows.
const MISSING_HOLD: Duration = Duration::from_secs(30);

#[allow(clippy::too_many_arguments, reason = "a rule needs the whole situation; a struct for one call would hide nothing")]
fn limit_by_input(
    input: Input,
    config: &Config,
    facts: &Facts,
    chemistry: &'static Preset,
    memory: &mut Memory,
    now: Moment,
    (full_ccl, full_dcl): (Amps, Amps),
    verdict: &mut Verdict,
) {
    let Some(seen) = memory.seen.0.get_mut(input.slot) else { return };
    let (charge, discharge) = match (input.values)(facts) {
        Some((for_charge, for_discharge)) => {
            let fraction = |curve: &[(f64, f64)], (a, b): Range| interpolate(curve, a).min(interpolate(curve, b));
            let charge = fraction(&(input.charge)(config, chemistry), for_charge);
            let discharge = fraction(&(input.discharge)(config, chemistry), for_discharge);
            *seen = Some((charge, discharge, now));
            (charge, discharge)
        }
        None => match *seen {
            Some((charge, discharge, at)) if now.since(at) <= MISSING_HOLD => (charge, discharge),
            Some((charge, discharge, _)) => (charge.min(0.25), discharge.min(0.25)),
            None => {
                verdict.notices.push(input.never_given);
                return;
            }
        },
    };
    if charge < 1.0 {
        verdict.limit_ccl(full_ccl * charge, input.charge_why);
    }
    if discharge < 1.0 {
        verdict.limit_dcl(full_dcl * discharge, input.discharge_why);
    }
}
