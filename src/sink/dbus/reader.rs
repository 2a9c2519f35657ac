//! What is on the bus, read from outside as any other program would: for `doctor`
//! and the oscillation guard.

use super::bus::{BUS, BUS_PATH, BusAddress, DbusError, has_owner};
use super::calls::COMMANDS;
use super::names::BATTERY_PREFIX;
use super::names::BUS_ITEM;
use super::peers;
use super::value::Value;
use crate::commands::Wish;
use std::time::Duration;
use thiserror::Error;
use zbus::{Connection, OwnedVariant};

/// A connection that only asks.
#[derive(Debug, Clone)]
pub struct BusReader(pub(super) Connection);

/// A value that is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// Any kind of number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Read {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
    /// The text, if it is one.
    pub fn text(self) -> Option<String> {
        match self {
            Self::Number(_) => None,
            Self::Text(text) => Some(text),
        }
    }
}

impl BusReader {
    /// Connects.
    ///
    /// # Errors
    /// When nothing answers at the address.
    pub async fn connect(bus: &BusAddress) -> Result<Self, DbusError> {
        Ok(Self(bus.connect().await?))
    }

    /// The battery services, sorted.
    pub async fn batteries(&self) -> Vec<String> {
        self.services(&format!("{BATTERY_PREFIX}*")).await.unwrap_or_default()
    }

    /// The services of this name that are there, sorted; one that ends with `*` stands for all that begin so. `None` when the bus
    /// does not answer.
    pub async fn services(&self, name: &str) -> Option<Vec<String>> {
        let reply = self.0.call_method(Some(BUS), BUS_PATH, Some(BUS), "ListNames", &()).await;
        let mut names: Vec<String> = reply.and_then(|reply| reply.body().deserialize()).ok()?;
        match name.strip_suffix('*') {
            Some(start) => names.retain(|found| found.starts_with(start)),
            None => names.retain(|found| found == name),
        }
        names.sort_unstable();
        Some(names)
    }

    /// Whether somebody has the name.
    pub async fn is_there(&self, service: &str) -> bool {
        has_owner(&self.0, service).await.unwrap_or(false)
    }

    /// A value of a service; `None` when it is unknown, not there, or not told in time.
    pub async fn read(&self, service: &str, path: &str) -> Option<Read> {
        let reply = self.0.call_method(Some(service), path, Some(BUS_ITEM), "GetValue", &()).await.ok()?;
        let value: OwnedVariant = reply.body().deserialize().ok()?;
        match peers::value(&value) {
            Value::Int(number) => Some(Read::Number(f64::from(number))),
            Value::Double(number) => Some(Read::Number(number)),
            Value::Text(text) => Some(Read::Text(text.into_owned())),
            Value::Invalid => None,
        }
    }
}

/// How long a service may take to carry out a wish: longer than it takes to give up itself.
const LONGEST_WISH: Duration = Duration::from_secs(30);

/// Why a service could not be asked.
#[derive(Debug, Error)]
pub enum AskError {
    /// The bus.
    #[error(transparent)]
    Bus(#[from] DbusError),
    /// The service.
    #[error(
        "{service} cannot be asked ({reason}): is the driver running, and is it this one? `dbus-bms doctor` shows what is on D-Bus"
    )]
    Service {
        /// Its name.
        service: String,
        /// What the bus says.
        reason: String,
    },
}

/// Asks a battery's service for something: the code of the outcome, 0 for done, and its words.
///
/// # Errors
/// When there is no bus, or the service does not answer.
pub async fn ask(bus: &BusAddress, service: &str, wish: Wish) -> Result<(i32, String), AskError> {
    let connection = bus.connect_patiently(LONGEST_WISH).await?;
    let (what, value) = wish.words();
    let failed = |reason: zbus::Error| AskError::Service { service: service.to_owned(), reason: reason.to_string() };
    let asked = (what.as_str(), value.as_str());
    let reply = connection.call_method(Some(service), "/", Some(COMMANDS), "Ask", &asked).await.map_err(failed)?;
    reply.body().deserialize::<(i32, String)>().map_err(failed)
}
