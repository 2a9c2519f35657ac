//! Address of the bus, connections to it, and their errors.

use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;
use zbus::connection::Builder;
use zbus::export::futures_core::Stream;
use zbus::{Address, Connection, Message, MessageStream};

/// Time limit for connecting and for calls. Replies normally take milliseconds; a peer that hangs must not block the driver.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Queue of unexpected messages; more are dropped.
const UNREAD_MESSAGES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
const SYSTEM_BUS: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// Name of the bus itself.
pub(crate) const BUS: &str = "org.freedesktop.DBus";
/// Path of the bus itself.
pub(crate) const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Fail if the name is taken; otherwise D-Bus would queue the request.
const DO_NOT_QUEUE: u32 = 4;
/// Reply of `RequestName`: this connection owns the name.
const PRIMARY_OWNER: u32 = 1;
/// Reply of `RequestName`: another connection owns the name.
const NAME_EXISTS: u32 = 3;

/// Errors of D-Bus. The texts contain the remedy.
#[derive(Debug, Error)]
pub enum DbusError {
    /// The bus address is invalid.
    #[error("{0:?} is not a D-Bus address: use `system`, `session` or something like `unix:path=/run/dbus/system_bus_socket`")]
    Address(String),
    /// The session bus was requested, but there is none.
    #[error("no session bus: DBUS_SESSION_BUS_ADDRESS is not set; use `--bus system` or an address")]
    NoSession,
    /// Nothing answers at the address of the bus.
    #[error(
        "no D-Bus at {bus}: {reason}; start dbus-daemon, or choose another with `--bus`; only `dbus-bms run --no-dbus` needs none"
    )]
    Absent {
        /// The address that was tried.
        bus: BusAddress,
        /// Reason given by the system.
        reason: String,
    },
    /// Another process owns the name.
    #[error("{0} is already on the bus: another driver (dbus-serialbattery?) serves this port; stop it first")]
    NameTaken(String),
    /// The bus refuses the name.
    #[error(
        "the bus refuses the name {name}: {reason}; add a bus policy that allows it (needed on the system bus of anything but a GX)"
    )]
    NameRefused {
        /// The requested name.
        name: String,
        /// Reason given by the bus.
        reason: String,
    },
    /// The connection is lost.
    #[error("lost the connection to D-Bus: {0}; check that dbus-daemon runs. A supervised driver reconnects")]
    Lost(String),
    /// A message cannot be built: an error in this program.
    #[error("cannot build a D-Bus message: {0}; please report this")]
    Message(String),
}

/// Address of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusAddress(String);

impl BusAddress {
    /// The bus for `choice` (`system`, `session` or an address). By default the session bus if there is one, else the system bus,
    /// as everywhere on Venus OS.
    ///
    /// # Errors
    /// When it is not an address, or when there is no session bus.
    pub fn from_env(choice: Option<&str>) -> Result<Self, DbusError> {
        Self::resolve(choice, |name| std::env::var(name).ok())
    }

    /// [`from_env`](Self::from_env) with the environment as an argument.
    ///
    /// # Errors
    /// When it is not an address, or when there is no session bus.
    pub fn resolve(choice: Option<&str>, env: impl Fn(&str) -> Option<String>) -> Result<Self, DbusError> {
        let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let session = set("DBUS_SESSION_BUS_ADDRESS");
        let system = || set("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|| SYSTEM_BUS.to_owned());
        match choice {
            Some("system") => Self::parse(&system()),
            Some("session") => Self::parse(&session.ok_or(DbusError::NoSession)?),
            Some(address) => Self::parse(address),
            None => Self::parse(&session.unwrap_or_else(system)),
        }
    }

    /// The first usable address of a list separated by semicolons.
    fn parse(list: &str) -> Result<Self, DbusError> {
        let understood = |address: &&str| address.parse::<Address>().is_ok();
        match list.split(';').map(str::trim).find(understood) {
            Some(address) => Ok(Self(address.to_owned())),
            None => Err(DbusError::Address(list.to_owned())),
        }
    }

    /// Opens a connection to this bus.
    ///
    /// # Errors
    /// When nothing answers there in time.
    pub(crate) async fn connect(&self) -> Result<Connection, DbusError> {
        self.connect_patiently(CALL_LIMIT).await
    }

    /// As [`connect`](Self::connect), with `limit` as the time limit of calls.
    ///
    /// # Errors
    /// When nothing answers there in time.
    pub(crate) async fn connect_patiently(&self, limit: Duration) -> Result<Connection, DbusError> {
        let absent = |reason: String| DbusError::Absent { bus: self.clone(), reason };
        let builder = Builder::address(self.0.as_str()).max_queued(UNREAD_MESSAGES).method_timeout(limit);
        match tokio::time::timeout(CONNECT_LIMIT, builder.build()).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(absent(error.to_string())),
            Err(_) => Err(absent(format!("no answer within {} s", CONNECT_LIMIT.as_secs()))),
        }
    }
}

