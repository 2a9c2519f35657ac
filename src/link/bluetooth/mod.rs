//! A BMS on Bluetooth Low Energy: `ble://AA:BB:CC:DD:EE:FF`, through BlueZ over D-Bus.
//!
//! BlueZ hands out a socket per characteristic, which fits the blocking [`Port`]; where it does not, notifications are signals and
//! writes are calls on an event loop that runs only inside [`Port::receive`] and [`Port::send`]. Each connection has its own
//! connection to the bus: nothing of it, no match rule either, outlives the port.

mod bluez;
mod connect;
mod error;
mod scan;

pub use error::BluetoothError;
pub use scan::{ScannedDevice, scan};

use super::Port;
use super::error::OpenError;
use super::port::is_ready;
use crate::base::runtime::LocalRuntime;
use crate::base::secret::Secret;
use bluez::{Bluez, DEVICE};
use connect::{Incoming, Outgoing, Session, adapters, connect, disconnect, known};
use rustix::event::PollFlags;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;
use zbus::export::futures_core::Stream;
use zbus::{Message, MessageStream, OwnedVariant};

/// Beginning of the names of these ports.
pub const SCHEME: &str = "ble://";

/// Time limit for opening a port: the sum of those of its steps.
const OPEN_LIMIT: Duration = Duration::from_secs(90);
/// Time limit for sending.
const SEND_LIMIT: Duration = Duration::from_secs(6);
/// Time limit for hanging up.
const CLOSE_LIMIT: Duration = Duration::from_secs(4);
/// The reply to a password comes within this time, if the BMS knows passwords.
const LOGIN_LIMIT: Duration = Duration::from_millis(1500);
/// Waiting time without a byte after which a connection counts as broken: the radio may have lost it without telling.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Longest notification.
const NOTIFICATION: usize = 517;

/// Options of a Bluetooth port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BluetoothOptions {
    /// Address of the bus that BlueZ is on.
    pub bus: String,
    /// The adapter to use (`hci1`); `None` = any that is switched on.
    pub adapter: Option<String>,
    /// The password of the BMS.
    pub password: Option<Secret>,
    /// The families to expect; empty = all.
    pub families: Vec<&'static str>,
}

/// An open connection; when it breaks, the caller opens a new one.
pub struct Bluetooth {
    name: String,
    session: Option<Session>,
    runtime: LocalRuntime,
    /// The rest of a notification that was longer than the caller's buffer.
    rest: Vec<u8>,
    /// The end of the connection, noticed behind bytes that were handed out.
    failure: Option<io::Error>,
    silent: Duration,
}

impl Bluetooth {
    /// Connects to `ble://ADDRESS`.
    ///
    /// # Errors
    /// One sentence for each reason that an owner can fix.
    pub fn connect(name: &str, options: &BluetoothOptions) -> Result<Self, OpenError> {
        let address = address(name).ok_or_else(|| OpenError::BluetoothAddress { name: name.to_owned() })?;
        let failed = |source: BluetoothError| OpenError::Bluetooth { name: name.to_owned(), source };
        let system = |error: io::Error| OpenError::Failed { name: name.to_owned(), source: error };
        let runtime = LocalRuntime::new().map_err(system)?;
        let session = runtime.within(OPEN_LIMIT, connect(&address, options));
        let session = session.unwrap_or_else(|| Err(BluetoothError::Refused("no answer".to_owned()))).map_err(failed)?;
        let mut port = Self {
            name: name.to_owned(),
            session: Some(session),
            runtime,
            rest: Vec::new(),
            failure: None,
            silent: Duration::ZERO,
        };
        if let Some(password) = &options.password {
            port.log_in(password).map_err(failed)?;
        }
        Ok(port)
    }

