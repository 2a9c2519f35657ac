//! Follows the other batteries on D-Bus: appearing, leaving, and changed values.
//!
//! Each is followed by its own task with a match rule for its sender, so that signals of other services do not wake the process.
//! Batteries of this driver count their readings on `/Bank/Readings`, which distinguishes a resting battery from a silent one. Of
//! other drivers only the process can be checked: one value is polled every few seconds.

use super::bank_watch::{announcement, bank_service};
use super::remote_battery::RemoteItems;
use crate::base::printable::{MAX_TEXT, printable};
use crate::base::runtime;
use crate::dbus::connection::{BUS, BUS_PATH, BusAddress, DbusError, next_message, request_name};
use crate::dbus::names::{BATTERY_INTERFACE, BATTERY_PREFIX, BUS_ITEM, HEARTBEAT_METHOD};
use crate::dbus::value::Value;
use crate::model::ByDirection;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use zbus::message::{Flags, Message, Type};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

/// Signal queue per battery: some drivers send one signal for each of a hundred values.
const SIGNAL_QUEUE: usize = 1024;
/// Queue of name changes.
const NAME_SIGNAL_QUEUE: usize = 256;
/// Poll interval of a battery that does not count its readings.
const LIVENESS_POLL_INTERVAL: Duration = Duration::from_secs(3);
/// Retry interval for a battery that did not return its items.
const ITEMS_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Event of a battery.
#[derive(Debug)]
pub(crate) enum RemoteEvent {
    /// It has appeared, with all its items.
    Appeared(String, RemoteItems),
    /// Some of its items changed.
    Changed(String, RemoteItems),
    /// It answers.
    Alive(String),
    /// It left the bus.
    Vanished(String),
}

/// The other batteries.
pub(crate) struct RemoteBatteries {
    connection: Connection,
    names: MessageStream,
    bank: String,
    followers: BTreeMap<String, Follower>,
    sender: mpsc::Sender<OwnerEvent>,
    events: mpsc::Receiver<OwnerEvent>,
}

/// The task that follows one owner of a name.
struct Follower {
    owner: String,
    /// Signals that the owner has left.
    owner_left: Arc<Notify>,
    task: JoinHandle<()>,
}

/// An event and the owner of the name that it refers to.
type OwnerEvent = (String, RemoteEvent);

