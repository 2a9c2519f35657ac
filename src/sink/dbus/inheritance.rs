//! Takes over what dbus-serialbattery has left for a battery in `com.victronenergy.settings`, and gives it back.
//!
//! Two devices of one class never have the same instance there: the second gets the next free one. So the old entry is put into
//! a class of its own first (see `migrate::entries`); all else of it stays as it is.

use super::bus::{BusAddress, has_owner};
use super::names::BUS_ITEM;
use super::names::{BATTERY_PREFIX, DeviceId};
use super::reader::{BusReader, Read};
use super::settings::{INTERFACE, SERVICE, Settings, SettingsError, Stored, failed};
use crate::migrate::entries::{self, Devices, Entry, Held, INSTANCE};
use crate::migrate::heir::{Choice, Heir};
use crate::migrate::record::{Kept, Record, Step};
use std::collections::HashMap;
use std::path::PathBuf;
use zbus::{Connection, OwnedVariant, Variant};

const DEVICES: &str = "/Settings/Devices";
/// The product id that Victron gave that driver.
const PRODUCT: f64 = 47_735.0;

/// A battery that may take something over.
#[derive(Debug, Clone)]
pub struct Inheritance {
    /// The battery, as the old driver could have told it.
    pub heir: Heir,
    /// Where what is needed to give it back is kept.
    pub folder: PathBuf,
}

impl Settings {
    /// [`claim`](Self::claim) after what another driver has left went into `wanted`.
    ///
    /// # Errors
    /// As there.
    pub(super) async fn settle(
        &self,
        device: &DeviceId,
        inheritance: Option<&Inheritance>,
        wanted: &mut Stored,
        live: bool,
    ) -> Result<Stored, SettingsError> {
        if let Some(inheritance) = inheritance {
            self.inherit(device, inheritance, wanted).await?;
        }
        Ok(Stored { counters: wanted.counters, ..self.claim(device, wanted, live).await? })
    }

    /// Puts instance, name and counters that the old driver left into `wanted`, if the settings have no entry of ours yet and one
    /// of its is surely this battery's. Says in the log what it did, and why not.
    ///
    /// # Errors
    /// The settings service cannot be asked (now).
    async fn inherit(
        &self,
        device: &DeviceId,
        Inheritance { heir, folder }: &Inheritance,
        wanted: &mut Stored,
    ) -> Result<(), SettingsError> {
        // Batteries of one process one after the other; of several processes the file decides.
        let _turn = self.turn().await;
        let devices = devices(&self.connection).await?;
        let id = device.to_string();
        if devices.get(&id).is_some_and(|settings| settings.contains_key(INSTANCE)) {
            return Ok(());
        }
        let there = entries::entries(&devices);
        let mine = Record::all(folder).into_iter().find(|record| record.device == id);
        if let Some(entry) = mine.and_then(|record| there.iter().find(|entry| entry.group == record.group && entry.parked)) {
            // The last start ended half-way.
            accept(device, entry, wanted, "it was about to be");
            return Ok(());
        }
        let alone = !devices.iter().any(|(group, settings)| is_ours(group) && settings.contains_key(INSTANCE));
        let entry = match heir.choose(&there, alone) {
            Choice::Nothing => return Ok(()),
            Choice::Unclear(entries) => {
                let names: Vec<&str> = entries.iter().map(|entry| entry.group.as_str()).collect();
                log::warn!(
                    "{device}: dbus-serialbattery has left entries and none is surely of this battery ({}), so nothing is taken over. \
                     Set its name on the GX and its number in Settings, VRM, VRM device instances; see docs/migrating.md",
                    names.join(", ")
                );
                return Ok(());
            }
            Choice::Take(entry, why) => {
                if let Some(service) = self.old_driver_with(entry, heir).await {
                    log::warn!(
                        "{device}: dbus-serialbattery still serves this battery as {service}, so nothing is taken over. Leave it out \
                         (install.sh install --replace-serialbattery), then uninstall this driver with --purge and install it anew"
                    );
                    return Ok(());
                }
                (entry, why)
            }
        };
        let record = self.record(&id, entry.0, &devices).await;
        match record.claim(folder) {
            Ok(true) => {
                set(&self.connection, &record.group, INSTANCE, &Held::Text(entries::parked(record.instance))).await?;
                accept(device, entry.0, wanted, entry.1);
            }
            Ok(false) => log::warn!("{device}: another battery has taken {} over, so nothing is taken over", record.group),
            Err(error) => log::warn!(
                "{device}: {} cannot be kept in {}, so nothing is taken over from dbus-serialbattery: {error}",
                record.group,
                folder.display()
            ),
        }
        Ok(())
    }

