//! The event log: starts and ends, the worst value, folding, the ring, the file after a restart, writes, and times of limits.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::model::{Freshness, Level};
use dbus_bms::output::api::{Alarm, BankMember, Kind, Known, LimitDetail, LogEntry, Modules, OverrideSet, SwitchedOff, View};
use dbus_bms::output::event_log::{LogFile, MAX_ENTRIES, SavedEvents};
use dbus_bms::output::registry::Views;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// 2026-03-01 00:00 UTC.
const START: u64 = 1_772_323_200;

fn at(seconds: u64) -> Now {
    Now { at: Moment::new(Duration::from_secs(seconds)), unix: Some(START + seconds) }
}

fn view(id: &str) -> View {
    let mut view = View::default();
    view.identity.id = id.into();
    view.identity.name = format!("Battery {id}");
    view.state.freshness = Freshness::Fresh;
    view.pack.current_a = Some(20.0);
    view.line.state = "good".into();
    view
}

fn high_cell(value: f64, level: Level) -> Alarm {
    Alarm { name: "cell_high_voltage".into(), level: Some(level), cell: Some(11), value: Some(value), ..Alarm::default() }
}

fn alarmed(id: &str, value: f64) -> View {
    let mut view = view(id);
    view.notices.alarms = Some(Known(vec![high_cell(value, Level::Alarm)]));
    view
}

fn limited(value: f64, current: f64) -> View {
    let mut view = view("a");
    view.pack.current_a = Some(current);
    let rule = "highest_cell_voltage".into();
    view.limits.ccl = Some(LimitDetail { value: Some(value), max: Some(50.0), cell: Some(3), rule, ..LimitDetail::default() });
    view
}

/// One battery alone.
fn observe(kept: &mut SavedEvents, view: &View, now: Now) {
    let views: Views = Arc::new(vec![Arc::new(view.clone())]);
    kept.log.observe(view, &views, now);
    kept.limited.observe(view, &views, now);
}

