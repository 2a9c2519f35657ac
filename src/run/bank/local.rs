//! A bank of the batteries of this process: `run` with several ports, no D-Bus needed.

use super::super::port::PortInUse;
use super::super::seat::Seat;
use super::super::serving::{Bus, SeatEvent};
use super::seat::BankSeat;
use crate::bank::Member;
use crate::battery::Now;
use crate::config::Settings;
use crate::house::House;
use crate::model::{Freshness, Reasons, Snapshot};
use crate::units::Moment;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The number under which the bank's service reports: no battery of `run` has it.
pub(in crate::run) const BANK: usize = usize::MAX;
/// A port that has not said by then whether a battery is on it is not waited for.
const SEARCHED: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// The bank, in the loop that has its batteries.
pub(in crate::run) struct LocalBank {
    pub(in crate::run) seat: BankSeat,
    started: Moment,
    said_empty: bool,
}

impl LocalBank {
    /// The bank that the settings ask for, if they do.
    pub(in crate::run) fn new(settings: Settings, state_folder: &Path, house: House, now: Moment) -> Option<Self> {
        let wanted = settings.bank.in_run;
        wanted.then(|| Self {
            seat: BankSeat::new(settings, "batteries of this driver", state_folder, house),
            started: now,
            said_empty: false,
        })
    }

    /// When [`step`](Self::step) is to be called whatever happens.
    pub(in crate::run) fn due(&self, now: Moment) -> Moment {
        self.seat.due().unwrap_or_else(|| now.after(SECOND))
    }

    /// Reckons the bank anew, and shows it from the moment on at which all ports have been searched.
    pub(in crate::run) fn step(
        &mut self,
        ports: &[PortInUse],
        seats: &[Seat],
        now: Now,
        (bus, tell): (&Bus, &mpsc::Sender<(usize, SeatEvent)>),
        shown: &mut impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
    ) {
        let mut members: Vec<Member> = seats.iter().filter_map(Seat::as_member).collect();
        // A battery that was never found may still be on the busbar.
        members.extend(ports.iter().filter(|port| port.of_member && port.seats.is_empty()).map(|port| missing(&port.name)));
        let fresh = |member: &Member| member.snapshot.as_ref().is_some_and(|snapshot| snapshot.freshness == Freshness::Fresh);
        if self.seat.due().is_none() {
            let searched = ports.iter().all(PortInUse::is_searched);
            if members.is_empty() && searched && !std::mem::replace(&mut self.said_empty, true) {
                log::warn!("bank {}: no battery belongs to it; set `member_of_bank = true`", self.seat.name());
            }
            if !members.iter().any(fresh) || !searched && now.at.since(self.started) < SEARCHED {
                return;
            }
        }
        self.seat.step(&members, now);
        if let Some(snapshots) = self.seat.serve(BANK, bus, tell) {
            shown(self.seat.name(), snapshots);
        }
    }
}

fn missing(name: &str) -> Member {
    Member { name: name.to_owned(), label: name.to_owned(), snapshot: None, reasons: Reasons::default(), leaving: false }
}
