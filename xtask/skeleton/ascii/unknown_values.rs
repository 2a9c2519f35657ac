//! %label%: the raw values that mean "none".
// TODO(3): a reply with every field of the decoder that can be unknown, and the place of each field in it.

use super::Board;
use super::boards::{field, reply};
use dbus_bms::bms::ascii::Header;

/// INFO of a reply.
fn wrap(info: &[u8]) -> Vec<u8> {
    Header { version: 0x31, address: 1, cid1: 0x4E, cid2: 0 }.frame(info)
}

pub(super) fn board() -> Board {
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let values = [
        &[0, 1, 4][..],
        &words(&[3301, 3302, 3303, 3304]),
        &[3],
        &words(&[2941, 2942, 2943]),
        &words(&[1250, 1321, 17920, 28000, 37, 64]),
    ];
    let fields = vec![
        field("cell_voltages_v", (0, 7), &["FFFF"]),
        field("temperatures_c", (0, 14), &["0000", "8000", "FFFF"]),
        field("current_a", (0, 18), &["8000", "7FFF"]),
        field("voltage_v", (0, 20), &["FFFF"]),
        field("remaining_ah", (0, 22), &["FFFF"]),
        field("capacity_ah", (0, 24), &["0000", "FFFF"]),
        field("cycles", (0, 26), &["FFFF"]),
        field("soc_pct", (0, 28), &["FFFF"]),
    ];
    Board { family: "%name%", replies: vec![reply(&[], values.concat(), wrap)], fields }
}
