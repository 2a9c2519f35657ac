//! Fields of the basic information (register 03).

use super::alarms::{LOCKED, PROTECTIONS};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bits::apply_word;
use crate::bms::bytes::{Reader, show_balancing, u16s_be, unless};
use crate::model::{ProductionDate, Reading};

/// A sensor that is not fitted: 0 K, or more than any sensor can measure.
const NO_SENSOR: [u16; 2] = [0, 0xFFFF];

pub(super) fn basic(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("nominal capacity")?).map(AmpHours::centi);
    into.design = into.capacity;
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.device.production_date = date(r.u16_be("production date")?);
    let balancing = u32::from(r.u16_be("balancing 1-16")?) | (u32::from(r.u16_be("balancing 17-32")?) << 16);
    show_balancing(balancing, into);
    let protection = r.u16_be("protection")?;
    into.alarms = Some(Vec::new());
    apply_word("protection", protection.to_le_bytes(), &PROTECTIONS, into);
    let version = r.u8("software version")?;
    into.device.sw_version = Some(format!("{}.{}", version >> 4, version & 0x0F));
    into.soc = unless(&[0xFF], r.u8("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    let fets = r.u8("FET state")?;
    into.fets.charge = Some(fets & 1 != 0);
    into.fets.discharge = Some(fets & 2 != 0);
    // One bit shows that a switch holds a FET off. A FET that is off without it is held by a protection, if one has acted; if both
    // are possible, or neither, the switch is unknown.
    let (locked, protected) = (protection & LOCKED != 0, protection & !LOCKED != 0);
    let switch = |on: bool| if on || (protected && !locked) { Some(true) } else { (locked && !protected).then_some(false) };
    into.fets.charge_switch = switch(fets & 1 != 0);
    into.fets.discharge_switch = switch(fets & 2 != 0);
    into.cell_count = unless(&[0, 0xFF], r.u8("cell count")?);
    let sensors = usize::from(r.u8("sensor count")?);
    // A board may announce more sensors than it sends: then none of them is used.
    if let Ok(sensors) = r.bytes(sensors.saturating_mul(2), "temperatures") {
        let fitted = u16s_be(sensors).filter_map(|raw| unless(&NO_SENSOR, raw));
        into.temperatures.sensors = Some(fitted.map(Celsius::deci_kelvin).collect());
        if r.left() >= 9 {
            newer_firmware(r, into)?;
        }
    }
    Ok(())
}

/// Nine more bytes of firmware since about 2022 (data lengths 22h and 26h).
fn newer_firmware(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.humidity = unless(&[0xFF], r.u8("humidity")?).map(|raw| Percent::new(f64::from(raw)));
    let alarm_status = r.u16_be("alarm status")?;
    if alarm_status != 0 {
        // These bits are undocumented and not set in any recording.
        into.note(format!("alarm status {alarm_status:04x} (meaning not documented)"));
    }
    into.full_charge = unless(&[0, 0xFFFF], r.u16_be("full charge capacity")?).map(AmpHours::centi);
    r.skip(2, "remaining capacity again")?;
    into.balancing.current = unless(&[0xFFFF], r.u16_be("balance current")?).map(Amps::milli);
    Ok(())
}

/// Protections in the order of register AA. Sources: syssi/esphome-jbd-bms (jbd_bms.cpp) and its recording of a board with 122 and 2
/// in the places of the cell voltages.
const COUNTED: [&str; 11] = [
    "short circuit",
    "high charge current",
    "high discharge current",
    "cell voltage high",
    "cell voltage low",
    "high charge temperature",
    "low charge temperature",
    "high temperature",
    "low temperature",
    "pack voltage high",
    "pack voltage low",
];

/// How often protections have acted since the counters were cleared, as a note; `None` if none has, or the reply has another form.
pub(super) fn acted(data: &[u8]) -> Option<String> {
    if data.len() != 24 {
        return None;
    }
    let counted = u16s_be(data).zip(COUNTED).filter(|(count, _)| !matches!(count, 0 | 0xFFFF));
    let list: Vec<String> = counted.map(|(count, what)| format!("{what} {count}")).collect();
    (!list.is_empty()).then(|| format!("protections have acted so far: {}", list.join(", ")))
}

/// Year since 2000 in 7 bits, month in 4, day in 5.
fn date(packed: u16) -> Option<ProductionDate> {
    let (year, month, day) = (packed >> 9, (packed >> 5) & 15, packed & 31);
    (matches!(month, 1..=12) && day > 0).then(|| ProductionDate::Day(format!("20{year:02}-{month:02}-{day:02}")))
}
