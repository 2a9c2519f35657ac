//! Faults on the line with every protocol, in simulated time, compared with an oracle that knows the true values.
//!
//! A simulated board replies to the driver's own loop over a line that loses, corrupts, delays and repeats; guard and charge
//! control follow as in `run`. Counted are the values that would have reached D-Bus. The table of `docs/faults.md`:
//! `FAULTS_MINUTES=60 cargo test --release --test faults -- --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the columns of the table are computed side by side")]

mod hang;
mod heard;
mod optional;
mod oracle;
mod round;
mod several;
mod table;
mod trial;
mod twin;
mod world;

use dbus_bms::base::units::{Moment, Volts};
use dbus_bms::bms::{DRIVERS, Driver, Transport, driver};
use dbus_bms::model::{AlarmName, Level, Reading};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Board, Unit};
use std::time::Duration;
use trial::{Findings, Trial};
use world::{Events, Lag};

/// The boards of the table: for each protocol the one with its name. A protocol known from recordings only has none.
fn names() -> Vec<&'static str> {
    let names = DRIVERS.iter().map(|driver| driver.name).filter(|name| is_wanted("FAULTS_FAMILY", |wanted| wanted == *name));
    names.filter(|name| BOARDS.iter().any(|board| board.name == *name)).collect()
}

/// Whether the boards of this family send by themselves and are never asked.
fn is_broadcast(driver: &Driver) -> bool {
    [[Transport::Can], [Transport::Mqtt]].iter().any(|transports| driver.transports == transports)
}

/// Whether such a row applies to this family. CAN controllers and brokers drop what is damaged or late, and there are no requests.
fn applies(row: &Row, driver: &Driver) -> bool {
    let Events { trickle, babble, lag, unanswered_pct, .. } = row.events;
    let of_line = trickle || babble || lag.is_some() || unanswered_pct.is_some();
    let damages =
        ["corrupt", "burst", "lose", "cut", "late", "previous", "noise"].iter().any(|fault| row.faults.starts_with(fault));
    let mixed = row.faults.starts_with("drop=2,");
    !is_broadcast(driver) || !(of_line || damages || mixed)
}

/// A row of the table.
struct Row {
    name: &'static str,
    /// As in `simulate --fault`.
    faults: &'static str,
    events: Events,
    /// Maximum time between readings.
    gap: Duration,
}

/// Effects that must not occur.
const GAP: Duration = Duration::from_secs(5);
/// If a fifth of all frames fails: values may be unknown briefly, but no alarm is raised (which happens from 60 s on).
const WORST: Duration = Duration::from_secs(30);

const NONE: Events = Events {
    trickle: false,
    babble: false,
    silence: None,
    gone: None,
    suspended: None,
    lag: None,
    wall_clock: false,
    hangs: false,
    unanswered_pct: None,
};

const fn line(name: &'static str, faults: &'static str) -> Row {
    Row { name, faults, events: NONE, gap: GAP }
}

const fn hard(name: &'static str, faults: &'static str) -> Row {
    Row { name, faults, events: NONE, gap: WORST }
}

const fn event(name: &'static str, events: Events) -> Row {
    Row { name, faults: "", events, gap: GAP }
}

const fn lag(by: u64, during: u64) -> Option<Lag> {
    Some(Lag { by: Duration::from_secs(by), during: Duration::from_secs(during) })
}

