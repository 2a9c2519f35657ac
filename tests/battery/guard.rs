//! The guard from outside: which values of a valid frame reach the snapshot, and how charge control uses them.

use crate::support::reading;

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge::{ClientLimit, Config};
use dbus_bms::battery::guard::FirstReadings;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Alarm, AlarmName, Chemistry, Level, LinkStats, Reading, Snapshot, Temperatures};
use proptest::prelude::*;
use reading::reading;

fn good() -> Reading {
    Reading {
        remaining: None,
        temperatures: Temperatures { sensors: Some(vec![Celsius::new(21.5), Celsius::new(22.0)]), ..Temperatures::default() },
        ..reading(3.31)
    }
}

struct Seconds(Battery, u32);

impl Seconds {
    fn new() -> Self {
        let mut seconds = Self(Battery::new(Config::default(), PersistedState::default()), 0);
        for _ in 0..60 {
            seconds.read(good());
        }
        seconds
    }
    fn read(&mut self, reading: Reading) -> Snapshot {
        self.1 += 1;
        self.0.read(reading, LinkStats::default(), Now { at: Moment::from_secs(f64::from(self.1)), unix: None })
    }
}

fn with(change: impl Fn(&mut Reading)) -> Reading {
    let mut reading = good();
    change(&mut reading);
    reading
}

#[test]
fn a_single_nonsense_reading_changes_nothing_and_raises_nothing() {
    type Change = fn(&mut Reading);
    let cases: [(&str, Change); 6] = [
        ("soc", |r| r.soc = Some(Percent::new(3.0))),
        ("voltage", |r| r.voltage = Some(Volts::new(14.4))),
        ("cell", |r| r.cells[3] = Volts::new(3.62)),
        ("cell at zero", |r| r.cells[3] = Volts::ZERO),
        ("temperature", |r| r.temperatures.sensors = Some(vec![Celsius::new(100.0), Celsius::new(22.0)])),
        ("cell count", |r| r.cells.truncate(15)),
    ];
    for (name, change) in cases {
        let mut seconds = Seconds::new();
        let before = seconds.read(good());
        let during = seconds.read(with(change));
        let after = seconds.read(good());
        for snapshot in [&during, &after] {
            assert_eq!(snapshot.reading.soc, before.reading.soc, "{name}");
            assert_eq!(snapshot.reading.voltage, before.reading.voltage, "{name}");
            assert_eq!(snapshot.reading.cells, before.reading.cells, "{name}");
            assert_eq!(snapshot.reading.temperatures.sensors, before.reading.temperatures.sensors, "{name}");
            assert!(snapshot.alarms.is_empty(), "{name}: {:?}", snapshot.alarms);
            assert!(snapshot.limits.ccl.value <= before.limits.ccl.value, "{name}");
        }
        assert_eq!(during.limits.ccl.value, before.limits.ccl.value, "{name}: one doubtful reading does not cut the current");
    }
}

#[test]
fn from_the_second_doubtful_reading_limits_are_cautious() {
    let mut seconds = Seconds::new();
    let high = with(|r| r.cells[3] = Volts::new(3.60));
    assert_eq!(seconds.read(high.clone()).limits.ccl.value.get(), 50.0);
    let second = seconds.read(high.clone());
    assert_eq!(second.limits.ccl.value.get(), 0.0);
    assert_eq!(second.reading.cells[3].get(), 3.31, "still not published");
    let third = seconds.read(high);
    assert_eq!(third.reading.cells[3].get(), 3.60, "three agree: it is true");
}

#[test]
fn a_possible_step_is_accepted_on_its_third_reading_and_by_time() {
    let mut seconds = Seconds::new();
    let sagging = with(|r| {
        r.cells = vec![Volts::new(3.21); 16];
        r.voltage = Some(Volts::new(51.36));
    });
    assert_eq!(seconds.read(sagging.clone()).reading.voltage.unwrap().get(), 52.96);
    assert_eq!(seconds.read(sagging.clone()).reading.voltage.unwrap().get(), 52.96);
    assert_eq!(seconds.read(sagging.clone()).reading.voltage.unwrap().get(), 51.36);

    let mut slow = Seconds::new();
    slow.read(sagging.clone());
    slow.1 += 4; // the next reading is 5 s after the first
    assert_eq!(slow.read(sagging).reading.voltage.unwrap().get(), 51.36);
}

#[test]
fn a_strong_current_that_moves_no_voltage_is_looked_at_twice() {
    let current = |snapshot: Snapshot| snapshot.reading.current.unwrap().get();
    let mut seconds = Seconds::new();
    let surge = |volts: f64| {
        with(|r| {
            r.current = Some(Amps::new(-290.0));
            r.voltage = Some(Volts::new(volts));
        })
    };
    assert_eq!(current(seconds.read(surge(52.96))), -12.5, "nearly 300 A and not a millivolt less");
    assert_eq!(current(seconds.read(good())), -12.5);
    assert_eq!(current(seconds.read(surge(52.45))), -290.0, "1 % less: believed at once");
    let mut seconds = Seconds::new();
    seconds.read(surge(52.96));
    assert_eq!(current(seconds.read(surge(52.96))), -290.0, "said twice");
    let mut seconds = Seconds::new();
    assert_eq!(
        current(seconds.read(with(|r| r.current = Some(Amps::new(-30.0))))),
        -30.0,
        "what a small load draws comes and goes"
    );
}

