//! Values that descriptions of a protocol contradict each other about: unknown until the owner answers, and as answered then.

use crate::support::vector_files;
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Moment};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{AlarmName, Assumption, Level, LinkStats, QUESTIONS, Question, Reading};
use std::collections::BTreeSet;

/// The fields that the questions are about: FETs, current, remaining charge, capacity, hot MOSFETs.
type Fields = ([Option<bool>; 2], Option<f64>, [Option<f64>; 2], Option<Level>);

fn fields(reading: &Reading) -> Fields {
    let hot = reading.alarms.iter().flatten().find(|alarm| alarm.name == AlarmName::HighMosTemperature);
    (
        [reading.fets.charge, reading.fets.discharge],
        reading.current.map(Amps::get),
        [reading.remaining, reading.capacity].map(|charge| charge.map(AmpHours::get)),
        hot.map(|alarm| alarm.level),
    )
}

/// A recording in which a question is open, and the values unanswered and with the first and the second answer.
const CASES: [(&str, &str, Fields, Fields, Fields); 8] = [
    (
        "daren/one-fet-off.json",
        "daren-fet-bit-0-is-charge",
        ([None, None], Some(0.0), [Some(99.65), Some(102.92)], None),
        ([Some(true), Some(false)], Some(0.0), [Some(99.65), Some(102.92)], None),
        ([Some(false), Some(true)], Some(0.0), [Some(99.65), Some(102.92)], None),
    ),
    (
        "seplos/mosfets-warning.json",
        "seplos-mosfet-bit-4-is-alarm",
        ([Some(true), Some(true)], None, [None, None], Some(Level::Warning)),
        ([Some(true), Some(true)], None, [None, None], Some(Level::Alarm)),
        ([Some(true), Some(true)], None, [None, None], Some(Level::Warning)),
    ),
    (
        "eg4-ll/12v-unit-of-current-unknown.json",
        "eg4-ll-current-0.01-a",
        ([None, None], None, [Some(97.0), None], None),
        ([None, None], Some(-0.62), [Some(97.0), None], None),
        ([None, None], Some(-6.2), [Some(97.0), None], None),
    ),
    (
        "renogy/model-of-unknown-unit.json",
        "renogy-current-0.01-a",
        ([None, None], None, [Some(97.2), Some(100.0)], None),
        ([None, None], Some(-0.86), [Some(97.2), Some(100.0)], None),
        ([None, None], Some(-8.6), [Some(97.2), Some(100.0)], None),
    ),
    (
        "pylontech/clone-with-current.json",
        "pylontech-capacity-1-mah",
        ([None, None], None, [None, None], None),
        ([None, None], None, [Some(9.994), Some(9.997)], None),
        ([None, None], None, [Some(99.94), Some(99.97)], None),
    ),
    (
        "pylontech/clone-with-current.json",
        "pylontech-current-100-ma",
        ([None, None], None, [None, None], None),
        ([None, None], Some(10.0), [None, None], None),
        ([None, None], Some(1.0), [None, None], None),
    ),
    (
        "jk-can/v1-with-alarms.json",
        "jk-can-positive-charges",
        ([None, None], None, [None, None], None),
        ([None, None], Some(56.7), [None, None], None),
        ([None, None], Some(-56.7), [None, None], None),
    ),
    (
        "rv-c/rego-charging.json",
        "rv-c-positive-charges",
        ([Some(true), Some(true)], None, [Some(1044.0), Some(1200.0)], None),
        ([Some(true), Some(true)], Some(-37.6), [Some(1044.0), Some(1200.0)], None),
        ([Some(true), Some(true)], Some(37.6), [Some(1044.0), Some(1200.0)], None),
    ),
];

fn reading_of(name: &str) -> Reading {
    let file = vector_files::all().into_iter().find(|file| file.name == name).unwrap();
    let traffic = file.vector.play(file.driver);
    traffic.readings().next().unwrap()
}

fn named(name: &str) -> Assumption {
    Assumption::all().find(|answer| answer.name() == name).unwrap()
}

