//! A bank's place: its state, its service and its inverter, whoever tells it of its members.

use super::super::inverter::{Inverter, Limits};
use super::super::serving::{Bus, SeatEvent, keep_serving};
use super::pace::Pace;
use crate::bank::{self, Bank, Member, Share};
use crate::battery::Now;
use crate::config::Settings;
use crate::house::House;
use crate::model::{Freshness, History, Snapshot};
use crate::runtime::now;
use crate::sink::dbus::{self, Context, DeviceId, bank_service};
use crate::state::StateFile;
use crate::units::Moment;
use crate::view::{About, View};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The bank wants an instance below those of its members, who count from 1.
const INSTANCE: u16 = 0;
const PRODUCT: &str = "Battery bank";

/// What is kept of a bank over restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    history: History,
    instance: Option<u16>,
    custom_name: Option<String>,
}

/// The bank and everything that shows it.
pub(in crate::run) struct BankSeat {
    settings: Settings,
    /// How its members are reached, for people.
    connection: &'static str,
    bank: Bank,
    file: StateFile,
    kept: Kept,
    pace: Pace,
    snapshots: Option<watch::Sender<Arc<Snapshot>>>,
    service: Option<JoinHandle<()>>,
    inverter: Option<Inverter>,
    house: House,
    /// When a member last had fresh data.
    fresh_at: Option<Moment>,
}

impl BankSeat {
    /// A bank that knows of no member yet.
    pub(in crate::run) fn new(settings: Settings, connection: &'static str, state_folder: &Path, house: House) -> Self {
        let mut file = StateFile::new(state_folder, &format!("bank-{}", settings.bank.name));
        let kept: Kept = file.load().unwrap_or_else(|error| {
            log::warn!("{error}");
            Kept::default()
        });
        let bank = Bank::new(bank::Config::from(&settings), kept.history.clone());
        Self {
            settings,
            connection,
            bank,
            file,
            kept,
            pace: Pace::default(),
            snapshots: None,
            service: None,
            inverter: None,
            house,
            fresh_at: None,
        }
    }

    /// The end of its service name.
    pub(in crate::run) fn name(&self) -> &str {
        &self.settings.bank.name
    }

    /// DeviceInstance of its service, as far as known.
    pub(super) fn instance(&self) -> u16 {
        self.kept.instance.unwrap_or(INSTANCE)
    }

    /// When [`step`](Self::step) is to be called whatever happens; `None` before it was shown.
    pub(super) fn due(&self) -> Option<Moment> {
        self.pace.next()
    }

    /// What each member should get of the present limits.
    pub(super) fn shares(&self) -> &[Share] {
        self.bank.shares()
    }

    /// Reckons the bank anew; true when that is shown.
    pub(super) fn step(&mut self, members: &[Member], now: Now) -> bool {
        let snapshot = self.bank.step(members, now);
        if !self.pace.is_due(&snapshot, now.at) {
            return false;
        }
        self.publish(snapshot, now.at);
        self.keep(false);
        true
    }

    fn publish(&mut self, snapshot: Snapshot, now: Moment) {
        if snapshot.freshness == Freshness::Fresh {
            self.fresh_at = Some(now);
        }
        self.tell_house(&snapshot, now);
        match &self.snapshots {
            Some(snapshots) => drop(snapshots.send_replace(Arc::new(snapshot))),
            None => self.snapshots = Some(watch::Sender::new(Arc::new(snapshot))),
        }
    }

    /// Lets the other sinks see it.
    fn tell_house(&self, snapshot: &Snapshot, now: Moment) {
        if self.house.is_watched() {
            let about = About {
                id: DeviceId::new(&format!("bank_{}", self.name())).to_string(),
                custom_name: self.kept.custom_name.clone().unwrap_or_default(),
                service: Some(bank_service(self.name())),
                connection: self.connection.to_owned(),
                product: PRODUCT.to_owned(),
                instance: self.kept.instance,
                bank: None,
                control: self.settings.control,
                ..About::default()
            };
            let can = self.inverter.as_ref().map(|inverter| inverter.reporter().view());
            self.house.put(View::new(&about, snapshot, self.fresh_at.map(|at| now.since(at)), can));
        }
    }

