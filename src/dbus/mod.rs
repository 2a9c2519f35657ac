//! D-Bus: one service `com.victronenergy.battery.*` per battery, as Venus OS expects it; `client` reads the services of others.
//!
//! ```text
//!   snapshots ──▶ items (paths, values, texts; pure) ──▶ service (name, answers, signals) ──▶ systemcalc, GUIs, VRM
//!                                                             ▲ DeviceInstance, name
//!                                                         settings ◀──▶ com.victronenergy.settings
//! ```
//! Each service has its own connection, because Venus OS expects each battery at `/`. Every call is answered from memory.

pub mod client;
mod connection;
mod gx_settings;
mod names;
mod service;
mod settings;
mod settings_sync;
mod takeover;
mod value;

pub use client::bank_watch::bank_service;
pub(crate) use client::bank_watch::{BANK_HEARTBEAT_INTERVAL, BankClaim};
pub use client::reader::{AskError, BusReader, BusValue, ask};
pub(crate) use client::remote_batteries::{RemoteBatteries, RemoteEvent};
pub use client::remote_battery::RemoteBattery;
pub(crate) use client::view::{BUS_POLICY, ViewReply};
pub use connection::{BusAddress, DbusError};
pub use gx_settings::{GX_SETTINGS, GxSettingKey, GxSettingValues};
pub(crate) use names::BATTERY_PREFIX;
pub use names::{DeviceId, service_name};
pub use service::item::{Context, Writable};
pub use service::items::Items;
pub use service::paths::{BANK_PRODUCT_ID, BATTERY_PRODUCT_ID};
pub use settings::SettingsClient;
pub use takeover::Takeover;
pub(crate) use takeover::{restore_entry, serialbattery_entries, summary as takeover_summary};
pub use value::Value;

use crate::base::runtime;
use crate::control::CommandHandle;
use crate::model::{Outcome, Reply, Snapshot};
use crate::output::inverters::Reporters;
use crate::takeover::counters::Counters;
use client::bank_watch::{BankWatch, Role, is_heartbeat, published};
use service::Service;
use service::calls::AcceptedWrite;
use settings::{SettingsError, StoredSettings};
use settings_sync::{SettingsSync, SettingsWatch};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use zbus::Message;

/// Queue of names to write to the settings; nobody types faster.
const RENAME_QUEUE: usize = 8;

/// Queue of replies to requests to a battery.
const REPLY_QUEUE: usize = 8;

/// A battery to publish.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Name of the service, see [`service_name`].
    pub name: String,
    /// Identity in the settings.
    pub device: DeviceId,
    /// Last known instance, for a battery without an entry in the settings.
    pub remembered: Option<u16>,
    /// Entries of another driver to take over, for a battery without an entry in the settings.
    pub takeover: Option<Takeover>,
    /// Receiver of requests; `None` if requests are not supported.
    pub handle: Option<CommandHandle>,
    /// States of the outputs to inverters.
    pub inverters: Reporters,
    /// Whether the owner may change [`GX_SETTINGS`] on the GX.
    pub gx_settings: bool,
    /// Constant data. Instance and custom name are replaced by those of the settings.
    pub context: Context,
}

/// Event of a battery's service, for the rest of the program.
#[derive(Debug, Clone, PartialEq)]
pub enum BatteryServiceEvent {
    /// The service is on the bus with this instance, which is to be saved.
    Registered(u16),
    /// The owner changed the custom name.
    CustomName(String),
    /// The owner wants the history cleared.
    ClearHistory,
    /// Values of [`GX_SETTINGS`] in the settings of the GX.
    GxSettings(GxSettingValues),
    /// Counters just taken over from another driver.
    Counters(Box<Counters>),
}