    /// Gives the password, if the family asks for one. A BMS that does not reply does not want it.
    fn log_in(&mut self, password: &Secret) -> Result<(), BluetoothError> {
        let Some(login) = self.session.as_ref().and_then(|session| session.board.login) else { return Ok(()) };
        let request = (login.request)(password.reveal()).ok_or(BluetoothError::InvalidPassword)?;
        let lost = |error: io::Error| BluetoothError::Lost(error.to_string());
        self.send(&request).map_err(lost)?;
        let mut buf = [0; NOTIFICATION];
        let mut left = LOGIN_LIMIT;
        while !left.is_zero() {
            let wait = left.min(Duration::from_millis(100));
            left = left.saturating_sub(wait);
            let n = self.receive(&mut buf, wait).map_err(lost)?;
            match (login.is_accepted)(buf.get(..n).unwrap_or_default()) {
                Some(true) => return Ok(()),
                Some(false) => return Err(BluetoothError::WrongPassword),
                None => {}
            }
        }
        log::info!("{}: the BMS does not ask for a password", self.name);
        Ok(())
    }

    /// One notification; empty if none came in time.
    fn notification(&mut self, wait: Duration) -> io::Result<Vec<u8>> {
        let Some(session) = &mut self.session else { return Err(lost("it is closed")) };
        match &mut session.incoming {
            Incoming::Descriptor(fd) => read(fd, wait),
            Incoming::Signals { messages, characteristic } => {
                // The event loop must turn at least once to read the bus.
                let next =
                    self.runtime.within(wait.max(Duration::from_millis(1)), next_value(messages, characteristic, &session.device));
                next.unwrap_or_else(|| Ok(Vec::new()))
            }
        }
    }

    fn hand_out(&mut self, bytes: &[u8], buf: &mut [u8]) -> usize {
        let n = bytes.len().min(buf.len());
        let (now, later) = bytes.split_at_checked(n).unwrap_or_default();
        buf.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
        self.rest = later.to_vec();
        n
    }
}

impl Port for Bluetooth {
    fn name(&self) -> &str {
        &self.name
    }

