//! Meaning of the frames of a DC source.

use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::can::Record;
use crate::model::AlarmName::{self, *};
use crate::model::{Level, OpenValue, RV_C_DIRECTION, Reading};

/// Voltage and current.
pub(super) const MEASURED: u32 = 0x1_FFFD;
/// Temperature and state of charge.
pub(super) const STATE: u32 = 0x1_FFFC;
/// State of health and remaining charge.
pub(super) const HEALTH: u32 = 0x1_FFFB;
/// What the battery asks of chargers.
pub(super) const DESIRED: u32 = 0x1_FEC9;
/// Limits reached, and disconnections.
pub(super) const FLAGS: u32 = 0x1_FEC7;
/// Contactors and capacity.
pub(super) const CAPACITY: u32 = 0x1_FEA5;

/// No current: the offsets of the measured and of the desired one, A.
const NO_AMPS: f64 = 2_000_000.0;
const NO_DESIRED_AMPS: f64 = 1600.0;
/// State of charging that forbids it.
const DO_NOT_CHARGE: u8 = 1;

/// The alarms of the pairs of bits, a limit and a disconnection each.
pub(crate) const ALARMS: [AlarmName; 6] = [HighVoltage, LowVoltage, LowSoc, LowTemperature, HighTemperature, HighDischargeCurrent];

/// The highest three values of each width are no values.
fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied().filter(|raw| *raw < 0xFD)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let raw = u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    Some(raw).filter(|raw| *raw < 0xFFFD)
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let raw = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    Some(raw).filter(|raw| *raw < 0xFFFF_FFFD)
}

fn volts(raw: u16) -> Volts {
    Volts::new(f64::from(raw) / 20.0)
}

/// More than 100 % is none.
fn half_percent(bytes: &[u8], at: usize) -> Option<Percent> {
    byte(bytes, at).filter(|raw| *raw <= 200).map(|raw| Percent::new(f64::from(raw) / 2.0))
}

/// Shows the values of the last frames; `frame` returns that of a DGN.
pub(super) fn show(frame: &impl Fn(u32) -> Option<Record>, into: &mut Reading) {
    into.without_cells = true;
    if let Some(record) = frame(MEASURED) {
        let bytes = record.data();
        into.voltage = word(bytes, 2).filter(|raw| *raw != 0).map(volts);
        if let Some(amps) = long(bytes, 4).map(|raw| Amps::new(f64::from(raw) / 1000.0 - NO_AMPS).rounded(3)) {
            into.leave_open(&RV_C_DIRECTION, [OpenValue::Current(amps), OpenValue::Current(Amps::new(-amps.get()))]);
        }
    }
    if let Some(record) = frame(STATE) {
        let bytes = record.data();
        let celsius = word(bytes, 2).map(|raw| Celsius::new(f64::from(raw) / 32.0 - 273.0).rounded(2));
        into.temperatures.sensors = Some(celsius.into_iter().collect());
        into.soc = half_percent(bytes, 4);
    }
    let health = frame(HEALTH);
    let health = health.as_ref().map(Record::data).unwrap_or_default();
    into.soh = half_percent(health, 2);
    into.remaining = word(health, 3).map(|raw| AmpHours::new(f64::from(raw)));
    desired(frame(DESIRED).as_ref().map(Record::data).unwrap_or_default(), into);
    into.alarms = frame(FLAGS).map(|_| Vec::new());
    if let Some(record) = frame(FLAGS) {
        flags(record.data(), into);
    }
    let capacity = frame(CAPACITY);
    let capacity = capacity.as_ref().map(Record::data).unwrap_or_default();
    let contactor = |shift: u32| match capacity.get(2).map(|pairs| pairs >> shift & 3) {
        Some(state @ (0 | 1)) => Some(state == 1),
        _ => None,
    };
    (into.fets.discharge, into.fets.charge) = (contactor(0), contactor(2));
    into.capacity = word(capacity, 3).filter(|raw| *raw != 0).map(|raw| AmpHours::new(f64::from(raw)));
}

/// A limit that is not given is unknown, and "do not charge" allows no current.
fn desired(bytes: &[u8], into: &mut Reading) {
    let amps = word(bytes, 5).map(|raw| Amps::new(f64::from(raw) / 20.0 - NO_DESIRED_AMPS).rounded(2).max(Amps::ZERO));
    into.settings.voltage_limit = word(bytes, 3).filter(|raw| *raw != 0).map(volts);
    into.settings.charge_limit = if byte(bytes, 2) == Some(DO_NOT_CHARGE) { Some(Amps::ZERO) } else { amps };
}

/// A limit that is reached is a warning, a disconnection an alarm.
fn flags(bytes: &[u8], into: &mut Reading) {
    let pairs = bytes.iter().skip(2).flat_map(|byte| [(byte & 3, byte >> 2 & 3), (byte >> 4 & 3, byte >> 6 & 3)]);
    for ((limit, disconnected), name) in pairs.zip(ALARMS) {
        match (limit, disconnected) {
            (_, 1) => into.raise(name, Level::Alarm),
            (1, _) => into.raise(name, Level::Warning),
            _ => {}
        }
    }
}
