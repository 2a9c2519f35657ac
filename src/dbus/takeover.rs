//! Takes over the entries of dbus-serialbattery for a battery in `com.victronenergy.settings`, and gives them back.
//!
//! The settings service allows an instance only once per device class: a second device gets the next free one. Therefore the old
//! entry first moves to a class of its own (see `takeover::entries`); the rest of it stays unchanged.

use super::client::reader::{BusReader, BusValue};
use super::connection::{BusAddress, has_owner};
use super::names::BUS_ITEM;
use super::names::{BATTERY_PREFIX, DeviceId};
use super::settings::{INTERFACE, SERVICE, SettingsClient, SettingsError, StoredSettings, failed};
use crate::takeover::entries::{self, Devices, Entry, INSTANCE, SettingValue};
use crate::takeover::matcher::{Match, Matcher};
use crate::takeover::undo_record::{SavedSetting, UndoRecord, UndoStep};
use std::collections::HashMap;
use std::path::PathBuf;
use zbus::{Connection, OwnedVariant, Variant};

const DEVICES: &str = "/Settings/Devices";
/// Product id that Victron assigned to that driver.
const PRODUCT: f64 = 47_735.0;

/// A battery that may take over an entry.
#[derive(Debug, Clone)]
pub struct Takeover {
    /// Data that identifies the battery in the entries of the old driver.
    pub matcher: Matcher,
    /// Folder of the undo records.
    pub folder: PathBuf,
}

impl SettingsClient {
    /// [`claim`](Self::claim), with the data of another driver in `wanted`.
    ///
    /// # Errors
    /// As for [`claim`](Self::claim).
    pub(super) async fn claim_or_take_over(
        &self,
        device: &DeviceId,
        takeover: Option<&Takeover>,
        wanted: &mut StoredSettings,
        gx_settings: bool,
    ) -> Result<StoredSettings, SettingsError> {
        if let Some(takeover) = takeover {
            self.take_over(device, takeover, wanted).await?;
        }
        Ok(StoredSettings { counters: wanted.counters, ..self.claim(device, wanted, gx_settings).await? })
    }

    /// Copies instance, name and counters of the old driver into `wanted` if this driver has no entry for the battery yet and one
    /// of the old driver's certainly belongs to it. Logs the result or the reason.
    ///
    /// # Errors
    /// The settings service cannot be reached (now).
    async fn take_over(
        &self,
        device: &DeviceId,
        Takeover { matcher, folder }: &Takeover,
        wanted: &mut StoredSettings,
    ) -> Result<(), SettingsError> {
        // Serialises the batteries of one process; the undo record serialises those of several processes.
        let _lock = self.instance_lock().await;
        let devices = devices(&self.connection).await?;
        let id = device.to_string();
        if devices.get(&id).is_some_and(|settings| settings.contains_key(INSTANCE)) {
            return Ok(());
        }
        let there = entries::entries(&devices);
        let mine = UndoRecord::all(folder).into_iter().find(|record| record.device == id);
        if let Some(entry) = mine.and_then(|record| there.iter().find(|entry| entry.group == record.group && entry.taken_over)) {
            // The previous start was interrupted.
            apply(device, entry, wanted, "it was about to be");
            return Ok(());
        }
        let alone = !devices.iter().any(|(group, settings)| is_ours(group) && settings.contains_key(INSTANCE));
        let entry = match matcher.choose(&there, alone) {
            Match::None => return Ok(()),
            Match::Ambiguous(entries) => {
                let names: Vec<&str> = entries.iter().map(|entry| entry.group.as_str()).collect();
                log::warn!(
                    "{device}: dbus-serialbattery left entries, but none certainly belongs to this battery ({}), so nothing is taken over. \
                     Set its name on the GX and its number in Settings, VRM, VRM device instances; see docs/migrating.md",
                    names.join(", ")
                );
                return Ok(());
            }
            Match::Found(entry, why) => {
                if let Some(service) = self.serialbattery_service(entry, matcher).await {
                    log::warn!(
                        "{device}: dbus-serialbattery still serves this battery as {service}, so nothing is taken over. Run `install.sh install \
                         --replace-serialbattery`, then uninstall this driver with --purge and install it again"
                    );
                    return Ok(());
                }
                (entry, why)
            }
        };
        let record = self.record(&id, entry.0, &devices).await;
        match record.claim(folder) {
            Ok(true) => {
                set(&self.connection, &record.group, INSTANCE, &SettingValue::Text(entries::taken_over_setting(record.instance)))
                    .await?;
                apply(device, entry.0, wanted, entry.1);
            }
            Ok(false) => log::warn!("{device}: another battery has already taken over {}, so nothing is taken over", record.group),
            Err(error) => log::warn!(
                "{device}: {} cannot be saved in {}, so nothing is taken over from dbus-serialbattery: {error}",
                record.group,
                folder.display()
            ),
        }
        Ok(())
    }

