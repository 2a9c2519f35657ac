//! A member's view of its bank: whether a bank sets the limits for all.
//!
//! While the bank's name is on the bus, a member publishes no limits, so that Venus OS sees one BMS. After the name has been absent
//! for [`ABSENCE_LIMIT`], each member publishes at most its share of the bank's limits. A starting bank first announces itself
//! under a second name: the members withdraw their limits, and only then the bank publishes its own. So both never publish at the
//! same time.
//!
//! A process that hangs keeps its name. Therefore the bank sends its members a heartbeat every few seconds
//! ([`BANK_HEARTBEAT_INTERVAL`]), from the loop that computes the limits. Without heartbeats members publish limits as well, and
//! withdraw them when the heartbeats return.

use crate::base::runtime;
use crate::base::units::{Amps, Moment};
use crate::dbus::connection::{BUS, BUS_PATH, BusAddress, DbusError, has_owner, next_message, request_name};
use crate::dbus::names::{BATTERY_INTERFACE, BATTERY_PREFIX, HEARTBEAT_METHOD};
use crate::model::{ByDirection, Limit, LimitingCells, Limits, Snapshot};
use std::borrow::Cow;
use std::time::Duration;
use zbus::message::{Message, Type};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream};

/// How long the bank may be absent before its members publish limits.
pub(crate) const ABSENCE_LIMIT: Duration = Duration::from_secs(10);

/// Time between two heartbeats of the bank.
pub(crate) const BANK_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// A member that notices the timeout later than this was suspended itself, and has not received the messages sent meanwhile.
const LATE_WAKE_LIMIT: Duration = Duration::from_secs(2);
/// A bank that hung counts as alive after this many consecutive heartbeats: a single one may be the last.
const HEARTBEATS_TO_RETURN: u8 = 2;

/// Whether a call is a heartbeat of the bank.
pub(in crate::dbus) fn is_heartbeat(call: &Message) -> bool {
    let header = call.header();
    header.interface().is_some_and(|interface| interface.as_str() == BATTERY_INTERFACE)
        && header.member().is_some_and(|member| member.as_str() == HEARTBEAT_METHOD)
}

const FALLBACK_REASON: &str = "the bank is away: this battery's share";

/// Service name of the bank called `name`.
pub fn bank_service(name: &str) -> String {
    format!("{BATTERY_PREFIX}{name}")
}

/// The name under which the bank announces itself. Not the name of a battery service, so Venus OS ignores it.
pub(crate) fn announcement(name: &str) -> String {
    format!("dbus_bms.bank.{name}")
}

/// The name by which of several processes that want to form a bank of their own batteries only one does.
fn claim_name(name: &str) -> String {
    format!("dbus_bms.bank.{name}.in_run")
}

/// The right to form a bank of this process's batteries; it lasts as long as this value.
pub(crate) struct BankClaim {
    _connection: Option<Connection>,
}

impl BankClaim {
    /// Claims the bank called `name`; `None` if another process has it, or is about to form it. Where the bus is absent or does not
    /// give the name, nobody else is known.
    pub(crate) async fn new(bus: &BusAddress, name: &str) -> Option<Self> {
        let Ok(connection) = bus.connect().await else { return Some(Self { _connection: None }) };
        for other in [bank_service(name), announcement(name)] {
            if has_owner(&connection, &other).await.unwrap_or(false) {
                return None;
            }
        }
        match request_name(&connection, &claim_name(name)).await {
            Ok(()) => Some(Self { _connection: Some(connection) }),
            Err(DbusError::NameTaken(_)) => None,
            Err(_) => Some(Self { _connection: None }),
        }
    }
}

/// Role of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Leaves the limits to the bank.
    Member,
    /// Publishes limits, as one of this many batteries.
    Fallback(usize),
}

/// State of the bank as seen by a member, and the member's role. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BankPresence {
    role: Role,
    /// When the bank counts as gone; `None` while its service is present.
    absent_at: Option<Moment>,
    /// Time of the last heartbeat; a bank whose service is present without a heartbeat for [`ABSENCE_LIMIT`] hangs.
    heartbeat_at: Moment,
    /// Heartbeats since the battery publishes limits.
    heartbeats: u8,
    /// The bank has announced itself and may still appear.
    is_announced: bool,
    /// The bank announced itself and did not appear: further announcements are ignored until it has appeared once.
    announcement_failed: bool,
}

impl BankPresence {
    /// The battery is a member until the bank is known to be absent.
    fn new(there: bool, now: Moment) -> Self {
        let absent_at = (!there).then(|| now.after(ABSENCE_LIMIT));
        Self { role: Role::Member, absent_at, heartbeat_at: now, heartbeats: 0, is_announced: false, announcement_failed: false }
    }