/// The current of a corrupted reply with a valid checksum, in either direction, at once or after a while, with the voltage constant
/// or moving in the opposite direction; a real load or charge of the same size is accepted with its second reading at the latest.
#[test]
fn a_current_of_one_reading_is_not_believed_and_a_real_one_at_its_second() {
    let current = |snapshot: &Snapshot| snapshot.reading.current.unwrap().get();
    for jump in [-80.0, 80.0, 45.0, -600.0] {
        for (volts, cell) in [(52.96, 3.31), (52.95, 3.31), (if jump > 0.0 { 52.6 } else { 53.2 }, 3.31)] {
            let (mut seconds, said) = (Seconds::new(), -12.5 + jump);
            let jumped = with(|r| {
                (r.current, r.voltage) = (Some(Amps::new(said)), Some(Volts::new(volts)));
                r.cells.fill(Volts::new(cell));
            });
            let during = seconds.read(jumped.clone());
            let after = seconds.read(good());
            assert_eq!((current(&during), current(&after)), (-12.5, -12.5), "{said} A with {volts} V");
            assert!(
                (during.reading.power.unwrap().get() + 12.5 * during.reading.voltage.unwrap().get()).abs() < 0.1,
                "nor its power"
            );
            assert_eq!(numbers(&after), numbers(&seconds.read(good())), "no limit moves");
            seconds.read(jumped.clone());
            assert_eq!(current(&seconds.read(jumped)), said, "said twice");
        }
    }
    // With a matching change of voltage: at once, by the pack or by the cells of a board with 0.1 V of resolution.
    for (volts, cell) in [(52.60, 3.31), (53.0, 3.290)] {
        let mut seconds = Seconds::new();
        let load = with(|r| {
            (r.current, r.voltage) = (Some(Amps::new(-92.5)), Some(Volts::new(volts)));
            r.cells.fill(Volts::new(cell));
        });
        assert_eq!(current(&seconds.read(load)), -92.5, "{volts} V");
    }
}

/// A load that changes with every reading is accepted, too.
#[test]
fn a_current_that_never_stands_still_is_shown() {
    let mut seconds = Seconds::new();
    let amps = [60.0, -70.0, 90.0, -120.0, 40.0, -90.0, 150.0, -60.0, 80.0, -100.0, 65.0, -75.0];
    let mut shown = Vec::new();
    for amps in amps.into_iter().cycle().take(60) {
        shown.push(seconds.read(with(|r| r.current = Some(Amps::new(amps)))).reading.current.unwrap().get());
    }
    let stale = shown.windows(4).filter(|window| window.iter().all(|amps| *amps == window[0])).count();
    assert_eq!(stale, 0, "{shown:?}");
}

/// A reply of another battery with the same address: values that differ too little to be held by themselves are held with the rest.
#[test]
fn a_current_beside_other_doubtful_values_is_doubtful() {
    let mut seconds = Seconds::new();
    let foreign = with(|r| {
        (r.soc, r.current, r.cycles) = (Some(Percent::new(35.0)), Some(Amps::new(-2.5)), Some(777));
    });
    assert_eq!(seconds.read(foreign).reading.current, Some(Amps::new(-12.5)));
}

#[test]
fn counters_are_guarded_as_well() {
    type Change = fn(&mut Reading, bool);
    let cases: [(&str, Change); 4] = [
        ("cycles", |r, wrong| r.cycles = Some(if wrong { 777 } else { 42 })),
        ("fewer cycles", |r, wrong| r.cycles = Some(if wrong { 3 } else { 42 })),
        ("capacity", |r, wrong| r.capacity = Some(AmpHours::new(if wrong { 100.0 } else { 280.0 }))),
        ("capacity as learned", |r, wrong| r.full_charge = Some(AmpHours::new(if wrong { 100.0 } else { 275.0 }))),
    ];
    let counters = |snapshot: &Snapshot| {
        let reading = &snapshot.reading;
        (reading.cycles, reading.capacity, reading.full_charge)
    };
    for (name, change) in cases {
        let mut seconds = Seconds::new();
        let mut before = counters(&seconds.read(with(|r| change(r, false))));
        (0..5).for_each(|_| before = counters(&seconds.read(with(|r| change(r, false)))));
        let limits = numbers(&seconds.read(with(|r| change(r, false))));
        let during = seconds.read(with(|r| change(r, true)));
        assert_eq!((counters(&during), numbers(&during)), (before, limits), "{name}");
        let after = seconds.read(with(|r| change(r, false)));
        assert_eq!((counters(&after), numbers(&after)), (before, limits), "{name}");
        let mut last = after;
        (0..3).for_each(|_| last = seconds.read(with(|r| change(r, true))));
        assert_ne!(counters(&last), before, "{name}: three readings say so");
    }
    let mut seconds = Seconds::new();
    seconds.read(with(|r| r.cycles = Some(42)));
    assert_eq!(seconds.read(with(|r| r.cycles = Some(43))).reading.cycles, Some(43), "it counts up");
    let balancing = with(|r| (r.balancing.current, r.humidity) = (Some(Amps::new(320.0)), Some(Percent::new(180.0))));
    let snapshot = seconds.read(balancing);
    assert_eq!((snapshot.reading.balancing.current, snapshot.reading.humidity), (None, None), "what cannot be is not shown");
}

