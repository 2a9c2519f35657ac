//! A simulated battery with Pylontech's CAN protocol: see [`crate::bms::pylontech_can`]. It asks for 3.5 V per cell and 0.5 C.

use super::broadcast::{Broadcaster, Program};
use super::encode::{signed_word, word};
use super::{Responder, Unit};
use crate::bms::Line;
use crate::bms::can::Record;
use crate::bms::pylontech_can::alarms;
use std::time::Duration;

static PROGRAM: Program = Program {
    line: Line::CAN,
    addressed: false,
    schedule: &[(Duration::from_secs(1), frames)],
    shown_as: |alarm| alarms::is_told(alarm).then_some(alarm),
    shows_balancing: false,
};

/// One battery.
pub(super) fn battery() -> Box<dyn Responder> {
    Box::new(Broadcaster::new(&PROGRAM))
}

fn frames(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let cells = shown.cells_v.len() as f64;
    let half = shown.capacity_ah / 2.0;
    let limit = |allowed: bool| signed_word(if allowed { half } else { 0.0 }, 10.0);
    let limits = [word(cells * 3.5, 10.0), limit(shown.charge_fet), limit(shown.discharge_fet), word(cells * 2.9, 10.0)];
    let [first, second] = shown.temperatures_c;
    let measured = [signed_word(shown.voltage_v, 100.0), signed_word(shown.current_a, 10.0), signed_word(first.min(second), 10.0)];
    let extreme = |pick: fn(f64, f64) -> f64, start: f64| word(shown.cells_v.iter().copied().fold(start, pick), 1000.0);
    let kelvin = |celsius: f64| word(celsius + 273.0, 1.0);
    let extremes = [extreme(f64::min, f64::INFINITY), extreme(f64::max, 0.0), kelvin(first.min(second)), kelvin(first.max(second))];
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let flags = [u8::from(shown.charge_fet) << 7 | u8::from(shown.discharge_fet) << 6, 0];
    let sent = [
        (0x351, words(&limits)),
        (0x355, words(&[word(shown.soc_pct, 1.0), 100])),
        (0x356, words(&measured)),
        (0x359, [&alarms::bytes_of(&shown.alarms)[..], &[0, 0, 1, 0x50, 0x4E]].concat()),
        (0x35C, flags.to_vec()),
        (0x35E, b"PYLON   ".to_vec()),
        (0x373, words(&extremes)),
    ];
    sent.into_iter().map(|(id, bytes)| Record::new(id, &bytes).bytes().to_vec()).collect()
}
