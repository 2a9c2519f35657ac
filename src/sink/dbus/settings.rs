//! `com.victronenergy.settings`: which DeviceInstance and which name a battery has.
//!
//! All batteries of the process share one connection, and it is none of the services': whoever waits here for an answer
//! never keeps a service from answering. Every call has a time limit, and without a settings service all still works.

use super::bus::{BUS, BUS_PATH, BusAddress, DbusError, has_owner, next_message};
use super::inheritance::Inheritance;
use super::live::{LIVE, LiveSetting, LiveValues};
use super::membership::Membership;
use super::names::BUS_ITEM;
use super::names::{BATTERY_PREFIX, DeviceId};
use super::peers;
use super::value::Value;
use crate::migrate::counters::Counters;
use crate::migrate::entries::{INSTANCE, served};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard, mpsc};
use zbus::message::Type;
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

pub(super) const SERVICE: &str = "com.victronenergy.settings";
pub(super) const INTERFACE: &str = "com.victronenergy.Settings";
const NAME: &str = "CustomName";

/// How long other batteries may take, all together, to tell their instance.
const SCAN_LIMIT: Duration = Duration::from_secs(1);
/// How long to leave a settings service alone that is there but did not answer.
const RETRY: Duration = Duration::from_secs(30);
/// As long as all is well nobody needs to ask again.
const FOR_EVER: Duration = Duration::MAX;

/// Why the settings could not be asked.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    #[error("{SERVICE} is not on the bus")]
    Absent,
    #[error("{SERVICE} does not answer as expected: {0}. Restart the GX if this stays so")]
    Failed(String),
}

/// What the settings say of a battery.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) instance: u16,
    pub(crate) custom_name: String,
    /// 0 where there are none.
    pub(crate) live: LiveValues,
    /// What another driver had counted, when it was just taken over.
    pub(crate) counters: Option<Counters>,
}

/// The way to the settings service, for all batteries of the process.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) connection: Connection,
    turn: Arc<Mutex<()>>,
}

impl Settings {
    /// Connects to the bus. The settings service need not be there (yet).
    ///
    /// # Errors
    /// When nothing answers at the bus address.
    pub async fn connect(bus: &BusAddress) -> Result<Self, DbusError> {
        Ok(Self { connection: bus.connect().await?, turn: Arc::default() })
    }

    /// Batteries that choose their own instance appear on the bus one after the other, lest two choose the same.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// What the settings hold for `device`, after making the entries where they are missing, as `wanted`.
    pub(crate) async fn claim(&self, device: &DeviceId, wanted: &Stored, live: bool) -> Result<Stored, SettingsError> {
        // Asked first, because not every bus says at once that nobody is there.
        if !has_owner(&self.connection, SERVICE).await.map_err(failed)? {
            return Err(SettingsError::Absent);
        }
        let setting = |name: &str, default: String| {
            HashMap::from([("path", Variant::from(device.setting(name))), ("default", Variant::from(default))])
        };
        let mut wishes = vec![setting(INSTANCE, served(wanted.instance)), setting(NAME, wanted.custom_name.clone())];
        wishes.extend(LIVE.iter().filter(|_| live).map(|LiveSetting { name, most, .. }| {
            HashMap::from([
                ("path", Variant::from(device.setting(name))),
                ("default", Variant::from(0.0)),
                ("min", Variant::from(0.0)),
                ("max", Variant::from(*most)),
            ])
        }));
        let reply = self.connection.call_method(Some(SERVICE), "/", Some(INTERFACE), "AddSettings", &wishes.as_slice()).await;
        let body = reply.map_err(failed)?.body();
        let entries: Vec<HashMap<String, OwnedVariant>> = body.deserialize().map_err(failed)?;
        let found = |name: &str| {
            let path = device.setting(name);
            let ours = |entry: &&HashMap<String, OwnedVariant>| text_in(entry.get("path")) == Some(&path);
            entries.iter().find(ours).and_then(|entry| entry.get("value"))
        };
        let value = |name: &str| text_in(found(name)).map(str::to_owned);
        let assigned = value(INSTANCE).ok_or_else(|| SettingsError::Failed("no instance was assigned".to_owned()))?;
        let live = LIVE.each_ref().map(|live| found(live.name).and_then(float_in).unwrap_or_default());
        Ok(Stored { instance: instance_in(&assigned)?, custom_name: value(NAME).unwrap_or_default(), live, counters: None })
    }

