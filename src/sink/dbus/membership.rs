//! A member's view of its bank: is somebody there who sets the limits for all?
//!
//! With the bank's name on the bus a member publishes no limits of its own, so that Venus OS sees one BMS. When the name is
//! away for [`PATIENCE`], each member stands in with at most its share. A bank that comes announces itself under a second name
//! first: the members step back, and only then does it publish limits. So there is no moment with both.

use super::bus::{BUS, BUS_PATH, DbusError, has_owner, next_message};
use super::item::Context;
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

/// What is known of the bank, and what follows for its member. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Presence {
    role: Role,
    /// When the bank counts as gone; `None` while its service is there.
    gone_at: Option<Moment>,
    /// It announced itself and may still come.
    promised: bool,
    /// It announced itself and did not come: nobody steps back for it once more before it was there.
    broke_promise: bool,
}

impl Presence {
    /// Until the bank is known to be away the battery is its member.
    fn new(there: bool, now: Moment) -> Self {
        let gone_at = (!there).then(|| now.after(PATIENCE));
        Self { role: Role::Member, gone_at, promised: false, broke_promise: false }
    }

    /// The bank is there. True if that gives another role, as for the others.
    fn came(&mut self) -> bool {
        (self.gone_at, self.promised, self.broke_promise) = (None, false, false);
        std::mem::replace(&mut self.role, Role::Member) != Role::Member
    }

    /// The bank is on its way, and has so long to arrive.
    fn announced(&mut self, now: Moment) -> bool {
        // One that is started and dies again and again must not keep its members waiting for ever.
        if self.role == Role::Member || self.broke_promise {
            return false;
        }
        (self.role, self.gone_at, self.promised) = (Role::Member, Some(now.after(PATIENCE)), true);
        true
    }

    /// Its name is free.
    fn left(&mut self, now: Moment) {
        self.gone_at = Some(now.after(PATIENCE));
    }

    /// When to ask whether the bank is gone.
    fn due(&self) -> Option<Moment> {
        self.gone_at.filter(|_| self.role == Role::Member)
    }

    /// The bank did not come in time; there are so many batteries.
    fn stand_in(&mut self, batteries: usize) {
        self.role = Role::StandsIn(batteries);
        self.broke_promise |= std::mem::take(&mut self.promised);
    }
}

/// Watches the names of a bank.
pub(crate) struct Membership {
    connection: Connection,
    names: MessageStream,
    service: String,
    announcement: String,
    presence: Presence,
}

impl Membership {
    /// Looks whether the bank called `name` is there.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn watch(connection: &Connection, name: &str) -> Result<Self, DbusError> {
        let (service, announcement) = (bank_service(name), announcement(name));
        // A rule can name one name only, and there are two: each message is looked at.
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(InterfaceName::from_static_str(BUS).map_err(lost)?)
            .member("NameOwnerChanged");
        let rule = rule.build().map_err(lost)?;
        let names = MessageStream::for_match_rule(rule, connection, WAITING_NAMES.try_into().ok()).await.map_err(lost)?;
        let presence = Presence::new(has_owner(connection, &service).await.map_err(lost)?, runtime::now().at);
        Ok(Self { connection: connection.clone(), names, service, announcement, presence })
    }

    /// Waits until the battery has another role. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn changed(&mut self) -> Result<Role, DbusError> {
        loop {
            let due = self.presence.due();
            let expired = async {
                match due {
                    Some(moment) => runtime::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            let changed = tokio::select! {
                message = next_message(&mut self.names) => {
                    let body = message?.body();
                    body.deserialize::<(&str, &str, &str)>().is_ok_and(|(name, _, owner)| self.note(name, !owner.is_empty()))
                }
                () = expired => {
                    // Asked once more: the last word must not be one that was lost.
                    if has_owner(&self.connection, &self.service).await.map_err(lost)? {
                        self.presence.came()
                    } else {
                        self.presence.stand_in(batteries(&self.connection, &self.service).await);
                        true
                    }
                }
            };
            if changed {
                return Ok(self.presence.role);
            }
        }
    }

    /// Takes note of a name that came or went; true if that gives another role.
    fn note(&mut self, name: &str, there: bool) -> bool {
        let now = runtime::now().at;
        match (name == self.service, there) {
            (true, true) => self.presence.came(),
            (true, false) => {
                self.presence.left(now);
                false
            }
            (false, true) if name == self.announcement => self.presence.announced(now),
            (false, _) => false,
        }
    }
}

/// Names that may come and go while nobody looks.
const WAITING_NAMES: usize = 256;

fn lost(error: zbus::Error) -> DbusError {
    DbusError::Lost(error.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn ten_seconds_without_the_bank_and_its_members_stand_in() {
        let mut presence = Presence::new(true, at(0.0));
        assert_eq!(presence.due(), None);
        presence.left(at(100.0));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(110.0))));
        presence.stand_in(3);
        assert_eq!((presence.role, presence.due()), (Role::StandsIn(3), None));
        assert!(presence.came());
        assert_eq!((presence.role, presence.due()), (Role::Member, None));
    }

    #[test]
    fn a_bank_that_is_announced_and_does_not_come_is_waited_for_once() {
        let mut presence = Presence::new(false, at(0.0));
        assert!(!presence.announced(at(5.0)), "its member has not stepped in yet");
        assert_eq!(presence.due(), Some(at(10.0)), "and that gives it no more time");
        presence.stand_in(2);
        assert!(presence.announced(at(20.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(30.0))));
        presence.stand_in(2);
        assert!(!presence.announced(at(40.0)), "it broke its promise");
        assert!(presence.came(), "when it is there it is there");
        presence.left(at(60.0));
        presence.stand_in(2);
        assert!(presence.announced(at(90.0)), "and is believed again");
    }
}