/// Whether the name has an owner.
///
/// # Errors
/// When the bus does not answer.
pub(super) async fn has_owner(connection: &Connection, name: &str) -> zbus::Result<bool> {
    connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "NameHasOwner", &name).await?.body().deserialize()
}

/// Waits for the next message of a stream. Dropping the future loses nothing.
///
/// # Errors
/// When the connection is lost.
pub(crate) async fn next_message(messages: &mut MessageStream) -> Result<Message, DbusError> {
    match poll_fn(|cx| Pin::new(&mut *messages).poll_next(cx)).await {
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(DbusError::Lost(error.to_string())),
        None => Err(DbusError::Lost("the bus closed it".to_owned())),
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Requests the name without replacing its owner, unlike zbus' own function.
pub(super) async fn request_name(connection: &Connection, name: &str) -> Result<(), DbusError> {
    let refused = |reason: String| DbusError::NameRefused { name: name.to_owned(), reason };
    let request = (name, DO_NOT_QUEUE);
    let reply = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "RequestName", &request).await;
    match reply.and_then(|reply| reply.body().deserialize::<u32>()) {
        Ok(PRIMARY_OWNER) => Ok(()),
        Ok(NAME_EXISTS) => Err(DbusError::NameTaken(name.to_owned())),
        Ok(other) => Err(refused(format!("unexpected answer {other}"))),
        Err(error) => Err(refused(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(choice: Option<&str>, env: &[(&str, &str)]) -> Result<String, DbusError> {
        BusAddress::resolve(choice, |name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
            .map(|bus| bus.to_string())
    }

    const SESSION: (&str, &str) = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/session,guid=0123456789abcdef0123456789abcdef");
    const SYSTEM: (&str, &str) = ("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/tmp/system");

    #[test]
    fn the_session_bus_wins_where_there_is_one() {
        assert_eq!(resolve(None, &[SESSION, SYSTEM]).unwrap(), "unix:path=/tmp/session,guid=0123456789abcdef0123456789abcdef");
        assert_eq!(resolve(None, &[SYSTEM]).unwrap(), "unix:path=/tmp/system");
        assert_eq!(resolve(None, &[("DBUS_SESSION_BUS_ADDRESS", "")]).unwrap(), SYSTEM_BUS);
    }

    #[test]
    fn a_choice_beats_the_environment() {
        assert_eq!(resolve(Some("system"), &[SESSION, SYSTEM]).unwrap(), "unix:path=/tmp/system");
        assert_eq!(resolve(Some("system"), &[SESSION]).unwrap(), SYSTEM_BUS);
        assert_eq!(resolve(Some("tcp:host=gx,port=78"), &[SESSION]).unwrap(), "tcp:host=gx,port=78");
        assert_eq!(resolve(Some("autolaunch;unix:path=/a"), &[]).unwrap(), "unix:path=/a");
    }

    #[test]
    fn what_cannot_work_is_an_error_with_a_remedy() {
        assert!(matches!(resolve(Some("session"), &[SYSTEM]), Err(DbusError::NoSession)));
        let error = resolve(Some("sytem"), &[]).unwrap_err().to_string();
        assert!(error.contains("\"sytem\"") && error.contains("`system`"), "{error}");
    }
}
