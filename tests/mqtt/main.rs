//! MQTT and Domoticz: messages as golden files and against Home Assistant's rules, the page that documents them, and the program
//! against a real broker and a stub of Domoticz.
#![allow(clippy::disallowed_methods, reason = "tests wait for other processes, and stubs live in threads")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../support/board.rs"]
mod board;
#[path = "../support/broker.rs"]
mod broker;
#[path = "../support/bus.rs"]
mod bus;
#[path = "../support/driver.rs"]
mod driver;
#[path = "../support/snapshot.rs"]
mod snapshot;

mod connection;
mod document;
mod domoticz;
mod home_assistant;
mod messages;
mod publisher;
#[cfg(feature = "mqtt-tls")]
mod tls;
