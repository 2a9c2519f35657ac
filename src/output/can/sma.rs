//! SMA Sunny Island with a lithium battery.
//!
//! ```text
//! 351  CVL 0.1 V (41 to 63) | CCL 0.1 A (0 to 1200) | DCL 0.1 A (0 to 1200) | lowest voltage 0.1 V (41 to 48)
//! 355  SoC 1 % | SoH 1 % | SoC 0.01 %
//! 356  voltage 0.01 V | current 0.1 A | temperature 0.1 °C
//! 35A  alarms, 4 bytes | warnings, 4 bytes; pairs of bits, 1 = raised, 2 = cleared
//! 35E  maker, 8 characters filled up with zeros
//! 35F  kind of battery | version of the BMS | capacity 1 Ah | number of the maker
//! ```
//! 500 kbit/s, every id at 500 ms (at least 200 ms apart). FFFF and 8000 mean "invalid": the inverter then uses its default, which
//! for the state of charge is 0 %, at which it switches off. Values out of range are silently ignored. Without 0x351 or 0x355 for
//! 60 s it stops.
//!
//! While CVL is below the battery's voltage, the Sunny Island discharges regardless of DCL, so CVL is never sent far below it; CCL
//! is 0 then.
//! Source: SMA "FSS-ConnectingBat-TI-en-10" section 5.

use super::config::CurrentSign;
use super::item::{Item, add};
use super::pylontech::charge;
use super::wire::{at_least_unsigned, at_most_current, at_most_unsigned, signed, text, unsigned};
use super::{Config, Frame, InverterData, Profile};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "sma",
    label: "SMA Sunny Island",
    manufacturer: "BMS",
    period: Duration::from_millis(500),
    spacing: Duration::from_millis(20),
    frames,
};

/// "Not known", unsigned.
const INVALID_UNSIGNED: [u8; 2] = [0xFF, 0xFF];
/// "Not known", signed.
pub(super) const INVALID_SIGNED: [u8; 2] = [0x00, 0x80];
/// CVL is never sent further than this below the battery's voltage, V.
const MAX_BELOW_PACK: f64 = 0.2;
/// Charge voltages that the Sunny Island accepts, V.
const CVL_RANGE: (f64, f64) = (41.0, 63.0);
/// End-of-discharge voltages that it accepts, V.
const LOW_RANGE: (f64, f64) = (41.0, 48.0);
/// The highest current that it accepts, A.
const MAX_AMPS: f64 = 1200.0;

/// The items of 0x35A, a pair of bits each, from the lowest bits of the first byte on; the three at the end are not a battery's.
const PAIRS: [Option<Item>; 16] = [
    Some(Item::General),
    Some(Item::HighVoltage),
    Some(Item::LowVoltage),
    Some(Item::HighTemperature),
    Some(Item::LowTemperature),
    Some(Item::HighChargeTemperature),
    Some(Item::LowChargeTemperature),
    Some(Item::HighDischargeCurrent),
    Some(Item::HighChargeCurrent),
    Some(Item::Contactor),
    Some(Item::ShortCircuit),
    Some(Item::BmsInternal),
    Some(Item::CellImbalance),
    None,
    None,
    None,
];

fn frames(data: &InverterData, config: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(6);
    frames.extend(limits(data));
    frames.extend(charge_and_finer(data).map(|bytes| Frame::new(0x355, &bytes)));
    frames.push(measured(data, config.sma_current_sign));
    frames.push(Frame::new(0x35A, &pairs(data, Clear::AsTwo)));
    frames.push(Frame::new(0x35E, &text(data.identity.manufacturer.as_deref().unwrap_or(PROFILE.manufacturer), 0)));
    frames.push(about(data, 0x694C, [1, 0], 1));
    frames
}

