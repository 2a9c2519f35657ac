//! MQTT: publishes batteries and banks in our own format, for Home Assistant, and in the formats of other systems; and subscribes
//! to the power at the grid connection and of a partner inverter. Topics and payloads: `docs/mqtt.md`.
//!
//! ```text
//! BatteryRegistry ──View──▶ Publisher (pure: what, when) ──Message──▶ Connection (link::mqtt) ──▶ broker
//!        ▲                     ▲                                                                     │
//!        └─CommandHandle── Asked (if commands are allowed), claims of other programs ◀───────────────┘
//! ```
//! Measured values are never retained and never queued: after an outage of the broker the then present values are published.

mod command;
mod compat;
mod config;
mod devices;
mod home_assistant;
mod listen;
mod message;
mod ownership;
mod power;
mod program;
mod publisher;
mod serve;
mod values;

pub use crate::link::mqtt::Message;
pub use command::{Answered, Asked};
pub use compat::{berrybms, domoticz, jk_pylon};
pub use config::Config;
pub use devices::jk_pylon_devices;
pub use home_assistant::{ALARMS, announcement, removal};
pub use listen::{GRID, PARTNER, Purpose, listen};
pub use message::{Shape, single_values, state};
pub use power::{Source, parse};
pub use program::Program;
pub use publisher::{Heard, Publisher};
pub use serve::serve;
pub use values::{Kind, Number, VALUES, Value};