#[test]
fn the_impossible_is_never_published_however_long_it_stands() {
    let mut seconds = Seconds::new();
    let mut last = None;
    for _ in 0..30 {
        last = Some(seconds.read(with(|r| {
            r.soc = Some(Percent::new(180.0));
            r.temperatures.sensors = Some(vec![Celsius::new(-273.1), Celsius::new(22.0)]);
        })));
    }
    let last = last.unwrap();
    assert_eq!(last.reading.soc, None, "unknown, not the value of half a minute ago");
    assert_eq!(last.reading.temperatures.sensors, Some(vec![Celsius::new(22.0)]));
    assert!(last.alarms.iter().any(|alarm| alarm.name == AlarmName::SensorFault && alarm.level == Level::Warning));
}

#[test]
fn a_broken_sense_wire_stops_the_battery_and_raises_the_alarm() {
    let mut seconds = Seconds::new();
    let broken = with(|r| r.cells[15] = Volts::ZERO);
    seconds.read(broken.clone());
    let second = seconds.read(broken.clone());
    assert_eq!((second.limits.ccl.value.get(), second.limits.dcl.value.get()), (0.0, 0.0));
    assert!(second.alarms.iter().any(|alarm| alarm.name == AlarmName::BmsInternal && alarm.level == Level::Alarm));
    for _ in 0..20 {
        let later = seconds.read(broken.clone());
        assert_eq!(later.limits.ccl.value.get(), 0.0);
        assert!(later.derived.min_cell.unwrap().0.get() > 3.0, "0 V is not published as the lowest cell");
    }
}

#[test]
fn fets_of_the_bms_are_never_held() {
    let mut seconds = Seconds::new();
    let snapshot = seconds.read(with(|r| r.fets.charge = Some(false)));
    assert_eq!(snapshot.limits.ccl.value.get(), 0.0);
    assert_eq!(snapshot.limits.ccl.why, "BMS forbids charging");
}

#[test]
fn an_alarm_rings_when_a_second_reading_agrees_and_keeps_limits_down_at_once() {
    let alarmed = |name, level| with(move |r| r.raise(name, level));
    let mut seconds = Seconds::new();
    // From a corrupted reply: one after the other, always different.
    for name in [AlarmName::ShortCircuit, AlarmName::HighVoltage, AlarmName::BmsInternal] {
        let snapshot = seconds.read(alarmed(name, Level::Alarm));
        assert!(snapshot.alarms.is_empty() && snapshot.reading.alarms == Some(Vec::new()), "{name:?}");
    }
    assert!(seconds.read(good()).alarms.is_empty());
    let rings = |snapshot: Snapshot| snapshot.alarms.iter().map(|alarm| (alarm.name, alarm.level)).collect::<Vec<_>>();
    let name = AlarmName::HighTemperature;
    assert_eq!(rings(seconds.read(alarmed(name, Level::Warning))), []);
    assert_eq!(rings(seconds.read(alarmed(name, Level::Alarm))), [(name, Level::Warning)], "as far as both agree");
    assert_eq!(rings(seconds.read(alarmed(name, Level::Alarm))), [(name, Level::Alarm)]);
    let silent = seconds.read(with(|r| r.alarms = None));
    assert_eq!(silent.reading.alarms, None, "not heard");
    assert_eq!(rings(seconds.read(alarmed(name, Level::Alarm))), [(name, Level::Alarm)]);
    assert_eq!(rings(seconds.read(good())), [], "gone at once");

    // While a limit rises, the first reading with an alarm stops it.
    let mut seconds = Seconds::new();
    (0..3).for_each(|_| drop(seconds.read(with(|r| r.fets.charge = Some(false)))));
    let mut ccl = 0.0;
    while ccl < 10.0 {
        ccl = numbers(&seconds.read(good()))[1];
    }
    assert_eq!(numbers(&seconds.read(alarmed(name, Level::Warning)))[1], ccl);
    assert!(numbers(&seconds.read(good()))[1] > ccl);
}

#[test]
fn incomplete_cells_are_unknown_cells() {
    let mut seconds = Seconds::new();
    let snapshot = seconds.read(with(|r| {
        r.cells.truncate(9);
        r.cells_complete = Some(false);
    }));
    assert!(snapshot.reading.cells.is_empty() && snapshot.derived.max_cell.is_none());
}

/// Effect of a glitch on the limits: the lowest of each during and after it, and the seconds from the first agreeing reading until
/// all are restored.
#[derive(Debug)]
struct Glitch {
    lowest: [f64; 3],
    back_after: Option<u32>,
}

fn numbers(snapshot: &Snapshot) -> [f64; 3] {
    [snapshot.limits.cvl.value.get(), snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get()]
}