    /// All that makes an entry.
    async fn record(&self, id: &str, entry: &Entry, devices: &Devices) -> Record {
        let mut settings = Vec::new();
        for (name, value) in devices.get(&entry.group).into_iter().flatten() {
            let path = format!("{DEVICES}/{}/{name}", entry.group);
            let reply = self.connection.call_method(Some(SERVICE), path.as_str(), Some(INTERFACE), "GetAttributes", &()).await;
            let attributes = reply.and_then(|reply| reply.body().deserialize::<(OwnedVariant, OwnedVariant, OwnedVariant, i32)>());
            // What is not told counts only should the entry have to be made anew.
            let (default, limits, silent) = attributes.map_or((None, (None, None), 0), |(default, least, most, silent)| {
                (held(&default), (held(&least), held(&most)), silent)
            });
            let none = || Held::Whole(0);
            settings.push(Kept {
                name: name.clone(),
                value: value.clone(),
                default: default.unwrap_or_else(|| value.clone()),
                limits: (limits.0.unwrap_or_else(none), limits.1.unwrap_or_else(none)),
                silent: silent != 0,
            });
        }
        Record { device: id.to_owned(), group: entry.group.clone(), instance: entry.instance, settings }
    }

    /// The service with which the old driver serves the battery of this entry, or another one on our port.
    async fn old_driver_with(&self, entry: &Entry, heir: &Heir) -> Option<String> {
        let reader = BusReader(self.connection.clone());
        for service in reader.services(&format!("{BATTERY_PREFIX}*")).await.unwrap_or_default() {
            let product = reader.read(&service, "/ProductId").await.and_then(|product| product.number());
            let process = reader.read(&service, "/Mgmt/ProcessName").await.and_then(Read::text).unwrap_or_default();
            if product != Some(PRODUCT) && !process.contains("serialbattery") {
                continue;
            }
            let instance = reader.read(&service, "/DeviceInstance").await.and_then(|instance| instance.number());
            let serial = reader.read(&service, "/Serial").await.and_then(Read::text);
            let is_it = instance == Some(f64::from(entry.instance)) || serial.as_deref() == Some(entry.identifier.as_str());
            if is_it || service.strip_prefix(BATTERY_PREFIX).is_some_and(|place| heir.is_on(place)) {
                return Some(service);
            }
        }
        None
    }
}

/// Entries of ours begin with the name of the BMS.
fn is_ours(group: &str) -> bool {
    crate::bms::DRIVERS
        .iter()
        .any(|driver| group.strip_prefix(&driver.name.replace('-', "_")).is_some_and(|rest| rest.starts_with('_')))
}

fn accept(device: &DeviceId, entry: &Entry, wanted: &mut Stored, why: &str) {
    wanted.instance = entry.instance;
    // A name of the configuration counts.
    if wanted.custom_name.trim().is_empty() {
        wanted.custom_name.clone_from(&entry.name);
    }
    wanted.counters = Some(entry.counters).filter(|counters| !counters.is_empty());
    log::info!("{device} takes over from dbus-serialbattery ({}; {why}): {}", entry.group, words(entry));
}

/// What is taken over of an entry, for people.
pub(crate) fn words(entry: &Entry) -> String {
    let name = if entry.name.is_empty() { String::new() } else { format!(", name {:?}", entry.name) };
    let counters = entry.counters.words();
    let counters = if counters.is_empty() { String::new() } else { format!(", counters: {counters}") };
    format!("DeviceInstance {}{name}{counters}", entry.instance)
}

/// The settings of all devices.
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
        Variant::Str(path) => Some((path.as_str().to_owned(), held(value)?)),
        _ => None,
    };
    Ok(entries::devices(items.iter().filter_map(item)))
}

