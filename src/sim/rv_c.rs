//! A simulated battery on an RV-C bus: see [`crate::bms::rv_c`]. A positive current discharges; it asks for 3.5 V per cell and 0.5 C.

use super::broadcast::{Broadcaster, Program};
use super::encode::word;
use super::{Responder, Unit};
use crate::bms::Line;
use crate::bms::can::Record;
use crate::bms::rv_c::ALARMS;
use std::time::Duration;

static PROGRAM: Program = Program {
    line: Line::CAN,
    addressed: true,
    schedule: &[(Duration::from_millis(500), values), (Duration::from_secs(1), slow)],
    shown_as: |alarm| ALARMS.contains(&alarm).then_some(alarm),
    shows_balancing: false,
};

/// A battery whose address is its instance.
pub(super) fn battery() -> Box<dyn Responder> {
    Box::new(Broadcaster::new(&PROGRAM))
}

/// A frame of a BMS (priority 120) with this DGN.
fn frame(dgn: u32, unit: &Unit, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = [&[unit.address, 120], bytes].concat();
    bytes.resize(8, 0xFF);
    Record::new(0x1800_008D | dgn << 8 | Record::EXTENDED, &bytes).bytes().to_vec()
}

fn values(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let volts = word(shown.voltage_v, 20.0).to_le_bytes();
    let amps = ((2_000_000.0 - shown.current_a) * 1000.0).round() as u32;
    let kelvin = word(shown.temperatures_c[0] + 273.0, 32.0).to_le_bytes();
    let state = [&kelvin[..], &[(shown.soc_pct * 2.0).round() as u8]].concat();
    let health = [&[200], &word(shown.remaining_ah, 1.0).to_le_bytes()[..]].concat();
    vec![
        frame(0x1_FFFD, unit, &[&volts[..], &amps.to_le_bytes()[..]].concat()),
        frame(0x1_FFFC, unit, &state),
        frame(0x1_FFFB, unit, &health),
    ]
}

fn slow(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let volts = word(shown.cells_v.len() as f64 * 3.5, 20.0).to_le_bytes();
    let amps = word(if shown.charge_fet { shown.capacity_ah / 2.0 } else { 0.0 } + 1600.0, 20.0).to_le_bytes();
    let pair = |place: usize| ALARMS.get(place).is_some_and(|name| shown.alarms.contains(name));
    let flags = [0usize, 2, 4].map(|place| u8::from(pair(place)) << 2 | u8::from(pair(place.saturating_add(1))) << 6);
    let contactors = u8::from(shown.discharge_fet) | u8::from(shown.charge_fet) << 2;
    let capacity = [&[contactors], &word(shown.capacity_ah, 1.0).to_le_bytes()[..]].concat();
    vec![
        frame(0x1_FEC9, unit, &[&[7], &volts[..], &amps[..], &[3]].concat()),
        frame(0x1_FEC7, unit, &flags),
        frame(0x1_FEA5, unit, &capacity),
    ]
}
