//! The encryption of `rustls`.

use super::Keys;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};

/// Usual paths of the system's trusted certificates.
const BUNDLES: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What is needed to connect to one server.
#[derive(Clone)]
pub(crate) struct Client {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Client {
    /// For the server `host`, trusting the certificates in `ca`, else the system's. Reads the file.
    ///
    /// # Errors
    /// The fault, as a predicate of the server.
    pub(crate) fn new(host: &str, ca: Option<&Path>, keys: Keys) -> Result<Self, String> {
        let key = keys.ca;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("cannot be checked: a certificate cannot have such a name; correct {}", keys.host))?;
        let path = ca
            .or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists()))
            .ok_or_else(|| format!("cannot be checked: this system has no certificates; set {key}"))?;
        let wrong = |what: &str| format!("cannot be checked: {} {what}; correct {key}", path.display());
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
        Ok(Self { connector: Arc::new(config).into(), name })
    }

    /// Encrypts a connection after checking the server's certificate.
    ///
    /// # Errors
    /// As the connection; [`fault`] recognises those of the encryption.
    pub(crate) async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// What is wrong with a server's certificate or its encryption, and the remedy, as a predicate of the server. `None` if `error` is that of
/// the connection below.
pub(crate) fn fault(error: &io::Error, keys: Keys) -> Option<String> {
    let Keys { host, ca, on } = keys;
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let certificate = match error {
        Error::InvalidCertificate(certificate) => certificate,
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return Some(format!("does not encrypt there; check the TCP port in {host}, and {on}"));
        }
        error => return Some(format!("cannot be reached: {error}; check {on} and {ca}")),
    };
    Some(match certificate {
        CertificateError::UnknownIssuer => {
            format!("has a certificate of an authority that is not trusted; set {ca} to the file of that authority's certificate")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("has a certificate for another name; set {host} to a name that is in it, or make one for this name")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has a certificate that has expired; check the clock here, then renew it there".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "has a certificate that is not valid yet; check the clocks here and there".to_owned()
        }
        // The text is that of rustls-webpki.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => format!(
            "has an authority's certificate as its own; give it one that an authority has signed, and set {ca} to the authority's (docs/mqtt.md)"
        ),
        _ => format!("cannot be trusted: {error}; check its certificate, and {ca}"),
    })
}
