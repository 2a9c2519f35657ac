//! Simulated JK boards on a CAN bus, with the protocol V2: see [`crate::bms::jk_can`]. A positive current discharges, as in the document.

use super::broadcast::{Broadcaster, Program};
use super::encode::word;
use super::{Responder, Unit};
use crate::bms::Line;
use crate::bms::can::Record;
use crate::bms::jk_can::alarms;
use std::time::Duration;

static PROGRAM: Program = Program {
    line: Line::CAN,
    addressed: true,
    schedule: &[
        (Duration::from_millis(100), pack),
        (Duration::from_millis(100), extremes),
        (Duration::from_millis(100), active_alarms),
        (Duration::from_millis(500), heat),
        (Duration::from_millis(500), charge),
        (Duration::from_millis(500), states),
        (Duration::from_secs(1), sensors),
        (Duration::from_secs(1), cells),
    ],
    shown_as: |alarm| alarms::is_told(alarm).then_some(alarm),
    shows_balancing: true,
};

/// Boards with the addresses of their batteries.
pub(super) fn boards() -> Box<dyn Responder> {
    Box::new(Broadcaster::new(&PROGRAM))
}

fn record(id: u32, unit: &Unit, bytes: &[u8]) -> Vec<u8> {
    Record::new(id.saturating_add(unit.address.into()), bytes).bytes().to_vec()
}

fn extended(id: u32, unit: &Unit, bytes: &[u8]) -> Vec<u8> {
    record(id | Record::EXTENDED, unit, bytes)
}

fn le(value: f64, scale: f64) -> [u8; 2] {
    word(value, scale).to_le_bytes()
}

fn celsius(value: f64) -> u8 {
    (value + 50.0).round() as u8
}

fn pack(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let [a, b] = le(shown.voltage_v, 10.0);
    let [c, d] = le(400.0 - shown.current_a, 10.0);
    vec![record(0x2F4, unit, &[a, b, c, d, shown.soc_pct.round() as u8, 0, 0, 0])]
}

fn extremes(unit: &Unit) -> Vec<Vec<u8>> {
    let numbered = || unit.pack.reported().cells_v.iter().zip(1u8..);
    let of = |cell: Option<(&f64, u8)>| {
        cell.map_or([0; 3], |(volts, number)| {
            let [low, high] = le(*volts, 1000.0);
            [low, high, number]
        })
    };
    let highest = of(numbered().max_by(|(a, _), (b, _)| a.total_cmp(b)));
    let lowest = of(numbered().min_by(|(a, _), (b, _)| a.total_cmp(b)));
    vec![record(0x4F4, unit, &[&highest[..], &lowest[..], &[0, 0]].concat())]
}

fn active_alarms(unit: &Unit) -> Vec<Vec<u8>> {
    let bytes = alarms::bytes_of(&unit.pack.reported().alarms);
    if bytes == [0; 8] { Vec::new() } else { vec![record(0x7F4, unit, &bytes)] }
}

fn heat(unit: &Unit) -> Vec<Vec<u8>> {
    let [first, second] = unit.pack.reported().temperatures_c.map(celsius);
    vec![record(0x5F4, unit, &[first.max(second), 1, first.min(second), 2, first, 0, 0, 0])]
}

fn charge(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let words = [le(shown.remaining_ah, 10.0), le(shown.capacity_ah, 10.0), [0; 2], (shown.cycles as u16).to_le_bytes()];
    vec![extended(0x18F1_28F4, unit, &words.concat())]
}

fn states(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let balancing = shown.balancing.contains(&true);
    let states = u8::from(shown.charge_fet) | u8::from(shown.discharge_fet) << 1 | u8::from(balancing) << 2;
    vec![extended(0x18F5_28F4, unit, &[states, 0, 0, 0, 0, 0, 0, 0])]
}

fn sensors(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let [first, second] = shown.temperatures_c.map(celsius);
    vec![extended(0x18F2_28F4, unit, &[7, first, second, celsius(shown.mos_c), 0, 0, 0, 0])]
}

fn cells(unit: &Unit) -> Vec<Vec<u8>> {
    let words: Vec<[u8; 2]> = unit.pack.reported().cells_v.iter().map(|volts| le(*volts, 1000.0)).collect();
    let frame = |(number, cells): (u32, &[[u8; 2]])| {
        let mut bytes = cells.concat();
        bytes.resize(8, 0);
        extended(0x18E0_28F4 | number << 16, unit, &bytes)
    };
    (0u32..).zip(words.chunks(4)).map(frame).collect()
}
