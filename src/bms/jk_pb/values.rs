//! Fields in the frames of a JK PB board. Offsets count from the header; the Modbus address of a value is the offset - 6 above 1000
//! (settings), 1200 (live) or 1400 (device), all hexadecimal.

use super::alarms::ALARMS;
use super::frames::at;
use super::layout::{self, Layout, other_settings};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::bms::DecodeError;
use crate::bms::bits::apply_word;
use crate::bms::bytes::{show_cells, text, unless};
use crate::model::{Chemistry, ProductionDate, Reading};

/// Type 02; offsets are those of the layout of 32 cells. `further` says whether this board was seen to have more than two battery
/// sensors.
pub(super) fn live(frame: &[u8], further: &mut bool, into: &mut Reading) -> Result<(), DecodeError> {
    let layout = Layout::of(frame, into.device.sw_version.as_deref()).map_err(|what| DecodeError::Layout { what })?;
    let far = |offset| at(frame, layout.far(offset));
    let cells: Vec<_> = layout.fitted(frame).map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)).collect();
    // The settings contain the configured number of cells and capacity; until they are known, the cells present count.
    into.cell_count = into.cell_count.or(u8::try_from(cells.len()).ok()).filter(|count| *count > 0);
    show_cells(cells.into_iter(), into);
    temperatures(frame, layout, further, into)?;
    into.voltage = unless(&[u32::MAX], far(150).u32_le("pack voltage")?).map(Volts::milli);
    into.power = unless(&[u32::MAX], far(154).u32_le("power")?).map(Watts::milli); // the magnitude only
    into.current = unless(&[i32::MIN, i32::MAX], far(158).i32_le("current")?).map(Amps::milli);
    into.balancing.current = unless(&[i16::MIN, i16::MAX], far(170).i16_le("balance current")?).map(Amps::milli);
    into.balancing.active = unless(&[0xFF], far(172).u8("balancing")?).map(|state| state != 0);
    into.soc = unless(&[0xFF], far(173).u8("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.remaining = unless(&[i32::MIN, i32::MAX, -1], far(174).i32_le("remaining capacity")?).map(AmpHours::milli);
    into.full_charge = capacity(far(178).u32_le("full capacity")?);
    into.capacity = into.capacity.or(into.full_charge);
    into.cycles = unless(&[u32::MAX], far(182).u32_le("cycles")?);
    into.throughput = unless(&[u32::MAX], far(186).u32_le("throughput")?).map(AmpHours::milli);
    into.soh = unless(&[0xFF], far(190).u8("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    into.fets.charge = unless(&[0xFF], far(198).u8("charge FET")?).map(|on| on != 0);
    into.fets.discharge = unless(&[0xFF], far(199).u8("discharge FET")?).map(|on| on != 0);
    into.alarms = Some(Vec::new());
    match layout {
        Layout::Cells24 => {
            let [first, second, ..] = ALARMS;
            apply_word("alarm", at(frame, 136).u16_le("alarms")?.to_le_bytes(), &[first, second], into);
            Ok(())
        }
        Layout::Cells32 => {
            apply_word("alarm", at(frame, 166).u32_le("alarms")?.to_le_bytes(), &ALARMS, into);
            states(frame, into)
        }
    }
}

/// Seconds until a protection is released. The document and the app's list of fields name them; in every recording they are 0.
const RELEASES: [(usize, &str); 6] = [
    (202, "discharge current protection"),
    (204, "discharge short-circuit protection"),
    (206, "charge current protection"),
    (208, "charge short-circuit protection"),
    (210, "cell under-voltage protection"),
    (212, "cell over-voltage protection"),
];

/// What boards since about firmware 11 report besides. Older ones leave it 0, which is why only what is on becomes a note. Source:
/// RS485 Modbus V1.1 document, syssi/esphome-jk-bms (jk_bms_ble.cpp), and recordings with each of these states.
fn states(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    // Firmware without this field leaves it 0, so 0 does not prove LFP.
    into.settings.chemistry = match at(frame, 275).u8("cell type")? {
        1 => Some(Chemistry::Nmc),
        2 => Some(Chemistry::Lto),
        _ => None,
    };
    for (offset, what) in RELEASES {
        let seconds = unless(&[0, 0xFFFF], at(frame, offset).u16_le("release time")?);
        // In steps of ten, so that it is not another text every second.
        if let Some(tens) = seconds.map(|seconds| seconds.div_ceil(10)) {
            into.note(format!("{what}: released in {} s at most", u32::from(tens).saturating_mul(10)));
        }
    }
    into.heating = unless(&[0xFF], at(frame, 215).u8("heater")?).map(|on| on != 0);
    let heater = unless(&[i16::MIN, i16::MAX], at(frame, 236).i16_le("heater current")?);
    into.heating_current = heater.filter(|_| into.heating == Some(true)).map(Amps::milli);
    // 0 is the first phase, and what boards without charge phases send.
    match at(frame, 280).u8("charge phase")? {
        1 => into.note("charge phase of the BMS: absorption"),
        2 => into.note("charge phase of the BMS: float"),
        _ => {}
    }
    let contacts = at(frame, 281).u8("dry contacts")?;
    for (bit, text) in [(2, "dry contact 1 is on"), (4, "dry contact 2 is on")] {
        if contacts != 0xFF && contacts & bit != 0 {
            into.note(text);
        }
    }
    Ok(())
}

/// Temperatures of the MOSFETs and the battery, in the order of the document. PB boards have four battery sensors (T1, T2, T4 and
/// T5 in the app), older ones two; 254 ("T3") repeats the MOSFETs' in every recording. Boards with two send 0 for the others, which counts as a
/// temperature only on a board that was seen to have them.
fn temperatures(frame: &[u8], layout: Layout, further: &mut bool, into: &mut Reading) -> Result<(), DecodeError> {
    // Bit 0 is the MOSFETs' sensor, bits 1 to 5 those of the battery; a set bit proves nothing, nor does an empty byte.
    let mask = at(frame, layout.far(214)).u8("sensor mask")?;
    let celsius = |bit: u8, offset: usize, field| {
        let fitted = mask == 0 || (mask >> bit) & 1 == 1;
        Ok(unless(&NO_SENSOR, at(frame, offset).i16_le(field)?).filter(|_| fitted))
    };
    let mosfets = if layout == Layout::Cells24 { 134 } else { 144 };
    into.temperatures.mos = celsius(0, mosfets, "MOS temperature")?.map(Celsius::deci);
    let first = [celsius(1, layout.far(162), "sensor 1")?, celsius(2, layout.far(164), "sensor 2")?];
    let last = match layout {
        Layout::Cells24 => [None, None],
        Layout::Cells32 => [celsius(4, 256, "sensor 4")?, celsius(5, 258, "sensor 5")?],
    };
    *further |= last.iter().flatten().any(|raw| *raw != 0);
    let last = if *further { last } else { [None, None] };
    into.temperatures.sensors = Some(first.into_iter().chain(last).flatten().map(Celsius::deci).collect());
    Ok(())
}

/// Value of a sensor that is not fitted: -200.0 °C; the ends of the range are invalid, too.
const NO_SENSOR: [i16; 3] = [-2000, i16::MIN, i16::MAX];
/// A setting that is not reported.
const NO_SETTING: [u32; 2] = [0, u32::MAX];

fn capacity(milli_amp_hours: u32) -> Option<AmpHours> {
    unless(&NO_SETTING, milli_amp_hours).map(AmpHours::milli)
}

/// Type 01: words of four bytes from offset 6 on, up to the resistances the same for 24 and 32 cells.
pub(super) fn settings(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    if let Some(what) = other_settings(frame) {
        return Err(DecodeError::Layout { what });
    }
    let milli = |offset, field| at(frame, offset).u32_le(field);
    let volts = |offset, field| Ok(unless(&NO_SETTING, milli(offset, field)?).map(Volts::milli));
    let amps = |offset, field| Ok(unless(&NO_SETTING, milli(offset, field)?).map(Amps::milli));
    into.settings.cell_uvp = volts(10, "cell under-voltage protection")?;
    into.settings.cell_ovp = volts(18, "cell over-voltage protection")?;
    into.settings.charge_ocp = amps(50, "charge current protection")?;
    into.settings.discharge_ocp = amps(62, "discharge current protection")?;
    let cells = u8::try_from(milli(114, "cell count")?).ok().filter(|count| (1..=32).contains(count));
    into.cell_count = cells.or(into.cell_count);
    let switch = |offset, field| Ok(unless(&[u32::MAX], milli(offset, field)?).map(|on| on != 0));
    into.fets.charge_switch = switch(118, "charge switch")?;
    into.fets.discharge_switch = switch(122, "discharge switch")?;
    into.balancing.allowed = switch(126, "balance switch")?;
    into.design = capacity(milli(130, "capacity")?);
    into.capacity = into.design.or(into.full_charge);
    Ok(())
}

/// Type 03. The owner's text (102) and the passwords (62, 118) are skipped.
pub(super) fn device(frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.device.model = text(at(frame, 6).bytes(16, "model")?);
    into.device.hw_version = text(at(frame, 22).bytes(8, "hardware version")?);
    into.device.sw_version = layout::firmware(frame);
    into.device.production_date = text(at(frame, 78).bytes(8, "manufacturing date")?).as_deref().and_then(date);
    into.label = text(at(frame, 46).bytes(16, "device name")?);
    into.device.serial_number = text(at(frame, 86).bytes(16, "serial number")?);
    Ok(())
}

/// `240510` is 2024-05-10.
fn date(text: &str) -> Option<ProductionDate> {
    let digits = Some(text).filter(|text| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(ProductionDate::Day(format!("20{}-{}-{}", digits.get(..2)?, digits.get(2..4)?, digits.get(4..)?)))
}
