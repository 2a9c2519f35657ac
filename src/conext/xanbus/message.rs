//! The content of messages, all numbers with the low byte first. Sources: extrafu/berrybms, kaanow/volthium_reader and
//! xela144/CANaconda, checked on the payloads that the first two recorded.

use super::assembler::Pgn;
use crate::base::units::round;
use crate::conext::Family;
use crate::conext::quantities::*;
use crate::conext::registers::celsius;
use crate::conext::tables::{AGS_ACTION, CHARGER, INVERTER};
use crate::model::{DeviceValue, Quantity};

const PRODUCT: Pgn = 0x1F014;
const HARDWARE: Pgn = 0x1F810;
const BATTERY_STATUS: Pgn = 0x1F0C4;
const SOURCE_STATUS: Pgn = 0x1F0C5;
const CHARGER_STATUS: Pgn = 0x1F00E;
const INVERTER_STATUS: Pgn = 0x1F0BD;
const MONITOR_STATUS: Pgn = 0x1F01B;
const AGS_STATUS_MESSAGE: Pgn = 0x1F011;
const AC_STATUS: Pgn = 0x1F016;
const MPPT_ENERGY: Pgn = 0x1F0BE;
const TIME: Pgn = 0x1F809;

/// What a device is connected to, in a message about it.
const BATTERY: u8 = 0x03;
const GENERATOR: u8 = 0x13;
const PV: u8 = 0x15;
const LOAD: u8 = 0x33;
const GRID: u8 = 0x43;

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The family that sends such messages.
    pub family: Option<Family>,
    /// The family by its product information.
    pub product: Option<Family>,
    /// Serial number.
    pub serial: Option<String>,
    /// Values.
    pub values: Vec<(&'static Quantity, DeviceValue)>,
}

/// Messages of one frame.
pub(super) fn is_single(pgn: Pgn) -> bool {
    matches!(pgn, INVERTER_STATUS | TIME)
}

/// Messages with values.
pub(super) fn is_known(pgn: Pgn) -> bool {
    matches!(
        pgn,
        BATTERY_STATUS
            | SOURCE_STATUS
            | CHARGER_STATUS
            | INVERTER_STATUS
            | MONITOR_STATUS
            | AGS_STATUS_MESSAGE
            | AC_STATUS
            | MPPT_ENERGY
    )
}

/// The content of a message; `None` if it has none that is of interest, or cannot be true.
pub fn decode(pgn: Pgn, bytes: &[u8]) -> Option<Decoded> {
    match pgn {
        PRODUCT => product(bytes),
        HARDWARE => hardware(bytes),
        BATTERY_STATUS => battery_side(bytes, 1.0),
        SOURCE_STATUS => match *bytes.get(1)? {
            PV => modules(bytes),
            // As a source it delivers: what charges the battery is negative here.
            BATTERY => battery_side(bytes, -1.0),
            _ => None,
        },
        CHARGER_STATUS => {
            let level = byte(bytes, 10).filter(|raw| *raw <= 200);
            let mut values = vec![(&CHARGER_STATE, word(CHARGER, short(bytes, 12)?))];
            values.extend(level.map(|level| (&CHARGE_LEVEL, f64::from(level).into())));
            Some(Decoded { values, ..Decoded::default() })
        }
        INVERTER_STATUS => {
            let values = vec![(&INVERTER_STATE, word(INVERTER, short(bytes, 2)?))];
            Some(Decoded { family: Some(Family::Xw), values, ..Decoded::default() })
        }
        MONITOR_STATUS => monitor(bytes),
        AGS_STATUS_MESSAGE => {
            let values =
                vec![(&AGS_DOES, word(AGS_ACTION, u16::from(byte(bytes, 4)?))), (&AGS_REASON, f64::from(byte(bytes, 5)?).into())];
            Some(Decoded { family: Some(Family::Ags), values, ..Decoded::default() })
        }
        AC_STATUS => ac(bytes),
        MPPT_ENERGY => {
            let mut values = Vec::new();
            values.extend(long(bytes, 23).map(|raw| (&PV_LIFE, f64::from(raw).into())));
            values.extend(long(bytes, 50).map(|raw| (&PV_DAY, f64::from(raw).into())));
            Some(Decoded { family: Some(Family::Mppt80), values, ..Decoded::default() })
        }
        _ => None,
    }
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes)).filter(|raw| *raw != u16::MAX)
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).filter(|raw| *raw != u32::MAX)
}

