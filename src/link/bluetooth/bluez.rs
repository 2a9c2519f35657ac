//! The calls to BlueZ over D-Bus, and the objects that it manages: adapters, devices, services and characteristics.

use super::error::BluetoothError;
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::time::Duration;
use zbus::connection::Builder;
use zbus::message::Message;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Variant};

pub(super) const BLUEZ: &str = "org.bluez";
pub(super) const ADAPTER: &str = "org.bluez.Adapter1";
pub(super) const DEVICE: &str = "org.bluez.Device1";
pub(super) const SERVICE: &str = "org.bluez.GattService1";
pub(super) const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// Time limit for connecting to the bus and for calls that need no radio.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// Time limit for any call; BlueZ gives up connecting before that.
const LONGEST_CALL: Duration = Duration::from_secs(45);
/// Queue of unexpected messages; more are dropped.
const UNREAD_MESSAGES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// The rest of a 128-bit UUID that has a short form.
const SHORT_UUID_TAIL: &str = "-0000-1000-8000-00805f9b34fb";

/// The properties of one interface of an object.
#[derive(Debug, Default)]
pub(super) struct Properties(HashMap<String, OwnedVariant>);

impl Properties {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| <&str>::try_from(value).ok())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| bool::try_from(value) == Ok(true))
    }

    pub(super) fn number(&self, name: &str) -> Option<i16> {
        self.0.get(name).and_then(|value| i16::try_from(value).ok())
    }

    /// A property that cannot be read in place.
    fn owned<T: TryFrom<OwnedVariant>>(&self, name: &str) -> Option<T> {
        T::try_from(self.0.get(name)?.try_clone().ok()?).ok()
    }

    /// The texts of an array.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.owned(name).unwrap_or_default()
    }

    /// The path of another object.
    pub(super) fn path(&self, name: &str) -> Option<String> {
        self.owned::<OwnedObjectPath>(name).map(|path| path.to_string())
    }

    /// The keys of a dictionary of numbers.
    pub(super) fn keys(&self, name: &str) -> Vec<u16> {
        let entries = self.owned::<BTreeMap<u16, Variant<'_>>>(name).unwrap_or_default();
        entries.into_keys().collect()
    }

    /// The 16-bit form of the UUID.
    pub(super) fn short_uuid(&self) -> Option<u16> {
        short_uuid(self.text("UUID")?)
    }
}

/// The 16-bit form of a UUID, if it has one.
pub(super) fn short_uuid(uuid: &str) -> Option<u16> {
    let uuid = uuid.to_ascii_lowercase();
    u16::try_from(u32::from_str_radix(uuid.strip_suffix(SHORT_UUID_TAIL)?, 16).ok()?).ok()
}

/// All objects with their interfaces, by path.
#[derive(Debug, Default)]
pub(super) struct Objects(BTreeMap<String, HashMap<String, Properties>>);

impl Objects {
    /// The objects with this interface, in the order of their paths.
    pub(super) fn with(&self, interface: &str) -> impl Iterator<Item = (&str, &Properties)> {
        self.0.iter().filter_map(move |(path, interfaces)| Some((path.as_str(), interfaces.get(interface)?)))
    }

    /// The devices of an adapter.
    pub(super) fn devices(&self, adapter: &str) -> impl Iterator<Item = (&str, &Properties)> {
        self.with(DEVICE).filter(move |(path, _)| is_below(adapter, path))
    }
}

/// Whether `path` is an object below `parent`.
pub(super) fn is_below(parent: &str, path: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}

/// A connection to BlueZ.
#[derive(Debug)]
pub(super) struct Bluez(pub(super) Connection);

impl Bluez {
    /// Connects to the bus at this address.
    pub(super) async fn connect(bus: &str) -> Result<Self, BluetoothError> {
        let failed = |reason: String| BluetoothError::NoBus { bus: bus.to_owned(), reason };
        let builder = Builder::address(bus).max_queued(UNREAD_MESSAGES).method_timeout(LONGEST_CALL);
        match tokio::time::timeout(CALL_LIMIT, builder.build()).await {
            Ok(Ok(connection)) => Ok(Self(connection)),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("no answer".to_owned())),
        }
    }

    /// Calls a method of an object of BlueZ, for at most `limit`.
    pub(super) async fn call_within<B: serde::Serialize + DynamicType>(
        &self,
        limit: Duration,
        (path, interface): (&str, &str),
        member: &str,
        body: &B,
    ) -> Result<Message, CallError> {
        let call = self.0.call_method(Some(BLUEZ), path, Some(interface), member, body);
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(CallError { name: String::new(), text: format!("no answer within {} s", limit.as_secs()) }),
        }
    }

    /// As [`Bluez::call_within`] for calls that need no radio.
    pub(super) async fn call<B: serde::Serialize + DynamicType>(
        &self,
        object: (&str, &str),
        member: &str,
        body: &B,
    ) -> Result<Message, CallError> {
        self.call_within(CALL_LIMIT, object, member, body).await
    }

    /// All objects.
    pub(super) async fn objects(&self) -> Result<Objects, BluetoothError> {
        type Listing = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let failed = |error: CallError| BluetoothError::NoBluez(error.text);
        let reply = self.call(("/", OBJECT_MANAGER), "GetManagedObjects", &()).await.map_err(failed)?;
        let listing: Listing = reply.body().deserialize().map_err(|error| failed(error.into()))?;
        let interfaces = |object: HashMap<String, HashMap<String, OwnedVariant>>| {
            object.into_iter().map(|(interface, properties)| (interface, Properties(properties))).collect()
        };
        Ok(Objects(listing.into_iter().map(|(path, object)| (path.to_string(), interfaces(object))).collect()))
    }

    /// A boolean property.
    pub(super) async fn flag(&self, path: &str, interface: &str, name: &str) -> Result<bool, CallError> {
        let reply = self.call((path, PROPERTIES), "Get", &(interface, name)).await?;
        let value: OwnedVariant = reply.body().deserialize()?;
        Ok(bool::try_from(&value)?)
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(super) struct CallError {
    /// Last part of the error's name (`InProgress`); empty if it has none.
    name: String,
    /// In words.
    pub(super) text: String,
}

impl CallError {
    /// One of BlueZ' errors.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

impl From<zbus::Error> for CallError {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, text, _) => {
                let name = name.as_str().rsplit('.').next().unwrap_or_default().to_owned();
                let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| name.clone());
                Self { name, text }
            }
            other => Self { name: String::new(), text: other.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_of_the_short_form_have_one() {
        assert_eq!(short_uuid("0000ffe1-0000-1000-8000-00805F9B34FB"), Some(0xFFE1));
        assert_eq!(short_uuid("1000ffe1-0000-1000-8000-00805f9b34fb"), None);
        assert_eq!(short_uuid("0000ffe1-0000-1000-8000-00805f9b34fc"), None);
        assert!(is_below("/org/bluez/hci0", "/org/bluez/hci0/dev_1") && !is_below("/org/bluez/hci0", "/org/bluez/hci01/dev_1"));
    }
}
