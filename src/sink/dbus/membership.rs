//! A member's view of its bank: is somebody there who sets the limits for all?
//!
//! With the bank's name on the bus a member publishes no limits of its own, so that Venus OS sees one BMS. When the name is
//! away for [`PATIENCE`], each member stands in with at most its share. A bank that comes announces itself under a second name
//! first: the members step back, and only then does it publish limits. So there is no moment with both.

use super::bus::{BUS, BUS_PATH, DbusError, next_message};
use super::items::Context;
use super::names::BATTERY_PREFIX;
use crate::model::{Limit, Limits, Snapshot};
use crate::runtime;
use crate::units::{Amps, Moment};
use std::borrow::Cow;
use std::time::Duration;
use zbus::message::Type;
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream};

/// How long the bank may be away before its members stand in for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const STANDS_IN: &str = "the bank is away: this battery's share";

/// The service of the bank called `name`.
pub fn bank_service(name: &str) -> String {
    format!("{BATTERY_PREFIX}{name}")
}

/// The name under which the bank announces itself. No battery service: nobody on Venus OS looks at it.
pub(crate) fn announcement(name: &str) -> String {
    format!("dbus_bms.bank.{name}")
}

/// What a member has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Leave the limits to the bank.
    Member,
    /// Publish limits, as one of so many batteries.
    StandsIn(usize),
}

/// Watches the names of a bank.
pub(crate) struct Membership {
    connection: Connection,
    names: MessageStream,
    service: String,
    announcement: String,
    /// When the bank counts as gone; `None` while its service is there.
    gone_at: Option<Moment>,
    role: Role,
}

impl Membership {
    /// Looks whether the bank called `name` is there. Until it is known to be away the battery is its member.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn watch(connection: &Connection, name: &str) -> Result<Self, DbusError> {
        let lost = |error: zbus::Error| DbusError::Lost(error.to_string());
        let (service, announcement) = (bank_service(name), announcement(name));
        // Both names end in the bank's own; arg0 can match one name only, so each message is looked at.
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(InterfaceName::from_static_str(BUS).map_err(lost)?)
            .member("NameOwnerChanged");
        let rule = rule.build().map_err(lost)?;
        let names = MessageStream::for_match_rule(rule, connection, WAITING_NAMES.try_into().ok()).await.map_err(lost)?;
        let gone_at = match has_owner(connection, &service).await? {
            true => None,
            false => Some(runtime::now().at.after(PATIENCE)),
        };
        Ok(Self { connection: connection.clone(), names, service, announcement, gone_at, role: Role::Member })
    }

    /// Waits until the battery has another role. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn changed(&mut self) -> Result<Role, DbusError> {
        loop {
            let gone_at = if self.role == Role::Member { self.gone_at } else { None };
            let expired = async {
                match gone_at {
                    Some(moment) => runtime::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = next_message(&mut self.names) => {
                    let body = message?.body();
                    let Ok((name, _, owner)) = body.deserialize::<(&str, &str, &str)>() else { continue };
                    if !self.note(name, !owner.is_empty(), runtime::now().at) {
                        continue;
                    }
                }
                () = expired => {
                    // Asked once more: the last word must not be one that was lost.
                    if has_owner(&self.connection, &self.service).await? {
                        self.gone_at = None;
                        continue;
                    }
                    self.role = Role::StandsIn(batteries(&self.connection, &self.service).await);
                }
            }
            return Ok(self.role);
        }
    }

    /// Takes note of a name that came or went; true if that gives another role.
    fn note(&mut self, name: &str, there: bool, now: Moment) -> bool {
        match (name == self.service, there) {
            (true, true) => self.gone_at = None,
            // It is on its way, and has so long to arrive.
            (false, true) if name == self.announcement => {
                self.gone_at = Some(now.after(PATIENCE)).filter(|_| self.gone_at.is_some())
            }
            (true, false) => {
                self.gone_at = Some(now.after(PATIENCE));
                return false;
            }
            _ => return false,
        }
        std::mem::replace(&mut self.role, Role::Member) != Role::Member
    }
}

/// Names that may come and go while nobody looks.
const WAITING_NAMES: usize = 256;

async fn has_owner(connection: &Connection, name: &str) -> Result<bool, DbusError> {
    let reply = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "NameHasOwner", &name).await;
    reply.and_then(|reply| reply.body().deserialize()).map_err(|error| DbusError::Lost(error.to_string()))
}

/// How many batteries there are beside the bank, at least two: alone nobody would be a member.
async fn batteries(connection: &Connection, bank: &str) -> usize {
    let reply = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ListNames", &()).await;
    let names: Vec<String> = reply.and_then(|reply| reply.body().deserialize()).unwrap_or_default();
    names.iter().filter(|name| name.starts_with(BATTERY_PREFIX) && *name != bank).count().max(2)
}

/// What a member shows: its own limits, or, standing in for the bank, at most its share of the bank's, and no more voltage than
/// may be held for ever, for nobody watches the cells of all.
pub(crate) fn shown<'a>(context: &Context, role: Role, snapshot: &'a Snapshot) -> Cow<'a, Snapshot> {
    let Role::StandsIn(count) = role else { return Cow::Borrowed(snapshot) };
    let Limits { cvl, ccl, dcl, .. } = snapshot.limits;
    let lower = |limit: Limit<Amps>, told: Option<f64>| {
        let part = told.unwrap_or(limit.value.get() / count.max(1) as f64);
        if part < limit.value.get() { Limit { value: Amps::new(part), why: STANDS_IN } } else { limit }
    };
    let float = snapshot.part.float.filter(|float| *float < cvl.value);
    let limits = Limits {
        cvl: float.map_or(cvl, |value| Limit { value, why: STANDS_IN }),
        ccl: lower(ccl, context.share.0),
        dcl: lower(dcl, context.share.1),
        ..snapshot.limits
    };
    Cow::Owned(Snapshot { limits, ..snapshot.clone() })
}
