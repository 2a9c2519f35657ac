//! The rules. Each may lower a limit and names itself; the lowest limit wins and its reason is published.

use super::cells::{self, CellCount};
use super::chemistry::{interpolate, preset};
use super::overvoltage::Bounds;
use super::phase::{self, Situation};
use super::proposed_limits::{ProposedLimits, RuleContext};
use super::steps::{self, SOC_LOW_CELL};
use super::{ChargeInputs, ClientLimit, Config, Memory};
use super::{awaited, input_limits};
use crate::base::units::{AmpHours, Amps, Moment, Volts};
use crate::model::{AlarmName, ByDirection, Chemistry, Level, Limit, Limits, Mode};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reason while the number of cells is not certain (safety rule 3; pages and scripts rely on the wording).
pub(super) const CELL_COUNT_UNCLEAR: &str = "cell count unclear";
/// Reason while the chemistry is not certain (safety rule 4; pages and scripts rely on the wording).
pub(super) const CHEMISTRY_UNKNOWN: &str = "chemistry unknown: set chemistry";

/// Logged if the configured curve ends below the charge voltage in force.
const NEVER_FULL: &str = "`charge_by_cell_voltage` ends charging before the charge voltage is reached: let it end higher, or set `chemistry` and `max_cell_voltage_v`";
/// Logged if a battery replaces one whose chemistry was confirmed.
const OTHER_BATTERY: &str = "another number of cells than the last time, so another battery: set chemistry if it is not LFP";

/// Reason while neither the number of cells nor a charge voltage is known.
const NO_CHARGE_VOLTAGE: &str = "neither cells nor a charge voltage reported: set cells";
/// Logged if the number of cells is known and no cell voltage.
const MEAN_ONLY: &str = "the BMS gives no cell voltages: limits by the mean cell, the pack voltage divided by the number of cells";
/// Reason if nothing that the BMS reports protects its cells from too high a current.
const CELLS_UNWATCHED: &str = "neither cells nor a current limit reported: a quarter of the current";

/// Reason while a cell above its limit lowers the charge voltage.
pub(super) const CELL_TOO_HIGH: &str = "a cell is at its limit: charge voltage taken back";

/// Reason while a cell below its damage voltage lowers the charge current.
pub(super) const CELL_DAMAGED: &str = "cell under its damage voltage";

/// Reason of the charge voltage that the BMS asks for.
const ASKED_VOLTAGE: &str = "charge voltage the BMS asks for";

/// Reason while a temperature sensor has an impossible value.
const SENSOR_BROKEN: &str = "a temperature sensor is broken";

/// Applies all rules in order; for `from` see [`RuleContext`].
pub(super) fn apply(
    config: &Config,
    inputs: &ChargeInputs,
    memory: &mut Memory,
    from: Option<Moment>,
    now: Moment,
) -> ProposedLimits {
    let count = cells::count(config, inputs, memory);
    let with_mean = match count {
        CellCount::Clear(cells) | CellCount::Changed(cells) => inputs.with_mean_cells(cells).filter(|_| !memory.has_seen_cells),
        CellCount::Unclear | CellCount::NotReported => None,
    };
    let inputs = with_mean.as_ref().unwrap_or(inputs);
    let confirmed = memory.confirmed;
    let known = cells::chemistry(config, inputs, count, memory);
    let context = RuleContext { config, inputs, chemistry: preset(known.unwrap_or(Chemistry::Lfp)), from, now };
    let cell_count = match count {
        CellCount::Clear(cells) | CellCount::Changed(cells) => Some(cells),
        CellCount::Unclear | CellCount::NotReported => None,
    };
    let mut proposed = start(&context, cell_count, known);
    if confirmed.is_some_and(|before| memory.confirmed != Some(before)) {
        proposed.notices.push(OTHER_BATTERY);
    }
    currents(&context, &mut proposed);
    let full = proposed.limits.currents();
    let lift = match (cell_count, known) {
        (Some(cells), Some(_)) => voltage(&context, f64::from(cells), memory, &mut proposed),
        (None, Some(_)) if count == CellCount::NotReported => requested_voltage(&context, memory, &mut proposed),
        _ => 0.0,
    };
    if inputs.mean_only {
        proposed.notices.push(MEAN_ONLY);
    }
    input_limits::apply(&context, lift, memory, full, &mut proposed);
    floors(&context, full, &mut proposed);
    awaited::apply(&context, full, &mut proposed);
    bms_limits(&context, full, &mut proposed);
    damage(&context, &mut proposed);
    memory.hold.apply(&context, full.charge, &mut proposed);
    if inputs.broken_cell {
        proposed.alarm(AlarmName::BmsInternal, Level::Alarm);
        proposed.block(inputs, "cell sense wire broken");
    }
    if inputs.broken_sensor {
        proposed.alarm(AlarmName::SensorFault, Level::Warning);
        // As for a sensor that was present and is missing: its value is unknown.
        proposed.limit_currents(full.map(|full| full * input_limits::CAUTIOUS_SHARE), SENSOR_BROKEN);
    }
    match count {
        CellCount::Clear(_) => {}
        CellCount::NotReported if inputs.settings.voltage_limit.is_some() => {}
        CellCount::NotReported => proposed.block(inputs, NO_CHARGE_VOLTAGE),
        CellCount::Changed(_) => proposed.alarm(AlarmName::BmsInternal, Level::Alarm),
        CellCount::Unclear => proposed.block(inputs, CELL_COUNT_UNCLEAR),
    }
    if known.is_none() {
        proposed.block(inputs, CHEMISTRY_UNKNOWN);
    }
    proposed
}

