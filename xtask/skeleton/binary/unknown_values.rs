//! %label%: the raw values that mean "none".
// TODO(3): a reply with every field of the decoder that can be unknown, and the place of each field in it.

use super::Board;
use super::boards::{field, reply};
use dbus_bms::bms::bytes::sum16;

/// The data of a reply with values.
fn wrap(data: &[u8]) -> Vec<u8> {
    let frame = [&[0xB7, 0x1D, 0x01, u8::try_from(data.len()).unwrap()], data].concat();
    [&frame[..], &sum16(&frame).to_be_bytes()].concat()
}

pub(super) fn board() -> Board {
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let data = [
        &words(&[1321, 1250, 640, 37, 17920, 28000, 0])[..],
        &[3, 4],
        &words(&[3301, 3302, 3303, 3304]),
        &[3],
        &words(&[210, 220, 230]),
    ];
    let fields = vec![
        field("voltage_v", (0, 0), &["FFFF"]),
        field("current_a", (0, 2), &["8000", "7FFF"]),
        field("soc_pct", (0, 4), &["FFFF"]),
        field("cycles", (0, 6), &["FFFF"]),
        field("remaining_ah", (0, 8), &["FFFF"]),
        field("capacity_ah", (0, 10), &["0000", "FFFF"]),
        field("charge_fet", (0, 14), &["FF"]),
        field("discharge_fet", (0, 14), &["FF"]),
        field("cell_voltages_v", (0, 20), &["FFFF"]),
        field("temperatures_c", (0, 27), &["8000", "7FFF", "FFFF"]),
    ];
    Board { family: "%name%", replies: vec![reply(&[], data.concat(), wrap)], fields }
}
