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

use crate::config::{Config, Places, port_name};
use crate::link::{OpenError, PortOptions, open};
use crate::model::{LinkStats, Snapshot};
use crate::probe::{Found, Scope};
use crate::runtime::{self, StopSignals, SystemClock, now};
use crate::sink::dbus::{BusAddress, DbusError, Settings as BusSettings};
use crate::state::StateFile;
use poller::{Poller, PortEvent};
use seat::{Bus, Seat, SeatEvent};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

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
    let (tell, mut port_events) = mpsc::channel(16);
    let scope = scope(&settings, seat::last_hit(&mut remembered));
    let poller = poller(&port, &settings, scope);
    runtime::spawn("port", move || poller.run(&SystemClock, |event| tell.blocking_send(event).is_ok()))?;

    let (seat_events, mut from_seats) = mpsc::channel(16);
    let several = !settings.addresses.is_empty();
    let mut bus = Bus { address, required: settings.dbus.required, settings: None };
    if bus.required {
        bus.settings = Some(BusSettings::connect(&bus.address).await?);
    }
    let mut run = Run { shown, config, port, bus, state_folder, remembered, several, seats: Vec::new(), seat_events };
    let ended = loop {
        let wake = run.seats.iter().filter_map(Seat::next_tick).min();
        tokio::select! {
            event = port_events.recv() => match event {
                Some(event) => if let Err(error) = run.on_port(event) { break Err(error) },
                None => break Err(RunError::PortGone(format!("nothing reads {} any more", run.port))),
            },
            Some((number, event)) = from_seats.recv() => if let Err(error) = run.on_seat(number, event) { break Err(error) },
            () = sleep_until(wake) => run.tick(),
            signal = signals.recv() => {
                log::info!("stopping: {signal}");
                break Ok(());
            }
        }
    };
    let why = if ended.is_ok() { "driver stopped" } else { "driver ended" };
    for seat in &mut run.seats {
        seat.stop(why, now());
    }
    for seat in run.seats {
        seat.leave().await;
    }
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
    Scope { drivers, addresses: settings.addresses.clone(), remembered }
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
        // Under serial-starter a device node that is gone ends the process; a TCP server or a standalone port comes back.
        persistent: !settings.dbus.required || port.contains("://"),
    }
}

impl<S: FnMut(&str, watch::Receiver<Arc<Snapshot>>)> Run<S> {
    fn on_port(&mut self, event: PortEvent) -> Result<(), RunError> {
        match event {
            PortEvent::Found(found) => self.seat_all(found),
            PortEvent::NotFound(heard) => return Err(RunError::NothingFound(heard.to_string())),
            PortEvent::Reading { number, reading, line } => {
                if let Some(seat) = self.seats.get_mut(number) {
                    seat.read(*reading, line, now());
                    seat.serve(number, &self.bus, &self.seat_events, &mut self.shown);
                }
            }
            PortEvent::Missed { number, error, line } => {
                if let Some(seat) = self.seats.get_mut(number) {
                    seat.missed(&error, line, now());
                }
            }
            PortEvent::Closed(error) if self.seats.is_empty() && !self.persistent() => return Err(error.into()),
            PortEvent::Closed(error) => self.on_port_trouble(&error.to_string())?,
            PortEvent::Broken(error) => self.on_port_trouble(&error.to_string())?,
        }
        Ok(())
    }

    fn persistent(&self) -> bool {
        !self.bus.required || self.port.contains("://")
    }

    /// The port failed: the end, or a pause until it is back.
    fn on_port_trouble(&mut self, error: &str) -> Result<(), RunError> {
        if !self.persistent() {
            return Err(RunError::PortGone(format!("{}: {error}", self.port)));
        }
        for seat in &mut self.seats {
            seat.port_trouble(error);
        }
        if self.seats.is_empty() {
            log::debug!("{}: {error}", self.port);
        }
        Ok(())
    }

    /// Gives every battery that was found its place.
    fn seat_all(&mut self, found: Vec<Found>) {
        let several = self.several || found.len() > 1;
        if let Some(first) = found.first() {
            seat::remember_hit(&mut self.remembered, first, now().at);
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
            if seat.next_tick().is_some_and(|at| at <= now.at) {
                seat.tick(now);
            }
        }
    }
}
