//! Listens to the other batteries on D-Bus: who comes and goes, what they say.
//!
//! Each is followed by a task of its own with a match rule for its sender, so that the bus wakes us for nobody else. Batteries of
//! this driver count their readings on `/Bank/Readings`, which tells a resting one from a silent one. Of others only the process
//! can be asked whether it lives: they are polled for one value every few seconds.

use super::bus::{BUS, BUS_PATH, BusAddress, DbusError, next_message};
use super::membership::{BANK_LIVES, INTERFACE, announcement, bank_service};
use super::names::BATTERY_PREFIX;
use super::names::BUS_ITEM;
use super::peer::PeerItems;
use super::value::Value;
use crate::runtime;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use zbus::message::{Flags, Message, Type};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream, OwnedVariant, Variant};

/// Signals of one battery that may wait: some drivers send one for each of a hundred values.
const WAITING_SIGNALS: usize = 1024;
/// Names that may come and go while nobody looks.
const WAITING_NAMES: usize = 256;
/// How often a battery that does not count its readings is asked whether it lives.
const POLL: Duration = Duration::from_secs(3);
/// Time after which a battery that did not tell its items is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// What is heard of a battery.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// It is there, with all its items.
    Came(String, PeerItems),
    /// Items of it changed.
    Changed(String, PeerItems),
    /// It answers.
    Lives(String),
    /// It left the bus.
    Left(String),
}

/// The other batteries.
pub(crate) struct Peers {
    connection: Connection,
    names: MessageStream,
    bank: String,
    followers: BTreeMap<String, Follower>,
    tell: mpsc::Sender<Heard>,
    heard: mpsc::Receiver<Heard>,
}

/// The task that follows one owner of a name.
struct Follower {
    owner: String,
    /// Tells it that the owner left.
    left: Arc<Notify>,
    task: JoinHandle<()>,
}

/// An event and the owner of the name it is about.
type Heard = (String, PeerEvent);

