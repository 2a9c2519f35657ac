//! A simulated program that publishes a battery as JSON once a second: see [`crate::bms::json`]. The bytes are those of the port, without a
//! broker between.

use super::broadcast::{Broadcaster, Program};
use super::{Responder, Unit};
use crate::bms::Line;
use crate::bms::json::message;
use crate::model::{Alarm, Level};
use serde_json::json;
use std::time::Duration;

static PROGRAM: Program = Program {
    line: Line { baud: 115_200 },
    addressed: false,
    schedule: &[(Duration::from_secs(1), messages)],
    shown_as: Some,
    shows_balancing: true,
};

/// One battery.
pub(super) fn battery() -> Box<dyn Responder> {
    Box::new(Broadcaster::new(&PROGRAM))
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn messages(unit: &Unit) -> Vec<Vec<u8>> {
    let shown = unit.pack.reported();
    let cells: Vec<f64> = shown.cells_v.iter().map(|volts| rounded(*volts, 1000.0)).collect();
    let alarms: Vec<Alarm> = shown.alarms.iter().map(|name| Alarm { name: *name, level: Level::Alarm }).collect();
    let balanced: Vec<u8> = (1..=u8::MAX).zip(&shown.balancing).filter(|(_, balances)| **balances).map(|(cell, _)| cell).collect();
    let object = json!({
        "voltage_v": rounded(shown.voltage_v, 100.0),
        "current_a": rounded(shown.current_a, 100.0),
        "soc_pct": rounded(shown.soc_pct, 10.0),
        "remaining_ah": rounded(shown.remaining_ah, 100.0),
        "capacity_ah": shown.capacity_ah,
        "cycles": shown.cycles,
        "cell_voltages_v": cells,
        "temperatures_c": shown.temperatures_c.map(|celsius| rounded(celsius, 10.0)),
        "mos_temperature_c": rounded(shown.mos_c, 10.0),
        "charge_fet": shown.charge_fet,
        "discharge_fet": shown.discharge_fet,
        "balancing": !balanced.is_empty(),
        "balancing_cells": balanced,
        "alarms": alarms,
    });
    message(&object.to_string()).into_iter().collect()
}
