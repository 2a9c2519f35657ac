//! One battery service on the bus: its connection, name, replies and signals.
//!
//! Calls are dispatched by hand through the sorted table of items: an object server with one object per path costs memory and time
//! for each of the 150 paths. The owner of a [`Service`] waits in [`next_call`](Service::next_call), which may be cancelled. The
//! other methods send and must not be cancelled: half a message on the line ends a connection.

pub(crate) mod alarms;
pub(crate) mod body;
pub(crate) mod caller;
pub(crate) mod calls;
pub(crate) mod introspect;
pub(crate) mod item;
pub(crate) mod items;
pub(crate) mod paths;
mod short_place;
mod values;
pub(crate) mod view_method;
pub(crate) mod written;

use self::body::ItemsBody;
use self::calls::{AcceptedWrite, ServiceState, request_reply};
use self::item::Context;
use self::items::Items;
use super::connection::{BUS, BUS_PATH, BusAddress, DbusError, next_message, request_name};
use super::names::BUS_ITEM;
use crate::control::ControlRequest;
use crate::model::{Outcome, Reply, Snapshot};
use zbus::message::{Message, Type};
use zbus::{Connection, MatchRule, MessageStream};

/// Queue of calls.
const CALL_QUEUE: usize = 32;

/// A battery service on the bus.
pub(crate) struct Service {
    name: String,
    connection: Connection,
    calls: MessageStream,
    state: ServiceState,
    changed: Vec<usize>,
}

impl Service {
    /// Puts a service on the bus. All its paths exist, with the values of `first`, before the name is requested.
    ///
    /// # Errors
    /// When there is no bus, or when the name is taken or refused.
    pub(crate) async fn register(bus: &BusAddress, name: &str, context: Context, first: &Snapshot) -> Result<Self, DbusError> {
        let connection = bus.connect().await?;
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let calls_to_us = MatchRule::builder().msg_type(Type::MethodCall).build().map_err(lost)?;
        let calls = MessageStream::for_match_rule(calls_to_us, &connection, CALL_QUEUE.try_into().ok()).await.map_err(lost)?;
        let state = ServiceState { items: Items::new(&context, first), context };
        request_name(&connection, name).await?;
        Ok(Self { name: name.to_owned(), connection, calls, state, changed: Vec::new() })
    }

    /// The service's name on the bus.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A clone of its connection.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Constant data of this service.
    pub(crate) fn context(&self) -> &Context {
        &self.state.context
    }

    /// Waits for the next call. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn next_call(&mut self) -> Result<Message, DbusError> {
        next_message(&mut self.calls).await
    }

    /// Answers a call. `pass_on` forwards an accepted write and returns whether it succeeded. A request is returned, to be answered
    /// by [`reply`](Self::reply).
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn answer(
        &mut self,
        call: &Message,
        mut pass_on: impl FnMut(AcceptedWrite) -> bool,
    ) -> Result<Option<ControlRequest>, DbusError> {
        let answer = self.state.answer(call, &mut pass_on).map_err(|error| DbusError::Message(error.to_string()))?;
        if let Some(reply) = answer.reply {
            self.send(&reply).await?;
        }
        self.changed.clear();
        self.changed.extend(answer.changed);
        self.announce().await?;
        Ok(answer.request)
    }

    /// Replies with the outcome of a request.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn reply(&self, call: &Message, answer: &Reply) -> Result<(), DbusError> {
        match request_reply(call, answer).map_err(|error| DbusError::Message(error.to_string()))? {
            Some(reply) => self.send(&reply).await,
            None => Ok(()),
        }
    }

    /// Replies with a text.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn reply_text(&self, call: &Message, text: &str) -> Result<(), DbusError> {
        let reply = Message::method_return(&call.header()).build(&text);
        self.send(&reply.map_err(|error| DbusError::Message(error.to_string()))?).await
    }

    /// Updates the items from a snapshot and sends all changes in one signal, or none if nothing changed.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn publish(&mut self, snapshot: &Snapshot) -> Result<(), DbusError> {
        let ServiceState { context, items } = &mut self.state;
        items.update(context, snapshot, &mut self.changed);
        self.announce().await
    }

    /// Applies a custom name that the owner set elsewhere.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn rename(&mut self, name: &str) -> Result<(), DbusError> {
        self.changed.clear();
        self.changed.extend(self.state.rename(name));
        self.announce().await
    }

    /// Leaves the bus once everything sent has been delivered, and answers the calls received meanwhile.
    ///
    /// # Errors
    /// When the connection is lost before that.
    pub(crate) async fn release(mut self) -> Result<(), DbusError> {
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let (connection, name) = (self.connection.clone(), self.name.clone());
        let name = name.as_str();
        let released = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ReleaseName", &name);
        tokio::pin!(released);
        // Receive calls, so that they do not block the reply, but answer them later: only one message can be sent at a time.
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
                self.reply(call, &Outcome::Unreachable.into()).await?;
            }
        }
        self.connection.close().await.map_err(lost)
    }

    /// Sends the changed items in one signal. Waits while the bus is busy; changes made meanwhile are combined.
    async fn announce(&self) -> Result<(), DbusError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let listing = ItemsBody { items: &self.state.items, numbers: self.changed.iter().copied() };
        let signal = Message::signal("/", BUS_ITEM, "ItemsChanged").build(&listing);
        self.send(&signal.map_err(|error| DbusError::Message(error.to_string()))?).await
    }

    async fn send(&self, message: &Message) -> Result<(), DbusError> {
        self.connection.send(message).await.map_err(|error| DbusError::Lost(error.to_string()))
    }
}
