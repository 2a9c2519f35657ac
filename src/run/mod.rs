//! `run`: finds the batteries on a port and serves them until stopped.
//!
//! ```text
//! port thread (poller) ──events──▶ this loop ──▶ Battery (pure) ──watch──▶ D-Bus service (one task each)
//! ```
//! The loop waits for the next of four things: a word from the port, the moment at which a silent battery's limits move, a
//! signal, or a service that ended.

mod identity;
pub mod poller;
mod seat;
mod serving;

use crate::config::{Config, Places, port_name};
use crate::link::{OpenError, PortOptions, open};
use crate::model::{LinkStats, Snapshot};
use crate::probe::{Found, Scope};
use crate::runtime::{self, StopSignals, SystemClock, now};
use crate::sink::dbus::{BusAddress, DbusError, Settings as BusSettings};
use crate::state::StateFile;
use poller::{Poller, PortEvent};
use seat::Seat;
use serving::{Bus, SeatEvent};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// How long the services may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(1500);

/// Why `run` ended other than by a signal.
#[derive(Debug, Error)]
pub enum RunError {
    /// Nothing that is known answers on the port.
    #[error("{0}")]
    NothingFound(String),
    /// The port cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The port's device is gone.
    #[error("{0}")]
    PortGone(String),
    /// D-Bus is required and absent, lost, or has no place for us.
    #[error(transparent)]
    Bus(#[from] DbusError),
    /// The operating system refuses an event loop, a thread or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Everything that the loop holds.
struct Run<S> {
    shown: S,
    config: Config,
    port: String,
    bus: Bus,
    state_folder: PathBuf,
    remembered: StateFile,
    several: bool,
    seats: Vec<Seat>,
    seat_events: mpsc::Sender<(usize, SeatEvent)>,
    /// The port failed and is not back yet.
    port_lost: bool,
}

/// Serves the batteries on `port` until a signal comes.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: Config, port: &str) -> Result<(), RunError> {
    runtime::block_on(serve(config, port.to_owned(), |_, _| {}))?
}

/// As [`run`], inside an event loop; `shown` is told of every battery with a name for it and its snapshots.
///
/// # Errors
/// [`RunError`]
pub async fn serve(config: Config, port: String, shown: impl FnMut(&str, watch::Receiver<Arc<Snapshot>>)) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let settings = config.settings(Some(&port), None);
    let address = BusAddress::from_env(settings.dbus.bus.as_deref())?;
    let state_folder = settings.state_folder.clone().unwrap_or_else(|| Places::here().state);
    let mut remembered = StateFile::new(&state_folder, &format!("port-{}", port_name(&port)));
    let (tell, port_events) = mpsc::channel(16);
    let scope = scope(&settings, seat::last_hit(&mut remembered));
    let poller = poller(&port, &settings, scope);
    runtime::spawn("port", move || poller.run(&SystemClock, |event| tell.blocking_send(event).is_ok()))?;

    let mut bus = Bus { address, required: settings.dbus.required, settings: None };
    if bus.required {
        bus.settings = tokio::select! {
            connected = BusSettings::connect(&bus.address) => Some(connected?),
            signal = signals.recv() => {
                log::info!("stopping: {signal}");
                return Ok(());
            }
        };
    }
    let (seat_events, from_seats) = mpsc::channel(16);
    let several = !settings.addresses.is_empty();
    let seats = Vec::new();
    let mut run = Run { shown, config, port, bus, state_folder, remembered, several, seats, seat_events, port_lost: false };
    let ended = run.until_ended(&mut signals, port_events, from_seats).await;
    run.leave(if ended.is_ok() { "driver stopped" } else { "driver ended" }).await;
    ended
}

