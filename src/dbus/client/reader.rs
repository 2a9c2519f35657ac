//! Reads values on the bus like any other program, for `doctor` and the oscillation guard.

use super::remote_batteries;
use crate::control::ControlRequest;
use crate::dbus::connection::{BUS, BUS_PATH, BusAddress, DbusError, has_owner};
use crate::dbus::names::{BATTERY_PREFIX, BUS_ITEM, COMMANDS_INTERFACE};
use crate::dbus::value::Value;
use crate::model::Reply;
use std::time::Duration;
use thiserror::Error;
use zbus::{Connection, OwnedVariant};

/// A connection for reading only.
#[derive(Debug, Clone)]
pub struct BusReader(pub(in crate::dbus) Connection);

/// A known value.
#[derive(Debug, Clone, PartialEq)]
pub enum BusValue {
    /// A number of any type.
    Number(f64),
    /// A text.
    Text(String),
}

impl BusValue {
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

    /// Present services with this name, sorted; a final `*` matches any ending. `None` if the bus does not answer.
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

    /// Whether the name has an owner.
    pub async fn is_there(&self, service: &str) -> bool {
        has_owner(&self.0, service).await.unwrap_or(false)
    }

    /// A value of a service; `None` if it is unknown, absent, or not received in time.
    pub async fn read(&self, service: &str, path: &str) -> Option<BusValue> {
        let reply = self.0.call_method(Some(service), path, Some(BUS_ITEM), "GetValue", &()).await.ok()?;
        let value: OwnedVariant = reply.body().deserialize().ok()?;
        match remote_batteries::value(&value) {
            Value::Int(number) => Some(BusValue::Number(f64::from(number))),
            Value::Double(number) => Some(BusValue::Number(number)),
            Value::Text(text) => Some(BusValue::Text(text.into_owned())),
            Value::Invalid => None,
        }
    }
}

/// Time limit for a request to a service: longer than the service's own time limit.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request to a service failed.
#[derive(Debug, Error)]
pub enum AskError {
    /// Error of the bus.
    #[error(transparent)]
    Bus(#[from] DbusError),
    /// Error of the service.
    #[error(
        "cannot reach {service} ({reason}): is the driver running, and is it this one? `dbus-bms doctor` shows what is on D-Bus"
    )]
    Service {
        /// Name of the service.
        service: String,
        /// Reason given by the bus.
        reason: String,
    },
}

/// Sends a request to a battery's service and returns its reply.
///
/// # Errors
/// When there is no bus, or the service does not answer.
pub async fn ask(bus: &BusAddress, service: &str, request: ControlRequest) -> Result<Reply, AskError> {
    let connection = bus.connect_patiently(COMMAND_TIMEOUT).await?;
    let (what, value) = request.words();
    let failed = |reason: zbus::Error| AskError::Service { service: service.to_owned(), reason: reason.to_string() };
    let asked = (what.as_str(), value.as_str());
    let reply = connection.call_method(Some(service), "/", Some(COMMANDS_INTERFACE), "Ask", &asked).await.map_err(failed)?;
    let (code, text) = reply.body().deserialize().map_err(failed)?;
    Ok(Reply { code, text })
}
