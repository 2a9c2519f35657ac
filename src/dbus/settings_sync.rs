//! Synchronises a battery with its settings: applies changes made on the GX, and stores names set through this driver.

use super::connection::{BUS, DbusError, next_message};
use super::names::{BUS_ITEM, DeviceId};
use super::settings::{SERVICE, SettingsClient, SettingsError, StoredSettings};
use super::takeover::Takeover;
use crate::base::episode::Once;
use std::time::Duration;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::names::InterfaceName;
use zbus::{MatchRule, MessageStream};

/// Retry interval for a settings service that is present but did not answer.
const SETTINGS_RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// No retry needed while synchronised.
const NO_TIMEOUT: Duration = Duration::MAX;

/// Signals of the settings service.
pub(crate) struct SettingsWatch {
    owner_changes: MessageStream,
    changes: MessageStream,
}

/// Reason to access the settings.
enum Trigger {
    /// The service has (re)appeared, or a retry is due.
    Claim,
    /// One of this battery's settings was changed.
    Read,
    /// The owner set the battery's name through this driver.
    Rename(String),
}

/// Synchronises one battery with its settings.
pub(crate) struct SettingsSync {
    pub(crate) settings: SettingsClient,
    pub(crate) watch: SettingsWatch,
    pub(crate) device: DeviceId,
    /// Whether the owner may change [`GX_SETTINGS`](super::GX_SETTINGS) of this battery.
    pub(crate) gx_settings: bool,
    /// Present values of the battery.
    pub(crate) current: StoredSettings,
    /// The settings service has these values; false until it was reached.
    pub(crate) synced: bool,
    /// Entries of another driver to take over, until the settings service was reached.
    pub(crate) takeover: Option<Takeover>,
}

impl SettingsSync {
    /// Sends changed settings to `changes`, and stores the names received from `names`. Ends only with an error.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn run(
        mut self,
        changes: mpsc::Sender<StoredSettings>,
        mut names: mpsc::Receiver<String>,
    ) -> Result<(), DbusError> {
        let mut unwritten = None;
        let mut timeout = if self.synced { NO_TIMEOUT } else { SETTINGS_RETRY_INTERVAL };
        let mut failing = Once::default();
        loop {
            let trigger = match tokio::time::timeout(timeout, self.watch.next(&mut names)).await {
                Ok(trigger) => trigger?,
                Err(_) => Trigger::Claim,
            };
            timeout = match self.handle(trigger, &mut unwritten).await {
                Ok(stored) => {
                    if failing.reset() {
                        log::info!("{SERVICE} answers again for {}", self.device);
                    }
                    self.synced = true;
                    self.publish(stored, &changes).await;
                    NO_TIMEOUT
                }
                Err(SettingsError::Absent) => NO_TIMEOUT,
                Err(error) => {
                    let level = if failing.first() { log::Level::Warn } else { log::Level::Debug };
                    log::log!(level, "{error}; retrying every {} s", SETTINGS_RETRY_INTERVAL.as_secs());
                    SETTINGS_RETRY_INTERVAL
                }
            };
        }
    }

    /// Handles a trigger; returns the resulting settings.
    async fn handle(&mut self, trigger: Trigger, unwritten: &mut Option<String>) -> Result<StoredSettings, SettingsError> {
        match trigger {
            Trigger::Read => return self.settings.read(&self.device, self.gx_settings).await,
            Trigger::Claim => self.synced = false,
            Trigger::Rename(name) => {
                self.current.custom_name.clone_from(&name);
                *unwritten = Some(name);
            }
        }
        self.claim_and_write(unwritten).await
    }

    /// Adds missing entries; a name set through this driver is newer than the stored one.
    async fn claim_and_write(&mut self, unwritten: &mut Option<String>) -> Result<StoredSettings, SettingsError> {
        let mut stored = if self.synced {
            self.current.clone()
        } else {
            // A failure of the takeover alone must not keep the battery from its entry.
            let takeover = self.takeover.take();
            self.settings.claim_or_take_over(&self.device, takeover.as_ref(), &mut self.current.clone(), self.gx_settings).await?
        };
        if let Some(name) = unwritten.as_ref() {
            self.settings.write_name(&self.device, name).await?;
            stored.custom_name.clone_from(name);
            *unwritten = None;
        }
        Ok(stored)
    }

    async fn publish(&mut self, stored: StoredSettings, changes: &mpsc::Sender<StoredSettings>) {
        if stored != self.current {
            self.current = StoredSettings { counters: None, ..stored.clone() };
            // The receiver is gone while the service shuts down.
            let _ = changes.send(stored).await;
        }
    }
}

impl SettingsWatch {
    /// Subscribes to changes of the settings of `device`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn start(settings: &SettingsClient, device: &DeviceId) -> Result<Self, DbusError> {
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let owner_changes = MatchRule::builder()
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
        let stream = |rule: zbus::Result<MatchRule<'static>>| async {
            MessageStream::for_match_rule(rule?, &settings.connection, None).await
        };
        Ok(Self {
            owner_changes: stream(owner_changes.build()).await.map_err(lost)?,
            changes: stream(changes.build()).await.map_err(lost)?,
        })
    }

    async fn next(&mut self, names: &mut mpsc::Receiver<String>) -> Result<Trigger, DbusError> {
        loop {
            tokio::select! {
                signal = next_message(&mut self.owner_changes) => {
                    let body = signal?.body();
                    if body.deserialize::<(&str, &str, &str)>().is_ok_and(|(_, _, owner)| !owner.is_empty()) {
                        return Ok(Trigger::Claim);
                    }
                }
                signal = next_message(&mut self.changes) => {
                    signal?;
                    return Ok(Trigger::Read);
                }
                Some(name) = names.recv() => return Ok(Trigger::Rename(name)),
            }
        }
    }
}
