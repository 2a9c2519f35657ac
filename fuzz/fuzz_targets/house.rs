//! What other devices of the house send: datagrams and Modbus TCP replies of a GoodWe, Xanbus frames, replies of a Conext gateway,
//! datagrams of an SMA energy meter, powers on MQTT topics, requests of an inverter on RS485; and readings as lines for the health
//! of cells. Any bytes, in any pieces and at any time: no panic, no number that is none, bounded replies and bounded memory.
//!
//! The first byte chooses the type of the rest.
#![no_main]

use dbus_bms::base::units::{Amps, Moment, Volts};
use dbus_bms::bms::bytes::{crc16_modbus, sum16};
use dbus_bms::bms::modbus_tcp::{self, Ask, HEAD_LEN};
use dbus_bms::conext::xanbus::Network;
use dbus_bms::conext::{Family, Survey};
use dbus_bms::health::stream::Stream;
use dbus_bms::house::goodwe::{self, Collector, Query};
use dbus_bms::house::sma_meter;
use dbus_bms::model::DeviceValue;
use dbus_bms::output::can::{InverterData, Line, parse_line};
use dbus_bms::output::mqtt::{self, Source};
use dbus_bms::output::rs485::{PROTOCOLS, Responder};
use held::draw::Draw;
use libfuzzer_sys::fuzz_target;

const QUERIES: [Query; 4] = [Query::EsRunning, Query::EtRunning, Query::EtMeter, Query::EtBattery];
/// Message groups of Xanbus that are read, and one that is not.
const GROUPS: [u32; 13] =
    [0x1F0C4, 0x1F0C5, 0x1F00E, 0x1F0BD, 0x1F01B, 0x1F011, 0x1F016, 0x1F0BE, 0x1F809, 0x1F014, 0x1F810, 0x1EEFF, 0xEF00];

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    held::heap::bounded(16 << 20, || {
        let mut draw = Draw::new(rest);
        match choice % 7 {
            0 => goodwe(&mut draw),
            1 => xanbus(&mut draw),
            2 => conext(&mut draw),
            3 => sma(rest),
            4 => power(rest),
            5 => rs485(&mut draw),
            _ => health(rest),
        }
    });
});

fn is_number(value: &DeviceValue) {
    if let DeviceValue::Number(number) = value {
        assert!(number.is_finite(), "{number}");
    }
}

/// Datagrams in pieces, doubled, or of another program; and the same bytes over Modbus TCP.
fn goodwe(draw: &mut Draw) {
    let (query, mut collector) = (*draw.one_of(&QUERIES), Collector::default());
    let mut replies = Vec::new();
    while !draw.is_empty() {
        let count = 1 + draw.below(255);
        let mut datagram = draw.bytes(count);
        // Sums that are right, so that what lies behind them is reached.
        match draw.byte() {
            0..=99 => {
                let sum = sum16(&datagram).to_be_bytes();
                datagram.extend(sum);
            }
            100..=199 => {
                let crc = crc16_modbus(datagram.get(2..).unwrap_or_default()).to_le_bytes();
                datagram.extend(crc);
            }
            _ => {}
        }
        replies.extend(collector.take(query, &datagram).map(|data| (query, data)));
        _ = query.reply_tcp(1, &datagram);
        _ = goodwe::found(&datagram);
        // As if the sum were right, whatever the data says.
        replies.push((query, datagram));
    }
    goodwe::values(&replies).iter().for_each(|(_, value)| is_number(value));
}

fn xanbus(draw: &mut Draw) {
    let (mut network, mut seconds) = (Network::default(), 1.0);
    while !draw.is_empty() {
        seconds += f64::from(draw.byte()) / 64.0;
        let group = *draw.one_of(&GROUPS);
        let id = 0x1800_0000 | group << 8 | u32::from(draw.byte() % 80);
        let count = 8 - draw.below(3) / 2;
        let bytes: String = draw.bytes(count).iter().map(|byte| format!("{byte:02X}")).collect();
        let Ok(Line::Extended(record)) = parse_line(&format!("{id:08X}#{bytes}")) else { continue };
        network.take(&record, Moment::from_secs(seconds));
    }
    for time in [seconds, seconds + 14.0, seconds + 16.0] {
        for heard in network.devices(Moment::from_secs(time)) {
            heard.values.iter().for_each(|(_, value)| is_number(value));
            assert!(time < seconds + 15.0 || heard.values.is_empty(), "old values are unknown");
        }
    }
}

