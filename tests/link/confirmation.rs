//! A family whose check misses half of all damaged bits: no damaged value comes through, and changing values stay readable.

use dbus_bms::base::units::Volts;
use dbus_bms::bms::{Line, Protocol, driver};
use dbus_bms::link::Link;
use dbus_bms::model::Reading;
use dbus_bms::recording::file::Recording;
use dbus_bms::recording::replay_port::{ReplayPort, SimClock, TimedBytes};
use std::time::Duration;

/// Status bytes and the current in the recorded reply.
const STATUS: usize = 66;
const CURRENT: usize = 40;

fn recorded() -> Vec<u8> {
    let text = include_str!("../vectors/tianpower/16s-discharging.json");
    Recording::parse("16s-discharging", text).unwrap().received()
}

fn protocol() -> Box<dyn Protocol> {
    (driver("tianpower").unwrap().new)(Some(1))
}

fn empty() -> Reading {
    Reading::new("tianpower", Some(1))
}

/// With the right check again.
fn sound(mut frame: Vec<u8>) -> Vec<u8> {
    let end = frame.len() - 2;
    let (sum, xor) = frame[..end].iter().fold((0u8, 0u8), |(sum, xor), byte| (sum.wrapping_add(*byte), xor ^ byte));
    frame[end] = sum ^ xor;
    frame
}

/// A poll of a battery that replies to the n-th request for values with `reply(n)`, and how many it received.
fn poll(known: &Reading, reply: impl Fn(usize) -> Vec<u8> + Send + 'static) -> (Result<Reading, String>, usize) {
    let clock = SimClock::default();
    let identify = protocol().identify().bytes;
    let mut count = 0;
    let port = ReplayPort::new(&clock, move |sent, _| {
        if *sent != *identify {
            return Vec::new();
        }
        count += 1;
        vec![TimedBytes::after_ms(40, &reply(count - 1))]
    });
    let record = port.log();
    let mut link = Link::new(Box::new(port), Box::new(clock));
    link.prepare(Line { baud: 9600 }, Duration::from_millis(100)).unwrap();
    let reading = link.poll(protocol().as_mut(), known).map_err(|error| error.to_string());
    let sent = record.lock().unwrap().sent.iter().filter(|(_, sent)| *sent == *protocol().identify().bytes).count();
    (reading, sent)
}

fn plain() -> Reading {
    let (reading, sent) = poll(&empty(), |_| recorded());
    assert_eq!(sent, 2, "each answer counts only with a second one");
    reading.unwrap()
}

#[test]
fn no_damaged_answer_is_believed_whatever_its_check_says() {
    let (plain, frame) = (plain(), recorded());
    let mut unnoticed = 0;
    for (at, change) in (0..frame.len()).flat_map(|at| [0x01, 0x02, 0x08, 0x40, 0x80, 0xFF].map(|change| (at, change))) {
        let mut damaged = frame.clone();
        damaged[at] ^= change;
        unnoticed += usize::from(sound(damaged.clone()) == damaged);
        for nth in 0..2 {
            let (damaged, frame) = (damaged.clone(), frame.clone());
            let (reading, _) = poll(&empty(), move |count| if count == nth { damaged.clone() } else { frame.clone() });
            assert_eq!(reading.as_ref(), Ok(&plain), "byte {at} changed by {change:02x} in answer {nth}");
        }
    }
    assert!(unnoticed > 200, "the check missed only {unnoticed}");
}

#[test]
fn beside_a_known_reading_one_damaged_answer_changes_nothing_that_matters() {
    let (plain, frame) = (plain(), recorded());
    for (at, change) in (0..frame.len()).flat_map(|at| [0x01, 0x10, 0x80, 0xFF].map(|change| (at, change))) {
        let (mut damaged, good) = (frame.clone(), frame.clone());
        damaged[at] ^= change;
        let (reading, _) = poll(&plain, move |count| if count == 0 { damaged.clone() } else { good.clone() });
        let reading = reading.unwrap();
        assert_eq!((&reading.alarms, reading.fets.charge, reading.fets.discharge), (&plain.alarms, Some(true), Some(true)));
        assert_eq!((reading.cell_count, reading.capacity, reading.cycles), (plain.cell_count, plain.capacity, plain.cycles));
        assert_eq!(
            (&reading.temperatures.sensors, reading.temperatures.mos),
            (&plain.temperatures.sensors, plain.temperatures.mos)
        );
        let near = |a: f64, b: f64, step: f64| assert!((a - b).abs() <= step, "byte {at} changed by {change:02x}: {a} is not {b}");
        reading.cells.iter().zip(&plain.cells).for_each(|(read, cell)| near(read.get(), cell.get(), 0.0051));
        near(reading.voltage.unwrap().get(), 51.71, 0.16);
        near(reading.current.unwrap().get(), -39.59, 2.0);
        near(reading.soc.unwrap().get(), 89.7, 0.21);
    }
}

/// A load that changes between any two answers.
fn swinging(count: usize) -> Vec<u8> {
    let mut frame = recorded();
    let raw = 30_000 + [4959u16, 200, 9000, 6100][count % 4];
    frame[CURRENT..CURRENT + 2].copy_from_slice(&raw.to_be_bytes());
    // Steps of eight millivolts in every cell, and in the sum of all.
    let sag = (count % 4 + 1) as u16 * 8;
    for cell in 0..16 {
        let at = 6 + 2 * cell;
        let volts = u16::from_be_bytes([frame[at], frame[at + 1]]) - sag;
        frame[at..at + 2].copy_from_slice(&volts.to_be_bytes());
    }
    frame[82..84].copy_from_slice(&(5171 - 16 * sag / 10).to_be_bytes());
    sound(frame)
}

#[test]
fn a_swinging_load_does_not_make_the_battery_unreadable() {
    for known in [empty(), plain()] {
        let (reading, sent) = poll(&known, |count| swinging(count + 1));
        let reading = reading.unwrap();
        assert_eq!(sent, 4);
        assert_eq!(reading.current.unwrap().get(), -61.0, "of -2, -90, -61 and -49.59 A the lower one in the middle");
        assert_eq!(reading.cells[0], Volts::new(3.224));
        assert_eq!((reading.cells.len(), reading.alarms.as_deref()), (16, Some(&[][..])));
    }
}

#[test]
fn a_state_that_one_answer_shows_does_not_count_under_a_swinging_load() {
    for odd in 0..4 {
        let (reading, _) = poll(&empty(), move |count| {
            let mut frame = swinging(count);
            frame[STATUS + 3] |= if count == odd { 0x04 } else { 0 };
            sound(frame)
        });
        assert_eq!(reading.unwrap().alarms.as_deref(), Some(&[][..]), "short circuit in answer {odd}");
    }
}

#[test]
fn an_alarm_that_every_answer_shows_counts() {
    let (reading, _) = poll(&plain(), |count| {
        let mut frame = swinging(count);
        frame[STATUS + 3] |= 0x04;
        sound(frame)
    });
    assert_eq!(reading.unwrap().alarms.unwrap().len(), 1);
}
