//! Ports: the trait, opening one by name, and its name in other places.

use super::bluetooth::{self, Bluetooth};
use super::can;
use super::error::{LinkError, OpenError};
use super::mqtt::{self, Mqtt};
use super::serial::{PortOptions, Serial};
use super::tcp::Tcp;
use crate::bms::can::IdFilter;
use crate::bms::{Line, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// A byte stream to a BMS: serial ports, TCP serial servers, Bluetooth connections, CAN interfaces ([records](crate::bms::can)), topics of
/// an MQTT broker and replayed recordings.
pub trait Port: Send {
    /// The name for messages and D-Bus (`/dev/ttyUSB0`, `tcp://10.0.0.5:23`).
    fn name(&self) -> &str;
    /// The only BMS families that may be there; `None` = any. Others must not be sent anything.
    fn families(&self) -> Option<&[&'static str]> {
        None
    }
    /// Changes the line settings. Only a serial port has any: a TCP server owns its line, and the bit rate of a CAN bus is not ours.
    ///
    /// # Errors
    /// Error of the operating system.
    fn set_line(&mut self, line: Line) -> io::Result<()> {
        let _ = line;
        Ok(())
    }
    /// Receives only these CAN frames from now on. Ports other than CAN interfaces ignore it.
    ///
    /// # Errors
    /// Error of the operating system; the port then has to be reopened.
    fn filter(&mut self, ids: &'static [IdFilter]) -> io::Result<()> {
        let _ = ids;
        Ok(())
    }
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// Error of the operating system; the port then has to be reopened.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Reads available bytes, waiting up to `wait` for the first. Returns 0 if none arrived.
    ///
    /// # Errors
    /// Error of the operating system; the port then has to be reopened.
    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize>;
    /// Drops unread input.
    ///
    /// # Errors
    /// Error of the operating system; the port then has to be reopened.
    fn clear(&mut self) -> io::Result<()>;
    /// The error of a request that nothing came back to; a port that knows more tells more.
    fn silence(&self) -> LinkError {
        LinkError::Silent
    }
}

/// The error of a [`Port`] whose device is gone, unlike a temporary fault: see [`super::LinkError::Vanished`].
pub(crate) fn vanished(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} is gone"))
}

/// Reads what has arrived, without waiting. A server that never stops sending must not block: 16 reads are twice the content of a tty
/// buffer.
pub(crate) fn drain(port: &mut impl Port) -> io::Result<()> {
    let mut buf = [0; 512];
    for _ in 0..16 {
        if port.receive(&mut buf, Duration::ZERO)? < buf.len() {
            break;
        }
    }
    Ok(())
}

/// Waits up to `wait` for one of `events`. False if there was none, or a signal came first.
pub(super) fn is_ready(fd: impl AsFd, events: PollFlags, wait: Duration) -> io::Result<bool> {
    let limit = Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(wait.subsec_nanos()) };
    match poll(&mut [PollFd::new(&fd, events)], Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Opens `/dev/…`, `tcp://HOST:PORT`, `ble://ADDRESS`, `can://INTERFACE` or `mqtt://HOST/TOPIC`.
///
/// # Errors
/// One sentence with the remedy.
pub fn open(name: &str, options: &PortOptions) -> Result<Box<dyn Port>, OpenError> {
    match transport(name) {
        Transport::Bluetooth => Ok(Box::new(Bluetooth::connect(name, &options.bluetooth)?)),
        Transport::Can => can::open(name, options),
        Transport::Mqtt => Ok(Box::new(Mqtt::subscribe(name, &options.broker)?)),
        Transport::Serial if name.starts_with("tcp://") => Ok(Box::new(Tcp::connect(name)?)),
        Transport::Serial => Ok(Box::new(Serial::open(name, options)?)),
    }
}

/// What a port of this name leads to.
pub fn transport(name: &str) -> Transport {
    match name {
        _ if name.starts_with(bluetooth::SCHEME) => Transport::Bluetooth,
        _ if name.starts_with(can::SCHEME) => Transport::Can,
        _ if name.starts_with(mqtt::SCHEME) => Transport::Mqtt,
        _ => Transport::Serial,
    }
}

/// The name of a port without `/`, for `[port.NAME]` and the end of a D-Bus service name: the last path component, or all of
/// `tcp://HOST:PORT`; characters not allowed on D-Bus become `_`.
pub fn port_name(port: &str) -> String {
    let name = match port.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}_{}", rest.trim_end_matches('/')),
        None => port.trim_end_matches('/').rsplit('/').next().unwrap_or(port).to_owned(),
    };
    word(&name)
}

/// `text` with everything but ASCII letters, digits and `_` replaced by `_`, as required for D-Bus names.
pub(crate) fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
