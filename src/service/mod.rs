//! `run`: finds the batteries on one or several ports and serves them until stopped.
//!
//! ```text
//! thread per port (port_worker) ──events──▶ this loop ──▶ Battery (pure) ──watch──▶ D-Bus service (one task each)
//! ```
//! The loop waits for the next of four events: a port event, the time at which a silent battery's limits change, a signal, or the
//! end of a service.

pub mod bank_task;
mod battery_commands;
mod battery_outputs;
mod battery_task;
mod bus_value;
mod can_output;
mod conext;
mod dbus_supervisor;
mod generator;
mod goodwe;
mod grid_power;
mod gx_settings;
pub mod hub;
mod identity;
pub mod offline_command;
pub(crate) mod outputs;
mod partner;
mod port;
pub mod port_worker;
mod rs485_output;
mod xanbus;

use crate::base::runtime::{self, StopSignals, now};
use crate::base::time::Now;
use crate::base::units::Watts;
use crate::base::watchdog::{self, Watchdog};
use crate::battery::charge;
use crate::battery::external::ExternalQuantity;
use crate::battery::partner::PartnerValue;
use crate::bms::Transport;
use crate::bms::bluetooth::on_transport;
use crate::config::{Config, Paths, Settings};
use crate::control::PendingRequest;
use crate::dbus::{BankClaim, BusAddress, DbusError, SettingsClient};
use crate::link::{BluetoothOptions, OpenError, PortOptions, bluetooth, transport};
use crate::model::{LinkStats, Snapshot};
use crate::output::registry::BatteryRegistry;
use crate::probe::{self, Candidate, Found, Scope};
use bank_task::LocalBank;
use battery_task::BatteryTask;
use dbus_supervisor::{Bus, EventSource, ServiceEvent};
use port::{PortClock, PortInUse};
use port_worker::{PortEvent, is_overtaken};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

/// Time limit for the services to send their last values.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1500);

