//! A serial port behind a raw TCP server (`ser2net`, Elfin, Waveshare, …): `tcp://HOST:PORT`. The server owns the line settings.

use super::Port;
use super::error::OpenError;
use super::port::drain;
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle, set_tcp_user_timeout};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Timeout for connecting and for sending.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Silence after which TCP keep-alive probes start.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// An open connection; when it breaks, the caller opens a new one.
pub struct Tcp {
    name: String,
    stream: TcpStream,
    wait: Option<Duration>,
}

impl Tcp {
    /// Connects to `tcp://HOST:PORT`.
    ///
    /// # Errors
    /// The address is wrong or nothing answers there.
    pub fn connect(name: &str) -> Result<Self, OpenError> {
        let unreachable = |source| OpenError::Unreachable { name: name.to_owned(), source };
        let address = name.strip_prefix("tcp://").unwrap_or(name);
        let has_port = address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !has_port {
            return Err(OpenError::Address { name: name.to_owned() });
        }
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs().map_err(unreachable)? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).and_then(prepare) {
                Ok(stream) => return Ok(Self { name: name.to_owned(), stream, wait: None }),
                Err(error) => failure = error,
            }
        }
        Err(unreachable(failure))
    }

    /// Reads without waiting.
    fn peek_in(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let result = self.stream.read(buf);
        self.stream.set_nonblocking(false)?;
        result
    }
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    // A server without power is just silent: without these options the connection would look fine for a quarter of an hour.
    set_socket_keepalive(&stream, true)?;
    set_tcp_keepidle(&stream, KEEPALIVE)?;
    set_tcp_user_timeout(&stream, u32::try_from(KEEPALIVE.as_millis()).unwrap_or(u32::MAX))?;
    Ok(stream)
}

impl Port for Tcp {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let result = if wait.is_zero() {
            self.peek_in(buf)
        } else {
            if self.wait != Some(wait) {
                self.stream.set_read_timeout(Some(wait))?;
                self.wait = Some(wait);
            }
            self.stream.read(buf)
        };
        match result {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the serial server closed the connection")),
            Ok(n) => Ok(n),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            },
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        drain(self)
    }
}
