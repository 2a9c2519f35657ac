//! Settings of the web server.

use std::net::{Ipv4Addr, SocketAddr};

/// Settings of the server.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// Server enabled.
    pub enabled: bool,
    /// Address and port.
    pub listen: SocketAddr,
    /// Token required to change anything; `None` = no changes.
    pub token: Option<String>,
    /// Additional accepted host names.
    pub hosts: Vec<String>,
    /// Offset of local time from UTC in hours, for the table of energy per day.
    pub utc_offset_h: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            token: None,
            hosts: Vec::new(),
            utc_offset_h: 0.0,
        }
    }
}

impl std::fmt::Debug for Config {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { enabled, listen, token, hosts, utc_offset_h } = self;
        let token = token.as_ref().map(|_| "…");
        f.debug_struct("Config")
            .field("enabled", enabled)
            .field("listen", listen)
            .field("token", &token)
            .field("hosts", hosts)
            .field("utc_offset_h", utc_offset_h)
            .finish()
    }
}
