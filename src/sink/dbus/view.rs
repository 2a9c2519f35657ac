//! A battery's view over D-Bus: method `View` of the interface `dbus_bms.Battery` on `/`, a text of JSON. For the hub, which shows
//! batteries of other processes. It is made when it is asked for, and nothing of it is published.

use super::bus::DbusError;
use super::item::Context;
use super::membership::INTERFACE;
use super::reader::BusReader;
use crate::model::Snapshot;
use crate::sink::can::Reporter;
use crate::units::Moment;
use crate::view::{About, ReadAt, View};
use zbus::message::Message;

const METHOD: &str = "View";
/// No view is longer; what is longer is none.
const LONGEST: usize = 64 * 1024;

/// Whether a call asks for the view.
pub(super) fn is_asked(call: &Message) -> bool {
    let header = call.header();
    header.interface().is_some_and(|interface| interface.as_str() == INTERFACE)
        && header.member().is_some_and(|member| member.as_str() == METHOD)
}

/// Tells the view of one battery.
pub(super) struct Speaker {
    id: String,
    can: Option<Reporter>,
    read_at: ReadAt,
}

impl Speaker {
    pub(super) fn new(id: String, can: Option<Reporter>) -> Self {
        Self { id, can, read_at: ReadAt::default() }
    }

    /// Takes note of a snapshot that came just now.
    pub(super) fn take(&mut self, snapshot: &Snapshot, now: Moment) {
        self.read_at.take(snapshot, now);
    }

    /// The view at this moment.
    pub(super) fn json(&self, service: &str, context: &Context, snapshot: &Snapshot, now: Moment) -> String {
        let about = About {
            id: self.id.clone(),
            custom_name: context.custom_name.clone(),
            service: Some(service.to_owned()),
            connection: context.connection.clone(),
            product: context.product_name.clone(),
            instance: Some(context.device_instance),
            bank: context.member_of.as_ref().map(|name| crate::view::bank_id(name)),
            control: context.tells_limits(),
            commands: context.commands,
        };
        let view = View::new(&about, snapshot, self.read_at.age(now), self.can.as_ref().map(Reporter::view));
        // Numbers and texts only: it cannot fail.
        serde_json::to_string(&view).unwrap_or_default()
    }
}

/// What a service answers that is asked for its view.
#[derive(Debug)]
pub(crate) enum Told {
    /// Its view.
    View(Box<View>),
    /// It is a battery of another driver.
    Foreign,
    /// It is not there any more.
    Gone,
    /// It did not answer in time.
    Nothing,
}

impl BusReader {
    /// Asks a battery for its view.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn view(&self, service: &str) -> Result<Told, DbusError> {
        match self.0.call_method(Some(service), "/", Some(INTERFACE), METHOD, &()).await {
            Ok(reply) => {
                let body = reply.body();
                let text: Option<&str> = body.deserialize().ok().filter(|text: &&str| text.len() <= LONGEST);
                let view: Option<View> = text.and_then(|text| serde_json::from_str(text).ok());
                // Anybody may take a name on the bus; what goes into addresses and file names must be harmless.
                let view = view.filter(|view| is_id(&view.id) && view.service.as_deref() == Some(service));
                Ok(view.map_or(Told::Foreign, |view| Told::View(Box::new(view))))
            }
            Err(zbus::Error::MethodError(name, _, _)) => Ok(match name.as_str() {
                "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => Told::Gone,
                "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout" => Told::Nothing,
                _ => Told::Foreign,
            }),
            Err(zbus::Error::InputOutput(error)) if error.kind() == std::io::ErrorKind::TimedOut => Ok(Told::Nothing),
            Err(error) => Err(DbusError::Lost(error.to_string())),
        }
    }
}

fn is_id(id: &str) -> bool {
    (1..=96).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
