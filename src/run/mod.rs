//! `run`: finds the batteries on one or several ports and serves them until stopped.
//!
//! ```text
//! thread per port (poller) ──events──▶ this loop ──▶ Battery (pure) ──watch──▶ D-Bus service (one task each)
//! ```
//! The loop waits for the next of four things: a word from the port, the moment at which a silent battery's limits move, a
//! signal, or a service that ended.

pub mod bank;
mod commander;
pub mod direct;
pub mod hub;
mod identity;
mod inverter;
mod live;
pub mod poller;
mod port;
mod powers;
mod seat;
mod serving;
pub(crate) mod sinks;

use crate::battery::Now;
use crate::charge;
use crate::commands::Order;
use crate::config::{Config, Places};
use crate::house::House;
use crate::link::{OpenError, PortOptions};
use crate::model::{LinkStats, Snapshot};
use crate::probe::{Found, Scope};
use crate::runtime::{self, StopSignals, now};
use crate::sink::dbus::{BusAddress, DbusError, Settings as BusSettings};
use crate::units::Watts;
use crate::watchdog::{self, Watchdog};
use bank::{BANK, LocalBank};
use poller::{PortEvent, is_overtaken};
use port::{PortClock, PortInUse};
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
    #[error("cannot start: {0}; try again with `--log debug`, and restart the device if it stays so")]
    System(#[from] io::Error),
}

/// Everything that the loop holds.
struct Run<S> {
    shown: S,
    house: House,
    config: Config,
    ports: Vec<PortInUse>,
    bus: Bus,
    state_folder: PathBuf,
    seats: Vec<Seat>,
    seat_events: mpsc::Sender<(usize, SeatEvent)>,
    /// The bank that they form here, if one is wanted.
    bank: Option<LocalBank>,
    /// Where wishes for a battery go in, and come out.
    ask: mpsc::Sender<(usize, Order)>,
    asked: mpsc::Receiver<(usize, Order)>,
    /// The power at the grid connection, if something is listened to.
    grid: mpsc::Receiver<Watts>,
    watchdog: Arc<Watchdog>,
}

/// Serves the batteries on `ports` until a signal comes; `with_sinks` false leaves web server, MQTT and Domoticz to the hub.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: Config, ports: &[String], with_sinks: bool) -> Result<(), RunError> {
    runtime::block_on(serve(config, ports, with_sinks.then(House::default), |_, _| {}))?
}