    /// The bank has appeared. True if the role changes, as in the other methods.
    fn appeared(&mut self, now: Moment) -> bool {
        (self.absent_at, self.is_announced, self.announcement_failed) = (None, false, false);
        self.heartbeat_at = now;
        std::mem::replace(&mut self.role, Role::Member) != Role::Member
    }

    /// A heartbeat of the bank arrived.
    fn heartbeat(&mut self, now: Moment) -> bool {
        self.heartbeat_at = now;
        self.heartbeats = self.heartbeats.saturating_add(1);
        // Without its name the bank's limits are not visible.
        let lives = self.absent_at.is_none() && self.heartbeats >= HEARTBEATS_TO_RETURN;
        lives && std::mem::replace(&mut self.role, Role::Member) != Role::Member
    }

    /// The bank has announced itself and has this time to appear.
    fn announced(&mut self, now: Moment) -> bool {
        // A bank that repeatedly starts and crashes must not suppress the members' limits forever.
        if self.role == Role::Member || self.announcement_failed {
            return false;
        }
        (self.role, self.absent_at, self.is_announced) = (Role::Member, Some(now.after(ABSENCE_LIMIT)), true);
        true
    }

    /// The bank's name was released.
    fn vanished(&mut self, now: Moment) {
        self.absent_at = Some(now.after(ABSENCE_LIMIT));
    }

    /// When to check whether the bank is gone or hangs.
    fn due(&self) -> Option<Moment> {
        let due = self.absent_at.unwrap_or_else(|| self.heartbeat_at.after(ABSENCE_LIMIT));
        (self.role == Role::Member).then_some(due)
    }

    /// Timeout: whether the battery has to publish limits, with the bank's name `there` or not; otherwise a new timeout starts.
    fn must_fall_back(&mut self, there: bool, now: Moment) -> bool {
        // The bank's last values must not be lost.
        let was_missed = there && self.absent_at.is_some();
        let was_away = self.due().is_some_and(|due| now.since(due) > LATE_WAKE_LIMIT);
        if was_missed || was_away {
            (self.heartbeat_at, self.absent_at) = (now, (!there).then(|| now.after(ABSENCE_LIMIT)));
        }
        !was_missed && !was_away
    }

    /// The bank did not appear in time, or hangs; the limits are divided by this number of batteries.
    fn fall_back(&mut self, batteries: usize) {
        (self.role, self.heartbeats) = (Role::Fallback(batteries), 0);
        self.announcement_failed |= std::mem::take(&mut self.is_announced);
    }
}

/// Watches the names of a bank.
pub(crate) struct BankWatch {
    connection: Connection,
    names: MessageStream,
    service: String,
    announcement: String,
    presence: BankPresence,
}

impl BankWatch {
    /// Starts watching the bank called `name`.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn watch(connection: &Connection, name: &str) -> Result<Self, DbusError> {
        let (service, announcement) = (bank_service(name), announcement(name));
        // A match rule can contain a single name, but two are needed: messages are filtered here.
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(BUS)
            .interface(InterfaceName::from_static_str(BUS).map_err(lost)?)
            .member("NameOwnerChanged");
        let rule = rule.build().map_err(lost)?;
        let names = MessageStream::for_match_rule(rule, connection, NAME_SIGNAL_QUEUE.try_into().ok()).await.map_err(lost)?;
        let presence = BankPresence::new(has_owner(connection, &service).await.map_err(lost)?, runtime::now().at);
        Ok(Self { connection: connection.clone(), names, service, announcement, presence })
    }

    /// Waits until the role changes. Dropping the future loses nothing.
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
                    body.deserialize::<(&str, &str, &str)>().is_ok_and(|(name, _, owner)| self.on_name_change(name, !owner.is_empty()))
                }
                () = expired => {
                    let woken_at = runtime::now().at;
                    let there = has_owner(&self.connection, &self.service).await.map_err(lost)?;
                    let alone = self.presence.must_fall_back(there, woken_at);
                    if alone {
                        self.presence.fall_back(batteries(&self.connection, &self.service).await);
                    }
                    alone
                }
            };
            if changed {
                return Ok(self.presence.role);
            }
        }
    }

    /// A heartbeat of the bank arrived; the new role if it changes.
    pub(crate) fn heartbeat(&mut self) -> Option<Role> {
        self.presence.heartbeat(runtime::now().at).then_some(self.presence.role)
    }

    /// Handles a name that appeared or was released; true if the role changes.
    fn on_name_change(&mut self, name: &str, there: bool) -> bool {
        let now = runtime::now().at;
        match (name == self.service, there) {
            (true, true) => self.presence.appeared(now),
            (true, false) => {
                self.presence.vanished(now);
                false
            }
            (false, true) if name == self.announcement => self.presence.announced(now),
            (false, _) => false,
        }
    }
}

