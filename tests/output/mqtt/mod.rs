//! MQTT and Domoticz: messages as golden files and against Home Assistant's rules, the page that documents them, and the program
//! against a real broker and a stub of Domoticz.
#![allow(clippy::disallowed_methods, reason = "tests wait for other processes, and stubs live in threads")]

mod battery;
#[cfg(feature = "tls")]
mod certificates;
mod connection;
mod document;
mod domoticz;
mod home_assistant;
mod messages;
mod publisher;
#[cfg(feature = "tls")]
mod tls;
