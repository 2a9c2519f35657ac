//! Commands to a JK board on its UART.
//!
//! ```text
//! write    4E 57 | 00 14 | terminal 4 | 02 | 03 | 00 | id | 00 off, 01 on | record 4 | 68 | 00 00 | sum 2
//! answer   a frame with command 02, kind 01 and the id
//! ```
//! AB is the charge switch, AC the discharge switch, 9D the balancer. Sources: the register table with its RW column and
//! components/jk_modbus, components/jk_bms/switch in syssi/esphome-jk-bms; frames tried by an owner in its issue 404 (source 03,
//! kind 00, as here); a third driver sends the same registers with kind 02. Firmware 11 is said to refuse 9D: the read-back shows
//! it. A board that refuses sends no reply.

use super::{ALL, HEAD, Jk};
use crate::bms::bytes::sum16;
use crate::bms::write_sequence::{AckDecoder, WriteSequence};
use crate::bms::{Codec, DecodeError, Progress, Request};
use crate::model::{Command, Switch};
use std::time::Duration;

const WRITE: u8 = 0x02;

pub(super) fn encode(command: Command) -> Option<WriteSequence> {
    let Command::Switch(switch, on) = command else { return None };
    let id = match switch {
        Switch::Charge => 0xAB,
        Switch::Discharge => 0xAC,
        Switch::Balance => 0x9D,
    };
    let mut bytes = vec![0x4E, 0x57, 0, 0x14, 0, 0, 0, 0, WRITE, 3, 0, id, u8::from(on), 0, 0, 0, 0, 0x68, 0, 0];
    bytes.extend(sum16(&bytes).to_be_bytes());
    let write = Request { what: "switch", bytes: bytes.into(), timeout: Duration::from_millis(500), required: true };
    Some(WriteSequence {
        acks: AckDecoder { framing: |buf| Jk.framing(buf), check_ack },
        requests: vec![write],
        after: Vec::new(),
        read_back: vec![ALL],
    })
}

fn check_ack(request: &Request, frame: &[u8]) -> Result<Progress, DecodeError> {
    let answers = frame.get(8) == Some(&WRITE) && frame.get(HEAD) == request.bytes.get(HEAD);
    answers.then_some(Progress::Done).ok_or(DecodeError::Foreign { what: "no answer to this write" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames tried by the owner in issue 404.
    #[test]
    fn the_bytes_are_those_of_the_sources() {
        for (command, end) in [
            (Switch::Charge.to(true), [0xAB, 1, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD2]),
            (Switch::Charge.to(false), [0xAB, 0, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD1]),
            (Switch::Discharge.to(true), [0xAC, 1, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD3]),
            (Switch::Discharge.to(false), [0xAC, 0, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD2]),
        ] {
            let sent = &encode(command).unwrap().requests[0].bytes;
            assert_eq!(sent[..HEAD], [0x4E, 0x57, 0, 0x14, 0, 0, 0, 0, 2, 3, 0]);
            assert_eq!(sent[HEAD..], end, "{command}");
        }
        assert!(encode(Command::SetSoc(crate::base::units::Percent::new(50.0))).is_none());
    }
}