/// Queue of name changes.
const NAME_SIGNAL_QUEUE: usize = 256;

fn lost(error: zbus::Error) -> DbusError {
    DbusError::Lost(error.to_string())
}

/// Number of batteries beside the bank, at least two: a single battery would not be a member.
async fn batteries(connection: &Connection, bank: &str) -> usize {
    let reply = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "ListNames", &()).await;
    let names: Vec<String> = reply.and_then(|reply| reply.body().deserialize()).unwrap_or_default();
    names.iter().filter(|name| name.starts_with(BATTERY_PREFIX) && *name != bank).count().max(2)
}

/// What a member publishes: its own limits, or, in place of the bank, at most its share of the bank's, and no voltage above the
/// float voltage, because the cells of the whole bank are not monitored. `share` is the last share sent by the bank, A.
pub(crate) fn published(share: ByDirection<Option<f64>>, role: Role, snapshot: &Snapshot) -> Cow<'_, Snapshot> {
    let Role::Fallback(count) = role else { return Cow::Borrowed(snapshot) };
    let Limits { cvl, ccl, dcl, .. } = snapshot.limits;
    let lower = |limit: Limit<Amps>, published: Option<f64>| {
        let part = published.unwrap_or(limit.value.get() / count.max(1) as f64);
        if part < limit.value.get() { Limit { value: Amps::new(part), why: FALLBACK_REASON } } else { limit }
    };
    let float = snapshot.member_info.float.filter(|float| *float < cvl.value);
    let limits = Limits {
        cvl: float.map_or(cvl, |value| Limit { value, why: FALLBACK_REASON }),
        ccl: lower(ccl, share.charge),
        dcl: lower(dcl, share.discharge),
        ..snapshot.limits
    };
    Cow::Owned(Snapshot { limits, limiting_cells: LimitingCells::default(), ..snapshot.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn ten_seconds_without_the_bank_and_its_members_stand_in() {
        let mut presence = BankPresence::new(true, at(0.0));
        assert_eq!(presence.due(), Some(at(10.0)), "if it is not heard");
        presence.heartbeat(at(99.0));
        presence.vanished(at(100.0));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(110.0))));
        presence.fall_back(3);
        assert_eq!((presence.role, presence.due()), (Role::Fallback(3), None));
        assert!(presence.appeared(at(200.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(210.0))));
    }

    #[test]
    fn a_bank_that_hangs_is_no_bank_until_it_is_heard_again() {
        let mut presence = BankPresence::new(true, at(0.0));
        for second in [3.0, 6.0, 9.0] {
            assert!(!presence.heartbeat(at(second)), "as ever");
        }
        assert_eq!(presence.due(), Some(at(19.0)));
        assert!(presence.must_fall_back(true, at(19.0)), "its name alone is no sign of life");
        presence.fall_back(2);
        assert_eq!(presence.due(), None);
        assert!(!presence.heartbeat(at(40.0)), "that may be the last");
        assert!(presence.heartbeat(at(43.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(53.0))));
        // The bank is killed because of that, and starts again.
        presence.fall_back(2);
        presence.vanished(at(60.0));
        assert!(!presence.heartbeat(at(61.0)) && !presence.heartbeat(at(62.0)), "without a name nobody sees its limits");
        assert!(presence.announced(at(70.0)) && !presence.appeared(at(71.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(81.0))));
    }

    #[test]
    fn a_member_that_did_not_run_itself_waits_once_more() {
        let mut presence = BankPresence::new(true, at(0.0));
        assert!(!presence.must_fall_back(true, at(500.0)), "stopped, or starved");
        assert_eq!(presence.due(), Some(at(510.0)));
        assert!(presence.must_fall_back(true, at(510.5)));
        // A lost message: the bank is present after all.
        let mut presence = BankPresence::new(false, at(0.0));
        assert!(!presence.must_fall_back(true, at(10.0)));
        assert_eq!(presence.due(), Some(at(20.0)));
    }

    #[test]
    fn a_bank_that_is_announced_and_does_not_come_is_waited_for_once() {
        let mut presence = BankPresence::new(false, at(0.0));
        assert!(!presence.announced(at(5.0)), "its member has not stepped in yet");
        assert_eq!(presence.due(), Some(at(10.0)), "and that gives it no more time");
        presence.fall_back(2);
        assert!(presence.announced(at(20.0)));
        assert_eq!((presence.role, presence.due()), (Role::Member, Some(at(30.0))));
        presence.fall_back(2);
        assert!(!presence.announced(at(40.0)), "it broke its promise");
        assert!(presence.appeared(at(50.0)), "when it is there it is there");
        presence.vanished(at(60.0));
        presence.fall_back(2);
        assert!(presence.announced(at(90.0)), "and is believed again");
    }
}
