//! Simulated PACE packs with Modbus, one per address; the registers are described in [`crate::bms::pace_modbus`].

use super::encode::{bits, signed_word, word};
use super::modbus::{Block, Map, ModbusBoard};
use super::{Responder, Unit};
use crate::bms::bits::{Bit, bytes_of, with_bit};
use crate::bms::modbus::{Function, Read};
use crate::bms::pace_modbus::alarms::{FAULTS, PROTECTIONS};
use crate::model::AlarmName;

/// A board.
pub(super) fn board() -> Box<dyn Responder> {
    ModbusBoard::boxed(Map { baud: 9600, data, shown_as, shows_fets: true, shows_balancing: true, cell_step_v: 0.001 })
}

/// What has no bit is not shown.
fn shown_as(alarm: AlarmName) -> Option<AlarmName> {
    with_bit(alarm, &[&PROTECTIONS, &FAULTS])
}

fn data(read: Read, unit: &Unit) -> Option<Vec<u8>> {
    if read.function != Function::HoldingRegisters {
        return None;
    }
    let reported = unit.pack.reported();
    if read.first >= 150 {
        let mut block = Block::new(150, 30);
        block.put_text(150, 10, "P16S100A-1812-1.00");
        block.put_text(160, 10, "18120000000000000001");
        return block.read(read);
    }
    if read.first >= 60 {
        let mut block = Block::new(60, 55);
        let cells = reported.cells_v.len() as f64;
        block.put(61, [word(3.65 * cells, 1000.0)]);
        block.put(65, [3650]);
        block.put(69, [word(2.5 * cells, 1000.0)]);
        block.put(73, [2500]);
        block.put(77, [150]);
        block.put(80, [200]);
        return block.read(read);
    }
    let mut block = Block::new(0, 0x27);
    block.put(0, [signed_word(reported.current_a, 100.0), word(reported.voltage_v, 100.0)]);
    block.put(2, [word(reported.soc_pct, 1.0), 99, word(reported.remaining_ah, 100.0)]);
    let capacity = word(reported.capacity_ah, 100.0);
    block.put(5, [capacity, capacity, reported.cycles as u16]);
    let shown = |table: &[[Bit; 8]]| {
        let bytes = bytes_of(&reported.alarms, table, None);
        bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes).next().unwrap_or(0)
    };
    let fets = u16::from(reported.charge_fet) << 10 | u16::from(reported.discharge_fet) << 11;
    block.put(10, [shown(&PROTECTIONS), shown(&FAULTS) | fets, bits(reported.balancing.iter().copied()) as u16]);
    block.put(15, reported.cells_v.iter().map(|volts| word(*volts, 1000.0)).take(16));
    let [first, second] = reported.temperatures_c.map(|celsius| signed_word(celsius, 10.0));
    block.put(31, [first, second, first, second, signed_word(reported.mos_c, 10.0), 250]);
    block.read(read)
}
