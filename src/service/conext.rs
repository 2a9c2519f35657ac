//! Schneider Conext devices behind a gateway: found, read in turn, and published as devices of the house.
//!
//! ```text
//! gateway (Modbus TCP) ◀──one request at a time── ModbusTcp ◀── this task ──▶ DeviceRegistry
//!                                                                  ▲
//!                                     generator mode of the AGS ───┘ (from the generator's task only)
//! ```

use crate::base::episode::Episode;
use crate::base::runtime::{self, now};
use crate::base::stop::Stop;
use crate::base::units::Moment;
use crate::bms::modbus_tcp::Ask;
use crate::conext::{Family, GENERATOR_MODE, PART_NUMBER, SERIAL_NUMBER, Step, Survey, device_id, text};
use crate::config::{self, Settings};
use crate::link::modbus_tcp::{ModbusFault, ModbusTcp};
use crate::model::{DeviceInfo, DeviceValue, Quantity};
use crate::output::devices::DeviceHandle;
use crate::output::registry::BatteryRegistry;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Units that devices have unless their owner changed them.
const USUAL_UNITS: [(u8, u8); 6] = [(1, 1), (10, 29), (30, 49), (50, 69), (170, 189), (190, 209)];
/// Pause between two requests, and after a write.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_AFTER_WRITE: Duration = Duration::from_millis(200);
/// Devices are searched for again after this time.
const SEARCH_INTERVAL: Duration = Duration::from_secs(3600);
/// The same while none was found.
const FIRST_SEARCH_INTERVAL: Duration = Duration::from_secs(60);
/// Exceptions that concern the register: function, address or value.
const NO_REGISTER: [u8; 3] = [1, 2, 3];

/// A request to the AGS: on or off, and where the answer goes.
type Switching = (bool, oneshot::Sender<Result<(), String>>);

/// Switches the generator over the AGS.
#[derive(Debug, Clone)]
pub(super) struct Ags(mpsc::Sender<Switching>);

