//! How to reach a broker.

use crate::base::secret::Secret;
use crate::link::tls::Keys;
use std::path::PathBuf;

/// Address and login of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// TCP port; `None` = 1883, with TLS 8883.
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
    /// Host and port are in the name of a port, not in `[mqtt]`.
    pub in_port_name: bool,
}

impl Broker {
    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 8883 } else { 1883 })
    }

    /// Where host and port are set, for messages to the owner.
    pub(super) fn place(&self) -> &'static str {
        if self.in_port_name { "host and TCP port in the name of the port" } else { "`mqtt.host` and `mqtt.port`" }
    }

    /// Where encryption is set.
    pub(super) fn keys(&self) -> Keys {
        let host = if self.in_port_name { "the name of the port" } else { "`mqtt.host`" };
        Keys { host, ca: "`mqtt.tls_ca`", on: "`mqtt.tls`" }
    }
}
