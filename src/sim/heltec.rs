//! Simulated Heltec boards, one per address; the registers are described in [`crate::bms::heltec`].

use super::encode::{bits, signed_word, word};
use super::modbus::{Block, Map, ModbusBoard};
use super::{Responder, Unit};
use crate::bms::bits::{bytes_of, with_bit};
use crate::bms::heltec::alarms::ALARMS;
use crate::bms::modbus::{Function, Read};
use crate::model::AlarmName;

/// A board.
pub(super) fn board() -> Box<dyn Responder> {
    ModbusBoard::boxed(Map { baud: 9600, data, shown_as, shows_fets: true, shows_balancing: true, cell_step_v: 0.001 })
}

/// What has no bit is not shown.
fn shown_as(alarm: AlarmName) -> Option<AlarmName> {
    with_bit(alarm, &[&ALARMS])
}

/// Two registers, the low byte first.
fn long(value: u32) -> [u16; 2] {
    let [a, b, c, d] = value.to_le_bytes();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

fn data(read: Read, unit: &Unit) -> Option<Vec<u8>> {
    if read.function != Function::HoldingRegisters {
        return None;
    }
    let reported = unit.pack.reported();
    let rounded = |value: f64| long((value.round() as i32).cast_unsigned());
    let pair = |first: u8, second: u8| u16::from_be_bytes([first, second]);
    let mut block = Block::new(2, 240);
    block.put(2, [0x1234, 0x5678, 0, u16::from(unit.address)]);
    block.put_text(7, 13, "SIMULATED");
    block.put(52, [pair(0, 2), pair(1, 0)]);
    block.put(62, [pair(100, 104)]);
    block.put(63, long(0x4D44_4253));
    block.put(75, [pair(reported.cells_v.len() as u8, 1)]);
    block.put(76, rounded(reported.voltage_v * 1000.0));
    block.put(78, rounded(reported.current_a * -100.0));
    block.put(81, reported.cells_v.iter().map(|volts| word(*volts, 1000.0).swap_bytes()).take(25));
    let celsius = |value: f64| signed_word(value + 40.0, 1.0) as u8;
    let [first, second] = reported.temperatures_c.map(celsius);
    block.put(112, [pair(celsius(reported.mos_c), 0), pair(first, second)]);
    block.put(118, [word(reported.capacity_ah, 10.0).swap_bytes()]);
    block.put(120, [pair(reported.soc_pct.round() as u8, 99)]);
    block.put(127, [pair(0, reported.cycles.min(254) as u8)]);
    block.put(139, long(bits(reported.balancing.iter().copied())));
    let fets = u32::from(reported.discharge_fet) | u32::from(reported.charge_fet) << 1;
    let protected = u32::from(!reported.charge_fet) << 28 | u32::from(!reported.discharge_fet) << 29;
    let direction = match reported.current_a {
        amps if amps > 0.05 => 1 << 26,
        amps if amps < -0.05 => 2 << 26,
        _ => 0,
    };
    block.put(152, long(fets | protected | direction));
    let alarms = bytes_of(&reported.alarms, &ALARMS, None);
    block.put(156, alarms.as_chunks().0.iter().copied().map(u16::from_be_bytes));
    block.put(169, [3650u16.swap_bytes()]);
    block.put(172, [2500u16.swap_bytes()]);
    block.put(191, [12_000u16.swap_bytes()]);
    block.put(194, [15_000u16.swap_bytes()]);
    block.read(read)
}