/// As [`run`], inside an event loop. With a `house` the views of all batteries go there, and the sinks that show them are started;
/// `shown` is told of every battery with a name for it and its snapshots.
///
/// # Errors
/// [`RunError`]
pub async fn serve(
    config: Config,
    ports: &[String],
    house: Option<House>,
    shown: impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let settings = config.settings(None, None);
    let address = BusAddress::from_env(settings.dbus.bus.as_deref())?;
    let state_folder = settings.state_folder.clone().unwrap_or_else(|| Places::here().state);
    let (tell, port_events) = mpsc::channel(16);
    let alone = ports.len() == 1;
    let watchdog = Arc::new(Watchdog::default());
    let mut in_use = Vec::new();
    for (number, name) in ports.iter().enumerate() {
        let (port, poller) = PortInUse::new(name, alone, &config.settings(Some(name), None), &state_folder);
        let tell = tell.clone();
        let clock = PortClock(watchdog.watch(&format!("the thread of {name}"), watchdog::PORT));
        runtime::spawn("port", move || poller.run(&clock, |event| tell.blocking_send((number, event)).is_ok()))?;
        in_use.push(port);
    }
    drop(tell);
    runtime::start(Arc::clone(&watchdog))?;

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
    let grid = powers::listen(&settings, &bus.address);
    let sinks = house.as_ref().map(|house| sinks::start(&config, house, &state_folder));
    let house = house.unwrap_or_default();
    let bank = LocalBank::new(settings, &state_folder, house.clone(), now().at);
    let (ask, asked) = mpsc::channel(8);
    let seats = Vec::new();
    let mut run =
        Run { shown, house, config, ports: in_use, bus, state_folder, seats, seat_events, bank, ask, asked, grid, watchdog };
    let ended = run.until_ended(&mut signals, port_events, from_seats).await;
    run.leave(if ended.is_ok() { charge::STOPPED } else { charge::ENDED }).await;
    if let Some(sinks) = sinks {
        sinks.leave().await;
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

impl<S: FnMut(&str, watch::Receiver<Arc<Snapshot>>)> Run<S> {
    /// Passes on what happens until a signal comes or something ends the program.
    async fn until_ended(
        &mut self,
        signals: &mut StopSignals,
        mut from_ports: mpsc::Receiver<(usize, PortEvent)>,
        mut from_seats: mpsc::Receiver<(usize, SeatEvent)>,
    ) -> Result<(), RunError> {
        let turns = self.watchdog.watch("the loop that serves batteries", watchdog::EVENT_LOOP);
        loop {
            turns.count();
            let bank = self.bank.as_ref().map(|bank| bank.due(now().at));
            // At least so often, whatever happens: for the watchdog.
            let sign = now().at.after(watchdog::TICK);
            let wake = self.seats.iter().map(Seat::due).chain(bank).chain([sign]).min();
            tokio::select! {
                event = from_ports.recv() => match event {
                    Some((port, event)) => self.on_port(port, event)?,
                    None => return Err(RunError::PortGone("no port is read any more".to_owned())),
                },
                Some((number, event)) = from_seats.recv() => self.on_seat(number, event)?,
                Some((number, order)) = self.asked.recv() => {
                    if let Some(seat) = self.seats.get_mut(number) {
                        seat.order(order, now());
                    }
                }
                Some(power) = self.grid.recv() => self.seats.iter_mut().for_each(|seat| seat.grid_power(power, now())),
                () = sleep_until(wake) => self.tick(),
                signal = signals.recv() => {
                    log::info!("stopping: {signal}");
                    return Ok(());
                }
            }
            self.step_bank();
        }
    }

    /// Reckons the bank by what its batteries say now.
    fn step_bank(&mut self) {
        let Self { bank, ports, seats, bus, seat_events, shown, .. } = self;
        if let Some(bank) = bank {
            bank.step(ports, seats, now(), (bus, seat_events), shown);
        }
    }

    /// Takes all batteries off the bus, with limits at 0 as their last word.
    async fn leave(&mut self, why: &'static str) {
        // The whole before its parts: nobody is to see a bank whose batteries leave one by one.
        if let Some(bank) = &mut self.bank {
            bank.seat.stop(why, now());
        }
        for seat in &mut self.seats {
            seat.stop(why, now());
        }
        // One time limit for all of them together: a bus that hangs must not keep us.
        let farewell = async {
            if let Some(bank) = &mut self.bank {
                bank.seat.left().await;
            }
            for seat in &mut self.seats {
                seat.left().await;
            }
        };
        if tokio::time::timeout(GOODBYE, farewell).await.is_err() {
            log::warn!("D-Bus did not take the goodbye of all batteries in time");
        }
        // Only now: a disk that hangs must not keep the limits up.
        for seat in &mut self.seats {
            seat.keep(now(), true);
        }
        if let Some(bank) = &mut self.bank {
            bank.seat.keep(true);
        }
    }

    fn on_port(&mut self, number: usize, event: PortEvent) -> Result<(), RunError> {
        let Some(port) = self.ports.get_mut(number) else { return Ok(()) };
        match event {
            PortEvent::Found(found) => {
                port.is_back();
                self.seat_all(number, found);
            }
            PortEvent::NotFound(heard) => {
                port.is_back();
                port.is_empty(&heard)?;
                if self.seats.is_empty() && self.ports.iter().all(|port| port.empty) {
                    return Err(RunError::NothingFound("no battery was found on any of the ports".to_owned()));
                }
            }
            PortEvent::Reading { number, reading, at, line } => {
                port.is_back();
                let place = port.seats.get(number).copied();
                if let Some((place, seat)) = place.and_then(|place| Some((place, self.seats.get_mut(place)?))) {
                    if is_overtaken(at, now().at) {
                        seat.tick(now());
                    } else {
                        seat.read(*reading, line, Now { at, ..now() });
                    }
                    seat.serve(place, &self.bus, &self.seat_events, &self.ask, &mut self.shown);
                }
            }
            PortEvent::Missed { number, error, line } => {
                port.is_back();
                if let Some(seat) = port.seats.get(number).and_then(|place| self.seats.get_mut(*place)) {
                    seat.missed(&error, line, now());
                }
            }
            PortEvent::Obeyed { number, outcome } => {
                port.is_back();
                if let Some(seat) = port.seats.get(number).and_then(|place| self.seats.get_mut(*place)) {
                    seat.obeyed(outcome, now());
                }
            }
            PortEvent::Tidied { number } => {
                if let Some(seat) = port.seats.get(number).and_then(|place| self.seats.get_mut(*place)) {
                    seat.tidied(now());
                }
            }
            PortEvent::Closed(error) if !port.may_open_later(&error) => return Err(error.into()),
            PortEvent::Closed(error) => port.in_trouble(&error.to_string(), &mut self.seats)?,
            PortEvent::Broken(error) => port.in_trouble(&error.to_string(), &mut self.seats)?,
        }
        Ok(())
    }

    /// Gives every battery that was found its place.
    fn seat_all(&mut self, number: usize, found: Vec<Found>) {
        let Some(port) = self.ports.get_mut(number) else { return };
        let several = port.several || found.len() > 1 || !port.seats.is_empty();
        if port.seats.is_empty()
            && let Some(first) = found.first()
        {
            port.remember(first);
        }
        for found in found {
            let place = self.seats.len();
            let on_port = (several, port.seats.len());
            let house = self.house.clone();
            let mut seat = Seat::new(&self.config, (&port.name, &port.orders), on_port, &found, &self.state_folder, house);
            seat.read(found.reading, LinkStats::default(), now());
            seat.serve(place, &self.bus, &self.seat_events, &self.ask, &mut self.shown);
            self.seats.push(seat);
            port.seats.push(place);
        }
    }

    fn on_seat(&mut self, number: usize, event: SeatEvent) -> Result<(), RunError> {
        if let SeatEvent::Ended(error) = event {
            return Err(error.into());
        }
        match (&mut self.bank, event) {
            (Some(bank), SeatEvent::Dbus(event)) if number == BANK => bank.seat.on_event(event),
            (_, event) => {
                if let Some(seat) = self.seats.get_mut(number) {
                    seat.on_event(event, now());
                }
            }
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