fn held(variant: &Variant<'_>) -> Option<Held> {
    match variant {
        Variant::Variant(inner) => held(inner),
        Variant::I32(number) => Some(Held::Whole(i64::from(*number))),
        Variant::I64(number) => Some(Held::Whole(*number)),
        Variant::F64(number) => Some(Held::Number(*number)),
        Variant::Str(text) => Some(Held::Text(text.as_str().to_owned())),
        _ => None,
    }
}

fn variant(value: &Held) -> Variant<'static> {
    match value {
        // As the service itself tells them.
        Held::Whole(number) => i32::try_from(*number).map_or_else(|_| Variant::from(*number), Variant::from),
        Held::Number(number) => Variant::from(*number),
        Held::Text(text) => Variant::from(text.clone()),
    }
}

async fn set(connection: &Connection, group: &str, name: &str, value: &Held) -> Result<(), SettingsError> {
    let path = format!("{DEVICES}/{group}/{name}");
    let reply = connection.call_method(Some(SERVICE), path.as_str(), Some(BUS_ITEM), "SetValue", &variant(value)).await;
    match reply.map_err(failed)?.body().deserialize::<i32>().map_err(failed)? {
        0 => Ok(()),
        code => Err(SettingsError::Failed(format!("it refused {path} = {} with code {code}", value.text()))),
    }
}

/// What the old driver has in the settings of this bus.
///
/// # Errors
/// [`SettingsError`]; also where there is no bus.
pub(crate) async fn old_entries(bus: &BusAddress) -> Result<Vec<Entry>, SettingsError> {
    let connection = bus.connect().await.map_err(|error| SettingsError::Failed(error.to_string()))?;
    Ok(entries::entries(&devices(&connection).await?))
}

/// Gives one entry back: ours leaves its instance, then the old one is as it was. The sentence says what became of it.
///
/// # Errors
/// The settings cannot be reached or refuse.
pub(crate) async fn give_back(bus: &BusAddress, record: &Record, unix: Option<u64>) -> Result<String, SettingsError> {
    let connection = bus.connect().await.map_err(|error| SettingsError::Failed(error.to_string()))?;
    let reader = BusReader(connection.clone());
    for service in reader.batteries().await {
        let process = reader.read(&service, "/Mgmt/ProcessName").await.and_then(Read::text);
        let instance = reader.read(&service, "/DeviceInstance").await.and_then(|instance| instance.number());
        if process.as_deref() == Some(env!("CARGO_PKG_NAME")) && instance == Some(f64::from(record.instance)) {
            return Err(SettingsError::Failed(format!("this driver still serves the battery as {service}: stop it first")));
        }
    }
    let there = devices(&connection).await?;
    let present = |group: &str, name: &str| there.get(group).and_then(|settings| settings.get(name)).cloned();
    // One that the owner has given another instance since may keep it.
    if present(&record.device, INSTANCE) == Some(Held::Text(entries::served(record.instance))) {
        let ours = format!("{DEVICES}/{}/{INSTANCE}", record.device);
        connection
            .call_method(Some(SERVICE), "/", Some(INTERFACE), "RemoveSettings", &[ours.as_str()].as_slice())
            .await
            .map_err(failed)?;
    }
    for step in record.steps(|name| present(&record.group, name), unix) {
        match step {
            Step::Set(name, value) => set(&connection, &record.group, &name, &value).await?,
            Step::Make(kept) => make(&connection, &record.group, &kept).await?,
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

async fn make(connection: &Connection, group: &str, kept: &Kept) -> Result<(), SettingsError> {
    let (least, most) = &kept.limits;
    let wish = HashMap::from([
        ("path", Variant::from(format!("{DEVICES}/{group}/{}", kept.name))),
        ("default", variant(&kept.default)),
        ("min", variant(least)),
        ("max", variant(most)),
        ("silent", Variant::from(i32::from(kept.silent))),
    ]);
    connection.call_method(Some(SERVICE), "/", Some(INTERFACE), "AddSettings", &[wish].as_slice()).await.map_err(failed)?;
    set(connection, group, &kept.name, &kept.value).await
}
