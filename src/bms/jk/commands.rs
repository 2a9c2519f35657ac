//! Commands to a JK board on its UART.
//!
//! ```text
//! write    4E 57 | 00 14 | terminal 4 | 02 | 03 | 00 | id | 00 off, 01 on | record 4 | 68 | 00 00 | sum 2
//! answer   a frame with command 02, kind 01 and the id
//! ```
//! AB is the charge switch, AC the discharge switch, 9D the balancer. Sources: the register table with its RW column and
//! components/jk_modbus, components/jk_bms/switch in syssi/esphome-jk-bms; frames that an owner has tried in its issue 404 (source
//! 03, kind 00, as here); a third driver sends the same registers with kind 02. Firmware 11 is said not to take 9D: the read-back
//! tells. A board that does not want to stays silent.

use super::super::bytes::sum16;
use super::super::orders::{Acks, Orders};
use super::super::{DecodeError, Progress, Protocol, Request};
use super::{ALL, HEAD, Jk};
use crate::model::{Command, Switch};
use std::time::Duration;

const WRITE: u8 = 0x02;

pub(super) fn encode(command: Command) -> Option<Orders> {
    let (switch, on) = command.switch()?;
    let id = match switch {
        Switch::Charge => 0xAB,
        Switch::Discharge => 0xAC,
        Switch::Balance => 0x9D,
    };
    let mut bytes = vec![0x4E, 0x57, 0, 0x14, 0, 0, 0, 0, WRITE, 3, 0, id, u8::from(on), 0, 0, 0, 0, 0x68, 0, 0];
    bytes.extend(sum16(&bytes).to_be_bytes());
    let write = Request { what: "switch", bytes: bytes.into(), timeout: Duration::from_millis(500), required: true };
    Some(Orders {
        acks: Acks { framing: |buf| Jk.framing(buf), judge },
        requests: vec![write],
        after: Vec::new(),
        read_back: vec![ALL],
    })
}

fn judge(request: &Request, frame: &[u8]) -> Result<Progress, DecodeError> {
    let answers = frame.get(8) == Some(&WRITE) && frame.get(HEAD) == request.bytes.get(HEAD);
    answers.then_some(Progress::Done).ok_or(DecodeError::Foreign { what: "no answer to this write" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames that the owner in issue 404 has tried.
    #[test]
    fn the_bytes_are_those_of_the_sources() {
        for (command, end) in [
            (Command::Charge(true), [0xAB, 1, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD2]),
            (Command::Charge(false), [0xAB, 0, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD1]),
            (Command::Discharge(true), [0xAC, 1, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD3]),
            (Command::Discharge(false), [0xAC, 0, 0, 0, 0, 0, 0x68, 0, 0, 1, 0xD2]),
        ] {
            let sent = &encode(command).unwrap().requests[0].bytes;
            assert_eq!(sent[..HEAD], [0x4E, 0x57, 0, 0x14, 0, 0, 0, 0, 2, 3, 0]);
            assert_eq!(sent[HEAD..], end, "{command}");
        }
        assert!(encode(Command::SetSoc(crate::units::Percent::new(50.0))).is_none());
    }
}
