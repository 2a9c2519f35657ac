//! Which bus, how to reach it, and what can go wrong there.

use super::socket::{BusSocket, Outlet};
use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;
use zbus::connection::Builder;
use zbus::export::futures_core::Stream;
use zbus::{Address, Connection, Message, MessageStream};

/// How long a connection or a call on the bus may take. Answers come within milliseconds; a hung peer must not hang us.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Messages that nobody asked for are dropped early.
const UNREAD_MESSAGES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);
const SYSTEM_BUS: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// The bus itself as a peer.
pub(crate) const BUS: &str = "org.freedesktop.DBus";
/// Where the bus is to be asked.
pub(crate) const BUS_PATH: &str = "/org/freedesktop/DBus";

/// What went wrong on D-Bus. The texts say what to do.
#[derive(Debug, Error)]
pub enum DbusError {
    /// The address of the bus makes no sense.
    #[error("{0:?} is no D-Bus address: use `system`, `session` or something like `unix:path=/run/dbus/system_bus_socket`")]
    Address(String),
    /// A session bus is asked for and there is none.
    #[error("there is no session bus: DBUS_SESSION_BUS_ADDRESS is not set; use `--bus system` or an address")]
    NoSession,
    /// Nothing answers at the address of the bus.
    #[error("no D-Bus at {bus}: {reason}; start dbus-daemon, choose another with `--bus`, or run with `--no-dbus`")]
    Absent {
        /// The address that was tried.
        bus: BusAddress,
        /// What the system said.
        reason: String,
    },
    /// Somebody else has the name.
    #[error("{0} is already on the bus: another driver (dbus-serialbattery?) serves this port; stop that one first")]
    NameTaken(String),
    /// The bus does not let us have the name.
    #[error(
        "the bus refuses the name {name}: {reason}; add a policy that allows it, as the system bus of a computer that is no GX wants"
    )]
    NameRefused {
        /// The name asked for.
        name: String,
        /// What the bus said.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection to D-Bus was lost: {0}; check that dbus-daemon runs. A driver that is supervised connects again")]
    Lost(String),
    /// A message could not be built; this is a fault of this program.
    #[error("a D-Bus message could not be built: {0}; please report this")]
    Message(String),
}

/// The address of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusAddress(String);

impl BusAddress {
    /// The bus that `choice` (`system`, `session` or an address) names. Without a choice it is the session bus if there is
    /// one, else the system bus, as everywhere on Venus OS.
    ///
    /// # Errors
    /// When it is no address, or when there is no session bus.
    pub fn from_env(choice: Option<&str>) -> Result<Self, DbusError> {
        Self::resolve(choice, |name| std::env::var(name).ok())
    }

    /// [`from_env`](Self::from_env) with the environment as an argument.
    ///
    /// # Errors
    /// When it is no address, or when there is no session bus.
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

    /// Of a list of addresses (D-Bus separates them by semicolons) the first that can be understood.
    fn parse(list: &str) -> Result<Self, DbusError> {
        let understood = |address: &&str| address.parse::<Address>().is_ok();
        match list.split(';').map(str::trim).find(understood) {
            Some(address) => Ok(Self(address.to_owned())),
            None => Err(DbusError::Address(list.to_owned())),
        }
    }

    /// A new connection to this bus.
    ///
    /// # Errors
    /// When nothing answers there in time.
    pub(crate) async fn connect(&self) -> Result<Connection, DbusError> {
        self.connect_patiently(CALL_LIMIT).await
    }

    /// As [`connect`](Self::connect); calls may take as long as `limit`.
    ///
    /// # Errors
    /// When nothing answers there in time.
    pub(crate) async fn connect_patiently(&self, limit: Duration) -> Result<Connection, DbusError> {
        Ok(self.connect_to_tell(limit).await?.0)
    }

    /// As [`connect_patiently`](Self::connect_patiently), with the outlet for signals that are made here.
    ///
    /// # Errors
    /// When nothing answers there in time.
    pub(super) async fn connect_to_tell(&self, limit: Duration) -> Result<(Connection, Outlet), DbusError> {
        let absent = |reason: String| DbusError::Absent { bus: self.clone(), reason };
        let connecting = async {
            let address: Address = self.0.parse()?;
            let socket = BusSocket::connect(address.transport()).await?;
            let outlet = socket.outlet();
            let builder = Builder::socket(socket).max_queued(UNREAD_MESSAGES).method_timeout(limit);
            Ok::<_, zbus::Error>((builder.build().await?, outlet))
        };
        match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(absent(error.to_string())),
            Err(_) => Err(absent(format!("no answer within {} s", CONNECT_LIMIT.as_secs()))),
        }
    }
}

/// Whether somebody has this name.
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
