//! What stands where in the frames of a JK PB board. Offsets count from the header; the Modbus address of a value is the
//! offset - 6 above 1000 (settings), 1200 (live) or 1400 (device), all hexadecimal.

use super::super::DecodeError;
use super::super::bytes::text;
use super::at;
use crate::model::{AlarmName, Level, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};

/// Type 02. The sensors behind offset 254 are left out: what they are differs between documents and recordings.
pub(super) fn live(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let fitted = at(frame, 70).u32_le("cell mask")?;
    let mut cells = at(frame, 6);
    into.cells.clear();
    for cell in 0..32u32 {
        let volts = Volts::milli(cells.u16_le("cell voltages")?);
        if (fitted >> cell) & 1 == 1 {
            into.cells.push(volts);
        }
    }
    // The settings say how many cells and ampere-hours there should be; until they are heard, what is there counts.
    into.cell_count = into.cell_count.or(u8::try_from(into.cells.len()).ok()).filter(|count| *count > 0);
    into.mos_temperature = Some(Celsius::deci(at(frame, 144).i16_le("MOS temperature")?));
    into.voltage = Some(Volts::milli(at(frame, 150).u32_le("pack voltage")?));
    into.power = Some(Watts::milli(at(frame, 154).u32_le("power")?)); // the magnitude only
    into.current = Some(Amps::milli(at(frame, 158).i32_le("current")?));
    let mut sensors = at(frame, 162);
    let sensors = [sensors.i16_le("sensor 1")?, sensors.i16_le("sensor 2")?];
    into.temperatures = Some(sensors.map(Celsius::deci).to_vec());
    alarms(at(frame, 166).u32_le("alarms")?, into);
    into.balance_current = Some(Amps::milli(at(frame, 170).i16_le("balance current")?));
    into.balancing = Some(at(frame, 172).u8("balancing")? != 0);
    into.soc = Some(Percent::new(f64::from(at(frame, 173).u8("SoC")?)));
    into.remaining = Some(AmpHours::milli(at(frame, 174).i32_le("remaining capacity")?));
    into.full_charge = capacity(at(frame, 178).u32_le("full capacity")?);
    into.capacity = into.capacity.or(into.full_charge);
    into.cycles = Some(at(frame, 182).u32_le("cycles")?);
    into.soh = Some(Percent::new(f64::from(at(frame, 190).u8("SoH")?)));
    into.charge_fet = Some(at(frame, 198).u8("charge FET")? != 0);
    into.discharge_fet = Some(at(frame, 199).u8("discharge FET")? != 0);
    Ok(())
}

fn capacity(milli_amp_hours: u32) -> Option<AmpHours> {
    (milli_amp_hours > 0).then(|| AmpHours::milli(milli_amp_hours))
}

/// Alarm word, bit 0 first; bits that only inform are further down.
pub(crate) const ALARMS: [Option<(AlarmName, Level)>; 24] = [
    Some((AlarmName::SensorFault, Level::Warning)), // resistance of a balance wire
    Some((AlarmName::HighMosTemperature, Level::Alarm)),
    Some((AlarmName::BmsInternal, Level::Alarm)), // cell count is not the configured one
    Some((AlarmName::SensorFault, Level::Alarm)), // current sensor
    Some((AlarmName::CellHighVoltage, Level::Alarm)),
    Some((AlarmName::HighVoltage, Level::Alarm)),
    Some((AlarmName::HighChargeCurrent, Level::Alarm)),
    Some((AlarmName::ShortCircuit, Level::Alarm)),
    Some((AlarmName::HighChargeTemperature, Level::Alarm)),
    Some((AlarmName::LowChargeTemperature, Level::Alarm)),
    Some((AlarmName::BmsInternal, Level::Alarm)), // auxiliary processor does not answer
    Some((AlarmName::CellLowVoltage, Level::Alarm)),
    Some((AlarmName::LowVoltage, Level::Alarm)),
    Some((AlarmName::HighDischargeCurrent, Level::Alarm)),
    Some((AlarmName::ShortCircuit, Level::Alarm)),
    Some((AlarmName::HighTemperature, Level::Alarm)), // discharging
    Some((AlarmName::ChargeFetFault, Level::Alarm)),
    Some((AlarmName::DischargeFetFault, Level::Alarm)),
    None,
    None,
    Some((AlarmName::DischargeFetFault, Level::Alarm)), // does not switch on
    Some((AlarmName::HighTemperature, Level::Alarm)),
    Some((AlarmName::SensorFault, Level::Alarm)),
    Some((AlarmName::Communication, Level::Alarm)), // between parallel boards
];

fn alarms(bits: u32, into: &mut Reading) {
    into.alarms = Some(Vec::new());
    let active = ALARMS.into_iter().enumerate().filter(|(bit, _)| (bits >> bit) & 1 == 1);
    active.filter_map(|(_, alarm)| alarm).for_each(|(name, level)| into.raise(name, level));
    if bits & 1 << 18 != 0 {
        into.note("GPS disconnected");
    }
    if bits & 1 << 19 != 0 {
        into.note("the BMS still has its default password: change it in the app");
    }
    if bits >> 24 != 0 {
        into.note(format!("alarm bits {:08x} (meaning not documented)", bits & 0xFF00_0000));
    }
}

/// Type 01: words of four bytes from offset 6 on.
pub(super) fn settings(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let milli = |offset, field| at(frame, offset).u32_le(field);
    into.settings.cell_uvp = Some(Volts::milli(milli(10, "cell under-voltage protection")?));
    into.settings.cell_ovp = Some(Volts::milli(milli(18, "cell over-voltage protection")?));
    into.settings.charge_ocp = Some(Amps::milli(milli(50, "charge current protection")?));
    into.settings.discharge_ocp = Some(Amps::milli(milli(62, "discharge current protection")?));
    into.cell_count = u8::try_from(milli(114, "cell count")?).ok().filter(|count| *count > 0);
    let switch = |offset, field| Ok(Some(milli(offset, field)? != 0));
    into.charge_switch = switch(118, "charge switch")?;
    into.discharge_switch = switch(122, "discharge switch")?;
    into.balance_allowed = switch(126, "balance switch")?;
    into.capacity = capacity(milli(130, "capacity")?);
    Ok(())
}

/// Type 03. What the owner typed (102) and the passwords (62, 118) are passed over.
pub(super) fn device(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.model = text(at(frame, 6).bytes(16, "model")?);
    into.hw_version = text(at(frame, 22).bytes(8, "hardware version")?);
    into.sw_version = text(at(frame, 30).bytes(8, "software version")?);
    into.production_date = text(at(frame, 78).bytes(8, "manufacturing date")?).as_deref().and_then(date);
    into.label = text(at(frame, 46).bytes(16, "device name")?);
    into.serial_number = text(at(frame, 86).bytes(16, "serial number")?);
    Ok(())
}

/// `240510` is 2024-05-10.
fn date(text: &str) -> Option<String> {
    let digits = Some(text).filter(|text| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(format!("20{}-{}-{}", digits.get(..2)?, digits.get(2..4)?, digits.get(4..)?))
}