fn signed(bytes: &[u8], at: usize) -> Option<i32> {
    let raw = bytes.get(at..)?.first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
    raw.filter(|raw| !matches!(*raw, i32::MIN | i32::MAX))
}

fn word(names: &'static [(u16, &'static str)], raw: u16) -> DeviceValue {
    let name = names.iter().find(|(number, _)| *number == raw).map(|(_, name)| *name);
    name.map_or_else(|| format!("state {raw}").into(), DeviceValue::from)
}

fn milli(raw: f64) -> f64 {
    round(raw / 1000.0, 3)
}

/// Voltage, current and power of a message about direct current. The three belong to one message only if they agree: frames of two
/// messages that were mixed give a power that is neither.
fn direct(bytes: &[u8]) -> Option<(f64, f64, f64)> {
    let (volts, amps) = (milli(f64::from(long(bytes, 2)?)), milli(f64::from(signed(bytes, 6)?)));
    let watts = f64::from(signed(bytes, 10)?);
    let product = (volts * amps).abs();
    let agrees = if amps.abs() > 1.0 { (watts.abs() - product).abs() <= 0.1 * product } else { watts.abs() <= 1.1 * volts + 10.0 };
    (agrees && volts <= 1000.0 && amps.abs() <= 1000.0).then_some((volts, amps, watts))
}

fn battery_side(bytes: &[u8], sign: f64) -> Option<Decoded> {
    if byte(bytes, 1)? != BATTERY {
        return None;
    }
    let (volts, amps, watts) = direct(bytes)?;
    let amps = if amps == 0.0 { 0.0 } else { amps * sign };
    // The power is a magnitude; the current has the direction.
    let watts = if amps < 0.0 { -watts.abs() } else { watts.abs() };
    let values = vec![(&DC_VOLTAGE, volts.into()), (&DC_CURRENT, amps.into()), (&DC_POWER, watts.into())];
    Some(Decoded { values, ..Decoded::default() })
}

