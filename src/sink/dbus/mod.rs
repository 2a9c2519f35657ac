//! The D-Bus sink: one service `com.victronenergy.battery.*` per battery, as Venus OS expects it.
//!
//! ```text
//!   snapshots ──▶ items (paths, values, texts; pure) ──▶ service (name, answers, signals) ──▶ systemcalc, GUIs, VRM
//!                                                             ▲ DeviceInstance, name
//!                                                         settings ◀──▶ com.victronenergy.settings
//! ```
//! Each service has a connection of its own, for Venus OS wants it at the path `/`. Every call is answered from memory.

mod alarms;
mod bus;
mod caller;
mod calls;
mod inheritance;
mod introspect;
mod item;
mod items;
mod live;
mod marshal;
mod membership;
mod names;
mod paths;
mod peer;
mod peers;
mod reader;
mod service;
mod settings;
mod socket;
mod value;
mod view;
mod wire;
mod written;

pub use bus::{BusAddress, DbusError};
pub use inheritance::Inheritance;
pub(crate) use inheritance::{give_back, old_entries, words as inherited_words};
pub use item::{Context, Writable};
pub use items::Items;
pub use live::{LIVE, LiveSetting, LiveValues};
pub(crate) use membership::HEARTBEAT;
pub use membership::bank_service;
pub(crate) use names::BATTERY_PREFIX;
pub use names::{DeviceId, service_name};
pub use peer::Peer;
pub(crate) use peers::{PeerEvent, Peers};
pub use reader::{AskError, BusReader, Read, ask};
pub use settings::Settings;
pub use value::Value;
pub(crate) use view::Told;

use crate::commands::Door;
use crate::migrate::counters::Counters;
use crate::model::{Outcome, Snapshot};
use crate::runtime;
use crate::sink::can::Reporter;
use calls::Written;
use membership::{Membership, Role, is_heartbeat, shown};

use service::Service;
use settings::{Keeper, SettingsError, Stored};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use zbus::Message;

/// Names that wait to be written to the settings; people do not type faster.
const WAITING_NAMES: usize = 8;

/// Wishes of a battery whose outcome waits to be told.
const WAITING_WISHES: usize = 8;

/// A battery to be put on the bus.
#[derive(Debug, Clone)]
pub struct Battery {
    /// Name of its service, see [`service_name`].
    pub name: String,
    /// Its identity in the settings.
    pub device: DeviceId,
    /// The instance it had the last time; counts only as long as the settings have none.
    pub remembered: Option<u16>,
    /// What another driver may have left for it; counts only as long as the settings have no entry of it.
    pub inheritance: Option<Inheritance>,
    /// Where wishes for it go; `None` where nobody takes any.
    pub door: Option<Door>,
    /// Who tells how the output to an inverter is doing, if there is one.
    pub can: Option<Reporter>,
    /// Whether its owner may change [`LIVE`] settings of it on the GX.
    pub live: bool,
    /// What is constant for it. Instance and custom name are replaced by those of the settings.
    pub context: Context,
}

/// What a battery service tells the rest of the program.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The service is on the bus with this instance, which is to be remembered.
    Registered(u16),
    /// The owner named the battery.
    CustomName(String),
    /// The owner wants the history cleared.
    ClearHistory,
    /// What the settings of the GX hold for [`LIVE`].
    Live(LiveValues),
    /// What another driver had counted for it, taken over just now.
    Counters(Box<Counters>),
}

