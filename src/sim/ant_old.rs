//! A simulated ANT board made until 2020; its only frame is described in [`crate::bms::ant_old`].

use super::encode::{bits, scaled};
use super::pack::ReportedState;
use super::requests::{RequestBuffer, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::ant_old::alarms::{CHARGE, DISCHARGE};
use crate::bms::bytes::sum16;
use crate::model::AlarmName;
use std::time::Duration;

/// State of the board: only an incomplete request.
#[derive(Debug, Default)]
pub struct AntOld {
    buffer: RequestBuffer,
}

impl Responder for AntOld {
    fn line(&self) -> Line {
        Line { baud: 19200 }
    }

    fn addressed(&self) -> bool {
        false
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        let scan = |bytes: &[u8]| {
            of_length(bytes, |first| first == 0xDB, |request: &[u8; 6]| (*request == [0xDB, 0xDB, 0, 0, 0, 0]).then_some(()))
        };
        while self.buffer.take(scan).is_some() {
            let Some(unit) = units.first().filter(|unit| !unit.pack.silent) else { continue };
            replies.push(Reply { after: Duration::ZERO, bytes: frame(unit.pack.reported()) });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        let near = nearest(alarm);
        CHARGE.iter().chain(&DISCHARGE).map(|(_, name)| *name).find(|name| *name == near)
    }

    fn writes(&self) -> usize {
        0
    }
}

/// A FET has one reason at a time: that of a cell, where cell and pack have one.
fn nearest(alarm: AlarmName) -> AlarmName {
    match alarm {
        AlarmName::HighVoltage => AlarmName::CellHighVoltage,
        AlarmName::LowVoltage => AlarmName::CellLowVoltage,
        other => other,
    }
}

/// The code of a FET: its alarm, else on, or off by hand.
fn code(on: bool, table: &[(u8, AlarmName)], alarms: &[AlarmName]) -> u8 {
    let shown = |name: AlarmName| alarms.iter().any(|alarm| nearest(*alarm) == name);
    let reason = table.iter().find(|(_, name)| shown(*name)).map(|(code, _)| *code);
    if on { 1 } else { reason.unwrap_or(15) }
}

fn frame(reported: &ReportedState) -> Vec<u8> {
    let mut body = scaled(reported.voltage_v, 10.0).to_vec();
    body.extend(reported.cells_v.iter().take(32).flat_map(|cell| scaled(*cell, 1000.0)));
    body.resize(66, 0);
    body.extend(((-reported.current_a * 10.0).round() as i32).to_be_bytes());
    body.push(reported.soc_pct.round() as u8);
    let charge = |ah: f64| ((ah * 1e6).round() as u32).to_be_bytes();
    body.extend([charge(reported.capacity_ah), charge(reported.remaining_ah), [0; 4], [0; 4]].concat());
    let [first, second] = reported.temperatures_c.map(|celsius| (celsius.round() as i16).to_be_bytes());
    body.extend([first, second, (-40i16).to_be_bytes(), (-40i16).to_be_bytes(), [0; 2], [0; 2]].concat());
    body.push(code(reported.charge_fet, &CHARGE, &reported.alarms));
    body.push(code(reported.discharge_fet, &DISCHARGE, &reported.alarms));
    body.extend([0; 18]);
    body.push(reported.cells_v.len() as u8);
    body.extend([0; 8]);
    body.extend(bits(reported.balancing.iter().copied()).to_be_bytes());
    body.extend([0; 2]);
    let sum = sum16(&body).to_be_bytes();
    [&[0xAA, 0x55, 0xAA, 0xFF], body.as_slice(), &sum].concat()
}
