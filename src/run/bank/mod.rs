//! `bank`: listens to its members on D-Bus and serves them as one battery until stopped.
//!
//! ```text
//! members on D-Bus (peers) ──events──▶ members ──▶ Bank (pure) ──watch──▶ D-Bus service of the bank
//! ```
//! The bank is reckoned anew with each event. A limit that falls is published at once, everything else once a second.

mod local;
mod members;
mod pace;

pub use local::combine;

use super::RunError;
use super::serving::{Bus, SeatEvent, keep_serving};
use crate::bank::{self, Bank};
use crate::charge;
use crate::config::{Config, Places, Settings};
use crate::model::{History, Snapshot};
use crate::runtime::{self, StopSignals, now};
use crate::sink::dbus::{self, BusAddress, Context, DbusError, DeviceId, Peers, bank_service};
use crate::state::StateFile;
use crate::units::Moment;
use members::Members;
use pace::Pace;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long the members that are there get to step back and to tell what they know, before the bank goes on the bus.
const GATHERING: Duration = Duration::from_millis(1500);
/// A member that does not step back in this time is not waited for.
const STEPPING_BACK: Duration = Duration::from_secs(5);
/// After so long without a member the owner is told how to name some.
const LOOKING: Duration = Duration::from_secs(10);
/// How long the service may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(1500);
/// Time between two tries to reach a bus that is not required.
const RETRY: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
/// The bank wants an instance below those of its members, who count from 1.
const INSTANCE: u16 = 0;

/// What is kept of a bank over restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    history: History,
    instance: Option<u16>,
    custom_name: Option<String>,
}

/// Serves the bank until a signal comes.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: &Config) -> Result<(), RunError> {
    let settings = config.settings(None, None);
    runtime::block_on(serve(settings))?
}

async fn serve(settings: Settings) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let address = BusAddress::from_env(settings.dbus.bus.as_deref())?;
    let folder = settings.state_folder.clone().unwrap_or_else(|| Places::here().state);
    let mut file = StateFile::new(&folder, &format!("bank-{}", settings.bank.name));
    let kept: Kept = file.load().unwrap_or_else(|error| {
        log::warn!("{error}");
        Kept::default()
    });
    let mut said = false;
    let bank = Bank::new(bank::Config::from(&settings), kept.history.clone());
    let mut run = Run { settings, address, bank, file, kept };
    loop {
        let ended = match run.on_bus(&mut signals).await {
            Ok(()) => Ok(()),
            Err(error) if run.settings.dbus.required => Err(error.into()),
            Err(error) => {
                if !std::mem::replace(&mut said, true) {
                    log::warn!("{error}; trying again");
                }
                tokio::select! {
                    () = runtime::sleep_until(now().at.after(RETRY)) => continue,
                    signal = signals.recv() => {
                        log::info!("stopping: {signal}");
                        Ok(())
                    }
                }
            }
        };
        run.keep(true);
        return ended;
    }
}

/// Everything that outlives a connection to the bus.
struct Run {
    settings: Settings,
    address: BusAddress,
    bank: Bank,
    file: StateFile,
    kept: Kept,
}

/// The bank's own service.
struct Service {
    snapshots: watch::Sender<Arc<Snapshot>>,
    task: JoinHandle<()>,
    events: mpsc::Receiver<(usize, SeatEvent)>,
}

impl Run {
    /// Serves as long as the bus lasts.
    async fn on_bus(&mut self, signals: &mut StopSignals) -> Result<(), DbusError> {
        let name = self.settings.bank.name.clone();
        let mut peers = Peers::listen(&self.address, &name).await?;
        let mut members = Members::new(&self.settings);
        let mut service: Option<Service> = None;
        let (mut pace, started, mut said_alone) = (Pace::default(), now().at, false);
        log::info!("bank {name}: looking for its batteries on D-Bus");
        loop {
            let wake = pace.next().unwrap_or_else(|| now().at.after(SECOND));
            tokio::select! {
                event = peers.next() => members.take(event?, now().at),
                event = service_event(&mut service) => self.on_service(event)?,
                () = runtime::sleep_until(wake) => {}
                signal = signals.recv() => {
                    log::info!("stopping: {signal}");
                    self.leave(service).await;
                    return Ok(());
                }
            }
            let now = now();
            if service.is_none() && !ready(&members, started, now.at) {
                if members.is_empty() && now.at.since(started) >= LOOKING && !std::mem::replace(&mut said_alone, true) {
                    log::warn!("bank {name}: none of its batteries is on D-Bus; set `member_of_bank = true` or `bank.members`");
                }
                continue;
            }
            let snapshot = self.bank.step(&members.list(now.at), now);
            if !pace.is_due(&snapshot, now.at) {
                continue;
            }
            self.show(&mut service, snapshot);
            members.check_instance(self.kept.instance.unwrap_or(INSTANCE));
            for (member, charge, discharge) in members.news_of_shares(self.bank.shares(), now.at) {
                peers.tell_share(&member, charge, discharge).await?;
            }
            self.keep(false);
        }
    }

