//! Reads the view of a battery of another process over D-Bus: for the hub, `status` and `doctor`.

use super::reader::BusReader;
use crate::base::printable::{printable_json, printable_name};
use crate::dbus::connection::DbusError;
use crate::dbus::names::{BATTERY_INTERFACE, VIEW_METHOD};
use crate::output::api::View;

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
}

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
            Err(zbus::Error::MethodError(name, _, _)) => Ok(match name.as_str() {
                "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => ViewReply::Gone,
                "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout" => ViewReply::NoAnswer,
                _ => ViewReply::Foreign,
            }),
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
