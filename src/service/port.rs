//! One port of `run`: its batteries, and the handling of its failures.

use super::battery_task::{BatteryTask, last_hit, save_hit};
use super::port_worker::{PortCommand, PortWorker};
use super::{RunError, port_options, scope};
use crate::base::runtime::{SystemClock, now};
use crate::base::state_file::StateFile;
use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::base::watchdog::Turns;
use crate::bms::Transport;
use crate::config::Settings;
use crate::link::{OpenError, open, port_name, transport};
use crate::probe::{Found, NotFound};
use crate::recording::flight_recorder::{FlightPort, FlightRecorder};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// The clock of a port's thread; reading it proves to the watchdog that the thread is alive.
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
    /// Service names of its batteries contain their addresses.
    pub(super) several: bool,
    /// The indices of its batteries among all batteries, ordered by their numbers on the port.
    pub(super) batteries: Vec<usize>,
    /// Its batteries belong to the bank.
    pub(super) of_member: bool,
    /// Channel for commands to its batteries.
    pub(super) commands: Sender<PortCommand>,
    /// No battery found on it yet.
    pub(super) empty: bool,
    /// Keeps its last minutes.
    pub(super) flight: FlightRecorder,
    remembered: StateFile,
    /// It has failed and is not back yet.
    lost: bool,
    /// A failed port is reopened; otherwise its failure ends the program.
    persistent: bool,
    /// It is the only port: an unsuccessful search ends the program.
    alone: bool,
}

impl PortInUse {
    /// The port, and the loop to read it.
    pub(super) fn new(name: &str, ports: usize, settings: &Settings, state_folder: &Path) -> (Self, PortWorker) {
        let alone = ports == 1;
        let flight = FlightRecorder::new(ports, transport(name) == Transport::Can, state_folder);
        let mut remembered = StateFile::new(state_folder, &format!("port-{}", port_name(name)));
        // Under serial-starter a vanished device node ends the process; a TCP server or a standalone port is reopened.
        let persistent = !alone || !settings.dbus.required || name.contains("://");
        let (commands, received) = channel();
        let (opened, options) = (name.to_owned(), port_options(settings));
        let recorder = flight.clone();
        let worker = PortWorker {
            open: Box::new(move || Ok(Box::new(FlightPort::new(open(&opened, &options)?, SystemClock, recorder.clone())))),
            scope: scope(name, settings, last_hit(&mut remembered)),
            interval: settings.poll_interval,
            active_fill: settings.active_fill,
            commands: Some(received),
            persistent,
            searches_again: !alone || waits_for_battery(name),
        };
        let several = !settings.addresses.is_empty();
        let (name, batteries) = (name.to_owned(), Vec::new());
        (
            Self {
                name,
                several,
                batteries,
                commands,
                of_member: settings.member_of_bank,
                flight,
                empty: false,
                remembered,
                lost: false,
                persistent,
                alone,
            },
            worker,
        )
    }

    /// An event of the port has arrived.
    pub(super) fn is_back(&mut self) {
        self.lost = false;
    }

    /// See [`waits_for_battery`].
    pub(super) fn is_wireless(&self) -> bool {
        waits_for_battery(&self.name)
    }

    /// It is known whether a battery is on the port, or why this cannot be known.
    pub(super) fn is_searched(&self) -> bool {
        !self.batteries.is_empty() || self.empty || self.lost
    }

    /// Nothing was found on it; ends the program if there is no other port.
    pub(super) fn is_empty(&mut self, nothing_found: &NotFound) -> Result<(), RunError> {
        if self.alone && !self.is_wireless() {
            return Err(RunError::NothingFound(nothing_found.to_string()));
        }
        if !std::mem::replace(&mut self.empty, true) {
            log::warn!("{nothing_found} Searching again periodically");
        }
        Ok(())
    }

    /// A port to wait for may not exist yet. Before the first battery, any other error needs the owner; later it may be temporary,
    /// such as missing permissions on a device node that has just come back.
    pub(super) fn may_open_later(&self, error: &OpenError) -> bool {
        let absent = matches!(
            error,
            OpenError::Missing { .. } | OpenError::Unreachable { .. } | OpenError::Bluetooth { .. } | OpenError::Can { .. }
        );
        self.persistent && (absent || !self.alone || !self.batteries.is_empty())
    }

    /// The port failed; ends the program, or waits until it is back.
    pub(super) fn failed(&mut self, error: &str, batteries: &mut [BatteryTask]) -> Result<(), RunError> {
        if !self.persistent {
            return Err(RunError::PortGone(format!("{}: {error}", self.name)));
        }
        if !std::mem::replace(&mut self.lost, true) {
            log::warn!("{error}; retrying until it is back");
        }
        for index in &self.batteries {
            if let Some(battery) = batteries.get_mut(*index) {
                battery.port_failed(now());
            }
        }
        Ok(())
    }

    /// Saves which BMS answered, to try it first the next time.
    pub(super) fn remember(&mut self, first: &Found) {
        save_hit(&mut self.remembered, first, now().at);
        self.empty = false;
        if self.several && first.candidate.address.is_none() {
            log::warn!(
                "{}: {} has no bus addresses, so the setting has no effect; remove `addresses`",
                self.name,
                first.candidate.driver.label
            );
        }
    }
}

/// The battery may come later, as another program connects it: on Bluetooth or over MQTT. Then the program waits for it instead of ending:
/// a service manager would start it again at once, and every new connection costs BlueZ and the bus memory.
fn waits_for_battery(port: &str) -> bool {
    matches!(transport(port), Transport::Bluetooth | Transport::Mqtt)
}