/// Limits before the first rule. While the number of cells or the chemistry is unknown there is no charge voltage either: the
/// corresponding rules then set CVL to the present voltage.
fn start(context: &RuleContext<'_>, cell_count: Option<u8>, known: Option<Chemistry>) -> ProposedLimits {
    let steps = context.config.preset == steps::LimitsPreset::SerialbatterySocSteps;
    let low_cell = if steps { SOC_LOW_CELL } else { context.chemistry.min_cell };
    let reported = context.inputs.settings.pack_uvp.unwrap_or_default();
    let low_voltage = cell_count.map_or(reported, |cells| Volts::new(low_cell * f64::from(cells))).rounded(2);
    let none = Limit { value: Amps::new(f64::INFINITY), why: "no limit" };
    let cvl = Limit { value: Volts::new(f64::INFINITY), why: "no limit" };
    ProposedLimits {
        limits: Limits { cvl, ccl: none, dcl: none, low_voltage, mode: Mode::Bulk },
        comfort: ByDirection::both(none),
        maximum: ByDirection::both(none.value),
        cell_count,
        chemistry: known,
        alarms: Vec::new(),
        notices: Vec::new(),
        full: false,
        ceiling: Volts::new(f64::INFINITY),
        float: None,
        float_share: None,
        follows_pack: false,
    }
}

/// The charge voltage: phase, cell over-voltage controller, voltage drop to the charger, protection of the BMS. Returns how much
/// higher than usual this charge goes per cell.
fn voltage(context: &RuleContext<'_>, cells: f64, memory: &mut Memory, proposed: &mut ProposedLimits) -> f64 {
    let RuleContext { config, inputs, chemistry, from, now } = *context;
    let cap = highest_by_ovp(inputs, proposed);
    let asked = asked_voltage(context, Some(cells)).filter(|asked| *asked > Volts::ZERO).map_or(f64::INFINITY, Volts::get);
    let cap = cap.min(asked / cells);
    let dt = from.map_or(Duration::ZERO, |from| now.since(from));
    let in_force = memory.last.map(|last| last.limits.cvl.value.get() - config.voltage_drop.get());
    let ccl_in_force = memory.last.map(|last| last.limits.ccl.value.get());
    let situation = Situation { config, chemistry, inputs, cells, cap, in_force, ccl_in_force, dt, at: now };
    let float = situation.float();
    // The configuration was checked against the chemistry that it names; the BMS may report another.
    if config.charge_by_cell_voltage.as_ref().is_some_and(|curve| interpolate(curve, situation.usual()) <= 0.0) {
        proposed.notices.push(NEVER_FULL);
    }
    let target = memory.phases.advance(&situation);
    proposed.limits.mode = target.mode;
    proposed.full = target.full;
    let drop = config.voltage_drop;
    // As the protection, without the drop to the charger: a battery that asks for it also accounts for its cable.
    proposed.limit_cvl(Volts::new(asked), ASKED_VOLTAGE);
    proposed.limit_cvl(Volts::new(target.cvl) + drop, target.why);
    let (lowest, highest) = (chemistry.min_cell * cells, target.cell * cells);
    // In float, too, the ceiling starts from the charge voltage: a bank may hold that for its other batteries.
    let bounds = Bounds { limit: target.cell, lowest, most: cap, phases: &config.phases };
    let ceiling = memory.ceiling.advance(inputs, &bounds, highest, dt);
    if let Some(ceiling) = ceiling {
        proposed.limit_cvl(Volts::new(ceiling) + drop, CELL_TOO_HIGH);
    }
    proposed.limit_cvl(Volts::new(cap * cells), "BMS cell over-voltage protection");
    proposed.ceiling = (Volts::new(ceiling.map_or(highest, |ceiling| ceiling.min(highest))) + drop).min(Volts::new(cap * cells));
    proposed.float = Some((Volts::new(float * cells) + drop).min(proposed.ceiling).rounded(2));
    if let (Mode::Float, true, Some(pack)) = (target.mode, config.phases.eases_float_current, inputs.cautious_voltage()) {
        proposed.float_share = Some(phase::share_in_float(pack, Volts::new(float * cells)));
    }
    // The chemistry's curve ends just above its charge voltage and shifts with a configured one.
    let moved = config.cell_voltage(chemistry).filter(|_| config.charge_by_cell_voltage.is_none());
    let usual = moved.map_or(0.0, |cell| cell.get().min(chemistry.highest_cell - 0.10) - chemistry.max_cell);
    target.lift + usual
}

