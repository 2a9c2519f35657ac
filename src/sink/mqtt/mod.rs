//! Tells an MQTT broker of batteries and banks: in a layout of our own, to Home Assistant, and in the layouts of systems that
//! owners come from; and listens to the power at the grid connection. Topics and payloads: `docs/mqtt.md`.
//!
//! ```text
//! House ──View──▶ Publisher (pure: what, when) ──Message──▶ Connection (task: connect, wait, again) ──▶ broker
//! ```
//! Measured values are never retained and never wait: after a time without the broker it is told what is then.

mod compat;
mod config;
mod connection;
mod home_assistant;
mod listen;
mod message;
mod power;
mod publisher;
mod serve;
mod tls;
mod trouble;
mod values;

pub use compat::{berrybms, jk_pylon};
pub use config::Config;
pub use home_assistant::{ALARMS, announcement, removal};
pub use listen::listen;
pub use message::{Message, Shape, single_values, state};
pub use power::{Source, parse};
pub use publisher::Publisher;
pub use serve::serve;
pub use values::{Kind, Number, VALUES, Value};
pub(crate) use values::{alarm_level, number_of};
