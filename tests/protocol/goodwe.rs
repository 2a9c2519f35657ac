//! GoodWe: recorded replies of six inverters, and datagrams in pieces, doubled, damaged and of another program.

use dbus_bms::house::goodwe::{Collector, Query, values};
use dbus_bms::model::DeviceValue;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const QUERIES: [Query; 4] = [Query::EsRunning, Query::EtRunning, Query::EtMeter, Query::EtBattery];

/// Our key, the recording's, and whether its sign is the other way round: there discharging and exporting are positive.
const KEYS: &[(&str, &str, f64)] = &[
    ("pv1_voltage_v", "vpv1", 1.0),
    ("pv1_current_a", "ipv1", 1.0),
    ("pv2_voltage_v", "vpv2", 1.0),
    ("pv2_current_a", "ipv2", 1.0),
    ("pv_power_w", "ppv", 1.0),
    ("battery_voltage_v", "vbattery1", 1.0),
    ("battery_current_a", "ibattery1", -1.0),
    ("battery_power_w", "pbattery1", -1.0),
    ("battery_temperature_c", "battery_temperature", 1.0),
    ("battery_charge_limit_a", "battery_charge_limit", 1.0),
    ("battery_discharge_limit_a", "battery_discharge_limit", 1.0),
    ("battery_soc_pct", "battery_soc", 1.0),
    ("battery_soh_pct", "battery_soh", 1.0),
    ("grid_power_w", "pgrid", -1.0),
    ("grid_power_w", "meter_active_power_total", -1.0),
    ("grid_voltage_v", "vgrid", 1.0),
    ("grid_current_a", "igrid", 1.0),
    ("grid_frequency_hz", "fgrid", 1.0),
    ("load_power_w", "pload", 1.0),
    ("load_power_w", "house_consumption", 1.0),
    ("work_mode", "work_mode", 1.0),
    ("inverter_temperature_c", "temperature", 1.0),
    ("inverter_power_w", "total_power", 1.0),
    ("inverter_power_w", "active_power", 1.0),
    ("backup_power_w", "pback_up", 1.0),
    ("energy_total_kwh", "e_total", 1.0),
    ("energy_day_kwh", "e_day", 1.0),
    ("battery_charged_kwh", "e_bat_charge_total", 1.0),
    ("battery_discharged_kwh", "e_bat_discharge_total", 1.0),
];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A recording: name, replies with their queries, expected values.
type Recording = (String, Vec<(Query, Vec<u8>)>, Json);

fn recordings() -> Vec<Recording> {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol/goodwe")).unwrap();
    let read = |path: std::path::PathBuf| {
        let json: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let exchanges = json["exchanges"].as_array().unwrap().iter().map(|exchange| {
            let request = hex(exchange["request"].as_str().unwrap());
            let query = QUERIES.into_iter().find(|query| query.datagram() == request).expect("one of our requests");
            (query, hex(exchange["reply"].as_str().unwrap()))
        });
        (path.display().to_string(), exchanges.collect(), json["expected"].clone())
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

#[test]
fn recorded_replies_give_the_recorded_values() {
    let recordings = recordings();
    assert_eq!(recordings.len(), 5);
    for (name, replies, expected) in recordings {
        let replies: Vec<_> = replies
            .into_iter()
            .map(|(query, reply)| (query, query.reply(&reply).unwrap().expect("a whole reply").to_vec()))
            .collect();
        let found: BTreeMap<_, _> = values(&replies).into_iter().map(|(quantity, value)| (quantity.key, value)).collect();
        let is_et = replies.len() > 1;
        let mut compared = 0;
        for (ours, theirs, sign) in KEYS {
            // The first family measures the load; the source computes it for the second only as we do.
            if (*theirs == "house_consumption") != is_et && *ours == "load_power_w" {
                continue;
            }
            let Some(expected) = expected[theirs].as_f64() else { continue };
            let Some(DeviceValue::Number(number)) = found.get(ours) else { panic!("{name}: {ours} is unknown") };
            assert!(
                (number - sign * expected).abs() < 0.501 && (!ours.ends_with("_v") || (number - expected).abs() < 0.01),
                "{name}: {ours} {number}, {theirs} {expected}"
            );
            compared += 1;
        }
        assert!(compared >= if is_et { 14 } else { 23 }, "{name}: {compared}");
    }
}

#[test]
fn datagrams_in_pieces_doubled_damaged_and_of_another_program() {
    for (name, replies, _) in recordings() {
        for (query, reply) in &replies {
            let whole = query.reply(reply).unwrap().unwrap().to_vec();
            let other = QUERIES.into_iter().find(|other| other != query).unwrap();
            let mut damaged = reply.clone();
            damaged[20] ^= 1;
            for cut in [1, 3, 6, 40] {
                let mut collector = Collector::default();
                assert_eq!(collector.take(*query, &damaged), None, "{name}");
                assert_eq!(collector.take(*query, &other.datagram()), None, "{name}: a request");
                assert_eq!(collector.take(*query, b"+ok=something"), None, "{name}");
                assert_eq!(collector.take(*query, &reply[..cut]), None, "{name}");
                assert_eq!(collector.take(*query, &reply[cut..]).as_ref(), Some(&whole), "{name}: cut after {cut}");
            }
            let doubled = [&reply[..], reply].concat();
            assert_eq!(Collector::default().take(*query, &doubled).as_ref(), Some(&whole), "{name}: twice in one datagram");
            assert_eq!(other.reply(reply).ok().flatten(), None, "{name}: the reply to another request");
        }
    }
}

#[test]
fn modbus_tcp_has_the_same_registers() {
    for (_, replies, _) in recordings() {
        for (query, reply) in replies.into_iter().filter(|(query, _)| *query != Query::EsRunning) {
            let data = query.reply(&reply).unwrap().unwrap();
            let request = query.modbus_tcp(7).unwrap();
            assert_eq!((&request[..7], request.len()), (&[0, 7, 0, 0, 0, 6, 0xF7][..], 12));
            let length = u8::try_from(data.len()).unwrap();
            let [high, low] = (u16::from(length) + 3).to_be_bytes();
            let answer = [&[0, 7, 0, 0, high, low, 0xF7, 3, length][..], data].concat();
            assert_eq!(query.reply_tcp(7, &answer), Ok(Some(data)));
            assert_eq!(query.reply_tcp(7, &answer[..20]), Ok(None));
            assert!(query.reply_tcp(8, &answer).is_err(), "the answer to another request");
        }
    }
}
