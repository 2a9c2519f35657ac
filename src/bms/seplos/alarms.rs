//! Reply 44: alarms, FETs and balancing. An owner has confirmed which bits are protections (syssi/esphome-seplos-bms#155).

use super::head;
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{UNFIT, alarm_codes, code};
use crate::bms::bits::{Bit, apply, l1, l2};
use crate::bms::bytes::{Reader, show_balancing};
use crate::model::{AlarmName::*, Level, OpenValue, Reading, SEPLOS_HOT_MOSFETS};

const RESERVED: Bit = Bit::Note("reserved status bit set");
const MEMORY: Bit = Bit::Note("the BMS reports a fault of its memory, clock or calibration");

/// Cells, then the pack; warning and protection in turn. EG4 has the same bytes.
#[rustfmt::skip]
pub(crate) const VOLTAGES: [Bit; 8] = [
    l1(CellHighVoltage), l2(CellHighVoltage), l1(CellLowVoltage), l2(CellLowVoltage),
    l1(HighVoltage), l2(HighVoltage), l1(LowVoltage), l2(LowVoltage),
];
/// While charging, then while discharging.
#[rustfmt::skip]
pub(crate) const TEMPERATURES: [Bit; 8] = [
    l1(HighChargeTemperature), l2(HighChargeTemperature), l1(LowChargeTemperature), l2(LowChargeTemperature),
    l1(HighTemperature), l2(HighTemperature), l1(LowTemperature), l2(LowTemperature),
];
/// Charge, discharge, transient current, short circuit; the last two keep the FETs off after repeated faults.
#[rustfmt::skip]
pub(crate) const CURRENTS: [Bit; 8] = [
    l1(HighChargeCurrent), l2(HighChargeCurrent), l1(HighDischargeCurrent), l2(HighDischargeCurrent),
    l2(HighDischargeCurrent), l2(ShortCircuit), l2(HighDischargeCurrent), l2(ShortCircuit),
];
/// Discharge FET, charge FET, limiter, heater.
#[rustfmt::skip]
pub(crate) const SWITCHES: [Bit; 8] = [
    Bit::State, Bit::State, Bit::Note("the BMS limits the charge current"), Bit::State,
    Bit::State, Bit::State, Bit::State, Bit::State,
];
/// Cells whose wire is loose: one bit per cell.
const WIRES: [Bit; 8] = [l2(BmsInternal); 8];

/// One row per byte, bit 0 first; the six bytes behind them are reserved.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 14] = [
    // Faults: voltage, temperature and current measurement, key, cell difference, charge, discharge and limiter switch.
    [l2(BmsInternal), l2(SensorFault), l2(BmsInternal), Bit::Note("the BMS reports a fault of its key"),
     l2(CellImbalance), l2(ChargeFetFault), l2(DischargeFetFault), Bit::Note("the BMS reports a fault of its current limiter")],
    VOLTAGES,
    TEMPERATURES,
    // Environment, then MOSFETs: the documents contradict each other which of those two bits is the protection.
    [l1(HighTemperature), l2(HighTemperature), l1(LowTemperature), l2(LowTemperature),
     l1(HighMosTemperature), l1(HighMosTemperature), Bit::Note("heating"), RESERVED],
    CURRENTS,
    // Waiting to be charged again (bit 1) lasts for hours in every full pack: a state.
    [l2(HighVoltage), Bit::State, l1(LowSoc), l2(LowSoc),
     l2(LowVoltage), l2(BmsInternal), Bit::Note("the output is connected"), RESERVED],
    SWITCHES,
    // Balancing: cells 1 to 8, 9 to 16.
    [Bit::State; 8],
    [Bit::State; 8],
    // Discharging, charging, floating, reserved, standby, off.
    [Bit::State; 8],
    WIRES,
    WIRES,
    // Internal, but for "waiting for charging", automatic and manual.
    [RESERVED, RESERVED, RESERVED, RESERVED, Bit::State, Bit::State, RESERVED, RESERVED],
    [MEMORY; 8],
];

const STATUS: u8 = 20;
/// Hot MOSFETs in the fourth byte: a warning and a protection in an order that the documents contradict each other about.
const MOSFETS: u8 = 0x30;
const MOSFETS_BIT_4: u8 = 0x10;

pub(super) fn alarms(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    alarm_codes(r, into)?;
    code(r, "current code", HighDischargeCurrent, HighChargeCurrent, into)?;
    code(r, "voltage code", LowVoltage, HighVoltage, into)?;
    if r.u8("number of status bytes")? != STATUS || r.left() != usize::from(STATUS) {
        return Err(UNFIT);
    }
    let status = r.bytes(BITS.len(), "status")?;
    let &[_, _, _, environment, _, _, fets, low, high, ..] = status else { return Err(UNFIT) };
    apply(status, &BITS, into);
    match environment & MOSFETS {
        0 => {}
        MOSFETS => into.raise(HighMosTemperature, Level::Alarm),
        one => {
            let level = |is_alarm| OpenValue::Alarm(HighMosTemperature, if is_alarm { Level::Alarm } else { Level::Warning });
            into.leave_open(&SEPLOS_HOT_MOSFETS, [level(one == MOSFETS_BIT_4), level(one != MOSFETS_BIT_4)]);
        }
    }
    into.fets.discharge = Some(fets & 1 != 0);
    into.fets.charge = Some(fets & 2 != 0);
    into.heating = Some(fets & 8 != 0);
    let balancing = u32::from(u16::from_le_bytes([low, high]));
    show_balancing(balancing, into);
    Ok(())
}
