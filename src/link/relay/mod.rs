//! A relay that switches something on and off: a line of a GPIO chip, or a relay board on a serial port.
//!
//! ```text
//! gpio://gpiochip0/17          line 17 of a chip of the GPIO character device
//! usb:///dev/ttyUSB3#2         second relay of a board that takes A0 02 01 A3 (on) and A0 02 00 A2 (off) at 9600 baud
//! ```

mod board;
mod gpio;

pub use board::command;

use crate::link::OpenError;
use board::Board;
use gpio::Line;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// A switch with two states. Tests use one that records.
pub trait Switch: Send {
    /// Switches.
    ///
    /// # Errors
    /// [`RelayError`]; the state is then unknown.
    fn set(&mut self, on: bool) -> Result<(), RelayError>;
}

/// Why a relay does not switch.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The GPIO line cannot be had.
    #[error("GPIO line {line} of {chip} is not available: {reason}. `gpioinfo` lists chips and lines, and who uses a line")]
    Line {
        /// The chip.
        chip: PathBuf,
        /// The line.
        line: u32,
        /// What the kernel says.
        reason: String,
    },
    /// The port of the board cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The board does not take a command.
    #[error("{port}: the relay board takes no command: {source}; check its plug")]
    Board {
        /// The port.
        port: String,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Where a relay is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a GPIO chip.
    Gpio {
        /// The chip's device node.
        chip: PathBuf,
        /// The line's offset.
        line: u32,
    },
    /// A relay board on a serial port.
    Board {
        /// The port's device node.
        port: String,
        /// Number of the relay, from 1.
        channel: u8,
    },
}

/// How a place is written, for messages.
pub const PLACES: &str = "\"gpio://gpiochip0/17\" (chip and line) or \"usb:///dev/ttyUSB3\" (with #2 at its end: the second relay)";

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(rest) = text.strip_prefix("gpio://") {
            let (chip, line) = rest.rsplit_once('/').ok_or(())?;
            let word = !chip.is_empty() && chip.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let line = line.parse().map_err(drop)?;
            return if word { Ok(Self::Gpio { chip: PathBuf::from("/dev").join(chip), line }) } else { Err(()) };
        }
        let rest = text.strip_prefix("usb://").ok_or(())?;
        let (port, channel) = match rest.split_once('#') {
            Some((port, channel)) => (port, channel.parse().ok().filter(|channel| (1..=16).contains(channel)).ok_or(())?),
            None => (rest, 1),
        };
        if port.starts_with('/') { Ok(Self::Board { port: port.to_owned(), channel }) } else { Err(()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpio { chip, line } => {
                let name = chip.file_name().unwrap_or_default().to_string_lossy();
                write!(f, "gpio://{name}/{line}")
            }
            Self::Board { port, channel: 1 } => write!(f, "usb://{port}"),
            Self::Board { port, channel } => write!(f, "usb://{port}#{channel}"),
        }
    }
}

/// A relay; it is opened with its first use, and again after a failure.
pub fn relay(place: Place, active_low: bool) -> Box<dyn Switch> {
    match place {
        Place::Gpio { chip, line } => Box::new(Line::new(chip, line, active_low)),
        Place::Board { port, channel } => Box::new(Board::new(port, channel)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written() {
        for text in ["gpio://gpiochip0/17", "usb:///dev/ttyUSB3", "usb:///dev/serial/by-id/usb-1a86#2"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "gpio://",
            "gpio://17",
            "gpio:///17",
            "gpio://../x/1",
            "gpio://gpiochip0/x",
            "usb://ttyUSB3",
            "usb:///dev/a#0",
            "/dev/ttyUSB0",
        ] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