fn modules(bytes: &[u8]) -> Option<Decoded> {
    let (volts, amps, watts) = direct(bytes)?;
    let mut values: Vec<(&'static Quantity, DeviceValue)> = vec![(&PV_VOLTAGE, volts.into())];
    // A device that does not measure them sends 0 for ever.
    if amps != 0.0 || watts != 0.0 {
        values.extend([(&PV_CURRENT, amps.into()), (&PV_POWER, watts.into())]);
    }
    Some(Decoded { family: Some(Family::Mppt80), values, ..Decoded::default() })
}

fn monitor(bytes: &[u8]) -> Option<Decoded> {
    let mut values: Vec<(&'static Quantity, DeviceValue)> = Vec::new();
    let volts = milli(f64::from(long(bytes, 2)?));
    let amps = milli(f64::from(signed(bytes, 6)?));
    let soc = byte(bytes, 16).filter(|soc| *soc <= 100);
    if volts > 1000.0 || amps.abs() > 3000.0 {
        return None;
    }
    values.extend([(&VOLTAGE, volts.into()), (&CURRENT, amps.into())]);
    values.extend(short(bytes, 10).and_then(|raw| celsius(u32::from(raw))).map(|celsius| (&TEMPERATURE, celsius)));
    values.extend(short(bytes, 12).map(|raw| (&REMOVED, f64::from(raw).into())));
    values.extend(short(bytes, 14).map(|raw| (&REMAINING, f64::from(raw).into())));
    values.extend(soc.map(|soc| (&SOC, f64::from(soc).into())));
    values.extend(short(bytes, 18).map(|minutes| (&TIME_TO_EMPTY, (f64::from(minutes) * 60.0).into())));
    Some(Decoded { family: Some(Family::BatteryMonitor), values, ..Decoded::default() })
}

/// A line of alternating current: 25 bytes.
struct Line {
    number: u8,
    volts: f64,
    amps: Option<f64>,
    hertz: Option<f64>,
    watts: Option<f64>,
    apparent: Option<f64>,
}

fn line(bytes: &[u8]) -> Option<Line> {
    let volts = milli(f64::from(long(bytes, 2)?));
    let hertz = short(bytes, 11).or_else(|| short(bytes, 13)).map(|raw| f64::from(raw) / 100.0);
    Some(Line {
        number: byte(bytes, 0)?,
        volts,
        amps: signed(bytes, 6).map(|raw| milli(f64::from(raw))),
        // Without a voltage there is no frequency.
        hertz: hertz.filter(|_| volts > 10.0),
        watts: signed(bytes, 15).map(f64::from),
        apparent: signed(bytes, 19).map(f64::from),
    })
}

/// Alternating current. The sum of lines 1 and 2; line 3 is the voltage between them. There is no check of voltage times current: the
/// load does not obey it (a power factor).
fn ac(bytes: &[u8]) -> Option<Decoded> {
    let association = byte(bytes, 1)?;
    let lines: Vec<Line> = bytes.get(3..)?.chunks_exact(25).map(line).collect::<Option<_>>()?;
    if lines.is_empty() || !lines.iter().zip(1..).all(|(line, number)| line.number == number && line.volts <= 1000.0) {
        return None;
    }
    let of_phases = |value: fn(&Line) -> Option<f64>| {
        let values: Option<Vec<f64>> = lines.iter().take(2).map(value).collect();
        values.map(|values| round(values.iter().sum(), 3))
    };
    let (watts, apparent) = (of_phases(|line| line.watts), of_phases(|line| line.apparent));
    let first = lines.first()?;
    // What flows into the inverter is negative on the bus.
    let inward = |value: Option<f64>| value.map(|value| if value == 0.0 { 0.0 } else { -value });
    let mut values: Vec<(&'static Quantity, DeviceValue)> = Vec::new();
    let mut add = |quantity: &'static Quantity, value: Option<f64>| values.extend(value.map(|value| (quantity, value.into())));
    match association {
        LOAD => {
            add(&LOAD_VOLTAGE, Some(first.volts));
            add(&LOAD_CURRENT, of_phases(|line| line.amps));
            add(&LOAD_FREQUENCY, first.hertz);
            add(&LOAD_POWER, watts);
            add(&LOAD_APPARENT, apparent);
        }
        GENERATOR => {
            add(&GENERATOR_VOLTAGE, Some(first.volts));
            add(&GENERATOR_FREQUENCY, first.hertz);
            add(&GENERATOR_POWER, inward(watts));
            add(&GENERATOR_APPARENT, inward(apparent));
        }
        GRID => {
            add(&GRID_VOLTAGE, Some(first.volts));
            add(&GRID_FREQUENCY, first.hertz);
            add(&GRID_CURRENT, inward(of_phases(|line| line.amps)));
            add(&GRID_POWER, inward(watts));
        }
        _ => return None,
    }
    Some(Decoded { family: Some(Family::Xw), values, ..Decoded::default() })
}

fn product(bytes: &[u8]) -> Option<Decoded> {
    let part = bytes.get(17..29)?;
    let part: Vec<u8> = part.iter().copied().take_while(|byte| byte.is_ascii_graphic()).collect();
    let family = Family::of_part(&String::from_utf8(part).ok()?)?;
    Some(Decoded { product: Some(family), ..Decoded::default() })
}

/// The serial number, from the seventh byte on.
fn hardware(bytes: &[u8]) -> Option<Decoded> {
    let serial: Vec<u8> = bytes.get(6..)?.iter().copied().take_while(u8::is_ascii_alphanumeric).take(20).collect();
    let serial = String::from_utf8(serial).ok().filter(|serial| serial.len() >= 4)?;
    Some(Decoded { serial: Some(serial), ..Decoded::default() })
}
