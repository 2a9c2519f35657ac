//! Safety rule 9 as properties for any sequence of readings: only reported values are published, held values are not, a real step
//! is published in time, and limits only fall meanwhile.

use crate::support::reading;

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::battery::guard::Guard;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{LinkStats, Reading, Snapshot, Temperatures};
use proptest::prelude::*;
use reading::reading;
use serde_json::{Value, json};

/// Maximum time for which an accepted value replaces doubtful ones, and for which doubtful ones must agree, s.
const STANDS_FOR: f64 = 10.0;
const AGREED_FOR: f64 = 5.0;

/// A guarded quantity of a reading: how to set and read it, and its possible range.
#[derive(Debug)]
struct Quantity {
    name: &'static str,
    set: fn(&mut Reading, f64),
    get: fn(&Reading) -> Option<f64>,
    range: (f64, f64),
}

const QUANTITIES: [Quantity; 8] = [
    Quantity {
        name: "voltage",
        set: |r, x| r.voltage = Some(Volts::new(x)),
        get: |r| r.voltage.map(f64::from),
        range: (1.0, 1000.0),
    },
    Quantity { name: "soc", set: |r, x| r.soc = Some(Percent::new(x)), get: |r| r.soc.map(f64::from), range: (0.0, 100.0) },
    Quantity { name: "soh", set: |r, x| r.soh = Some(Percent::new(x)), get: |r| r.soh.map(f64::from), range: (0.0, 100.0) },
    Quantity { name: "cell", set: |r, x| r.cells[5] = Volts::new(x), get: cell, range: (0.5, 5.0) },
    Quantity {
        name: "sensor",
        set: |r, x| r.temperatures.sensors = Some(vec![Celsius::new(x)]),
        get: sensor,
        range: (-60.0, 120.0),
    },
    Quantity { name: "MOSFET", set: |r, x| r.temperatures.mos = Some(Celsius::new(x)), get: mosfet, range: (-60.0, 180.0) },
    Quantity {
        name: "capacity",
        set: |r, x| r.capacity = Some(AmpHours::new(x)),
        get: |r| r.capacity.map(f64::from),
        range: (0.0, 1e5),
    },
    Quantity {
        name: "remaining",
        set: |r, x| r.remaining = Some(AmpHours::new(x)),
        get: |r| r.remaining.map(f64::from),
        range: (0.0, 1e5),
    },
];

/// A cell at 0 V is not a cell.
fn cell(reading: &Reading) -> Option<f64> {
    reading.cells.get(5).map(|cell| cell.get()).filter(|volts| *volts > 0.0)
}

fn sensor(reading: &Reading) -> Option<f64> {
    reading.temperatures.sensors.as_ref()?.first().map(|sensor| sensor.get())
}

fn mosfet(reading: &Reading) -> Option<f64> {
    reading.temperatures.mos.map(f64::from)
}

fn good() -> Reading {
    let soh = Some(Percent::new(98.0));
    Reading { soh, temperatures: Temperatures { mos: Some(Celsius::new(30.0)), ..Temperatures::default() }, ..reading(3.31) }
}

fn with(quantity: &Quantity, value: f64) -> Reading {
    let mut reading = good();
    (quantity.set)(&mut reading, value);
    reading
}

fn quantity() -> impl Strategy<Value = &'static Quantity> {
    (0..QUANTITIES.len()).prop_map(|number| &QUANTITIES[number])
}

/// A position within the range of a quantity, or slightly outside.
fn place() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 0.0f64..1.0, 2 => Just(0.5), 1 => -0.5f64..1.5]
}

fn at(quantity: &Quantity, place: f64) -> f64 {
    let (low, high) = quantity.range;
    low + place * (high - low)
}

fn moment(seconds: f64) -> Moment {
    Moment::from_secs(100.0 + seconds)
}

/// A battery with one normal reading per second for a minute; the next second is 61.
fn settled() -> Battery {
    let mut battery = Battery::new(Config::default(), PersistedState::default());
    (1..=60).for_each(|second| drop(read(&mut battery, good(), f64::from(second))));
    battery
}

