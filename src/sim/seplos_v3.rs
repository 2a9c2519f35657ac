//! Simulated Seplos V3 packs, one per address; the registers are described in [`crate::bms::seplos_v3`].
//!
//! They have all blocks of a single pack, and refuse every other register.

use super::encode::{bits, signed_word, word};
use super::modbus::{Block, Map, ModbusBoard};
use super::{Responder, Unit};
use crate::bms::bits::bytes_of;
use crate::bms::modbus::{Function, Read};
use crate::bms::seplos_v3::alarms::BITS;
use crate::model::AlarmName;

/// A board.
pub(super) fn board() -> Box<dyn Responder> {
    ModbusBoard::boxed(Map { baud: 19200, data, shown_as: Some, shows_fets: true, shows_balancing: true, cell_step_v: 0.001 })
}

fn data(read: Read, unit: &Unit) -> Option<Vec<u8>> {
    let reported = unit.pack.reported();
    if read.function == Function::Coils {
        return match (read.first, read.count) {
            (0x1200, 0x90) => Some([cell_events(unit), events(unit)].concat()),
            (0x2200, 0x50) => Some(events(unit)),
            _ => None,
        };
    }
    if read.function != Function::InputRegisters {
        return None;
    }
    let millivolts = || reported.cells_v.iter().map(|volts| word(*volts, 1000.0));
    let [first, second] = reported.temperatures_c.map(kelvin);
    let mut block = match read.first {
        0x1000 => Block::new(0x1000, 0x12),
        0x1100 => Block::new(0x1100, 0x1A),
        0x1300..0x1400 => Block::new(0x1300, 0x6A),
        0x1700 => Block::new(0x1700, 0x33),
        _ => return None,
    };
    match read.first {
        0x1000 => {
            let [remaining, capacity] = [reported.remaining_ah, reported.capacity_ah].map(|charge| word(charge, 100.0));
            block.put(0x1000, [word(reported.voltage_v, 100.0), signed_word(reported.current_a, 100.0), remaining, capacity]);
            block.put(0x1005, [word(reported.soc_pct, 10.0), 990, reported.cycles as u16]);
            let (highest, lowest) = (millivolts().max().unwrap_or(0), millivolts().min().unwrap_or(0));
            block.put(
                0x1008,
                [lowest.midpoint(highest), first.midpoint(second), highest, lowest, first.max(second), first.min(second)],
            );
            block.put(0x100F, [200, 150]);
        }
        0x1100 => {
            block.put(0x1100, millivolts().take(16));
            block.put(0x1110, [first, second, first, second, 0x0AAB, 0x0AAB, 0x0AAB, 0x0AAB, first, kelvin(reported.mos_c)]);
        }
        0x1700 => {
            block.put_text(0x1700, 10, "XZH-ElecTech Co.,Ltd");
            block.put_text(0x170A, 10, "SG16S200A-SP57B-A");
            block.put_text(0x1714, 1, "15");
            block.put_text(0x1715, 15, "SP57B-A00000000001");
        }
        _ => {
            block.put(0x1300, [4, reported.cells_v.len() as u16]);
            block.put(0x1305, [5840, 0, 0, 0, 4000]);
            block.put(0x130D, [3650, 0, 0, 0, 2500]);
            block.put(0x1317, [150]);
            block.put(0x131D, [signed_word(-200.0, 1.0)]);
        }
    }
    block.read(read)
}

/// Bits 1200 to 123F: no cell or sensor has an alarm of its own here.
fn cell_events(unit: &Unit) -> Vec<u8> {
    let balancing = bits(unit.pack.reported().balancing.iter().copied()) as u16;
    [vec![0; 6], balancing.to_le_bytes().to_vec()].concat()
}

/// The ten event bytes.
fn events(unit: &Unit) -> Vec<u8> {
    let reported = unit.pack.reported();
    let mut events = bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal));
    if let Some(fets) = events.get_mut(7) {
        *fets |= u8::from(reported.discharge_fet) | u8::from(reported.charge_fet) << 1;
    }
    events
}

/// Tenths of a kelvin, rounded up as 0 °C is 2731.5.
fn kelvin(celsius: f64) -> u16 {
    word(celsius + 273.15, 10.0)
}
