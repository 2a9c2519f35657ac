//! Commands to a JK PB board: a Modbus write (function 10 hexadecimal) of two words, high byte first, to a switch of its settings.
//!
//! ```text
//! write    AA 10 10 RR 00 02 04 00 00 00 VV crc    RR 70 charge, 74 discharge, 78 balance; VV 00 off, 01 on
//! answer   AA 10 10 RR 00 02 crc                   AA 90 code crc: refused
//! ```
//! Sources: JK's "BMS RS485 Modbus" V1.1 with worked frames and replies; fl4p/batmon-ha (`10 10 70 00 02 04 00 00 00 01`);
//! Sleeper85/esphome-yambms issue 271 and jean-luc1203/jkbms-rs485-addon issue 147, whose owners use them. The block at 1600
//! (shutdown, calibration, presets) is never written. Nothing is sent to address 0, which is a broadcast or the master.

use crate::bms::bytes::crc_frame;
use crate::bms::modbus::with_crc;
use crate::bms::write_sequence::{AckDecoder, WriteSequence};
use crate::bms::{DecodeError, Framing, Progress, Request};
use crate::model::{Command, Switch};
use std::time::Duration;

const REGISTERS: [u8; 3] = [0x70, 0x74, 0x78];
const ANSWER: usize = 8;
const REFUSAL: usize = 5;

pub(super) fn encode(command: Command, address: u8, settings: Request) -> Option<WriteSequence> {
    let Command::Switch(switch, on) = command else { return None };
    let register = match switch {
        Switch::Charge => 0x70,
        Switch::Discharge => 0x74,
        Switch::Balance => 0x78,
    };
    let bytes = with_crc(vec![address, 0x10, 0x10, register, 0, 2, 4, 0, 0, 0, u8::from(on)]);
    let write = Request { what: "switch", bytes: bytes.into(), timeout: Duration::from_millis(500), required: true };
    Some(WriteSequence {
        acks: AckDecoder { framing, check_ack },
        requests: vec![write],
        after: Vec::new(),
        read_back: vec![settings],
    })
}

fn framing(buf: &[u8]) -> Framing {
    let len = match buf {
        [] | [1..=15] | [1..=15, 0x10] | [1..=15, 0x10, 0x10] => return Framing::Incomplete,
        [1..=15, 0x10, 0x10, register, ..] if REGISTERS.contains(register) => ANSWER,
        [1..=15, 0x90, ..] => REFUSAL,
        _ => return Framing::Skip(1),
    };
    crc_frame(buf, len)
}

fn check_ack(request: &Request, frame: &[u8]) -> Result<Progress, DecodeError> {
    match frame {
        [address, 0x90, code, ..] if request.bytes.first() == Some(address) => Err(DecodeError::Refused { code: *code }),
        _ if frame.get(..6).is_some_and(|head| request.bytes.starts_with(head)) => Ok(Progress::Done),
        _ => Err(DecodeError::Foreign { what: "another board or register" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames and replies of the manufacturer's document.
    #[test]
    fn the_bytes_are_those_of_the_sources() {
        let settings = || Request { what: "", bytes: (&[][..]).into(), timeout: Duration::ZERO, required: false };
        let orders = |command| encode(command, 1, settings()).unwrap();
        let on = orders(Switch::Charge.to(true)).requests.remove(0);
        assert_eq!(*on.bytes, [1, 0x10, 0x10, 0x70, 0, 2, 4, 0, 0, 0, 1, 0xF8, 0x8B]);
        assert_eq!(*orders(Switch::Charge.to(false)).requests[0].bytes, [1, 0x10, 0x10, 0x70, 0, 2, 4, 0, 0, 0, 0, 0x39, 0x4B]);
        assert_eq!(*orders(Switch::Discharge.to(true)).requests[0].bytes, [1, 0x10, 0x10, 0x74, 0, 2, 4, 0, 0, 0, 1, 0xF9, 0x78]);
        let answer = [1, 0x10, 0x10, 0x70, 0, 2, 0x44, 0xD3];
        assert_eq!(framing(&answer), Framing::Frame(0..8));
        assert_eq!(check_ack(&on, &answer), Ok(Progress::Done));
        assert!(check_ack(&orders(Switch::Balance.to(true)).requests[0], &answer).is_err(), "another register");
    }
}
