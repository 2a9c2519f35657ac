//! `com.victronenergy.settings`: DeviceInstance and name of a battery.
//!
//! All batteries of the process share one connection, separate from those of the services, so that a slow settings service never
//! blocks a battery's service. Every call has a time limit, and the driver works without a settings service.

use super::client::remote_batteries;
use super::connection::{BUS, BUS_PATH, BusAddress, DbusError, has_owner};
use super::gx_settings::{GX_SETTINGS, GxSettingKey, GxSettingValues};
use super::names::BUS_ITEM;
use super::names::{BATTERY_PREFIX, DeviceId};
use super::value::Value;
use crate::base::printable::printable_name;
use crate::takeover::counters::Counters;
use crate::takeover::entries::{INSTANCE, battery_setting};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};
use zbus::{Connection, OwnedVariant, Variant};

pub(super) const SERVICE: &str = "com.victronenergy.settings";
pub(super) const INTERFACE: &str = "com.victronenergy.Settings";
const CUSTOM_NAME: &str = "CustomName";

/// Time limit for reading the instances of all other batteries.
const INSTANCE_SCAN_LIMIT: Duration = Duration::from_secs(1);

/// Why the settings cannot be accessed.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    #[error("{SERVICE} is not on the bus")]
    Absent,
    #[error("unexpected answer from {SERVICE}: {0}. Restart the GX if this persists")]
    Failed(String),
}

/// Stored settings of a battery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredSettings {
    pub(crate) instance: u16,
    pub(crate) custom_name: String,
    /// 0 if there are none.
    pub(crate) gx_settings: GxSettingValues,
    /// Counters of another driver, if they were just taken over.
    pub(crate) counters: Option<Counters>,
}

/// Connection to the settings service, for all batteries of the process.
#[derive(Debug, Clone)]
pub struct SettingsClient {
    pub(super) connection: Connection,
    instance_lock: Arc<Mutex<()>>,
}

impl SettingsClient {
    /// Connects to the bus. The settings service may be absent.
    ///
    /// # Errors
    /// When nothing answers at the bus address.
    pub async fn connect(bus: &BusAddress) -> Result<Self, DbusError> {
        Ok(Self { connection: bus.connect().await?, instance_lock: Arc::default() })
    }