/// A settled battery with `count` readings changed by `change`, then good ones for two minutes.
fn glitch(count: u32, change: impl Fn(&mut Reading)) -> Glitch {
    let mut seconds = Seconds::new();
    let before = numbers(&seconds.read(good()));
    let (mut lowest, mut back_after) = (before, None);
    for second in 0..count + 120 {
        let snapshot = seconds.read(if second < count { with(&change) } else { good() });
        let now = numbers(&snapshot);
        lowest.iter_mut().zip(now).for_each(|(lowest, now)| *lowest = lowest.min(now));
        if second >= count && now == before {
            back_after = back_after.or(Some(second - count));
        }
        assert!(now.iter().zip(before).all(|(now, before)| *now <= before), "{now:?}");
    }
    Glitch { lowest, back_after }
}

fn zeros(r: &mut Reading) {
    (r.voltage, r.current, r.soc) = (Some(Volts::ZERO), Some(Amps::ZERO), Some(Percent::ZERO));
    r.cells.fill(Volts::ZERO);
    r.temperatures.sensors = Some(vec![Celsius::new(-273.1); 2]);
    (r.fets.charge, r.fets.discharge) = (Some(false), Some(false));
}

#[test]
fn a_glitch_costs_seconds_and_never_the_charge_voltage() {
    type Change = fn(&mut Reading);
    let cases: [(&str, u32, Change); 16] = [
        ("all zeros, twice", 2, zeros),
        ("all zeros, eight times", 8, zeros),
        ("all zeros and 0 °C, eight times", 8, |r| {
            zeros(r);
            r.temperatures.sensors = Some(vec![Celsius::ZERO; 2]);
        }),
        ("all zeros and no cells, eight times", 8, |r| {
            zeros(r);
            (r.cell_count, r.cells) = (Some(0), Vec::new());
        }),
        ("all zeros, for 15 s", 15, zeros),
        ("all zeros, for 28 s", 28, zeros),
        ("all zeros and no cells, for 28 s", 28, |r| {
            zeros(r);
            (r.cell_count, r.cells) = (Some(0), Vec::new());
        }),
        ("no cells, once", 1, |r| r.cells.clear()),
        ("cells that are not all, twice", 2, |r| {
            r.cells.truncate(9);
            r.cells_complete = Some(false);
        }),
        ("no pack voltage, twice", 2, |r| r.voltage = Some(Volts::ZERO)),
        ("a pack of 3.1 V, twice", 2, |r| r.voltage = Some(Volts::new(3.1))),
        ("a cell of 6.5 V, twice", 2, |r| r.cells[3] = Volts::new(6.5)),
        ("a cell of 4.2 V, twice", 2, |r| r.cells[3] = Volts::new(4.2)),
        ("a cell of 0 V, twice", 2, |r| r.cells[3] = Volts::ZERO),
        ("all cells 4.2 V, twice", 2, |r| r.cells.fill(Volts::new(4.2))),
        ("-5 °C, twice", 2, |r| r.temperatures.sensors = Some(vec![Celsius::new(-5.0), Celsius::new(22.0)])),
    ];
    let results: Vec<_> = cases.into_iter().map(|(name, count, change)| (name, glitch(count, change))).collect();
    println!("{results:?}");
    for (name, found) in &results {
        assert!(found.lowest[0] >= 40.0, "{name}: {results:#?}");
        assert!(found.back_after.is_some_and(|after| after <= 30), "{name}: {results:#?}");
    }
}

/// A BMS that reports no chemistry (most JK PB with LFP cells), and one in a corrupted reading.
#[test]
fn a_chemistry_that_is_told_later_has_to_be_told_more_than_once() {
    for chemistry in [Chemistry::Nmc, Chemistry::Lto] {
        let mut seconds = Seconds::new();
        let before = numbers(&seconds.read(good()));
        for second in 0..120 {
            let limits = seconds.read(with(|r| r.settings.chemistry = (second % 60 < 2).then_some(chemistry))).limits;
            assert_eq!(limits.cvl.value.get(), before[0], "{chemistry:?}, {second} s: {limits:?}");
        }
        let told = || with(|r| r.settings.chemistry = Some(chemistry));
        (0..300).for_each(|_| drop(seconds.read(told())));
        let cvl = seconds.read(told()).limits.cvl.value.get();
        assert!((cvl - before[0]).abs() > 1.0, "{chemistry:?} that is told in each reading counts: {cvl}");
    }
}

/// Values from before a restart of the BMS serve as a reference afterwards, but are published and used for at most ten seconds.
#[test]
fn what_stands_in_for_a_bms_that_restarts_is_not_shown_for_long() {
    for change in [zeros, |r: &mut Reading| (r.voltage, r.cells, r.soc) = (Some(Volts::ZERO), Vec::new(), Some(Percent::ZERO))] {
        let mut seconds = Seconds::new();
        for second in 1..=40 {
            let snapshot = seconds.read(with(change));
            let Reading { voltage, soc, cells, temperatures, fets, .. } = &snapshot.reading;
            let flows = with(change).fets;
            assert_eq!(
                [fets.charge, fets.discharge],
                [flows.charge, flows.discharge],
                "{second} s: what may flow is passed on as it is said"
            );
            if second > 11 {
                let shown = voltage.is_some() || cells.iter().any(|cell| cell.get() > 0.0);
                assert!(
                    !shown && (second > 30 || (*soc, &temperatures.sensors) == (None, &None)),
                    "{second} s: {:?}",
                    snapshot.reading
                );
                let [cvl, ccl, dcl] = numbers(&snapshot);
                assert!((52.0..=52.96).contains(&cvl) && (ccl, dcl) == (0.0, 0.0), "{second} s: {:?}", snapshot.limits);
            }
        }
    }
}

