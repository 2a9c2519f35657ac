//! Data that a board certainly has and does not send is awaited, so that charge control is cautious; data that it may not have is
//! awaited for a limited time.

use super::{Board, boards};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::{self, Request};
use dbus_bms::model::Chemistry::Lfp as LFP;
use dbus_bms::model::{Awaited, LinkStats, Reading};
use std::time::Duration;

const NOTHING: Awaited = Awaited { temperatures: false, settings: false, capacity: false };
const TEMPERATURES: Awaited = Awaited { temperatures: true, ..NOTHING };
const SETTINGS: Awaited = Awaited { settings: true, ..NOTHING };
const CAPACITY: Awaited = Awaited { capacity: true, ..NOTHING };

/// About five minutes of readings.
const PATIENCE: usize = 300;

struct Line {
    traffic: FrameCollector,
    board: Board,
}

impl Line {
    /// The `nth` board of the list that belongs to this family.
    fn of(family: &str, nth: usize) -> Self {
        let board = boards::all().into_iter().filter(|board| board.family == family).nth(nth).unwrap();
        Self { traffic: FrameCollector::new(bms::driver(family).unwrap()), board }
    }

    /// A reading without this reply.
    fn reading(&mut self, lost: Option<usize>) -> Reading {
        for (index, reply) in self.board.replies.iter().enumerate().filter(|(index, _)| Some(*index) != lost) {
            let request = Request { what: "", bytes: reply.sent.clone().into(), timeout: Duration::ZERO, required: false };
            let asked = [request];
            self.traffic.feed(&(reply.wrap)(&reply.content), if reply.sent.is_empty() { &[] } else { &asked });
            assert!(self.traffic.declined.is_empty(), "{} {index}: {:?}", self.board.family, self.traffic.declined);
        }
        self.traffic.take_complete().pop().unwrap()
    }
}

#[test]
fn a_reply_that_is_lost_at_the_start_is_awaited() {
    for (family, nth, lost, awaited) in [
        ("daly", 0, 3, TEMPERATURES),
        ("daly", 0, 4, CAPACITY),
        ("daly-modbus", 0, 2, Awaited { settings: true, ..CAPACITY }),
        ("daly-modbus", 1, 2, CAPACITY),
        ("ant", 0, 1, SETTINGS),
        ("ant", 0, 2, SETTINGS),
        ("jk-pb", 0, 1, SETTINGS),
    ] {
        let mut line = Line::of(family, nth);
        for _ in 0..20 {
            assert_eq!(line.reading(Some(lost)).awaited, awaited, "{family} {nth} {lost}");
        }
        assert_eq!(line.reading(None).awaited, NOTHING, "{family} {nth} {lost}: answered");
        // Missing later is left to the guard: the input was present.
        assert_eq!(line.reading(Some(lost)).awaited, NOTHING, "{family} {nth} {lost}: was there");
    }
}

#[test]
fn only_announced_sensors_are_awaited_for_ever() {
    for (family, nth, lost, after) in [
        ("daly", 0, 3, TEMPERATURES),
        ("daly", 0, 4, NOTHING),
        ("daly-modbus", 0, 2, NOTHING),
        ("daly-modbus", 1, 2, NOTHING),
        ("ant", 0, 1, NOTHING),
        ("ant", 0, 2, NOTHING),
        ("jk-pb", 0, 1, NOTHING),
    ] {
        let mut line = Line::of(family, nth);
        (0..=PATIENCE).for_each(|_| {
            line.reading(Some(lost));
        });
        assert_eq!(line.reading(Some(lost)).awaited, after, "{family} {nth} {lost}");
    }
}

/// A board may announce more sensors than it sends; it is not known then which values are temperatures.
#[test]
fn sensors_that_are_announced_but_not_sent_are_awaited() {
    let mut line = Line::of("jbd", 0);
    line.board.replies[0].content[23] = 20;
    let reading = line.reading(None);
    assert_eq!((reading.temperatures.sensors, reading.awaited), (None, TEMPERATURES));
    line.board.replies[0].content[23] = 3;
    assert_eq!(line.reading(None).awaited, NOTHING);
}

/// Sensors that are not fitted count as a reply, and so do settings that a board does not report.
#[test]
fn an_answer_without_a_value_ends_the_waiting() {
    let mut daly = Line::of("daly", 0);
    daly.board.replies[3].content[2..5].fill(0xFF);
    let reading = daly.reading(None);
    assert_eq!((reading.temperatures.sensors, reading.awaited), (Some(Vec::new()), NOTHING));
    let mut ant = Line::of("ant", 0);
    for reply in [1, 2] {
        ant.board.replies[reply].content[3..].fill(0xFF);
    }
    let reading = ant.reading(None);
    assert_eq!((reading.settings.cell_ovp, reading.settings.charge_ocp, reading.awaited), (None, None, NOTHING));
}

/// The limits follow: a quarter of the current without temperatures or settings, all of it once they are known.
#[test]
fn what_is_awaited_is_not_charged_by() {
    for (family, nth, lost) in [("daly", 0, 3), ("daly-modbus", 0, 2), ("ant", 0, 1), ("ant", 0, 2), ("jk-pb", 0, 1)] {
        let (mut line, mut seconds) = (Line::of(family, nth), 0.0);
        let mut battery =
            Battery::new(Config { cells: Some(16), chemistry: Some(LFP), ..Config::default() }, PersistedState::default());
        let mut limits = |reading: Reading| {
            seconds += 1.0;
            let limits = battery.read(reading, LinkStats::default(), Now { at: Moment::from_secs(seconds), unix: None }).limits;
            (limits.ccl.value.get(), limits.ccl.why)
        };
        let mut awaited = (0.0, "");
        (0..90).for_each(|_| awaited = limits(line.reading(Some(lost))));
        let mut read = (0.0, "");
        (0..120).for_each(|_| read = limits(line.reading(None)));
        assert!(awaited.0 <= 12.5 && read.0 > awaited.0, "{family} {nth} {lost}: {awaited:?}, then {read:?}");
    }
}
