//! Temporary limits set by the owner, and the request for a full charge. They expire.
//!
//! While the program runs, time is counted by the monotonic clock, so that a jump of the wall clock neither shortens nor prolongs
//! anything. Over a restart the wall clock gives the remaining time, at most the whole; if it is not set yet, a limit starts again
//! (it only restricts), and the request for a full charge is dropped.

use crate::base::calendar::utc;
use crate::base::time::Now;
use crate::base::units::{Amps, Moment};
use crate::model::{ActiveOverride, ByDirection};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Time after which an unfinished full charge is given up.
const FULL_CHARGE_TIMEOUT: Duration = Duration::from_secs(86_400);

/// A temporary override of charge control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Override {
    /// Limit the charge current to this, for this time.
    Ccl(Amps, Duration),
    /// Limit the discharge current to this, for this time.
    Dcl(Amps, Duration),
    /// Charge to 100 % now, as if float had ended.
    ChargeTo100,
    /// Charge to the voltage of a balancing charge now, as if one were due.
    Balance,
    /// End all overrides.
    Clear,
}

impl Override {
    /// Maximum duration of a limit in seconds: 31 days.
    pub const MAX_SECONDS: u64 = 31 * 86_400;
}

impl Override {
    /// For people: `charge current at most 20 A for 12 h`.
    pub fn describe(&self) -> String {
        let limit =
            |what: &str, amps: &Amps, time: &Duration| format!("{what} current at most {} A for {}", amps.get(), rounded(*time));
        match self {
            Self::Ccl(amps, time) => limit("charge", amps, time),
            Self::Dcl(amps, time) => limit("discharge", amps, time),
            Self::ChargeTo100 => "charge to 100 % now".to_owned(),
            Self::Balance => "balancing charge now".to_owned(),
            Self::Clear => "end of all overrides".to_owned(),
        }
    }
}

/// In the largest unit that divides it: `12 h`, `90 s`.
fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "days"), (3600, "h"), (60, "min")];
    // One day is more usual as 24 h.
    let fits = |(unit, _): &(u64, &str)| seconds >= *unit && seconds.is_multiple_of(*unit) && (seconds, *unit) != (86_400, 86_400);
    units.into_iter().find(fits).map_or_else(|| format!("{seconds} s"), |(unit, name)| format!("{} {name}", seconds / unit))
}

/// As [`super::ControlRequest::parse`] reads it.
impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ccl(amps, time) => write!(f, "ccl {} for {}", amps.get(), time.as_secs()),
            Self::Dcl(amps, time) => write!(f, "dcl {} for {}", amps.get(), time.as_secs()),
            Self::ChargeTo100 => f.write_str("charge-to-100"),
            Self::Balance => f.write_str("balance"),
            Self::Clear => f.write_str("clear"),
        }
    }
}

/// One active override.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Set {
    /// The limit, A; unused for a full charge.
    amps: f64,
    /// Its duration, s.
    seconds: u64,
    /// Its end, seconds since 1970; `None` while the wall clock is not set.
    until_unix: Option<u64>,
    /// The requester.
    by: String,
    #[serde(skip)]
    ends: Option<Moment>,
}

/// The overrides of a battery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    ccl: Option<Set>,
    dcl: Option<Set>,
    full_charge: Option<Set>,
}

impl Set {
    fn new(amps: f64, time: Duration, by: &str, now: Now) -> Self {
        let seconds = time.as_secs();
        let until_unix = now.unix.map(|unix| unix.saturating_add(seconds));
        Self { amps, seconds, until_unix, by: by.to_owned(), ends: Some(now.at.after(time)) }
    }

    /// The remaining time after a restart.
    fn resume(&mut self, now: Now) {
        let whole = Duration::from_secs(self.seconds.min(Override::MAX_SECONDS));
        let left = self.until_unix.zip(now.unix).map(|(until, unix)| Duration::from_secs(until.saturating_sub(unix)));
        self.ends = Some(now.at.after(left.map_or(whole, |left| left.min(whole))));
    }

    fn is_over(&self, now: Now) -> bool {
        self.ends.is_none_or(|ends| now.at >= ends)
    }

    fn left(&self, now: Now) -> Duration {
        self.ends.map_or(Duration::ZERO, |ends| ends.since(now.at))
    }
}

impl Overrides {
    /// Applies a request of the owner.
    pub fn set(&mut self, wanted: Override, by: &str, now: Now) {
        match wanted {
            Override::Ccl(amps, time) => self.ccl = Some(Set::new(amps.get(), time, by, now)),
            Override::Dcl(amps, time) => self.dcl = Some(Set::new(amps.get(), time, by, now)),
            Override::ChargeTo100 | Override::Balance => self.full_charge = Some(Set::new(0.0, FULL_CHARGE_TIMEOUT, by, now)),
            Override::Clear => *self = Self::default(),
        }
    }

    /// Resumes the saved overrides after a restart.
    pub fn resume(&mut self, now: Now) {
        if now.unix.is_none() {
            self.full_charge = None;
        }
        self.all().for_each(|slot| {
            if let Some(set) = slot {
                set.resume(now);
            }
        });
        self.expire(now);
    }

    /// Removes expired overrides; true if the state changed and should be saved.
    pub fn expire(&mut self, now: Now) -> bool {
        let mut changed = false;
        for slot in self.all() {
            let Some(set) = slot else { continue };
            if set.is_over(now) {
                (*slot, changed) = (None, true);
            } else if let (None, Some(unix)) = (set.until_unix, now.unix) {
                // The wall clock is now set: store the end for a restart.
                (set.until_unix, changed) = (Some(unix.saturating_add(set.left(now).as_secs())), true);
            }
        }
        changed
    }

