//! Encryption of the connection, where the program was built with it.

use rumqttc::Transport;
use std::path::Path;

/// Where systems keep the certificates that they trust.
#[cfg(feature = "mqtt-tls")]
const BUNDLES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// An encrypted connection to somebody whom these certificates vouch for.
///
/// # Errors
/// What is wrong, behind "MQTT broker HOST:PORT".
#[cfg(feature = "mqtt-tls")]
pub(super) fn transport(ca: Option<&Path>) -> Result<Transport, String> {
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| format!("cannot be checked: `mqtt.tls_ca` {}: {error}", path.display()));
    let ca = match ca {
        Some(path) => read(path)?,
        None => {
            let bundle = BUNDLES.iter().map(Path::new).find(|path| path.exists());
            let missing = || "cannot be checked: this system has no certificates; set `mqtt.tls_ca`".to_owned();
            read(bundle.ok_or_else(missing)?)?
        }
    };
    Ok(Transport::tls(ca, None, None))
}

/// This program was built without.
///
/// # Errors
/// Always; `config check` says it before.
#[cfg(not(feature = "mqtt-tls"))]
pub(super) fn transport(_: Option<&Path>) -> Result<Transport, String> {
    Err("cannot be reached: this program was built without TLS (cargo feature mqtt-tls)".to_owned())
}
