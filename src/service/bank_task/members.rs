//! The members of a bank on D-Bus: which batteries belong to it, the age of their data, and the shares sent to them.

use crate::bank::{Liveness, Member, MemberShare};
use crate::base::episode::Once;
use crate::base::units::{Amps, Moment};
use crate::battery::charge;
use crate::battery::guard::ChangeTimer;
use crate::config::Settings;
use crate::dbus::{BANK_HEARTBEAT_INTERVAL, BATTERY_PREFIX, RemoteBattery, RemoteEvent};
use crate::model::{ByDirection, Freshness};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A battery of another driver that carries current without any change of its values for this time is not alive, even if its
/// process answers; at rest they may be constant for longer.
const UNCHANGED_LIMIT: Duration = Duration::from_secs(60);
const UNCHANGED_LIMIT_AT_REST: Duration = Duration::from_secs(900);
const AT_REST_A: f64 = 1.0;
/// Shares are sent again when they changed by this fraction, and periodically.
const SHARE_CHANGE: f64 = 0.1;
const SHARE_INTERVAL: Duration = Duration::from_secs(60);

struct Known {
    battery: RemoteBattery,
    there: bool,
    liveness: Liveness,
    change_timer: ChangeTimer,
    logged_no_limits: Once,
}

/// All batteries seen on the bus.
pub(super) struct Members {
    bank: String,
    named: Vec<String>,
    silence: charge::Silence,
    known: BTreeMap<String, Known>,
    sent_shares: BTreeMap<String, (ByDirection<f64>, Moment)>,
    instance: Option<i32>,
    /// When the last sign of life was sent to the members.
    heartbeat_at: Option<Moment>,
}

impl Members {
    pub(super) fn new(settings: &Settings) -> Self {
        let named = settings.bank.members.iter().map(|name| match name.starts_with(BATTERY_PREFIX) {
            true => name.clone(),
            false => format!("{BATTERY_PREFIX}{name}"),
        });
        Self {
            bank: settings.bank.name.clone(),
            named: named.collect(),
            silence: settings.charge.silence,
            known: BTreeMap::new(),
            sent_shares: BTreeMap::new(),
            instance: None,
            heartbeat_at: None,
        }
    }

    /// Handles an event of a remote battery.
    pub(super) fn handle(&mut self, event: RemoteEvent, now: Moment) {
        match event {
            RemoteEvent::Appeared(name, items) => {
                let mut battery = RemoteBattery::new(&name);
                battery.update(items);
                if !self.belongs(&battery) {
                    return;
                }
                log::info!("bank {}: {} joined", self.bank, battery.label());
                if battery.bank().is_none() && battery.publishes_limits() {
                    log::warn!(
                        "{name} also publishes limits of its own: Venus OS will warn of several batteries. Switch them off there \
                         if you can, and choose the bank under Settings → DVCC → Controlling BMS"
                    );
                }
                self.sent_shares.remove(&name);
                let mut liveness = Liveness::default();
                liveness.observe(battery.readings(), now);
                let known = Known {
                    battery,
                    there: true,
                    liveness,
                    change_timer: ChangeTimer::new(now),
                    logged_no_limits: Once::default(),
                };
                self.known.insert(name, known);
            }
            RemoteEvent::Changed(name, items) => {
                let Some(known) = self.known.get_mut(&name) else { return };
                known.battery.update(items);
                known.change_timer.moved(now);
                if known.battery.bank().is_none() {
                    known.battery.mark_alive();
                }
                known.liveness.observe(known.battery.readings(), now);
            }
            RemoteEvent::Alive(name) => {
                let Some(known) = self.known.get_mut(&name) else { return };
                let resting = known.battery.current().is_some_and(|current| current.abs() < AT_REST_A);
                let limit = if resting { UNCHANGED_LIMIT_AT_REST } else { UNCHANGED_LIMIT };
                if known.battery.has_good_data() && !known.change_timer.is_frozen(limit, now) {
                    known.battery.mark_alive();
                    known.liveness.observe(known.battery.readings(), now);
                }
            }
            RemoteEvent::Vanished(name) => {
                let Some(known) = self.known.get_mut(&name) else { return };
                if std::mem::replace(&mut known.there, false) {
                    let how = if known.battery.is_leaving() { "was stopped" } else { "is gone" };
                    log::warn!(
                        "bank {}: {} {how}; the other batteries set the limits. Check its cable and BMS",
                        self.bank,
                        known.battery.label()
                    );
                }
            }
        }
    }