/// Cells that contradict the pack do not make it an empty one.
#[test]
fn nothing_that_was_not_confirmed_for_ten_seconds_is_shown_beside_what_was() {
    // While the SoC was doubtful the other values changed; then the BMS restarts.
    let mut seconds = Seconds::new();
    for second in 0..8 {
        let soc = if second % 2 == 0 { 10.0 } else { 90.0 };
        let shown = seconds.read(with(|r| r.soc = Some(Percent::new(soc)))).reading.soc;
        assert_eq!(shown, Some(Percent::new(62.0)), "{second}");
    }
    for second in 9..20 {
        let snapshot = seconds.read(with(|r| {
            zeros(r);
            r.soc = Some(Percent::new(0.0));
        }));
        assert_eq!(snapshot.reading.soc.is_some(), second <= 10, "{second}");
        assert_eq!(snapshot.reading.voltage.is_some(), second <= 18, "{second}");
    }

    // The number of cells changes each time.
    let mut seconds = Seconds::new();
    for second in 1..40 {
        let count = if second % 2 == 0 { 15 } else { 14 };
        let snapshot = seconds.read(with(|r| r.cells = vec![Volts::new(3.34); count]));
        assert_eq!(snapshot.reading.cells.is_empty(), second > 10, "{second}");
        assert!(second < 3 || snapshot.limits.ccl.value.get() <= 50.0);
    }
    let snapshot = seconds.read(with(|r| r.cells = vec![Volts::new(3.66); 15]));
    assert_eq!(snapshot.limits.ccl.value.get(), 0.0, "a cell that may be too full counts, however many there are");
}

#[test]
fn cells_that_the_pack_voltage_contradicts_take_the_charge_voltage_no_lower_than_a_pack_can_be() {
    for cell in [0.6, 0.9, 1.5] {
        let found = glitch(8, |r| r.cells.fill(Volts::new(cell)));
        assert!(found.lowest[0] >= 40.0, "{cell} V: {found:?}");
    }
}

/// The lowest voltage of a number of cells is not a charge voltage for a pack with fewer cells.
#[test]
fn a_wrong_number_of_cells_lifts_the_voltage_no_further_than_the_packs() {
    let eight = with(|r| (r.cell_count, r.cells, r.voltage) = (Some(16), vec![Volts::new(3.31); 8], Some(Volts::new(26.48))));
    let mut battery = Seconds(Battery::new(Config::default(), PersistedState::default()), 0);
    for _ in 0..300 {
        let limits = battery.read(eight.clone()).limits;
        assert!(limits.cvl.value.get() <= 26.48 && limits.ccl.value == Amps::ZERO, "{limits:?}");
    }
}

#[test]
fn what_lasts_rises_slowly_however_it_began() {
    let found = glitch(40, |r| r.cells[3] = Volts::ZERO);
    assert!(found.back_after.is_none_or(|after| after >= 59), "{found:?}");
    // Accepted cells lower the charge voltage permanently, as before.
    let found = glitch(5, |r| r.cells.fill(Volts::new(3.55)));
    assert!(found.back_after.is_none_or(|after| after >= 59), "{found:?}");
}

#[test]
fn short_silence_is_given_back_within_seconds_and_not_while_data_is_missing() {
    let mut seconds = Seconds::new();
    let before = numbers(&seconds.read(good()));
    seconds.1 += 30; // 10 s of age are fresh, 20 s reduce the limits
    let back = numbers(&seconds.read(good()));
    assert_eq!(back[1], 0.0, "{back:?}");
    let course: Vec<_> = (0..30).map(|_| numbers(&seconds.read(good()))).collect();
    assert!(course[..3].iter().all(|limits| limits[1] == 0.0), "five readings agree first: {course:?}");
    assert_eq!(course[25], before, "{course:?}");
}

/// Limits after `seconds` of a battery that is like this from its first reading on.
fn from_the_start(seconds: u32, change: impl Fn(&mut Reading)) -> (Snapshot, Vec<String>) {
    let mut battery = Battery::new(Config::default(), PersistedState::default());
    let read = |battery: &mut Battery, second: u32| {
        battery.read(with(&change), LinkStats::default(), Now { at: Moment::from_secs(f64::from(second)), unix: None })
    };
    let mut last = read(&mut battery, 0);
    (1..seconds).for_each(|second| last = read(&mut battery, second));
    (last, battery.take_notices())
}