    fn families(&self) -> Option<&[&'static str]> {
        self.session.as_ref().map(|session| session.families.as_slice())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Err(lost("it is closed")) };
        match &mut session.outgoing {
            Outgoing::Descriptor(fd, piece) => bytes.chunks(*piece).try_for_each(|piece| write(fd, piece)),
            calls => {
                let written = self.runtime.within(SEND_LIMIT, connect::write_by_calls(&session.bluez, calls, bytes));
                written.unwrap_or_else(|| Err(BluetoothError::Lost("no answer to a write".to_owned()))).map_err(broken)
            }
        }
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut bytes = std::mem::take(&mut self.rest);
        if bytes.is_empty() {
            bytes = self.notification(wait)?;
        }
        if bytes.is_empty() {
            self.silent = self.silent.saturating_add(wait);
            return if self.silent < SILENCE_LIMIT { Ok(0) } else { Err(lost("nothing was received for a minute")) };
        }
        self.silent = Duration::ZERO;
        // All that have come: the caller waits between two reads as long as a line takes for the bytes that are missing.
        while bytes.len() < buf.len() {
            match self.notification(Duration::ZERO) {
                Ok(more) if more.is_empty() => break,
                Ok(more) => bytes.extend(more),
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        Ok(self.hand_out(&bytes, buf))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.rest.clear();
        // As many notifications as a BMS sends in some seconds; one that never stops must not block us.
        for _ in 0..256 {
            if self.notification(Duration::ZERO)?.is_empty() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Bluetooth {
    fn drop(&mut self) {
        // Otherwise BlueZ would stay connected, and the BMS would not answer to its app.
        if let Some(Session { bluez, device, incoming, outgoing, .. }) = self.session.take() {
            let _ = self.runtime.within(CLOSE_LIMIT, async {
                drop((incoming, outgoing));
                disconnect(&bluez, &device).await;
                drop(bluez);
            });
        }
    }
}

/// Disconnects the device of a port that another thread may still hold open, at the end of the program.
pub async fn hang_up(name: &str, options: &BluetoothOptions) {
    let Some(address) = address(name) else { return };
    let ended = async {
        let bluez = Bluez::connect(&options.bus).await?;
        let objects = bluez.objects().await?;
        let adapters = adapters(&objects, options.adapter.as_deref())?;
        let device = known(&objects, &adapters, &address);
        let connected = device.filter(|device| objects.with(DEVICE).any(|(path, facts)| path == device && facts.flag("Connected")));
        if let Some(device) = connected {
            disconnect(&bluez, &device).await;
        }
        Ok::<(), BluetoothError>(())
    };
    if !matches!(tokio::time::timeout(CLOSE_LIMIT, ended).await, Ok(Ok(()))) {
        log::debug!("{name}: not disconnected");
    }
}

/// The address in a name, as BlueZ writes it.
fn address(name: &str) -> Option<String> {
    let address = name.strip_prefix(SCHEME)?.trim_end_matches('/');
    let is_byte = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit());
    let parts: Vec<&str> = address.split(':').collect();
    (parts.len() == 6 && parts.iter().all(|part| is_byte(part))).then(|| address.to_ascii_uppercase())
}

/// The error of a broken connection.
fn lost(why: &str) -> io::Error {
    broken(BluetoothError::Lost(why.to_owned()))
}

fn broken(error: BluetoothError) -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, error)
}

/// The next notification that came by signal.
async fn next_value(messages: &mut MessageStream, characteristic: &str, device: &str) -> io::Result<Vec<u8>> {
    loop {
        let message = poll_fn(|cx| Pin::new(&mut *messages).poll_next(cx)).await;
        let Some(Ok(message)) = message else { return Err(lost("D-Bus is gone")) };
        match changed(&message, characteristic, device) {
            Some(Change::Value(bytes)) if !bytes.is_empty() => return Ok(bytes),
            Some(Change::Disconnected) => return Err(lost("the BMS ended it or is out of range")),
            _ => {}
        }
    }
}

enum Change {
    Value(Vec<u8>),
    Disconnected,
}

/// What a signal says about the connection.
fn changed(message: &Message, characteristic: &str, device: &str) -> Option<Change> {
    let header = message.header();
    let path = header.path()?.as_str();
    let body = message.body();
    let (_, mut values, _) = body.deserialize::<(&str, HashMap<&str, OwnedVariant>, Vec<&str>)>().ok()?;
    if path == characteristic {
        return Vec::try_from(values.remove("Value")?).ok().map(Change::Value);
    }
    let connected = values.get("Connected").map(bool::try_from)?;
    (path == device && connected == Ok(false)).then_some(Change::Disconnected)
}

/// Reads one packet.
fn read(fd: &OwnedFd, wait: Duration) -> io::Result<Vec<u8>> {
    if !is_ready(fd, PollFlags::IN, wait)? {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; NOTIFICATION];
    match rustix::io::read(fd, &mut *bytes) {
        Ok(0) => Err(lost("the BMS ended it or is out of range")),
        Ok(n) => {
            bytes.truncate(n);
            Ok(bytes)
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(Vec::new()),
        Err(error) => Err(lost(&error.to_string())),
    }
}

/// Writes one packet.
fn write(fd: &OwnedFd, piece: &[u8]) -> io::Result<()> {
    if !is_ready(fd, PollFlags::OUT, SEND_LIMIT)? {
        return Err(lost("it takes no more bytes"));
    }
    rustix::io::write(fd, piece).map(drop).map_err(|error| lost(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_six_bytes() {
        assert_eq!(address("ble://aa:bb:cc:dd:ee:0f").as_deref(), Some("AA:BB:CC:DD:EE:0F"));
        for wrong in
            ["ble://", "ble://aa:bb:cc:dd:ee", "ble://aa:bb:cc:dd:ee:0f:1", "ble://aa:bb:cc:dd:ee:0g", "ble://aa:bb:cc:dd:ee:f"]
        {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}
