//! The connection to an MQTT broker, of the output and of a battery whose values come over MQTT: `mqtt://HOST[:PORT]/TOPIC`.
//!
//! ```text
//! broker ──▶ Connection (task: connect, wait, again) ──▶ Intake, Progress (pure: is it new) ──▶ Mqtt, a Port for one driver
//! ```

mod age;
mod broker;
mod connection;
mod fault_text;
mod intake;
mod message;
mod port;

pub use broker::Broker;
pub(crate) use connection::Connection;
pub use message::Message;
pub(crate) use message::ReceivedMessage;
pub use port::{Mqtt, SCHEME};