fn limits(data: &InverterData) -> Option<Frame> {
    let wanted = data.limits.charge_voltage?.get();
    let pack = data.state.voltage.or(data.state.last_voltage).map_or(0.0, |voltage| voltage.get() - MAX_BELOW_PACK);
    let pack = if pack.is_finite() { pack } else { 0.0 };
    let sent = wanted.max(pack).clamp(CVL_RANGE.0, CVL_RANGE.1);
    // A voltage above the permitted one permits no current.
    let charge = if sent > wanted { 0.0 } else { data.charge_amps() };
    let words = [
        at_most_unsigned(sent, 10.0),
        at_most_current(charge.min(MAX_AMPS), 10.0),
        at_most_current(data.discharge_amps().min(MAX_AMPS), 10.0),
        data.limits
            .discharge_voltage
            .map_or(INVALID_UNSIGNED, |low| at_least_unsigned(low.get().clamp(LOW_RANGE.0, LOW_RANGE.1), 10.0)),
    ];
    Some(Frame::new(0x351, words.as_flattened()))
}

/// 0x355 with the state of charge in hundredths.
pub(super) fn charge_and_finer(data: &InverterData) -> Option<[u8; 6]> {
    let [a, b, c, d] = charge(data)?;
    let fine = data.state.soc_hires.or(data.state.soc)?.get().clamp(0.0, 100.0);
    // 0 would mean "not given", and to others "empty".
    let [low, high] = unsigned(if fine > 0.0 { fine.max(0.01) } else { 0.0 }, 100.0);
    Some([a, b, c, d, low, high])
}

fn measured(data: &InverterData, sign: CurrentSign) -> Frame {
    let turn = if sign == CurrentSign::DischargePositive { -1.0 } else { 1.0 };
    let words = [
        data.state.voltage.map_or(INVALID_SIGNED, |voltage| signed(voltage.get(), 100.0)),
        data.state.current.map_or(INVALID_SIGNED, |current| signed(current.get() * turn, 10.0)),
        data.state.temperature.map_or(INVALID_SIGNED, |temperature| signed(temperature.get(), 10.0)),
    ];
    Frame::new(0x356, words.as_flattened())
}

/// How to send an item that is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clear {
    /// As cleared: only that ends an alarm.
    AsTwo,
    /// Not at all.
    AsZero,
}

/// The 8 bytes of 0x35A.
pub(super) fn pairs(data: &InverterData, clear: Clear) -> [u8; 8] {
    let cleared = if clear == Clear::AsTwo { 2 } else { 0 };
    let half = |raised: &dyn Fn(Item) -> bool| {
        let pairs = PAIRS.iter().zip(0u32..).filter_map(|(item, place)| item.map(|item| (item, place)));
        pairs.fold(0u32, |word, (item, place)| word | (if raised(item) { 1 } else { cleared }) << (place * 2))
    };
    let words = [half(&|item| data.alarm(item)), half(&|item| data.warning(item))].map(u32::to_le_bytes);
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(words.as_flattened()).for_each(|(to, from)| *to = *from);
    bytes
}

/// Content of four bytes of 0x35A: raised and cleared items.
pub(super) fn understood(bytes: &[u8]) -> (Vec<Item>, Vec<Item>) {
    let (mut raised, mut cleared) = (Vec::new(), Vec::new());
    for (item, place) in PAIRS.iter().zip(0usize..).filter_map(|(item, place)| item.map(|item| (item, place))) {
        let pair = bytes.get(place / 4).map_or(0, |byte| byte >> (place % 4 * 2) & 3);
        match pair {
            1 => add(&mut raised, item),
            2 => add(&mut cleared, item),
            _ => {}
        }
    }
    (raised, cleared)
}

/// 0x35F: kind, version, capacity in Ah, maker or hardware.
pub(super) fn about(data: &InverterData, kind: u16, version: [u8; 2], last: u16) -> Frame {
    let given = data.identity.fw_bytes_2_3.as_deref().and_then(|text| crate::base::hex::decode(text).ok());
    let words = [
        data.identity.product_or_type_u16.unwrap_or(kind).to_le_bytes(),
        given.and_then(|bytes| bytes.try_into().ok()).unwrap_or(version),
        data.charge.capacity.map_or([0; 2], |capacity| unsigned(capacity.get(), 1.0)),
        data.identity.hw_or_mfr_u16.unwrap_or(last).to_le_bytes(),
    ];
    Frame::new(0x35F, words.as_flattened())
}
