//! Commands to a Daly board at D2: writes of one register (function 06).
//!
//! ```text
//! write    D2 06 00 RR VV VV crc    RR A5 charge FET, A6 discharge FET (0001 on, 0000 off), A7 SoC in 0.1 %
//! answer   the same bytes again     D2 86 code crc: refused
//! ```
//! The reply cannot be distinguished from an echo: the read-back decides. Sources: Daly's Modbus protocol table and
//! components/daly_bms_ble in syssi/esphome-daly-bms (switch and number); a capture of the manufacturer's app in fl4p/batmon-ha
//! issue 356 (`D2 06 00 A5 00 01 4B 8A` and the others). For boards at 80+n no switch is documented, and the SoC by one source
//! only.

use crate::bms::bytes::crc_frame;
use crate::bms::modbus::with_crc;
use crate::bms::write_sequence::{AckDecoder, WriteSequence};
use crate::bms::{DecodeError, Framing, Progress, Request};
use crate::model::{Command, Switch};
use std::time::Duration;

const HOST: u8 = 0xD2;
const WRITE: u8 = 0x06;
const ANSWER: usize = 8;
const REFUSED: u8 = 0x86;
const REFUSAL: usize = 5;

pub(super) fn encode(command: Command, live: Request) -> Option<WriteSequence> {
    let (register, value): (u8, u16) = match command {
        Command::Switch(Switch::Charge, on) => (0xA5, on.into()),
        Command::Switch(Switch::Discharge, on) => (0xA6, on.into()),
        Command::SetSoc(percent) => (0xA7, percent.per_mille()?),
        Command::Switch(Switch::Balance, _) => return None,
    };
    let [high, low] = value.to_be_bytes();
    let bytes = with_crc(vec![HOST, WRITE, 0, register, high, low]);
    let write = Request { what: "register", bytes: bytes.into(), timeout: Duration::from_millis(500), required: true };
    Some(WriteSequence { acks: AckDecoder { framing, check_ack }, requests: vec![write], after: Vec::new(), read_back: vec![live] })
}

fn framing(buf: &[u8]) -> Framing {
    let len = match buf {
        [] | [HOST] => return Framing::Incomplete,
        [HOST, WRITE, ..] => ANSWER,
        [HOST, REFUSED, ..] => REFUSAL,
        _ => return Framing::Skip(1),
    };
    crc_frame(buf, len)
}

fn check_ack(request: &Request, frame: &[u8]) -> Result<Progress, DecodeError> {
    match frame {
        [_, REFUSED, code, ..] => Err(DecodeError::Refused { code: *code }),
        _ if *request.bytes == *frame => Ok(Progress::Done),
        _ => Err(DecodeError::Foreign { what: "another register" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Percent;

    /// Frames captured from the manufacturer's app.
    #[test]
    fn the_bytes_are_those_of_the_sources() {
        let live = || Request { what: "", bytes: (&[][..]).into(), timeout: Duration::ZERO, required: false };
        let sent = |command| encode(command, live()).unwrap().requests[0].bytes.to_vec();
        assert_eq!(sent(Switch::Charge.to(true)), [0xD2, 6, 0, 0xA5, 0, 1, 0x4B, 0x8A]);
        assert_eq!(sent(Switch::Charge.to(false)), [0xD2, 6, 0, 0xA5, 0, 0, 0x8A, 0x4A]);
        assert_eq!(sent(Switch::Discharge.to(true)), [0xD2, 6, 0, 0xA6, 0, 1, 0xBB, 0x8A]);
        assert_eq!(sent(Switch::Discharge.to(false)), [0xD2, 6, 0, 0xA6, 0, 0, 0x7A, 0x4A]);
        assert_eq!(sent(Command::SetSoc(Percent::new(68.0)))[..6], [0xD2, 6, 0, 0xA7, 0x02, 0xA8], "as the document has it");
        assert!(encode(Switch::Balance.to(true), live()).is_none());
    }
}
