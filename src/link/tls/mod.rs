//! Encrypted connections (TLS 1.2 and 1.3) to a server whose certificate is checked: its authority, its names and its dates.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod client;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{Client, fault};
#[cfg(feature = "tls")]
pub(crate) use client::{Client, fault};

/// Whether this program can encrypt.
pub(crate) const BUILT_IN: bool = cfg!(feature = "tls");

/// Where an owner sets what the check of a server depends on, for messages.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing is checked without encryption"))]
pub(crate) struct Keys {
    /// The server's name or address.
    pub(crate) host: &'static str,
    /// The file of trusted certificates.
    pub(crate) ca: &'static str,
    /// Whether the connection is encrypted.
    pub(crate) on: &'static str,
}
