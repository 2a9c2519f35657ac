//! A simulated board with a Sinowealth chip; the registers are described in [`crate::bms::sinowealth`].

use super::encode::{scaled, word};
use super::pack::ReportedState;
use super::requests::{RequestBuffer, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::sinowealth::alarms::PROTECTIONS;
use crate::bms::sinowealth::{MAX_CELLS, Read};
use crate::model::AlarmName;
use std::time::Duration;

/// State of the board: only an incomplete request.
#[derive(Debug, Default)]
pub struct Sinowealth {
    buffer: RequestBuffer,
}

impl Responder for Sinowealth {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        false
    }

    fn most_cells(&self) -> usize {
        usize::from(MAX_CELLS)
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        let scan = |bytes: &[u8]| of_length(bytes, |first| first == 0x0A, |request: &[u8; 3]| Read::of(request));
        while let Some(read) = self.buffer.take(scan) {
            let Some(unit) = units.first().filter(|unit| !unit.pack.silent) else { continue };
            let Some(mut bytes) = data(read, unit.pack.reported()) else { continue };
            bytes.push(read.check(&bytes));
            replies.push(Reply { after: Duration::ZERO, bytes });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    /// What has no bit is not shown.
    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        bytes_of(&[alarm], &PROTECTIONS, None).iter().any(|byte| *byte != 0).then_some(alarm)
    }

    fn shows_balancing(&self) -> bool {
        false
    }

    fn writes(&self) -> usize {
        0
    }
}

/// The data of a register; `None` if the board has no register of this length there.
fn data(read: Read, reported: &ReportedState) -> Option<Vec<u8>> {
    let milli = |value: f64| ((value * 1000.0).round() as i32).to_be_bytes().to_vec();
    let kelvin = |celsius: f64| word(celsius + 273.1, 10.0).to_be_bytes().to_vec();
    let [first, second] = reported.temperatures_c;
    let data = match read.register {
        number @ 1..=MAX_CELLS => {
            let cell = reported.cells_v.get(usize::from(number).saturating_sub(1));
            scaled(cell.copied().unwrap_or(0.0), 1000.0).to_vec()
        }
        0x0B => scaled(reported.voltage_v, 1000.0).to_vec(),
        0x0C => kelvin(first),
        0x0D => kelvin(second),
        0x0E | 0x0F => kelvin(reported.mos_c),
        0x10 => milli(reported.current_a),
        0x11 => milli(reported.capacity_ah),
        0x12 => milli(reported.remaining_ah),
        0x13 => scaled(reported.soc_pct, 1.0).to_vec(),
        0x14 => scaled(f64::from(reported.cycles), 1.0).to_vec(),
        0x15 => vec![0, u8::from(reported.charge_fet) | u8::from(reported.discharge_fet) << 1],
        0x16 => bytes_of(&reported.alarms, &PROTECTIONS, None).into_iter().rev().collect(),
        0x17 => scaled(reported.cells_v.len() as f64 - 3.0, 1.0).to_vec(),
        _ => return None,
    };
    (data.len() == usize::from(read.len)).then_some(data)
}
