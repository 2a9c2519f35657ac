//! The charge voltage of a bank, and how far its charging is.
//!
//! Packs side by side have one voltage. While the bank charges, CVL is the lowest of what the *safety* of its members allows:
//! a member that is full and would go to float holds nobody down. The bank floats once every member had its full charge: it
//! went to float itself in this charge, or, if it came full already, stood at the charge voltage for the absorption time.

use super::gather::Gathered;
use super::roster::{Roster, Seat};
use super::{Config, Layout, Ruled};
use crate::charge::hold::Present;
use crate::model::Mode;
use crate::units::Volts;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How close to the charge voltage is at it: 10 mV of 3.45 V, for any number of cells.
const NEAR: f64 = 0.003;
/// Time in a row at the charge voltage after which the phase is called absorption.
const CERTAIN_S: f64 = 10.0;
/// On the way to float the limit stays so close to the packs: 20 mV of 3.4 V.
const BELOW_PACK: f64 = 0.006;
/// Float lasts at least so long.
const DWELL_S: f64 = 300.0;
/// A longer gap between steps tells nothing of what was in it.
const LONGEST_STEP_S: f64 = 20.0;

/// How far the charge of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Progress {
    /// It was in float already when this charge began, or when it came.
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

/// What the phases of the bank remember.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Phases {
    phase: Phase,
    progress: BTreeMap<String, Progress>,
    /// Seconds at the charge voltage, in a row and in all of this charge.
    in_a_row_s: f64,
    in_all_s: f64,
    in_float_s: f64,
    /// The voltage limit on its way to float.
    float_cvl: Option<f64>,
    soc_at_float: Option<f64>,
    /// Members that were not full when float began: they do not end it at once.
    unfinished: BTreeSet<String>,
}

/// CVL as the rules give it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Voltage {
    pub(super) value: f64,
    pub(super) rule: &'static str,
    pub(super) why: Cow<'static, str>,
    pub(super) mode: Mode,
}

impl Voltage {
    /// Not above `most`, while the bank may not be charged by the rule `charge`.
    pub(super) fn hold(&mut self, most: Volts, charge: &Ruled) {
        if sound(most) < self.value {
            let why = Cow::Owned(format!("{FORBIDDEN} ({})", charge.why));
            *self = Self { value: sound(most), rule: FORBIDDEN, why, mode: self.mode };
        }
    }
}

const FORBIDDEN: &str = "charging is forbidden: not above the pack voltage";

/// The bank as far as a voltage that lets no charge current flow is concerned: of packs side by side the lowest counts,
/// one that is silent with its last voltage.
pub(super) fn present(config: &Config, roster: &Roster, gathered: &Gathered) -> Option<Present> {
    let of = |seat: &Seat| seat.last.reading.voltage.map(sound).filter(|volts| *volts > 0.0);
    let voltage = match config.layout {
        Layout::Parallel => roster.all().filter_map(|(_, seat)| of(seat)).reduce(f64::min)?,
        Layout::Series => roster.all().map(|(_, seat)| of(seat)).sum::<Option<f64>>()?,
    };
    Some(Present {
        voltage: Volts::new(voltage),
        current: gathered.reading.current,
        capacity: gathered.reading.capacity,
        cells: gathered.cell_count.map_or(0.0, f64::from),
        lowest: gathered.low_voltage.get(),
    })
}

impl Phases {
    /// Moves on; `in_force` is CVL as it is published.
    pub(super) fn advance(
        &mut self,
        config: &Config,
        roster: &Roster,
        gathered: &Gathered,
        in_force: Option<f64>,
        elapsed: Duration,
    ) -> Voltage {
        let Some(ceiling) = ceiling(config, roster) else {
            return without_data(config, roster, in_force);
        };
        let seconds = elapsed.as_secs_f64().min(LONGEST_STEP_S);
        let in_force = in_force.unwrap_or(ceiling.value);
        match self.phase {
            Phase::Unknown => self.begin(roster),
            Phase::Charging => self.charge(config, roster, gathered, in_force, seconds),
            Phase::Float => self.float(config, roster, gathered, seconds),
        }
        if self.phase == Phase::Float {
            return self.float_target(config, roster, gathered, &ceiling, in_force, seconds);
        }
        let mode = if self.in_a_row_s >= CERTAIN_S { Mode::Absorption } else { Mode::Bulk };
        Voltage { mode, ..ceiling }
    }