impl Ags {
    /// Sets the generator mode to on or off, and reads it back.
    pub(super) async fn set(&self, on: bool) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the task of the Conext devices has ended".to_owned();
        self.0.send((on, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Starts the task, if a gateway is configured.
pub(super) fn start(settings: &Settings, registry: &BatteryRegistry, stop: Stop) -> Option<(JoinHandle<()>, Ags)> {
    let config = settings.conext.clone();
    let host = config.host.clone()?;
    let (sender, requests) = mpsc::channel(2);
    let task = Task {
        link: ModbusTcp::new(&host, config.port, config.timeout),
        config,
        registry: registry.clone(),
        devices: BTreeMap::new(),
        failures: Episode::default(),
    };
    Some((tokio::spawn(task.run(requests, stop)), Ags(sender)))
}

/// A device that was found.
struct Found {
    family: Family,
    survey: Survey,
    handle: DeviceHandle,
}

struct Task {
    config: config::Conext,
    link: ModbusTcp,
    registry: BatteryRegistry,
    /// By unit.
    devices: BTreeMap<u8, Found>,
    failures: Episode<String>,
}

impl Task {
    async fn run(mut self, mut requests: mpsc::Receiver<Switching>, mut stop: Stop) {
        let mut search_due = now().at;
        loop {
            let begun = now().at;
            let round = async {
                if begun >= search_due {
                    self.search(&mut requests).await;
                    let wait = if self.devices.is_empty() { FIRST_SEARCH_INTERVAL } else { SEARCH_INTERVAL };
                    search_due = now().at.after(wait);
                }
                self.read_all(&mut requests).await;
            };
            tokio::select! {
                () = round => {}
                () = stop.asked() => break,
            }
            let due = begun.after(self.config.interval);
            loop {
                tokio::select! {
                    () = runtime::sleep_until(due.max(now().at)) => break,
                    () = stop.asked() => return self.last_requests(requests).await,
                    Some((on, answer)) = requests.recv() => drop(answer.send(self.switch(on).await)),
                }
            }
        }
        self.last_requests(requests).await;
    }

    /// At the end the generator may still have to be switched off: serves until its task is gone.
    async fn last_requests(mut self, mut requests: mpsc::Receiver<Switching>) {
        self.link.close();
        while let Some((on, answer)) = requests.recv().await {
            // The receiver may have given up.
            let _ = answer.send(self.switch(on).await);
        }
    }

    /// Looks for devices at units where none was found yet.
    async fn search(&mut self, requests: &mut mpsc::Receiver<Switching>) {
        let usual = || USUAL_UNITS.iter().flat_map(|(first, last)| *first..=*last).collect();
        let units: Vec<u8> = if self.config.units.is_empty() { usual() } else { self.config.units.clone() };
        for unit in units {
            if self.devices.contains_key(&unit) {
                continue;
            }
            self.serve(requests).await;
            match self.read(unit, PART_NUMBER).await {
                Ok(words) => self.identify(unit, &words).await,
                Err(fault @ (ModbusFault::Unreachable { .. } | ModbusFault::Occupied { .. })) => return self.failed(&fault),
                // Nobody has this unit.
                Err(_) => {}
            }
        }
    }

    async fn identify(&mut self, unit: u8, part: &[u16]) {
        let Some(part) = text(part) else { return };
        let Some(family) = Family::of_part(&part) else {
            log::info!("Conext: unit {unit} is of an unknown type: {part}");
            return;
        };
        let configured = self.config.serial_of(unit);
        let serial = match configured {
            Some(serial) => Some(serial),
            // An XW6848 does not tell it.
            None => self.read(unit, SERIAL_NUMBER).await.ok().and_then(|words| text(&words)),
        };
        if family.registers().is_empty() {
            return;
        }
        let info = DeviceInfo {
            id: device_id(family, serial.as_deref(), unit),
            kind: family.kind(),
            name: format!("{} ({})", family.name(), serial.as_deref().map_or_else(|| format!("unit {unit}"), str::to_owned)),
            connection: format!("Modbus TCP {}:{}, unit {unit}", self.config.host.as_deref().unwrap_or_default(), self.config.port),
            timeout: self.config.interval.saturating_mul(3).max(Duration::from_secs(20)),
        };
        log::info!("Conext: {} at unit {unit} ({part})", info.name);
        let handle = self.registry.devices().add(info);
        self.devices.insert(unit, Found { family, survey: Survey::new(family), handle });
    }

    async fn read_all(&mut self, requests: &mut mpsc::Receiver<Switching>) {
        let units: Vec<u8> = self.devices.keys().copied().collect();
        for unit in units {
            self.serve(requests).await;
            match self.read_device(unit).await {
                Ok((values, at)) => {
                    if self.failures.ended(at).is_some_and(|ended| ended.logged) {
                        log::info!("Conext: the gateway answers again");
                    }
                    if let Some(found) = self.devices.get(&unit) {
                        found.handle.publish(values, at);
                    }
                }
                Err(fault @ (ModbusFault::Unreachable { .. } | ModbusFault::Occupied { .. })) => {
                    // Nobody else behind the gateway can be read either.
                    self.devices.values().for_each(|found| found.handle.note(fault.to_string()));
                    return self.failed(&fault);
                }
                Err(fault) => {
                    if let Some(found) = self.devices.get(&unit) {
                        found.handle.note(fault.to_string());
                    }
                    self.failed(&fault);
                }
            }
        }
    }

    /// All values of a device.
    async fn read_device(&mut self, unit: u8) -> Result<(Vec<(&'static Quantity, DeviceValue)>, Moment), ModbusFault> {
        let mut values = Vec::new();
        let mut steps: Vec<Step> = self.devices.get(&unit).map(|found| found.survey.steps()).unwrap_or_default();
        steps.reverse();
        let mut fault = None;
        while let Some(step) = steps.pop() {
            let read = self.read(unit, (step.first, step.count)).await;
            let Some(found) = self.devices.get_mut(&unit) else { break };
            match read {
                Ok(words) => values.extend(found.survey.values(&step, &words)),
                Err(ModbusFault::Exception(code)) if NO_REGISTER.contains(&code) => {
                    if found.survey.refused(&step) {
                        steps.extend(found.survey.parts(&step).into_iter().rev());
                    }
                    fault = Some(ModbusFault::Exception(code));
                }
                Err(fault) => return Err(fault),
            }
        }
        match (values.is_empty(), fault) {
            (true, Some(fault)) => Err(fault),
            _ => Ok((values, now().at)),
        }
    }

    /// Reads registers; after a silence once more on a new connection.
    async fn read(&mut self, unit: u8, (first, count): (u16, u16)) -> Result<Vec<u16>, ModbusFault> {
        ModbusTcp::pause(PAUSE).await;
        let ask = Ask::Read { first, count };
        match self.link.ask(unit, ask).await {
            Err(ModbusFault::Silent(_) | ModbusFault::Lost(_)) if self.devices.contains_key(&unit) => {
                self.link.ask(unit, ask).await
            }
            result => result,
        }
    }

    /// Requests to the AGS wait for no more than one device.
    async fn serve(&mut self, requests: &mut mpsc::Receiver<Switching>) {
        while let Ok((on, answer)) = requests.try_recv() {
            let _ = answer.send(self.switch(on).await);
        }
    }

    /// Sets the generator mode, if it differs, and reads it back.
    async fn switch(&mut self, on: bool) -> Result<(), String> {
        let ags = self.devices.iter().find(|(_, found)| found.family == Family::Ags).map(|(unit, _)| *unit);
        let unit = ags.ok_or_else(|| "no AGS was found behind the gateway; see the log, and set `conext.units`".to_owned())?;
        let (wanted, words) = (u16::from(on), (GENERATOR_MODE, 1));
        let unread = |fault: ModbusFault| format!("the AGS does not tell its mode: {fault}");
        if self.read(unit, words).await.map_err(unread)?.first() == Some(&wanted) {
            return Ok(());
        }
        let written = self.link.ask(unit, Ask::Write { register: GENERATOR_MODE, value: wanted }).await;
        written.map_err(|fault| format!("the AGS does not take its mode: {fault}"))?;
        ModbusTcp::pause(PAUSE_AFTER_WRITE).await;
        let shown = self.read(unit, words).await.map_err(unread)?;
        if shown.first() == Some(&wanted) { Ok(()) } else { Err("the AGS keeps its mode; check its own settings".to_owned()) }
    }

    fn failed(&mut self, fault: &ModbusFault) {
        self.failures.failed(now().at);
        if self.failures.is_news(fault.to_string()) {
            log::warn!("Conext: {fault}; retrying. See docs/conext.md");
        }
    }
}