#[test]
fn one_impossible_value_does_not_block_a_battery() {
    type Change = fn(&mut Reading);
    // A quarter if a sensor is broken; all of it if the value is not an input of charge control, or slightly above full.
    let cases: [(&str, Change, [f64; 2], &str); 8] = [
        (
            "temperature",
            |r| r.temperatures.sensors = Some(vec![Celsius::new(215.0), Celsius::new(23.0)]),
            [12.5, 15.0],
            "temperature",
        ),
        (
            "temperature",
            |r| r.temperatures.sensors = Some(vec![Celsius::new(23.0), Celsius::new(-100.0)]),
            [12.5, 15.0],
            "temperature",
        ),
        ("all temperatures", |r| r.temperatures.sensors = Some(vec![Celsius::new(215.0)]), [12.5, 15.0], "temperature"),
        ("MOSFET", |r| r.temperatures.mos = Some(Celsius::new(-200.0)), [50.0, 60.0], "MOSFET temperature"),
        ("SoH", |r| r.soh = Some(Percent::new(101.0)), [50.0, 60.0], "SoH"),
        ("SoH", |r| r.soh = Some(Percent::new(110.0)), [50.0, 60.0], "SoH"),
        ("SoC", |r| r.soc = Some(Percent::new(100.5)), [50.0, 60.0], ""),
        ("SoC", |r| r.soc = Some(Percent::new(180.0)), [50.0, 60.0], "SoC"),
    ];
    for (name, change, expected, named) in cases {
        let (snapshot, notices) = from_the_start(45, change);
        let [cvl, ccl, dcl] = numbers(&snapshot);
        assert_eq!([ccl, dcl], expected, "{name}: {:?}", snapshot.limits);
        assert_eq!(cvl, 55.2, "{name}");
        let said = notices.iter().filter(|notice| notice.contains(&format!("impossible {named}"))).count();
        assert_eq!(said, usize::from(!named.is_empty()), "{name}: {notices:?}");
    }
    assert_eq!(from_the_start(1, |r| r.soc = Some(Percent::new(101.0))).0.reading.soc, Some(Percent::new(100.0)));
}

#[test]
fn a_value_that_becomes_impossible_for_good_does_not_stop_limits_from_rising() {
    type Change = fn(&mut Reading);
    let cases: [(&str, Change, [f64; 2]); 3] = [
        ("temperature", |r| r.temperatures.sensors = Some(vec![Celsius::new(215.0), Celsius::new(23.0)]), [12.5, 15.0]),
        ("MOSFET", |r| r.temperatures.mos = Some(Celsius::new(-200.0)), [50.0, 60.0]),
        ("SoH", |r| r.soh = Some(Percent::new(110.0)), [50.0, 60.0]),
    ];
    for (name, change, expected) in cases {
        let mut seconds = Seconds::new();
        for _ in 0..60 {
            seconds.read(with(change));
        }
        // Charging is forbidden for a while, then permitted again.
        for _ in 0..5 {
            seconds.read(with(|r| (change(r), r.fets.charge = Some(false)).0));
        }
        let mut last = seconds.read(with(change));
        assert_eq!(numbers(&last)[1], 0.0, "{name}");
        for _ in 0..120 {
            last = seconds.read(with(change));
        }
        let [_, ccl, dcl] = numbers(&last);
        assert_eq!([ccl, dcl], expected, "{name}: {:?}", last.limits);
    }
}

#[test]
fn a_sensor_that_drops_out_of_the_list_is_missing() {
    let sensors = |list: &[f64]| with(|r| r.temperatures.sensors = Some(list.iter().copied().map(Celsius::new).collect()));
    let mut seconds = Seconds::new();
    for _ in 0..60 {
        seconds.read(sensors(&[4.0, 25.0]));
    }
    let cold = numbers(&seconds.read(sensors(&[4.0, 25.0])))[1];
    assert!((20.0..21.0).contains(&cold), "{cold}");
    let mut gone = seconds.read(sensors(&[25.0]));
    for second in 1..120 {
        assert!(numbers(&gone)[1] <= if second <= 31 { cold } else { 12.5 }, "{second}: {:?}", gone.limits);
        gone = seconds.read(sensors(&[25.0]));
    }
    assert_eq!(gone.derived.max_temperature, Some((Celsius::new(25.0), 2)), "it is still the second sensor");
    assert_eq!(gone.derived.sensors, [None, Some(Celsius::new(25.0))]);
    let alarm = Alarm { name: AlarmName::SensorFault, level: Level::Warning };
    assert_eq!(gone.alarms, [alarm], "it is missing for long");
    let said = seconds.0.take_notices();
    assert_eq!(said.iter().filter(|notice| notice.contains("a temperature sensor tells nothing")).count(), 1, "{said:?}");
    (0..5).for_each(|_| drop(seconds.read(sensors(&[4.0, 25.0]))));
    assert!(numbers(&seconds.read(sensors(&[4.0, 25.0])))[1] <= cold);
}