/// Replies of the gateway as bytes, and any words for any block, also too few; and refusals.
fn conext(draw: &mut Draw) {
    let family = *draw.one_of(&Family::ALL);
    let mut survey = Survey::new(family);
    for _ in 0..3 {
        for step in survey.steps() {
            match draw.byte() {
                0..=63 => {
                    if survey.refused(&step) {
                        survey.parts(&step).iter().for_each(|part| _ = survey.refused(part));
                    }
                }
                64..=127 => {
                    let count = draw.below(255);
                    let bytes = draw.bytes(count);
                    if let Some((head, body)) = bytes.split_first_chunk::<HEAD_LEN>() {
                        _ = modbus_tcp::head(head);
                        let ask = Ask::Read { first: step.first, count: step.count };
                        let words = modbus_tcp::body(ask, body).unwrap_or_default();
                        survey.values(&step, &words).iter().for_each(|(_, value)| is_number(value));
                    }
                }
                _ => {
                    let count = usize::from(step.count).saturating_sub(draw.below(3) / 2);
                    let words: Vec<u16> = (0..count).map(|_| u16::from_be_bytes([draw.byte(), draw.byte()])).collect();
                    survey.values(&step, &words).iter().for_each(|(_, value)| is_number(value));
                }
            }
        }
    }
    let text = String::from_utf8_lossy(&draw.bytes(24)).into_owned();
    _ = Family::of_part(&text);
}

fn sma(datagram: &[u8]) {
    let with_head = [b"SMA\0\0\x04\x02\xA0\0\0\0\x01\x00\x30\x00\x10\x60\x69".as_slice(), datagram].concat();
    for bytes in [datagram, &with_head] {
        let power = sma_meter::decode(bytes);
        assert!(power.is_none_or(|(_, watts)| watts.get().abs() <= f64::from(u32::MAX) / 10.0), "{power:?}");
    }
}

fn power(payload: &[u8]) {
    let key = |key: &str| Some(key.to_owned());
    for (key, export_key) in [(None, None), (key("ENERGY.Power"), None), (key("in"), key("out"))] {
        let source = Source { topic: "grid".to_owned(), key, export_key };
        let watts = mqtt::parse(&source, payload);
        assert!(watts.is_none_or(|watts| watts.get().abs() <= 10_000_000.0), "{watts:?}");
    }
}

/// Requests in any pieces, also with right checksums, with or without fresh data.
fn rs485(draw: &mut Draw) {
    let protocol = *draw.one_of(&PROTOCOLS);
    let mut seconds = 1.0;
    let mut responder = Responder::new(protocol, None, Moment::from_secs(seconds));
    let mut data: InverterData = serde_json::from_str(
        "{\"charge_voltage_v\": 56, \"charge_current_limit_a\": 50, \"discharge_current_limit_a\": 60, \"voltage_v\": 53.1, \"current_a\": -3, \
         \"soc_pct\": 50, \"cell_count\": 16, \"cells_mv\": [3300, 3301], \"min_cell_mv\": 3300, \"max_cell_mv\": 3301}",
    )
    .expect("it is an object of the documented form");
    data.state.voltage = draw.flag().then(|| Volts::new(draw.bits())).or(data.state.voltage);
    data.state.current = draw.flag().then(|| Amps::new(draw.bits())).or(data.state.current);
    let mut replies = 0u32;
    while !draw.is_empty() {
        seconds += f64::from(draw.byte()) / 100.0;
        let count = 1 + draw.below(64);
        let mut bytes = draw.bytes(count);
        match draw.byte() {
            0..=79 => bytes.extend(crc16_modbus(&bytes).to_le_bytes()),
            80..=159 => {
                let text: String = bytes.iter().map(|byte| char::from(b"0123456789ABCDEF"[usize::from(byte & 15)])).collect();
                let sum = text.bytes().map(u16::from).fold(0u16, u16::wrapping_add).wrapping_neg();
                bytes = format!("~{text}{sum:04X}\r").into_bytes();
            }
            _ => {}
        }
        let answered = draw.flag().then_some(&data);
        let said = responder.message(Moment::from_secs(seconds), answered);
        assert!(said.is_none() || answered.is_some() && protocol.says.is_some(), "nothing is told without data");
        let reply = responder.receive(&bytes, Moment::from_secs(seconds), answered);
        assert!(reply.is_none() || answered.is_some(), "nothing is told without data");
        assert!(reply.as_ref().is_none_or(|reply| reply.len() <= 1024));
        replies += u32::from(reply.is_some());
        assert!(f64::from(replies) <= 20.0 + (seconds - 1.0) * 10.0 + 1.0, "{replies} replies in {seconds} s");
        assert!(responder.asked().len() <= 16);
    }
}

fn health(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut stream = Stream::new(None);
    let mut told = Vec::new();
    for line in text.lines() {
        told.extend(stream.line(line).ok().flatten());
    }
    told.extend(stream.end().expect("every estimate can be written"));
    for line in told {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|json| json.is_object()), "{line}");
    }
}
