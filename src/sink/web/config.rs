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
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: false, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), token: None, hosts: Vec::new() }
    }
}

impl std::fmt::Debug for Config {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { enabled, listen, token, hosts } = self;
        let token = token.as_ref().map(|_| "…");
        f.debug_struct("Config")
            .field("enabled", enabled)
            .field("listen", listen)
            .field("token", &token)
            .field("hosts", hosts)
            .finish()
    }
}
