//! The rules. Each may lower a limit and names itself; the lowest limit wins and its name is published.

use super::cells::{self, Count};
use super::chemistry::preset;
use super::inputs;
use super::phase::Situation;
use super::steps::{self, SEED_LOW_CELL};
use super::verdict::{Given, Verdict};
use super::{Config, Facts, Memory};
use crate::model::{AlarmName, Chemistry, Level, Limit, Limits, Mode};
use crate::units::{AmpHours, Amps, Moment, Volts};
use std::time::Duration;

/// Reason while the number of cells is not certain (wording fixed by contract.md).
pub(super) const CELL_COUNT_UNCLEAR: &str = "cell count unclear";
/// Reason while the chemistry is not certain (wording fixed by contract.md).
pub(super) const CHEMISTRY_UNKNOWN: &str = "chemistry unknown: set chemistry";

/// Reason while a temperature sensor reads what no sensor can.
const SENSOR_BROKEN: &str = "a temperature sensor is broken";

/// All rules in order; for `from` see [`Given`].
pub(super) fn apply(config: &Config, facts: &Facts, memory: &mut Memory, from: Option<Moment>, now: Moment) -> Verdict {
    let count = cells::count(config, facts, memory);
    let known = cells::chemistry(config, facts, memory);
    let given = Given { config, facts, chemistry: preset(known.unwrap_or(Chemistry::Lfp)), from, now };
    let cell_count = match count {
        Count::Clear(cells) | Count::Changed(cells) => Some(cells),
        Count::Unclear => None,
    };
    let mut verdict = start(&given, cell_count, known);
    currents(&given, &mut verdict);
    let full = (verdict.limits.ccl.value, verdict.limits.dcl.value);
    let lift = match (cell_count, known) {
        (Some(cells), Some(_)) => voltage(&given, f64::from(cells), memory, &mut verdict),
        _ => 0.0,
    };
    inputs::apply(&given, lift, memory, full, &mut verdict);
    floors(&given, full, &mut verdict);
    bms_limits(facts, &mut verdict);
    damage(&given, &mut verdict);
    memory.hold.apply(&given, full.0, &mut verdict);
    if facts.broken_cell {
        verdict.alarm(AlarmName::BmsInternal, Level::Alarm);
        verdict.block(facts, "cell sense wire broken");
    }
    if facts.broken_sensor {
        verdict.alarm(AlarmName::SensorFault, Level::Warning);
        // As for a sensor that was there and is missing: nobody knows what it would say.
        verdict.limit_ccl(full.0 * 0.25, SENSOR_BROKEN);
        verdict.limit_dcl(full.1 * 0.25, SENSOR_BROKEN);
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

/// No limit yet. While the number of cells or the chemistry is unknown there is no charge voltage either: the rules that say so
/// then set it to the present voltage.
fn start(given: &Given<'_>, cell_count: Option<u8>, known: Option<Chemistry>) -> Verdict {
    let steps = given.config.preset == steps::Preset::SeedSocSteps;
    let low_cell = if steps { SEED_LOW_CELL } else { given.chemistry.min_cell };
    let low_voltage = Volts::new(low_cell * f64::from(cell_count.unwrap_or(0))).rounded(2);
    let none = Limit { value: Amps::new(f64::INFINITY), why: "no limit" };
    let cvl = Limit { value: Volts::new(f64::INFINITY), why: "no limit" };
    Verdict {
        limits: Limits { cvl, ccl: none, dcl: none, low_voltage, mode: Mode::Bulk },
        comfort: [none; 2],
        cell_count,
        chemistry: known,
        alarms: Vec::new(),
        notices: Vec::new(),
        full: false,
        ceiling: Volts::new(f64::INFINITY),
        float: None,
        follows_pack: false,
    }
}

/// The charge voltage: phase, cell over-voltage controller, loss on the way to the charger, protection of the BMS. Returns how
/// much higher than usual this charge goes per cell.
fn voltage(given: &Given<'_>, cells: f64, memory: &mut Memory, verdict: &mut Verdict) -> f64 {
    let Given { config, facts, chemistry, from, now } = *given;
    let cap = match facts.settings.cell_ovp {
        Some(ovp) if (1.0..=5.0).contains(&ovp.get()) => ovp.get() - 0.05,
        Some(_) => {
            verdict.notices.push("the BMS reports an implausible cell over-voltage protection; it is ignored");
            f64::INFINITY
        }
        None => f64::INFINITY,
    };
    let dt = from.map_or(Duration::ZERO, |from| now.since(from));
    let in_force = memory.last.map(|last| last.limits.cvl.value.get() - config.voltage_drop.get());
    let ccl_in_force = memory.last.map(|last| last.limits.ccl.value.get());
    let situation = Situation { config, chemistry, facts, cells, cap, in_force, ccl_in_force, dt };
    let float = situation.float();
    let target = memory.phases.advance(&situation);
    verdict.limits.mode = target.mode;
    verdict.full = target.full;
    let drop = config.voltage_drop;
    verdict.limit_cvl(Volts::new(target.cvl) + drop, target.why);
    let (lowest, highest) = (chemistry.min_cell * cells, target.cell * cells);
    // In float, too, it starts from the charge voltage: a bank may hold that for its other batteries.
    let ceiling = memory.ceiling.advance(facts, target.cell, highest, lowest, dt);
    if let Some(ceiling) = ceiling {
        verdict.limit_cvl(Volts::new(ceiling) + drop, "a cell is at its limit: charge voltage taken back");
    }
    verdict.limit_cvl(Volts::new(cap * cells), "BMS cell over-voltage protection");
    verdict.ceiling = (Volts::new(ceiling.map_or(highest, |ceiling| ceiling.min(highest))) + drop).min(Volts::new(cap * cells));
    verdict.float = Some((Volts::new(float * cells) + drop).min(verdict.ceiling).rounded(2));
    // The curve of the chemistry ends just above its charge voltage and moves along with a configured one.
    let moved = config.max_cell_voltage.filter(|_| config.charge_by_cell_voltage.is_none());
    let usual = moved.map_or(0.0, |cell| cell.get().min(chemistry.highest_cell - 0.10) - chemistry.max_cell);
    target.lift + usual
}

/// The configured currents, else cautious ones derived from the BMS and the capacity; what the owner allows for now.
fn currents(given: &Given<'_>, verdict: &mut Verdict) {
    let Given { config, facts, .. } = *given;
    let (ccl, why) = maximum(config.max_charge_current, given.capacity(), 50.0);
    verdict.limit_ccl(ccl, why);
    let (dcl, why) = maximum(config.max_discharge_current, given.capacity(), 60.0);
    verdict.limit_dcl(dcl, why);
    if let Some(limit) = facts.owner_charge_limit {
        verdict.limit_ccl(limit.max(Amps::ZERO), "limit set by the owner for now");
    }
    if let Some(limit) = facts.owner_discharge_limit {
        verdict.limit_dcl(limit.max(Amps::ZERO), "limit set by the owner for now");
    }
    let protections = [(facts.settings.charge_ocp, true), (facts.settings.discharge_ocp, false)];
    for (protection, charge) in protections {
        let Some(protection) = protection else { continue };
        if !plausible_protection(given.capacity(), protection) {
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
}

/// Adds what the curves allow for comfort. There a configured minimum holds, for inverters that misread 0 A; `full` are the maxima,
/// which it does not lift. Against everything else, which stands in the limits already or comes later, it does not hold.
fn floors(given: &Given<'_>, full: (Amps, Amps), verdict: &mut Verdict) {
    let config = given.config;
    let eased = |comfort: Limit<Amps>, floor: Amps| {
        if comfort.value < floor { Limit { value: floor, why: "configured minimum" } } else { comfort }
    };
    let [charge, discharge] = verdict.comfort;
    let charge = eased(charge, config.min_charge_current.min(full.0));
    verdict.limit_ccl(charge.value, charge.why);
    let discharge = eased(discharge, config.min_discharge_current.min(full.1));
    verdict.limit_dcl(discharge.value, discharge.why);
}

/// The configured current, else the smaller of a fixed default and 0.5 C.
fn maximum(configured: Option<Amps>, capacity: Option<AmpHours>, default: f64) -> (Amps, &'static str) {
    match (configured, capacity) {
        (Some(configured), _) => (configured, "configured maximum"),
        (None, Some(capacity)) if capacity.get() * 0.5 < default => {
            (Amps::new(capacity.get() * 0.5), "0.5 C of the installed capacity")
        }
        (None, _) => (Amps::new(default), "default maximum"),
    }
}

/// A protection setting of 0 or above 10 C is no protection.
fn plausible_protection(capacity: Option<AmpHours>, protection: Amps) -> bool {
    let ten_c = capacity.map(|capacity| capacity.get() * 10.0);
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
fn damage(given: &Given<'_>, verdict: &mut Verdict) {
    let Given { facts, chemistry, .. } = *given;
    let low = facts.low_cell.map(|cell| cell.get()).filter(|cell| *cell > cells::PLAUSIBLE_CELL);
    if low.is_some_and(|cell| cell < chemistry.damage_cell) {
        // Without a capacity: 2 A, 0.05 C of a small 40 Ah pack.
        let gentle = given.capacity().map_or(2.0, |capacity| capacity.get() * 0.05);
        verdict.limit_ccl(Amps::new(gentle), "cell under its damage voltage");
        verdict.alarm(AlarmName::CellLowVoltage, Level::Alarm);
    }
    if facts.high_cell.is_some_and(|cell| cell.get() > chemistry.highest_cell) {
        verdict.alarm(AlarmName::CellHighVoltage, Level::Alarm);
    }
}