    /// What the settings hold for `device` now.
    async fn read(&self, device: &DeviceId, with_live: bool) -> Result<Stored, SettingsError> {
        let assigned = self.text(&device.setting(INSTANCE)).await?;
        let mut live = LiveValues::default();
        if with_live {
            for (value, setting) in live.iter_mut().zip(&LIVE) {
                *value = float_in(&self.value(&device.setting(setting.name)).await?).unwrap_or_default();
            }
        }
        Ok(Stored { instance: instance_in(&assigned)?, custom_name: self.text(&device.setting(NAME)).await?, live, counters: None })
    }

    async fn value(&self, path: &str) -> Result<OwnedVariant, SettingsError> {
        let reply = self.connection.call_method(Some(SERVICE), path, Some(BUS_ITEM), "GetValue", &()).await.map_err(failed)?;
        reply.body().deserialize().map_err(failed)
    }

    async fn text(&self, path: &str) -> Result<String, SettingsError> {
        let value = self.value(path).await?;
        text_in(Some(&value)).map(str::to_owned).ok_or_else(|| SettingsError::Failed(format!("{path} is no text")))
    }

    async fn write_name(&self, device: &DeviceId, name: &str) -> Result<(), SettingsError> {
        let (path, value) = (device.setting(NAME), Variant::from(name));
        let reply = self.connection.call_method(Some(SERVICE), path.as_str(), Some(BUS_ITEM), "SetValue", &value).await;
        match reply.map_err(failed)?.body().deserialize::<i32>().map_err(failed)? {
            0 => Ok(()),
            code => Err(SettingsError::Failed(format!("it refused a name with code {code}"))),
        }
    }

    /// The lowest instance, from 1, that no battery on the bus has. Batteries that do not answer are passed over.
    pub(crate) async fn free_instance(&self) -> u16 {
        let mut taken = Vec::new();
        if tokio::time::timeout(SCAN_LIMIT, self.collect_instances(&mut taken)).await.is_err() {
            log::warn!(
                "not all batteries on D-Bus told their DeviceInstance; the free one may not be free; where two batteries show the same, restart the device"
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

    /// Watches the bank that a battery is a member of.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn membership(&self, bank: &str) -> Result<Membership, DbusError> {
        Membership::watch(&self.connection, bank).await
    }

    /// Listens for changes of what concerns `device`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn watch(&self, device: &DeviceId) -> Result<Watch, DbusError> {
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let coming = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(InterfaceName::from_static_str(BUS).map_err(lost)?)
            .member("NameOwnerChanged")
            .arg(0, SERVICE);
        let changes = MatchRule::builder()
            .msg_type(Type::Signal)
            .interface(InterfaceName::from_static_str(BUS_ITEM).map_err(lost)?)
            .member("PropertiesChanged")
            .path_namespace(device.setting("").trim_end_matches('/').to_owned());
        let stream =
            |rule: zbus::Result<MatchRule<'static>>| async { MessageStream::for_match_rule(rule?, &self.connection, None).await };
        Ok(Watch { coming: stream(coming.build()).await.map_err(lost)?, changes: stream(changes.build()).await.map_err(lost)? })
    }
}

/// Signals of the settings service.
pub(crate) struct Watch {
    coming: MessageStream,
    changes: MessageStream,
}

/// A reason to look at the settings.
enum Occasion {
    /// The service has (re)appeared, or it is time to try again.
    Claim,
    /// One of our settings was changed.
    Read,
    /// The owner gave the battery a name on our side.
    Rename(String),
}

/// Keeps one battery and its settings in step.
pub(crate) struct Keeper {
    pub(crate) settings: Settings,
    pub(crate) watch: Watch,
    pub(crate) device: DeviceId,
    /// Whether it has live settings, too.
    pub(crate) live: bool,
    /// What the battery has at present.
    pub(crate) held: Stored,
    /// The settings service has it so; false until it was reached.
    pub(crate) settled: bool,
    /// What another driver may have left, until the settings service was reached.
    pub(crate) inheritance: Option<Inheritance>,
}

impl Keeper {
    /// Sends what the settings say to `news` whenever they say something else; writes the names that come from `names`.
    /// Ends with an error only.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn run(mut self, news: mpsc::Sender<Stored>, mut names: mpsc::Receiver<String>) -> Result<(), DbusError> {
        let mut unwritten = None;
        let mut patience = if self.settled { FOR_EVER } else { RETRY };
        let mut in_trouble = false;
        loop {
            let occasion = match tokio::time::timeout(patience, self.watch.next(&mut names)).await {
                Ok(occasion) => occasion?,
                Err(_) => Occasion::Claim,
            };
            patience = match self.attend(occasion, &mut unwritten).await {
                Ok(stored) => {
                    if std::mem::take(&mut in_trouble) {
                        log::info!("{SERVICE} answers again for {}", self.device);
                    }
                    self.settled = true;
                    self.tell(stored, &news).await;
                    FOR_EVER
                }
                Err(SettingsError::Absent) => FOR_EVER,
                Err(error) => {
                    let level = if std::mem::replace(&mut in_trouble, true) { log::Level::Debug } else { log::Level::Warn };
                    log::log!(level, "{error}; trying again every {} s", RETRY.as_secs());
                    RETRY
                }
            };
        }
    }

