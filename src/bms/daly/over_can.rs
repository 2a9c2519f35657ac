//! The same commands on a CAN bus of 250 kbit/s, as [records](crate::bms::can) with ids of 29 bits.
//!
//! ```text
//! request  18 cmd BB 40   eight zeros           BB: board, from 01
//! reply    18 cmd 40 BB   d0…d7 of the serial reply
//! ```
//! These batteries also broadcast a set of Victron's frames, with the same ids from every board, so that two boards on a bus
//! contradict each other, and with the remaining charge as the installed one: it is not read.
//!
//! Source: sessions in issues 212 and 249 of mr-manuel/venus-os_dbus-serialbattery.

use super::{COMMANDS, FRAME};
use crate::bms::bytes::sum8;
use crate::bms::can::{IdFilter, Record};

/// The replies of all boards.
pub(super) const IDS: &[IdFilter] = &[IdFilter { id: Record::EXTENDED | 0x1800_4000, mask: 0x1F00_FF00 }];

/// First byte of the record of a request or reply.
pub(super) const START: u8 = 0x98;
/// The host's address.
const HOST: u8 = 0x40;

/// Whether `bytes` may begin a reply, as far as they go.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes.iter().zip(0..5).all(|(byte, at)| match at {
        0 => *byte == START,
        1 => COMMANDS.contains(byte),
        2 => *byte == HOST,
        3 => matches!(*byte, 1..=16),
        _ => *byte == 8,
    })
}

/// The serial frame with the content of a reply; `None` for anything else.
pub(super) fn serial_frame(record: &[u8]) -> Option<[u8; FRAME]> {
    let [_, command, _, board, length, a, b, c, d, e, f, g, h] = *record.first_chunk::<{ Record::LEN }>()?;
    if !is_header(record) {
        return None;
    }
    let summed = [0xA5, board, command, length, a, b, c, d, e, f, g, h];
    Some([0xA5, board, command, length, a, b, c, d, e, f, g, h, sum8(&summed)])
}

/// The request for a command to this board.
pub(super) fn request(board: u8, command: u8) -> [u8; Record::LEN] {
    [START, command, board, HOST, 8, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Board and command of a request.
pub(super) fn asked(request: &[u8]) -> Option<(u8, u8)> {
    match request {
        [START, command, board, HOST, ..] => Some((*board, *command)),
        _ => None,
    }
}
