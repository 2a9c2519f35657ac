//! The charge voltage of a bank, and its charge phase.
//!
//! Packs in parallel have one voltage. While the bank charges, CVL is the lowest voltage that the *safety* of each member allows:
//! a full member that would go to float does not hold back the others. The bank floats once every member has completed its charge:
//! it went to float itself during this charge, or, if it was full from the start, was at the charge voltage for the absorption
//! time. Only a real discharge resets this.

use super::aggregate::Aggregate;
use super::members::{MemberState, Members};
use super::{Config, Layout, ReasonedLimit};
use crate::base::units::{Amps, Volts, at_least_zero};
use crate::battery::charge::at_voltage::{AtVoltage, VoltageStep};
use crate::battery::charge::hold::{CHARGE_FORBIDDEN, PackState, USUAL_CELL};
use crate::model::{Mode, Reading};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Tolerance for "at the charge voltage": 10 mV of 3.45 V, for any number of cells.
const AT_VOLTAGE_TOLERANCE: f64 = 0.003;
/// Uninterrupted time at the charge voltage after which absorption begins.
const ABSORPTION_CONFIRM_S: f64 = 10.0;
/// Distance of the limit from the packs on the way to float: 20 mV of 3.4 V.
const MAX_BELOW_PACK: f64 = 0.006;
/// Minimum duration of float.
const MIN_FLOAT_S: f64 = 300.0;
/// Maximum gap between steps that counts as observed time.
const MAX_STEP_S: f64 = 20.0;

const FADING: &str = "no battery answers; the voltage stays for a moment";

/// Progress of a member's charge.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct MemberProgress {
    /// It was already in float when this charge began, or when it joined.
    came_full: bool,
    at_voltage_s: f64,
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// No member has been seen yet.
    #[default]
    Unknown,
    Charging,
    Float,
}

/// State of the bank's phases.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Phases {
    phase: Phase,
    progress: BTreeMap<String, MemberProgress>,
    /// Time at the charge voltage in this charge.
    at_voltage: AtVoltage,
    in_float_s: f64,
    /// The voltage limit, falling to float.
    float_cvl: Option<f64>,
    soc_at_float: Option<f64>,
    /// Members not full when float began: they do not end it at once.
    unfinished: BTreeSet<String>,
}

/// CVL as proposed by the rules.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Voltage {
    pub(super) value: f64,
    pub(super) rule: &'static str,
    pub(super) why: Cow<'static, str>,
    pub(super) mode: Mode,
}

impl Voltage {
    /// Caps it at `most` while the rule `charge` forbids charging.
    pub(super) fn hold(&mut self, most: Volts, charge: &ReasonedLimit) {
        if plausible(most) < self.value {
            let why = Cow::Owned(format!("{CHARGE_FORBIDDEN} ({})", charge.why));
            *self = Self { value: plausible(most), rule: CHARGE_FORBIDDEN, why, mode: self.mode };
        }
    }
}

/// The voltage at which no charge current flows: in parallel the lowest counts, of a silent member its last voltage.
pub(super) fn present(config: &Config, members: &Members, aggregate: &Aggregate) -> Option<PackState> {
    let of = |member: &MemberState| member.last.reading.voltage.map(plausible).filter(|volts| *volts > 0.0);
    let voltage = match config.layout {
        Layout::Parallel => members.all().filter_map(|(_, member)| of(member)).reduce(f64::min)?,
        Layout::Series => members.all().map(|(_, member)| of(member)).sum::<Option<f64>>()?,
    };
    Some(PackState {
        voltage: Volts::new(voltage),
        current: aggregate.reading.current.or_else(|| most_current(config, members)),
        capacity: aggregate.reading.capacity,
        cells: aggregate.cell_count.map_or(voltage / USUAL_CELL, f64::from),
        lowest: aggregate.low_voltage.get(),
    })
}

/// The highest charge current that is possible while that of a member is not known, as far as something is known about it.
fn most_current(config: &Config, members: &Members) -> Option<Amps> {
    let most = members.online().filter_map(|member| member.current_range()).map(|range| *range.end());
    match config.layout {
        Layout::Parallel => most.reduce(|one, other| one + other),
        Layout::Series => most.reduce(f64::max),
    }
    .map(Amps::new)
}

