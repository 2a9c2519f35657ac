//! Commands to a Daly board.
//!
//! ```text
//! D9  discharge FET, DA  charge FET    d0 01 on, 00 off; the answer repeats the command and d0
//! 21  clock and SoC                    year-2000, month, day, hour, minute, second, u16 SoC 0.1 %
//! ```
//! Sources: bms/daly.py of mr-manuel/venus-os_dbus-serialbattery, acpiccolo/Daly-BMS, ai-republic/bms-to-inverter (DalyCommand) and
//! nsalois/dailybms_gateway; some drivers have D9 and DA the other way round, which the read-back would reveal. Command 00 restarts
//! the board and is never sent. Command 21 also sets the clock, so it is not offered while the time is unknown.

use super::{HOST, SECOND_HOST, SHAPE, check};
use crate::base::calendar::DateTime;
use crate::bms::bytes::{skip_to, sum8};
use crate::bms::write_sequence::{AckDecoder, WriteSequence};
use crate::bms::{DecodeError, Framing, Progress, Request};
use crate::model::{Command, Switch};
use std::time::Duration;

const SET_SOC: u8 = 0x21;
const DISCHARGE: u8 = 0xD9;
const CHARGE: u8 = 0xDA;

/// `read_back` contains the requests for the FETs and for the SoC.
pub(super) fn encode(command: Command, host: u8, unix: Option<u64>, read_back: [Request; 2]) -> Option<WriteSequence> {
    let [fets, soc] = read_back;
    let (code, data, shown) = match command {
        Command::Switch(Switch::Charge, on) => (CHARGE, [u8::from(on), 0, 0, 0, 0, 0, 0, 0], fets),
        Command::Switch(Switch::Discharge, on) => (DISCHARGE, [u8::from(on), 0, 0, 0, 0, 0, 0, 0], fets),
        Command::SetSoc(percent) => {
            let [year, month, day, hour, minute, second] = clock(unix?)?;
            let [high, low] = percent.per_mille()?.to_be_bytes();
            (SET_SOC, [year, month, day, hour, minute, second, high, low], soc)
        }
        Command::Switch(Switch::Balance, _) => return None,
    };
    let mut bytes = vec![0xA5, host, code, 8];
    bytes.extend(data);
    bytes.push(sum8(&bytes));
    let what = if code == SET_SOC { "state of charge" } else { "switch" };
    let write = Request { what, bytes: bytes.into(), timeout: Duration::from_millis(500), required: true };
    Some(WriteSequence {
        acks: AckDecoder { framing, check_ack },
        requests: vec![write],
        after: Vec::new(),
        read_back: vec![shown],
    })
}

/// Year - 2000, month, day, hour, minute and second of this time (UTC); `None` outside of this century.
fn clock(unix: u64) -> Option<[u8; 6]> {
    let DateTime { year, month, day, hour, minute, second } = DateTime::at(unix);
    let year = u8::try_from(year.checked_sub(2000)?).ok().filter(|year| *year < 100)?;
    Some([year, month, day, hour, minute, second])
}

fn framing(buf: &[u8]) -> Framing {
    let begins = buf.iter().zip(0..4).all(|(byte, at)| match at {
        0 => *byte == 0xA5,
        1 => matches!(*byte, 1..=16 | SECOND_HOST),
        2 => matches!(*byte, SET_SOC | DISCHARGE | CHARGE),
        _ => *byte == 8,
    });
    if begins { SHAPE.framing(buf) } else { skip_to(0xA5, buf) }
}

fn check_ack(request: &Request, frame: &[u8]) -> Result<Progress, DecodeError> {
    let &[_, board, command, _, status, ..] = frame else { return Err(DecodeError::Foreign { what: "no frame" }) };
    check(request, board, command)?;
    match command {
        // The reply to 21 differs between boards; the read-back decides.
        SET_SOC => Ok(Progress::Done),
        _ if request.bytes.get(4) == Some(&status) => Ok(Progress::Done),
        _ => Err(DecodeError::Refused { code: status }),
    }
}

/// The host address in requests to this board.
pub(super) fn host(address: Option<u8>) -> u8 {
    address.unwrap_or(1).wrapping_add(HOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Percent;

    fn sent(command: Command, unix: Option<u64>) -> Option<Vec<u8>> {
        let nothing = || Request { what: "", bytes: (&[][..]).into(), timeout: Duration::ZERO, required: false };
        encode(command, 0x40, unix, [nothing(), nothing()]).map(|orders| orders.requests[0].bytes.to_vec())
    }

    #[test]
    fn the_bytes_are_those_of_the_sources() {
        assert_eq!(sent(Switch::Discharge.to(true), None).unwrap(), [0xA5, 0x40, 0xD9, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0xC7]);
        assert_eq!(sent(Switch::Charge.to(false), None).unwrap(), [0xA5, 0x40, 0xDA, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0xC7]);
        // 2026-11-26 09:41:05 UTC
        let soc = sent(Command::SetSoc(Percent::new(80.5)), Some(1_795_686_065)).unwrap();
        assert_eq!(soc[..12], [0xA5, 0x40, 0x21, 8, 26, 11, 26, 9, 41, 5, 0x03, 0x25]);
        assert_eq!(sent(Command::SetSoc(Percent::new(80.0)), None), None, "the clock is not known");
        assert_eq!(sent(Switch::Balance.to(true), None), None);
    }

    #[test]
    fn days_are_counted_right() {
        for (unix, date) in [
            (946_684_800, [0, 1, 1]),
            (951_782_400, [0, 2, 29]),
            (951_868_800, [0, 3, 1]),
            (1_735_689_599, [24, 12, 31]),
            (4_102_444_799, [99, 12, 31]),
        ] {
            assert_eq!(clock(unix).unwrap()[..3], date, "{unix}");
        }
        assert_eq!(clock(4_102_444_800), None);
        assert_eq!(clock(0), None);
    }
}