    fn begin(&mut self, roster: &Roster) {
        let all_full = roster.online().all(|seat| seat.last.limits.mode == Mode::Float);
        if all_full {
            // Straight to float: that is where the members are.
            (self.phase, self.float_cvl) = (Phase::Float, Some(0.0));
        } else {
            self.phase = Phase::Charging;
        }
    }

    fn charge(&mut self, config: &Config, roster: &Roster, gathered: &Gathered, in_force: f64, seconds: f64) {
        let at_voltage = gathered.reading.voltage.is_some_and(|voltage| voltage.get() >= in_force * (1.0 - NEAR));
        if at_voltage {
            self.in_a_row_s += seconds;
            self.in_all_s += seconds;
        } else {
            self.in_a_row_s = 0.0;
        }
        let (mut takers, mut full) = (0, 0);
        for (name, seat) in roster.all().filter(|(_, seat)| takes_charge(seat)) {
            let floats = seat.last.limits.mode == Mode::Float;
            let progress = self.progress.entry(name.clone()).or_insert(Progress { came_full: floats, ..Progress::default() });
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
        let too_long = self.in_all_s >= config.phases.longest_absorption.as_secs_f64();
        if config.phases.enabled && takers > 0 && (full == takers || too_long) {
            let unfinished = roster.all().filter(|(_, seat)| seat.last.limits.mode != Mode::Float);
            *self = Self {
                phase: Phase::Float,
                soc_at_float: gathered.reading.soc.map(|soc| soc.get()),
                unfinished: unfinished.map(|(name, _)| name.clone()).collect(),
                ..Self::default()
            };
        }
    }

    fn float(&mut self, config: &Config, roster: &Roster, gathered: &Gathered, seconds: f64) {
        self.in_float_s += seconds;
        for (name, _) in roster.all().filter(|(_, seat)| seat.is_online() && seat.last.limits.mode == Mode::Float) {
            self.unfinished.remove(name);
        }
        let asks = |(name, seat): (&String, &Seat)| {
            takes_charge(seat) && seat.last.limits.mode == Mode::Bulk && !self.unfinished.contains(name)
        };
        let soc = gathered.reading.soc.map(|soc| soc.get());
        let fallen = |soc: f64| self.soc_at_float.is_none_or(|at_float| soc <= at_float - 2.0);
        let drawn = soc.is_some_and(|soc| soc < config.phases.rebulk_soc && fallen(soc));
        if self.in_float_s >= DWELL_S && (drawn || roster.all().any(asks)) {
            *self = Self { phase: Phase::Charging, ..Self::default() };
        }
    }

    /// Lets the voltage down to float, slowly or along with the packs, never above what safety allows.
    fn float_target(
        &mut self,
        config: &Config,
        roster: &Roster,
        gathered: &Gathered,
        ceiling: &Voltage,
        in_force: f64,
        seconds: f64,
    ) -> Voltage {
        let of = |seat: &Seat| sound(seat.part().float.unwrap_or(seat.last.limits.cvl.value));
        let floats = roster.online().map(of);
        let float = match config.layout {
            Layout::Parallel => floats.fold(0.0, f64::max),
            Layout::Series => floats.sum(),
        };
        let pack = gathered.reading.voltage.map_or(0.0, |voltage| voltage.get());
        let below = if config.phases.float_follows_pack { 0.0 } else { BELOW_PACK * pack };
        let from = self.float_cvl.unwrap_or(in_force);
        let value = (from - config.phases.float_ramp * seconds).max(pack - below).min(from).max(float);
        self.float_cvl = Some(value);
        if ceiling.value < value {
            return Voltage { mode: Mode::Float, ..ceiling.clone() };
        }
        let rule = if value > float { "all are full: on the way down to float" } else { "all are full: float voltage" };
        Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Float }
    }
}

