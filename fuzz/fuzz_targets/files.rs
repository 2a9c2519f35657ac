//! All files read from disk: recordings (and test vectors), scenarios of a simulated pack, the state of a battery. No panic on any
//! of them, bounded memory; accepted ones are written back unchanged, and a damaged state never raises a limit above the
//! configuration.
//!
//! The first byte chooses the type of the rest.
#![no_main]

use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::soc;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::bms::{DRIVERS, driver};
use dbus_bms::model::LinkStats;
use dbus_bms::recording::file::Recording;
use dbus_bms::recording::replay::{LimitsReplay, readings};
use dbus_bms::sim::Unit;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use held::limits::assert_sound;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let [choice, bytes @ ..] = input else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    held::heap::bounded(64 << 20, || match choice % 3 {
        0 => recording(*choice, text),
        1 => scenario(text),
        _ => state(*choice, text),
    });
});

fn recording(choice: u8, text: &str) {
    let mut recording = match Recording::parse("a.json", text) {
        Ok(recording) => recording,
        Err(error) => return assert!(error.to_string().starts_with("a.json")),
    };
    // Times are written in whole milliseconds; after that nothing changes any more.
    let again = Recording::parse("written.json", &recording.text()).expect("what was written can be read");
    let bytes = |recording: &Recording| {
        recording.traffic.iter().map(|event| (event.baud, event.direction, event.bytes.clone())).collect::<Vec<_>>()
    };
    assert_eq!(bytes(&again), bytes(&recording));
    let times = |recording: &Recording| recording.traffic.iter().map(|event| event.at.as_secs_f64()).collect::<Vec<_>>();
    assert!(times(&again).iter().zip(times(&recording)).all(|(written, read)| (written - read).abs() < 0.001 + read * 1e-9));
    let third = Recording::parse("written.json", &again.text()).expect("what was written can be read");
    assert_eq!(third.traffic, again.traffic);
    assert_eq!(
        (&third.bms, &third.source, &third.note, third.any_valid_frame),
        (&recording.bms, &recording.source, &recording.note, recording.any_valid_frame)
    );

    recording.redact();
    let once = recording.traffic.clone();
    recording.redact();
    assert_eq!(recording.traffic, once, "nothing is left to overwrite");

    let driver = driver(&recording.bms).unwrap_or(DRIVERS[usize::from(choice / 3) % DRIVERS.len()]);
    let config = Config::default();
    let mut control = LimitsReplay::new(config.clone());
    for played in readings(&recording, driver) {
        held::reading::assert_sound(&played.reading);
        if let Some((limits, _)) = control.limits(&played) {
            assert!(
                [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()]
                    .iter()
                    .all(|limit| limit.is_finite() && *limit >= 0.0)
            );
            assert!(limits.ccl.value.get() <= 50.0 && limits.dcl.value.get() <= 60.0, "{limits:?}");
        }
    }
}

fn scenario(text: &str) {
    let config = PackConfig { cells: 4, ..PackConfig::default() };
    let Ok(scenario) = Scenario::parse("a.toml", text, config.cells) else { return };
    let mut unit = Unit::new(1, &config, scenario);
    for time in [0, 250, 1000, 9000, 60_000] {
        unit.advance(Duration::from_millis(time));
        let shown = unit.pack.reported();
        assert!(shown.cells_v.iter().all(|cell| cell.is_finite()) && shown.current_a.is_finite(), "{shown:?}");
        assert!((0.0..=100.0).contains(&shown.soc_pct), "{shown:?}");
    }
}

fn state(choice: u8, text: &str) {
    let Ok(saved) = serde_json::from_str::<PersistedState>(text) else { return };
    let written = serde_json::to_string(&saved).expect("every state can be written");
    serde_json::from_str::<PersistedState>(&written).expect("and read again");

    let config = Config::default();
    let soc = soc::Config { source: soc::Source::Counted, hold_below_full: true, ..soc::Config::default() };
    let mut battery = Battery::new(config.clone(), saved);
    if choice >= 128 {
        battery = battery.with_soc(soc);
    }
    let good = held::limits::good_reading();
    for second in [1u32, 2, 3, 4, 30, 31, 400, 401, 4000] {
        let now =
            Now { at: Moment::from_secs(f64::from(second)), unix: (choice & 64 != 0).then_some(1_800_000_000 + u64::from(second)) };
        let snapshot = battery.read(good.clone(), LinkStats::default(), now);
        assert_sound(&snapshot.limits, &config, snapshot.reading.voltage, snapshot.cell_count);
        assert!(snapshot.reading.soc.is_none_or(|soc| (0.0..=100.0).contains(&soc.get())), "{:?}", snapshot.reading.soc);
    }
    let written = serde_json::to_string(&battery.persisted_state()).expect("every state can be written");
    serde_json::from_str::<PersistedState>(&written)
        .unwrap_or_else(|error| panic!("what a battery saves can be read again: {error}\n{written}"));
}
