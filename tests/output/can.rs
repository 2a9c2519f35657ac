//! CAN frames for inverters: recorded and documented ones in both directions, golden sets of every profile, every alarm bit, and
//! requirements for any battery and any bus.

use crate::support::program;
use crate::support::snapshot;

use dbus_bms::base::units::{Amps, Celsius, Percent, Volts};
use dbus_bms::model::{Alarm, AlarmName, BankSummary, Freshness, Level, Snapshot};
use dbus_bms::output::can::{
    AlarmPolicy, Config, CurrentSign, Decoder, Frame, InverterData, Item, Line, PROFILES, Profile, Record, Requests, encode,
    parse_line, profile,
};
use program::{Ended, run};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A file of `tests/can/vectors`.
struct Recording {
    name: String,
    /// `None`: the program does not send this protocol.
    profile: Option<String>,
    wrong: bool,
    notes: Vec<String>,
    deviates: Map<String, Value>,
    frames: Vec<Record>,
    inverter: Option<Map<String, Value>>,
    told: Map<String, Value>,
}

fn vectors() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/can/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 44, "{} vectors", files.len());
    let load = |path: std::path::PathBuf| {
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        Recording {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            profile: json["profile"].as_str().map(str::to_owned),
            notes: json["notes"]
                .as_array()
                .map_or_else(Vec::new, |notes| notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect()),
            inverter: json["inverter"].as_object().cloned(),
            wrong: json.get("wrong").is_some(),
            deviates: json.get("deviates").and_then(Value::as_object).cloned().unwrap_or_default(),
            frames: json["frames"].as_array().unwrap().iter().map(|line| record(line.as_str().unwrap())).collect(),
            told: json["told"].as_object().unwrap().clone(),
        }
    };
    files.into_iter().map(load).collect()
}

fn frame(line: &str) -> Frame {
    match parse_line(line) {
        Ok(Line::Frame(frame)) => frame,
        other => panic!("{line}: {other:?}"),
    }
}

fn record(line: &str) -> Record {
    match parse_line(line) {
        Ok(Line::Frame(frame)) => frame.into(),
        Ok(Line::Extended(record)) => record,
        other => panic!("{line}: {other:?}"),
    }
}

fn decoded_records(records: &[Record]) -> Decoder {
    let mut decoder = Decoder::default();
    records.iter().for_each(|record| _ = decoder.receive_record(record));
    decoder
}

fn decoded(frames: &[Frame]) -> Decoder {
    let mut decoder = Decoder::default();
    frames.iter().for_each(|frame| _ = decoder.receive(frame));
    decoder
}

fn json(decoder: &Decoder) -> Map<String, Value> {
    serde_json::to_value(decoder.understood()).unwrap().as_object().unwrap().clone()
}

/// Numbers are equal whether they are written 75 or 75.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        _ => a == b,
    }
}

fn assert_says(name: &str, shown: &Map<String, Value>, expected: &Map<String, Value>) {
    for (key, value) in expected {
        let found = shown.get(key).unwrap_or_else(|| panic!("{name}: `{key}` is missing in {shown:?}"));
        assert!(same(found, value), "{name}: `{key}` is {found}, not {value}");
    }
}

#[test]
fn every_vector_is_understood_exactly() {
    for vector in vectors() {
        let decoder = decoded_records(&vector.frames);
        assert_eq!(decoder.frames(), vector.frames.len(), "{}: all frames mean something", vector.name);
        let mut shown = json(&decoder);
        assert_says(&vector.name, &shown, &vector.told);
        let notes = shown.remove("notes");
        if vector.wrong {
            assert!(notes.is_some(), "{}: the wrong ones are named", vector.name);
        } else {
            assert_eq!(notes.unwrap_or_else(|| Value::from(Vec::<Value>::new())), Value::from(vector.notes), "{}", vector.name);
        }
        let inverter = shown.remove("inverter");
        if let Some(expected) = vector.inverter {
            assert_eq!(inverter, Some(Value::Object(expected)), "{}", vector.name);
        }
        shown.retain(|key, _| !vector.told.contains_key(key));
        assert!(shown.is_empty(), "{}: more than the vector says: {shown:?}", vector.name);
    }
}

