//! Reads the view of a battery of another process over D-Bus: for the hub, `status` and `doctor`.

use super::reader::BusReader;
use crate::base::printable::{printable_json, printable_name};
use crate::dbus::connection::DbusError;
use crate::dbus::names::{BATTERY_INTERFACE, VIEW_METHOD};
use crate::output::api::View;
use zbus::fdo;

/// Maximum size of a view; anything larger is rejected.
const VIEW_SIZE_LIMIT: usize = 64 * 1024;

/// Reply of a service to a request for its view.
#[derive(Debug)]
pub(crate) enum ViewReply {
    /// The view.
    View(Box<View>),
    /// It is a battery of another driver.
    Foreign,
    /// It is gone.
    Gone,
    /// No reply in time.
    NoAnswer,
    /// The bus does not let this program ask.
    Denied,
}

/// To be installed where the bus lets nobody ask for a view.
pub(crate) const BUS_POLICY: &str = "dbus-bms.conf of the package in /etc/dbus-1/system.d, and run `systemctl reload dbus`";

impl BusReader {
    /// Requests the view of a battery.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn view(&self, service: &str) -> Result<ViewReply, DbusError> {
        match self.0.call_method(Some(service), "/", Some(BATTERY_INTERFACE), VIEW_METHOD, &()).await {
            Ok(reply) => {
                let body = reply.body();
                let text: Option<&str> = body.deserialize().ok().filter(|text: &&str| text.len() <= VIEW_SIZE_LIMIT);
                let view = text.and_then(parse);
                // Any process may take a name on the bus, so names that are used in addresses and file names are checked.
                let view = view.filter(|view| is_id(&view.identity.id) && view.identity.service.as_deref() == Some(service));
                Ok(view.map_or(ViewReply::Foreign, |view| ViewReply::View(Box::new(view))))
            }
            // Errors of the bus itself; all others are a service's.
            Err(zbus::Error::FDO(error)) => Ok(match *error {
                fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) => ViewReply::Gone,
                fdo::Error::AccessDenied(_) => ViewReply::Denied,
                fdo::Error::NoReply(_) | fdo::Error::Timeout(_) | fdo::Error::TimedOut(_) => ViewReply::NoAnswer,
                _ => ViewReply::Foreign,
            }),
            Err(zbus::Error::MethodError(..)) => Ok(ViewReply::Foreign),
            Err(zbus::Error::InputOutput(error)) if error.kind() == std::io::ErrorKind::TimedOut => Ok(ViewReply::NoAnswer),
            Err(error) => Err(DbusError::Lost(error.to_string())),
        }
    }
}

/// Parses a view and makes its texts safe for terminals and pages: any process may take a name on the bus.
fn parse(text: &str) -> Option<View> {
    let value = serde_json::from_str(text).ok().map(printable_json)?;
    let mut view: View = serde_json::from_value(value).ok()?;
    view.identity.name = printable_name(&view.identity.name);
    Some(view)
}

fn is_id(id: &str) -> bool {
    (1..=96).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
