//! What stands where in the frames of a JK PB board. Offsets count from the header; the Modbus address of a value is the
//! offset - 6 above 1000 (settings), 1200 (live) or 1400 (device), all hexadecimal.

use super::super::DecodeError;
use super::super::bytes::text;
use super::at;
use crate::model::{AlarmName, Chemistry, Level, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};

/// Type 02. The sensors behind offset 254 are left out: what they are differs between documents and recordings.
pub(super) fn live(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    if let Some(what) = other_layout(frame) {
        return Err(DecodeError::Foreign { what });
    }
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
    // Bit 0 is the MOSFETs' sensor, bits 1 and 2 those of the battery; a bit that is set proves nothing, nor does an empty byte.
    let sensors = at(frame, 214).u8("sensor mask")?;
    let fitted = |bit: u8| sensors == 0 || (sensors >> bit) & 1 == 1;
    let celsius = |bit: u8, raw: i16| (raw != NO_SENSOR && fitted(bit)).then(|| Celsius::deci(raw));
    into.mos_temperature = celsius(0, at(frame, 144).i16_le("MOS temperature")?);
    into.voltage = Some(Volts::milli(at(frame, 150).u32_le("pack voltage")?));
    into.power = Some(Watts::milli(at(frame, 154).u32_le("power")?)); // the magnitude only
    into.current = Some(Amps::milli(at(frame, 158).i32_le("current")?));
    let mut battery = at(frame, 162);
    let battery = [celsius(1, battery.i16_le("sensor 1")?), celsius(2, battery.i16_le("sensor 2")?)];
    into.temperatures = Some(battery.into_iter().flatten().collect());
    // Firmware that does not know this byte leaves it 0, so 0 does not prove LFP.
    into.settings.chemistry = match at(frame, 275).u8("cell type")? {
        1 => Some(Chemistry::Nmc),
        2 => Some(Chemistry::Lto),
        _ => None,
    };
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

/// What a temperature reads without a sensor: -200.0 °C.
const NO_SENSOR: i16 = -2000;
/// No pack of these boards has so much, mV.
const ABSURD: u32 = 1_000_000;

/// The name of another layout that this frame has. Boards with firmware before 11 have room for 24 cells, so that all behind them
/// stands elsewhere; those of hardware 3 have floats. Both have the same header, type and sum (syssi/esphome-jk-bms, jk_bms_ble.cpp).
fn other_layout(frame: &[u8]) -> Option<&'static str> {
    let pack = |offset| at(frame, offset).u32_le("pack voltage").ok();
    let sum = |offset| {
        let fitted = at(frame, offset).u32_le("cell mask").ok()?;
        let mut cells = at(frame, 6);
        let mut sum = 0u32;
        for cell in 0..32u32 {
            let millivolts = u32::from(cells.u16_le("cell voltages").ok()?);
            sum = sum.saturating_add(if (fitted >> cell) & 1 == 1 { millivolts } else { 0 });
        }
        Some(sum)
    };
    let agrees = |sum: u32, pack: u32| pack > 0 && sum.abs_diff(pack) <= pack / 100;
    let (here, there) = (sum(70)?, sum(54)?);
    if pack(150)? > ABSURD {
        return Some("the layout of JK hardware 3 (floats), which is not read");
    }
    let old = !agrees(here, pack(150)?) && agrees(there, pack(118)?);
    old.then_some("the 24-cell layout of JK firmware before 11, which is not read")
}

fn capacity(milli_amp_hours: u32) -> Option<AmpHours> {
    (milli_amp_hours > 0).then(|| AmpHours::milli(milli_amp_hours))
}

/// Alarm word, bit 0 first; bits that only inform are further down. Bits 24 and up: names of the maker's app, as
/// syssi/esphome-jk-bms (jk_bms_ble.cpp) has them.
pub(crate) const ALARMS: [Option<(AlarmName, Level)>; 28] = [
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
    Some((AlarmName::Communication, Level::Alarm)),        // between parallel boards
    Some((AlarmName::ShortCircuit, Level::Alarm)),         // its protection cannot be released
    Some((AlarmName::HighDischargeCurrent, Level::Alarm)), // second level
    Some((AlarmName::HighDischargeCurrent, Level::Alarm)), // third level
    Some((AlarmName::LowTemperature, Level::Alarm)),       // discharging
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
    if bits & 1 << 28 != 0 {
        into.note("locked by GPS or remotely");
    }
    if bits >> 29 != 0 {
        into.note(format!("alarm bits {:08x} (meaning not documented)", bits & 0xE000_0000));
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
