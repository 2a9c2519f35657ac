//! A member's view of its bank: is somebody there who sets the limits for all?
//!
//! With the bank's name on the bus a member publishes no limits of its own, so that Venus OS sees one BMS. When the name is
//! away for [`PATIENCE`], each member stands in with at most its share. A bank that comes announces itself under a second name
//! first: the members step back, and only then does it publish limits. So there is no moment with both.
//!
//! A process that hangs keeps its name. So the bank tells its members every few seconds that it lives ([`HEARTBEAT`]), from the
//! loop that reckons the limits; without that they stand in as well, and step back when it is heard again.

use super::bus::{BUS, BUS_PATH, DbusError, has_owner, next_message};
use super::item::Context;
use super::names::BATTERY_PREFIX;
use crate::model::{Limit, Limits, Snapshot};
use crate::runtime;
use crate::units::{Amps, Moment};
use std::borrow::Cow;
use std::time::Duration;
use zbus::message::{Message, Type};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream};

/// How long the bank may be away before its members stand in for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two heartbeats of the bank.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(3);
/// A member that notices so late that the time is up was not running itself, and has not read what was sent to it meanwhile.
const LATE: Duration = Duration::from_secs(2);
/// So many heartbeats in a row, and a bank that hung is believed to live: one may be the last.
const LIVES: u8 = 2;

/// Our own interface on `/` of a battery, and the method with which its bank tells that it lives.
pub(super) const INTERFACE: &str = "dbus_bms.Battery";
pub(super) const BANK_LIVES: &str = "BankLives";

/// Whether a call is a heartbeat of the bank.
pub(super) fn is_heartbeat(call: &Message) -> bool {
    let header = call.header();
    header.interface().is_some_and(|interface| interface.as_str() == INTERFACE)
        && header.member().is_some_and(|member| member.as_str() == BANK_LIVES)
}

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
    /// When it was last heard; while its service is there and not heard for [`PATIENCE`], it hangs.
    heard_at: Moment,
    /// Heartbeats since the battery stands in.
    heartbeats: u8,
    /// It announced itself and may still come.
    promised: bool,
    /// It announced itself and did not come: nobody steps back for it once more before it was there.
    broke_promise: bool,
}

impl Presence {
    /// Until the bank is known to be away the battery is its member.
    fn new(there: bool, now: Moment) -> Self {
        let gone_at = (!there).then(|| now.after(PATIENCE));
        Self { role: Role::Member, gone_at, heard_at: now, heartbeats: 0, promised: false, broke_promise: false }
    }

    /// The bank is there. True if that gives another role, as for the others.
    fn came(&mut self, now: Moment) -> bool {
        (self.gone_at, self.promised, self.broke_promise) = (None, false, false);
        self.heard_at = now;
        std::mem::replace(&mut self.role, Role::Member) != Role::Member
    }

    /// The bank says that it lives.
    fn heard(&mut self, now: Moment) -> bool {
        self.heard_at = now;
        self.heartbeats = self.heartbeats.saturating_add(1);
        // Without its name nobody sees its limits.
        let lives = self.gone_at.is_none() && self.heartbeats >= LIVES;
        lives && std::mem::replace(&mut self.role, Role::Member) != Role::Member
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

    /// When to ask whether the bank is gone, or hangs.
    fn due(&self) -> Option<Moment> {
        let due = self.gone_at.unwrap_or_else(|| self.heard_at.after(PATIENCE));
        (self.role == Role::Member).then_some(due)
    }

    /// The time is up. Whether the battery is to stand in, with the bank's name `there` or not; else another time begins.
    fn is_alone(&mut self, there: bool, now: Moment) -> bool {
        // The last word must not be one that was lost.
        let was_missed = there && self.gone_at.is_some();
        let was_away = self.due().is_some_and(|due| now.since(due) > LATE);
        if was_missed || was_away {
            (self.heard_at, self.gone_at) = (now, (!there).then(|| now.after(PATIENCE)));
        }
        !was_missed && !was_away
    }

    /// The bank did not come in time, or hangs; there are so many batteries.
    fn stand_in(&mut self, batteries: usize) {
        (self.role, self.heartbeats) = (Role::StandsIn(batteries), 0);
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
                    let woken_at = runtime::now().at;
                    let there = has_owner(&self.connection, &self.service).await.map_err(lost)?;
                    let alone = self.presence.is_alone(there, woken_at);
                    if alone {
                        self.presence.stand_in(batteries(&self.connection, &self.service).await);
                    }
                    alone
                }
            };
            if changed {
                return Ok(self.presence.role);
            }
        }
    }

    /// The bank says that it lives; its battery's new role if that gives one.
    pub(crate) fn heard(&mut self) -> Option<Role> {
        self.presence.heard(runtime::now().at).then_some(self.presence.role)
    }

    /// Takes note of a name that came or went; true if that gives another role.
    fn note(&mut self, name: &str, there: bool) -> bool {
        let now = runtime::now().at;
        match (name == self.service, there) {
            (true, true) => self.presence.came(now),
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
        assert_eq!(presence.due(), Some(at(10.0)), "if it is not heard");
        presence.heard(at(99.0));
        presence.left(at(100.0));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(110.0))));
        presence.stand_in(3);
        assert_eq!((presence.role, presence.due()), (Role::StandsIn(3), None));
        assert!(presence.came(at(200.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(210.0))));
    }

    #[test]
    fn a_bank_that_hangs_is_no_bank_until_it_is_heard_again() {
        let mut presence = Presence::new(true, at(0.0));
        for second in [3.0, 6.0, 9.0] {
            assert!(!presence.heard(at(second)), "as ever");
        }
        assert_eq!(presence.due(), Some(at(19.0)));
        assert!(presence.is_alone(true, at(19.0)), "its name alone is no sign of life");
        presence.stand_in(2);
        assert_eq!(presence.due(), None);
        assert!(!presence.heard(at(40.0)), "that may be the last");
        assert!(presence.heard(at(43.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(53.0))));
        // It is killed for that, and comes anew.
        presence.stand_in(2);
        presence.left(at(60.0));
        assert!(!presence.heard(at(61.0)) && !presence.heard(at(62.0)), "without a name nobody sees its limits");
        assert!(presence.announced(at(70.0)) && !presence.came(at(71.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(81.0))));
    }

    #[test]
    fn a_member_that_did_not_run_itself_waits_once_more() {
        let mut presence = Presence::new(true, at(0.0));
        assert!(!presence.is_alone(true, at(500.0)), "stopped, or starved");
        assert_eq!(presence.due(), Some(at(510.0)));
        assert!(presence.is_alone(true, at(510.5)));
        // A word that was lost: it is there after all.
        let mut presence = Presence::new(false, at(0.0));
        assert!(!presence.is_alone(true, at(10.0)));
        assert_eq!(presence.due(), Some(at(20.0)));
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
        assert!(presence.came(at(50.0)), "when it is there it is there");
        presence.left(at(60.0));
        presence.stand_in(2);
        assert!(presence.announced(at(90.0)), "and is believed again");
    }
}
