//! JBD: how often its protections have acted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dbus_bms::base::hex;
use dbus_bms::bms::{Expected, Protocol, jbd};
use dbus_bms::model::Reading;

// Recorded replies of an SP04S034 (tests/vectors/jbd/sp04s034-protection-counts.json).
const BASIC: &str = "dd03001d0618000001f201f400002c7c00000000000080640304030b8b0b8a0b84fa8d77";
const COUNTS: &str = "ddaa0018000000000000007a000200000000000000000000000000000001ff6b77";
/// As the recorded ones, with 123 in place of 122.
const COUNTS_LATER: &str = "ddaa0018000000000000007b000200000000000000000000000000000001ff6a77";

/// Register requested, and the reading of a poll; `counts` is the reply to AA, if the board replies to it.
fn poll(board: &mut dyn Protocol, known: &Reading, counts: Option<&str>) -> (Vec<u8>, Reading) {
    let plan = board.plan(known);
    let mut reading = known.next();
    for request in &plan {
        let reply = match request.bytes[2] {
            0x03 => BASIC,
            0xAA => match counts {
                Some(counts) => counts,
                None => continue,
            },
            _ => continue,
        };
        board.decode(Expected::Request(request), &hex::decode(reply).unwrap(), &mut reading).unwrap();
    }
    (plan.iter().map(|request| request.bytes[2]).collect(), reading)
}

#[test]
fn protection_counts_are_read_seldom_and_noted_in_every_reading() {
    let mut board = (jbd::DRIVER.new)(None);
    let mut reading = Reading::new("jbd", None);
    let mut asked_in = Vec::new();
    for number in 1..=100 {
        let counts = if number < 50 { COUNTS } else { COUNTS_LATER };
        let asked;
        (asked, reading) = poll(board.as_mut(), &reading, Some(counts));
        asked_in.extend(asked.contains(&0xAA).then_some(number));
        let expected: &[&str] = match number {
            ..=30 => &[],
            31..=60 => &["protections have acted so far: cell voltage high 122, cell voltage low 2"],
            _ => &["protections have acted so far: cell voltage high 123, cell voltage low 2"],
        };
        assert_eq!(reading.notes, expected, "reading {number}");
    }
    assert_eq!(asked_in, [31, 61, 91], "a board that does not reply costs a timeout each time");
}

#[test]
fn a_board_without_protection_counts_has_no_such_note() {
    let mut board = (jbd::DRIVER.new)(None);
    let mut reading = Reading::new("jbd", None);
    for _ in 0..100 {
        (_, reading) = poll(board.as_mut(), &reading, None);
        assert!(reading.notes.is_empty(), "{:?}", reading.notes);
    }
}