/// An announced input that was not read yet limits like a missing one, with its own reason, until it is read.
#[test]
fn what_is_awaited_makes_limits_cautious_until_it_is_read() {
    type Change = fn(&mut Reading);
    let cases: [(&str, Change, [f64; 2], &str); 5] = [
        (
            "temperatures",
            |r| (r.temperatures.sensors, r.awaited.temperatures) = (None, true),
            [12.5, 15.0],
            "a temperature sensor tells nothing",
        ),
        ("settings", |r| r.awaited.settings = true, [12.5, 15.0], "has not told its protection settings"),
        ("capacity", |r| (r.capacity, r.awaited.capacity) = (None, true), [12.5, 15.0], "has not told its capacity"),
        // 0.5 C of 20 Ah, computed from remaining charge and SoC.
        (
            "capacity, reckoned",
            |r| {
                (r.capacity, r.awaited.capacity, r.remaining, r.soc) =
                    (None, true, Some(AmpHours::new(12.4)), Some(Percent::new(62.0)))
            },
            [10.0, 10.0],
            "",
        ),
        (
            "capacity, from an SoC that tells nothing",
            |r| {
                (r.capacity, r.awaited.capacity, r.remaining, r.soc) =
                    (None, true, Some(AmpHours::new(0.4)), Some(Percent::new(1.0)))
            },
            [12.5, 15.0],
            "has not told its capacity",
        ),
    ];
    for (name, change, expected, said) in cases {
        let (snapshot, notices) = from_the_start(45, change);
        assert_eq!(numbers(&snapshot)[1..], expected, "{name}: {:?}", snapshot.limits);
        let count = notices.iter().filter(|notice| !said.is_empty() && notice.contains(said)).count();
        assert_eq!(count, usize::from(!said.is_empty()), "{name}: {notices:?}");
        let mut seconds = Seconds(Battery::new(Config::default(), PersistedState::default()), 0);
        (0..45).for_each(|_| drop(seconds.read(with(change))));
        let mut last = seconds.read(good());
        (0..60).for_each(|_| last = seconds.read(good()));
        assert_eq!(numbers(&last)[1..], [50.0, 60.0], "{name}: read");
    }
}

/// Currents per capacity refer to the smallest of the capacities that a BMS reports, so none of them lifts a limit.
#[test]
fn no_second_capacity_lifts_a_limit() {
    // Installed, learned, designed, Ah; 0.5 C of the smallest, or the defaults of 50 A and 60 A.
    let cases: [([Option<f64>; 3], [f64; 2]); 8] = [
        ([Some(80.0), None, None], [40.0, 40.0]),
        ([Some(80.0), Some(80.0), Some(100.0)], [40.0, 40.0]),
        ([Some(100.0), Some(60.0), Some(100.0)], [30.0, 30.0]),
        ([Some(83.0), Some(83.0), Some(80.0)], [40.0, 40.0]),
        ([Some(280.0), Some(300.0), Some(280.0)], [50.0, 60.0]),
        ([Some(80.0), Some(300.0), Some(300.0)], [40.0, 40.0]),
        // Nothing was learned yet, or nobody has set it.
        ([Some(80.0), Some(0.01), Some(5.0)], [40.0, 40.0]),
        // Computed from 62 % and 62 Ah.
        ([None, Some(70.0), None], [35.0, 35.0]),
    ];
    let told = |[installed, learned, designed]: [Option<f64>; 3]| {
        move |r: &mut Reading| {
            r.capacity = installed.map(AmpHours::new);
            r.full_charge = learned.map(AmpHours::new);
            r.design = designed.map(AmpHours::new);
            (r.remaining, r.soc) = (Some(AmpHours::new(62.0)), Some(Percent::new(62.0)));
        }
    };
    for (capacities, expected) in cases {
        let (snapshot, _) = from_the_start(45, told(capacities));
        assert_eq!(numbers(&snapshot)[1..], expected, "{capacities:?}: {:?}", snapshot.limits);
    }
    // The owner's capacity counts alone.
    let config = Config { capacity: Some(AmpHours::new(90.0)), ..Config::default() };
    let mut seconds = Seconds(Battery::new(config, PersistedState::default()), 0);
    (0..45).for_each(|_| drop(seconds.read(with(told([Some(80.0), Some(60.0), Some(80.0)])))));
    let last = seconds.read(with(told([Some(80.0), Some(60.0), Some(80.0)])));
    assert_eq!(numbers(&last)[1..], [45.0, 45.0]);
}

/// A configured current takes the capacity into account, but not the protections of the BMS.
#[test]
fn a_configured_current_needs_no_capacity() {
    let config =
        Config { max_charge_current: Some(Amps::new(80.0)), max_discharge_current: Some(Amps::new(100.0)), ..Config::default() };
    for (change, expected) in [
        ((|r| (r.capacity, r.awaited.capacity) = (None, true)) as fn(&mut Reading), [80.0, 100.0]),
        (|r| r.awaited.settings = true, [20.0, 25.0]),
    ] {
        let mut battery = Battery::new(config.clone(), PersistedState::default());
        let now = Now { at: Moment::from_secs(1.0), unix: None };
        assert_eq!(numbers(&battery.read(with(change), LinkStats::default(), now))[1..], expected);
    }
    // A client of the GX's settings has no further information.
    let config = Config { from_client: vec![ClientLimit::ChargeCurrent, ClientLimit::DischargeCurrent], ..config };
    let mut battery = Battery::new(config, PersistedState::default());
    let change = |r: &mut Reading| (r.capacity, r.awaited.capacity) = (None, true);
    let now = Now { at: Moment::from_secs(1.0), unix: None };
    assert_eq!(numbers(&battery.read(with(change), LinkStats::default(), now))[1..], [12.5, 15.0]);
}

