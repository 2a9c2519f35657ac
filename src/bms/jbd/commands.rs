//! Commands to a JBD board.
//!
//! ```text
//! switches   DD 5A E1 02 00 XX chk 77      XX bit 0 holds the charge FET off, bit 1 the discharge FET
//! enter      DD 5A 00 02 56 78 FF 30 77    factory mode, which some boards want for it
//! leave      DD 5A 01 02 00 00 FF FD 77    without saving anything
//! answer     as to reads: DD reg status 00 chk 77
//! ```
//! Both FETs are in one byte, so each command repeats the state of the other one. Leaving is sent after every command, whatever its
//! result, as the manufacturer's app does, and at start after an interrupted one. Sources: captures of the app in
//! syssi/esphome-jbd-bms (docs/pdus/…_MOS.txt, issue 10); bms/lltjbd.py of mr-manuel/venus-os_dbus-serialbattery, which writes E1
//! outside of factory mode; the register map of FurTrader/OverkillSolarBMS; patman15/BMS_BLE-HA issue 593.
//!
//! Not offered: the SoC (register E0 is in register maps, but no driver is known to write it; others change the full voltage in
//! EEPROM instead) and the balancer (a configuration bit in EEPROM, next to others).

use super::{BASIC, Jbd};
use crate::bms::bytes::sum16;
use crate::bms::write_sequence::{AckDecoder, WriteSequence};
use crate::bms::{Codec, DecodeError, Progress, Request};
use crate::model::{Command, Reading, Switch};
use std::borrow::Cow;
use std::time::Duration;

const ENTER: Request = write("factory mode", &[0xDD, 0x5A, 0x00, 0x02, 0x56, 0x78, 0xFF, 0x30, 0x77]);
const LEAVE: Request = write("end of factory mode", &[0xDD, 0x5A, 0x01, 0x02, 0x00, 0x00, 0xFF, 0xFD, 0x77]);

const fn write(what: &'static str, bytes: &'static [u8]) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout: Duration::from_millis(500), required: true }
}

/// The first try works without factory mode.
pub(super) fn encode(command: Command, known: &Reading, first_try: bool) -> Option<WriteSequence> {
    let (charge, discharge) = match command {
        Command::Switch(Switch::Charge, on) => (on, stands(known.fets.discharge_switch, known.fets.discharge, known)?),
        Command::Switch(Switch::Discharge, on) => (stands(known.fets.charge_switch, known.fets.charge, known)?, on),
        Command::Switch(Switch::Balance, _) | Command::SetSoc(_) => return None,
    };
    let data = [0xE1, 2, 0, u8::from(!charge) | u8::from(!discharge) << 1];
    let mut bytes = vec![0xDD, 0x5A];
    bytes.extend(data);
    bytes.extend(sum16(&data).wrapping_neg().to_be_bytes());
    bytes.push(0x77);
    let switch = Request { what: "switch", bytes: Cow::Owned(bytes), timeout: Duration::from_millis(500), required: true };
    let requests = if first_try { vec![switch] } else { vec![ENTER, switch] };
    Some(WriteSequence { requests, ..cleanup() })
}

/// Leaves factory mode after an interrupted command.
pub(super) fn cleanup() -> WriteSequence {
    let acks = AckDecoder { framing: |buf| Jbd::default().framing(buf), check_ack };
    WriteSequence { acks, requests: Vec::new(), after: vec![LEAVE], read_back: vec![BASIC] }
}

/// Whether the other FET stays switched on, according to its switch. While both a protection and a switch may hold it off, its
/// switch is unknown and nothing is sent.
fn stands(switch: Option<bool>, fet: Option<bool>, known: &Reading) -> Option<bool> {
    let calm = known.alarms.as_ref().is_some_and(Vec::is_empty);
    switch.or(fet.filter(|_| calm))
}

fn check_ack(request: &Request, frame: &[u8]) -> Result<Progress, DecodeError> {
    match frame {
        [_, register, ..] if request.bytes.get(2) != Some(register) => Err(DecodeError::Foreign { what: "another register" }),
        [_, _, 0, ..] => Ok(Progress::Done),
        [_, _, code, ..] => Err(DecodeError::Refused { code: *code }),
        _ => Err(DecodeError::Foreign { what: "no frame" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fets;

    /// Frames captured from the manufacturer's app.
    #[test]
    fn the_bytes_are_those_of_the_sources() {
        let both = Reading {
            fets: Fets { charge_switch: Some(true), discharge_switch: Some(true), ..Fets::default() },
            ..Reading::default()
        };
        let sent = |command, known: &Reading| encode(command, known, true).unwrap().requests[0].bytes.to_vec();
        assert_eq!(sent(Switch::Charge.to(false), &both), [0xDD, 0x5A, 0xE1, 2, 0, 1, 0xFF, 0x1C, 0x77]);
        assert_eq!(sent(Switch::Charge.to(true), &both), [0xDD, 0x5A, 0xE1, 2, 0, 0, 0xFF, 0x1D, 0x77]);
        assert_eq!(sent(Switch::Discharge.to(false), &both), [0xDD, 0x5A, 0xE1, 2, 0, 2, 0xFF, 0x1B, 0x77]);
        let discharge_off = Reading { fets: Fets { discharge_switch: Some(false), ..both.fets }, ..both };
        assert_eq!(sent(Switch::Charge.to(false), &discharge_off)[5], 3, "the other switch stays as it is");
    }

    #[test]
    fn factory_mode_is_always_left_and_entered_only_when_it_must_be() {
        let fets = Reading { fets: Fets { charge: Some(true), discharge: Some(true), ..Fets::default() }, ..Reading::default() };
        assert!(encode(Switch::Charge.to(false), &fets, true).is_none(), "who knows what holds them");
        let known = Reading { alarms: Some(Vec::new()), ..fets };
        let first = encode(Switch::Charge.to(false), &known, true).unwrap();
        assert!(!first.requests.contains(&ENTER) && first.after == [LEAVE]);
        let second = encode(Switch::Charge.to(false), &known, false).unwrap();
        assert!(second.requests[0] == ENTER && second.after == [LEAVE]);
        assert!(encode(Switch::Charge.to(false), &Reading::default(), true).is_none(), "the other FET is unknown");
    }
}