    /// The battery is full: ends the request for a full charge. True if there was one.
    pub fn is_full(&mut self) -> bool {
        self.full_charge.take().is_some()
    }

    /// The active current limits.
    pub fn limits(&self) -> ByDirection<Option<Amps>> {
        let set = ByDirection { charge: &self.ccl, discharge: &self.dcl };
        set.map(|set| set.as_ref().map(|set| Amps::new(set.amps.max(0.0))))
    }

    /// A full charge is requested.
    pub fn wants_full_charge(&self) -> bool {
        self.full_charge.is_some()
    }

    /// No override is active.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The active overrides, as texts that change only with them.
    pub fn describe(&self) -> Vec<String> {
        let end = |set: &Set| set.until_unix.map_or_else(|| format!("{} s", set.seconds), |until| format!("until {}", utc(until)));
        let limit = |what: &str, set: &Set| format!("{what} at most {} A, {}, by {}", set.amps, end(set), set.by);
        let ccl = self.ccl.as_ref().map(|set| limit("charge", set));
        let dcl = self.dcl.as_ref().map(|set| limit("discharge", set));
        let full = self.full_charge.as_ref().map(|set| format!("charge to 100 % now, by {}", set.by));
        [ccl, dcl, full].into_iter().flatten().collect()
    }

    /// The active overrides.
    pub fn active(&self) -> Vec<ActiveOverride> {
        let one = |kind, set: &Option<Set>| {
            let set = set.as_ref()?;
            Some(ActiveOverride {
                kind,
                limit: (kind != "full").then(|| Amps::new(set.amps)),
                duration: Duration::from_secs(set.seconds),
                until_unix: set.until_unix,
                by: set.by.clone(),
            })
        };
        [one("ccl", &self.ccl), one("dcl", &self.dcl), one("full", &self.full_charge)].into_iter().flatten().collect()
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Option<Set>> {
        [&mut self.ccl, &mut self.dcl, &mut self.full_charge].into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_686_065;

    fn at(seconds: f64, unix: Option<u64>) -> Now {
        Now { at: Moment::from_secs(seconds), unix }
    }

    fn limited() -> Overrides {
        let mut overrides = Overrides::default();
        overrides.set(Override::Ccl(Amps::new(20.0), Duration::from_secs(3600)), "test", at(100.0, Some(START)));
        overrides
    }

    #[test]
    fn people_are_told_amperes_and_time_with_their_units() {
        for (seconds, text) in
            [(43_200, "12 h"), (90, "90 s"), (1800, "30 min"), (86_400, "24 h"), (172_800, "2 days"), (3601, "3601 s")]
        {
            let shown = Override::Ccl(Amps::new(20.0), Duration::from_secs(seconds)).describe();
            assert_eq!(shown, format!("charge current at most 20 A for {text}"));
        }
        assert_eq!(Override::ChargeTo100.describe(), "charge to 100 % now");
    }

    #[test]
    fn a_limit_ends_by_itself_and_a_clock_that_jumps_changes_nothing() {
        let mut overrides = limited();
        for (seconds, unix) in [(200.0, START + 100), (300.0, START + 9_999_999), (400.0, START - 9_999_999), (3699.0, 0)] {
            overrides.expire(at(seconds, Some(unix)));
            assert_eq!(overrides.limits(), ByDirection { charge: Some(Amps::new(20.0)), discharge: None }, "{seconds}");
        }
        assert!(overrides.expire(at(3700.0, Some(START))));
        assert!(overrides.is_empty());
    }

    #[test]
    fn over_a_restart_the_wall_clock_tells_what_is_left() {
        let saved = serde_json::to_string(&limited()).unwrap();
        let resumed = |unix| {
            let mut overrides: Overrides = serde_json::from_str(&saved).unwrap();
            overrides.resume(at(0.0, unix));
            overrides.ccl.map(|set| set.ends.unwrap().since_origin().as_secs())
        };
        assert_eq!(resumed(Some(START + 600)), Some(3000));
        assert_eq!(resumed(Some(START + 3600)), None);
        assert_eq!(resumed(Some(START - 86_400)), Some(3600), "a clock that went back prolongs nothing");
        assert_eq!(resumed(None), Some(3600), "an unknown clock: a limit stays on the safe side");
    }

    #[test]
    fn a_clock_that_becomes_known_fixes_the_end() {
        let mut overrides = Overrides::default();
        overrides.set(Override::Dcl(Amps::new(5.0), Duration::from_secs(1000)), "test", at(0.0, None));
        assert!(!overrides.expire(at(100.0, None)));
        assert!(overrides.expire(at(400.0, Some(START))), "worth saving");
        assert_eq!(overrides.dcl.as_ref().unwrap().until_unix, Some(START + 600));
    }

    #[test]
    fn a_full_charge_is_given_up_when_nobody_knows_how_old_the_wish_is() {
        let mut overrides = Overrides::default();
        overrides.set(Override::ChargeTo100, "test", at(0.0, Some(START)));
        let mut known = overrides.clone();
        known.resume(at(0.0, Some(START + 60)));
        assert!(known.wants_full_charge());
        overrides.resume(at(0.0, None));
        assert!(!overrides.wants_full_charge());
        assert!(known.is_full() && known.is_empty());
    }
}
