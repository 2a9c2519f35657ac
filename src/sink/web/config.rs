//! Settings of the web server.

use std::net::{Ipv4Addr, SocketAddr};

/// How and for whom to serve.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// Serve at all.
    pub enabled: bool,
    /// Address and port.
    pub listen: SocketAddr,
    /// What a client must present to change anything; `None` = nobody can.
    pub token: Option<String>,
    /// Further names under which the page may be opened.
    pub hosts: Vec<String>,
    /// Hours by which local time is ahead of UTC, for the table of energy per day.
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
