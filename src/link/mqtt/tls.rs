//! Encryption of the connection, if built in.

use rumqttc::MqttOptions;
use std::path::Path;

/// Usual paths of the system's trusted certificates.
#[cfg(feature = "mqtt-tls")]
const BUNDLES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// TLS settings for the connection to `host`, trusting the certificates in `ca`, else the system's.
///
/// # Errors
/// The fault, as a predicate of "MQTT broker HOST:PORT".
#[cfg(feature = "mqtt-tls")]
pub(super) fn encrypt(options: &mut MqttOptions, host: &str, ca: Option<&Path>) -> Result<(), String> {
    use tokio_rustls::rustls::pki_types::ServerName;
    let connector = connector(ca)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| "cannot be checked: the host is not a name that a certificate can have; correct it".to_owned())?;
    options.set_socket_connector(move |address, network| {
        let (connector, name) = (connector.clone(), name.clone());
        async move { connector.connect(name, rumqttc::default_socket_connect(address, network).await?).await }
    });
    Ok(())
}

#[cfg(feature = "mqtt-tls")]
fn connector(ca: Option<&Path>) -> Result<tokio_rustls::TlsConnector, String> {
    use tokio_rustls::rustls::crypto::ring::default_provider;
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};
    let missing = || "cannot be checked: this system has no certificates; set `mqtt.tls_ca`".to_owned();
    let path = ca.or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists())).ok_or_else(missing)?;
    let wrong = |what: &str| format!("cannot be checked: {} {what}; correct `mqtt.tls_ca`", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&format!("cannot be read ({error})")))?;
    let mut trusted = RootCertStore::empty();
    // A system's bundle may contain an outdated, unsupported certificate.
    trusted.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if trusted.is_empty() {
        return Err(wrong("holds no certificate in PEM form"));
    }
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot be reached: TLS does not start: {error}; report this"))?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(std::sync::Arc::new(config).into())
}

/// True if the encryption failed, rather than the connection below it.
#[cfg(feature = "mqtt-tls")]
pub(super) fn is_of_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<tokio_rustls::rustls::Error>())
}

/// Built without TLS.
///
/// # Errors
/// Always; `config check` reports it earlier.
#[cfg(not(feature = "mqtt-tls"))]
pub(super) fn encrypt(_: &mut MqttOptions, _: &str, _: Option<&Path>) -> Result<(), String> {
    Err("cannot be reached: this program was built without TLS (cargo feature mqtt-tls)".to_owned())
}

/// Never: nothing is encrypted.
#[cfg(not(feature = "mqtt-tls"))]
pub(super) fn is_of_tls(_: &std::io::Error) -> bool {
    false
}