    /// Does what an occasion asks for; what the settings say then.
    async fn attend(&mut self, occasion: Occasion, unwritten: &mut Option<String>) -> Result<Stored, SettingsError> {
        match occasion {
            Occasion::Read => return self.settings.read(&self.device, self.live).await,
            Occasion::Claim => self.settled = false,
            Occasion::Rename(name) => {
                self.held.custom_name.clone_from(&name);
                *unwritten = Some(name);
            }
        }
        self.claim_and_write(unwritten).await
    }

    /// Makes the entries if need be; a name given here is newer than the one stored there.
    async fn claim_and_write(&mut self, unwritten: &mut Option<String>) -> Result<Stored, SettingsError> {
        let mut stored = if self.settled {
            self.held.clone()
        } else {
            // Where only that fails it must not keep the battery from its entry for ever.
            let inheritance = self.inheritance.take();
            self.settings.settle(&self.device, inheritance.as_ref(), &mut self.held.clone(), self.live).await?
        };
        if let Some(name) = unwritten.as_ref() {
            self.settings.write_name(&self.device, name).await?;
            stored.custom_name.clone_from(name);
            *unwritten = None;
        }
        Ok(stored)
    }

    async fn tell(&mut self, stored: Stored, news: &mpsc::Sender<Stored>) {
        if stored != self.held {
            self.held = Stored { counters: None, ..stored.clone() };
            // Nobody listens any more when the service is being taken down.
            let _ = news.send(stored).await;
        }
    }
}

impl Watch {
    async fn next(&mut self, names: &mut mpsc::Receiver<String>) -> Result<Occasion, DbusError> {
        loop {
            tokio::select! {
                signal = next_message(&mut self.coming) => {
                    let body = signal?.body();
                    if body.deserialize::<(&str, &str, &str)>().is_ok_and(|(_, _, owner)| !owner.is_empty()) {
                        return Ok(Occasion::Claim);
                    }
                }
                signal = next_message(&mut self.changes) => {
                    signal?;
                    return Ok(Occasion::Read);
                }
                Some(name) = names.recv() => return Ok(Occasion::Rename(name)),
            }
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

/// A number of any kind, where it is one and finite.
fn float_in(value: &OwnedVariant) -> Option<f64> {
    match peers::value(value) {
        Value::Int(number) => Some(f64::from(number)),
        Value::Double(number) => Some(number).filter(|number| number.is_finite()),
        Value::Text(_) | Value::Invalid => None,
    }
}

/// A DeviceInstance in any of the types that services use.
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
