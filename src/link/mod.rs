//! The line to a BMS: a [`Port`] moves bytes, [`Link::exchange`] turns one request into one decoded answer.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod agreement;
mod answer;
mod command;
mod error;
mod exchange;
mod listen;
mod name;
mod open;
mod pace;
mod poll;
pub mod pty;
pub mod record;
pub mod script;
pub mod serial;
pub mod tcp;

pub(crate) use agreement::changes_what_lasts;
pub use error::{LinkError, OpenError};
pub use exchange::Link;
pub use name::port_name;
pub(crate) use name::word;
pub use open::open;
pub use poll::PollError;
pub use serial::PortOptions;

use crate::bms::Line;
use crate::units::Moment;
use std::io;
use std::time::Duration;

/// A line that carries bytes. Serial ports, TCP serial servers and recorded scripts are ports.
pub trait Port: Send {
    /// The name for messages and D-Bus (`/dev/ttyUSB0`, `tcp://10.0.0.5:23`).
    fn name(&self) -> &str;
    /// Changes the line settings; a TCP port, whose server owns the line, ignores them.
    ///
    /// # Errors
    /// What the operating system says.
    fn set_line(&mut self, line: Line) -> io::Result<()>;
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// What the operating system says; the port is then to be opened anew.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Reads what has come, waiting up to `wait` for the first byte. 0 bytes mean that nothing came.
    ///
    /// # Errors
    /// What the operating system says; the port is then to be opened anew.
    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize>;
    /// Drops input that nobody has read yet.
    ///
    /// # Errors
    /// What the operating system says; the port is then to be opened anew.
    fn clear(&mut self) -> io::Result<()>;
}

/// What a [`Port`] returns when its device is gone, as opposed to a passing fault: see [`LinkError::Vanished`].
pub(crate) fn vanished(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} is gone"))
}

/// Time for the parts that run beside a port. The real one lives in `runtime`; tests bring their own.
pub trait Clock: Send {
    /// The present moment.
    fn now(&self) -> Moment;
    /// Lets `time` pass.
    fn sleep(&self, time: Duration);
}
