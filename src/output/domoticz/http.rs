//! Minimal HTTP client for Domoticz: a GET without a body, a short answer, one connection each.
//!
//! Redirects are refused with an error.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::Update;
use crate::base::secret::Secret;
use crate::link::tls;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use hyper::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Where the check of the server's certificate is set.
const KEYS: tls::Keys = tls::Keys { host: "`domoticz.url`", ca: "`domoticz.tls_ca`", on: "https in `domoticz.url`" };
/// Maximum head and body of an answer.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

/// Address of Domoticz.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    encrypted: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is not a valid address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It contains user and password.
    #[error("set user and password in `domoticz.user` and `domoticz.password`")]
    Credentials,
    /// Anything else.
    #[error("write it as in http://192.168.1.10:8080")]
    Shape,
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let encrypted = text.starts_with("https://");
        if !encrypted && !text.starts_with("http://") {
            return Err(UrlError::Shape);
        }
        // Check this first: a password may contain characters that no address has.
        if text.contains('@') {
            return Err(UrlError::Credentials);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Shape)?;
        let authority = uri.authority().ok_or(UrlError::Shape)?;
        // Brackets around an IPv6 address are kept for the connection.
        let usual = if encrypted { 443 } else { 80 };
        let port = match authority.port_u16() {
            None if authority.host() == authority.as_str() => usual,
            port => port.filter(|port| *port > 0).ok_or(UrlError::Shape)?,
        };
        if authority.host().is_empty() || uri.query().is_some() || text.contains('#') {
            return Err(UrlError::Shape);
        }
        Ok(Self { encrypted, host: authority.host().to_owned(), port, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl Url {
    /// Whether it begins with https.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The host without the brackets of an IPv6 address.
    fn bare_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }

    /// What encrypts connections to it, trusting the certificates in `ca`, else the system's; `None` = no encryption.
    ///
    /// # Errors
    /// [`Refusal::Certificate`]
    pub(super) fn client(&self, ca: Option<&Path>) -> Result<Option<tls::Client>, Refusal> {
        let client = self.encrypted.then(|| tls::Client::new(self.bare_host(), ca, KEYS)).transpose();
        client.map_err(Refusal::Certificate)
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// A prepared request.
#[derive(Clone)]
pub(super) struct Request(hyper::Request<String>);

impl Request {
    /// Updates the value of a device.
    ///
    /// # Errors
    /// [`Refusal::Request`] if the address is too long.
    pub(super) fn update(url: &Url, login: Option<(&str, &Secret)>, update: &Update) -> Result<Self, Refusal> {
        let Update { idx, nvalue, svalue } = update;
        let Url { host, port, path, .. } = url;
        let value = encode(svalue);
        let target = format!("{path}/json.htm?type=command&param=udevice&idx={idx}&nvalue={nvalue}&svalue={value}");
        let mut request = hyper::Request::get(target)
            .header(HOST, format!("{host}:{port}"))
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close");
        if let Some((user, password)) = login {
            let login = BASE64.encode(format!("{user}:{}", password.reveal()));
            let mut login = HeaderValue::try_from(format!("Basic {login}")).map_err(hyper::http::Error::from)?;
            login.set_sensitive(true);
            request = request.header(AUTHORIZATION, login);
        }
        Ok(Self(request.body(String::new())?))
    }

    /// Sends it, encrypted with `client`, and reads the answer.
    ///
    /// # Errors
    /// [`Refusal`]
    pub(super) async fn send(&self, url: &Url, client: Option<&tls::Client>) -> Result<(), Refusal> {
        let stream = TcpStream::connect((url.bare_host(), url.port)).await?;
        let Some(client) = client else { return self.exchange(stream).await };
        match client.encrypt(stream).await {
            Ok(stream) => self.exchange(stream).await,
            Err(error) => Err(tls::fault(&error, KEYS).map_or(Refusal::Network(error), Refusal::Certificate)),
        }
    }

    /// Sends it over a connection and reads the answer.
    async fn exchange(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Refusal> {
        let mut client = http1::Builder::new();
        // The usual capitalisation, for servers that are case-sensitive.
        client.title_case_headers(true).max_buf_size(MAX_RESPONSE_BYTES);
        let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let (head, body) = sender.send_request(self.0.clone()).await?.into_parts();
            understood(head.status, &content(body).await)
        };
        let (mut answer, connection) = (pin!(answer), pin!(connection));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // Closed, but received data remains to be read.
            _ = connection => answer.await,
        }
    }
}

/// The body, up to the maximum.
async fn content(mut body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Treat an error as the end: some servers reset the connection after their answer.
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let room = MAX_RESPONSE_BYTES.saturating_sub(bytes.len());
        bytes.extend(frame.data_ref().into_iter().flatten().take(room));
        if bytes.len() >= MAX_RESPONSE_BYTES {
            break;
        }
    }
    bytes
}

/// Why a request failed.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// Domoticz is unreachable.
    #[error("does not answer: {0}; check `domoticz.url`, and that Domoticz runs")]
    Network(#[from] io::Error),
    /// Not encrypted, or its certificate is not trusted; names the remedy.
    #[error("{0}")]
    Certificate(String),
    /// The request is invalid.
    #[error("the request failed: {0}; check `domoticz.url`")]
    Request(#[from] hyper::http::Error),
    /// User or password is wrong.
    #[error("refuses user and password; check `domoticz.user` and `domoticz.password`")]
    Login,
    /// Unknown device or command.
    #[error("does not accept the value; check that the device with this idx exists")]
    Device,
    /// Not Domoticz.
    #[error("answers with {0}; is `domoticz.url` that of Domoticz?")]
    Answer(String),
}

impl From<hyper::Error> for Refusal {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() || error.is_incomplete_message() {
            return Self::Answer("something that is not HTTP".to_owned());
        }
        Self::Network(io::Error::other(error))
    }
}

/// Parses an answer.
fn understood(status: StatusCode, body: &[u8]) -> Result<(), Refusal> {
    let body = squeezed(&String::from_utf8_lossy(body));
    match status {
        StatusCode::OK if body.contains("\"status\":\"OK\"") => Ok(()),
        StatusCode::OK if body.contains("\"status\":\"ERR") => Err(Refusal::Device),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Refusal::Login),
        StatusCode::OK => Err(Refusal::Answer("something that is not Domoticz'".to_owned())),
        status => Err(Refusal::Answer(format!("HTTP status {}", status.as_str()))),
    }
}

