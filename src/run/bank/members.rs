//! The members of a bank as they are heard on D-Bus: which batteries belong to it, how old their data is, what they were told.

use crate::bank::{Member, Pulse, Share};
use crate::charge;
use crate::config::Settings;
use crate::model::{Freshness, Reasons};
use crate::sink::dbus::{BATTERY_PREFIX, HEARTBEAT, Peer, PeerEvent};
use crate::units::Moment;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A battery of another driver that carries current and whose values have not moved for so long is not alive, whatever its
/// process answers; at rest they may stand for longer.
const UNMOVED: Duration = Duration::from_secs(60);
const UNMOVED_AT_REST: Duration = Duration::from_secs(900);
const AT_REST_A: f64 = 1.0;
/// Shares are told again when they changed by this part, and every so often.
const TOLD_AGAIN: f64 = 0.1;
const TOLD_EVERY: Duration = Duration::from_secs(60);

struct Known {
    peer: Peer,
    there: bool,
    pulse: Pulse,
    moved_at: Moment,
    said_no_limits: bool,
}

/// All batteries that were heard.
pub(super) struct Members {
    bank: String,
    named: Vec<String>,
    silence: charge::Silence,
    known: BTreeMap<String, Known>,
    told: BTreeMap<String, (f64, f64, Moment)>,
    instance: Option<i32>,
    /// When the members were last told that the bank lives.
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
            told: BTreeMap::new(),
            instance: None,
            heartbeat_at: None,
        }
    }

    /// Takes note of what was heard.
    pub(super) fn take(&mut self, event: PeerEvent, now: Moment) {
        match event {
            PeerEvent::Came(name, items) => {
                let mut peer = Peer::new(&name);
                peer.update(items);
                if !self.belongs(&peer) {
                    return;
                }
                log::info!("bank {}: {} is there", self.bank, peer.label());
                if peer.bank().is_none() && peer.controls() {
                    log::warn!(
                        "{name} also tells its limits to everybody: Venus OS will warn of several batteries. Switch them off there \
                         if you can, and choose the bank under Settings → DVCC → Controlling BMS"
                    );
                }
                self.told.remove(&name);
                let mut pulse = Pulse::default();
                pulse.beat(peer.readings(), now);
                let known = Known { peer, there: true, pulse, moved_at: now, said_no_limits: false };
                self.known.insert(name, known);
            }
            PeerEvent::Changed(name, items) => {
                let Some(known) = self.known.get_mut(&name) else { return };
                known.peer.update(items);
                known.moved_at = now;
                if known.peer.bank().is_none() {
                    known.peer.lives();
                }
                known.pulse.beat(known.peer.readings(), now);
            }
            PeerEvent::Lives(name) => {
                let Some(known) = self.known.get_mut(&name) else { return };
                let resting = known.peer.current().is_some_and(|current| current.abs() < AT_REST_A);
                let patience = if resting { UNMOVED_AT_REST } else { UNMOVED };
                if known.peer.is_well() && now.since(known.moved_at) < patience {
                    known.peer.lives();
                    known.pulse.beat(known.peer.readings(), now);
                }
            }
            PeerEvent::Left(name) => {
                let Some(known) = self.known.get_mut(&name) else { return };
                if std::mem::replace(&mut known.there, false) {
                    let how = if known.peer.is_leaving() { "was stopped" } else { "is gone" };
                    log::warn!(
                        "bank {}: {} {how}; the limits are those of the others. Check its cable and BMS",
                        self.bank,
                        known.peer.label()
                    );
                }
            }
        }
    }

    /// Whether a battery is one of ours: named by the owner, or, if nobody is named, by its own account.
    fn belongs(&self, peer: &Peer) -> bool {
        if self.named.is_empty() { peer.bank() == Some(&self.bank) } else { self.named.contains(&peer.service) }
    }

    /// All members as the bank takes them, also those that were named and never seen.
    pub(super) fn list(&mut self, now: Moment) -> Vec<Member> {
        let mut members = Vec::new();
        for (name, known) in &mut self.known {
            let member = known.member(&self.silence, now);
            if known.there && member.snapshot.is_none() && !std::mem::replace(&mut known.said_no_limits, true) {
                log::warn!(
                    "bank {}: {name} gives no charge limits; it cannot be a member: take it out of `bank.members`, or set `control = true` for it",
                    self.bank
                );
            }
            members.push(member);
        }
        let unseen = self.named.iter().filter(|name| !self.known.contains_key(*name));
        members.extend(unseen.map(|name| Member {
            label: name.trim_start_matches(BATTERY_PREFIX).to_owned(),
            name: name.clone(),
            snapshot: None,
            reasons: Reasons::default(),
            leaving: false,
        }));
        members
    }

    /// Nobody has been heard of yet.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// At least one member has fresh data.
    pub(super) fn any_fresh(&self, now: Moment) -> bool {
        self.known.values().any(|known| known.is_fresh(&self.silence, now))
    }

    /// No member of ours publishes limits of its own any more.
    pub(super) fn all_stepped_back(&self) -> bool {
        self.known.values().all(|known| !known.there || known.peer.bank().is_none() || !known.peer.controls())
    }

    /// The shares of which members are to be told: service, charge and discharge current in A.
    pub(super) fn news_of_shares(&mut self, shares: &[Share], now: Moment) -> Vec<(String, f64, f64)> {
        let mut news = Vec::new();
        for share in shares {
            let ours = self.known.get(&share.name).is_some_and(|known| known.there && known.peer.bank().is_some());
            let (charge, discharge) = (share.charge.get(), share.discharge.get());
            let moved = |old: f64, new: f64| (new - old).abs() > TOLD_AGAIN * old.max(1.0);
            let due = self.told.get(&share.name).is_none_or(|(told_charge, told_discharge, at)| {
                moved(*told_charge, charge) || moved(*told_discharge, discharge) || now.since(*at) >= TOLD_EVERY
            });
            if ours && due {
                self.told.insert(share.name.clone(), (charge, discharge, now));
                news.push((share.name.clone(), charge, discharge));
            }
        }
        news
    }

    /// The members of ours that are to be told now that the bank lives.
    pub(super) fn due_heartbeat(&mut self, now: Moment) -> Vec<String> {
        if self.heartbeat_at.is_some_and(|at| now.since(at) < HEARTBEAT) {
            return Vec::new();
        }
        self.heartbeat_at = Some(now);
        let ours = self.known.iter().filter(|(_, known)| known.there && known.peer.bank().is_some());
        ours.map(|(name, _)| name.clone()).collect()
    }

    /// Says once if a member comes before the bank in Venus OS' order.
    pub(super) fn check_instance(&mut self, ours: u16) {
        let lowest =
            self.known.values().filter(|known| known.there && known.peer.controls()).filter_map(|known| known.peer.instance());
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
        self.there && self.peer.is_well() && self.pulse.stage(silence, now) == Freshness::Fresh
    }

    fn member(&self, silence: &charge::Silence, now: Moment) -> Member {
        let mut member = self.peer.member(self.peer.stage());
        if !self.there {
            member.snapshot = None;
        }
        member.snapshot = member.snapshot.map(|snapshot| {
            let snapshot = Arc::unwrap_or_clone(snapshot);
            Arc::new(self.pulse.aged(snapshot, silence, now))
        });
        member
    }
}
