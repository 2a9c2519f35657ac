//! What can go wrong with a port and on a line, in words that an owner can act on.

use std::io;
use thiserror::Error;

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
    #[error("{name} cannot be opened: {source}; plug the adapter in anew, and look what `dmesg` says of it")]
    Failed {
        /// The port.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Why a request has no answer. Each text says what came instead and where to look.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No byte came.
    #[error(
        "nothing came back: check that the BMS is awake and its UART or RS485 port enabled, and that RX/TX or A/B are not swapped"
    )]
    Silent,
    /// Only our own request came back.
    #[error(
        "only our own request came back: adapter and wires carry it, but the BMS is asleep, switched off or not connected. Wake it and check its plug"
    )]
    EchoOnly,
    /// Nothing of this battery was overheard.
    #[error("nothing was heard of it: check that it is switched on and that the master (DIP address 0) still asks it")]
    Unheard,
    /// Bytes came, but nothing like a frame.
    #[error(
        "{bytes} bytes of noise came back: wrong baud rate, A and B swapped, no common ground, or another kind of BMS. Check wires and ground first"
    )]
    Noise {
        /// How many, without the echo.
        bytes: usize,
    },
    /// Something began like a frame of this BMS, but its check failed.
    #[error("the answer came damaged: check ground, shield, termination and length of the cable")]
    Damaged,
    /// Answers passed their check, but no two of them agree.
    #[error("answers to the same request contradict each other: the line is disturbed. Check ground, shield and termination")]
    Contradictory,
    /// Some frames of an answer of several frames came.
    #[error(
        "only {frames} frames of the answer came: the BMS is overloaded or the line loses bytes. Check ground, shield and termination"
    )]
    Incomplete {
        /// How many.
        frames: usize,
    },
    /// Valid frames came, but they answer something else.
    #[error("only answers to other requests came ({frames}): does another program or master use this line?")]
    Foreign {
        /// How many.
        frames: usize,
    },
    /// The frame is valid but ends early.
    #[error("the answer ends before its {field}: this firmware is not known, please send a recording")]
    Short {
        /// The field that is missing.
        field: &'static str,
    },
    /// The BMS understood the request and declined it.
    #[error(
        "the BMS refused the request (code {code:#04x}): it does not have this, or wants a password. Look at its settings in the maker's app"
    )]
    Refused {
        /// Its code.
        code: u8,
    },
    /// The port's device is gone.
    #[error("{0}: was the adapter unplugged?")]
    Vanished(#[source] io::Error),
    /// The operating system reports a fault; the port is to be opened anew.
    #[error("the port failed ({0}): it has to be opened again. Try another cable or adapter if this comes often")]
    Io(#[source] io::Error),
}

impl LinkError {
    /// The port itself is at fault: asking again is useless before it is opened anew.
    pub fn is_port(&self) -> bool {
        matches!(self, LinkError::Vanished(_) | LinkError::Io(_))
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => LinkError::Vanished(error),
            _ => LinkError::Io(error),
        }
    }
}