fn read(battery: &mut Battery, reading: Reading, second: f64) -> Snapshot {
    battery.read(reading, LinkStats::default(), Now { at: moment(second), unix: None })
}

fn limits(snapshot: &Snapshot) -> [f64; 3] {
    [snapshot.limits.cvl.value.get(), snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Published values were recently reported and are possible; held values are not published.
    #[test]
    fn only_what_was_said_is_published(
        quantity in quantity(), steps in prop::collection::vec((0.05f64..4.0, place()), 1..60),
    ) {
        let (mut guard, mut said, mut now) = (Guard::default(), Vec::new(), 0.0);
        for (wait, place) in steps {
            now += wait;
            let value = at(quantity, place);
            // A board that counts slightly beyond full is full.
            let full = quantity.name == "soc" && value > 100.0 && value <= 110.0;
            said.push((now, if full { 100.0 } else { value }));
            let judged = guard.check(with(quantity, value), moment(now));
            let Some(published) = (quantity.get)(&judged.reading) else { continue };
            let (low, high) = quantity.range;
            prop_assert!((low..=high).contains(&published), "{} at {published}", quantity.name);
            let recent = said.iter().rev().take_while(|(at, _)| now - at <= STANDS_FOR + 1e-6);
            prop_assert!(recent.map(|(_, value)| *value).any(|value| value == published), "{} was never {published}", quantity.name);
            if !judged.held.is_empty() {
                prop_assert!(judged.inputs.in_doubt);
                prop_assert!(published != value, "{}: {value} is held and published", quantity.name);
            }
        }
    }

    /// A step to any possible value, however large, is published on its third reading, or the first after five seconds.
    #[test]
    fn a_true_step_gets_out_in_time(quantity in quantity(), place in 0.001f64..0.999, interval in 0.05f64..9.0, noise in -1.0f64..1.0) {
        let (mut guard, target) = (Guard::default(), at(quantity, place));
        (0..10).for_each(|second| drop(guard.check(good(), moment(f64::from(second)))));
        let mut published = None;
        for number in 0..3 {
            // The true value moves, too, by far less than a step of this quantity. Settings and capacities are constant.
            let moving = if quantity.name == "capacity" { 0.0 } else { f64::from(number) * noise * 0.001 };
            let now = 10.0 + f64::from(number) * interval;
            let said = (target + moving).clamp(quantity.range.0, quantity.range.1);
            let judged = guard.check(with(quantity, said), moment(now));
            published = (quantity.get)(&judged.reading);
            let agreed = number == 2 || f64::from(number) * interval >= AGREED_FOR;
            if agreed {
                prop_assert_eq!(published, Some(said), "{} after {} readings", quantity.name, number + 1);
            }
        }
        prop_assert!(published.is_some());
    }

    /// From the second doubtful reading on, charge control uses the worse of a published and a doubtful cell on each side.
    #[test]
    fn charge_control_sees_the_worse_of_both(place in 0.01f64..0.99) {
        let (mut guard, value) = (Guard::default(), at(&QUANTITIES[3], place));
        (0..10).for_each(|second| drop(guard.check(good(), moment(f64::from(second)))));
        guard.check(with(&QUANTITIES[3], value), moment(10.0));
        let second = guard.check(with(&QUANTITIES[3], value), moment(11.0));
        prop_assert!(second.inputs.high_cell.unwrap().get() >= value.max(3.31) - 1e-9, "{:?}", second.inputs);
        prop_assert!(second.inputs.low_cell.unwrap().get() <= value.min(3.31) + 1e-9, "{:?}", second.inputs);
    }

    /// While a value is doubtful no limit rises, whatever the rest of the readings contains.
    #[test]
    fn no_limit_rises_in_doubt(
        before in prop::collection::vec(3.2f64..3.5, 0..20), quantity in quantity(), steps in prop::collection::vec(place(), 2..20),
    ) {
        let (mut battery, mut guard, mut second) = (settled(), Guard::default(), 61.0);
        (1..=60).for_each(|second| drop(guard.check(good(), moment(f64::from(second)))));
        let mut last = None;
        let course = before.into_iter().map(|cell| {
            let mut reading = good();
            reading.cells = vec![Volts::new(cell); 16];
            reading.voltage = Some(Volts::new(cell * 16.0));
            reading
        });
        for reading in course.chain(steps.into_iter().map(|place| with(quantity, at(quantity, place)))) {
            let in_doubt = guard.check(reading.clone(), moment(second)).inputs.in_doubt;
            let now = limits(&read(&mut battery, reading, second));
            second += 1.0;
            if let Some(before) = last.replace(now).filter(|_| in_doubt) {
                prop_assert!(now.iter().zip(before).all(|(now, before)| *now <= before), "{before:?} became {now:?}");
            }
        }
    }

    /// The limits of a battery with one doubtful value are never above those of the same battery without it.
    #[test]
    fn doubt_never_allows_more(quantity in quantity(), places in prop::collection::vec(place(), 1..3), cell in 2.8f64..3.5) {
        let course = |doubtful: bool| {
            let mut battery = settled();
            let mut all = Vec::new();
            for (second, place) in (61..).zip(&places) {
                let mut reading = good();
                if doubtful {
                    (quantity.set)(&mut reading, at(quantity, *place));
                }
                if quantity.name != "cell" {
                    reading.cells[2] = Volts::new(cell);
                }
                all.push(limits(&read(&mut battery, reading, f64::from(second))));
            }
            all
        };
        // Fewer than three readings: no value far from the true one is accepted yet.
        for (doubtful, plain) in course(true).into_iter().zip(course(false)) {
            let near = |doubtful: f64, plain: f64| doubtful <= plain + 0.11;
            prop_assert!(doubtful.iter().zip(plain).all(|(d, p)| near(*d, p)), "{}: {doubtful:?} instead of {plain:?}", quantity.name);
        }
    }

    /// Silence and the recovery after it do not depend on the number of ticks.
    #[test]
    fn time_may_be_cut_anywhere(cuts in prop::collection::vec(0.0f64..400.0, 0..40), gap in 5.0f64..400.0) {
        let run = |cuts: &[f64]| {
            let mut battery = settled();
            let mut cuts: Vec<f64> = cuts.iter().copied().filter(|cut| *cut < gap).collect();
            cuts.sort_by(f64::total_cmp);
            for cut in cuts {
                battery.tick(LinkStats::default(), Now { at: moment(60.0 + cut), unix: None });
            }
            let silent = battery.tick(LinkStats::default(), Now { at: moment(60.0 + gap), unix: None });
            let back = read(&mut battery, good(), 60.0 + gap + 1.0);
            [limits(&silent), limits(&back)]
        };
        for (cut, whole) in run(&cuts).into_iter().zip(run(&[])) {
            prop_assert!(cut.iter().zip(whole).all(|(cut, whole)| (cut - whole).abs() < 0.11), "{cut:?} and {whole:?}");
        }
    }

    /// The same holds for a rise after a reduction, in the filter.
    #[test]
    fn a_rise_may_be_cut_anywhere(cuts in prop::collection::vec(1.0f64..200.0, 0..40), high in 3.42f64..3.6, end in 1.0f64..200.0) {
        let run = |cuts: &[f64]| {
            let mut filter = Filter::new(Config::default());
            let mut ask = |t: f64, cell: f64| -> Value {
                let line = json!({"t": t, "cells": vec![cell; 16], "soc": 50});
                serde_json::from_str(&filter.line(&line.to_string()).unwrap().0).unwrap()
            };
            ask(0.0, high);
            // The step in which the reason of the reduction ends belongs to both.
            ask(0.5, 3.31);
            let mut cuts: Vec<f64> = cuts.iter().copied().filter(|cut| *cut < end).collect();
            cuts.sort_by(f64::total_cmp);
            cuts.into_iter().for_each(|cut| drop(ask(cut, 3.31)));
            let last = ask(end, 3.31);
            ["cvl", "ccl", "dcl"].map(|key| last[key].as_f64().unwrap())
        };
        let (cut, whole) = (run(&cuts), run(&[]));
        prop_assert!(cut.iter().zip(whole).all(|(cut, whole)| (cut - whole).abs() < 0.11), "{cut:?} and {whole:?}");
    }
}