/// Serves a battery until the sender of `snapshots` is dropped: publishes its last snapshot, then leaves the bus.
///
/// When the owner changes the instance in the settings, the service leaves the bus and returns with the new one, because its
/// clients read it only then. Writes are refused while the queue of `events` is full or closed.
///
/// # Errors
/// When there is no bus, the name is taken or refused, or the connection is lost.
pub async fn serve(
    bus: &BusAddress,
    settings: &SettingsClient,
    battery: ServiceConfig,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    events: mpsc::Sender<BatteryServiceEvent>,
) -> Result<(), DbusError> {
    let watch = SettingsWatch::start(settings, &battery.device).await?;
    let mut bank_watch = match battery.context.member_of.as_deref() {
        Some(name) => Some(BankWatch::watch(&settings.connection, name).await?),
        None => None,
    };
    let mut role = Role::Member;
    let first_name = battery.context.custom_name.clone();
    let handle = battery.handle.clone();
    let (replies, mut answered) = mpsc::channel(REPLY_QUEUE);
    let mut view_method = service::view_method::ViewMethod::new(battery.device.to_string(), battery.inverters.clone());
    view_method.note_snapshot(&snapshots.borrow(), runtime::now().at);
    let has_gx_settings = battery.gx_settings;
    let (mut service, sync, counters) = enter(bus, settings, watch, battery, &mut snapshots).await?;
    if has_gx_settings && sync.synced {
        report(&events, BatteryServiceEvent::GxSettings(sync.current.gx_settings));
    }
    let (stored_sender, mut changes) = mpsc::channel(1);
    let (names, names_out) = mpsc::channel(RENAME_QUEUE);
    let synced = sync.run(stored_sender, names_out);
    tokio::pin!(synced);
    announce(&service, &first_name, counters, &events);
    loop {
        tokio::select! {
            call = service.next_call() => {
                let call = call?;
                if service::view_method::is_view_call(&call) {
                    let snapshot = snapshots.borrow().clone();
                    let snapshot = published(service.context().share, role, &snapshot);
                    let text = view_method.json(service.name(), service.context(), &snapshot, runtime::now().at);
                    service.reply_text(&call, &text).await?;
                } else if is_heartbeat(&call) {
                    if let Some(new) = bank_watch.as_mut().and_then(BankWatch::heartbeat) {
                        role = new;
                        service = switch_role(bus, service, role, &mut snapshots).await?;
                    }
                } else {
                    answer(&mut service, call, &names, &events, (&handle, &replies)).await?;
                }
            }
            Some((call, reply)) = answered.recv() => service.reply(&call, &reply).await?,
            changed = snapshots.changed() => match changed {
                Ok(()) => {
                    let snapshot = snapshots.borrow_and_update().clone();
                    view_method.note_snapshot(&snapshot, runtime::now().at);
                    let snapshot = published(service.context().share, role, &snapshot);
                    service.publish(&snapshot).await?;
                }
                Err(_) => return service.release().await,
            },
            Some(stored) = changes.recv() => {
                if has_gx_settings {
                    report(&events, BatteryServiceEvent::GxSettings(stored.gx_settings));
                }
                service = adopt(bus, service, stored, role, &mut snapshots, &events).await?;
            }
            new = next_role(&mut bank_watch) => {
                role = new?;
                service = switch_role(bus, service, role, &mut snapshots).await?;
            }
            lost = &mut synced => lost?,
        }
    }
}

/// Reports what entering the bus has brought.
fn announce(service: &Service, first_name: &str, counters: Option<Counters>, events: &mpsc::Sender<BatteryServiceEvent>) {
    if let Some(counters) = counters {
        report(events, BatteryServiceEvent::Counters(Box::new(counters)));
    }
    report(events, BatteryServiceEvent::Registered(service.context().device_instance));
    if service.context().custom_name != first_name {
        report(events, BatteryServiceEvent::CustomName(service.context().custom_name.clone()));
    }
}

