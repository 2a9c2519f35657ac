//! Simulated Felicity batteries, one per address; the registers are described in [`crate::bms::felicity`].

use super::encode::{signed_word, word};
use super::modbus::{Block, Map, ModbusBoard};
use super::{Responder, Unit};
use crate::bms::bits::{bytes_of, with_bit};
use crate::bms::felicity::alarms::FAULTS;
use crate::bms::modbus::{Function, Read};
use crate::model::AlarmName;

/// A board.
pub(super) fn board() -> Box<dyn Responder> {
    ModbusBoard::boxed(Map { baud: 9600, data, shown_as, shows_fets: true, shows_balancing: false, cell_step_v: 0.001 })
}

/// What has no bit is not shown.
fn shown_as(alarm: AlarmName) -> Option<AlarmName> {
    with_bit(alarm, &[&FAULTS])
}

fn data(read: Read, unit: &Unit) -> Option<Vec<u8>> {
    if read.function != Function::HoldingRegisters {
        return None;
    }
    let reported = unit.pack.reported();
    if read.first >= 0xF804 {
        let mut block = Block::new(0xF804, 8);
        block.put(0xF804, [1, 0, 0, 0, 1]);
        block.put(0xF80B, [214]);
        return block.read(read);
    }
    let mut block = Block::new(0x1302, 0x40);
    let faults = bytes_of(&reported.alarms, &FAULTS, None).as_chunks().0.iter().copied().map(u16::from_le_bytes).next();
    let allowed = u16::from(reported.charge_fet) | u16::from(reported.discharge_fet) << 2;
    block.put(0x1302, [allowed, 0, faults.unwrap_or(0)]);
    block.put(0x1306, [word(reported.voltage_v, 100.0), signed_word(-reported.current_a, 10.0)]);
    block.put(0x130A, [signed_word(reported.mos_c, 1.0), word(reported.soc_pct, 1.0)]);
    block.put(0x131C, [5760, 4480, 1000, 1200]);
    block.put(0x132A, [0x7FFF; 16]);
    block.put(0x132A, reported.cells_v.iter().map(|volts| word(*volts, 1000.0)).take(16));
    let [first, second] = reported.temperatures_c.map(|celsius| signed_word(celsius, 1.0));
    block.put(0x133A, [first, second, 0x7FFF]);
    block.read(read)
}
