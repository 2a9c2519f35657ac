//! A second inverter, the partner, at the same grid connection, with a battery of its own or on ours: the two batteries must not
//! charge each other.
//!
//! With the powers of both batteries and of the grid, each positive when it draws, the house without batteries needs
//! `need = grid - ours - partner`.
//!
//! | mean of the partner over 30 s | limit | back |
//! |---|---|---|
//! | charges | DCL falls from the present current to 0 within 30 s, or to what the house needs | 60 s after the last time |
//! | discharges | CCL, likewise, or to what the house has left | 60 s after the last time |
//!
//! The house counts once it has needed more than 700 W, or had left more than 100 W, for 5 s. If both limits are held for ten
//! minutes, DCL is released. If partner or grid are silent for a minute, nothing is held. The rule lies on top of the limits and
//! only ever lowers them. Figures: the rules of chrgraf/JK_UART_to_PYLON_translator.

use crate::base::episode::Episode;
use crate::base::units::{Amps, Moment, Volts, Watts, round_down};
use crate::model::{ByDirection, Limit, Limits};
use std::collections::VecDeque;
use std::time::Duration;

/// Time over which the partner's power is averaged; also that in which a limit falls to 0.
const MEAN_OVER: Duration = Duration::from_secs(30);
const FALL_S: f64 = 30.0;
/// A smaller mean power of the partner is no charging or discharging, W.
const DEAD_BAND_W: f64 = 100.0;
/// A limit is released when the partner has been at rest for this long.
const AT_REST_AFTER: Duration = Duration::from_secs(60);
/// What the house must need, or have left, W, and for how long.
const NEED_W: f64 = 700.0;
const LEFT_W: f64 = 100.0;
const NEED_FOR: Duration = Duration::from_secs(5);
/// Both limits held for this long: DCL is released.
const STALEMATE_AFTER: Duration = Duration::from_secs(600);
/// Partner or grid without a value for this long: nothing is held.
const SILENT_AFTER: Duration = Duration::from_secs(60);
/// An older value of the partner says nothing about what the house needs.
const MAX_AGE: Duration = Duration::from_secs(15);
/// Number of values that are kept at most.
const MAX_VALUES: usize = 600;
/// More is no power of a house, W.
const MAX_W: f64 = 10_000_000.0;

/// DCL is 0 or on its way there.
pub const CHARGES: &str = "partner inverter charges: no discharging into it";
/// DCL is what the house needs.
pub const HOUSE_NEEDS: &str = "partner inverter charges: discharging for the house only";
/// CCL is 0 or on its way there.
pub const DISCHARGES: &str = "partner inverter discharges: no charging from it";
/// CCL is what the house has left.
pub const HOUSE_HAS_LEFT: &str = "partner inverter discharges: charging by the surplus only";
/// The limit rises again.
pub const RETURNS: &str = "partner inverter is at rest: the limit rises slowly";

/// A value of the partner's battery; positive charges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PartnerValue {
    /// Power.
    Power(Watts),
    /// Current, at about the voltage of our battery.
    Current(Amps),
}

/// Settings of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartnerConfig {
    /// Both inverters are on the same battery: the partner's current is part of the BMS's.
    pub shares_battery: bool,
}

/// The battery as the rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OwnBattery {
    /// Pack voltage, if known and fresh.
    pub voltage: Option<Volts>,
    /// Pack current, if known and fresh; positive charges.
    pub current: Option<Amps>,
    /// Rise of a limit that is released, A per second.
    pub rise: f64,
    /// Lowest limits that this rule sets, for inverters that misread 0 A.
    pub floors: ByDirection<Amps>,
}

impl OwnBattery {
    fn power(&self) -> Option<f64> {
        Some(self.voltage?.get() * self.current?.get())
    }
}

/// The rule of one direction.
struct Rule {
    /// 1: the partner works against it by charging.
    sign: f64,
    /// What the house must need at first, W.
    from_w: f64,
    /// The reason while the house needs nothing, and while it does.
    empty: &'static str,
    house: &'static str,
}

const CHARGE: Rule = Rule { sign: -1.0, from_w: LEFT_W, empty: DISCHARGES, house: HOUSE_HAS_LEFT };
const DISCHARGE: Rule = Rule { sign: 1.0, from_w: NEED_W, empty: CHARGES, house: HOUSE_NEEDS };