    /// Shows it on the bus, and to an inverter, once there is something to show.
    pub(super) fn serve(
        &mut self,
        number: usize,
        bus: &Bus,
        tell: &mpsc::Sender<(usize, SeatEvent)>,
    ) -> Option<watch::Receiver<Arc<Snapshot>>> {
        let snapshots = self.snapshots.as_ref()?;
        if self.service.is_some() {
            return None;
        }
        if self.inverter.is_none() {
            let limits = if self.settings.control { Limits::OfAll } else { Limits::Observed };
            let label = format!("bank {}", self.settings.bank.name);
            self.inverter = Inverter::start(&label, &self.settings.can, limits, snapshots.subscribe());
        }
        let (bus, battery) = (bus.clone(), self.battery());
        self.service = Some(tokio::spawn(keep_serving(bus, battery, snapshots.subscribe(), number, tell.clone())));
        Some(snapshots.subscribe())
    }

    fn battery(&self) -> dbus::Battery {
        let name = &self.settings.bank.name;
        dbus::Battery {
            live: false,
            name: bank_service(name),
            device: DeviceId::new(&format!("bank_{name}")),
            remembered: Some(self.instance()),
            inheritance: None,
            door: None,
            can: self.inverter.as_ref().map(|inverter| inverter.reporter().clone()),
            context: Context {
                process_name: env!("CARGO_PKG_NAME").to_owned(),
                process_version: env!("CARGO_PKG_VERSION").to_owned(),
                connection: self.connection.to_owned(),
                product_name: PRODUCT.to_owned(),
                serial: Some(format!("bank_{name}")),
                custom_name: self.kept.custom_name.clone().unwrap_or_default(),
                control: self.settings.control,
                ..Context::default()
            },
        }
    }

    /// What the service said; its end is for the caller.
    pub(in crate::run) fn on_event(&mut self, event: dbus::Event) {
        match event {
            dbus::Event::Registered(instance) => self.kept.instance = Some(instance),
            dbus::Event::CustomName(name) => self.kept.custom_name = Some(name),
            // A bank has no live settings.
            dbus::Event::Live(_) | dbus::Event::Counters(_) => {}
            dbus::Event::ClearHistory => {
                log::info!("bank: history cleared, as asked over D-Bus");
                self.bank.clear_history();
            }
        }
        self.keep(true);
    }

    /// The members can be heard no more: the service ends, and an inverter is told that nothing may flow.
    pub(super) fn lose_all(&mut self, now: Now) {
        if let Some(service) = self.service.take() {
            service.abort();
        }
        self.pace = Pace::default();
        if self.snapshots.is_some() {
            let nobody = self.bank.step(&[], now);
            self.publish(nobody, now.at);
        }
    }

    /// Limits of 0: the last that the bus and the inverter hear.
    pub(in crate::run) fn stop(&mut self, why: &'static str, now: Now) {
        if let Some(snapshots) = self.snapshots.take() {
            let last = self.bank.stop(why, now);
            self.tell_house(&last, now.at);
            snapshots.send_replace(Arc::new(last));
        }
    }

    /// Waits until the inverter was told, and the service has left the bus.
    pub(in crate::run) async fn left(&mut self) {
        if let Some(inverter) = &mut self.inverter {
            inverter.left().await;
        }
        if let Some(service) = &mut self.service
            && let Err(error) = service.await
        {
            log::error!(
                "bank {}: the D-Bus service broke down: {error}; restart the driver, and please report this",
                self.settings.bank.name
            );
        }
    }

    /// Saves what is to survive a restart, if it is time for that.
    pub(in crate::run) fn keep(&mut self, at_once: bool) {
        self.kept.history = self.bank.history().clone();
        let result = if at_once { self.file.save(&self.kept, now().at) } else { self.file.save_if_due(&self.kept, None, now().at) };
        if let Err(error) = result {
            log::warn!("{error}");
        }
    }
}
