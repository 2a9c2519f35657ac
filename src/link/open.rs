//! Opening a port by its name.

use super::Port;
use super::error::OpenError;
use super::serial::{PortOptions, Serial};
use super::tcp::Tcp;

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