/// Serves a battery until the sender of `snapshots` is dropped: its last snapshot is published, then the service leaves.
///
/// When the owner changes the instance in the settings, the service leaves the bus and comes back with the new one, because
/// its consumers read it only then. Writes are refused while `events` is full or nobody reads it.
///
/// # Errors
/// When there is no bus, the name is taken or refused, or the connection is lost.
pub async fn serve(
    bus: &BusAddress,
    settings: &Settings,
    battery: Battery,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    events: mpsc::Sender<Event>,
) -> Result<(), DbusError> {
    let watch = settings.watch(&battery.device).await?;
    let mut membership = match battery.context.member_of.as_deref() {
        Some(name) => Some(settings.membership(name).await?),
        None => None,
    };
    let mut role = Role::Member;
    let called = battery.context.custom_name.clone();
    let door = battery.door.clone();
    let (outcomes, mut answered) = mpsc::channel(WAITING_WISHES);
    let mut speaker = view::Speaker::new(battery.device.to_string(), battery.can.clone());
    speaker.take(&snapshots.borrow(), runtime::now().at);
    let has_live = battery.live;
    let (mut service, keeper, counters) = enter(bus, settings, watch, battery, &mut snapshots).await?;
    if has_live && keeper.settled {
        report(&events, Event::Live(keeper.held.live));
    }
    let (news, mut changes) = mpsc::channel(1);
    let (names, names_out) = mpsc::channel(WAITING_NAMES);
    let kept = keeper.run(news, names_out);
    tokio::pin!(kept);
    if let Some(counters) = counters {
        report(&events, Event::Counters(Box::new(counters)));
    }
    report(&events, Event::Registered(service.context().device_instance));
    if service.context().custom_name != called {
        report(&events, Event::CustomName(service.context().custom_name.clone()));
    }
    loop {
        tokio::select! {
            call = service.next_call() => {
                let call = call?;
                if view::is_asked(&call) {
                    let snapshot = snapshots.borrow().clone();
                    let snapshot = shown(service.context(), role, &snapshot);
                    let text = speaker.json(service.name(), service.context(), &snapshot, runtime::now().at);
                    service.say(&call, &text).await?;
                } else if is_heartbeat(&call) {
                    if let Some(new) = membership.as_mut().and_then(Membership::heard) {
                        role = new;
                        service = play(bus, service, role, &mut snapshots).await?;
                    }
                } else {
                    answer(&mut service, call, &names, &events, (&door, &outcomes)).await?;
                }
            }
            Some((call, outcome)) = answered.recv() => service.reply(&call, outcome).await?,
            changed = snapshots.changed() => match changed {
                Ok(()) => {
                    let snapshot = snapshots.borrow_and_update().clone();
                    speaker.take(&snapshot, runtime::now().at);
                    let snapshot = shown(service.context(), role, &snapshot);
                    service.publish(&snapshot).await?;
                }
                Err(_) => return service.release().await,
            },
            Some(stored) = changes.recv() => {
                if has_live {
                    report(&events, Event::Live(stored.live));
                }
                service = adopt(bus, service, stored, role, &mut snapshots, &events).await?;
            }
            new = role_of(&mut membership) => {
                role = new?;
                service = play(bus, service, role, &mut snapshots).await?;
            }
            lost = &mut kept => lost?,
        }
    }
}