impl Phases {
    /// Advances the phases; `in_force` is the published CVL.
    pub(super) fn advance(
        &mut self,
        config: &Config,
        members: &Members,
        aggregate: &Aggregate,
        in_force: Option<f64>,
        elapsed: Duration,
    ) -> Voltage {
        let Some(ceiling) = ceiling(config, members) else {
            return without_data(config, members, in_force);
        };
        if members.online().next().is_none() {
            // All were stopped a moment ago: nothing is known that the phases could go by.
            let value = in_force.map_or(ceiling.value, |in_force| ceiling.value.min(in_force));
            return Voltage { value, rule: FADING, why: Cow::Borrowed(FADING), mode: Mode::Hold };
        }
        let seconds = elapsed.as_secs_f64().min(MAX_STEP_S);
        let in_force = in_force.unwrap_or(ceiling.value);
        match self.phase {
            Phase::Unknown => self.begin(members),
            Phase::Charging => self.charge(config, members, aggregate, in_force, seconds),
            Phase::Float => self.float(config, members, aggregate, seconds),
        }
        if self.phase == Phase::Float {
            return self.float_target(config, members, aggregate, &ceiling, in_force, seconds);
        }
        let mode = if self.at_voltage.in_a_row_s() >= ABSORPTION_CONFIRM_S { Mode::Absorption } else { Mode::Bulk };
        Voltage { mode, ..ceiling }
    }

    fn begin(&mut self, members: &Members) {
        let all_full = members.online().all(|member| member.last.limits.mode == Mode::Float);
        if all_full {
            // Start in float: the members are there already.
            (self.phase, self.float_cvl) = (Phase::Float, Some(0.0));
        } else {
            self.phase = Phase::Charging;
        }
    }

    fn charge(&mut self, config: &Config, members: &Members, aggregate: &Aggregate, in_force: f64, seconds: f64) {
        let at_voltage = aggregate.reading.voltage.is_some_and(|voltage| voltage.get() >= in_force * (1.0 - AT_VOLTAGE_TOLERANCE));
        let Reading { current, capacity, soc, .. } = aggregate.reading;
        // A missing member changes the bank's SoC.
        let soc = soc.filter(|_| members.offline() == 0);
        if self.at_voltage.advance(VoltageStep { at_voltage, is_low: false, current, capacity, soc, seconds }) {
            // Members that were full before are not any more.
            self.progress.clear();
        }
        let (mut takers, mut full) = (0, 0);
        for (name, member) in members.all().filter(|(_, member)| takes_charge(member)) {
            let floats = member.last.limits.mode == Mode::Float;
            let progress =
                self.progress.entry(name.clone()).or_insert(MemberProgress { came_full: floats, ..MemberProgress::default() });
            match (floats, progress.came_full) {
                (true, false) => progress.full = true,
                (true, true) if at_voltage => progress.at_voltage_s += seconds,
                (true, true) => {}
                (false, _) => progress.came_full = false,
            }
            progress.full |= progress.at_voltage_s >= config.phases.absorption.as_secs_f64();
            takers += 1;
            full += usize::from(progress.full);
        }
        let too_long = self.at_voltage.in_all_s() >= config.phases.longest_absorption.as_secs_f64();
        if config.phases.enabled && takers > 0 && (full == takers || too_long) {
            let unfinished = members.all().filter(|(_, member)| member.last.limits.mode != Mode::Float);
            *self = Self {
                phase: Phase::Float,
                soc_at_float: aggregate.reading.soc.map(|soc| soc.get()),
                unfinished: unfinished.map(|(name, _)| name.clone()).collect(),
                ..Self::default()
            };
        }
    }

    fn float(&mut self, config: &Config, members: &Members, aggregate: &Aggregate, seconds: f64) {
        self.in_float_s += seconds;
        for (name, _) in members.all().filter(|(_, member)| member.is_online() && member.last.limits.mode == Mode::Float) {
            self.unfinished.remove(name);
        }
        let asks = |(name, member): (&String, &MemberState)| {
            takes_charge(member) && member.last.limits.mode == Mode::Bulk && !self.unfinished.contains(name)
        };
        // A missing member changes the bank's SoC: nothing was drawn by that.
        let soc = aggregate.reading.soc.filter(|_| members.offline() == 0).map(|soc| soc.get());
        let fallen = |soc: f64| self.soc_at_float.is_none_or(|at_float| soc <= at_float - 2.0);
        let drawn = soc.is_some_and(|soc| soc < config.phases.rebulk_soc && fallen(soc));
        if self.in_float_s >= MIN_FLOAT_S && (drawn || members.all().any(asks)) {
            *self = Self { phase: Phase::Charging, ..Self::default() };
        }
    }

