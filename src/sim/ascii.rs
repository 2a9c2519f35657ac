//! Simulated packs of the families in [`crate::bms::ascii_pack`], one per address: a family gives the content of its replies.

use super::encode::scaled;
use super::requests::{RequestBuffer, RequestScan};
use super::{Reply, Responder, Unit};
use crate::bms::ascii::{self, Header};
use crate::bms::{Framing, Line};
use crate::model::AlarmName;
use crate::sim::pack::ReportedState;
use std::time::Duration;

/// Longest INFO of a request.
const MAX_INFO: usize = 8;
/// RTN for an unknown command.
const UNKNOWN_COMMAND: u8 = 4;

/// Packs of one family. An unknown command is refused; state is only an incomplete request.
pub(super) struct AsciiPacks {
    pub line: Line,
    /// VER and CID1.
    pub family: (u8, u8),
    /// INFO of the reply to a command, for the pack at an address.
    pub reply: fn(u8, u8, &ReportedState) -> Option<Vec<u8>>,
    /// States of charge and discharge FET as a driver can know them.
    pub fets: fn(bool, bool) -> [Option<bool>; 2],
    pub shows_balancing: bool,
    /// As [`Responder::shown_as`].
    pub shown_as: fn(AlarmName) -> Option<AlarmName>,
    pub buffer: RequestBuffer,
}

impl AsciiPacks {
    /// Packs that show everything.
    pub(super) fn new(baud: u32, family: (u8, u8), reply: fn(u8, u8, &ReportedState) -> Option<Vec<u8>>) -> Self {
        let fets = |charge, discharge| [Some(charge), Some(discharge)];
        Self { line: Line { baud }, family, reply, fets, shows_balancing: true, shown_as: Some, buffer: RequestBuffer::default() }
    }
}

impl Responder for AsciiPacks {
    fn line(&self) -> Line {
        self.line
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some(asked) = self.buffer.take(scan) {
            if (asked.version, asked.cid1) != self.family {
                continue;
            }
            let Some(unit) = units.iter().find(|unit| unit.answers_to(asked.address)) else { continue };
            let (cid2, info) = match (self.reply)(asked.cid2, asked.address, unit.pack.reported()) {
                Some(info) => (0, info),
                None => (UNKNOWN_COMMAND, Vec::new()),
            };
            replies.push(Reply { after: Duration::ZERO, bytes: Header { cid2, ..asked }.frame(&info) });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn shown_fets(&self, charge: bool, discharge: bool) -> [Option<bool>; 2] {
        (self.fets)(charge, discharge)
    }

    fn shows_balancing(&self) -> bool {
        self.shows_balancing
    }

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        (self.shown_as)(alarm)
    }

    fn writes(&self) -> usize {
        0
    }
}

fn scan(bytes: &[u8]) -> RequestScan<Header> {
    match ascii::framing(bytes, MAX_INFO, |_| false) {
        Framing::Incomplete => RequestScan::Incomplete,
        Framing::Frame(range) if range.start == 0 => {
            Header::of(bytes).map_or(RequestScan::NoRequest, |header| RequestScan::Complete(header, range.end))
        }
        _ => RequestScan::NoRequest,
    }
}

/// Codes for a reply with alarms in which all are fine: `u8 n, n codes` of cells and of `sensors`.
pub(super) fn fine(cells: usize, sensors: u8) -> Vec<u8> {
    let mut codes = vec![cells as u8];
    codes.extend(vec![0; cells]);
    codes.push(sensors);
    codes.extend(vec![0; usize::from(sensors)]);
    codes
}

/// `u8 n, n × u16 mV`.
pub(super) fn cells(reported: &ReportedState) -> Vec<u8> {
    let mut cells = vec![reported.cells_v.len() as u8];
    cells.extend(reported.cells_v.iter().flat_map(|volts| scaled(*volts, 1000.0)));
    cells
}

/// Temperatures in 0.1 K.
pub(super) fn kelvin<const N: usize>(celsius: [f64; N], zero: f64) -> Vec<u8> {
    celsius.iter().flat_map(|celsius| scaled(celsius + zero, 10.0)).collect()
}

/// A text of a fixed number of characters.
pub(super) fn padded(text: &str, characters: usize) -> Vec<u8> {
    format!("{text:<characters$}").into_bytes()
}