fn entries(kept: &SavedEvents, now: Now) -> Vec<LogEntry> {
    kept.log.entries(now).collect()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dbus-bms-events-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn save(file: &mut LogFile, kept: &mut SavedEvents, now: Now, last: bool) -> bool {
    let Some(text) = file.begin(kept, now, last) else { return false };
    std::fs::create_dir_all(file.path().parent().unwrap()).unwrap();
    file.finish(std::fs::write(file.path(), text)).unwrap();
    true
}

#[test]
fn an_alarm_has_a_start_an_end_and_its_worst_value() {
    let mut kept = SavedEvents::default();
    observe(&mut kept, &view("a"), at(0));
    for (seconds, value) in [(10, 3.60), (20, 3.66), (30, 3.62)] {
        observe(&mut kept, &alarmed("a", value), at(seconds));
    }
    let [now] = entries(&kept, at(40)).try_into().unwrap();
    assert_eq!((now.active, now.ended, now.lasted_s), (true, None, 30));
    observe(&mut kept, &view("a"), at(100));
    let [over] = entries(&kept, at(200)).try_into().unwrap();
    assert_eq!((&*over.kind, &*over.what, over.level, over.cell), ("alarm", "cell_high_voltage", Some(Level::Alarm), Some(11)));
    assert_eq!((over.value, over.at, over.ended, over.lasted_s), (Some(3.66), Some(START + 10), Some(START + 100), 90));
    assert_eq!((over.active, over.times, &*over.name), (false, 1, "Battery a"));
}

#[test]
fn an_alarm_lasts_while_nobody_can_know_whether_it_is_over() {
    let mut kept = SavedEvents::default();
    observe(&mut kept, &alarmed("a", 3.6), at(0));
    let mut silent = view("a");
    silent.state.freshness = Freshness::Silent;
    observe(&mut kept, &silent, at(60));
    silent.state.freshness = Freshness::Lost;
    observe(&mut kept, &silent, at(400));
    let list = entries(&kept, at(410));
    let [alarm, silence] = &list[..] else { panic!("{list:?}") };
    assert!(alarm.active && silence.active);
    assert_eq!((&*silence.kind, silence.level, silence.at), ("silence", Some(Level::Alarm), Some(START + 60)));
    observe(&mut kept, &view("a"), at(500));
    assert!(entries(&kept, at(500)).iter().all(|entry| !entry.active && entry.ended == Some(START + 500)));
}

#[test]
fn equal_events_within_an_hour_are_one_entry_and_later_ones_another() {
    let mut kept = SavedEvents::default();
    for begin in [0, 600, 1200, 7200] {
        observe(&mut kept, &alarmed("a", 3.6), at(begin));
        observe(&mut kept, &view("a"), at(begin + 20));
    }
    let list = entries(&kept, at(8000));
    assert_eq!(list.iter().map(|entry| (entry.times, entry.lasted_s)).collect::<Vec<_>>(), [(3, 60), (1, 20)]);
    assert_eq!((list[0].at, list[0].ended), (Some(START), Some(START + 1220)));
}

#[test]
fn what_the_owner_has_set_is_recorded_with_who_it_was() {
    let mut kept = SavedEvents::default();
    let mut set = view("a");
    let by = || "the dashboard".to_owned();
    set.switches.overrides_set =
        vec![OverrideSet { kind: "ccl".into(), value_a: Some(20.0), of_s: 3600, by: by(), ..OverrideSet::default() }];
    set.switches.switched_off_by =
        vec![SwitchedOff { what: "charge".into(), by: by(), since: Some(START - 5), ..SwitchedOff::default() }];
    observe(&mut kept, &set, at(0));
    observe(&mut kept, &view("a"), at(3600));
    let list = entries(&kept, at(3700));
    let seen: Vec<_> = list.iter().map(|one| (&*one.kind, &*one.what, one.value, one.by.as_deref(), one.lasted_s)).collect();
    assert_eq!(
        seen,
        [("override", "ccl", Some(20.0), Some("the dashboard"), 3600), ("switch", "charge", None, Some("the dashboard"), 3600)]
    );
    assert_eq!(list[1].at, Some(START - 5));
}

#[test]
fn a_limit_is_an_entry_only_once_it_was_felt_for_two_minutes() {
    let mut kept = SavedEvents::default();
    // Restricted, and the current is far below it.
    (0..600).step_by(10).for_each(|second| observe(&mut kept, &limited(30.0, 5.0), at(second)));
    assert_eq!(entries(&kept, at(600)), []);
    (600..700).step_by(10).for_each(|second| observe(&mut kept, &limited(30.0, 29.5), at(second)));
    assert_eq!(entries(&kept, at(700)), [], "not long enough");
    (700..1000).step_by(10).for_each(|second| observe(&mut kept, &limited(20.0, 19.5), at(second)));
    (1000..1300).step_by(10).for_each(|second| observe(&mut kept, &limited(50.0, 49.5), at(second)));
    let [limit] = entries(&kept, at(1300)).try_into().unwrap();
    assert_eq!((&*limit.kind, &*limit.what, limit.rule.as_deref()), ("limit", "charge", Some("highest_cell_voltage")));
    assert_eq!((limit.value, limit.cell, limit.active), (Some(20.0), Some(3), false));
    assert_eq!((limit.at, limit.ended, limit.lasted_s), (Some(START + 600), Some(START + 990), 390));
}

#[test]
fn the_days_say_how_long_each_rule_limited_and_how_long_that_was_felt() {
    let mut kept = SavedEvents::default();
    // An hour restricted of which a quarter was felt; then ten minutes of 0 A; a gap of a minute counts nothing.
    (0..2700).step_by(5).for_each(|second| observe(&mut kept, &limited(30.0, 5.0), at(second)));
    (2700..3600).step_by(5).for_each(|second| observe(&mut kept, &limited(30.0, 30.0), at(second)));
    (3600..4200).step_by(5).for_each(|second| observe(&mut kept, &limited(0.0, 0.0), at(second)));
    (4260..5000).step_by(5).for_each(|second| observe(&mut kept, &limited(50.0, 50.0), at(second)));
    let [day] = kept.limited.days().try_into().unwrap();
    assert_eq!(day.date, "2026-03-01");
    let [rule] = day.rules.try_into().unwrap();
    assert_eq!((&*rule.direction, &*rule.rule, rule.cell), ("charge", "highest_cell_voltage", Some(3)));
    assert!(
        (rule.limited_s - 4195.0).abs() <= 5.0 && (rule.felt_s - 900.0).abs() <= 5.0 && (rule.zero_s - 595.0).abs() <= 5.0,
        "{rule:?}"
    );
    assert_eq!((rule.lowest_a, rule.from), (0.0, START + 5));
    // The next day is another one.
    let next = 86_400;
    (next..next + 60).step_by(5).for_each(|second| observe(&mut kept, &limited(30.0, 30.0), at(second)));
    assert_eq!(kept.limited.days().iter().map(|day| day.date.as_str()).collect::<Vec<_>>(), ["2026-03-02", "2026-03-01"]);
}

#[test]
fn the_limits_of_a_bank_are_recorded_by_the_bank_alone() {
    let mut bank = limited(30.0, 30.0);
    (bank.identity.id, bank.identity.kind) = ("bank_home".into(), Kind::Bank);
    let mut battery = limited(30.0, 30.0);
    battery.identity.bank = Some("bank_home".into());
    // Its alarm is in the log of the battery, which knows the cell; that of a battery elsewhere is in the bank's.
    let named =
        |names: &[&str]| Alarm { batteries: names.iter().map(|&name| name.into()).collect(), ..high_cell(3.6, Level::Alarm) };
    bank.notices.alarms = Some(Known(vec![named(&["tty address 1"]), Alarm { name: "low_soc".into(), ..named(&["elsewhere"]) }]));
    let missing = BankMember { name: "Second".into(), online: false, ..BankMember::default() };
    // One that is silent, with a view of its own under another name.
    let silent = BankMember { id: Some("a".into()), name: "tty address 1".into(), online: false, ..BankMember::default() };
    bank.modules = Some(Modules { members: vec![missing, silent], ..Modules::default() });
    let views: Views = Arc::new(vec![Arc::new(battery.clone()), Arc::new(bank.clone())]);
    let (mut of_bank, mut of_battery) = (SavedEvents::default(), SavedEvents::default());
    for second in (0..300).step_by(10) {
        of_bank.log.observe(&bank, &views, at(second));
        of_battery.log.observe(&battery, &views, at(second));
    }
    assert_eq!(entries(&of_battery, at(300)), []);
    // The last word at the end of the program is no silence.
    let mut stopped = bank.clone();
    stopped.state.freshness = Freshness::Stale;
    of_bank.log.observe(&stopped, &views, at(299));
    let list = entries(&of_bank, at(300));
    let kinds: Vec<_> = list.iter().map(|entry| (&*entry.kind, &*entry.what, entry.battery.as_deref())).collect();
    assert_eq!(kinds, [("alarm", "low_soc", Some("elsewhere")), ("cable", "silence", Some("Second")), ("limit", "charge", None)]);
}

#[test]
fn the_log_survives_a_restart_and_what_lasts_goes_on() {
    let folder = folder("restart");
    let (mut kept, mut file) = (SavedEvents::default(), LogFile::new(&folder, "a"));
    let mut both = alarmed("a", 3.6);
    both.line.state = "losing".into();
    observe(&mut kept, &both, at(0));
    (600..900).step_by(10).for_each(|second| observe(&mut kept, &limited(30.0, 30.0), at(second)));
    observe(&mut kept, &both, at(1000));
    assert!(save(&mut file, &mut kept, at(1010), true));
    // A minute later the alarm is still there, the fault of the line is over.
    let restart = Now { at: Moment::new(Duration::from_secs(1)), unix: Some(START + 1070) };
    let mut found = LogFile::new(&folder, "a").load(0.0, restart.at).unwrap();
    assert_eq!(found.limited.days().len(), 1);
    observe(&mut found, &alarmed("a", 3.7), restart);
    let list = entries(&found, restart);
    let alarm = list.iter().find(|entry| entry.kind == "alarm").unwrap();
    assert_eq!((alarm.active, alarm.value, alarm.ended, alarm.times), (true, Some(3.7), None, 2), "{list:?}");
    let line = list.iter().find(|entry| entry.kind == "line").unwrap();
    assert_eq!((line.active, line.ended), (false, Some(START + 1010)), "its end is the last that was known: {line:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_damaged_file_is_said_and_starts_a_new_log() {
    let folder = folder("damaged");
    std::fs::create_dir_all(&folder).unwrap();
    let file = LogFile::new(&folder, "a");
    for text in ["{\"entries\":", "[1,2]", "{\"entries\":[{\"times\":-1}]}"] {
        std::fs::write(file.path(), text).unwrap();
        let error = file.load(0.0, Moment::default()).unwrap_err().to_string();
        assert!(error.contains("a.events") && error.contains("Remove the file"), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_ring_is_bounded_and_keeps_what_lasts() {
    let mut kept = SavedEvents::default();
    let mut lasting = view("a");
    lasting.line.state = "losing".into();
    observe(&mut kept, &lasting, at(0));
    for number in 0..(MAX_ENTRIES as u64 * 3) {
        let mut both = alarmed("a", 3.6);
        both.line.state = "losing".into();
        observe(&mut kept, &both, at(10 + number * 7200));
        observe(&mut kept, &lasting, at(20 + number * 7200));
    }
    let list = entries(&kept, at(1));
    assert_eq!(list.len(), MAX_ENTRIES);
    assert!(list.iter().any(|entry| entry.kind == "line" && entry.active));
    assert_eq!(list.last().unwrap().at, Some(START + 10 + (MAX_ENTRIES as u64 * 3 - 1) * 7200));
}

#[test]
fn a_bad_day_writes_little_and_a_quiet_one_nothing() {
    let folder = folder("writes");
    let (mut kept, mut file) = (SavedEvents::default(), LogFile::new(&folder, "a"));
    let (mut writes, mut bytes, mut last) = (Vec::new(), 0, 0);
    let mut run = |from: u64, wild: bool| {
        let mut writes_today = 0;
        for second in (from..from + 86_400).step_by(10) {
            // Each ten seconds something else.
            let changed = match (wild, second / 10 % 3) {
                (true, 0) => alarmed("a", 3.6 + second as f64 / 1e7),
                (true, 1) => limited(20.0, 20.0),
                _ => view("a"),
            };
            observe(&mut kept, &changed, at(second));
            if save(&mut file, &mut kept, at(second), false) {
                writes.push(second);
                writes_today += 1;
                bytes += std::fs::metadata(file.path()).unwrap().len();
            }
        }
        last = from + 86_400;
        writes_today
    };
    let (wild, quiet) = (run(0, true), run(86_400, false));
    println!("a wild day: {wild} writes, {bytes} bytes; a quiet day: {quiet}");
    assert!((1..=144).contains(&wild), "{wild}");
    assert!(quiet <= 2, "what the wild day left, at once and at the hour: {quiet}");
    assert!(writes.windows(2).all(|pair| pair[1] - pair[0] >= 600), "never twice within ten minutes");
    std::fs::remove_dir_all(&folder).unwrap();
}