    /// Whether a battery is a member: named by the owner, or, without such names, marked as a member itself.
    fn belongs(&self, battery: &RemoteBattery) -> bool {
        if self.named.is_empty() { battery.bank() == Some(&self.bank) } else { self.named.contains(&battery.service) }
    }

    /// All members as input of the bank, including named ones that were never seen.
    pub(super) fn list(&mut self, now: Moment) -> Vec<Member> {
        let mut members = Vec::new();
        for (name, known) in &mut self.known {
            let member = known.member(&self.silence, now);
            if known.there && member.snapshot.is_none() && known.logged_no_limits.first() {
                log::warn!(
                    "bank {}: {name} publishes no charge limits, so it cannot be a member: remove it from `bank.members`, or set `control = true` for it",
                    self.bank
                );
            }
            members.push(member);
        }
        let unseen = self.named.iter().filter(|name| !self.known.contains_key(*name));
        members.extend(unseen.map(|name| Member {
            label: name.trim_start_matches(BATTERY_PREFIX).to_owned(),
            name: name.clone(),
            ..Member::default()
        }));
        members
    }

    /// No member has been seen yet.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// At least one member has fresh data.
    pub(super) fn any_fresh(&self, now: Moment) -> bool {
        self.known.values().any(|known| known.is_fresh(&self.silence, now))
    }

    /// The member `name` has fresh data.
    pub(super) fn is_fresh(&self, name: &str, now: Moment) -> bool {
        self.known.get(name).is_some_and(|known| known.is_fresh(&self.silence, now))
    }

    /// No member of this driver publishes its own limits any more.
    pub(super) fn all_stepped_back(&self) -> bool {
        self.known.values().all(|known| !known.there || known.battery.bank().is_none() || !known.battery.publishes_limits())
    }

    /// The shares to send to members: service, and currents in A.
    pub(super) fn changed_shares(&mut self, shares: &[MemberShare], now: Moment) -> Vec<(String, ByDirection<f64>)> {
        let mut news = Vec::new();
        for share in shares {
            let ours = self.known.get(&share.name).is_some_and(|known| known.there && known.battery.bank().is_some());
            let currents = share.currents.map(Amps::get);
            let due = self.sent_shares.get(&share.name).is_none_or(|(sent, at)| {
                let moved = sent.zip(currents).map(|(old, new)| (new - old).abs() > SHARE_CHANGE * old.max(1.0));
                moved.charge || moved.discharge || now.since(*at) >= SHARE_INTERVAL
            });
            if ours && due {
                self.sent_shares.insert(share.name.clone(), (currents, now));
                news.push((share.name.clone(), currents));
            }
        }
        news
    }

    /// The members of this driver that are due for a sign of life of the bank.
    pub(super) fn due_heartbeat(&mut self, now: Moment) -> Vec<String> {
        if self.heartbeat_at.is_some_and(|at| now.since(at) < BANK_HEARTBEAT_INTERVAL) {
            return Vec::new();
        }
        self.heartbeat_at = Some(now);
        let ours = self.known.iter().filter(|(_, known)| known.there && known.battery.bank().is_some());
        ours.map(|(name, _)| name.clone()).collect()
    }

    /// Logs once if a member precedes the bank in Venus OS' order.
    pub(super) fn check_instance(&mut self, ours: u16) {
        let lowest = self
            .known
            .values()
            .filter(|known| known.there && known.battery.publishes_limits())
            .filter_map(|known| known.battery.instance());
        let lowest = lowest.min().filter(|lowest| *lowest <= i32::from(ours));
        if lowest != self.instance {
            self.instance = lowest;
            if let Some(lowest) = lowest {
                log::warn!(
                    "bank {}: a member that publishes limits itself has DeviceInstance {lowest}, not above the bank's {ours}; \
                     choose the bank under Settings → DVCC → Controlling BMS",
                    self.bank
                );
            }
        }
    }
}

impl Known {
    fn is_fresh(&self, silence: &charge::Silence, now: Moment) -> bool {
        self.there && self.battery.has_good_data() && self.liveness.stage(silence, now) == Freshness::Fresh
    }

    fn member(&self, silence: &charge::Silence, now: Moment) -> Member {
        let mut member = self.battery.member(self.battery.reported_freshness());
        if !self.there {
            member.snapshot = None;
        }
        member.snapshot = member.snapshot.map(|snapshot| {
            let snapshot = Arc::unwrap_or_clone(snapshot);
            Arc::new(self.liveness.aged(snapshot, silence, now))
        });
        member
    }
}