const ROWS: &[Row] = &[
    line("none", ""),
    hard("5 % of the replies lost", "drop=5"),
    line("5 %: one byte damaged", "corrupt=5"),
    hard("20 %: one byte damaged", "corrupt=20"),
    hard("20 %: two to eight bytes damaged", "burst=20"),
    hard("10 %: one byte lost", "lose=10"),
    hard("10 %: cut short", "cut=10"),
    hard("20 % late by 300 ms", "late=300@20"),
    hard("20 % late by 800 ms", "late=800@20"),
    line("20 % twice", "duplicate=20"),
    hard("10 %: the reply before comes again", "previous=10"),
    line("10 % wrong with a right checksum", "nonsense=10"),
    event("byte by byte", Events { trickle: true, ..NONE }),
    line("noise before replies", "noise"),
    Row { name: "noise at any time", faults: "", events: Events { babble: true, ..NONE }, gap: WORST },
    event("silent for 90 s, every 5 minutes", Events { silence: Some(Duration::from_secs(90)), ..NONE }),
    event("port gone for 20 s, every 5 minutes", Events { gone: Some(Duration::from_secs(20)), ..NONE }),
    event("program suspended for 2 minutes, every 5", Events { suspended: Some(Duration::from_secs(120)), ..NONE }),
    event("all 3 s late for 2 minutes, every 5", Events { lag: lag(3, 120), ..NONE }),
    event("all 20 s late for 2 minutes, every 5", Events { lag: lag(20, 120), ..NONE }),
    event("all 60 s late for 2 minutes, every 5", Events { lag: lag(60, 120), ..NONE }),
    event("all 60 s late, then the port gone for 20 s", Events { lag: lag(60, 40), gone: Some(Duration::from_secs(20)), ..NONE }),
    event("the same replies for 460 s, every 15 minutes", Events { hangs: true, ..NONE }),
    Row {
        name: "optional replies never come",
        faults: "",
        events: Events { unanswered_pct: Some(100), ..NONE },
        // JK PB waits a second for each of two replies.
        gap: Duration::from_secs(6),
    },
    event("half of the optional replies lost", Events { unanswered_pct: Some(50), ..NONE }),
    event("wall clock jumps", Events { wall_clock: true, ..NONE }),
    Row {
        name: "all of it, a little",
        faults: "drop=2,corrupt=3,burst=2,lose=1,cut=1,late=300@2,duplicate=2,previous=1,nonsense=1",
        events: Events { babble: true, ..NONE },
        gap: WORST,
    },
];

/// Minutes per cell of the table; a long run takes 600.
fn minutes() -> u64 {
    std::env::var("FAULTS_MINUTES").map_or(10, |text| text.parse().expect("FAULTS_MINUTES is a number"))
}

/// `FAULTS_ROW=late` runs only the rows with this in their name, `FAULTS_FAMILY=daly` only this protocol; several are separated by
/// `|`.
fn is_wanted(variable: &str, is_it: impl Fn(&str) -> bool) -> bool {
    std::env::var(variable).map_or(true, |wanted| wanted.split('|').any(is_it))
}

fn is_wanted_row(row: &Row) -> bool {
    is_wanted("FAULTS_ROW", |part| row.name.contains(part))
}

fn column(name: &str) -> Vec<Findings> {
    let board: &'static Board = BOARDS.iter().find(|board| board.name == name).unwrap();
    let driver = driver(board.driver).unwrap();
    let length = Duration::from_secs(60 * minutes());
    let trial = |row: &Row| Trial { driver, board, faults: row.faults, events: row.events, length, seed: 1 }.run();
    ROWS.iter().map(|row| if is_wanted_row(row) && applies(row, driver) { trial(row) } else { Findings::default() }).collect()
}

