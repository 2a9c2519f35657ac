//! Pylontech low-voltage batteries, protocol 1.2: "Pylontech" or "lithium battery over CAN" in most hybrid inverters.
//!
//! ```text
//! 351  CVL 0.1 V | CCL 0.1 A | DCL 0.1 A | lowest voltage 0.1 V            all words low byte first
//! 355  SoC 1 % | SoH 1 %
//! 356  voltage 0.01 V | current 0.1 A, + charges | temperature 0.1 °C
//! 359  protections, 2 bytes | warnings, 2 bytes | modules | "PN"           bits below
//! 35C  bit 7 may charge, 6 may discharge, 5 force charge I, 4 force charge II, 3 full charge | 0
//! 35E  maker, 8 characters filled up with blanks
//! ```
//! 500 kbit/s, the whole set each second in this order. Source: "CAN-Bus-protocol-PYLON-low-voltage-V1.2" (2018-04-08), checked
//! against frames of a US5000 (tests/can/vectors). Some senders use other bits (docs/can.md); the document's are right.

use super::item::{Item, add};
use super::wire::{at_least_unsigned, at_most_current, at_most_unsigned, signed, text, unsigned, whole_percent};
use super::{Config, Frame, InverterData, Profile};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "pylontech",
    label: "Pylontech low voltage, protocol 1.2",
    manufacturer: "PYLON",
    period: Duration::from_secs(1),
    spacing: Duration::from_millis(20),
    frames,
};

/// Byte and bit of an imbalance among the warnings, of which Pylontech's document has none: CAN_Hybrid, YamBMS and Seplos have it
/// there. It stops nothing, so it has no protection bit.
const IMBALANCE: (usize, u8) = (3, 4);

/// Byte and bit of each item among the protections; its warning is two bytes later.
const BITS: &[(Item, usize, u8)] = &[
    (Item::HighVoltage, 0, 1),
    (Item::LowVoltage, 0, 2),
    (Item::HighTemperature, 0, 3),
    (Item::HighChargeTemperature, 0, 3),
    (Item::LowTemperature, 0, 4),
    (Item::LowChargeTemperature, 0, 4),
    (Item::HighDischargeCurrent, 0, 7),
    (Item::ShortCircuit, 0, 7),
    (Item::HighChargeCurrent, 1, 0),
    (Item::BmsInternal, 1, 3),
    (Item::Contactor, 1, 3),
    (Item::General, 1, 3),
    (Item::ShortCircuit, 1, 3),
];

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(6);
    frames.extend(limits(data));
    frames.extend(charge(data).map(|bytes| Frame::new(0x355, &bytes)));
    frames.extend(measured(data));
    frames.push(Frame::new(0x359, &alarms(data)));
    frames.push(Frame::new(0x35C, &[requests(data), 0]));
    frames.push(maker(data, PROFILE.manufacturer));
    frames
}

/// 0x351; not sent without a charge voltage, because 0 V would be a command.
pub(super) fn limits(data: &InverterData) -> Option<Frame> {
    let words = [
        at_most_unsigned(data.limits.charge_voltage?.get(), 10.0),
        at_most_current(data.charge_amps(), 10.0),
        at_most_current(data.discharge_amps(), 10.0),
        data.limits.discharge_voltage.map_or([0; 2], |low| at_least_unsigned(low.get(), 10.0)),
    ];
    Some(Frame::new(0x351, words.as_flattened()))
}

/// SoC and SoH of 0x355.
pub(super) fn charge(data: &InverterData) -> Option<[u8; 4]> {
    let [soc_low, soc_high] = whole_percent(data.state.soc?.get());
    // Without a state of health inverters consider the battery worn out; SMA's default is also 100 %.
    let [soh_low, soh_high] = data.state.soh.map_or([100, 0], |soh| whole_percent(soh.get()));
    Some([soc_low, soc_high, soh_low, soh_high])
}

/// 0x356 with the voltage in 0.01 V.
pub(super) fn measured(data: &InverterData) -> Option<Frame> {
    measured_in(data, 100.0)
}

/// 0x356 with this many steps of the voltage per V. It has no mark for "unknown", so it is not sent if voltage or current is unknown.
pub(super) fn measured_in(data: &InverterData, voltage_steps: f64) -> Option<Frame> {
    let words = [
        unsigned(data.state.voltage?.get().min(f64::from(i16::MAX) / voltage_steps), voltage_steps),
        signed(data.state.current?.get(), 10.0),
        data.state.temperature.map_or([0; 2], |temperature| signed(temperature.get(), 10.0)),
    ];
    Some(Frame::new(0x356, words.as_flattened()))
}

/// 0x35E
pub(super) fn maker(data: &InverterData, usual: &str) -> Frame {
    Frame::new(0x35E, &text(data.identity.manufacturer.as_deref().unwrap_or(usual), b' '))
}

/// 0x359
pub(super) fn alarms(data: &InverterData) -> [u8; 7] {
    let mut bytes = [0, 0, 0, 0, data.modules.module_count.unwrap_or(1), b'P', b'N'];
    let mut set = |byte: usize, bit: u8| {
        if let Some(byte) = bytes.get_mut(byte) {
            *byte |= 1 << bit;
        }
    };
    for &(item, byte, bit) in BITS {
        if data.alarm(item) {
            set(byte, bit);
        }
        if data.warning(item) {
            set(byte + 2, bit);
        }
    }
    if data.alarm(Item::CellImbalance) || data.warning(Item::CellImbalance) {
        let (byte, bit) = IMBALANCE;
        set(byte, bit);
    }
    bytes
}

/// The byte of 0x35C.
pub(crate) fn requests(data: &InverterData) -> u8 {
    let may_charge = data.may_charge();
    let bits = [
        (may_charge, 7),
        (data.may_discharge(), 6),
        (may_charge && data.requests.force_charge_1 == Some(true), 5),
        (may_charge && data.requests.force_charge_2 == Some(true), 4),
        (may_charge && data.requests.full_charge_request == Some(true), 3),
    ];
    bits.iter().filter(|(set, _)| *set).fold(0, |byte, (_, bit)| byte | 1 << bit)
}

/// Content of 0x359: active protections, active warnings, and unknown bits.
pub(super) fn understood(bytes: &[u8]) -> (Vec<Item>, Vec<Item>, Vec<(usize, u8)>) {
    /// The item to name, of those that share a bit.
    const NAMED: &[(Item, usize, u8)] = &[
        (Item::HighVoltage, 0, 1),
        (Item::LowVoltage, 0, 2),
        (Item::HighTemperature, 0, 3),
        (Item::LowTemperature, 0, 4),
        (Item::HighDischargeCurrent, 0, 7),
        (Item::HighChargeCurrent, 1, 0),
        (Item::BmsInternal, 1, 3),
        (Item::CellImbalance, 1, IMBALANCE.1),
    ];
    let (mut alarms, mut warnings, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (place, byte) in bytes.iter().take(4).enumerate() {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let named = NAMED.iter().find(|(_, its_byte, its_bit)| (*its_byte, *its_bit) == (place % 2, bit));
            match named {
                Some((item, ..)) => add(if place < 2 { &mut alarms } else { &mut warnings }, *item),
                None => unknown.push((place, bit)),
            }
        }
    }
    (alarms, warnings, unknown)
}