    /// Serialises batteries that choose their own instance, so that no two choose the same.
    pub(crate) async fn instance_lock(&self) -> MutexGuard<'_, ()> {
        self.instance_lock.lock().await
    }

    /// Reads the settings of `device`, after adding missing entries with the values of `wanted`.
    pub(crate) async fn claim(
        &self,
        device: &DeviceId,
        wanted: &StoredSettings,
        gx_settings: bool,
    ) -> Result<StoredSettings, SettingsError> {
        // Checked first, because not every bus reports a missing service at once.
        if !has_owner(&self.connection, SERVICE).await.map_err(failed)? {
            return Err(SettingsError::Absent);
        }
        let setting = |name: &str, default: String| {
            HashMap::from([("path", Variant::from(device.setting(name))), ("default", Variant::from(default))])
        };
        let mut requests =
            vec![setting(INSTANCE, battery_setting(wanted.instance)), setting(CUSTOM_NAME, wanted.custom_name.clone())];
        requests.extend(GX_SETTINGS.iter().filter(|_| gx_settings).map(|GxSettingKey { name, most, .. }| {
            HashMap::from([
                ("path", Variant::from(device.setting(name))),
                ("default", Variant::from(0.0)),
                ("min", Variant::from(0.0)),
                ("max", Variant::from(*most)),
            ])
        }));
        let reply = self.connection.call_method(Some(SERVICE), "/", Some(INTERFACE), "AddSettings", &requests.as_slice()).await;
        let body = reply.map_err(failed)?.body();
        let entries: Vec<HashMap<String, OwnedVariant>> = body.deserialize().map_err(failed)?;
        let found = |name: &str| {
            let path = device.setting(name);
            let ours = |entry: &&HashMap<String, OwnedVariant>| text_in(entry.get("path")) == Some(&path);
            entries.iter().find(ours).and_then(|entry| entry.get("value"))
        };
        let value = |name: &str| text_in(found(name)).map(str::to_owned);
        let assigned = value(INSTANCE).ok_or_else(|| SettingsError::Failed("no instance was assigned".to_owned()))?;
        let gx_settings = GX_SETTINGS.each_ref().map(|setting| found(setting.name).and_then(float_in).unwrap_or_default());
        Ok(StoredSettings {
            instance: instance_in(&assigned)?,
            custom_name: value(CUSTOM_NAME).map(|name| printable_name(&name)).unwrap_or_default(),
            gx_settings,
            counters: None,
        })
    }

    /// Reads the present settings of `device`.
    pub(super) async fn read(&self, device: &DeviceId, with_gx_settings: bool) -> Result<StoredSettings, SettingsError> {
        let assigned = self.text(&device.setting(INSTANCE)).await?;
        let mut gx_settings = GxSettingValues::default();
        if with_gx_settings {
            for (value, setting) in gx_settings.iter_mut().zip(&GX_SETTINGS) {
                *value = float_in(&self.value(&device.setting(setting.name)).await?).unwrap_or_default();
            }
        }
        Ok(StoredSettings {
            instance: instance_in(&assigned)?,
            custom_name: printable_name(&self.text(&device.setting(CUSTOM_NAME)).await?),
            gx_settings,
            counters: None,
        })
    }

    async fn value(&self, path: &str) -> Result<OwnedVariant, SettingsError> {
        let reply = self.connection.call_method(Some(SERVICE), path, Some(BUS_ITEM), "GetValue", &()).await.map_err(failed)?;
        reply.body().deserialize().map_err(failed)
    }

    async fn text(&self, path: &str) -> Result<String, SettingsError> {
        let value = self.value(path).await?;
        text_in(Some(&value)).map(str::to_owned).ok_or_else(|| SettingsError::Failed(format!("{path} is not a text")))
    }

    pub(super) async fn write_name(&self, device: &DeviceId, name: &str) -> Result<(), SettingsError> {
        let (path, value) = (device.setting(CUSTOM_NAME), Variant::from(name));
        let reply = self.connection.call_method(Some(SERVICE), path.as_str(), Some(BUS_ITEM), "SetValue", &value).await;
        match reply.map_err(failed)?.body().deserialize::<i32>().map_err(failed)? {
            0 => Ok(()),
            code => Err(SettingsError::Failed(format!("it refused a name with code {code}"))),
        }
    }

    /// The lowest instance, from 1, that is not used by a battery on the bus. Batteries that do not answer are ignored.
    pub(crate) async fn free_instance(&self) -> u16 {
        let mut taken = Vec::new();
        if tokio::time::timeout(INSTANCE_SCAN_LIMIT, self.collect_instances(&mut taken)).await.is_err() {
            log::warn!(
                "not all batteries on D-Bus published their DeviceInstance, so the chosen one may be taken; if two batteries show the same, restart the device"
            );
        }
        (1..u16::MAX).find(|instance| !taken.contains(instance)).unwrap_or(u16::MAX)
    }

    async fn collect_instances(&self, taken: &mut Vec<u16>) {
        let reply = self.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ListNames", &()).await;
        let names: Vec<String> = reply.and_then(|reply| reply.body().deserialize()).unwrap_or_default();
        for name in names.iter().filter(|name| name.starts_with(BATTERY_PREFIX)) {
            let reply = self.connection.call_method(Some(name.as_str()), "/DeviceInstance", Some(BUS_ITEM), "GetValue", &()).await;
            let value = reply.and_then(|reply| reply.body().deserialize::<OwnedVariant>());
            taken.extend(value.ok().and_then(|value| number_in(&value)));
        }
    }
}

pub(super) fn failed(error: zbus::Error) -> SettingsError {
    match error {
        zbus::Error::FDO(error) if matches!(*error, zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_)) => {
            SettingsError::Absent
        }
        error => SettingsError::Failed(error.to_string()),
    }
}

/// The number in `battery:7`.
fn instance_in(text: &str) -> Result<u16, SettingsError> {
    let number = text.strip_prefix("battery:").and_then(|number| number.parse().ok());
    number.ok_or_else(|| SettingsError::Failed(format!("{INSTANCE} is {text:?}, not `battery:` and a number")))
}

fn text_in(value: Option<&OwnedVariant>) -> Option<&str> {
    match &**value? {
        Variant::Str(text) => Some(text.as_str()),
        _ => None,
    }
}

/// A finite number of any type.
fn float_in(value: &OwnedVariant) -> Option<f64> {
    match remote_batteries::value(value) {
        Value::Int(number) => Some(f64::from(number)),
        Value::Double(number) => Some(number).filter(|number| number.is_finite()),
        Value::Text(_) | Value::Invalid => None,
    }
}

/// A DeviceInstance in any of the types used by services.
fn number_in(value: &OwnedVariant) -> Option<u16> {
    match **value {
        Variant::U8(n) => Some(u16::from(n)),
        Variant::I16(n) => n.try_into().ok(),
        Variant::U16(n) => Some(n),
        Variant::I32(n) => n.try_into().ok(),
        Variant::U32(n) => n.try_into().ok(),
        Variant::I64(n) => n.try_into().ok(),
        Variant::U64(n) => n.try_into().ok(),
        _ => None,
    }
}
