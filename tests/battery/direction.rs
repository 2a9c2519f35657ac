//! The direction of a current whose sign is disputed: decided by the charge, by nothing less, and kept.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Assumption, Freshness, JK_CAN_DIRECTION, Limits, LinkStats, OpenValue, Reading, Snapshot};

const CAPACITY: f64 = 280.0;

/// A battery whose BMS sends its current with a disputed sign.
struct Pack {
    battery: Battery,
    /// The current that the BMS sends has the sign of charging.
    positive_charges: bool,
    charge_ah: f64,
    shows_ah: bool,
    shows_capacity: bool,
    second: u32,
    log: Vec<String>,
}

impl Pack {
    fn new(positive_charges: bool) -> Self {
        let battery = Battery::new(Config::default(), PersistedState::default());
        Self { battery, positive_charges, charge_ah: 140.0, shows_ah: true, shows_capacity: true, second: 0, log: Vec::new() }
    }

    fn by_soc(self) -> Self {
        Self { shows_ah: false, ..self }
    }

    /// Flows for this time, with a reading every two seconds; the last current published.
    fn flows(&mut self, amps: f64, minutes: f64) -> Option<f64> {
        let mut last = None;
        let mut left = minutes * 60.0;
        while left > 0.0 {
            self.charge_ah += amps * 2.0 / 3600.0;
            last = self.reads(amps);
            left -= 2.0;
        }
        last
    }

    fn reads(&mut self, amps: f64) -> Option<f64> {
        self.shows(amps, |_| {}).reading.current.map(Amps::get)
    }

    /// A reading that `change` has changed.
    fn shows(&mut self, amps: f64, change: impl Fn(&mut Reading)) -> Snapshot {
        self.second += 2;
        let sent = Amps::new(if self.positive_charges { amps } else { -amps });
        let mut reading = Reading {
            bms: "jk-can",
            voltage: Some(Volts::new(53.0 + f64::from(self.second % 7) / 10.0)),
            soc: Some(Percent::new((self.charge_ah / CAPACITY * 100.0).floor())),
            remaining: self.shows_ah.then(|| AmpHours::new((self.charge_ah * 10.0).floor() / 10.0)),
            capacity: self.shows_capacity.then(|| AmpHours::new(CAPACITY)),
            cells: vec![Volts::new(3.3125); 16],
            cell_count: Some(16),
            ..Reading::default()
        };
        reading.leave_open(&JK_CAN_DIRECTION, [OpenValue::Current(sent), OpenValue::Current(Amps::new(-sent.get()))]);
        change(&mut reading);
        let now = Now { at: Moment::from_secs(f64::from(self.second)), unix: None };
        let snapshot = self.battery.read(reading, LinkStats::default(), now);
        self.log.extend(self.battery.take_notices());
        snapshot
    }

    fn said(&self, part: &str) -> usize {
        self.log.iter().filter(|line| line.contains(part)).count()
    }
}

#[test]
fn the_charge_decides_in_both_directions_and_the_log_says_it_once() {
    for positive_charges in [true, false] {
        for (charge, by_soc) in [(40.0, false), (-40.0, false), (40.0, true), (-40.0, true)] {
            let mut pack = if by_soc { Pack::new(positive_charges).by_soc() } else { Pack::new(positive_charges) };
            assert_eq!(pack.flows(charge, 6.0), None, "one movement is no proof");
            assert!(pack.battery.is_presentable(Moment::from_secs(f64::from(pack.second))), "published without a current");
            assert_eq!(pack.flows(charge, 30.0), Some(charge), "{positive_charges} {charge} {by_soc}: {:?}", pack.log);
            pack.flows(charge, 20.0);
            let answer = if positive_charges { "jk-can-positive-charges" } else { "jk-can-positive-discharges" };
            assert_eq!(pack.said("decides the direction of the current"), 1, "{:?}", pack.log);
            assert_eq!(pack.said(&format!("(\"{answer}\")")), 1, "{:?}", pack.log);
            assert_eq!(pack.said("then set assume"), 1, "asked once: {:?}", pack.log);
        }
    }
}

#[test]
fn a_state_of_charge_without_a_capacity_decides_too() {
    let mut pack = Pack { shows_capacity: false, ..Pack::new(false).by_soc() };
    assert_eq!(pack.flows(60.0, 40.0), Some(60.0), "{:?}", pack.log);
}

#[test]
fn what_does_not_fit_the_current_decides_nothing() {
    // The charge falls far faster than the current explains, and rises without any.
    for (per_reading, amps) in [(-0.05, 5.0), (0.05, 0.0), (0.002, 40.0)] {
        let mut pack = Pack::new(true);
        for _ in 0..3600 {
            pack.charge_ah += per_reading;
            pack.charge_ah = pack.charge_ah.clamp(5.0, 275.0);
            assert_eq!(pack.reads(amps), None, "{:?}", pack.log);
        }
    }
    // A BMS that corrects its state of charge.
    let mut pack = Pack::new(true);
    for step in 0..60 {
        pack.charge_ah += if step % 2 == 0 { -5.0 } else { 4.0 };
        assert_eq!(pack.flows(30.0, 1.0), None, "{:?}", pack.log);
    }
    // A current that changes sides all the time.
    let mut pack = Pack::new(true);
    for step in 0..200 {
        let last = pack.flows(if step % 2 == 0 { 60.0 } else { -50.0 }, 1.0);
        assert_eq!(last, None, "{step}: {:?}", pack.log);
    }
}

