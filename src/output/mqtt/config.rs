//! The settings of the MQTT output.

use super::program::Program;
use crate::link::mqtt::Broker;
use std::time::Duration;

/// What is published, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Publish to a broker.
    pub enabled: bool,
    /// The broker.
    pub broker: Broker,
    /// Prefix of our own topics.
    pub topic: String,
    /// Time between two state messages of a battery.
    pub interval: Duration,
    /// Also publish each value on a topic of its own.
    pub single_values: bool,
    /// Announce the batteries to Home Assistant.
    pub home_assistant: bool,
    /// Prefix of Home Assistant's topics.
    pub home_assistant_prefix: String,
    /// Take commands from the broker, for the batteries that accept any.
    pub commands: bool,
    /// Duration of a temporary limit set in Home Assistant.
    pub limit_time: Duration,
    /// Publish the batteries in BerryBMS' format.
    pub berrybms: bool,
    /// Publish the current limits in the JK to Pylontech translator's format.
    pub jk_pylon: bool,
    /// Publish the values with a Domoticz number.
    pub domoticz: bool,
    /// This program; not configured.
    pub program: Program,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            broker: Broker { host: "localhost".to_owned(), ..Broker::default() },
            topic: "dbus-bms".to_owned(),
            interval: Duration::from_secs(5),
            single_values: false,
            home_assistant: false,
            home_assistant_prefix: "homeassistant".to_owned(),
            commands: false,
            limit_time: Duration::from_secs(12 * 3600),
            berrybms: false,
            jk_pylon: false,
            domoticz: false,
            program: Program::default(),
        }
    }
}

impl Config {
    /// Topic of the program's availability.
    pub fn availability(&self) -> String {
        format!("{}/availability/{}", self.topic, self.program.key)
    }

    /// Topic on which Home Assistant announces its start.
    pub fn birth(&self) -> String {
        format!("{}/status", self.home_assistant_prefix)
    }
}
