//! The settings of the connection to an MQTT broker.

use crate::config::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Which broker, how, and what it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Tell a broker of the batteries.
    pub enabled: bool,
    /// Name or address of the broker.
    pub host: String,
    /// Its TCP port; `None` = 1883, with TLS 8883.
    pub port: Option<u16>,
    /// User there.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Encrypt the connection.
    pub tls: bool,
    /// Certificates (PEM) to trust in place of the system's.
    pub tls_ca: Option<PathBuf>,
    /// Name of this client; `None` = made from the computer's name and the process.
    pub client_id: Option<String>,
    /// What our own topics begin with.
    pub topic: String,
    /// Time between two state messages of a battery.
    pub interval: Duration,
    /// Each value also on a topic of its own.
    pub single_values: bool,
    /// Announce the batteries to Home Assistant.
    pub home_assistant: bool,
    /// What Home Assistant's topics begin with.
    pub home_assistant_prefix: String,
    /// Tell the batteries as BerryBMS does.
    pub berrybms: bool,
    /// Tell the current limits as the JK to Pylontech translator does.
    pub jk_pylon: bool,
    /// Tell the values that have a number in Domoticz.
    pub domoticz: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            host: "localhost".to_owned(),
            port: None,
            user: None,
            password: None,
            password_file: None,
            tls: false,
            tls_ca: None,
            client_id: None,
            topic: "dbus-bms".to_owned(),
            interval: Duration::from_secs(5),
            single_values: false,
            home_assistant: false,
            home_assistant_prefix: "homeassistant".to_owned(),
            berrybms: false,
            jk_pylon: false,
            domoticz: false,
        }
    }
}

impl Config {
    /// The broker's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 8883 } else { 1883 })
    }

    /// Where the program says whether it is there.
    pub fn availability(&self) -> String {
        format!("{}/availability", self.topic)
    }

    /// Where Home Assistant says that it has started.
    pub fn birth(&self) -> String {
        format!("{}/status", self.home_assistant_prefix)
    }
}
