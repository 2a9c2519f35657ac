//! The line to a BMS: a [`Port`] moves bytes, [`Link::exchange`] turns one request into one decoded answer.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod answer;
mod backlog;
pub mod bluetooth;
pub mod can;
mod command;
mod confirm;
mod error;
mod exchange;
mod lag;
mod listen;
pub mod modbus_tcp;
pub mod mqtt;
mod poll;
mod port;
pub mod pty;
pub mod relay;
mod response_times;
pub mod serial;
pub mod tcp;
pub(crate) mod tls;

pub use answer::OverheardFrame;
pub use backlog::Backlog;
pub use bluetooth::{BluetoothError, BluetoothOptions};
pub use error::{LinkError, OpenError};
pub use exchange::Link;
pub use poll::{PollError, RetryLimits};
pub use port::{Port, open, port_name, transport};
pub(crate) use port::{drain, vanished, word};
pub use serial::PortOptions;
