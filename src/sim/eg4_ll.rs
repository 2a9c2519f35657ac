//! Simulated EG4 LL packs, one per address; the registers are described in [`crate::bms::eg4_ll`].

use super::encode::{bits, signed_word, word};
use super::modbus::{Block, Map, ModbusBoard};
use super::{Responder, Unit};
use crate::bms::bits::{Bit, bytes_of, with_bit};
use crate::bms::eg4_ll::alarms::{ERRORS, PROTECTIONS};
use crate::bms::modbus::{Function, Read};
use crate::model::AlarmName;

/// A board.
pub(super) fn board() -> Box<dyn Responder> {
    ModbusBoard::boxed(Map { baud: 9600, data, shown_as, shows_fets: false, shows_balancing: true, cell_step_v: 0.001 })
}

/// What has no bit is not shown.
fn shown_as(alarm: AlarmName) -> Option<AlarmName> {
    with_bit(alarm, &[&PROTECTIONS, &ERRORS])
}

fn data(read: Read, unit: &Unit) -> Option<Vec<u8>> {
    if read.function != Function::HoldingRegisters {
        return None;
    }
    let reported = unit.pack.reported();
    if read.first == 0x69 {
        let mut block = Block::new(0x69, 0x17);
        block.put_text(0x69, 12, "LFP-51.2V280Ah-V1.0");
        block.put_text(0x75, 3, "Z02T04");
        block.put_text(0x78, 8, "2022-10-26");
        return block.read(read);
    }
    let mut block = Block::new(0, 0x27);
    block.put(0, [word(reported.voltage_v, 100.0), signed_word(reported.current_a, 100.0)]);
    block.put(2, reported.cells_v.iter().map(|volts| word(*volts, 1000.0)).take(16));
    let degrees = |celsius: f64| signed_word(celsius, 1.0);
    block.put(18, [degrees(reported.mos_c), 0, 0, word(reported.remaining_ah, 1.0), 100, 99, word(reported.soc_pct, 1.0)]);
    let shown = |table: &[[Bit; 8]]| {
        let bytes = bytes_of(&reported.alarms, table, None);
        bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes).next().unwrap_or(0)
    };
    block.put(27, [shown(&PROTECTIONS), shown(&ERRORS), 0, reported.cycles as u16]);
    let full = ((reported.capacity_ah * 3_600_000.0) as u32).to_be_bytes();
    block.put(31, full.as_chunks().0.iter().copied().map(u16::from_be_bytes));
    let [first, second] = reported.temperatures_c.map(|celsius| (celsius.round() as i8).cast_unsigned());
    let pair = u16::from_be_bytes([first, second]);
    block.put(33, [pair, pair, 0, reported.cells_v.len() as u16, word(reported.capacity_ah, 10.0)]);
    block.put(38, [bits(reported.balancing.iter().copied()) as u16]);
    block.read(read)
}