/// Puts the battery on the bus with what the settings hold for it, or with the next best where there are none.
async fn enter(
    bus: &BusAddress,
    settings: &Settings,
    watch: settings::Watch,
    battery: Battery,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<(Service, Keeper, Option<Counters>), DbusError> {
    let Battery { name, device, remembered, live, mut context, inheritance, .. } = battery;
    // A member leaves the limits to its bank; it stands in for a bank that does not come.
    context.control &= context.member_of.is_none();
    let mut wanted = Stored {
        instance: remembered.unwrap_or(1),
        custom_name: context.custom_name.clone(),
        live: LiveValues::default(),
        counters: None,
    };
    let mut turn = None;
    let (held, without) = match settings.settle(&device, inheritance.as_ref(), &mut wanted, live).await {
        Ok(stored) => (stored, None),
        Err(error) => {
            let instance = match remembered {
                Some(instance) => instance,
                None => {
                    turn = Some(settings.turn().await);
                    settings.free_instance().await
                }
            };
            (Stored { instance, ..wanted }, Some(error))
        }
    };
    context.device_instance = held.instance;
    context.custom_name.clone_from(&held.custom_name);
    let first = snapshots.borrow_and_update().clone();
    let service = Service::register(bus, &name, context, &first).await?;
    drop(turn);
    // Said only now: a start that fails is tried again and again, and has a sentence of its own.
    log::info!("{name} is on D-Bus with DeviceInstance {}", held.instance);
    match &without {
        None => {}
        Some(error @ SettingsError::Absent) => log::info!("{error}; {name} runs without it"),
        Some(error @ SettingsError::Failed(_)) => log::warn!("{error}; {name} runs without it for now"),
    }
    let (settled, counters) = (without.is_none(), held.counters);
    let held = Stored { counters: None, ..held };
    let inheritance = inheritance.filter(|_| !settled);
    Ok((service, Keeper { settings: settings.clone(), watch, device, live, held, settled, inheritance }, counters))
}

async fn answer(
    service: &mut Service,
    call: Message,
    names: &mpsc::Sender<String>,
    events: &mpsc::Sender<Event>,
    (door, outcomes): (&Option<Door>, &mpsc::Sender<(Message, Outcome)>),
) -> Result<(), DbusError> {
    let pass_on = |written| match written {
        Written::CustomName(name) => names.try_send(name.clone()).is_ok() && events.try_send(Event::CustomName(name)).is_ok(),
        Written::ClearHistory => events.try_send(Event::ClearHistory).is_ok(),
    };
    let Some(wish) = service.answer(&call, pass_on).await? else { return Ok(()) };
    let Some(door) = door.clone() else { return service.reply(&call, Outcome::NotSupported).await };
    let (connection, outcomes) = (service.connection(), outcomes.clone());
    // It takes its time, in which other calls are answered.
    tokio::spawn(async move {
        let by = caller::caller(&connection, &call).await;
        let outcome = door.ask(wish, by).await;
        // A service that is gone has nobody to answer.
        let _ = outcomes.send((call, outcome)).await;
    });
    Ok(())
}

/// Takes over what the settings say now; a new instance means leaving the bus and coming back.
async fn adopt(
    bus: &BusAddress,
    mut service: Service,
    stored: Stored,
    role: Role,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
    events: &mpsc::Sender<Event>,
) -> Result<Service, DbusError> {
    if let Some(counters) = stored.counters {
        report(events, Event::Counters(Box::new(counters)));
    }
    if stored.custom_name != service.context().custom_name {
        report(events, Event::CustomName(stored.custom_name.clone()));
    }
    if stored.instance == service.context().device_instance {
        service.rename(&stored.custom_name).await?;
        return Ok(service);
    }
    let context = Context { device_instance: stored.instance, custom_name: stored.custom_name, ..service.context().clone() };
    log::info!("{} leaves D-Bus and returns with DeviceInstance {}", service.name(), stored.instance);
    let service = reenter(bus, service, context, role, snapshots).await?;
    report(events, Event::Registered(stored.instance));
    Ok(service)
}

/// Leaves the bus and comes back with another `context`: some things are read by others only when a name appears.
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
    let now = shown(&context, role, &now);
    Service::register(bus, &name, context, &now).await
}

/// The next role of a member of a bank; never for others.
async fn role_of(membership: &mut Option<Membership>) -> Result<Role, DbusError> {
    match membership {
        Some(membership) => membership.changed().await,
        None => std::future::pending().await,
    }
}

/// Steps back behind the bank, or stands in for it. The paths of the limits must not even exist beside a bank's, so the service
/// leaves and comes back.
async fn play(
    bus: &BusAddress,
    service: Service,
    role: Role,
    snapshots: &mut watch::Receiver<Arc<Snapshot>>,
) -> Result<Service, DbusError> {
    let control = match role {
        Role::Member => {
            log::info!("{}: the bank is back and sets the limits", service.name());
            false
        }
        Role::StandsIn(_) => {
            log::warn!(
                "{}: the bank is away or hangs; this battery publishes its share of the limits. Is `dbus-bms bank` running? Restart it \
                 if it is",
                service.name()
            );
            true
        }
    };
    let context = Context { control, ..service.context().clone() };
    reenter(bus, service, context, role, snapshots).await
}

fn report(events: &mpsc::Sender<Event>, event: Event) {
    if let Err(error) = events.try_send(event) {
        log::debug!("nobody took {error}");
    }
}