/// A voltage that cannot be is none: 0.
fn sound(volts: Volts) -> f64 {
    if volts.get().is_finite() { volts.get().max(0.0) } else { 0.0 }
}

/// Whether a member takes part in charging: nothing it says keeps it from that.
fn takes_charge(seat: &Seat) -> bool {
    seat.is_online() && seat.last.reading.charge_fet != Some(false) && seat.last.limits.ccl.value.get() > 0.0
}

/// The highest voltage that the safety of every member allows; `None` without a member that is there. Of cells that nobody sees
/// (any more) only the float voltage is certain to be good.
fn ceiling(config: &Config, roster: &Roster) -> Option<Voltage> {
    roster.online().next()?;
    let of = |seat: &Seat| {
        let (part, cvl) = (seat.part(), seat.last.limits.cvl.value);
        let seen = sound(part.ceiling.unwrap_or(cvl));
        if seat.is_online() || seat.leaving > 0.0 { seen } else { sound(part.float.unwrap_or(cvl)).min(seen) }
    };
    let named = |seat: &Seat| {
        let away = !seat.is_online() && seat.leaving <= 0.0;
        let what = if away { "float voltage while it is silent" } else { "charge voltage that its cells allow" };
        format!("{}: {what}", seat.label)
    };
    match config.layout {
        Layout::Series => {
            let value = roster.all().map(|(_, seat)| of(seat)).sum();
            let rule = "sum of the charge voltages";
            Some(Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Bulk })
        }
        Layout::Parallel => {
            let voltages: Vec<_> = roster.all().map(|(_, seat)| (of(seat), seat)).collect();
            let (value, lowest) = voltages.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0))?;
            let highest = voltages.iter().map(|(value, _)| *value).fold(value, f64::max);
            if highest - value < 0.005 && lowest.is_online() {
                let rule = "charge voltage";
                return Some(Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Bulk });
            }
            Some(Voltage { value, rule: "lowest that a battery allows", why: Cow::Owned(named(lowest)), mode: Mode::Bulk })
        }
    }
}

/// Nobody is fresh: what the silent ones say by the rules of their own silence; without any, the voltage stays where it was, but
/// not above float.
fn without_data(config: &Config, roster: &Roster, in_force: Option<f64>) -> Voltage {
    let rule = "no battery of the bank answers";
    let combined = |values: Vec<f64>| match (config.layout, values.is_empty()) {
        (_, true) => None,
        (Layout::Parallel, false) => Some(values.into_iter().fold(f64::INFINITY, f64::min)),
        (Layout::Series, false) => Some(values.into_iter().sum()),
    };
    let all_silent = roster.silent().count() == roster.all().count();
    let silent = roster.silent().filter_map(|seat| Some(sound(seat.now.as_ref()?.limits.cvl.value))).collect();
    let last = roster.all().map(|(_, seat)| {
        let voltage = seat.last.reading.voltage.map_or(f64::INFINITY, |voltage| voltage.get());
        let cvl = seat.last.limits.cvl.value;
        sound(seat.part().float.unwrap_or(cvl)).min(voltage).min(sound(cvl))
    });
    let told = if config.layout == Layout::Parallel || all_silent { combined(silent) } else { None };
    let value = told.or_else(|| combined(last.collect())).unwrap_or(0.0);
    let value = in_force.map_or(value, |in_force| value.min(in_force));
    Voltage { value, rule, why: Cow::Borrowed(rule), mode: Mode::Hold }
}
