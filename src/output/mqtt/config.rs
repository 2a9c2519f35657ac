//! The settings of the connection to an MQTT broker.

use crate::base::secret::Secret;
use crate::link::mqtt::Broker;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of the MQTT output.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Publish to a broker.
    pub enabled: bool,
    /// Name or address of the broker.
    pub host: String,
    /// Its TCP port; `None` = 1883, with TLS 8883.
    pub port: Option<u16>,
    /// User name.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Encrypt the connection.
    pub tls: bool,
    /// Certificates (PEM) to trust instead of the system's.
    pub tls_ca: Option<PathBuf>,
    /// Client ID; `None` = made from host name and process.
    pub client_id: Option<String>,
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
    /// Publish the batteries in BerryBMS' format.
    pub berrybms: bool,
    /// Publish the current limits in the JK to Pylontech translator's format.
    pub jk_pylon: bool,
    /// Publish the values with a Domoticz number.
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
    /// The broker.
    pub fn broker(&self) -> Broker {
        Broker {
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            tls: self.tls,
            tls_ca: self.tls_ca.clone(),
            client_id: self.client_id.clone(),
            in_port_name: false,
        }
    }

    /// Topic of the program's availability.
    pub fn availability(&self) -> String {
        format!("{}/availability", self.topic)
    }

    /// Topic on which Home Assistant announces its start.
    pub fn birth(&self) -> String {
        format!("{}/status", self.home_assistant_prefix)
    }
}