/// One direction over time.
#[derive(Debug, Clone, Default)]
struct Held {
    /// The partner last worked against this direction.
    last_against: Option<Moment>,
    /// The house needs this direction.
    for_house: bool,
    /// The limit, and its value when it began to fall, A.
    cap: Option<(f64, f64)>,
    why: &'static str,
}

/// State of the rule.
#[derive(Debug, Clone, Default)]
pub struct Partner {
    /// Powers of the last half minute, and the last one, W.
    powers: VecDeque<(Moment, f64)>,
    last_power: Option<(Moment, f64)>,
    /// What the house needed in the last seconds, W.
    needs: VecDeque<(Moment, f64)>,
    grid_at: Option<Moment>,
    held: ByDirection<Held>,
    both_since: Option<Moment>,
    /// DCL was released because both were held.
    stalemate: bool,
    lowered_at: Option<Moment>,
    silence: Episode,
    notices: Vec<&'static str>,
}

impl Partner {
    /// Takes a value of the partner's battery.
    pub fn observe(&mut self, value: PartnerValue, own: &OwnBattery, now: Moment) {
        let watts = match value {
            PartnerValue::Power(watts) => Some(watts.get()),
            PartnerValue::Current(amps) => own.voltage.map(|volts| volts.get() * amps.get()),
        };
        let Some(watts) = watts.filter(|watts| watts.abs() <= MAX_W) else { return };
        self.last_power = Some((now, watts));
        self.powers.push_back((now, watts));
        forget(&mut self.powers, MEAN_OVER, now);
    }

    /// Takes the power at the grid connection, positive from the grid.
    pub fn observe_grid(&mut self, grid: Watts, config: &PartnerConfig, own: &OwnBattery, now: Moment) {
        if !grid.get().is_finite() || grid.get().abs() > MAX_W {
            return;
        }
        self.grid_at = Some(now);
        let partner = self.last_power.filter(|(at, _)| now.since(*at) <= MAX_AGE).map(|(_, watts)| watts);
        if let Some((own, partner)) = own.power().zip(partner) {
            // On one battery the BMS measures the sum.
            let others = if config.shares_battery { own } else { own + partner };
            self.needs.push_back((now, grid.get() - others));
        }
        forget(&mut self.needs, NEED_FOR, now);
    }

    /// Lowers these limits. Limits do not rise while the data of the battery is not fresh (`own` without values).
    pub fn lower(&mut self, mut limits: Limits, config: &PartnerConfig, own: &OwnBattery, now: Moment) -> Limits {
        let elapsed = self.lowered_at.replace(now).map_or(0.0, |last| now.since(last).as_secs_f64());
        let Some((last, last_power)) = self.last_power else { return limits };
        forget(&mut self.needs, NEED_FOR, now);
        forget(&mut self.powers, MEAN_OVER, now);
        let heard = |at: Moment| now.since(at) <= SILENT_AFTER;
        if !heard(last) || !self.grid_at.is_some_and(heard) {
            self.release_all(now);
            return limits;
        }
        if self.silence.ended(now).is_some_and(|ended| ended.logged) {
            self.notices.push("the partner inverter and the grid power are received again");
        }
        let mean = mean(self.powers.iter().map(|(_, watts)| *watts));
        let partner_current = last_power / own.voltage.map_or(f64::INFINITY, Volts::get);
        let own_current = own.current.map(|amps| amps.get() - if config.shares_battery { partner_current } else { 0.0 });
        let needs: Vec<f64> = self.needs.iter().map(|(_, watts)| *watts).collect();
        let enough_values = self.needs.front().is_some_and(|(at, _)| now.since(*at).as_secs_f64() >= NEED_FOR.as_secs_f64() - 1.5);
        let step = |held: &mut Held, rule: &Rule, floor: Amps, limit: &mut Limit<Amps>| {
            let Rule { sign, from_w, empty, house } = *rule;
            if mean * sign > DEAD_BAND_W {
                held.last_against = Some(now);
            }
            let is_held = held.last_against.is_some_and(|at| now.since(at) < AT_REST_AFTER);
            let wants = needs.iter().map(|watts| watts * sign);
            let most = wants.clone().fold(0.0, f64::max);
            let least = wants.fold(f64::INFINITY, f64::min);
            held.for_house = is_held && most > LEFT_W && (held.for_house || (enough_values && least > from_w));
            let in_force = limit.value.get();
            if is_held {
                let present = own_current.map_or(in_force, |amps| (-amps * sign).max(0.0)).min(in_force);
                let (cap, from) = held.cap.unwrap_or((present, in_force));
                let allowed =
                    own.voltage.filter(|volts| held.for_house && volts.get() > 1.0).map_or(0.0, |volts| most / volts.get());
                let fallen = (cap - from.max(1.0) / FALL_S * elapsed).max(0.0);
                held.cap = Some((allowed.max(fallen), from.max(allowed)));
                held.why = if held.for_house { house } else { empty };
            } else if let Some((cap, from)) = held.cap {
                let risen = if own.current.is_some() { cap + own.rise * elapsed } else { cap };
                held.cap = (risen < in_force).then_some((risen, from));
                held.why = RETURNS;
            }
            let cap = held.cap.map(|(cap, _)| round_down(cap.max(floor.get()), 1));
            if let Some(cap) = cap.filter(|cap| *cap < in_force) {
                *limit = Limit { value: Amps::new(cap), why: held.why };
            }
            is_held
        };
        let charge_held = step(&mut self.held.charge, &CHARGE, own.floors.charge, &mut limits.ccl);
        let mut discharge = limits.dcl;
        let discharge_held = step(&mut self.held.discharge, &DISCHARGE, own.floors.discharge, &mut discharge);
        let both = charge_held && discharge_held;
        self.both_since = both.then(|| self.both_since.unwrap_or(now));
        self.stalemate &= both;
        if !self.stalemate && self.both_since.is_some_and(|since| now.since(since) >= STALEMATE_AFTER) {
            self.stalemate = true;
            self.notices.push("both inverters have held each other for ten minutes; discharging is released");
        }
        if !self.stalemate {
            limits.dcl = discharge;
        }
        limits
    }