#[test]
fn every_vector_is_sent_as_it_was_recorded() {
    for vector in vectors() {
        let Some(profile) = &vector.profile else { continue };
        let input = serde_json::to_string(&vector.told).unwrap();
        let Ended { code, out, err } = run(&["can", "encode", "--profile", profile], &input);
        assert_eq!(code, 0, "{}: {err}", vector.name);
        let sent: Vec<Frame> = out.lines().map(frame).collect();
        for theirs in vector.frames.iter().map(|record| record.frame().unwrap()) {
            let theirs = &theirs;
            let id = format!("{:03X}", theirs.id());
            let ours = sent.iter().find(|frame| frame.id() == theirs.id());
            match (vector.deviates.contains_key(&id), ours) {
                (false, Some(ours)) => assert_eq!(ours, theirs, "{}", vector.name),
                (false, None) => panic!("{}: {id} is not sent", vector.name),
                (true, Some(ours)) => assert_ne!(ours, theirs, "{}: {id} is the same after all", vector.name),
                (true, None) => assert!(["301", "305", "35B", "35F", "370", "371"].contains(&id.as_str()), "{}: {id}", vector.name),
            }
        }
        if vector.wrong {
            continue;
        }
        // Where the bytes differ the meaning is the same.
        let mut expected = vector.told.clone();
        expected.remove("tail_pn");
        if vector.deviates.contains_key("370") {
            expected.retain(|key, _| !key.ends_with("_temp_c") && !key.ends_with("_number"));
        }
        if vector.deviates.contains_key("35F") {
            expected
                .retain(|key, _| !["capacity_ah", "fw_bytes_2_3", "hw_or_mfr_u16", "product_or_type_u16"].contains(&key.as_str()));
        }
        if vector.deviates.contains_key("356") {
            expected.remove("cycles");
        }
        assert_says(&vector.name, &json(&decoded(&sent)), &expected);
    }
}

#[test]
fn the_wrong_sign_is_named_and_never_sent() {
    let vector = vectors().into_iter().find(|vector| vector.wrong).unwrap();
    let lines: String = vector.frames.iter().map(|record| format!("{}\n", record.frame().unwrap())).collect();
    let Ended { code, out, .. } = run(&["can", "decode"], &lines);
    assert_eq!(code, 0);
    assert!(out.contains("the discharge current limit is -376 A"), "{out}");
    let Ended { out, .. } = run(&["can", "encode", "--profile", "pylontech"], &serde_json::to_string(&vector.told).unwrap());
    assert!(out.starts_with("351#4502B00E0000C001\n"), "{out}");
}

