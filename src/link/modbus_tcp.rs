//! A Modbus TCP client: one connection, one request at a time.
//!
//! The connection stays open. After a silence it is closed and the next request opens a new one: there are gateways that stop
//! answering on a connection, and that accept only one client.

use crate::base::runtime;
use crate::bms::modbus_tcp::{Ask, FrameError, HEAD_LEN, body, head, request};
use rustix::io::Errno;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Answers to earlier requests that are skipped while waiting for one.
const MAX_FOREIGN: usize = 4;

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum ModbusFault {
    /// There is no connection.
    #[error(
        "{host}:{port} cannot be reached ({source}): check address, power and network of the gateway, and that Modbus TCP is on"
    )]
    Unreachable {
        /// The host.
        host: String,
        /// The TCP port.
        port: u16,
        /// Error of the network.
        source: io::Error,
    },
    /// The gateway closes a connection before the first answer, or refuses it.
    #[error(
        "{host}:{port} closes the connection at once: it serves one Modbus client at a time. Stop the other one (Home Assistant, BerryBMS, \
         another driver), or let it read this driver's MQTT instead"
    )]
    Occupied {
        /// The host.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// No answer in time.
    #[error("no answer in {0:?}: check the device, its unit, and whether another Modbus client keeps the gateway busy")]
    Silent(Duration),
    /// The connection broke.
    #[error("the connection is lost ({0}): check network and gateway")]
    Lost(io::Error),
    /// The unit refuses.
    #[error("the unit answers exception {0}: check on the gateway's page that the device is there")]
    Exception(u8),
    /// Something else than Modbus TCP answers.
    #[error("the answer is {0}: check host and port of the gateway")]
    Answer(FrameError),
}

/// The connection to a gateway.
#[derive(Debug)]
pub struct ModbusTcp {
    host: String,
    port: u16,
    timeout: Duration,
    stream: Option<TcpStream>,
    transaction: u16,
    /// Requests answered on this connection.
    answered: u32,
}

impl ModbusTcp {
    /// Does not connect yet. An answer is waited for up to `timeout`.
    pub fn new(host: &str, port: u16, timeout: Duration) -> Self {
        Self { host: host.to_owned(), port, timeout, stream: None, transaction: 0, answered: 0 }
    }

    /// Asks `unit`.
    ///
    /// # Errors
    /// [`ModbusFault`]; after all but an exception the connection is closed.
    pub async fn ask(&mut self, unit: u8, ask: Ask) -> Result<Vec<u16>, ModbusFault> {
        let result = self.exchange(unit, ask).await;
        match &result {
            Ok(_) | Err(ModbusFault::Exception(_)) => self.answered = self.answered.saturating_add(1),
            Err(_) => self.close(),
        }
        result
    }

    /// Closes the connection; the next request opens a new one.
    pub fn close(&mut self) {
        (self.stream, self.answered) = (None, 0);
    }

    async fn exchange(&mut self, unit: u8, ask: Ask) -> Result<Vec<u16>, ModbusFault> {
        let first = self.answered == 0;
        self.transaction = self.transaction.wrapping_add(1);
        let (transaction, limit) = (self.transaction, self.timeout);
        let stream = self.connected().await?;
        let exchange = async {
            stream.write_all(&request(transaction, unit, ask)).await?;
            for _ in 0..MAX_FOREIGN {
                let mut start = [0; HEAD_LEN];
                stream.read_exact(&mut start).await?;
                let (of, from, length) = match head(&start) {
                    Ok(head) => head,
                    Err(error) => return Ok(Err(error)),
                };
                let mut rest = vec![0; length];
                stream.read_exact(&mut rest).await?;
                if (of, from) == (transaction, unit) {
                    return Ok(body(ask, &rest));
                }
            }
            Ok::<_, io::Error>(Err(FrameError::Foreign))
        };
        match tokio::time::timeout(limit, exchange).await {
            Err(_) => Err(ModbusFault::Silent(limit)),
            Ok(Ok(Ok(words))) => Ok(words),
            Ok(Ok(Err(FrameError::Exception(code)))) => Err(ModbusFault::Exception(code)),
            Ok(Ok(Err(error))) => Err(ModbusFault::Answer(error)),
            Ok(Err(error)) if first && is_closed(&error) => Err(ModbusFault::Occupied { host: self.host.clone(), port: self.port }),
            Ok(Err(error)) => Err(ModbusFault::Lost(error)),
        }
    }

    async fn connected(&mut self) -> Result<&mut TcpStream, ModbusFault> {
        if self.stream.is_none() {
            let (host, port) = (self.host.clone(), self.port);
            let opened = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host.as_str(), port)));
            let opened = opened.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            let stream = opened.map_err(|source| ModbusFault::Unreachable { host, port, source })?;
            // Small requests go out at once; a failure only delays them.
            let _ = stream.set_nodelay(true);
            self.stream = Some(stream);
        }
        match &mut self.stream {
            Some(stream) => Ok(stream),
            // Not reached: it was set above.
            None => Err(ModbusFault::Lost(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Waits between two requests.
    pub async fn pause(time: Duration) {
        runtime::pause(time).await;
    }
}

/// The other end has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    let reset = Errno::from_io_error(error).is_some_and(|errno| matches!(errno, Errno::CONNRESET | Errno::PIPE));
    reset || matches!(error.kind(), io::ErrorKind::UnexpectedEof)
}