    /// Lowers the voltage to float, slowly or along with the packs, never above the safe voltage.
    fn float_target(
        &mut self,
        config: &Config,
        members: &Members,
        aggregate: &Aggregate,
        ceiling: &Voltage,
        in_force: f64,
        seconds: f64,
    ) -> Voltage {
        let float = float_voltage(config, members);
        let pack = aggregate.reading.voltage.map_or(0.0, |voltage| voltage.get());
        let lowest = config.phases.follows(pack).unwrap_or(pack - MAX_BELOW_PACK * pack);
        let from = self.float_cvl.unwrap_or(in_force);
        let value = (from - config.phases.float_ramp * seconds).max(lowest).min(from).max(float);
        self.float_cvl = Some(value);
        if ceiling.value < value {
            return Voltage { mode: Mode::Float, ..ceiling.clone() };
        }
        let rule = if value > float { "all are full: on the way down to float" } else { "all are full: float voltage" };
        Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Float }
    }
}

/// The float voltage of the present batteries: in parallel the highest counts.
pub(super) fn float_voltage(config: &Config, members: &Members) -> f64 {
    let of = |member: &MemberState| plausible(member.member_info().float.unwrap_or(member.last.limits.cvl.value));
    let floats = members.online().map(of);
    match config.layout {
        Layout::Parallel => floats.fold(0.0, f64::max),
        Layout::Series => floats.sum(),
    }
}

/// An impossible voltage counts as 0.
fn plausible(volts: Volts) -> f64 {
    at_least_zero(volts.get())
}

/// Whether a member takes part in charging: none of its values prevents it.
fn takes_charge(member: &MemberState) -> bool {
    member.is_online() && member.last.reading.fets.charge != Some(false) && member.last.limits.ccl.value.get() > 0.0
}

/// The highest voltage that is safe for every member; `None` without a present member. For cells without data only the float
/// voltage is known to be safe, and of a pack that was never heard only that of the others.
fn ceiling(config: &Config, members: &Members) -> Option<Voltage> {
    members.counted().next()?;
    let seen = |member: &MemberState| plausible(member.member_info().ceiling.unwrap_or(member.last.limits.cvl.value));
    let float =
        |member: &MemberState| plausible(member.member_info().float.unwrap_or(member.last.limits.cvl.value)).min(seen(member));
    let of = |member: &MemberState| if member.is_counted() { seen(member) } else { float(member) };
    let named = |member: &MemberState| {
        let what = if member.is_counted() { "charge voltage that its cells allow" } else { "float voltage while it is silent" };
        format!("{}: {what}", member.label)
    };
    match config.layout {
        Layout::Series => {
            let value = members.all().map(|(_, member)| of(member)).sum();
            let rule = "sum of the charge voltages";
            Some(Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Bulk })
        }
        Layout::Parallel => {
            let voltages: Vec<_> = members.all().map(|(_, member)| (of(member), member)).collect();
            let (value, lowest) = voltages.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0))?;
            let highest = voltages.iter().map(|(value, _)| *value).fold(value, f64::max);
            let unseen = members.unseen().next().zip(members.counted().map(|(_, member)| float(member)).reduce(f64::min));
            if let Some((label, float)) = unseen.filter(|(_, float)| *float < value) {
                let why = Cow::Owned(format!("{label}: float voltage until it is there"));
                return Some(Voltage { value: float, rule: "float voltage for a battery not seen yet", why, mode: Mode::Bulk });
            }
            if highest - value < 0.005 && lowest.is_online() {
                let rule = "charge voltage";
                return Some(Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Bulk });
            }
            Some(Voltage { value, rule: "lowest that a battery allows", why: Cow::Owned(named(lowest)), mode: Mode::Bulk })
        }
    }
}

/// No member is fresh: the silent ones by the rules of their own silence; without any, the voltage stays, but not above float.
fn without_data(config: &Config, members: &Members, in_force: Option<f64>) -> Voltage {
    let rule = "no battery of the bank answers";
    let combined = |values: Vec<f64>| match (config.layout, values.is_empty()) {
        (_, true) => None,
        (Layout::Parallel, false) => Some(values.into_iter().fold(f64::INFINITY, f64::min)),
        (Layout::Series, false) => Some(values.into_iter().sum()),
    };
    let all_silent = members.silent().count() == members.all().count();
    let silent = members.silent().filter_map(|member| Some(plausible(member.now.as_ref()?.limits.cvl.value))).collect();
    let last = members.all().map(|(_, member)| {
        let voltage = member.last.reading.voltage.map_or(f64::INFINITY, |voltage| voltage.get());
        let cvl = member.last.limits.cvl.value;
        plausible(member.member_info().float.unwrap_or(cvl)).min(voltage).min(plausible(cvl))
    });
    let of_silent = if config.layout == Layout::Parallel || all_silent { combined(silent) } else { None };
    let value = of_silent.or_else(|| combined(last.collect())).unwrap_or(0.0);
    let value = in_force.map_or(value, |in_force| value.min(in_force));
    Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Hold }
}