#[test]
fn readings_with_gaps_between_decide_nothing() {
    let mut pack = Pack::new(true);
    for _ in 0..40 {
        pack.charge_ah += 2.0;
        pack.second += 180;
        assert_eq!(pack.reads(40.0), None);
    }
}

#[test]
fn the_decision_survives_a_restart_and_better_evidence_changes_it() {
    let mut pack = Pack::new(false);
    pack.flows(-40.0, 30.0);
    let saved = serde_json::to_string(&pack.battery.persisted_state()).unwrap();
    let restored: PersistedState = serde_json::from_str(&saved).unwrap();
    let mut later = Pack { battery: Battery::new(Config::default(), restored), ..Pack::new(false) };
    assert_eq!(later.reads(-40.0), Some(-40.0));
    assert_eq!(later.said("then set assume"), 0, "nothing is open: {:?}", later.log);
    // Another board on the same port, with the other sign.
    later.positive_charges = true;
    assert_eq!(later.flows(-40.0, 40.0), Some(-40.0), "{:?}", later.log);
    assert_eq!(later.said("contradicts the direction of the current that it proved before"), 1, "{:?}", later.log);
    // A board with another number of cells is another battery, as is one in a file that tells none.
    for saved in [saved.replace("\"cells\":16", "\"cells\":8"), saved.replace(",\"cells\":16", "")] {
        let restored: PersistedState = serde_json::from_str(&saved).unwrap();
        let mut another = Pack { battery: Battery::new(Config::default(), restored), ..Pack::new(true) };
        assert_eq!(another.reads(40.0), None, "{saved}");
        assert_eq!(another.said("then set assume"), 1, "{:?}", another.log);
    }
    // What is in the file may be anything.
    let nonsense = serde_json::from_str(r#"{"direction": {"answer": "nonsense"}}"#).unwrap();
    let mut unset = Pack { battery: Battery::new(Config::default(), nonsense), ..Pack::new(true) };
    assert_eq!(unset.reads(40.0), None);
}

#[test]
fn the_owners_answer_is_obeyed_and_a_contradiction_is_named_once() {
    let answer = |is_second| Assumption { question: &JK_CAN_DIRECTION, is_second };
    for (is_second, contradicts) in [(false, 0), (true, 1)] {
        let config = Config { assume: vec![answer(is_second)], ..Config::default() };
        let mut pack = Pack { battery: Battery::new(config, PersistedState::default()), ..Pack::new(true) };
        let expected = if is_second { -40.0 } else { 40.0 };
        assert_eq!(pack.reads(40.0), Some(expected), "at once");
        assert_eq!(pack.flows(40.0, 60.0), Some(expected));
        assert_eq!(pack.said("remove it from the configuration"), contradicts, "{:?}", pack.log);
    }
}

#[test]
fn while_the_direction_is_open_no_limit_is_above_that_of_either_answer() {
    let cells = |volts: f64| move |reading: &mut Reading| reading.cells = vec![Volts::new(volts); 16];
    let frost = |reading: &mut Reading| reading.temperatures.sensors = Some(vec![Celsius::new(-15.0)]);
    let no_charge = |reading: &mut Reading| reading.fets.charge = Some(false);
    let courses: [&dyn Fn(&mut Reading); 5] = [&cells(3.3125), &cells(3.45), &cells(2.75), &frost, &no_charge];
    for (number, change) in courses.into_iter().enumerate() {
        for amps in [-60.0, -1.0, 0.0, 1.0, 60.0] {
            let limits = |assume: Vec<Assumption>| {
                let config = Config { assume, ..Config::default() };
                let mut pack = Pack { battery: Battery::new(config, PersistedState::default()), ..Pack::new(true) };
                let shown: Vec<Snapshot> = (0..600).map(|_| pack.shows(amps, change)).collect();
                let last = shown.last().unwrap();
                let Limits { cvl, ccl, dcl, .. } = last.limits;
                (
                    [cvl.value.get(), ccl.value.get(), dcl.value.get()],
                    last.reading.current,
                    pack.battery.is_presentable(Moment::from_secs(1200.0)),
                )
            };
            let answer = |is_second| limits(vec![Assumption { question: &JK_CAN_DIRECTION, is_second }]).0;
            let (open, current, is_shown) = limits(Vec::new());
            assert_eq!((current, is_shown), (None, true), "published, without a current");
            for decided in [answer(false), answer(true)] {
                let higher = open.iter().zip(decided).any(|(open, decided)| *open > decided + 1e-9);
                assert!(!higher, "course {number}, {amps} A: {open:?} {decided:?}");
            }
        }
    }
}

#[test]
fn a_bms_that_hangs_is_noticed_before_the_direction_is_decided() {
    let mut pack = Pack::new(true);
    let same = |reading: &mut Reading| reading.voltage = Some(Volts::new(53.0));
    let stages: Vec<Freshness> = (0..150).map(|_| pack.shows(40.0, same).freshness).collect();
    assert_eq!((stages[0], stages[149]), (Freshness::Fresh, Freshness::Silent), "{:?}", pack.log);
    assert_eq!(pack.said("although current flows"), 1, "{:?}", pack.log);
}