#[test]
fn what_the_controller_reports_of_the_bus_is_named() {
    let lines = "can0 351#1402C012C012C201\ncan0 20000020#0000000000000000\ncan0  20000040   [8]  00 00 00 00 00 00 00 00   ERRORFRAME\n\
                 can0 20000100#0000000000000000\n";
    let Ended { code, out, .. } = run(&["can", "decode"], lines);
    assert_eq!(code, 0);
    let shown: Value = serde_json::from_str(&out).unwrap();
    let notes: Vec<_> = shown["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert!(notes.len() == 2 && notes[0].contains("not acknowledged") && notes[1].contains("bus-off"), "{notes:?}");
}

fn config(profile: &'static Profile) -> Config {
    Config { profile, ..Config::default() }
}

fn set(snapshot: &Snapshot, config: &Config) -> Vec<Frame> {
    encode(&InverterData::of(snapshot, config, Requests::default()), config)
}

#[test]
fn every_profile_has_its_golden_sets() {
    for profile in PROFILES {
        let config = config(profile);
        let mut text = String::new();
        let mut low = snapshot::discharging();
        low.reading.soc = Some(Percent::new(4.0));
        low.since_full = Some(Duration::from_secs(31 * 86_400));
        let asking = Requests::default().next(&low, &config);
        let known = InverterData::of(&snapshot::discharging(), &config, Requests::default());
        let sets = [
            ("discharging", known.clone()),
            (
                "with a warning, two alarms, and charging forbidden",
                InverterData::of(&snapshot::alarmed(), &config, Requests::default()),
            ),
            ("very low and not full for a month", InverterData::of(&low, &config, asking)),
            ("no data for 10 s", InverterData::of(&snapshot::lost(), &config, Requests::default()).zero_limits(&known)),
        ];
        for (what, data) in sets {
            writeln!(text, "# {what}").unwrap();
            encode(&data, &config).iter().for_each(|frame| writeln!(text, "{frame}").unwrap());
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/can-{}.txt", profile.name));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(text, expected, "\n{text}");
    }
}

/// An alarm, its protection bytes and bits of Pylontech 1.2, and its pairs of SMA and Victron.
type Row = (AlarmName, &'static [(usize, u8)], &'static [usize]);

/// As in the documents.
const BITS: [Row; 20] = [
    (AlarmName::CellHighVoltage, &[(0, 1)], &[1]),
    (AlarmName::CellLowVoltage, &[(0, 2)], &[2]),
    (AlarmName::HighVoltage, &[(0, 1)], &[1]),
    (AlarmName::LowVoltage, &[(0, 2)], &[2]),
    (AlarmName::HighTemperature, &[(0, 3)], &[3]),
    (AlarmName::LowTemperature, &[(0, 4)], &[4]),
    (AlarmName::HighChargeTemperature, &[(0, 3)], &[5]),
    (AlarmName::LowChargeTemperature, &[(0, 4)], &[6]),
    (AlarmName::HighMosTemperature, &[(0, 3)], &[3]),
    (AlarmName::HighChargeCurrent, &[(1, 0)], &[8]),
    (AlarmName::HighDischargeCurrent, &[(0, 7)], &[7]),
    (AlarmName::ShortCircuit, &[(0, 7), (1, 3)], &[10]),
    (AlarmName::CellImbalance, &[], &[12]),
    (AlarmName::LowSoc, &[], &[]),
    (AlarmName::BmsInternal, &[(1, 3)], &[11]),
    (AlarmName::ChargeFetFault, &[(1, 3)], &[11]),
    (AlarmName::DischargeFetFault, &[(1, 3)], &[11]),
    (AlarmName::SensorFault, &[(1, 3)], &[11]),
    (AlarmName::Communication, &[(1, 3)], &[11]),
    (AlarmName::Contactor, &[(1, 3)], &[9]),
];

/// The bit of Growatt's 312, counted through both bytes.
fn growatt_bit(name: AlarmName) -> Option<u8> {
    Some(match name {
        AlarmName::CellLowVoltage | AlarmName::LowVoltage => 3,
        AlarmName::CellHighVoltage | AlarmName::HighVoltage => 4,
        AlarmName::ShortCircuit => 5,
        AlarmName::HighChargeCurrent => 6,
        AlarmName::HighDischargeCurrent => 7,
        AlarmName::CellImbalance => 10,
        AlarmName::LowChargeTemperature => 12,
        AlarmName::LowTemperature => 13,
        AlarmName::HighChargeTemperature => 14,
        AlarmName::HighTemperature | AlarmName::HighMosTemperature => 15,
        AlarmName::LowSoc => return None,
        _ => 11,
    })
}

#[test]
fn frames_can_be_filled_up_to_eight_bytes() {
    for profile in PROFILES {
        let short = config(profile);
        let full = Config { pad: true, ..short.clone() };
        for (short, full) in set(&snapshot::discharging(), &short).iter().zip(set(&snapshot::discharging(), &full)) {
            assert_eq!(full.bytes().len(), 8, "{profile:?} {full}");
            assert!(full.bytes().starts_with(short.bytes()) && full.bytes()[short.bytes().len()..].iter().all(|byte| *byte == 0));
            let always = ["pylontech-2", "luxpower", "growatt", "sol-ark"].contains(&profile.name);
            assert!(!always || short.bytes().len() == 8, "{profile:?} {short}");
        }
    }
    let Ended { out, .. } = run(&["can", "encode", "--profile", "pylontech", "--pad"], "{\"soc_pct\": 50}");
    assert!(out.starts_with("355#3200640000000000\n"), "{out}");
}

fn bytes_of(frames: &[Frame], id: u16) -> Vec<u8> {
    frames.iter().find(|frame| frame.id() == id).unwrap_or_else(|| panic!("{id:03X} is not sent")).bytes().to_vec()
}

#[test]
fn every_alarm_has_its_bit_in_every_profile() {
    for ((name, bits, pairs), level) in BITS.iter().flat_map(|row| [Level::Alarm, Level::Warning].map(|level| (*row, level))) {
        let mut snapshot = snapshot::discharging();
        snapshot.alarms = vec![Alarm { name, level }];
        let shift = if level == Level::Warning { 2 } else { 0 };
        let mut expected = vec![0, 0, 0, 0, 1, b'P', b'N'];
        bits.iter().for_each(|(byte, bit)| expected[byte + shift] |= 1 << bit);
        if name == AlarmName::CellImbalance {
            expected[3] = 1 << 4;
        }
        assert_eq!(bytes_of(&set(&snapshot, &config(PROFILES[0])), 0x359), expected, "{name:?} {level:?}");
        expected.push(0);
        assert_eq!(bytes_of(&set(&snapshot, &config(profile("pylontech-2").unwrap())), 0x359), expected, "{name:?} {level:?}");
        expected[5..7].copy_from_slice(&280u16.to_le_bytes());
        assert_eq!(bytes_of(&set(&snapshot, &config(profile("luxpower").unwrap())), 0x359), expected, "{name:?} {level:?}");
        let growatt = bytes_of(&set(&snapshot, &config(profile("growatt").unwrap())), 0x312);
        let (protections, warnings) = (u16::from_le_bytes([growatt[0], growatt[1]]), u16::from_le_bytes([growatt[2], growatt[3]]));
        let bit = growatt_bit(name).map_or(0, |bit| 1 << bit);
        let is_warning = level == Level::Warning || name == AlarmName::CellImbalance;
        assert_eq!((protections, warnings), if is_warning { (0, bit) } else { (bit, 0) }, "{name:?} {level:?}");
        for (profile, well) in
            [("pylontech-1.3", 0u64), ("pylontech-2", 0u64), ("sma", 0x02AA_AAAA_02AA_AAAA), ("victron", 0x02AA_AAAA_02AA_AAAA)]
        {
            let mut word = well;
            for pair in pairs {
                let place = (pair + 8 * shift) * 2;
                word = word & !(3 << place) | 1 << place;
            }
            let found = bytes_of(&set(&snapshot, &config(dbus_bms::output::can::profile(profile).unwrap())), 0x35A);
            assert_eq!(found, word.to_le_bytes(), "{profile} {name:?} {level:?}");
        }
    }
}

#[test]
fn alarms_can_be_sent_as_warnings() {
    for profile in PROFILES {
        let config = Config { alarms: AlarmPolicy::Warnings, ..config(profile) };
        let understood = decoded(&set(&snapshot::alarmed(), &config)).understood().clone();
        assert_eq!(understood.battery.active.alarms, Some(vec![]), "{profile:?}");
        let warnings = understood.battery.active.warnings.unwrap();
        assert!(warnings.contains(&Item::HighVoltage) && warnings.len() >= 2, "{profile:?} {warnings:?}");
    }
}

#[test]
fn the_owner_chooses_maker_modules_and_the_sign_for_sma() {
    let base = Config { manufacturer: Some("PYLONDIY".into()), module_count: Some(4), ..Config::default() };
    let frames = set(&snapshot::discharging(), &base);
    assert_eq!(bytes_of(&frames, 0x35E), b"PYLONDIY");
    assert_eq!(bytes_of(&frames, 0x359)[4], 4);
    let sma = Config { profile: profile("sma").unwrap(), sma_current_sign: CurrentSign::DischargePositive, ..base.clone() };
    assert_eq!(bytes_of(&set(&snapshot::discharging(), &sma), 0x356)[2..4], 125i16.to_le_bytes(), "discharging with 12.5 A");
    let usual = Config { sma_current_sign: CurrentSign::Charge, ..sma };
    assert_eq!(bytes_of(&set(&snapshot::discharging(), &usual), 0x356)[2..4], (-125i16).to_le_bytes());
    let victron = Config { profile: profile("victron").unwrap(), ..base };
    assert_eq!(bytes_of(&set(&snapshot::discharging(), &victron), 0x372)[0], 4);
}

#[test]
fn a_bank_counts_its_modules_itself() {
    let mut bank = snapshot::discharging();
    let named = |name: &str| Some(name.to_owned());
    bank.bank_summary = Some(Arc::new(BankSummary {
        online: 3,
        offline: 1,
        blocking_charge: 2,
        min_cell: named("Garage left C12"),
        max_cell: named("A C3"),
        ..BankSummary::default()
    }));
    let (pylontech, victron) = (config(PROFILES[0]), config(profile("victron").unwrap()));
    assert_eq!(bytes_of(&set(&bank, &pylontech), 0x359)[4], 3);
    let frames = set(&bank, &victron);
    assert_eq!(bytes_of(&frames, 0x372), [3, 0, 2, 0, 0, 0, 1, 0], "online, blocking charge, blocking discharge, offline");
    assert_eq!((bytes_of(&frames, 0x374), bytes_of(&frames, 0x375)), (b"Gara C12".to_vec(), b"A C3\0\0\0\0".to_vec()));
    // The owner's setting wins, and no current is permitted: all modules block.
    let counted = Config { module_count: Some(5), ..victron };
    assert_eq!(bytes_of(&set(&bank, &counted), 0x372)[0], 5);
    bank.limits.dcl.value = Amps::ZERO;
    assert_eq!(bytes_of(&set(&bank, &config(profile("victron").unwrap())), 0x372)[4], 3);
    // No module with fresh data is not the same as a battery without modules.
    bank.bank_summary = Some(Arc::new(BankSummary { offline: 4, ..BankSummary::default() }));
    assert_eq!(bytes_of(&set(&bank, &pylontech), 0x359)[4], 1);
}

#[test]
fn requests_come_at_a_low_charge_with_hysteresis_and_after_a_month() {
    let config = Config::default();
    let at = |before: Requests, soc: f64| {
        let mut snapshot = snapshot::discharging();
        snapshot.reading.soc = Some(Percent::new(soc));
        before.next(&snapshot, &config)
    };
    let low = at(Requests::default(), 9.0);
    assert_eq!((low.force_1, low.force_2), (false, true));
    assert!(at(low, 12.9).force_2 && !at(low, 13.0).force_2 && !at(Requests::default(), 9.1).force_2);
    assert!(at(low, 4.5).force_1);
    let mut old = snapshot::discharging();
    old.since_full = Some(Duration::from_secs(30 * 86_400));
    let wanted = Requests::default().next(&old, &config);
    assert!(wanted.full);
    assert!(at(wanted, 96.9).full && !at(wanted, 97.0).full);
    old.freshness = Freshness::Stale;
    assert_eq!(wanted.next(&old, &config), Requests::default(), "nothing is asked for without data");
}

#[test]
fn without_data_nothing_may_flow_and_the_charge_stays() {
    for profile in PROFILES {
        let config = config(profile);
        let last = InverterData::of(&snapshot::discharging(), &config, Requests { force_1: true, force_2: true, full: true });
        let data = InverterData::of(&snapshot::lost(), &config, Requests::default()).zero_limits(&last);
        let frames = encode(&data, &config);
        let told = decoded(&frames).understood().battery.clone();
        assert_eq!(told.limits.charge_current_limit, Some(Amps::ZERO), "{profile:?}");
        assert_eq!(told.limits.discharge_current_limit, Some(Amps::ZERO), "{profile:?}");
        if profile.name == "growatt" {
            assert_eq!(bytes_of(&frames, 0x311)[6..], [0, 1], "standby, and both switches off");
            assert_eq!(bytes_of(&frames, 0x319)[0], 0);
            assert!(frames.iter().all(|frame| !(0x313..=0x318).contains(&frame.id()) || frame.id() == 0x314), "not measured");
            continue;
        }
        assert_eq!(bytes_of(&frames, 0x355)[..2], 71u16.to_le_bytes(), "{profile:?}: the last SoC");
        match profile.name {
            "pylontech-2" | "luxpower" | "sol-ark" => assert_eq!(bytes_of(&frames, 0x35C)[0], 0),
            "pylontech" => assert_eq!(bytes_of(&frames, 0x35C), [0, 0]),
            "sma" => assert_eq!(bytes_of(&frames, 0x356), [0x00, 0x80, 0x00, 0x80, 0x00, 0x80], "not measured"),
            "victron" => assert_eq!(bytes_of(&frames, 0x360)[0], 0),
            _ => {}
        }
        if profile.name == "sma" {
            let mut floating = data;
            floating.limits.charge_voltage = Some(Volts::new(40.0));
            assert_eq!(bytes_of(&encode(&floating, &config), 0x351)[..2], 526u16.to_le_bytes(), "not far below the last voltage");
        } else {
            assert!(frames.iter().all(|frame| frame.id() != 0x356), "{profile:?}: what is unknown is not sent");
        }
    }
}

#[test]
fn sma_gets_a_charge_voltage_that_it_takes_and_none_far_below_the_pack() {
    let config = config(profile("sma").unwrap());
    let cvl = |wanted: f64, pack: Option<f64>| {
        let mut snapshot = snapshot::discharging();
        snapshot.limits.cvl.value = Volts::new(wanted);
        snapshot.reading.voltage = pack.map(Volts::new);
        let bytes = bytes_of(&set(&snapshot, &config), 0x351);
        let word = |at: usize| f64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]])) / 10.0;
        (word(0), word(2))
    };
    assert_eq!(cvl(55.2, Some(52.8)), (55.2, 50.0));
    assert_eq!(cvl(50.0, Some(52.8)), (52.6, 0.0), "not far below the pack, and no current at a voltage that is not permitted");
    assert_eq!(cvl(52.7, Some(52.8)), (52.7, 50.0));
    assert_eq!(cvl(80.0, Some(52.8)), (63.0, 50.0));
    assert_eq!(cvl(28.0, Some(26.4)), (41.0, 0.0), "a 24 V battery: the lowest that it takes would overcharge");
}