/// Why `run` ended without a signal.
#[derive(Debug, Error)]
pub enum RunError {
    /// No known BMS answers on the port.
    #[error("{0}")]
    NothingFound(String),
    /// The port cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The port's device is gone.
    #[error("{0}")]
    PortGone(String),
    /// D-Bus is required, but absent or lost, or our name is taken.
    #[error(transparent)]
    Bus(#[from] DbusError),
    /// The operating system refuses an event loop, a thread or signals.
    #[error("cannot start: {0}; try again with `--log debug`, and restart the device if it persists")]
    System(#[from] io::Error),
}

/// State of the loop.
struct Run<S> {
    shown: S,
    registry: BatteryRegistry,
    config: Config,
    ports: Vec<PortInUse>,
    bus: Bus,
    state_folder: PathBuf,
    batteries: Vec<BatteryTask>,
    service_events: mpsc::Sender<(EventSource, ServiceEvent)>,
    /// The bank of these batteries, if configured.
    bank: Option<LocalBank>,
    /// Both ends of the channel for requests to batteries.
    request_sender: mpsc::Sender<(usize, PendingRequest)>,
    requests: mpsc::Receiver<(usize, PendingRequest)>,
    /// Both ends of the channel for values of other devices.
    external_sender: mpsc::Sender<(usize, ExternalQuantity, f64)>,
    external: mpsc::Receiver<(usize, ExternalQuantity, f64)>,
    /// The power at the grid connection, if a source is configured.
    grid: mpsc::Receiver<Watts>,
    /// Values of a partner inverter's battery, if a source is configured.
    partner: mpsc::Receiver<PartnerValue>,
    watchdog: Arc<Watchdog>,
}

/// Serves the batteries on `ports` until a signal; with `with_outputs` false, web server, MQTT and Domoticz are left to the hub.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: Config, ports: &[String], with_outputs: bool) -> Result<(), RunError> {
    runtime::block_on(serve(config, ports, with_outputs.then(BatteryRegistry::default), |_, _| {}))?
}

/// As [`run`], inside an event loop. With a `registry`, the views of all batteries go there, and the outputs that show them are
/// started; `shown` is called for every battery with its name and snapshots.
///
/// # Errors
/// [`RunError`]
pub async fn serve(
    mut config: Config,
    ports: &[String],
    registry: Option<BatteryRegistry>,
    shown: impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let address = BusAddress::from_env(config.settings(None, None).dbus.bus.as_deref())?;
    // Kept as long as this process forms the bank.
    let _bank_claim = claim_bank(&mut config, &address, registry.is_some()).await;
    let settings = config.settings(None, None);
    let state_folder = settings.state_folder.clone().unwrap_or_else(|| Paths::detect().state);
    let watchdog = Arc::new(Watchdog::default());
    let (in_use, mut port_events) = start_ports(&config, ports, &state_folder, &watchdog)?;
    let connected: Vec<_> = in_use.iter().filter(|port| port.is_wireless()).map(|port| port.name.clone()).collect();
    let connected: Vec<_> =
        connected.into_iter().map(|name| (bluetooth_options(&config.settings(Some(&name), None)), name)).collect();
    runtime::start(Arc::clone(&watchdog))?;

    let mut bus = Bus { address, required: settings.dbus.required, settings: None };
    if bus.required {
        bus.settings = tokio::select! {
            connected = SettingsClient::connect(&bus.address) => Some(connected?),
            signal = signals.recv() => {
                log::info!("stopping: {signal}");
                return Ok(());
            }
        };
    }
    let (service_events, from_services) = mpsc::channel(16);
    let is_shown = registry.is_some() && outputs::any(&settings);
    let outputs = registry.as_ref().map(|registry| outputs::start(&config, registry, &state_folder, &ports.join(" ")));
    let registry = registry.unwrap_or_default();
    let grid = grid_power::listen(&settings, &bus.address, registry.devices());
    let partner = partner::listen(&settings, &bus.address, registry.devices(), is_shown);
    let bank = LocalBank::new(settings, &state_folder, registry.clone(), now().at);
    let (request_sender, requests) = mpsc::channel(8);
    let (external_sender, external) = mpsc::channel(16);
    let batteries = Vec::new();
    let mut run = Run {
        shown,
        registry,
        config,
        ports: in_use,
        bus,
        state_folder,
        batteries,
        service_events,
        bank,
        request_sender,
        requests,
        external_sender,
        external,
        grid,
        partner,
        watchdog,
    };
    let ended = run.until_ended(&mut signals, &mut port_events, from_services).await;
    run.switch_packs_on(&mut port_events).await;
    run.shut_down(if ended.is_ok() { charge::STOPPED } else { charge::ENDED }).await;
    if let Some(outputs) = outputs {
        outputs.shut_down().await;
    }
    for (options, name) in connected {
        bluetooth::hang_up(&name, &options).await;
    }
    ended
}

/// The right to form the bank in this process, if that is configured. If it is refused, the batteries are members of another bank.
async fn claim_bank(config: &mut Config, address: &BusAddress, has_all: bool) -> Option<BankClaim> {
    let settings = config.settings(None, None);
    if !settings.bank.in_run {
        return None;
    }
    match bank_task::claim(&settings, address, has_all).await {
        Ok(claim) => Some(claim),
        Err(why) => {
            log::error!("{why}. The batteries are served as members of that bank; remove `bank.in_run` from the configuration");
            config.without_bank_in_run();
            None
        }
    }
}

/// Events of the ports' threads, each with the index of its port.
type PortEvents = mpsc::Receiver<(usize, PortEvent)>;

/// Starts a thread for every port.
fn start_ports(
    config: &Config,
    ports: &[String],
    state_folder: &Path,
    watchdog: &Watchdog,
) -> io::Result<(Vec<PortInUse>, PortEvents)> {
    let (event_sender, events) = mpsc::channel(16);
    let mut in_use = Vec::new();
    for (port_index, name) in ports.iter().enumerate() {
        let (port, worker) = PortInUse::new(name, ports.len(), &config.settings(Some(name), None), state_folder);
        let event_sender = event_sender.clone();
        let clock = PortClock(watchdog.watch(&format!("the thread of {name}"), watchdog::PORT));
        let flight = port.flight.clone();
        runtime::spawn("port", move || {
            worker.run(&clock, |event| {
                if let PortEvent::Reading { number, reading, at, .. } = &event {
                    flight.reading(*number, reading.address, *at, runtime::now().at);
                }
                event_sender.blocking_send((port_index, event)).is_ok()
            });
        })?;
        in_use.push(port);
    }
    Ok((in_use, events))
}

async fn sleep_until(wake: Option<crate::base::units::Moment>) {
    match wake {
        Some(moment) => runtime::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Search order on this port, from the settings and the BMS that answered the last time.
pub(crate) fn scope(port: &str, settings: &Settings, remembered: Option<Candidate>) -> Scope {
    let named = || crate::bms::DRIVERS.iter().copied().filter(|driver| settings.bms.contains(&driver.name));
    let wanted: Vec<_> = if settings.bms.is_empty() { crate::bms::tested().collect() } else { named().collect() };
    let transport = transport(port);
    let mut drivers: Vec<_> = wanted.into_iter().filter_map(|driver| on_transport(driver, transport)).collect();
    // What is sent to an inverter has the ids of a battery.
    let has_output = |interface: &str| port.strip_prefix("can://").is_some_and(|own| own.trim_end_matches('/') == interface);
    if settings.can.interface.as_deref().is_some_and(has_output) {
        let (refused, read): (Vec<_>, Vec<_>) = drivers.into_iter().partition(|driver| probe::is_broadcast(driver));
        for driver in refused {
            log::warn!(
                "{port}: {} is not read here, because this driver sends such frames to an inverter on the same interface; use another \
                 interface for one of them",
                driver.label
            );
        }
        drivers = read;
    }
    // Of the same name, but as it is on this transport.
    let remembered = remembered.and_then(|hit| {
        let driver = drivers.iter().copied().find(|driver| driver.name == hit.driver.name)?;
        Some(Candidate { driver, ..hit })
    });
    Scope {
        drivers,
        addresses: settings.addresses.clone(),
        line: settings.serial.baud.map(|baud| crate::bms::Line { baud }),
        can: transport == Transport::Can,
        remembered,
        listen_only: settings.listen_only,
    }
}

/// How to use Bluetooth, from the settings. BlueZ is on the system bus, unless the bus is given by its address.
pub(crate) fn bluetooth_options(settings: &Settings) -> BluetoothOptions {
    let named = settings.dbus.bus.as_deref().filter(|bus| !matches!(*bus, "system" | "session"));
    let bus = BusAddress::from_env(named.or(Some("system"))).map(|bus| bus.to_string());
    BluetoothOptions {
        bus: bus.unwrap_or_else(|_| named.unwrap_or_default().to_owned()),
        adapter: settings.bluetooth.adapter.clone(),
        password: settings.bluetooth.password.clone(),
        families: settings.bms.clone(),
    }
}

/// How to open the port, from the settings.
pub(crate) fn port_options(settings: &Settings) -> PortOptions {
    let default = PortOptions::default();
    let line = settings.serial.baud.map_or(default.line, |baud| crate::bms::Line { baud });
    PortOptions {
        line,
        rs485: settings.serial.rs485,
        low_latency: settings.serial.low_latency,
        bluetooth: bluetooth_options(settings),
        broker: settings.mqtt.broker.clone(),
    }
}

impl<S: FnMut(&str, watch::Receiver<Arc<Snapshot>>)> Run<S> {
    /// Dispatches events until a signal or a fatal error.
    async fn until_ended(
        &mut self,
        signals: &mut StopSignals,
        from_ports: &mut PortEvents,
        mut from_services: mpsc::Receiver<(EventSource, ServiceEvent)>,
    ) -> Result<(), RunError> {
        let turns = self.watchdog.watch("the loop that serves batteries", watchdog::EVENT_LOOP);
        loop {
            turns.count();
            let bank = self.bank.as_ref().map(|bank| bank.due(now().at));
            // A minimum rate, for the watchdog.
            let sign = now().at.after(watchdog::TICK);
            let flights = self.ports.iter().filter_map(|port| port.flight.due());
            let wake = self.batteries.iter().map(BatteryTask::due).chain(bank).chain(flights).chain([sign]).min();
            tokio::select! {
                event = from_ports.recv() => match event {
                    Some((port, event)) => self.on_port(port, event)?,
                    None => return Err(RunError::PortGone("no port is read any more".to_owned())),
                },
                Some((source, event)) = from_services.recv() => self.on_service_event(source, event)?,
                Some((index, pending)) = self.requests.recv() => {
                    if let Some(battery) = self.batteries.get_mut(index) {
                        battery.submit(pending, now());
                    }
                }
                Some((index, quantity, value)) = self.external.recv() => {
                    if let Some(battery) = self.batteries.get_mut(index) {
                        battery.external_value(quantity, value, now());
                    }
                }
                Some(power) = self.grid.recv() => self.batteries.iter_mut().for_each(|battery| battery.grid_power(power, now())),
                Some(value) = self.partner.recv() => self.batteries.iter_mut().for_each(|battery| battery.partner_value(value, now())),
                () = sleep_until(wake) => self.tick(),
                signal = signals.recv() => {
                    log::info!("stopping: {signal}");
                    return Ok(());
                }
            }
            self.step_bank();
        }
    }

    /// Updates the bank from the latest snapshots of its batteries.
    fn step_bank(&mut self) {
        let Self { bank, ports, batteries, bus, service_events, shown, .. } = self;
        if let Some(bank) = bank {
            bank.step(ports, batteries, now(), (bus, service_events), shown);
        }
    }

    /// Switches on the packs that are off for equal charge, while the ports still answer.
    async fn switch_packs_on(&mut self, from_ports: &mut PortEvents) {
        loop {
            let Some(bank) = &mut self.bank else { return };
            if !bank.switch_on(&mut self.batteries, now()) {
                return;
            }
            tokio::select! {
                Some((port, event)) = from_ports.recv() => {
                    // Errors of ports do not matter any more.
                    let _ = self.on_port(port, event);
                }
                () = runtime::sleep_until(now().at.after(Duration::from_millis(100))) => {}
            }
            self.step_bank();
        }
    }

    /// Takes all batteries off the bus, with limits of 0 as their last values.
    async fn shut_down(&mut self, why: &'static str) {
        // Stop the bank first, so that no client sees its members vanish one by one.
        if let Some(bank) = &mut self.bank {
            bank.task.stop(why, now());
        }
        for battery in &mut self.batteries {
            battery.stop(why, now());
        }
        // One time limit for all of them: a bus that hangs must not block the exit.
        let finished = async {
            if let Some(bank) = &mut self.bank {
                bank.task.finished().await;
            }
            for battery in &mut self.batteries {
                battery.finished().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await.is_err() {
            log::warn!("D-Bus did not release the names of all batteries in time");
        }
        // Only now: a disk that hangs must not delay the limits of 0.
        for battery in &mut self.batteries {
            battery.save_state(now(), true);
        }
        self.ports.iter().filter(|port| port.flight.is_due(true, now().at)).for_each(|port| port.flight.write(now()));
        if let Some(bank) = &mut self.bank {
            bank.task.save_state(true);
        }
    }

    fn on_port(&mut self, port_index: usize, event: PortEvent) -> Result<(), RunError> {
        let Some(port) = self.ports.get_mut(port_index) else { return Ok(()) };
        match event {
            PortEvent::Found(found) => {
                port.is_back();
                self.add_batteries(port_index, found);
            }
            PortEvent::NotFound(nothing_found) => {
                port.is_back();
                port.is_empty(&nothing_found)?;
                if self.batteries.is_empty() && self.ports.iter().all(|port| port.empty && !port.is_wireless()) {
                    return Err(RunError::NothingFound("no battery was found on any of the ports".to_owned()));
                }
            }
            PortEvent::Reading { number, reading, at, line } => {
                port.is_back();
                let index = port.batteries.get(number).copied();
                if let Some((index, battery)) = index.and_then(|index| Some((index, self.batteries.get_mut(index)?))) {
                    if is_overtaken(at, now().at) {
                        battery.tick(now());
                    } else {
                        battery.read(*reading, line, Now { at, ..now() });
                    }
                    battery.serve(index, &self.bus, &self.service_events, &self.request_sender, &mut self.shown);
                }
            }
            PortEvent::Missed { number, error, line } => {
                port.is_back();
                if let Some(battery) = port.batteries.get(number).and_then(|index| self.batteries.get_mut(*index)) {
                    battery.missed(&error, line, now());
                }
            }
            PortEvent::CommandDone { number, outcome } => {
                port.is_back();
                if let Some(battery) = port.batteries.get(number).and_then(|index| self.batteries.get_mut(*index)) {
                    battery.command_done(outcome, now());
                }
            }
            PortEvent::CleanedUp { number } => {
                if let Some(battery) = port.batteries.get(number).and_then(|index| self.batteries.get_mut(*index)) {
                    battery.cleaned_up(now());
                }
            }
            PortEvent::Closed(error) if !port.may_open_later(&error) => return Err(error.into()),
            PortEvent::Closed(error) => port.failed(&error.to_string(), &mut self.batteries)?,
            PortEvent::Broken(error) => port.failed(&error.to_string(), &mut self.batteries)?,
        }
        Ok(())
    }

    /// Starts a task for every battery found on a port.
    fn add_batteries(&mut self, port_index: usize, found: Vec<Found>) {
        let Some(port) = self.ports.get_mut(port_index) else { return };
        let several = port.several || found.len() > 1 || !port.batteries.is_empty();
        let before = port.batteries.last().and_then(|index| self.batteries.get(*index)).map(BatteryTask::driver);
        if let Some(first) = found.first().filter(|first| before != Some(first.candidate.driver.name)) {
            port.remember(first);
            if before.is_some() {
                log::warn!(
                    "{}: a different BMS answers now: {}. The previous one counts as silent; restart the driver to drop it",
                    port.name,
                    first.candidate.driver.label
                );
            }
        }
        for found in found {
            let index = self.batteries.len();
            let on_port = (several, port.batteries.len());
            let registry = self.registry.clone();
            let on_this = (port.name.as_str(), &port.commands, &port.flight);
            let mut battery = BatteryTask::new(&self.config, on_this, on_port, &found, &self.state_folder, registry);
            battery.find_free_name(&port.name, &self.batteries);
            battery.follow_external(index, &self.bus.address, &self.external_sender);
            battery.read(found.reading, LinkStats::default(), now());
            battery.serve(index, &self.bus, &self.service_events, &self.request_sender, &mut self.shown);
            self.batteries.push(battery);
            port.batteries.push(index);
        }
    }

    fn on_service_event(&mut self, source: EventSource, event: ServiceEvent) -> Result<(), RunError> {
        let event = match event {
            ServiceEvent::Ended(error) => return Err(error.into()),
            ServiceEvent::Dbus(event) => event,
        };
        match source {
            EventSource::Bank => {
                if let Some(bank) = &mut self.bank {
                    bank.task.on_event(event);
                }
            }
            EventSource::Battery(index) => {
                if let Some(battery) = self.batteries.get_mut(index) {
                    battery.on_event(event, now());
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = now();
        for battery in &mut self.batteries {
            if battery.due() <= now.at {
                battery.tick(now);
            }
        }
        for port in self.ports.iter().filter(|port| port.flight.is_due(false, now.at)) {
            let flight = port.flight.clone();
            // Batteries must not wait for a slow disk.
            tokio::spawn(runtime::blocking(move || flight.write(now)));
        }
    }
}