    /// Complete contents of an entry.
    async fn record(&self, id: &str, entry: &Entry, devices: &Devices) -> UndoRecord {
        let mut settings = Vec::new();
        for (name, value) in devices.get(&entry.group).into_iter().flatten() {
            let path = format!("{DEVICES}/{}/{name}", entry.group);
            let reply = self.connection.call_method(Some(SERVICE), path.as_str(), Some(INTERFACE), "GetAttributes", &()).await;
            let attributes = reply.and_then(|reply| reply.body().deserialize::<(OwnedVariant, OwnedVariant, OwnedVariant, i32)>());
            // Attributes that cannot be read matter only if the entry has to be added again.
            let (default, limits, silent) = attributes.map_or((None, (None, None), 0), |(default, least, most, silent)| {
                (setting_value(&default), (setting_value(&least), setting_value(&most)), silent)
            });
            let none = || SettingValue::Integer(0);
            settings.push(SavedSetting {
                name: name.clone(),
                value: value.clone(),
                default: default.unwrap_or_else(|| value.clone()),
                limits: (limits.0.unwrap_or_else(none), limits.1.unwrap_or_else(none)),
                silent: silent != 0,
            });
        }
        UndoRecord { device: id.to_owned(), group: entry.group.clone(), instance: entry.instance, settings }
    }

    /// The service under which the old driver serves the battery of this entry, or another one on this port.
    async fn serialbattery_service(&self, entry: &Entry, matcher: &Matcher) -> Option<String> {
        let reader = BusReader(self.connection.clone());
        for service in reader.services(&format!("{BATTERY_PREFIX}*")).await.unwrap_or_default() {
            let product = reader.read(&service, "/ProductId").await.and_then(|product| product.number());
            let process = reader.read(&service, "/Mgmt/ProcessName").await.and_then(BusValue::text).unwrap_or_default();
            if product != Some(PRODUCT) && !process.contains("serialbattery") {
                continue;
            }
            let instance = reader.read(&service, "/DeviceInstance").await.and_then(|instance| instance.number());
            let serial = reader.read(&service, "/Serial").await.and_then(BusValue::text);
            let is_it = instance == Some(f64::from(entry.instance)) || serial.as_deref() == Some(entry.identifier.as_str());
            if is_it || service.strip_prefix(BATTERY_PREFIX).is_some_and(|place| matcher.is_on_port(place)) {
                return Some(service);
            }
        }
        None
    }
}

/// Entries of this driver begin with the name of a BMS family.
fn is_ours(group: &str) -> bool {
    crate::bms::DRIVERS
        .iter()
        .any(|driver| group.strip_prefix(&driver.name.replace('-', "_")).is_some_and(|rest| rest.starts_with('_')))
}

fn apply(device: &DeviceId, entry: &Entry, wanted: &mut StoredSettings, why: &str) {
    wanted.instance = entry.instance;
    // A name in the configuration takes precedence.
    if wanted.custom_name.trim().is_empty() {
        wanted.custom_name.clone_from(&entry.name);
    }
    wanted.counters = Some(entry.counters).filter(|counters| !counters.is_empty());
    log::info!("{device} takes over from dbus-serialbattery ({}; {why}): {}", entry.group, summary(entry));
}

/// Data taken over from an entry, as text.
pub(crate) fn summary(entry: &Entry) -> String {
    let name = if entry.name.is_empty() { String::new() } else { format!(", name {:?}", entry.name) };
    let counters = entry.counters.words();
    let counters = if counters.is_empty() { String::new() } else { format!(", counters: {counters}") };
    format!("DeviceInstance {}{name}{counters}", entry.instance)
}

/// Settings of all devices.
async fn devices(connection: &Connection) -> Result<Devices, SettingsError> {
    if !has_owner(connection, SERVICE).await.map_err(failed)? {
        return Err(SettingsError::Absent);
    }
    let reply = connection.call_method(Some(SERVICE), DEVICES, Some(BUS_ITEM), "GetValue", &()).await.map_err(failed)?;
    let body = reply.body();
    let value: OwnedVariant = body.deserialize().map_err(failed)?;
    let mut inner = &*value;
    while let Variant::Variant(nested) = inner {
        inner = nested;
    }
    let Variant::Dict(items) = inner else { return Err(SettingsError::Failed("it does not list the devices".to_owned())) };
    let item = |(key, value): (&Variant<'_>, &Variant<'_>)| match key {
        Variant::Str(path) => Some((path.as_str().to_owned(), setting_value(value)?)),
        _ => None,
    };
    Ok(entries::devices(items.iter().filter_map(item)))
}