/// Highest cell voltage with a margin to the BMS's protection, V; infinite without one.
fn highest_by_ovp(inputs: &ChargeInputs, proposed: &mut ProposedLimits) -> f64 {
    match inputs.settings.cell_ovp {
        Some(ovp) if (1.0..=5.0).contains(&ovp.get()) => ovp.get() - 0.05,
        Some(_) => {
            proposed.notices.push("the BMS reports an implausible cell over-voltage protection; it is ignored");
            f64::INFINITY
        }
        None => f64::INFINITY,
    }
}

/// The charge voltage of a battery that reports neither its cells nor their number: the one that it asks for, lowered while the
/// highest cell that it reports is above the limit of a cell. Phases are left to the battery, which knows its cells. Returns as
/// [`voltage`].
fn requested_voltage(context: &RuleContext<'_>, memory: &mut Memory, proposed: &mut ProposedLimits) -> f64 {
    let RuleContext { config, inputs, chemistry, from, now } = *context;
    let Some(asked) = asked_voltage(context, None).filter(|asked| *asked > Volts::ZERO) else { return 0.0 };
    let most = highest_by_ovp(inputs, proposed);
    let wanted = config.cell_voltage(chemistry).map_or(chemistry.max_cell, Volts::get);
    let limit = wanted.min(chemistry.highest_cell - 0.10).min(most);
    let bounds = Bounds { limit, lowest: 0.0, most, phases: &config.phases };
    let dt = from.map_or(Duration::ZERO, |from| now.since(from));
    proposed.limit_cvl(asked, ASKED_VOLTAGE);
    proposed.ceiling = asked;
    if let Some(ceiling) = memory.ceiling.advance(inputs, &bounds, asked.get(), dt) {
        proposed.limit_cvl(Volts::new(ceiling), CELL_TOO_HIGH);
        proposed.ceiling = proposed.ceiling.min(Volts::new(ceiling));
    }
    if config.charge_by_cell_voltage.is_some() { 0.0 } else { limit - chemistry.max_cell }
}

/// Configured currents, else cautious ones derived from BMS and capacity; then the owner's temporary limits.
fn currents(context: &RuleContext<'_>, proposed: &mut ProposedLimits) {
    let RuleContext { config, inputs, .. } = *context;
    let set = |current: Option<Amps>, by: ClientLimit| current.map(|current| (current, config.from_client.contains(&by)));
    let (ccl, why) = maximum(set(config.max_charge_current, ClientLimit::ChargeCurrent), context.least_capacity(), 50.0);
    proposed.limit_ccl(ccl, why);
    let (dcl, why) = maximum(set(config.max_discharge_current, ClientLimit::DischargeCurrent), context.least_capacity(), 60.0);
    proposed.limit_dcl(dcl, why);
    let protections = [(inputs.settings.charge_ocp, true), (inputs.settings.discharge_ocp, false)];
    for (protection, charge) in protections {
        let Some(protection) = protection else { continue };
        if !plausible_protection(context.capacity(), protection) {
            proposed.notices.push(if charge {
                "the BMS reports an implausible charge over-current protection; it is ignored"
            } else {
                "the BMS reports an implausible discharge over-current protection; it is ignored"
            });
            continue;
        }
        let why = "BMS over-current protection";
        if charge { proposed.limit_ccl(protection * 0.9, why) } else { proposed.limit_dcl(protection * 0.9, why) }
    }
    proposed.maximum = proposed.limits.currents();
    proposed.limit_known_currents(inputs.owner_limits, "limit set by the owner for now");
}

/// Applies the comfort limits. A configured minimum may raise these, up to the maxima in `full`, for inverters that misread 0 A. It
/// does not raise any other limit, set earlier or later.
fn floors(context: &RuleContext<'_>, full: ByDirection<Amps>, proposed: &mut ProposedLimits) {
    let config = context.config;
    let floors = ByDirection { charge: config.min_charge_current, discharge: config.min_discharge_current };
    let eased = proposed.comfort.zip(floors.zip(full)).map(|(comfort, (floor, full))| {
        let floor = floor.min(full);
        if comfort.value < floor { Limit { value: floor, why: "configured minimum" } } else { comfort }
    });
    proposed.limit_or_ease(eased, ByDirection::both(false));
}