    fn on_service(&mut self, event: SeatEvent) -> Result<(), DbusError> {
        match event {
            SeatEvent::Dbus(dbus::Event::Registered(instance)) => self.kept.instance = Some(instance),
            SeatEvent::Dbus(dbus::Event::CustomName(name)) => self.kept.custom_name = Some(name),
            SeatEvent::Dbus(dbus::Event::ClearHistory) => {
                log::info!("bank: history cleared, as asked over D-Bus");
                self.bank.clear_history();
            }
            SeatEvent::Ended(error) => return Err(error),
        }
        self.keep(true);
        Ok(())
    }

    /// Shows a snapshot; the first puts the bank on the bus.
    fn show(&mut self, service: &mut Option<Service>, snapshot: Snapshot) {
        if let Some(service) = service {
            service.snapshots.send_replace(Arc::new(snapshot));
            return;
        }
        let (snapshots, receiver) = watch::channel(Arc::new(snapshot));
        let (tell, events) = mpsc::channel(16);
        let bus = Bus { address: self.address.clone(), required: true, settings: None };
        let task = tokio::spawn(keep_serving(bus, self.battery(), receiver, 0, tell));
        *service = Some(Service { snapshots, task, events });
    }

    fn battery(&self) -> dbus::Battery {
        let name = &self.settings.bank.name;
        dbus::Battery {
            name: bank_service(name),
            device: DeviceId::new(&format!("bank_{name}")),
            remembered: Some(self.kept.instance.unwrap_or(INSTANCE)),
            context: Context {
                process_name: env!("CARGO_PKG_NAME").to_owned(),
                process_version: env!("CARGO_PKG_VERSION").to_owned(),
                connection: "batteries on D-Bus".to_owned(),
                product_name: "Battery bank".to_owned(),
                serial: Some(format!("bank_{name}")),
                custom_name: self.kept.custom_name.clone().unwrap_or_default(),
                control: self.settings.control,
                ..Context::default()
            },
        }
    }

    /// Takes the bank off the bus, with limits at 0 as its last word.
    async fn leave(&mut self, service: Option<Service>) {
        let Some(Service { snapshots, task, .. }) = service else { return };
        snapshots.send_replace(Arc::new(self.bank.stop(charge::STOPPED, now())));
        drop(snapshots);
        if tokio::time::timeout(GOODBYE, task).await.is_err() {
            log::warn!("D-Bus did not take the goodbye of the bank in time");
        }
    }

    fn keep(&mut self, at_once: bool) {
        self.kept.history = self.bank.history().clone();
        let result = if at_once { self.file.save(&self.kept, now().at) } else { self.file.save_if_due(&self.kept, None, now().at) };
        if let Err(error) = result {
            log::warn!("{error}");
        }
    }
}

/// Whether the bank may go on the bus: a member has data, and none publishes limits beside it any more.
fn ready(members: &Members, started: Moment, now: Moment) -> bool {
    let waited = now.since(started);
    let quiet = members.all_stepped_back() || waited >= STEPPING_BACK;
    members.any_fresh(now) && quiet && waited >= GATHERING
}

/// The next word of the service; never while there is none.
async fn service_event(service: &mut Option<Service>) -> SeatEvent {
    match service {
        Some(service) => match service.events.recv().await {
            Some((_, event)) => event,
            None => SeatEvent::Ended(DbusError::Lost("the bank's service ended".to_owned())),
        },
        None => std::future::pending().await,
    }
}
