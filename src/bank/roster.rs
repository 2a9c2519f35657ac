//! Who belongs to the bank, who is there, and what those said last who are not.

use super::Member;
use super::shares::{Flow, Total};
use crate::model::{Freshness, Part, Reasons, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A member and its last word. Kept for as long as the bank runs: a pack that nobody sees is still on the busbar.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) label: String,
    /// What it says now; `None` when it is away.
    pub(super) now: Option<Arc<Snapshot>>,
    /// How fresh that is; lost when it is away.
    pub(super) freshness: Freshness,
    /// What it said when it was fresh.
    pub(super) last: Arc<Snapshot>,
    pub(super) reasons: Reasons,
    pub(super) flow: Flow,
    /// From 1 to 0 while a member that said goodbye is let go.
    pub(super) leaving: f64,
    /// Since when it is not fresh.
    away_for: Duration,
    /// Readings at the last rise of a limit.
    marked: Option<u16>,
}

impl Seat {
    pub(super) fn is_online(&self) -> bool {
        self.freshness == Freshness::Fresh
    }

    pub(super) fn part(&self) -> Part {
        self.last.part
    }

    /// Installed capacity, Ah.
    pub(super) fn capacity(&self) -> Option<f64> {
        self.last.reading.capacity.map(|capacity| capacity.get()).filter(|capacity| *capacity > 0.0)
    }
}

/// All members that were ever there, by name: sums do not depend on the order in which they are given.
#[derive(Debug, Default)]
pub(super) struct Roster {
    seats: BTreeMap<String, Seat>,
    /// Members that were named but never seen.
    unseen: usize,
    pub(super) total: Total,
}

impl Roster {
    /// Takes over what the members say.
    pub(super) fn update(&mut self, members: &[Member], leave: Duration, elapsed: Duration) {
        for (name, seat) in &mut self.seats {
            let member = members.iter().find(|member| member.name == *name);
            let said_goodbye = member.is_some_and(|member| member.leaving);
            // After a goodbye what it says is of no use any more.
            seat.now = member.filter(|_| !said_goodbye).and_then(|member| member.snapshot.clone());
            let was_online = seat.is_online();
            seat.freshness = seat.now.as_ref().map_or(Freshness::Lost, |snapshot| snapshot.freshness);
            if seat.is_online() {
                (seat.away_for, seat.leaving) = (Duration::ZERO, 0.0);
                if let Some(member) = member {
                    seat.last = seat.now.clone().unwrap_or_else(|| seat.last.clone());
                    seat.label.clone_from(&member.label);
                    seat.reasons.clone_from(&member.reasons);
                }
                continue;
            }
            seat.marked = None;
            if was_online && said_goodbye {
                seat.leaving = 1.0;
            } else {
                seat.away_for += elapsed;
                // Only a member that went with notice is let go slowly; a silent or broken one counts no more at once.
                let step = elapsed.as_secs_f64() / leave.as_secs_f64().max(0.001);
                seat.leaving = (seat.leaving - step).max(0.0);
            }
        }
        self.add_new(members);
        self.measure(elapsed);
    }

    fn add_new(&mut self, members: &[Member]) {
        self.unseen = 0;
        for member in members {
            if self.seats.contains_key(&member.name) {
                continue;
            }
            let fresh = member.snapshot.as_ref().filter(|snapshot| snapshot.freshness == Freshness::Fresh && !member.leaving);
            // Of a member that was never fresh nothing is known.
            let Some(snapshot) = fresh else {
                self.unseen += 1;
                continue;
            };
            let seat = Seat {
                label: member.label.clone(),
                now: Some(snapshot.clone()),
                freshness: Freshness::Fresh,
                last: snapshot.clone(),
                reasons: member.reasons.clone(),
                flow: Flow::default(),
                leaving: 0.0,
                away_for: Duration::ZERO,
                marked: None,
            };
            self.seats.insert(member.name.clone(), seat);
        }
    }

    /// Follows the currents and learns how they divide. While somebody is missing nothing is learned.
    fn measure(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        for seat in self.seats.values_mut().filter(|seat| seat.is_online()) {
            if let Some(current) = seat.last.reading.current {
                seat.flow.measure(current.get(), seconds);
            }
        }
        if self.seats.values().any(|seat| !seat.is_online()) {
            return;
        }
        let total: f64 = self.seats.values().map(|seat| seat.flow.current).sum();
        let before = self.total;
        self.total.learn(total, seconds);
        for seat in self.seats.values_mut() {
            seat.flow.learn(total, &before, seconds);
        }
    }

    /// All that are known, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &Seat)> {
        self.seats.iter()
    }

    /// Those with fresh data.
    pub(super) fn online(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(|seat| seat.is_online())
    }

    /// Those that are there but have no fresh data.
    pub(super) fn silent(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(|seat| !seat.is_online() && seat.now.is_some())
    }

    /// How many are known or named and not online.
    pub(super) fn offline(&self) -> usize {
        self.unseen + self.seats.values().filter(|seat| !seat.is_online()).count()
    }

    /// A member that was named has never been seen.
    pub(super) fn has_unseen(&self) -> bool {
        self.unseen > 0
    }

    /// A member is away or silent for at least so long.
    pub(super) fn has_long_lost(&self, time: Duration) -> bool {
        self.seats.values().any(|seat| !seat.is_online() && seat.away_for >= time)
    }

    /// Every member that is there had a reading since the last rise.
    pub(super) fn all_have_read(&self) -> bool {
        self.online().all(|seat| seat.marked != Some(seat.part().readings))
    }

    /// Remembers the readings: limits have risen, or must wait for the next.
    pub(super) fn mark_readings(&mut self) {
        for seat in self.seats.values_mut().filter(|seat| seat.is_online()) {
            seat.marked = Some(seat.last.part.readings);
        }
    }

    /// Installed capacity of each, Ah; the mean where it is unknown.
    pub(super) fn capacity_of(&self, seat: &Seat) -> f64 {
        let known: Vec<f64> = self.seats.values().filter_map(Seat::capacity).collect();
        let mean = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
        seat.capacity().unwrap_or(mean)
    }
}