#[test]
fn a_value_is_unknown_until_it_is_decided_and_its_note_says_how() {
    for (file, first, open, with_first, with_second) in CASES {
        let (reading, first) = (reading_of(file), named(first));
        let second = first.opposite();
        let names_both = |note: &str| note.contains(first.name()) && note.contains(second.name());
        assert_eq!(fields(&reading), open, "{file}");
        assert_eq!(reading.notes.iter().filter(|note| names_both(note)).count(), 1, "{file}: {:?}", reading.notes);
        for (answer, expected) in [(first, with_first), (second, with_second)] {
            let decided = reading.clone().assuming(&[answer]);
            assert_eq!(fields(&decided), expected, "{file}: {}", answer.name());
            assert!(!decided.notes.iter().any(|note| names_both(note)), "{file}: {:?}", decided.notes);
            assert!(decided.notes.iter().any(|note| note.contains(answer.name())), "{file}: {:?}", decided.notes);
            let rest = Reading { notes: Vec::new(), open: Vec::new(), ..reading.clone() };
            assert_eq!(rest.soc, decided.soc, "{file}");
        }
        let about_others = Assumption::all().filter(|answer| answer.question != first.question).collect::<Vec<_>>();
        assert_eq!(fields(&reading.clone().assuming(&about_others)).0, open.0, "{file}");
    }
    let tried: BTreeSet<&str> = CASES.iter().map(|(_, first, ..)| *first).collect();
    assert_eq!(tried, QUESTIONS.iter().map(|question| question.answers[0]).collect(), "a case for each question");
}

#[test]
fn an_answer_about_another_family_changes_nothing() {
    for (file, first, ..) in CASES {
        let reading = reading_of(file);
        let family = named(first).question.family;
        let others: Vec<Assumption> = Assumption::all().filter(|answer| answer.question.family != family).collect();
        assert_eq!(reading.clone().assuming(&others), reading, "{file}");
    }
}

/// The setting acts on the battery that it belongs to, and nothing changes without it.
#[test]
fn a_battery_uses_the_answers_of_its_owner() {
    let read = |assume: Vec<Assumption>| {
        let mut battery = Battery::new(Config { assume, ..Config::default() }, PersistedState::default());
        let (mut at, mut last) = (0.0, None);
        while at < 30.0 {
            let now = Now { at: Moment::from_secs(at), unix: None };
            last = Some(battery.read(reading_of("daren/one-fet-off.json"), LinkStats::default(), now));
            at += 1.0;
        }
        last.unwrap()
    };
    let (unset, off, on) =
        (read(Vec::new()), read(vec![named("daren-fet-bit-0-is-discharge")]), read(vec![named("daren-fet-bit-0-is-charge")]));
    assert_eq!([unset.reading.fets.charge, off.reading.fets.charge, on.reading.fets.charge], [None, Some(false), Some(true)]);
    let currents = |snapshot: &dbus_bms::model::Snapshot| (snapshot.limits.ccl.value, snapshot.limits.dcl.value);
    assert_eq!(currents(&off).0, Amps::ZERO, "the charge FET is off");
    assert_eq!(currents(&on).1, Amps::ZERO, "the discharge FET is off");
    let plain = {
        let reading = Reading { open: Vec::new(), ..reading_of("daren/one-fet-off.json") };
        let mut battery = Battery::new(Config::default(), PersistedState::default());
        let mut last = None;
        for at in 0..30u32 {
            let now = Now { at: Moment::from_secs(f64::from(at)), unix: None };
            last = Some(battery.read(reading.clone(), LinkStats::default(), now));
        }
        last.unwrap()
    };
    assert_eq!(currents(&unset), currents(&plain), "an open question raises no limit");
}

#[test]
fn the_documentation_lists_every_answer() {
    let text = include_str!("../../docs/unknown-values.md");
    let row = |question: &Question, at: usize| {
        format!("| {} | `{}` | {} |", question.family, question.answers[at], question.meanings[at])
    };
    let missing: Vec<String> = QUESTIONS
        .iter()
        .flat_map(|question| [0, 1].map(|at| row(question, at)))
        .filter(|row| !text.contains(row.as_str()))
        .collect();
    assert!(missing.is_empty(), "put these rows into docs/unknown-values.md:\n{}", missing.join("\n"));
}
