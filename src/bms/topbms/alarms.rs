//! Reply 44: alarms, and the FET states, which only this reply contains. Known from the document, never recorded: what the document
//! leaves open becomes a note.

use super::{MAX_CELLS, MAX_SENSORS, UNFIT, count};
use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply, l1, l2};
use crate::bms::bytes::{Reader, set_bits};
use crate::model::{
    AlarmName::{self, *},
    Level, Reading,
};

const STATES: [Bit; 8] = [Bit::State; 8];
/// Cell failures: one bit per cell.
const CELLS: [Bit; 8] = [l2(BmsInternal); 8];

/// One row per status byte, the first is status 1; bit 0 first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 15] = [
    [l1(CellHighVoltage), l1(CellLowVoltage), l1(HighVoltage), l1(LowVoltage),
     l1(HighChargeCurrent), l1(HighDischargeCurrent), l1(CellImbalance), l2(CellImbalance)],
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighVoltage), l2(LowVoltage),
     l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(HighDischargeCurrent), l2(ShortCircuit)],
    // Charge, discharge, ambient, MOSFETs: too hot, too cold.
    [l1(HighChargeTemperature), l1(LowChargeTemperature), l1(HighTemperature), l1(LowTemperature),
     l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature), l1(LowTemperature)],
    [l2(HighChargeTemperature), l2(LowChargeTemperature), l2(HighTemperature), l2(LowTemperature),
     l2(HighTemperature), l2(LowTemperature), l2(HighMosTemperature), l2(LowTemperature)],
    [l2(BmsInternal), l1(LowSoc), Bit::Note("status 5: charge FET (meaning not documented)"),
     Bit::Note("status 5: discharge FET (meaning not documented)"), Bit::Note("status 5: hot"), Bit::Note("status 5: cold"),
     Bit::State, Bit::State],
    [Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::Note("the BMS limits the current"), Bit::State],
    STATES, // heater, cooler, buzzer, lamps
    CELLS, CELLS, CELLS, CELLS, CELLS, CELLS,
    // Discharge FET, charge FET, front end, clock, data memory, parameter memory, high voltage, pre-discharge FET.
    [l2(DischargeFetFault), l2(ChargeFetFault), l2(BmsInternal), l1(BmsInternal),
     l2(BmsInternal), l2(BmsInternal), l2(BmsInternal), l2(DischargeFetFault)],
    // Insulation of P+ and P-, battery, temperature.
    [l2(BmsInternal), l2(BmsInternal), l2(BmsInternal), l2(SensorFault),
     Bit::Note("reserved status bit set"), Bit::Note("reserved status bit set"),
     Bit::Note("reserved status bit set"), Bit::Note("reserved status bit set")],
];

/// Maximum number of bytes after the status: 2 in the document, 1 or none reported for real boards.
const MAX_RESERVED: usize = 2;

const FET_STATUS: usize = 5;
const CELL_STATUS: usize = 7;

/// Decodes the fields after the pack number.
pub(super) fn alarms(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.alarms = Some(Vec::new());
    let cells = count(r, MAX_CELLS, "cell count")?;
    codes(r.bytes(cells, "cell codes")?, CellLowVoltage, CellHighVoltage, into)?;
    let sensors = count(r, MAX_SENSORS, "sensor count")?;
    codes(r.bytes(sensors, "temperature codes")?, LowTemperature, HighTemperature, into)?;
    codes(r.bytes(1, "current code")?, HighDischargeCurrent, HighChargeCurrent, into)?;
    codes(r.bytes(1, "voltage code")?, LowVoltage, HighVoltage, into)?;
    r.skip(2, "short circuits")?;
    // The document says 10 in one place and lists 15: the announced number counts.
    let flags = count(r, BITS.len(), "number of status bytes")?;
    let status = r.bytes(flags, "status")?;
    if flags <= FET_STATUS || r.left() > MAX_RESERVED {
        return Err(UNFIT);
    }
    apply(status, &BITS, into);
    if let Some(fets) = status.get(FET_STATUS) {
        into.fets.discharge = Some(fets & 1 != 0);
        into.fets.charge = Some(fets & 2 != 0);
    }
    failed_cells(status, into);
    Ok(())
}

/// 00 OK, 01 low, 02 high, F0 another fault; any other code means that this is not such a reply.
fn codes(codes: &[u8], low: AlarmName, high: AlarmName, into: &mut Reading) -> Result<(), DecodeError> {
    for code in codes {
        match code {
            0x00 => {}
            0x01 => into.raise(low, Level::Warning),
            0x02 => into.raise(high, Level::Warning),
            0xF0 => into.raise(BmsInternal, Level::Warning),
            _ => return Err(UNFIT),
        }
    }
    Ok(())
}

fn failed_cells(status: &[u8], into: &mut Reading) {
    let failed = status.iter().skip(CELL_STATUS).take(6).zip([0u8, 8, 16, 24, 32, 40]);
    for (bits, before) in failed {
        for cell in set_bits(u32::from(*bits)) {
            into.note(format!("cell {} has failed", cell.saturating_add(before)));
        }
    }
}