/// Requirements of a cell of the table; the text names those that are not met.
fn check(row: &Row, family: &str, found: &Findings) -> Result<(), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{} on {family}: {what}: {found:#?}", row.name)) };
    must(found.readings > 50 * minutes() / 10, "hardly any reading")?;
    must(found.bold == 0, "a limit above what the truth allows")?;
    must(found.gap <= row.gap, "the gap between readings")?;
    // After a long silence the first reply may be an old one: the line must prove that it is prompt.
    let back = match row.events {
        Events { lag: Some(_), .. } => 8,
        Events { silence: Some(_), .. } | Events { hangs: true, .. } => 6,
        _ => 3,
    };
    must(found.recovery <= Duration::from_secs(back), "time to recover")?;
    must(found.not_found <= u64::from(row.gap > GAP), "a battery that was not found")?;
    if row.faults.contains("nonsense") {
        // Nonsense that a BMS repeats is accepted eventually; impossible values are not. That cells are missing is none.
        let possible = |what: &String| ["current_a", "alarm", "cells_complete"].iter().any(|key| what.starts_with(key));
        return must(found.examples.keys().all(possible), "an impossible value");
    }
    must(found.far == 0 && found.longest_wrong <= 1, "a wrong value got out")?;
    must(found.alarms == 0, "an alarm without cause")?;
    let comes = row.events.unanswered_pct.is_some_and(|pct| pct < 100);
    must(!comes || found.shy * 4 < found.readings, "little current for long, although the replies do come")?;
    let weak = ["jk-pb", "daly"].contains(&family) && !row.faults.starts_with("corrupt");
    must(found.plausible == 0 || (weak && found.plausible * 10_000 <= found.damaged.max(10_000)), "a slightly wrong value got out")
}

#[test]
fn nothing_wrong_gets_out() {
    let names = names();
    let columns: Vec<(&str, Vec<Findings>)> = std::thread::scope(|scope| {
        let all: Vec<_> = names.iter().map(|name| (*name, scope.spawn(move || column(name)))).collect();
        all.into_iter().map(|(name, column)| (name, column.join().unwrap())).collect()
    });
    let fields: Vec<Vec<&Findings>> = (0..ROWS.len()).map(|row| columns.iter().map(|(_, found)| &found[row]).collect()).collect();
    println!("{}", table::markdown(ROWS, &names, &fields, minutes()));
    let rows = ROWS.iter().zip(&fields).filter(|(row, _)| is_wanted_row(row));
    let wrong: Vec<String> = rows
        .flat_map(|(row, found)| {
            names
                .iter()
                .zip(found)
                .filter(|(name, _)| applies(row, driver(name).unwrap()))
                .filter_map(|(name, found)| check(row, name, found).err())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_oracle_sees_what_is_wrong() {
    let board = BOARDS.iter().find(|board| board.name == "jbd").unwrap();
    let driver = driver("jbd").unwrap();
    let mut unit = Unit::new(1, &PackConfig::default(), Scenario::default());
    let mut truth = oracle::Truth::new(driver, board);
    truth.note(&unit, Moment::from_secs(1.0));
    let right = truth.undisturbed(&unit);
    let judge = |truth: &oracle::Truth, change: fn(&mut Reading), now: f64| {
        let mut reading = right.clone();
        change(&mut reading);
        truth
            .judge_reading(&reading, Moment::from_secs(now))
            .into_iter()
            .map(|(what, how)| format!("{what} {how:?}"))
            .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(judge(&truth, |_| {}, 1.0), none);
    assert_eq!(judge(&truth, |r| r.cells[2] = r.cells[2] + Volts::new(0.001), 1.0), ["cell_voltages_v[2] Plausible"]);
    assert_eq!(judge(&truth, |r| r.cells[2] = r.cells[2] + Volts::new(0.5), 1.0), ["cell_voltages_v[2] Far"]);
    assert_eq!(judge(&truth, |r| r.cells.truncate(15), 1.0), ["cell_voltages_v Far"]);
    assert_eq!(judge(&truth, |r| r.fets.charge = Some(false), 1.0), ["charge_fet Far"]);
    assert_eq!(judge(&truth, |r| r.raise(AlarmName::LowSoc, Level::Warning), 1.0), ["alarms Far"]);
    assert_eq!(judge(&truth, |r| r.device.model = Some("x".into()), 1.0), ["model Far"]);
    unit.advance(Duration::from_secs(60));
    truth.note(&unit, Moment::from_secs(2.0));
    assert_eq!(judge(&truth, |_| {}, 4.0), none, "true a moment ago");
    assert!(!judge(&truth, |_| {}, 9.0).is_empty(), "true long ago");
}
