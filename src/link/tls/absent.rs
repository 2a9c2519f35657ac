//! A program that cannot encrypt. `config check` says so before anything gets here.

use super::Keys;
use std::io;
use std::path::Path;

/// Never made.
#[derive(Clone)]
#[allow(dead_code, reason = "only the program that encrypts makes one")]
pub(crate) struct Client;

impl Client {
    /// Never succeeds.
    ///
    /// # Errors
    /// Always, as a predicate of the server.
    pub(crate) fn new(_: &str, _: Option<&Path>, _: Keys) -> Result<Self, String> {
        Err("cannot be reached: this program was built without encryption; build it with the cargo feature tls".to_owned())
    }

    /// Never called.
    ///
    /// # Errors
    /// Always.
    #[allow(clippy::unused_async, reason = "as the other one")]
    pub(crate) async fn encrypt<S>(&self, _: S) -> io::Result<S> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// No error is one of the encryption.
pub(crate) fn fault(_: &io::Error, _: Keys) -> Option<String> {
    None
}
