//! Simulated Daly boards on a CAN bus: the serial ones behind the ids of [`crate::bms::daly`].

use super::daly::Daly;
use super::requests::{RequestBuffer, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bytes::sum8;
use crate::bms::can::Record;

/// State of the boards.
#[derive(Debug, Default)]
pub struct DalyCan {
    boards: Daly,
    buffer: RequestBuffer,
}

impl Responder for DalyCan {
    fn line(&self) -> Line {
        Line::CAN
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        let scan = |bytes: &[u8]| of_length(bytes, |first| first == 0x98, serial_request);
        while let Some(request) = self.buffer.take(scan) {
            let answers = self.boards.answer(&request, units).into_iter();
            replies.extend(answers.filter_map(|reply| Some(Reply { bytes: record(&reply.bytes)?, ..reply })));
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn writes(&self) -> usize {
        self.boards.writes()
    }
}

/// The serial request with the content of one over CAN.
fn serial_request(record: &[u8; Record::LEN]) -> Option<Vec<u8>> {
    let [0x98, command, board @ 1..=16, 0x40, 8, data @ ..] = record else { return None };
    let mut request = [&[0xA5, board.wrapping_add(0x3F), *command, 8], data.as_slice()].concat();
    request.push(sum8(&request));
    Some(request)
}

/// The record with the content of a serial reply.
fn record(reply: &[u8]) -> Option<Vec<u8>> {
    let [0xA5, board, command, 8, data @ .., _] = reply else { return None };
    let id = u32::from_be_bytes([0x18, *command, 0x40, *board]) | Record::EXTENDED;
    Some(Record::new(id, data).bytes().to_vec())
}
