//! The upper bound of the charge voltage that a battery reports to its bank: safe for its cells, in any charging phase.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Moment, Percent, Volts};
use dbus_bms::battery::charge::{Config, PhaseConfig};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{LinkStats, Mode, Reading, Snapshot};
use std::time::Duration;

struct Day {
    battery: Battery,
    seconds: f64,
}

impl Day {
    fn new() -> Self {
        let phases = PhaseConfig { absorption: Duration::from_secs(30), ..PhaseConfig::default() };
        Self { battery: Battery::new(Config { phases, ..Config::default() }, PersistedState::default()), seconds: 100.0 }
    }

    fn now(&self) -> Now {
        Now { at: Moment::from_secs(self.seconds), unix: None }
    }

    fn hold(&mut self, seconds: u32, cell: f64, high: f64) -> Snapshot {
        let mut last = None;
        for _ in 0..seconds {
            self.seconds += 1.0;
            let mut cells = vec![Volts::new(cell); 16];
            cells[4] = Volts::new(high);
            let sum: f64 = cells.iter().map(|cell| cell.get()).sum();
            let reading = Reading {
                voltage: Some(Volts::new(sum)),
                current: Some(Amps::new(2.0)),
                soc: Some(Percent::new(95.0)),
                capacity: Some(AmpHours::new(280.0)),
                cell_count: Some(16),
                cells,
                alarms: Some(Vec::new()),
                ..Reading::new("jk", None)
            };
            last = Some(self.battery.read(reading, LinkStats::default(), self.now()));
        }
        last.unwrap()
    }
}

fn ceiling(snapshot: &Snapshot) -> f64 {
    snapshot.member_info.ceiling.unwrap().get()
}

#[test]
fn float_does_not_lower_it() {
    let mut day = Day::new();
    assert_eq!(ceiling(&day.hold(5, 3.35, 3.35)), 55.2);
    let full = day.hold(1200, 3.448, 3.448);
    assert_eq!((full.limits.mode, ceiling(&full), full.member_info.float), (Mode::Float, 55.2, Some(Volts::new(54.0))));
    assert!(full.limits.cvl.value.get() < 55.1, "{:?}", full.limits.cvl);
}

#[test]
fn a_cell_that_is_too_high_lowers_it_in_every_phase() {
    for full in [false, true] {
        let mut day = Day::new();
        day.hold(if full { 1200 } else { 5 }, 3.448, 3.448);
        let before = ceiling(&day.hold(10, 3.44, 3.45));
        let after = ceiling(&day.hold(10, 3.44, 3.51));
        assert!(after < before - 0.1 && after < 15.0 * 3.44 + 3.51, "{full}: {before} {after}");
        let later = ceiling(&day.hold(20, 3.40, 3.41));
        assert!(later <= after, "it waits before it rises: {after} {later}");
    }
}

#[test]
fn silence_lowers_it_to_float_and_it_returns_by_ramp() {
    let mut day = Day::new();
    day.hold(20, 3.40, 3.40);
    day.seconds += 30.0;
    let stale = day.battery.tick(LinkStats::default(), day.now());
    assert_eq!(ceiling(&stale), 54.0);
    assert_eq!(ceiling(&day.hold(5, 3.40, 3.40)), 54.0, "five readings agree first");
    let rising = ceiling(&day.hold(5, 3.40, 3.40));
    assert!(rising > 54.0 && rising < 55.2, "{rising}");
    assert_eq!(ceiling(&day.hold(10, 3.40, 3.40)), 55.2, "a brief doubt is forgotten in seconds");

    day.seconds += 60.0;
    assert_eq!(ceiling(&day.battery.tick(LinkStats::default(), day.now())), 54.0);
    assert_eq!(ceiling(&day.hold(10, 3.40, 3.40)), 54.4, "from the pack voltage on");
    let rising = ceiling(&day.hold(10, 3.40, 3.40));
    assert_eq!(rising, 54.4, "and slowly");
    let rising = ceiling(&day.hold(20, 3.40, 3.40));
    assert!(rising > 54.4 && rising < 55.2, "{rising}");
    assert_eq!(ceiling(&day.hold(60, 3.40, 3.40)), 55.2);
}

#[test]
fn readings_are_counted_and_ticks_are_not() {
    let mut day = Day::new();
    let before = day.hold(3, 3.35, 3.35).member_info.readings;
    assert_eq!(day.battery.tick(LinkStats::default(), day.now()).member_info.readings, before);
    assert_eq!(day.hold(2, 3.35, 3.35).member_info.readings, before + 2);
}
