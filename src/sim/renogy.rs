//! Simulated Renogy batteries, one per address; the registers are described in [`crate::bms::renogy`].
//!
//! Cells and pack voltage have steps of 0.1 V, as on real ones; balancing is not told.

use super::encode::{signed_word, word};
use super::modbus::{Block, Map, ModbusBoard};
use super::{Responder, Unit};
use crate::bms::bits::{bytes_of, with_bit};
use crate::bms::modbus::{Function, Read};
use crate::bms::renogy::alarms::PROTECTIONS;
use crate::model::AlarmName;

/// A board.
pub(super) fn board() -> Box<dyn Responder> {
    ModbusBoard::boxed(Map { baud: 9600, data, shown_as, shows_fets: true, shows_balancing: false, cell_step_v: 0.1 })
}

/// What has no bit is not shown.
fn shown_as(alarm: AlarmName) -> Option<AlarmName> {
    with_bit(alarm, &[&PROTECTIONS])
}

fn data(read: Read, unit: &Unit) -> Option<Vec<u8>> {
    if read.function != Function::HoldingRegisters {
        return None;
    }
    let reported = unit.pack.reported();
    let mut block = match read.first {
        0x1388..0x13B2 => Block::new(0x1388, 0x22),
        0x13B2..0x13EC => Block::new(0x13B2, 7),
        0x13EC..0x13F6 => Block::new(0x13EC, 8),
        0x13F6..0x1410 => Block::new(0x13F6, 0x1A),
        _ => return None,
    };
    match read.first {
        0x1388..0x13B2 => {
            block.put(0x1388, [reported.cells_v.len() as u16]);
            block.put(0x1389, reported.cells_v.iter().map(|volts| word(*volts, 10.0)).take(16));
            block.put(0x1399, [2]);
            block.put(0x139A, reported.temperatures_c.map(|celsius| signed_word(celsius, 10.0)));
        }
        0x13B2..0x13EC => {
            let charge = |ah: f64| ((ah * 1000.0).round() as u32).to_be_bytes().as_chunks().0.to_vec();
            let charges = [charge(reported.remaining_ah), charge(reported.capacity_ah)].concat();
            block.put(0x13B2, [signed_word(reported.current_a, 100.0), word(reported.voltage_v, 10.0)]);
            block.put(0x13B4, charges.into_iter().map(u16::from_be_bytes));
            block.put(0x13B8, [reported.cycles as u16]);
        }
        0x13EC..0x13F6 => {
            let bytes = bytes_of(&reported.alarms, &PROTECTIONS, None);
            let state = bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes).next().unwrap_or(0);
            block.put(0x13F2, [state | u16::from(reported.charge_fet) << 1 | u16::from(reported.discharge_fet) << 2 | 8]);
        }
        _ => {
            block.put_text(0x13F6, 8, "0000000000000001");
            block.put_text(0x1402, 8, "RBT100LFP12-BT");
            block.put_text(0x140A, 2, "0100");
        }
    }
    block.read(read)
}