/// Values that the BMS reports as impossible from the start are not waited for; values that are not reported at all are.
#[test]
fn a_battery_is_not_kept_off_the_bus_by_an_impossible_value() {
    type Change = fn(&mut Reading);
    let cases: [(&str, Change, Option<u32>, [f64; 2]); 6] = [
        ("all well", |_| {}, Some(0), [50.0, 60.0]),
        ("SoC 101 %", |r| r.soc = Some(Percent::new(101.0)), Some(0), [50.0, 60.0]),
        ("SoC 180 %", |r| r.soc = Some(Percent::new(180.0)), Some(10), [50.0, 60.0]),
        ("no pack voltage", |r| r.voltage = Some(Volts::ZERO), Some(10), [50.0, 60.0]),
        ("a current of 5000 A", |r| r.current = Some(Amps::new(-5000.0)), Some(10), [50.0, 60.0]),
        ("no SoC", |r| r.soc = None, None, [50.0, 60.0]),
    ];
    for (name, change, expected, limits) in cases {
        let mut battery = Battery::new(Config::default(), PersistedState::default());
        let mut there = None;
        let mut last = None;
        for second in 0..45 {
            let at = Moment::from_secs(f64::from(second));
            last = Some(battery.read(with(change), LinkStats::default(), Now { at, unix: None }));
            there = there.or(battery.is_presentable(at).then_some(second));
        }
        assert_eq!(there, expected, "{name}");
        assert_eq!(numbers(&last.unwrap())[1..], limits, "{name}");
    }
}

/// The effect of a first reading with a valid checksum and a wrong byte: nothing is published before a second one agrees.
#[test]
fn the_first_reading_needs_a_second_that_agrees() {
    type Change = fn(&mut Reading);
    let cases: [(&str, Change); 9] = [
        ("temperature", |r| r.temperatures.sensors = Some(vec![Celsius::new(52.0), Celsius::new(22.0)])),
        ("cell", |r| r.cells[3] = Volts::new(3.05)),
        ("voltage", |r| r.voltage = Some(Volts::new(49.0))),
        ("current", |r| r.current = Some(Amps::new(-92.5))),
        ("SoC", |r| r.soc = Some(Percent::new(3.0))),
        ("capacity", |r| r.capacity = Some(AmpHours::new(30.0))),
        ("limit", |r| r.settings.charge_limit = Some(Amps::new(200.0))),
        ("protection", |r| r.settings.cell_ovp = Some(Volts::new(4.2))),
        ("switch", |r| r.fets.charge = Some(false)),
    ];
    let at = |second: u32| Moment::from_secs(f64::from(second));
    for (name, change) in cases {
        let settled =
            |r: &mut Reading| (r.settings.charge_limit, r.settings.cell_ovp) = (Some(Amps::new(20.0)), Some(Volts::new(3.65)));
        let (right, wrong) = (with(settled), with(|r| (settled(r), change(r)).0));
        let mut first_readings = FirstReadings::default();
        let course: Vec<bool> =
            [&wrong, &right, &right, &wrong].into_iter().zip(0..).map(|(r, second)| first_readings.accept(r, at(second))).collect();
        assert_eq!(course, [false, false, true, true], "{name}");
    }
    let mut first_readings = FirstReadings::default();
    assert!(!first_readings.accept(&good(), at(0)) && first_readings.accept(&good(), at(0)), "the second may follow at once");
    // A battery without two equal readings is accepted after ten seconds.
    let mut first_readings = FirstReadings::default();
    let restless = |second: u32| with(|r| r.soc = Some(Percent::new(if second.is_multiple_of(2) { 10.0 } else { 90.0 })));
    assert_eq!((0..20).position(|count| first_readings.accept(&restless(count), at(count * 2))), Some(5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever one field of a reading contains, in any order, the published values stay within the possible range.
    #[test]
    fn nothing_impossible_gets_out(steps in prop::collection::vec((0usize..6, -500.0f64..500.0), 1..60)) {
        let mut seconds = Seconds::new();
        for (field, value) in steps {
            let snapshot = seconds.read(with(|r| match field {
                0 => r.soc = Some(Percent::new(value)),
                1 => r.voltage = Some(Volts::new(value)),
                2 => r.cells[5] = Volts::new(value / 100.0),
                3 => r.temperatures.sensors = Some(vec![Celsius::new(value)]),
                4 => r.capacity = Some(AmpHours::new(value)),
                _ => r.soh = Some(Percent::new(value)),
            }));
            let reading = &snapshot.reading;
            prop_assert!(reading.soc.is_none_or(|soc| (0.0..=100.0).contains(&soc.get())));
            prop_assert!(reading.voltage.is_none_or(|v| (1.0..=1000.0).contains(&v.get())));
            prop_assert!(reading.cells.iter().all(|c| c.get() == 0.0 || (0.5..=5.0).contains(&c.get())));
            prop_assert!(reading.temperatures.sensors.iter().flatten().all(|t| (-60.0..=120.0).contains(&t.get())));
            for value in [snapshot.limits.cvl.value.get(), snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get()] {
                prop_assert!(value.is_finite() && value >= 0.0);
            }
            prop_assert!(snapshot.limits.cvl.value.get() <= 55.2);
        }
    }
}
