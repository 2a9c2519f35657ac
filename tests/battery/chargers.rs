//! Chargers that exceed the published charge current limit are reported, once per episode.

use crate::support::reading;

use dbus_bms::bank::{self, Bank, Member};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{Amps, Moment};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{History, LinkStats, Reading, Snapshot};
use reading::reading;
use std::sync::Arc;

fn at(second: u32) -> Now {
    Now { at: Moment::from_secs(f64::from(second)), unix: None }
}

/// A battery that allows 20 A, read once a second.
struct Seconds {
    battery: Battery,
    second: u32,
    said: Vec<(u32, String)>,
}

impl Seconds {
    fn new(config: Config) -> Self {
        let config = Config { max_charge_current: Some(Amps::new(20.0)), ..config };
        Self { battery: Battery::new(config, PersistedState::default()), second: 0, said: Vec::new() }
    }
    fn read(&mut self, current: f64) -> Snapshot {
        self.second += 1;
        let reading = Reading { current: Some(Amps::new(current)), ..reading(3.31 + f64::from(self.second % 2) * 0.0001) };
        let snapshot = self.battery.read(reading, LinkStats::default(), at(self.second));
        let notices = self.battery.take_notices().into_iter().filter(|notice| notice.contains("charge current limit"));
        self.said.extend(notices.map(|notice| (self.second, notice)));
        snapshot
    }
    /// The last snapshot of so many seconds with this current.
    fn flow(&mut self, seconds: u32, current: f64) -> Snapshot {
        (1..seconds).for_each(|_| drop(self.read(current)));
        self.read(current)
    }
}

#[test]
fn a_current_far_above_the_limit_is_reported_after_half_a_minute() {
    let mut seconds = Seconds::new(Config::default());
    assert_eq!(seconds.flow(60, 19.0).derived.charge_excess, None);
    assert_eq!(seconds.flow(30, 95.0).derived.charge_excess, None, "chargers may take a while to follow");
    let exceeded = seconds.flow(10, 95.0);
    let excess = exceeded.derived.charge_excess.unwrap();
    assert_eq!((excess.current, excess.limit, excess.why), (Amps::new(95.0), Amps::new(20.0), "configured maximum"));
    let sentence = "chargers exceed the charge current limit for half a minute, 95.0 A instead of 20.0 A set by configured maximum; \
                    check that DVCC is on, whether feed-in of DC-coupled PV leaves solar chargers without a limit, and for \
                    chargers that the GX does not control";
    assert!(exceeded.reading.notes.iter().any(|note| note == sentence), "{:?}", exceeded.reading.notes);
    assert_eq!(exceeded.limits.ccl.value, Amps::new(20.0), "it moves no limit");

    // A cloud begins no new episode, and the figures stay.
    seconds.flow(40, 10.0);
    seconds.flow(600, 80.0);
    let noted = seconds.read(80.0).reading.notes;
    assert!(noted.iter().any(|note| note == sentence), "{noted:?}");
    let said = seconds.said.clone();
    assert!(matches!(&said[..], [(90..=93, told)] if told == sentence), "once: {said:?}");
    let kept = seconds.flow(70, 20.5);
    assert_eq!((kept.derived.charge_excess, kept.reading.notes.len()), (None, 0));
    assert_eq!(seconds.said.len(), 2);
    assert_eq!(seconds.said[1].1, "chargers keep to the charge current limit again");
    seconds.flow(40, 30.0);
    assert_eq!(seconds.said.len(), 3, "another episode: {:?}", seconds.said);
}

#[test]
fn what_chargers_do_within_tolerance_or_for_a_moment_is_not_reported() {
    let mut seconds = Seconds::new(Config::default());
    seconds.flow(600, 21.5);
    for _ in 0..20 {
        seconds.flow(25, 60.0);
        seconds.flow(5, 20.0);
    }
    seconds.flow(600, -80.0);
    // A limit that falls at once is followed late.
    let lowered = |amps| Config { max_charge_current: Some(Amps::new(amps)), ..Config::default() };
    seconds.battery.reconfigure(lowered(5.0), dbus_bms::battery::soc::Config::default());
    seconds.flow(14, 20.0);
    seconds.flow(29, 15.0);
    seconds.flow(60, 5.0);
    assert_eq!(seconds.said, []);
    seconds.flow(40, 15.0);
    assert_eq!(seconds.said.len(), 1, "but in the end it is");
}

#[test]
fn time_without_data_does_not_count() {
    let mut seconds = Seconds::new(Config::default());
    seconds.flow(60, 10.0);
    for _ in 0..10 {
        seconds.flow(10, 60.0);
        seconds.second += 60;
    }
    assert_eq!(seconds.said, []);
}

#[test]
fn limits_that_are_not_published_are_not_exceeded() {
    let mut seconds = Seconds::new(Config { limits_are_published: false, ..Config::default() });
    assert_eq!(seconds.flow(120, 95.0).derived.charge_excess, None);
    assert_eq!(seconds.said, []);
}

#[test]
fn a_bank_reports_it_for_all_its_batteries() {
    let member_config = Config { limits_are_published: false, ..Config::default() };
    let (mut left, mut right) = (Seconds::new(member_config.clone()), Seconds::new(member_config));
    let mut bank = Bank::new(bank::Config::default(), History::default());
    let mut last = None;
    let mut said = Vec::new();
    for second in 1..=120 {
        let members = [("left", left.read(40.0)), ("right", right.read(30.0))];
        let members = members.map(|(name, snapshot)| Member::local(name, Arc::new(snapshot)));
        last = Some(bank.step(&members, at(second)));
        said.extend(bank.take_notices());
    }
    let last = last.unwrap();
    let (excess, limit) = (last.derived.charge_excess.unwrap(), last.limits.ccl.value);
    assert_eq!((excess.current, excess.limit), (Amps::new(70.0), limit));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(&format!("70.0 A instead of {limit:.1} set by")), "{said:?}");
    assert!(last.reading.notes.contains(&said[0].clone().into()), "{:?}", last.reading.notes);
    assert_eq!((left.said, right.said), (Vec::new(), Vec::new()));
}
