//! One port of `run`: its batteries, and what becomes of it when it fails.

use super::poller::{Poller, PortOrder};
use super::seat::{Seat, last_hit, remember_hit};
use super::{RunError, port_options, scope};
use crate::config::Settings;
use crate::link::port_name;
use crate::link::{Clock, OpenError, open};
use crate::probe::{Found, NotFound};
use crate::runtime::{SystemClock, now};
use crate::state::StateFile;
use crate::units::Moment;
use crate::watchdog::Turns;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// The clock of a port's thread: whoever asks for the time is alive.
#[derive(Debug, Clone)]
pub(super) struct PortClock(pub(super) Turns);

impl Clock for PortClock {
    fn now(&self) -> Moment {
        self.0.count();
        SystemClock.now()
    }
    fn sleep(&self, time: Duration) {
        SystemClock.sleep(time);
    }
}

/// A port in use.
pub(super) struct PortInUse {
    pub(super) name: String,
    /// Its batteries are named with their addresses.
    pub(super) several: bool,
    /// Where its batteries are among all, in the order of their numbers.
    pub(super) seats: Vec<usize>,
    /// What is found on it belongs to the bank.
    pub(super) of_member: bool,
    /// Where commands to its batteries go.
    pub(super) orders: Sender<PortOrder>,
    /// No battery was found on it so far.
    pub(super) empty: bool,
    remembered: StateFile,
    /// It failed and is not back yet.
    lost: bool,
    /// What fails may come back; otherwise it ends the program.
    persistent: bool,
    /// It is the only one: a search in vain ends the program.
    alone: bool,
}

impl PortInUse {
    /// The port, and the loop that is to read it.
    pub(super) fn new(name: &str, alone: bool, settings: &Settings, state_folder: &Path) -> (Self, Poller) {
        let mut remembered = StateFile::new(state_folder, &format!("port-{}", port_name(name)));
        // Under serial-starter a device node that is gone ends the process; a TCP server or a standalone port comes back.
        let persistent = !alone || !settings.dbus.required || name.contains("://");
        let (orders, received) = channel();
        let (opened, options) = (name.to_owned(), port_options(settings));
        let poller = Poller {
            open: Box::new(move || open(&opened, &options)),
            scope: scope(settings, last_hit(&mut remembered)),
            interval: settings.poll_interval,
            active_fill: settings.active_fill,
            orders: Some(received),
            persistent,
            hopeful: !alone,
        };
        let several = !settings.addresses.is_empty();
        let (name, seats) = (name.to_owned(), Vec::new());
        (
            Self {
                name,
                several,
                seats,
                orders,
                of_member: settings.member_of_bank,
                empty: false,
                remembered,
                lost: false,
                persistent,
                alone,
            },
            poller,
        )
    }

    /// Something was heard of it.
    pub(super) fn is_back(&mut self) {
        self.lost = false;
    }

    /// It is known whether a battery is on it, or why that cannot be known.
    pub(super) fn is_searched(&self) -> bool {
        !self.seats.is_empty() || self.empty || self.lost
    }

    /// Nothing was found on it: the end if there is no other port.
    pub(super) fn is_empty(&mut self, heard: &NotFound) -> Result<(), RunError> {
        if self.alone {
            return Err(RunError::NothingFound(heard.to_string()));
        }
        if !std::mem::replace(&mut self.empty, true) {
            log::warn!("{heard}; searching again from time to time");
        }
        Ok(())
    }

    /// A port that is to be waited for may not be there yet. Before the first battery anything else is for the owner to set
    /// right; later it may pass, as the rights on a device node that has just come back.
    pub(super) fn may_open_later(&self, error: &OpenError) -> bool {
        let absent = matches!(error, OpenError::Missing { .. } | OpenError::Unreachable { .. });
        self.persistent && (absent || !self.alone || !self.seats.is_empty())
    }

    /// It failed: the end, or a pause until it is back.
    pub(super) fn in_trouble(&mut self, error: &str, seats: &mut [Seat]) -> Result<(), RunError> {
        if !self.persistent {
            return Err(RunError::PortGone(format!("{}: {error}", self.name)));
        }
        if !std::mem::replace(&mut self.lost, true) {
            log::warn!("{error}; trying again until it is back");
        }
        for place in &self.seats {
            if let Some(seat) = seats.get_mut(*place) {
                seat.port_trouble(now());
            }
        }
        Ok(())
    }

    /// Remembers what answered, so that it is tried first the next time.
    pub(super) fn remember(&mut self, first: &Found) {
        remember_hit(&mut self.remembered, first, now().at);
        self.empty = false;
        if self.several && first.candidate.address.is_none() {
            log::warn!(
                "{}: {} has no addresses, so those that are set mean nothing; take `addresses` out",
                self.name,
                first.candidate.driver.label
            );
        }
    }
}
