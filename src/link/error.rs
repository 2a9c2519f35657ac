//! Faults of a port and a line, worded so that an owner can act on them.

use super::bluetooth::BluetoothError;
use super::can::CanFault;
use std::io;
use thiserror::Error;

/// Why a port cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The device does not exist.
    #[error("{name} does not exist: is the adapter plugged in? `ls /dev/serial/by-id /dev/tty*` shows what is there")]
    Missing {
        /// The port.
        name: String,
    },
    /// Another program holds it.
    #[error(
        "{name} is in use by another program: stop it first (`fuser {name}` names it; on a GX device `/opt/victronenergy/serial-starter/stop-tty.sh` frees a port)"
    )]
    Busy {
        /// The port.
        name: String,
    },
    /// The user has no permission.
    #[error(
        "no permission to open {name}: add the user to the group that owns it (`sudo usermod -aG dialout $USER`, then log in again)"
    )]
    Denied {
        /// The port.
        name: String,
    },
    /// Not a serial port.
    #[error("{name} is not a serial port: give a device such as /dev/ttyUSB0, tcp://HOST:PORT or ble://ADDRESS")]
    NotSerial {
        /// The port.
        name: String,
    },
    /// The kernel cannot switch the direction of this port.
    #[error("the kernel driver of {name} has no RS485 mode ({source}): switch the rs485 option off, most adapters do not need it")]
    Rs485 {
        /// The port.
        name: String,
        /// Error of the kernel.
        source: io::Error,
    },
    /// The address has no host or port.
    #[error("{name} is not an address: write tcp://HOST:PORT, for example tcp://192.168.1.20:8899")]
    Address {
        /// The port.
        name: String,
    },
    /// The serial server does not answer.
    #[error("cannot reach {name} ({source}): check address, power and network of the serial server")]
    Unreachable {
        /// The port.
        name: String,
        /// Error of the network.
        source: io::Error,
    },
    /// Not an address of a Bluetooth device.
    #[error("{name} is not a Bluetooth address: write ble:// and six bytes, for example ble://C8:47:8C:12:34:56")]
    BluetoothAddress {
        /// The port.
        name: String,
    },
    /// Not a topic of a broker.
    #[error(
        "{name} is not a topic: write mqtt://HOST:PORT/TOPIC without wildcards, for example mqtt://localhost/home/battery; user and password belong into `[mqtt]`"
    )]
    MqttAddress {
        /// The port.
        name: String,
    },
    /// A Bluetooth device cannot be used.
    #[error("{name}: {source}")]
    Bluetooth {
        /// The port.
        name: String,
        /// Why.
        source: BluetoothError,
    },
    /// The name of a CAN port is incomplete.
    #[error("{name} is no CAN port: write can:// and the name of the interface, for example can://can0")]
    CanName {
        /// The port.
        name: String,
    },
    /// The CAN interface is not ready.
    #[error("{}", fault.text(interface))]
    Can {
        /// The interface.
        interface: String,
        /// What is wrong with it.
        fault: CanFault,
    },
    /// Anything else.
    #[error("cannot open {name}: {source}; plug the adapter in again, and see `dmesg`")]
    Failed {
        /// The port.
        name: String,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// Why a request has no answer. Each text says what was received instead and where to look.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No byte received.
    #[error("no answer: check that the BMS is awake and its UART or RS485 port enabled, and that RX/TX or A/B are not swapped")]
    Silent,
    /// Only the request's echo came back.
    #[error(
        "only the request's echo came back: adapter and wiring work, but the BMS is asleep, switched off or not connected. Wake it and check its plug"
    )]
    EchoOnly,
    /// No message that counts came on a topic.
    #[error("no message: {why}")]
    NoMessage {
        /// What came instead, and what to do.
        why: &'static str,
    },
    /// Nothing overheard from this battery.
    #[error(
        "nothing received from it on the line: check that it is switched on and that the master (DIP address 0) still polls it"
    )]
    Unheard,
    /// Bytes received, but nothing like a frame.
    #[error(
        "{bytes} bytes of noise received: wrong baud rate, A and B swapped, no common ground, or a different BMS. Check wiring and ground first"
    )]
    Noise {
        /// Their number, without the echo.
        bytes: usize,
    },
    /// An answer arrived, but to an old request.
    #[error(
        "answers arrive late{}, so they are not current: check the serial server, radio link or adapter in between; it buffers data",
        if *seconds > 0 { format!(" by {seconds} s") } else { String::new() }
    )]
    Late {
        /// The age of the request, 0 if unknown.
        seconds: u64,
    },
    /// Something started like a frame of this BMS, but its check failed.
    #[error("the answer was corrupted: check ground, shield, termination and length of the cable")]
    Damaged,
    /// Answers passed their checks, but no two of them agree.
    #[error("answers to the same request contradict each other: interference on the line. Check ground, shield and termination")]
    Contradictory,
    /// The answers are valid, but impossible for one battery.
    #[error(
        "the reading contradicts itself: {why}. Check that the BMS is of this family, and calibrate its voltages in the maker's app"
    )]
    Impossible {
        /// How.
        why: String,
    },
    /// Only some frames of a multi-frame answer arrived.
    #[error(
        "only {frames} frames of the answer arrived: the BMS is overloaded or the line loses bytes. Check ground, shield and termination"
    )]
    Incomplete {
        /// How many.
        frames: usize,
    },
    /// Valid frames arrived, but they answer another request.
    #[error("only answers to other requests arrived ({frames}): does another program or master use this line?")]
    Foreign {
        /// How many.
        frames: usize,
    },
    /// The frame is valid but ends early.
    #[error("the answer ends before its {field}: unknown firmware, please send a recording")]
    Short {
        /// The field that is missing.
        field: &'static str,
    },
    /// The frame is valid, but of an unsupported board.
    #[error("the BMS sends {what}, which is not supported: please send a recording, and use its other port meanwhile")]
    Layout {
        /// Description of that board.
        what: &'static str,
    },
    /// The BMS understood the request, but declined it.
    #[error(
        "the BMS refused the request (code {code:#04x}): it lacks this function, or needs a password. Look at its settings in the maker's app"
    )]
    Refused {
        /// Its code.
        code: u8,
    },
    /// The port's device is gone.
    #[error("{0}: was the adapter unplugged?")]
    Vanished(#[source] io::Error),
    /// The Bluetooth connection broke.
    #[error("{0}")]
    Disconnected(#[source] io::Error),
    /// The operating system reports a fault; the port has to be reopened.
    #[error("port error ({0}): reopening the port. Try another cable or adapter if this happens often")]
    Io(#[source] io::Error),
}

impl LinkError {
    /// A fault of the port itself: repeating the request is useless before it is reopened.
    pub fn is_port(&self) -> bool {
        matches!(self, LinkError::Vanished(_) | LinkError::Disconnected(_) | LinkError::Io(_))
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => LinkError::Vanished(error),
            io::ErrorKind::NotConnected if error.get_ref().is_some_and(|inner| inner.is::<BluetoothError>()) => {
                LinkError::Disconnected(error)
            }
            _ => LinkError::Io(error),
        }
    }
}
