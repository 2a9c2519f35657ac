//! Failure bits of the boards at 80+n, registers 6D to 73: fourteen bytes, the low one of each register first.
//!
//! Most bytes have two levels of three bits (0 none, 1 warning, 2 and above the protection acts) and two single bits. Sources:
//! patagonaa/esphome-daly-hkms-bms (daly_hkms_bms.h and issue 2, the table of the manufacturer's program); patman15/BMS_BLE-HA
//! issue 806 is a matching recording. Registers 66 to 69 contain the failures of older boards in an undocumented order.

use super::values::Registers;
use crate::bms::bits::{Bit, apply, l1, l2};
use crate::model::{
    AlarmName::{self, *},
    Reading,
};

const RESERVED: Bit = Bit::Note("reserved failure bit set (meaning not documented)");
const BY_ORDER: Bit = Bit::Note("FETs switched off by app or another master");
const BY_SWITCH: Bit = Bit::Note("FETs switched off by a switch");

/// A byte of two levels: only level 1 has just its first bit set, every larger number has another one.
const fn levels(low: AlarmName, high: AlarmName, six: Bit, seven: Bit) -> [Bit; 8] {
    [l1(low), l2(low), l2(low), l1(high), l2(high), l2(high), six, seven]
}

const SOH_LOW: Bit = Bit::Note("SoH low: the battery has aged; this is not a fault");
/// Also set on boards without any other board: `p81-16s-discharging` is a recording of a faultless one.
const NOT_PARALLEL: Bit = Bit::Note("no other board answers (as if there were one in parallel)");

/// One row per byte, bit 0 first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 14] = [
    // Bits 6 and 7: a charger that communicates with the board is present, does not reply; below the same for a load.
    levels(CellHighVoltage, CellLowVoltage, Bit::State, l1(Communication)),
    levels(CellImbalance, HighChargeTemperature, Bit::State, l1(Communication)),
    // Bits 6 and 7: charge MOSFETs too hot, their sensor broken; below those for discharge. Sensors that differ too much: see the
    // table of the other Daly boards.
    levels(LowChargeTemperature, HighTemperature, l2(HighMosTemperature), l2(SensorFault)),
    levels(LowTemperature, SensorFault, l2(HighMosTemperature), l2(SensorFault)),
    levels(HighVoltage, LowVoltage, l2(ShortCircuit), Bit::Note("the board waits for new firmware")),
    // Bits 6 and 7: too low to be charged, too high to be discharged.
    levels(HighChargeCurrent, HighDischargeCurrent, l2(LowVoltage), l2(HighVoltage)),
    [l1(LowSoc), l2(LowSoc), l2(LowSoc), SOH_LOW, SOH_LOW, SOH_LOW, Bit::State, NOT_PARALLEL],
    // Thermal runaway of a cell is an alarm at every level.
    [l1(HighMosTemperature), l2(HighMosTemperature), l2(HighMosTemperature),
     l2(HighTemperature), l2(HighTemperature), l2(HighTemperature), RESERVED, RESERVED],
    [RESERVED; 8],
    [RESERVED; 8],
    [RESERVED; 8],
    // Front end, its communication, its sampling, cell sampling, sense wire open, pack voltage, current, temperature sampling.
    [l2(BmsInternal), l2(BmsInternal), l2(BmsInternal), l2(BmsInternal),
     l2(BmsInternal), l2(BmsInternal), l2(BmsInternal), l2(SensorFault)],
    // Temperature sensor open, EEPROM, flash, clock, FETs of charge, discharge and precharge, precharge failed.
    [l2(SensorFault), l2(BmsInternal), l2(BmsInternal), l1(BmsInternal),
     l2(ChargeFetFault), l2(DischargeFetFault), l2(Contactor), l2(Contactor)],
    // Bits 4 and 5: fan and heater run.
    [BY_ORDER, BY_ORDER, BY_SWITCH, BY_SWITCH, Bit::State, Bit::State,
     Bit::Note("the BMS limits the current"), l1(BmsInternal)],
];

/// Failures of older boards with the bit that a single board always sets (see [`NOT_PARALLEL`]).
const OLDER_AND_FINE: [u16; 4] = [0, 0, 0x0080, 0];

/// Raises the alarms in the failure registers, if the reply contains them and the board has them.
pub(super) fn failures(registers: &Registers<'_>, into: &mut Reading) {
    let Some(words) = registers.words(0x6D..0x74).collect::<Option<Vec<u16>>>() else { return };
    let bytes: Vec<u8> = words.into_iter().flat_map(u16::to_le_bytes).collect();
    into.alarms = Some(Vec::new());
    apply(&bytes, &BITS, into);
    let older = registers.words(0x66..0x6A).zip(OLDER_AND_FINE);
    if older.into_iter().any(|(word, fine)| word.is_some_and(|word| word & !fine != 0)) {
        into.note("failure registers 66 to 69 are set (meaning not documented)");
    }
}