impl Peers {
    /// Listens on `bus` for the bank called `bank`, and announces it: from now on its members leave the limits to it.
    ///
    /// # Errors
    /// When there is no bus, the connection is lost, or another process is that bank.
    pub(crate) async fn listen(bus: &BusAddress, bank: &str) -> Result<Self, DbusError> {
        let connection = bus.connect().await?;
        super::service::request_name(&connection, &announcement(bank)).await.map_err(|error| match error {
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
        let names = MessageStream::for_match_rule(rule, &connection, WAITING_NAMES.try_into().ok()).await.map_err(lost)?;
        let (tell, heard) = mpsc::channel(64);
        let mut peers = Self { connection, names, bank: bank_service(bank), followers: BTreeMap::new(), tell, heard };
        let reply = peers.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ListNames", &()).await.map_err(lost)?;
        for name in reply.body().deserialize::<Vec<String>>().map_err(lost)? {
            if name.starts_with(BATTERY_PREFIX) {
                let owner = peers.connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &name.as_str()).await;
                // One that left meanwhile needs no follower.
                if let Ok(owner) = owner.and_then(|owner| owner.body().deserialize::<String>()) {
                    peers.follow(name, owner);
                }
            }
        }
        Ok(peers)
    }

    /// Waits for the next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn next(&mut self) -> Result<PeerEvent, DbusError> {
        loop {
            tokio::select! {
                Some((owner, event)) = self.heard.recv() => {
                    let name = event.name();
                    let present = self.followers.get(name).is_none_or(|follower| follower.owner == owner);
                    // What is left of an earlier owner of the name says nothing of the present one.
                    if present {
                        return Ok(event);
                    }
                }
                message = next_message(&mut self.names) => {
                    let body = message?.body();
                    let Ok((name, _, owner)) = body.deserialize::<(&str, &str, &str)>() else { continue };
                    let (name, owner) = (name.to_owned(), owner.to_owned());
                    if let Some(follower) = self.followers.remove(&name) {
                        follower.left.notify_one();
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
        let left = Arc::new(Notify::new());
        let ear = Ear {
            connection: self.connection.clone(),
            name: name.clone(),
            owner: owner.clone(),
            left: left.clone(),
            tell: self.tell.clone(),
        };
        let task = tokio::spawn(ear.follow());
        self.followers.insert(name, Follower { owner, left, task });
    }

    /// Tells a member of ours its share of the limits; it need not answer.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn tell_share(&self, service: &str, charge: f64, discharge: f64) -> Result<(), DbusError> {
        for (path, amps) in [("/Bank/ShareCharge", charge), ("/Bank/ShareDischarge", discharge)] {
            let call = Message::method_call(path, "SetValue");
            let call = call.destination(service).interface(BUS_ITEM).with_flags(Flags::NO_REPLY_EXPECTED);
            let call = call.build(&Variant::from(amps)).map_err(|error| DbusError::Message(error.to_string()))?;
            self.connection.send(&call).await.map_err(lost)?;
        }
        Ok(())
    }
}

impl Peers {
    /// Tells a member of ours that the bank lives; it need not answer.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn tell_alive(&self, service: &str) -> Result<(), DbusError> {
        let call = Message::method_call("/", BANK_LIVES).destination(service).interface(INTERFACE);
        let call = call.with_flags(Flags::NO_REPLY_EXPECTED).build(&()).map_err(|error| DbusError::Message(error.to_string()))?;
        self.connection.send(&call).await.map_err(lost)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        for follower in self.followers.values() {
            follower.task.abort();
        }
    }
}

impl PeerEvent {
    fn name(&self) -> &str {
        match self {
            Self::Came(name, _) | Self::Changed(name, _) | Self::Lives(name) | Self::Left(name) => name,
        }
    }
}

fn lost(error: zbus::Error) -> DbusError {
    DbusError::Lost(error.to_string())
}

/// Listens to one owner of a battery's name.
struct Ear {
    connection: Connection,
    name: String,
    owner: String,
    left: Arc<Notify>,
    tell: mpsc::Sender<Heard>,
}

impl Ear {
    /// Until it has left: what it said last is passed on before that.
    async fn follow(self) {
        if let Err(error) = self.listen().await {
            log::debug!("{}: {error}", self.name);
        }
        self.pass_on(PeerEvent::Left(self.name.clone())).await;
    }

    async fn listen(&self) -> Result<(), DbusError> {
        let owner = self.owner.as_str();
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(zbus::names::UniqueName::try_from(owner.to_owned()).map_err(lost)?)
            .interface(InterfaceName::from_static_str(BUS_ITEM).map_err(lost)?);
        let rule = rule.build().map_err(lost)?;
        let waiting = WAITING_SIGNALS.try_into().ok();
        let mut signals = MessageStream::for_match_rule(rule, &self.connection, waiting).await.map_err(lost)?;
        let items = tokio::select! {
            items = self.ask_for_items() => items,
            () = self.left.notified() => return Ok(()),
        };
        let counts_readings = items.contains_key("/Bank/Readings");
        self.pass_on(PeerEvent::Came(self.name.clone(), items)).await;
        let mut poll_at = runtime::now().at;
        loop {
            let due = async { if counts_readings { std::future::pending().await } else { runtime::sleep_until(poll_at).await } };
            let event = tokio::select! {
                // What it said comes before its leaving.
                biased;
                signal = next_message(&mut signals) => match changes(&signal?) {
                    Some(items) => PeerEvent::Changed(self.name.clone(), items),
                    None => continue,
                },
                () = self.left.notified() => return Ok(()),
                () = due => {
                    poll_at = runtime::now().at.after(POLL);
                    let answer = self.connection.call_method(Some(owner), "/Dc/0/Voltage", Some(BUS_ITEM), "GetValue", &());
                    if answer.await.is_err() {
                        continue;
                    }
                    PeerEvent::Lives(self.name.clone())
                }
            };
            self.pass_on(event).await;
        }
    }

    async fn ask_for_items(&self) -> PeerItems {
        loop {
            match all_items(&self.connection, &self.owner).await {
                Some(items) => return items,
                None => runtime::sleep_until(runtime::now().at.after(AGAIN)).await,
            }
        }
    }

    async fn pass_on(&self, event: PeerEvent) {
        // Without a listener this task is about to end, too.
        let _ = self.tell.send((self.owner.clone(), event)).await;
    }
}

/// All items of a service; older ones know `GetValue` on the root only.
async fn all_items(connection: &Connection, owner: &str) -> Option<PeerItems> {
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

/// The items that a signal says to have changed; `None` where it is about something else.
fn changes(signal: &Message) -> Option<PeerItems> {
    let header = signal.header();
    let (member, body) = (header.member()?.as_str().to_owned(), signal.body());
    match member.as_str() {
        "ItemsChanged" => {
            let items: HashMap<String, HashMap<String, OwnedVariant>> = body.deserialize().ok()?;
            Some(items.into_iter().filter_map(|(path, facts)| Some((path, value(facts.get("Value")?)))).collect())
        }
        "PropertiesChanged" => {
            let facts: HashMap<String, OwnedVariant> = body.deserialize().ok()?;
            Some(PeerItems::from([(header.path()?.as_str().to_owned(), value(facts.get("Value")?))]))
        }
        _ => None,
    }
}

/// A value of any type that services use; what is none of them is unknown.
pub(super) fn value(variant: &Variant<'_>) -> Value<'static> {
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
        Variant::Str(text) => Value::Text(Cow::Owned(text.as_str().to_owned())),
        _ => Value::Invalid,
    }
}
