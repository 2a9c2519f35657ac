//! HTTP over a raw socket: requests of a browser or of an attacker.
#![allow(clippy::disallowed_methods, reason = "a test waits for another process in real time")]

use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A free address.
pub(crate) fn free() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, super::free_port()).into()
}

/// A connection, once there is a listener.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let since = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return stream;
            }
            Err(error) if since.elapsed() > PATIENCE => panic!("nobody listens at {address}: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A reply.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// The reply to these bytes, if any.
pub(crate) fn send(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = connect(address);
    // The other side may close the connection before it has read everything.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A request with additional header lines.
pub(crate) fn request(address: SocketAddr, method: &str, target: &str, lines: &str, body: &str) -> Answer {
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{lines}\r\n{body}",
        body.len()
    );
    send(address, text.as_bytes()).expect("an answer")
}

pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    let text = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    send(address, text.as_bytes()).expect("an answer")
}

/// All batteries.
pub(crate) fn batteries(address: SocketAddr) -> Vec<Json> {
    get(address, "/api/v1/batteries").json()["batteries"].as_array().unwrap().clone()
}

/// Waits until the batteries match.
pub(crate) fn until(address: SocketAddr, what: &str, wanted: impl Fn(&[Json]) -> bool) -> Vec<Json> {
    let since = Instant::now();
    loop {
        let now = batteries(address);
        if wanted(&now) {
            return now;
        }
        assert!(since.elapsed() < 2 * PATIENCE, "not in time: {what}: {now:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A stream of events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut stream = connect(address);
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// Data of the next event with this name.
    pub(crate) fn next(&mut self, name: &str) -> Json {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("an event in time") > 0, "the stream ended");
            if let Some(found) = line.strip_prefix("event: ") {
                event = found.trim().to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ")
                && event == name
            {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}