impl RemoteBatteries {
    /// Listens on `bus` for the bank called `bank`, and announces it: from now on its members leave the limits to it.
    ///
    /// # Errors
    /// When there is no bus, the connection is lost, or another process is that bank.
    pub(crate) async fn listen(bus: &BusAddress, bank: &str) -> Result<Self, DbusError> {
        let connection = bus.connect().await?;
        request_name(&connection, &announcement(bank)).await.map_err(|error| match error {
            DbusError::NameTaken(_) => DbusError::NameTaken(bank_service(bank)),
            error => error,
        })?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(InterfaceName::from_static_str(BUS).map_err(lost)?)
            .member("NameOwnerChanged")
            .arg0ns(BATTERY_PREFIX.trim_end_matches('.'));
        let rule = rule.build().map_err(lost)?;
        let names = MessageStream::for_match_rule(rule, &connection, NAME_SIGNAL_QUEUE.try_into().ok()).await.map_err(lost)?;
        let (sender, events) = mpsc::channel(64);
        let mut batteries = Self { connection, names, bank: bank_service(bank), followers: BTreeMap::new(), sender, events };
        let reply = batteries.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ListNames", &()).await.map_err(lost)?;
        for name in reply.body().deserialize::<Vec<String>>().map_err(lost)? {
            if name.starts_with(BATTERY_PREFIX) {
                let owner = batteries.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &name.as_str()).await;
                // A battery that has left meanwhile is not followed.
                if let Ok(owner) = owner.and_then(|owner| owner.body().deserialize::<String>()) {
                    batteries.follow(name, owner);
                }
            }
        }
        Ok(batteries)
    }

    /// Waits for the next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn next(&mut self) -> Result<RemoteEvent, DbusError> {
        loop {
            tokio::select! {
                Some((owner, event)) = self.events.recv() => {
                    let name = event.name();
                    let present = self.followers.get(name).is_none_or(|follower| follower.owner == owner);
                    // Remaining events of an earlier owner do not apply to the present one.
                    if present {
                        return Ok(event);
                    }
                }
                message = next_message(&mut self.names) => {
                    let body = message?.body();
                    let Ok((name, _, owner)) = body.deserialize::<(&str, &str, &str)>() else { continue };
                    let (name, owner) = (name.to_owned(), owner.to_owned());
                    if let Some(follower) = self.followers.remove(&name) {
                        follower.owner_left.notify_one();
                    }
                    if !owner.is_empty() {
                        self.follow(name, owner);
                    }
                }
            }
        }
    }

    fn follow(&mut self, name: String, owner: String) {
        if name == self.bank {
            return;
        }
        let owner_left = Arc::new(Notify::new());
        let subscription = Subscription {
            connection: self.connection.clone(),
            name: name.clone(),
            owner: owner.clone(),
            owner_left: owner_left.clone(),
            sender: self.sender.clone(),
        };
        let task = tokio::spawn(subscription.follow());
        self.followers.insert(name, Follower { owner, owner_left, task });
    }

    /// Sends a member of this driver its share of the limits, A; no reply expected.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn send_share(&self, service: &str, currents: ByDirection<f64>) -> Result<(), DbusError> {
        for (path, amps) in [("/Bank/ShareCharge", currents.charge), ("/Bank/ShareDischarge", currents.discharge)] {
            let call = Message::method_call(path, "SetValue");
            let call = call.destination(service).interface(BUS_ITEM).with_flags(Flags::NO_REPLY_EXPECTED);
            let call = call.build(&Variant::from(amps)).map_err(|error| DbusError::Message(error.to_string()))?;
            self.connection.send(&call).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Sends a heartbeat of the bank to a member of this driver; no reply expected.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn send_heartbeat(&self, service: &str) -> Result<(), DbusError> {
        let call = Message::method_call("/", HEARTBEAT_METHOD).destination(service).interface(BATTERY_INTERFACE);
        let call = call.with_flags(Flags::NO_REPLY_EXPECTED).build(&()).map_err(|error| DbusError::Message(error.to_string()))?;
        self.connection.send(&call).await.map_err(lost)
    }
}

impl Drop for RemoteBatteries {
    fn drop(&mut self) {
        for follower in self.followers.values() {
            follower.task.abort();
        }
    }
}

impl RemoteEvent {
    fn name(&self) -> &str {
        match self {
            Self::Appeared(name, _) | Self::Changed(name, _) | Self::Alive(name) | Self::Vanished(name) => name,
        }
    }
}

fn lost(error: zbus::Error) -> DbusError {
    DbusError::Lost(error.to_string())
}

/// Follows one owner of a battery's name.
struct Subscription {
    connection: Connection,
    name: String,
    owner: String,
    owner_left: Arc<Notify>,
    sender: mpsc::Sender<OwnerEvent>,
}

impl Subscription {
    /// Runs until the owner has left; its last values are passed on before that.
    async fn follow(self) {
        if let Err(error) = self.listen().await {
            log::debug!("{}: {error}", self.name);
        }
        self.send(RemoteEvent::Vanished(self.name.clone())).await;
    }

    async fn listen(&self) -> Result<(), DbusError> {
        let owner = self.owner.as_str();
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(zbus::names::UniqueName::try_from(owner.to_owned()).map_err(lost)?)
            .interface(InterfaceName::from_static_str(BUS_ITEM).map_err(lost)?);
        let rule = rule.build().map_err(lost)?;
        let waiting = SIGNAL_QUEUE.try_into().ok();
        let mut signals = MessageStream::for_match_rule(rule, &self.connection, waiting).await.map_err(lost)?;
        let items = tokio::select! {
            items = self.ask_for_items() => items,
            () = self.owner_left.notified() => return Ok(()),
        };
        let counts_readings = items.contains_key("/Bank/Readings");
        self.send(RemoteEvent::Appeared(self.name.clone(), items)).await;
        let mut poll_at = runtime::now().at;
        loop {
            let due = async { if counts_readings { std::future::pending().await } else { runtime::sleep_until(poll_at).await } };
            let event = tokio::select! {
                // Values before the leaving of their sender.
                biased;
                signal = next_message(&mut signals) => match changes(&signal?) {
                    Some(items) => RemoteEvent::Changed(self.name.clone(), items),
                    None => continue,
                },
                () = self.owner_left.notified() => return Ok(()),
                () = due => {
                    poll_at = runtime::now().at.after(LIVENESS_POLL_INTERVAL);
                    let answer = self.connection.call_method(Some(owner), "/Dc/0/Voltage", Some(BUS_ITEM), "GetValue", &());
                    if answer.await.is_err() {
                        continue;
                    }
                    RemoteEvent::Alive(self.name.clone())
                }
            };
            self.send(event).await;
        }
    }

