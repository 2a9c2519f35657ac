//! Replies without header, length and address: only their request tells what they are.

use dbus_bms::bms::{self, DecodeError, Expected, Framing, Protocol, Request};
use dbus_bms::model::Reading;

/// Register 0B: 13.325 V, recorded.
const VOLTAGE: [u8; 3] = [0x34, 0x0D, 0x0F];
/// Register 13: 95 %.
const SOC: [u8; 3] = [0x00, 0x5F, 0xCC];

fn protocol() -> Box<dyn Protocol> {
    (bms::driver("sinowealth").unwrap().new)(None)
}

fn asked(what: &str) -> [Request; 1] {
    let mut plan = protocol().plan(&Reading::new("sinowealth", None));
    plan.retain(|request| request.what == what);
    [plan.remove(0)]
}

#[test]
fn a_reply_is_one_to_its_request_only() {
    let protocol = protocol();
    assert_eq!(protocol.framing_of_reply(&asked("voltage"), &VOLTAGE), Framing::Frame(0..3));
    assert_eq!(protocol.framing_of_reply(&asked("voltage"), &VOLTAGE[..2]), Framing::Incomplete);
    // The reply to that one is longer.
    assert_eq!(protocol.framing_of_reply(&asked("current"), &VOLTAGE), Framing::Incomplete);
    assert_eq!(protocol.framing(&VOLTAGE), Framing::Skip(1), "nothing tells a reply without its request");
}

#[test]
fn a_late_reply_to_another_request_is_recognised() {
    let mut protocol = protocol();
    let request = asked("voltage");
    let late = [SOC, VOLTAGE].concat();
    assert_eq!(protocol.framing_of_reply(&request, &late), Framing::Frame(0..3));
    let foreign = protocol.decode(Expected::Request(&request[0]), &SOC, &mut Reading::default());
    assert!(matches!(foreign, Err(DecodeError::Foreign { .. })), "{foreign:?}");
    assert_eq!(protocol.framing_of_reply(&request, &late[3..]), Framing::Frame(0..3));
}

#[test]
fn a_part_of_something_longer_is_no_reply() {
    let protocol = protocol();
    let longer = [&VOLTAGE[..], &[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07]].concat();
    assert_eq!(protocol.framing_of_reply(&asked("voltage"), &longer), Framing::Skip(1));
    // The next reply has begun to arrive.
    assert_eq!(protocol.framing_of_reply(&asked("voltage"), &[&VOLTAGE[..], &SOC[..2]].concat()), Framing::Frame(0..3));
}
