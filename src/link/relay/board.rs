//! A relay board on a serial port (LCUS-1 to LCUS-8 and copies: a CH340 and a microcontroller).

use super::{RelayError, Switch};
use crate::bms;
use crate::link::serial::Serial;
use crate::link::{Port, PortOptions};

/// The command to a relay: start, number, state, sum.
pub fn command(channel: u8, on: bool) -> [u8; 4] {
    const START: u8 = 0xA0;
    let state = u8::from(on);
    [START, channel, state, START.wrapping_add(channel).wrapping_add(state)]
}

pub(super) struct Board {
    port: String,
    channel: u8,
    serial: Option<Serial>,
}

impl Board {
    pub(super) fn new(port: String, channel: u8) -> Self {
        Self { port, channel, serial: None }
    }
}

impl Switch for Board {
    fn set(&mut self, on: bool) -> Result<(), RelayError> {
        let mut serial = match self.serial.take() {
            Some(serial) => serial,
            None => Serial::open(&self.port, &PortOptions { line: bms::Line { baud: 9600 }, ..PortOptions::default() })?,
        };
        let sent = serial.send(&command(self.channel, on));
        match sent {
            Ok(()) => {
                self.serial = Some(serial);
                Ok(())
            }
            Err(source) => Err(RelayError::Board { port: self.port.clone(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::pty::Pty;
    use std::time::Duration;

    #[test]
    fn a_board_gets_its_commands_and_is_found_again() {
        assert_eq!(command(1, true), [0xA0, 1, 1, 0xA2]);
        assert_eq!(command(8, false), [0xA0, 8, 0, 0xA8]);
        let mut board = Board::new("/dev/no-such-relay".to_owned(), 1);
        assert!(board.set(true).unwrap_err().to_string().contains("/dev/no-such-relay"));
        let link = std::env::temp_dir().join(format!("dbus-bms-relay-{}", std::process::id()));
        let mut far_end = Pty::open(&link).unwrap();
        board.port = link.display().to_string();
        for on in [true, false] {
            board.set(on).unwrap();
            let mut heard = [0; 4];
            assert_eq!(far_end.receive(&mut heard, Duration::from_secs(5)).unwrap(), 4);
            assert_eq!(heard, command(1, on));
        }
    }
}