fn setting_value(variant: &Variant<'_>) -> Option<SettingValue> {
    match variant {
        Variant::Variant(inner) => setting_value(inner),
        Variant::I32(number) => Some(SettingValue::Integer(i64::from(*number))),
        Variant::I64(number) => Some(SettingValue::Integer(*number)),
        Variant::F64(number) => Some(SettingValue::Float(*number)),
        Variant::Str(text) => Some(SettingValue::Text(text.as_str().to_owned())),
        _ => None,
    }
}

fn variant(value: &SettingValue) -> Variant<'static> {
    match value {
        // In the type used by the settings service itself.
        SettingValue::Integer(number) => i32::try_from(*number).map_or_else(|_| Variant::from(*number), Variant::from),
        SettingValue::Float(number) => Variant::from(*number),
        SettingValue::Text(text) => Variant::from(text.clone()),
    }
}

async fn set(connection: &Connection, group: &str, name: &str, value: &SettingValue) -> Result<(), SettingsError> {
    let path = format!("{DEVICES}/{group}/{name}");
    let reply = connection.call_method(Some(SERVICE), path.as_str(), Some(BUS_ITEM), "SetValue", &variant(value)).await;
    match reply.map_err(failed)?.body().deserialize::<i32>().map_err(failed)? {
        0 => Ok(()),
        code => Err(SettingsError::Failed(format!("it refused {path} = {} with code {code}", value.text()))),
    }
}

/// Entries of the old driver in the settings of this bus.
///
/// # Errors
/// [`SettingsError`]; also if there is no bus.
pub(crate) async fn serialbattery_entries(bus: &BusAddress) -> Result<Vec<Entry>, SettingsError> {
    let connection = bus.connect().await.map_err(|error| SettingsError::Failed(error.to_string()))?;
    Ok(entries::entries(&devices(&connection).await?))
}

/// Gives one entry back: removes this driver's instance, then restores the old entry. Returns a message about the result.
///
/// # Errors
/// The settings service cannot be reached or refuses.
pub(crate) async fn restore_entry(bus: &BusAddress, record: &UndoRecord, unix: Option<u64>) -> Result<String, SettingsError> {
    let connection = bus.connect().await.map_err(|error| SettingsError::Failed(error.to_string()))?;
    let reader = BusReader(connection.clone());
    for service in reader.batteries().await {
        let process = reader.read(&service, "/Mgmt/ProcessName").await.and_then(BusValue::text);
        let instance = reader.read(&service, "/DeviceInstance").await.and_then(|instance| instance.number());
        if process.as_deref() == Some(env!("CARGO_PKG_NAME")) && instance == Some(f64::from(record.instance)) {
            return Err(SettingsError::Failed(format!("this driver still serves the battery as {service}: stop it first")));
        }
    }
    let there = devices(&connection).await?;
    let present = |group: &str, name: &str| there.get(group).and_then(|settings| settings.get(name)).cloned();
    // If the owner has changed the instance since, it stays.
    if present(&record.device, INSTANCE) == Some(SettingValue::Text(entries::battery_setting(record.instance))) {
        let ours = format!("{DEVICES}/{}/{INSTANCE}", record.device);
        connection
            .call_method(Some(SERVICE), "/", Some(INTERFACE), "RemoveSettings", &[ours.as_str()].as_slice())
            .await
            .map_err(failed)?;
    }
    for step in record.steps(|name| present(&record.group, name), unix) {
        match step {
            UndoStep::Set(name, value) => set(&connection, &record.group, &name, &value).await?,
            UndoStep::Make(saved) => add_setting(&connection, &record.group, &saved).await?,
        }
    }
    let now = devices(&connection).await?;
    let entry = entries::entries(&now).into_iter().find(|entry| entry.group == record.group);
    let instance = entry.map(|entry| entry.instance).ok_or_else(|| SettingsError::Failed(format!("{} is gone", record.group)))?;
    let other = if instance == record.instance {
        String::new()
    } else {
        format!("; it had {}, which another device has now", record.instance)
    };
    Ok(format!("{} has DeviceInstance {instance} again{other}", record.group))
}

async fn add_setting(connection: &Connection, group: &str, saved: &SavedSetting) -> Result<(), SettingsError> {
    let (least, most) = &saved.limits;
    let setting = HashMap::from([
        ("path", Variant::from(format!("{DEVICES}/{group}/{}", saved.name))),
        ("default", variant(&saved.default)),
        ("min", variant(least)),
        ("max", variant(most)),
        ("silent", Variant::from(i32::from(saved.silent))),
    ]);
    connection.call_method(Some(SERVICE), "/", Some(INTERFACE), "AddSettings", &[setting].as_slice()).await.map_err(failed)?;
    set(connection, group, &saved.name, &saved.value).await
}
