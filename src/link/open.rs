//! Opening a port by its name.

use super::Port;
use super::serial::Serial;
use super::tcp::Tcp;
use crate::bms::Line;
use std::io;
use thiserror::Error;

/// How a port is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortOptions {
    /// The line until something else is set.
    pub line: Line,
    /// The kernel switches the direction of an RS485 transceiver (only for ports that cannot do it by themselves).
    pub rs485: bool,
    /// FTDI adapters report bytes after 1 ms instead of 16 ms, at the price of more interrupts.
    pub low_latency: bool,
}

impl Default for PortOptions {
    fn default() -> Self {
        Self { line: Line { baud: 9600 }, rs485: false, low_latency: false }
    }
}

/// Why a port cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no such device.
    #[error("{name} does not exist: is the adapter plugged in? `ls /dev/serial/by-id /dev/tty*` shows what is there")]
    Missing {
        /// The port.
        name: String,
    },
    /// Another program holds it.
    #[error(
        "{name} is in use by another program: stop that first (`fuser {name}` names it; on a GX device `/opt/victronenergy/serial-starter/stop-tty.sh` frees a port)"
    )]
    Busy {
        /// The port.
        name: String,
    },
    /// The user may not open it.
    #[error(
        "no permission to open {name}: add the user to the group that owns it (`sudo usermod -aG dialout $USER`, then log in again)"
    )]
    Denied {
        /// The port.
        name: String,
    },
    /// It is something else.
    #[error("{name} is not a serial port: give a device such as /dev/ttyUSB0, or tcp://HOST:PORT")]
    NotSerial {
        /// The port.
        name: String,
    },
    /// The kernel cannot switch the direction of this port.
    #[error("{name} has no RS485 mode in the kernel ({source}): switch the rs485 option off, most adapters need nothing")]
    Rs485 {
        /// The port.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// The address has no host or port.
    #[error("{name} is no address: write tcp://HOST:PORT, for example tcp://192.168.1.20:8899")]
    Address {
        /// The port.
        name: String,
    },
    /// The serial server does not answer.
    #[error("{name} cannot be reached ({source}): check address, power and network of the serial server")]
    Unreachable {
        /// The port.
        name: String,
        /// What the network says.
        source: io::Error,
    },
    /// Anything else.
    #[error("{name} cannot be opened: {source}")]
    Failed {
        /// The port.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Opens `/dev/…` or `tcp://HOST:PORT`.
///
/// # Errors
/// One sentence that says what to do.
pub fn open(name: &str, options: &PortOptions) -> Result<Box<dyn Port>, OpenError> {
    match name.starts_with("tcp://") {
        true => Ok(Box::new(Tcp::connect(name)?)),
        false => Ok(Box::new(Serial::open(name, options)?)),
    }
}
