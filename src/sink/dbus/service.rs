//! One battery service on the bus: its connection, its name, its answers and its signals.
//!
//! Calls are dispatched by hand over the sorted table of items: an object server with an object per path costs memory and
//! time for each of the 150. The owner of a [`Service`] waits in [`next_call`](Service::next_call), which may be cancelled,
//! and sends in the other methods, which may not: half a message on the line ends a connection.

use super::bus::{BUS, BUS_PATH, BusAddress, CALL_LIMIT, DbusError, next_message};
use super::calls::{Memory, Written, outcome_reply};
use super::item::Context;
use super::items::Items;
use super::marshal::items_changed;
use super::socket::Outlet;
use crate::commands::Wish;
use crate::model::{Outcome, Snapshot};
use zbus::message::{Message, Type};
use zbus::{Connection, MatchRule, MessageStream};

/// Fail if the name is taken: D-Bus would else put us in a queue for it.
const DO_NOT_QUEUE: u32 = 4;
/// `RequestName`: we have it.
const PRIMARY_OWNER: u32 = 1;
/// `RequestName`: somebody else has it.
const EXISTS: u32 = 3;
/// The serial numbers of our signals have this bit; those that zbus counts never get so far.
const SIGNALS: u32 = 1 << 31;
/// Calls that may wait for their turn.
const WAITING_CALLS: usize = 32;

/// A battery service that is on the bus.
pub(crate) struct Service {
    name: String,
    connection: Connection,
    calls: MessageStream,
    memory: Memory,
    changed: Vec<usize>,
    outlet: Outlet,
    /// Signals sent so far.
    signals: u32,
}

impl Service {
    /// Puts a service on the bus. All its paths exist, with the values of `first`, before its name is asked for.
    ///
    /// # Errors
    /// When there is no bus, when the name is taken, or when the bus does not give it.
    pub(crate) async fn register(bus: &BusAddress, name: &str, context: Context, first: &Snapshot) -> Result<Self, DbusError> {
        let (connection, outlet) = bus.connect_to_tell(CALL_LIMIT).await?;
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let calls_to_us = MatchRule::builder().msg_type(Type::MethodCall).build().map_err(lost)?;
        let calls = MessageStream::for_match_rule(calls_to_us, &connection, WAITING_CALLS.try_into().ok()).await.map_err(lost)?;
        let memory = Memory { items: Items::new(&context, first), context };
        request_name(&connection, name).await?;
        Ok(Self { name: name.to_owned(), connection, calls, memory, changed: Vec::new(), outlet, signals: 0 })
    }

    /// The service's name on the bus.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Another handle to its connection.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// What is constant for this service.
    pub(crate) fn context(&self) -> &Context {
        &self.memory.context
    }

    /// Waits for the next call. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn next_call(&mut self) -> Result<Message, DbusError> {
        next_message(&mut self.calls).await
    }

    /// Answers a call. `pass_on` hands an accepted write to whoever acts on it, and says whether it could. A wish is returned, and
    /// answered by [`reply`](Self::reply).
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn answer(
        &mut self,
        call: &Message,
        mut pass_on: impl FnMut(Written) -> bool,
    ) -> Result<Option<Wish>, DbusError> {
        let answer = self.memory.answer(call, &mut pass_on).map_err(|error| DbusError::Message(error.to_string()))?;
        if let Some(reply) = answer.reply {
            self.send(&reply).await?;
        }
        self.changed.clear();
        self.changed.extend(answer.changed);
        self.announce().await?;
        Ok(answer.wish)
    }

    /// Says what became of a wish.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn reply(&self, call: &Message, outcome: Outcome) -> Result<(), DbusError> {
        match outcome_reply(call, outcome).map_err(|error| DbusError::Message(error.to_string()))? {
            Some(reply) => self.send(&reply).await,
            None => Ok(()),
        }
    }

    /// Answers a call with a text.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn say(&self, call: &Message, text: &str) -> Result<(), DbusError> {
        let reply = Message::method_return(&call.header()).build(&text);
        self.send(&reply.map_err(|error| DbusError::Message(error.to_string()))?).await
    }

    /// Takes over a snapshot and announces what has changed, in one signal; nothing changed sends nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn publish(&mut self, snapshot: &Snapshot) -> Result<(), DbusError> {
        let Memory { context, items } = &mut self.memory;
        items.update(context, snapshot, &mut self.changed);
        self.announce().await
    }

    /// Takes over a name that the owner gave the battery elsewhere.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn rename(&mut self, name: &str) -> Result<(), DbusError> {
        self.changed.clear();
        self.changed.extend(self.memory.rename(name));
        self.announce().await
    }

    /// Leaves the bus once everything sent before has arrived there, and answers what was asked meanwhile.
    ///
    /// # Errors
    /// When the connection is lost before that.
    pub(crate) async fn release(mut self) -> Result<(), DbusError> {
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let (connection, name) = (self.connection.clone(), self.name.clone());
        let name = name.as_str();
        let released = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ReleaseName", &name);
        tokio::pin!(released);
        // The calls are taken in, lest they block the reply, but answered later: two cannot send at once.
        let mut calls = Vec::new();
        loop {
            tokio::select! {
                result = &mut released => {
                    result.map_err(lost)?;
                    break;
                }
                call = self.next_call() => calls.push(call?),
            }
        }
        for call in &calls {
            if self.answer(call, |_| false).await?.is_some() {
                self.reply(call, Outcome::Unreachable).await?;
            }
        }
        self.connection.close().await.map_err(lost)
    }

    async fn announce(&mut self) -> Result<(), DbusError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        self.signals = self.signals.wrapping_add(1);
        let signal = items_changed(&self.memory.items, self.changed.iter().copied(), self.signals | SIGNALS);
        self.outlet.send(&signal).await.map_err(|error| DbusError::Lost(error.to_string()))
    }

    async fn send(&self, message: &Message) -> Result<(), DbusError> {
        self.connection.send(message).await.map_err(|error| DbusError::Lost(error.to_string()))
    }
}

/// Asks for the name. zbus' own way would replace another owner.
pub(super) async fn request_name(connection: &Connection, name: &str) -> Result<(), DbusError> {
    let refused = |reason: String| DbusError::NameRefused { name: name.to_owned(), reason };
    let request = (name, DO_NOT_QUEUE);
    let reply = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "RequestName", &request).await;
    match reply.and_then(|reply| reply.body().deserialize::<u32>()) {
        Ok(PRIMARY_OWNER) => Ok(()),
        Ok(EXISTS) => Err(DbusError::NameTaken(name.to_owned())),
        Ok(other) => Err(refused(format!("unexpected answer {other}"))),
        Err(error) => Err(refused(error.to_string())),
    }
}
