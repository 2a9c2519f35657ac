//! %label%: the raw values that mean "none".
// TODO(3): a reply with every field of the decoder, and the place of each field in it.

use super::Board;
use super::boards::{field, reply};
use dbus_bms::bms::modbus::{Read, with_crc};

/// The data of a reply to function 03.
fn wrap(content: &[u8]) -> Vec<u8> {
    with_crc([&[1, 3, u8::try_from(content.len()).unwrap()], content].concat())
}

pub(super) fn board() -> Board {
    let cells = [3301, 3302, 3303, 3304, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let values = [&[1321, 1250, 640, 990, 37, 17920, 28000, 0, 3, 4][..], &cells, &[3, 210, 220, 230, 0]].concat();
    let content: Vec<u8> = values.iter().flat_map(|word: &u16| word.to_be_bytes()).collect();
    let at = |register: usize| (0, 2 * (register - 0x5000));
    let fields = vec![
        field("voltage_v", at(0x5000), &["FFFF"]),
        field("current_a", at(0x5001), &["8000", "7FFF"]),
        field("soc_pct", at(0x5002), &["FFFF"]),
        field("soh_pct", at(0x5003), &["FFFF"]),
        field("cycles", at(0x5004), &["FFFF"]),
        field("remaining_ah", at(0x5005), &["FFFF"]),
        field("capacity_ah", at(0x5006), &["0000", "FFFF"]),
        field("charge_fet", at(0x5008), &["FFFF"]),
        field("discharge_fet", at(0x5008), &["FFFF"]),
        field("cell_voltages_v", at(0x500C), &["FFFF"]),
        field("temperatures_c", at(0x501C), &["8000", "7FFF", "FFFF"]),
    ];
    Board { family: "%name%", replies: vec![reply(&Read::holding(0x5000, 31).request(1), content, wrap)], fields }
}