    /// Log lines since the last call.
    pub fn take_notices(&mut self) -> impl Iterator<Item = &'static str> {
        std::mem::take(&mut self.notices).into_iter()
    }

    fn release_all(&mut self, now: Moment) {
        self.silence.failed(now);
        if self.silence.is_news(()) {
            self.notices.push("the partner inverter or the grid power is silent for a minute: nothing is held for the partner");
        }
        (self.held, self.both_since, self.stalemate) = (ByDirection::default(), None, false);
    }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count();
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

/// Drops values older than `age`.
fn forget(values: &mut VecDeque<(Moment, f64)>, age: Duration, now: Moment) {
    // A source that sends more often than needed must not fill the memory.
    while values.len() > MAX_VALUES || values.front().is_some_and(|(at, _)| now.since(*at) > age) {
        values.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: Amps = Amps::new(60.0);

    fn full() -> Limits {
        let limit = Limit { value: FULL, why: "configured maximum" };
        Limits { ccl: limit, dcl: limit, ..Limits::default() }
    }

    /// A second with these powers; the current is ours, positive charges.
    fn second(rule: &mut Partner, at: u32, partner: Option<f64>, grid: Option<f64>, current: f64) -> Limits {
        let own =
            OwnBattery { voltage: Some(Volts::new(50.0)), current: Some(Amps::new(current)), rise: 1.0, ..OwnBattery::default() };
        let (config, now) = (PartnerConfig::default(), Moment::from_secs(f64::from(at)));
        if let Some(watts) = partner {
            rule.observe(PartnerValue::Power(Watts::new(watts)), &own, now);
        }
        if let Some(watts) = grid {
            rule.observe_grid(Watts::new(watts), &config, &own, now);
        }
        rule.lower(full(), &config, &own, now)
    }

    #[test]
    fn each_state_has_its_limit_and_its_reason() {
        let mut rule = Partner::default();
        let limits = second(&mut rule, 0, Some(0.0), Some(0.0), -20.0);
        assert_eq!((limits.dcl.value, limits.dcl.why), (FULL, "configured maximum"));
        // It charges with what we discharge.
        let early = (1..20).map(|at| second(&mut rule, at, Some(1000.0), Some(0.0), -20.0)).last().unwrap();
        assert_eq!((early.dcl.value, early.dcl.why, early.ccl.value), (Amps::ZERO, CHARGES, FULL));
        // The house needs 1500 W more than the partner charges with: after five seconds, not at once.
        let slow = (20..24).map(|at| second(&mut rule, at, Some(1000.0), Some(2500.0), 0.0)).last().unwrap();
        assert_eq!((slow.dcl.value, slow.dcl.why), (Amps::ZERO, CHARGES));
        let served = (24..30).map(|at| second(&mut rule, at, Some(1000.0), Some(2500.0), 0.0)).last().unwrap();
        assert_eq!((served.dcl.value, served.dcl.why), (Amps::new(30.0), HOUSE_NEEDS));
        // It needs nothing any more, and the partner stops: a minute later the limit rises by 1 A per second.
        let rest = (30..95).map(|at| second(&mut rule, at, Some(0.0), Some(0.0), 0.0)).last().unwrap();
        assert_eq!((rest.dcl.value, rest.dcl.why), (Amps::ZERO, CHARGES));
        let back = (95..130).map(|at| second(&mut rule, at, Some(0.0), Some(0.0), 0.0)).last().unwrap();
        assert!(back.dcl.why == RETURNS && back.dcl.value > Amps::ZERO && back.dcl.value < Amps::new(40.0), "{back:?}");
        let free = (130..200).map(|at| second(&mut rule, at, Some(0.0), Some(0.0), 0.0)).last().unwrap();
        assert_eq!((free.dcl.value, free.dcl.why), (FULL, "configured maximum"));
        // It discharges into us; then the house has 500 W left beside that.
        let other = (200..240).map(|at| second(&mut rule, at, Some(-1000.0), Some(0.0), 20.0)).last().unwrap();
        assert_eq!((other.ccl.value, other.ccl.why, other.dcl.value), (Amps::ZERO, DISCHARGES, FULL));
        let surplus = (240..250).map(|at| second(&mut rule, at, Some(-1000.0), Some(-1500.0), 0.0)).last().unwrap();
        assert_eq!((surplus.ccl.value, surplus.ccl.why), (Amps::new(10.0), HOUSE_HAS_LEFT));
        assert_eq!(rule.take_notices().count(), 0);
    }

    #[test]
    fn a_silent_source_ends_the_rule_once_said() {
        for silent_partner in [true, false] {
            let mut rule = Partner::default();
            let (partner, grid) = if silent_partner { (None, Some(0.0)) } else { (Some(1000.0), None) };
            let held = (0..40).map(|at| second(&mut rule, at, Some(1000.0), Some(0.0), -20.0)).last().unwrap();
            assert_eq!(held.dcl.value, Amps::ZERO);
            let silent = (40..98).map(|at| second(&mut rule, at, partner, grid, 0.0)).last().unwrap();
            assert_eq!(silent.dcl.value, Amps::ZERO);
            let off = (98..200).map(|at| second(&mut rule, at, partner, grid, 0.0)).last().unwrap();
            assert_eq!(off.dcl.value, FULL);
            assert_eq!(rule.take_notices().count(), 1, "once");
            second(&mut rule, 200, Some(0.0), Some(0.0), 0.0);
            assert_eq!(rule.take_notices().count(), 1, "and that it is back");
        }
    }

    #[test]
    fn a_stalemate_releases_the_discharge_and_says_so_once() {
        let mut rule = Partner::default();
        let mut released = None;
        for at in 0..1500 {
            // Half a minute in each direction.
            let power = if at / 45 % 2 == 0 { 2000.0 } else { -2000.0 };
            let limits = second(&mut rule, at, Some(power), Some(0.0), 0.0);
            if at > 100 && limits.dcl.value == FULL {
                released = released.or(Some(at));
            }
        }
        let released = released.unwrap();
        assert!((600..720).contains(&released), "{released}");
        assert_eq!(rule.take_notices().count(), 1);
    }

    proptest! {
        #[test]
        fn a_limit_is_never_raised_and_always_finite(
            seconds in proptest::collection::vec((proptest::option::of(-1e8..1e8f64), proptest::option::of(-1e8..1e8f64), -300.0..300.0f64, 0u32..90), 1..200),
        ) {
            let (mut rule, mut at) = (Partner::default(), 0u32);
            for (partner, grid, current, pause) in seconds {
                at = at.saturating_add(if pause > 80 { pause } else { 1 });
                let limits = second(&mut rule, at, partner, grid, current);
                for limit in [limits.ccl, limits.dcl] {
                    prop_assert!((0.0..=60.0).contains(&limit.value.get()), "{limits:?}");
                }
                prop_assert_eq!(limits.cvl, full().cvl);
            }
        }
    }
}