#[test]
fn encode_says_what_is_wrong_with_its_input() {
    for (input, hint) in [
        ("", "empty input"),
        ("[1, 2]", "not a JSON object"),
        ("{\"soc_pct\": \"full\"}", "invalid type"),
        ("{\"charge_voltage_v\": 0.1}", "the charge voltage of 0.1 V is no battery's"),
        ("{\"alarms\": [\"hunger\"]}", "unknown alarm `hunger`; expected one of bms_internal"),
    ] {
        let Ended { code, out, err } = run(&["can", "encode", "--profile", "pylontech"], input);
        assert_eq!((code, out.as_str()), (2, ""), "{input}");
        assert!(err.contains(hint) && err.lines().count() == 1, "{input}: {err}");
    }
    let Ended { code, err, .. } = run(&["can", "encode", "--profile", "kostal"], "{}");
    assert!(code == 2 && err.contains("pylontech, pylontech-1.3, pylontech-2, sma, victron, luxpower, growatt, sol-ark"), "{err}");
}

#[test]
fn encode_takes_a_whole_reading() {
    let reading = r#"{"bms": "jbd", "voltage_v": 52.8, "current_a": -12.5, "soc_pct": 71.5, "cell_voltages_v": [3.298, 3.303],
        "temperatures_c": [21.5, 24.5], "alarms": [{"name": "cell_high_voltage", "level": "warning"}], "capacity_ah": 280.0,
        "remaining_ah": 200.2, "charge_fet": true, "notes": ["x"], "charge_voltage_v": 55.2, "charge_current_limit_a": 50,
        "discharge_current_limit_a": 60, "discharge_voltage_v": 46.4}"#;
    let Ended { code, out, err } = run(&["can", "encode", "--profile", "victron"], reading);
    assert_eq!(code, 0, "{err}");
    let data = decoded(&out.lines().map(frame).collect::<Vec<_>>()).understood().battery.clone();
    assert_eq!(
        (data.extremes.min_cell_mv, data.extremes.max_cell_mv, data.extremes.min_cell_temp_k),
        (Some(3298), Some(3303), Some(295))
    );
    assert_eq!((data.state.temperature, data.state.soc_hires), (Some(Celsius::new(23.0)), Some(Percent::new(71.5))));
    assert_eq!(data.active.warnings, Some(vec![Item::HighVoltage]));
    assert_eq!(
        (data.charge.capacity.unwrap().get(), data.charge.installed_capacity.unwrap().get()),
        (200.0, 280.0),
        "left, and installed"
    );
    let disabled =
        r#"{"charge_voltage_v": 55.2, "charge_current_limit_a": 50, "discharge_current_limit_a": 60, "charge_enable": false}"#;
    let Ended { out, .. } = run(&["can", "encode", "--profile", "pylontech"], disabled);
    assert!(out.contains("351#2802000058020000") && out.contains("35C#4000"), "no current where charging is not enabled: {out}");
}