    async fn ask_for_items(&self) -> RemoteItems {
        loop {
            match all_items(&self.connection, &self.owner).await {
                Some(items) => return items,
                None => runtime::sleep_until(runtime::now().at.after(ITEMS_RETRY_INTERVAL)).await,
            }
        }
    }

    async fn send(&self, event: RemoteEvent) {
        // Without a receiver this task is about to end, too.
        let _ = self.sender.send((self.owner.clone(), event)).await;
    }
}

/// All items of a service; older services support `GetValue` on the root only.
async fn all_items(connection: &Connection, owner: &str) -> Option<RemoteItems> {
    let reply = connection.call_method(Some(owner), "/", Some(BUS_ITEM), "GetItems", &()).await;
    if let Ok(reply) = reply {
        let body = reply.body();
        let items: HashMap<String, HashMap<String, OwnedVariant>> = body.deserialize().ok()?;
        return Some(items.into_iter().filter_map(|(path, facts)| Some((path, value(facts.get("Value")?)))).collect());
    }
    let reply = connection.call_method(Some(owner), "/", Some(BUS_ITEM), "GetValue", &()).await.ok()?;
    let body = reply.body();
    let values: OwnedVariant = body.deserialize().ok()?;
    let Variant::Dict(values) = &*values else { return None };
    let path = |key: &Variant<'_>| match key {
        Variant::Str(key) => Some(format!("/{}", key.trim_start_matches('/'))),
        _ => None,
    };
    Some(values.iter().filter_map(|(key, item)| Some((path(key)?, value(item)))).collect())
}

/// The changed items in a signal; `None` if the signal is about something else.
fn changes(signal: &Message) -> Option<RemoteItems> {
    let header = signal.header();
    let (member, body) = (header.member()?.as_str().to_owned(), signal.body());
    match member.as_str() {
        "ItemsChanged" => {
            let items: HashMap<String, HashMap<String, OwnedVariant>> = body.deserialize().ok()?;
            Some(items.into_iter().filter_map(|(path, facts)| Some((path, value(facts.get("Value")?)))).collect())
        }
        "PropertiesChanged" => {
            let facts: HashMap<String, OwnedVariant> = body.deserialize().ok()?;
            Some(RemoteItems::from([(header.path()?.as_str().to_owned(), value(facts.get("Value")?))]))
        }
        _ => None,
    }
}

/// A value of any type used by services; other types are unknown.
pub(in crate::dbus) fn value(variant: &Variant<'_>) -> Value<'static> {
    let whole = |number: i64| i32::try_from(number).map_or(Value::Invalid, Value::Int);
    match variant {
        Variant::Variant(inner) => value(inner),
        Variant::Bool(flag) => Value::Int(i32::from(*flag)),
        Variant::U8(number) => Value::Int(i32::from(*number)),
        Variant::I16(number) => Value::Int(i32::from(*number)),
        Variant::U16(number) => Value::Int(i32::from(*number)),
        Variant::I32(number) => Value::Int(*number),
        Variant::U32(number) => whole(i64::from(*number)),
        Variant::I64(number) => whole(*number),
        Variant::U64(number) => i64::try_from(*number).map_or(Value::Invalid, whole),
        Variant::F64(number) if number.is_finite() => Value::Double(*number),
        Variant::Str(text) => Value::Text(Cow::Owned(printable(text.as_str(), MAX_TEXT))),
        _ => Value::Invalid,
    }
}