/// The configured current; one set by a client is bounded by 1 C. Without one the smaller of a fixed default and 0.5 C.
fn maximum(set: Option<(Amps, bool)>, capacity: Option<AmpHours>, default: f64) -> (Amps, &'static str) {
    match (set, capacity) {
        (Some((configured, false)), _) => (configured, "configured maximum"),
        (Some((by_client, true)), capacity) => {
            let most = Amps::new(capacity.map_or(default, |capacity| capacity.get()));
            if by_client > most {
                (most, "the most that the GX may set: 1 C of the capacity")
            } else {
                (by_client, "set on the GX")
            }
        }
        (None, Some(capacity)) if capacity.get() * 0.5 < default => {
            (Amps::new(capacity.get() * 0.5), "0.5 C of the installed capacity")
        }
        (None, _) => (Amps::new(default), "default maximum"),
    }
}

/// A protection setting of 0 or above 10 C is not plausible.
fn plausible_protection(capacity: Option<AmpHours>, protection: Amps) -> bool {
    let ten_c = capacity.map(|capacity| capacity.get() * 10.0);
    protection.get() > 0.0 && ten_c.is_none_or(|ten_c| protection.get() <= ten_c)
}

/// Applies the limits that the BMS reports, including 0. `full` are the limits without inputs.
fn bms_limits(context: &RuleContext<'_>, full: ByDirection<Amps>, proposed: &mut ProposedLimits) {
    let inputs = context.inputs;
    let settings = &inputs.settings;
    let asked = ByDirection { charge: settings.charge_limit, discharge: settings.discharge_limit };
    proposed.limit_known_currents(asked, "limit the BMS asks for");
    if inputs.without_cells {
        let unwatched = |asked: Option<Amps>, extreme: Option<Volts>| asked.is_none() && extreme.is_none();
        let ccl_unwatched = unwatched(settings.charge_limit, inputs.high_cell);
        let dcl_unwatched = unwatched(settings.discharge_limit, inputs.low_cell);
        let share = |full: Amps, unwatched: bool| unwatched.then(|| full * input_limits::CAUTIOUS_SHARE);
        let shares = ByDirection { charge: share(full.charge, ccl_unwatched), discharge: share(full.discharge, dcl_unwatched) };
        proposed.limit_known_currents(shares, CELLS_UNWATCHED);
    }
    if asked_voltage(context, proposed.cell_count.map(f64::from)).is_some_and(|asked| asked <= Volts::ZERO) {
        proposed.limit_ccl(Amps::ZERO, ASKED_VOLTAGE);
    }
    if inputs.charge_allowed == Some(false) {
        proposed.limit_ccl(Amps::ZERO, "BMS forbids charging");
    }
    if inputs.discharge_allowed == Some(false) {
        proposed.limit_dcl(Amps::ZERO, "BMS forbids discharging");
    }
}

/// A charge voltage outside of this range, as a multiple of the pack voltage, is not one of this battery if its cells are unknown: an
/// empty LFP cell has two thirds of the voltage at which it is full.
const ASKED_OF_PACK: RangeInclusive<f64> = 0.8..=2.0;

/// The charge voltage that the BMS asks for, if any; 0 for one that no battery of these cells is charged with.
fn asked_voltage(context: &RuleContext<'_>, cells: Option<f64>) -> Option<Volts> {
    let RuleContext { inputs, chemistry, .. } = context;
    let asked = inputs.settings.voltage_limit?;
    let fits = match (cells, inputs.cautious_voltage()) {
        (Some(cells), _) => asked.get() >= chemistry.min_cell * cells,
        (None, Some(pack)) => ASKED_OF_PACK.contains(&(asked.get() / pack.get())),
        (None, None) => false,
    };
    Some(if fits { asked } else { Volts::ZERO })
}

/// Limits charging to 0.05 C if a cell is below the damage voltage; raises an alarm then, and if one is above the chemistry's
/// highest.
fn damage(context: &RuleContext<'_>, proposed: &mut ProposedLimits) {
    let RuleContext { inputs, chemistry, .. } = *context;
    let low = inputs.low_cell.map(|cell| cell.get()).filter(|cell| *cell > cells::PLAUSIBLE_CELL);
    if low.is_some_and(|cell| cell < chemistry.damage_cell) {
        // Without a known capacity: 2 A, 0.05 C of a small 40 Ah pack.
        let gentle = context.least_capacity().map_or(2.0, |capacity| capacity.get() * 0.05);
        proposed.limit_ccl(Amps::new(gentle), CELL_DAMAGED);
        proposed.alarm(AlarmName::CellLowVoltage, Level::Alarm);
    }
    if inputs.high_cell.is_some_and(|cell| cell.get() > chemistry.highest_cell) {
        proposed.alarm(AlarmName::CellHighVoltage, Level::Alarm);
    }
}