#[test]
fn decode_takes_every_form_of_candump_and_names_what_is_wrong() {
    let Ended { code, out, err } = run(
        &["can", "decode"],
        "(1.5) can0 351#1402C012C012C201\ncan0  355   [4]  58 00 5E 00\n\nnonsense\ncan0 18FF50E5#01\n359#8100000006504E\n",
    );
    assert_eq!(code, 0, "{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((shown["charge_voltage_v"].as_f64(), shown["soc_pct"].as_f64()), (Some(53.2), Some(88.0)));
    assert!(shown["notes"][0].as_str().unwrap().contains("byte 0 bit 0"), "{out}");
    assert!(err.contains("line 4"), "{err}");
    let Ended { code, out, err } = run(&["can", "decode"], "hello\n");
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("no battery or inverter frame in 1 lines (line 1: no CAN frame in this line"), "{err}");
    let Ended { code, .. } = run(&["can", "monitor", "nosuchcan0"], "");
    assert_eq!(code, 1);
}

/// The JSON of `can decode`.
fn shown(lines: &str) -> Value {
    let Ended { code, out, err } = run(&["can", "decode"], lines);
    assert_eq!(code, 0, "{lines}: {err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn what_two_makers_put_into_the_same_id_is_told_apart() {
    // LuxPower's cells are no fine SoC, even where they would be near: then the capacity behind the alarms tells.
    let luxpower = "355#21006400160D0C0D\n359#0000000002C80000\n356#E814C501F100D200\n35C#C000380100000000\n";
    let whole = shown(luxpower);
    assert_eq!((whole["max_cell_mv"].as_f64(), whole["min_cell_mv"].as_f64()), (Some(3350.0), Some(3340.0)), "{whole}");
    assert_eq!(whole.get("soc_hires_pct"), None);
    assert_eq!((whole["capacity_ah"].as_f64(), whole["cycles"].as_f64()), (Some(200.0), Some(312.0)));
    // Numbers in 0x370 and 0x371, and a name.
    let numbers = shown("370#76006C00CF0CCA0C\n371#0401020206020402\n");
    assert_eq!((numbers["max_cell_temp_c"].as_f64(), numbers["min_cell_mv"].as_f64()), (Some(11.8), Some(3274.0)));
    assert_eq!((numbers.get("bms_name_1"), &numbers["min_cell_v_number"]), (None, &serde_json::json!([2, 4])));
    let name = shown("370#43414E2D534D4152\n371#5400000000000000\n");
    assert_eq!((&name["bms_name_1"], &name["bms_name_2"]), (&Value::from("CAN-SMAR"), &Value::from("T")));
    // Frames that are too short for Victron's content.
    let short = shown("351#2E02040B040BB001\n356#0A0211FFBE000000\n372#00000002\n373#01000000\n");
    assert_eq!(
        (short.get("modules_blocking_charge"), short.get("min_cell_mv"), short["voltage_v"].as_f64()),
        (None, None, Some(52.2))
    );
    // Afore uses the ids of others.
    let afore = shown("351#3C00640064000000\n350#0000881300000000\n352#F401F40130028001\n355#C8000000C8000000\n");
    assert_eq!((afore.get("charge_voltage_v"), afore.get("soc_pct")), (None, None), "{afore}");
}

#[test]
fn alarms_of_other_makers_are_named() {
    // Both words count together.
    let pytes = shown("403#0104000000801200\n406#0080000000000000\n");
    assert_eq!(
        pytes["alarms"],
        serde_json::json!(["bms_internal", "high_charge_current", "high_discharge_current", "high_voltage"]),
        "{pytes}"
    );
    assert_eq!(pytes["warnings"], serde_json::json!([]));
    assert_eq!(
        shown("403#0A0A000000000000\n")["warnings"],
        serde_json::json!(["high_temperature", "high_voltage", "low_temperature", "low_voltage"])
    );
    let schneider = shown("00000325#0009004100200000\n");
    let of = |key: &str| schneider[key].clone();
    assert_eq!(
        (of("charge_enable"), of("discharge_enable"), of("force_charge_1")),
        (false.into(), false.into(), true.into()),
        "bit 3 stops"
    );
    assert_eq!(
        (of("warnings"), of("alarms")),
        (serde_json::json!(["cell_imbalance", "high_charge_current"]), serde_json::json!(["low_voltage"]))
    );
}

#[test]
fn absurd_values_have_a_note() {
    let notes = |lines: &str| shown(lines)["notes"].to_string();
    let absurd = "351#0100000000007001\n356#B914350124FA0200\n35F#4C49010300000000\n";
    assert!(notes(absurd).contains("0.1 V is no battery's") && notes(absurd).contains("-150 °C"), "{}", notes(absurd));
    assert!(notes(absurd).contains("the capacity is 0 Ah"));
    assert_eq!(shown(absurd).get("temperature_c"), None);
    assert!(notes("351#2802F4015802D002\n").contains("not below the charge voltage"));
    assert!(notes("355#4000640000200000\n").contains("contradicts"));
}

#[test]
fn only_a_sunny_island_measures() {
    for other in ["305#41464F5245000001", "305#2100000000000000", "305#FFFFFFFFFFFFFFFF", "305#0B0210C000000000"] {
        let inverter = shown(&format!("{other}\n"))["inverter"].clone();
        assert_eq!(inverter, serde_json::json!({"heartbeat": true}), "{other}");
    }
    let island = shown("305#0B0288FFD200EE02\n")["inverter"].clone();
    assert_eq!((island["voltage_v"].as_f64(), island["current_a"].as_f64()), (Some(52.3), Some(12.0)));
    assert_eq!(shown("00000305#0000000000000000\n")["inverter"]["heartbeat"], true, "a Schneider gateway");
}

#[test]
fn a_charge_voltage_that_is_no_batterys_is_never_sent() {
    for profile in PROFILES {
        let config = config(profile);
        for voltage in [0.0, 0.1, 9.9, -5.0, 1000.1, f64::INFINITY, f64::NAN] {
            let mut snapshot = snapshot::discharging();
            snapshot.limits.cvl.value = Volts::new(voltage);
            assert_eq!(set(&snapshot, &config), [], "{profile:?} {voltage}");
        }
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![3 => -100.0..1000.0f64, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(0.0)]
}

proptest! {
    #[test]
    fn no_line_makes_decode_panic(text in "\\PC{0,80}", id in 0u16..0x800, bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        let _ = parse_line(&text);
        let _ = parse_line(&format!("{id:03X}#{text}"));
        let _ = parse_line(&format!("can0 {id:03X} [{}] {text}", bytes.len()));
        let frame = Frame::new(id, &bytes);
        prop_assert_eq!(parse_line(&frame.to_string()), Ok(Line::Frame(frame)));
        let mut decoder = Decoder::default();
        decoder.receive(&frame);
        decoder.receive_record(&Record::new(u32::from(id) | Record::EXTENDED, &bytes));
        prop_assert!(serde_json::to_string(decoder.understood()).is_ok());
        prop_assert!(!dbus_bms::cli::can::view::table(&decoder, 80, false).contains('\x1b'));
    }

    #[test]
    fn any_battery_is_told_without_wrapping(
        cvl in any_value(), ccl in any_value(), dcl in any_value(), low in any_value(),
        soc in any_value(), volts in any_value(), amps in any_value(), celsius in any_value(),
    ) {
        for profile in PROFILES {
            let mut data = InverterData::default();
            data.limits.charge_voltage = Some(Volts::new(cvl));
            data.limits.charge_current_limit = Some(Amps::new(ccl));
            data.limits.discharge_current_limit = Some(Amps::new(dcl));
            data.limits.discharge_voltage = Some(Volts::new(low));
            data.state.soc = Some(Percent::new(soc));
            data.state.voltage = Some(Volts::new(volts));
            data.state.current = Some(Amps::new(amps));
            data.state.temperature = Some(Celsius::new(celsius));
            let frames = encode(&data, &config(profile));
            if !(10.0..=1000.0).contains(&cvl) {
                prop_assert!(frames.is_empty(), "{profile:?}: {cvl} V is no battery's charge voltage");
                continue;
            }
            let ids: Vec<_> = frames.iter().map(Frame::id).collect();
            let mut once = ids.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(ids.len(), once.len(), "an id comes once in a set");
            let back = decoded(&frames).understood().battery.clone();
            // Within what an inverter takes; above ours only where no current is permitted (a Sunny Island below the pack's voltage).
            let voltage = back.limits.charge_voltage.unwrap().get();
            prop_assert!(voltage >= 9.9, "{profile:?} {voltage}");
            if profile.name == "sma" {
                prop_assert!((41.0..=63.0).contains(&voltage), "{voltage}");
            }
            let no_charge = back.limits.charge_current_limit == Some(Amps::ZERO);
            prop_assert!(voltage <= cvl + 1e-6 || profile.name == "sma" && no_charge, "{profile:?} {cvl} {voltage}");
            // Never more than allowed, never negative.
            for (limit, sent) in [(ccl, back.limits.charge_current_limit), (dcl, back.limits.discharge_current_limit)] {
                let sent = sent.unwrap().get();
                prop_assert!(sent >= 0.0 && (sent <= limit.max(0.0) + 1e-6 || limit.is_nan() && sent == 0.0), "{profile:?} {limit} {sent}");
            }
            if profile.name != "sma" {
                let sent = back.limits.charge_voltage.unwrap().get();
                prop_assert!(sent <= cvl + 1e-6 && sent > cvl - 0.11, "{profile:?} {cvl} {sent}");
            }
            let percent = back.state.soc.unwrap().get();
            prop_assert!((0.0..=100.0).contains(&percent));
            if (1.0..=100.0).contains(&soc) {
                prop_assert!(percent <= soc + 1e-6 && percent > soc - 1.0, "{profile:?} {soc} {percent}");
            }
            // Pylontech 1.3 has no fine SoC; the fine SoC of other profiles is never "invalid".
            if profile.name != "growatt" {
                let fine = bytes_of(&frames, 0x355);
                prop_assert!(fine.len() <= 4 || fine[4..6] != [0xFF, 0xFF]);
            }
            if profile.name == "sol-ark" && (0.0..3276.0).contains(&volts) {
                let bytes = bytes_of(&frames, 0x356);
                prop_assert!((f64::from(u16::from_le_bytes([bytes[0], bytes[1]])) / 10.0 - volts).abs() <= 0.051, "{volts}");
            }
            // Far below the charge voltage it is taken for 0.1 V.
            if profile.name != "sol-ark" && (0.0..327.0).contains(&volts) && volts >= cvl * 0.31 {
                prop_assert!((back.state.voltage.unwrap().get() - volts).abs() <= 0.0051);
            }
            if (-3276.0..3276.0).contains(&amps) {
                prop_assert!((back.state.current.unwrap().get() - amps).abs() <= 0.051);
            }
            if (-59.0..119.0).contains(&celsius) {
                let sent = back.state.temperature.or(back.details.max_cell_temperature).unwrap().get();
                // LuxPower gets the hottest sensor, never equal to the coldest.
                let above = if profile.name == "luxpower" { 0.1 } else { 0.0 };
                prop_assert!((sent - celsius - above).abs() <= 0.051, "{profile:?} {celsius} {sent}");
            }
        }
    }
}