/// Puts the battery on the bus with the stored settings, or with defaults if they cannot be read.
async fn enter(
    bus: &BusAddress,
    settings: &SettingsClient,
    watch: SettingsWatch,
    battery: ServiceConfig,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<(Service, SettingsSync, Option<Counters>), DbusError> {
    let ServiceConfig { name, device, remembered, gx_settings, mut context, takeover, .. } = battery;
    // A member leaves the limits to its bank; it takes over if no bank appears.
    context.control &= context.member_of.is_none();
    let mut wanted = StoredSettings {
        instance: remembered.unwrap_or(1),
        custom_name: context.custom_name.clone(),
        gx_settings: GxSettingValues::default(),
        counters: None,
    };
    let mut instance_lock = None;
    let (stored, failure) = match settings.claim_or_take_over(&device, takeover.as_ref(), &mut wanted, gx_settings).await {
        Ok(stored) => (stored, None),
        Err(error) => {
            let instance = match remembered {
                Some(instance) => instance,
                None => {
                    instance_lock = Some(settings.instance_lock().await);
                    settings.free_instance().await
                }
            };
            (StoredSettings { instance, ..wanted }, Some(error))
        }
    };
    context.device_instance = stored.instance;
    context.custom_name.clone_from(&stored.custom_name);
    let first = snapshots.borrow_and_update().clone();
    let service = Service::register(bus, &name, context, &first).await?;
    drop(instance_lock);
    // Logged only now: a failed start is repeated and has its own log line.
    log::info!("{name} is on D-Bus with DeviceInstance {}", stored.instance);
    match &failure {
        None => {}
        Some(error @ SettingsError::Absent) => log::info!("{error}; {name} runs without it"),
        Some(error @ SettingsError::Failed(_)) => log::warn!("{error}; {name} runs without it for now"),
    }
    let (synced, counters) = (failure.is_none(), stored.counters);
    let stored = StoredSettings { counters: None, ..stored };
    let takeover = takeover.filter(|_| !synced);
    Ok((
        service,
        SettingsSync { settings: settings.clone(), watch, device, gx_settings, current: stored, synced, takeover },
        counters,
    ))
}

async fn answer(
    service: &mut Service,
    call: Message,
    names: &mpsc::Sender<String>,
    events: &mpsc::Sender<BatteryServiceEvent>,
    (handle, replies): (&Option<CommandHandle>, &mpsc::Sender<(Message, Reply)>),
) -> Result<(), DbusError> {
    let pass_on = |written| match written {
        AcceptedWrite::CustomName(name) => {
            names.try_send(name.clone()).is_ok() && events.try_send(BatteryServiceEvent::CustomName(name)).is_ok()
        }
        AcceptedWrite::ClearHistory => events.try_send(BatteryServiceEvent::ClearHistory).is_ok(),
    };
    let Some(request) = service.answer(&call, pass_on).await? else { return Ok(()) };
    let Some(handle) = handle.clone() else { return service.reply(&call, &Outcome::NotSupported.into()).await };
    let (connection, replies) = (service.connection(), replies.clone());
    // Other calls are answered while the request is carried out.
    tokio::spawn(async move {
        let by = service::caller::caller(&connection, &call).await;
        let reply = handle.send(request, by).await;
        // The service may be gone.
        let _ = replies.send((call, reply)).await;
    });
    Ok(())
}

/// Applies changed settings; with a new instance the service leaves the bus and returns.
async fn adopt(
    bus: &BusAddress,
    mut service: Service,
    stored: StoredSettings,
    role: Role,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
    events: &mpsc::Sender<BatteryServiceEvent>,
) -> Result<Service, DbusError> {
    if let Some(counters) = stored.counters {
        report(events, BatteryServiceEvent::Counters(Box::new(counters)));
    }
    if stored.custom_name != service.context().custom_name {
        report(events, BatteryServiceEvent::CustomName(stored.custom_name.clone()));
    }
    if stored.instance == service.context().device_instance {
        service.rename(&stored.custom_name).await?;
        return Ok(service);
    }
    let context = Context { device_instance: stored.instance, custom_name: stored.custom_name, ..service.context().clone() };
    log::info!("{} leaves D-Bus and returns with DeviceInstance {}", service.name(), stored.instance);
    let service = reenter(bus, service, context, role, snapshots).await?;
    report(events, BatteryServiceEvent::Registered(stored.instance));
    Ok(service)
}

/// Leaves the bus and returns with another `context`: clients read some items only when a name appears.
async fn reenter(
    bus: &BusAddress,
    service: Service,
    context: Context,
    role: Role,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<Service, DbusError> {
    let name = service.name().to_owned();
    service.release().await?;
    let now = snapshots.borrow_and_update().clone();
    let now = published(context.share, role, &now);
    Service::register(bus, &name, context, &now).await
}

/// The next role of a member of a bank; pending forever for other batteries.
async fn next_role(bank_watch: &mut Option<BankWatch>) -> Result<Role, DbusError> {
    match bank_watch {
        Some(bank_watch) => bank_watch.changed().await,
        None => std::future::pending().await,
    }
}

/// Leaves the limits to the bank, or publishes them in its place. The paths of the limits must not exist beside a bank's, so the
/// service leaves the bus and returns.
async fn switch_role(
    bus: &BusAddress,
    service: Service,
    role: Role,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<Service, DbusError> {
    let control = match role {
        Role::Member => {
            log::info!("{}: the bank is back and publishes the limits", service.name());
            false
        }
        Role::Fallback(_) => {
            log::warn!(
                "{}: the bank is gone or hangs; this battery publishes its share of the limits. Is `dbus-bms bank` running? If so, \
                 restart it",
                service.name()
            );
            true
        }
    };
    let context = Context { control, ..service.context().clone() };
    reenter(bus, service, context, role, snapshots).await
}

fn report(events: &mpsc::Sender<BatteryServiceEvent>, event: BatteryServiceEvent) {
    if let Err(error) = events.try_send(event) {
        log::debug!("no receiver for {error}");
    }
}