async fn sleep_until(wake: Option<crate::units::Moment>) {
    match wake {
        Some(moment) => runtime::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Where to look, by the settings and by what answered the last time.
pub(crate) fn scope(settings: &crate::config::Settings, remembered: Option<crate::probe::Candidate>) -> Scope {
    let all = crate::bms::DRIVERS.iter().copied();
    let drivers: Vec<_> = all.filter(|driver| settings.bms.is_empty() || settings.bms.contains(&driver.name)).collect();
    let remembered = remembered.filter(|hit| drivers.iter().any(|driver| driver.name == hit.driver.name));
    Scope {
        drivers,
        addresses: settings.addresses.clone(),
        line: settings.serial.baud.map(|baud| crate::bms::Line { baud }),
        remembered,
        listen_only: settings.listen_only,
    }
}

/// How the port is to be opened, by the settings.
pub(crate) fn port_options(settings: &crate::config::Settings) -> PortOptions {
    let default = PortOptions::default();
    let line = settings.serial.baud.map_or(default.line, |baud| crate::bms::Line { baud });
    PortOptions { line, rs485: settings.serial.rs485, low_latency: settings.serial.low_latency }
}

fn poller(port: &str, settings: &crate::config::Settings, scope: Scope) -> Poller {
    let (name, options) = (port.to_owned(), port_options(settings));
    Poller {
        open: Box::new(move || open(&name, &options)),
        scope,
        interval: settings.poll_interval,
        active_fill: settings.active_fill,
        hopeful: false,
        persistent: is_persistent(port, settings.dbus.required),
    }
}

/// Under serial-starter a device node that is gone ends the process; a TCP server or a standalone port comes back.
fn is_persistent(port: &str, bus_required: bool) -> bool {
    !bus_required || port.contains("://")
}

impl<S: FnMut(&str, watch::Receiver<Arc<Snapshot>>)> Run<S> {
    /// Passes on what happens until a signal comes or something ends the program.
    async fn until_ended(
        &mut self,
        signals: &mut StopSignals,
        mut from_port: mpsc::Receiver<PortEvent>,
        mut from_seats: mpsc::Receiver<(usize, SeatEvent)>,
    ) -> Result<(), RunError> {
        loop {
            let wake = self.seats.iter().map(Seat::due).min();
            tokio::select! {
                event = from_port.recv() => match event {
                    Some(event) => self.on_port(event)?,
                    None => return Err(RunError::PortGone(format!("nothing reads {} any more", self.port))),
                },
                Some((number, event)) = from_seats.recv() => self.on_seat(number, event)?,
                () = sleep_until(wake) => self.tick(),
                signal = signals.recv() => {
                    log::info!("stopping: {signal}");
                    return Ok(());
                }
            }
        }
    }

    /// Takes all batteries off the bus, with limits at 0 as their last word.
    async fn leave(&mut self, why: &'static str) {
        for seat in &mut self.seats {
            seat.stop(why, now());
        }
        // One time limit for all of them together: a bus that hangs must not keep us.
        let farewell = async {
            for seat in &mut self.seats {
                seat.left().await;
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_err() {
            log::warn!("D-Bus did not take the goodbye of {} in time", self.port);
        }
        // Only now: a disk that hangs must not keep the limits up.
        for seat in &mut self.seats {
            seat.keep(now(), true);
        }
    }

    fn on_port(&mut self, event: PortEvent) -> Result<(), RunError> {
        match event {
            PortEvent::Found(found) => self.seat_all(found),
            PortEvent::NotFound(heard) => return Err(RunError::NothingFound(heard.to_string())),
            PortEvent::Reading { number, reading, line } => {
                self.port_lost = false;
                if let Some(seat) = self.seats.get_mut(number) {
                    seat.read(*reading, line, now());
                    seat.serve(number, &self.bus, &self.seat_events, &mut self.shown);
                }
            }
            PortEvent::Missed { number, error, line } => {
                self.port_lost = false;
                if let Some(seat) = self.seats.get_mut(number) {
                    seat.missed(&error, line, now());
                }
            }
            PortEvent::Closed(error) if !self.may_open_later(&error) => return Err(error.into()),
            PortEvent::Closed(error) => self.on_port_trouble(&error.to_string())?,
            PortEvent::Broken(error) => self.on_port_trouble(&error.to_string())?,
        }
        Ok(())
    }

    /// A port that is to be waited for may not be there yet. Before the first battery anything else is for the owner to set
    /// right; later it may pass, as the rights on a device node that has just come back.
    fn may_open_later(&self, error: &OpenError) -> bool {
        let absent = matches!(error, OpenError::Missing { .. } | OpenError::Unreachable { .. });
        is_persistent(&self.port, self.bus.required) && (absent || !self.seats.is_empty())
    }

    /// The port failed: the end, or a pause until it is back.
    fn on_port_trouble(&mut self, error: &str) -> Result<(), RunError> {
        if !is_persistent(&self.port, self.bus.required) {
            return Err(RunError::PortGone(format!("{}: {error}", self.port)));
        }
        if !std::mem::replace(&mut self.port_lost, true) {
            log::warn!("{error}; trying again until it is back");
        }
        for seat in &mut self.seats {
            seat.port_trouble(now());
        }
        Ok(())
    }

    /// Gives every battery that was found its place.
    fn seat_all(&mut self, found: Vec<Found>) {
        self.port_lost = false;
        let several = self.several || found.len() > 1;
        if let Some(first) = found.first() {
            seat::remember_hit(&mut self.remembered, first, now().at);
            if self.several && first.candidate.address.is_none() {
                log::warn!("{}: {} has no addresses, so those that are set mean nothing", self.port, first.candidate.driver.label);
            }
        }
        for (number, found) in found.into_iter().enumerate() {
            let mut seat = Seat::new(&self.config, &self.port, several, &found, &self.state_folder);
            seat.read(found.reading, LinkStats::default(), now());
            seat.serve(number, &self.bus, &self.seat_events, &mut self.shown);
            self.seats.push(seat);
        }
    }

    fn on_seat(&mut self, number: usize, event: SeatEvent) -> Result<(), RunError> {
        if let SeatEvent::Ended(error) = event {
            return Err(error.into());
        }
        if let Some(seat) = self.seats.get_mut(number) {
            seat.on_event(event, now());
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = now();
        for seat in &mut self.seats {
            if seat.due() <= now.at {
                seat.tick(now);
            }
        }
    }
}