/// Removes white space: Domoticz puts spaces around colons.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Percent-encodes text for a URL.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    /// The result of a request to a server with this answer, and the bytes that the server received.
    fn exchange(request: &Request, answer: &[u8]) -> (Result<(), Refusal>, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let other = async {
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\n") && theirs.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {}
                // The connection may be closed during the answer.
                let _ = theirs.write_all(answer).await;
                drop(theirs);
                String::from_utf8(heard).unwrap()
            };
            tokio::join!(request.exchange(ours), other)
        })
    }

    fn request(svalue: &str) -> Request {
        let url: Url = "http://a:8080".parse().unwrap();
        Request::update(&url, None, &Update { idx: 1, nvalue: 0, svalue: svalue.to_owned() }).unwrap()
    }

    #[test]
    fn urls_are_http_with_and_without_encryption() {
        let url = |text: &str| text.parse::<Url>();
        assert_eq!(url("http://10.0.0.5:8080").unwrap().to_string(), "http://10.0.0.5:8080");
        assert_eq!(url("http://domoticz/").unwrap().to_string(), "http://domoticz:80");
        let wanted = Url { encrypted: false, host: "[fe80::1]".into(), port: 8080, path: "/sub".into() };
        assert_eq!(url("http://[fe80::1]:8080/sub/").unwrap(), wanted);
        assert_eq!(url("http://[fe80::1]").unwrap().port, 80);
        assert_eq!(url("https://domoticz").unwrap().to_string(), "https://domoticz:443");
        assert!(url("https://10.0.0.5:8443").unwrap().is_encrypted() && !url("http://10.0.0.5").unwrap().is_encrypted());
        assert_eq!(url("http://me:secret@10.0.0.5"), Err(UrlError::Credentials));
        for wrong in [
            "10.0.0.5:8080",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a b",
            "http://a/x y",
            "http://a:0",
            "http://a/\r\nX",
            "https:/a",
            "httpss://a",
        ] {
            assert_eq!(url(wrong), Err(UrlError::Shape), "{wrong}");
        }
    }

    #[test]
    fn answers() {
        let refusal = |answer: &str| exchange(&request("1"), answer.as_bytes()).0.err().map(|refusal| refusal.to_string());
        assert_eq!(refusal("HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\n   \"status\" : \"OK\",\n   \"title\" : \"Update Device\"\n}"), None);
        assert!(refusal("HTTP/1.1 200 OK\r\n\r\n{ \"status\" : \"ERR\" }").unwrap().contains("idx"));
        assert!(refusal("HTTP/1.1 401 Unauthorized\r\n\r\n").unwrap().contains("password"));
        assert!(refusal("HTTP/1.1 302 Found\r\n\r\n").unwrap().contains("302"));
        assert!(refusal("SSH-2.0-OpenSSH").unwrap().contains("not HTTP"));
        assert!(refusal("HTTP/1.1 200 OK\r\n\r\n<html>").unwrap().contains("not Domoticz"));
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = exchange(&request("1"), &answer);
            let _ = exchange(&request("1"), &[b"HTTP/1.1 ".as_slice(), &answer].concat());
        }

        #[test]
        fn a_value_cannot_add_to_a_request(svalue in any::<String>(), text in any::<String>()) {
            let (_, heard) = exchange(&request(&svalue), b"");
            prop_assert_eq!(heard.matches("\r\n").count(), 5);
            prop_assert_eq!(heard.matches(' ').count(), 5);
            let _ = text.parse::<Url>();
        }
    }

    #[test]
    fn an_answer_is_read_to_its_limit_only() {
        let long = format!("HTTP/1.1 200 OK\r\n\r\n{}\"status\":\"OK\"", " ".repeat(MAX_RESPONSE_BYTES));
        assert!(matches!(exchange(&request("1"), long.as_bytes()).0, Err(Refusal::Answer(_))));
        let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n\"status\":\"OK\"", "y".repeat(2 * MAX_RESPONSE_BYTES));
        assert!(matches!(exchange(&request("1"), head.as_bytes()).0, Err(Refusal::Answer(_))));
    }

    #[test]
    fn a_password_with_any_letters_is_recognised_as_one() {
        for text in ["http://me:pa#ss@10.0.0.5", "http://me:pa ss@10.0.0.5", "http://me:pa/ss@10.0.0.5:8080"] {
            assert_eq!(text.parse::<Url>(), Err(UrlError::Credentials), "{text}");
        }
        assert_eq!("http://a/x?y=1".parse::<Url>(), Err(UrlError::Shape));
        assert_eq!("http://a/x#y".parse::<Url>(), Err(UrlError::Shape));
    }
}
