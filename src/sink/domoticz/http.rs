//! The little of HTTP that Domoticz needs: a GET without a body, a short answer, one connection each.
//!
//! A library for that would be larger than everything else here; what an owner may put in front of Domoticz (TLS, redirects) is
//! refused with a word instead.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::Update;
use crate::config::Secret;
use std::fmt::Write as _;
use std::io;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer that is read.
const LONGEST: u64 = 16 * 1024;

/// Where Domoticz is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no such place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Encrypted.
    #[error("https is not supported; use Domoticz' http port (8080 by default) within your network")]
    Encrypted,
    /// User and password in it.
    #[error("write user and password into `domoticz.user` and `domoticz.password`")]
    Credentials,
    /// Anything else.
    #[error("write it as in http://192.168.1.10:8080")]
    Shape,
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.starts_with("https:") {
            return Err(UrlError::Encrypted);
        }
        let rest = text.strip_prefix("http://").ok_or(UrlError::Shape)?;
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        if place.contains('@') {
            return Err(UrlError::Credentials);
        }
        // An IPv6 address stands in brackets, which also stay for the connection.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| UrlError::Shape)?),
            _ => (place, 80),
        };
        let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if host.is_empty() || port == 0 || !plain(host, ".-_:[]") || !plain(path, "./-_~%") {
            return Err(UrlError::Shape);
        }
        Ok(Self { host: host.to_owned(), port, path: path.trim_end_matches('/').to_owned() })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

/// A request that is ready to go.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    text: String,
}

impl Request {
    /// That a device there has a new value.
    pub fn update(url: &Url, login: Option<(&str, &Secret)>, update: &Update) -> Self {
        let folder = if url.path.is_empty() { String::new() } else { format!("/{}", url.path) };
        let Update { idx, nvalue, svalue } = update;
        let mut text = format!(
            "GET {folder}/json.htm?type=command&param=udevice&idx={idx}&nvalue={nvalue}&svalue={} HTTP/1.1\r\n\
             Host: {}:{}\r\nAccept: application/json\r\nConnection: close\r\n",
            encode(svalue),
            url.host,
            url.port
        );
        if let Some((user, password)) = login {
            let _ = write!(text, "Authorization: Basic {}\r\n", base64(format!("{user}:{}", password.reveal()).as_bytes()));
        }
        text.push_str("\r\n");
        Self { text }
    }

    /// Sends it and takes the answer.
    ///
    /// # Errors
    /// [`Refusal`]
    pub(super) async fn send(&self, url: &Url) -> Result<(), Refusal> {
        let mut stream = TcpStream::connect((url.host.trim_matches(['[', ']']), url.port)).await?;
        stream.write_all(self.text.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = (&mut stream).take(LONGEST).read_to_end(&mut answer).await;
        // Some servers reset the connection behind their answer.
        if answer.is_empty() {
            read?;
        }
        understood(&answer)
    }
}

/// What Domoticz thinks of a request.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// It is not there.
    #[error("does not answer: {0}; check `domoticz.url`, and that Domoticz runs")]
    Network(#[from] io::Error),
    /// It wants to know who asks.
    #[error("refuses user and password; check `domoticz.user` and `domoticz.password`")]
    Login,
    /// There is no such device, or no such command.
    #[error("does not accept the value; check that the device with this idx exists")]
    Device,
    /// Something else is there.
    #[error("answers with {0}; is `domoticz.url` that of Domoticz?")]
    Answer(String),
}

/// Reads an answer.
pub(super) fn understood(answer: &[u8]) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let status = words.next().filter(|word| word.starts_with("HTTP/1.")).and_then(|_| words.next());
    match status {
        Some("200") if squeezed(body).contains("\"status\":\"OK\"") => Ok(()),
        Some("200") if squeezed(body).contains("\"status\":\"ERR") => Err(Refusal::Device),
        Some("401" | "403") => Err(Refusal::Login),
        Some("200") => Err(Refusal::Answer("something that is not Domoticz'".to_owned())),
        Some(status) => Err(Refusal::Answer(format!("HTTP status {}", status.chars().take(3).collect::<String>()))),
        None => Err(Refusal::Answer("something that is no HTTP".to_owned())),
    }
}

/// Domoticz writes spaces around its colons.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// For a URL: what is not plain becomes `%XX`.
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

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (three, after) = rest.split_at_checked(3).unwrap_or((rest, &[]));
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4usize {
            let shift = 18u32.saturating_sub(u32::try_from(place).unwrap_or(0).saturating_mul(6));
            let letter = LETTERS.get(usize::try_from(word >> shift & 63).unwrap_or(0)).copied().unwrap_or(b'=');
            out.push(char::from(if place > three.len() { b'=' } else { letter }));
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_as_the_rfc_has_it() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn urls_are_plain_http() {
        let url = |text: &str| text.parse::<Url>();
        assert_eq!(url("http://10.0.0.5:8080").unwrap().to_string(), "http://10.0.0.5:8080");
        assert_eq!(url("http://domoticz/").unwrap().to_string(), "http://domoticz:80");
        assert_eq!(url("http://[fe80::1]:8080/sub/").unwrap(), Url { host: "[fe80::1]".into(), port: 8080, path: "sub".into() });
        assert_eq!(url("http://[fe80::1]").unwrap().port, 80);
        assert_eq!(url("https://10.0.0.5"), Err(UrlError::Encrypted));
        assert_eq!(url("http://me:secret@10.0.0.5"), Err(UrlError::Credentials));
        for wrong in
            ["10.0.0.5:8080", "http://", "http://:80", "http://a:b", "http://a b", "http://a/x y", "http://a:0", "http://a/\r\nX"]
        {
            assert_eq!(url(wrong), Err(UrlError::Shape), "{wrong}");
        }
    }

    #[test]
    fn answers() {
        let refusal = |answer: &str| understood(answer.as_bytes()).err().map(|refusal| refusal.to_string());
        assert_eq!(refusal("HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\n   \"status\" : \"OK\",\n   \"title\" : \"Update Device\"\n}"), None);
        assert!(refusal("HTTP/1.1 200 OK\r\n\r\n{ \"status\" : \"ERR\" }").unwrap().contains("idx"));
        assert!(refusal("HTTP/1.1 401 Unauthorized\r\n\r\n").unwrap().contains("password"));
        assert!(refusal("HTTP/1.1 302 Found\r\n\r\n").unwrap().contains("302"));
        assert!(refusal("SSH-2.0-OpenSSH").unwrap().contains("no HTTP"));
        assert!(refusal("HTTP/1.1 200 OK\r\n\r\n<html>").unwrap().contains("not Domoticz"));
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = understood(&answer);
            let _ = understood(&[b"HTTP/1.1 ".as_slice(), &answer].concat());
        }

        #[test]
        fn a_value_cannot_add_to_a_request(svalue in any::<String>(), text in any::<String>()) {
            let url: Url = "http://a:8080".parse().unwrap();
            let request = Request::update(&url, None, &Update { idx: 1, nvalue: 0, svalue });
            prop_assert_eq!(request.text.matches("\r\n").count(), 5);
            prop_assert_eq!(request.text.matches(' ').count(), 5);
            let _ = text.parse::<Url>();
        }
    }
}
