//! The task of a bank: its state, its service and its inverter, for any source of members.

use super::publish_throttle::PublishThrottle;
use crate::bank::{self, Bank, Member, MemberShare};
use crate::base::printable::printable_name;
use crate::base::runtime::now;
use crate::base::state_file::StateFile;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::config::Settings;
use crate::dbus::{self, Context, DeviceId, bank_service};
use crate::model::{History, PackSwitch, Snapshot};
use crate::output::api::BatteryInfo;
use crate::output::registry::BatteryRegistry;
use crate::service::battery_outputs::BatteryOutputs;
use crate::service::can_output::LimitScope;
use crate::service::dbus_supervisor::{Bus, EventSource, ServiceEvent};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The bank needs a DeviceInstance below those of its members, which start at 1.
const INSTANCE: u16 = 0;
const PRODUCT: &str = "Battery bank";

/// State of a bank that survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct BankState {
    history: History,
    instance: Option<u16>,
    custom_name: Option<String>,
    stopped: Option<Stopped>,
}

/// The bank when it was stopped deliberately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stopped {
    /// Seconds since 1970.
    at: u64,
    /// Service names of its members.
    members: Vec<String>,
}

/// The bank and its outputs.
pub(in crate::service) struct BankTask {
    settings: Settings,
    /// Connection to its members, as shown to people.
    connection: &'static str,
    /// Time to wait for members that were stopped.
    leave: Duration,
    bank: Bank,
    file: StateFile,
    state: BankState,
    throttle: PublishThrottle,
    outputs: BatteryOutputs,
    logged_missing: bool,
}

impl BankTask {
    /// A bank without members so far.
    pub(in crate::service) fn new(
        settings: Settings,
        connection: &'static str,
        state_folder: &Path,
        registry: BatteryRegistry,
    ) -> Self {
        let mut file = StateFile::new(state_folder, &format!("bank-{}", settings.bank.name));
        let mut state: BankState = file.load().unwrap_or_else(|error| {
            log::warn!("{error}");
            BankState::default()
        });
        state.custom_name = state.custom_name.as_deref().map(printable_name);
        let config = bank::Config::from(&settings);
        let leave = config.leave;
        let bank = Bank::new(config, state.history.clone());
        Self {
            outputs: BatteryOutputs::new(settings.can.clone(), settings.rs485.clone(), settings.ports.clone(), registry),
            settings,
            leave,
            connection,
            bank,
            file,
            state,
            throttle: PublishThrottle::default(),
            logged_missing: false,
        }
    }

    /// The end of its service name.
    pub(in crate::service) fn name(&self) -> &str {
        &self.settings.bank.name
    }

    /// DeviceInstance of its service, if known.
    pub(super) fn instance(&self) -> u16 {
        self.state.instance.unwrap_or(INSTANCE)
    }

    /// When to call [`step`](Self::step) at the latest; `None` before it was shown.
    pub(super) fn due(&self) -> Option<Moment> {
        self.throttle.next()
    }

    /// Sets how far the switching of packs is, to be shown from the next step on.
    pub(super) fn show_switching(&mut self, switching: Option<PackSwitch>) {
        self.bank.show_switching(switching);
    }

    /// Each member's share of the present limits.
    pub(super) fn shares(&self) -> &[MemberShare] {
        self.bank.shares()
    }

    /// Recomputes the bank; true if the result is published.
    pub(super) fn step(&mut self, members: &[Member], now: Now) -> bool {
        let snapshot = self.bank.step(members, now);
        for notice in self.bank.take_notices() {
            log::info!("bank {}: {notice}", self.settings.bank.name);
        }
        self.warn_of_missing();
        if !self.throttle.is_due(&snapshot, now.at) {
            return false;
        }
        self.publish(snapshot, now.at);
        self.save_state(false);
        true
    }

    /// Says once which named members have not come since the start.
    fn warn_of_missing(&mut self) {
        let missing: Vec<&str> = self.bank.missing_since_start().collect();
        if !missing.is_empty() && !std::mem::replace(&mut self.logged_missing, true) {
            log::warn!(
                "bank {}: nothing was heard of {} since the start, so the others are charged to float voltage only. Check its cable \
                 and BMS, or take it out of the configuration if it is not there any more",
                self.settings.bank.name,
                missing.join(", ")
            );
        }
    }

    fn publish(&mut self, snapshot: Snapshot, now: Moment) {
        let info = self.info();
        self.outputs.publish(snapshot, true, info, now);
    }

    /// The bank's constant facts, if the outputs need them.
    fn info(&self) -> Option<BatteryInfo> {
        self.outputs.need_info().then(|| BatteryInfo {
            id: DeviceId::new(&format!("bank_{}", self.name())).to_string(),
            custom_name: self.state.custom_name.clone().unwrap_or_default(),
            service: Some(bank_service(self.name())),
            connection: self.connection.to_owned(),
            product: PRODUCT.to_owned(),
            instance: self.state.instance,
            bank: None,
            control: self.settings.control,
            ..BatteryInfo::default()
        })
    }

    /// As it is named in the log.
    fn label(&self) -> String {
        format!("bank {}", self.name())
    }

    /// Publishes it on the bus and to an inverter, once it has data.
    pub(super) fn serve(
        &mut self,
        bus: &Bus,
        event_sender: &mpsc::Sender<(EventSource, ServiceEvent)>,
    ) -> Option<watch::Receiver<Arc<Snapshot>>> {
        let snapshots = self.outputs.startable()?;
        let limits = if self.settings.control { LimitScope::Installation } else { LimitScope::ObserveOnly };
        self.outputs.start_inverter_outputs(&self.label(), limits, snapshots.clone());
        self.outputs.start_service(self.battery(), snapshots.clone(), bus, (EventSource::Bank, event_sender));
        Some(snapshots)
    }

    fn battery(&self) -> dbus::ServiceConfig {
        let name = &self.settings.bank.name;
        dbus::ServiceConfig {
            gx_settings: false,
            name: bank_service(name),
            device: DeviceId::new(&format!("bank_{name}")),
            remembered: Some(self.instance()),
            takeover: None,
            handle: None,
            inverters: self.outputs.inverter_reporters(),
            context: Context {
                process_name: env!("CARGO_PKG_NAME").to_owned(),
                process_version: env!("CARGO_PKG_VERSION").to_owned(),
                connection: self.connection.to_owned(),
                product_name: PRODUCT.to_owned(),
                serial: Some(format!("bank_{name}")),
                custom_name: self.state.custom_name.clone().unwrap_or_default(),
                control: self.settings.control,
                is_bank: true,
                ..Context::default()
            },
        }
    }

    /// Handles an event of the service; the caller handles its end.
    pub(in crate::service) fn on_event(&mut self, event: dbus::BatteryServiceEvent) {
        match event {
            dbus::BatteryServiceEvent::Registered(instance) => self.state.instance = Some(instance),
            dbus::BatteryServiceEvent::CustomName(name) => self.state.custom_name = Some(name),
            // A bank has no GX settings.
            dbus::BatteryServiceEvent::GxSettings(_) | dbus::BatteryServiceEvent::Counters(_) => {}
            dbus::BatteryServiceEvent::ClearHistory => {
                log::info!("bank: history cleared by a D-Bus request");
                self.bank.clear_history();
            }
        }
        self.save_state(true);
    }

    /// The bus with the members is lost: ends the service, and sends limits of 0 to an inverter.
    pub(super) fn lose_all(&mut self, now: Now) {
        self.outputs.abort_service();
        self.throttle = PublishThrottle::default();
        if self.outputs.snapshot().is_some() {
            let nobody = self.bank.step(&[], now);
            self.publish(nobody, now.at);
        }
    }

    /// Whether the bank was stopped a moment ago with members that have not returned and may still do so: after an update or
    /// `svc -t` all of them restart with it. Publishing the limits of the first one would let those of the others rise by ramp.
    pub(super) fn awaits_members(&self, is_fresh: impl Fn(&str) -> bool, now: Now) -> bool {
        let Some(stopped) = &self.state.stopped else { return false };
        let ago = now.unix.and_then(|unix| unix.checked_sub(stopped.at)).map(Duration::from_secs);
        ago.is_some_and(|ago| ago < self.leave) && !stopped.members.iter().all(|name| is_fresh(name))
    }

    /// Sets the last values for the bus and the inverter; see [`Bank::stop`].
    pub(in crate::service) fn stop(&mut self, why: &'static str, now: Now) {
        if self.outputs.snapshot().is_some() {
            self.state.stopped = now.unix.map(|at| Stopped { at, members: self.bank.counted().cloned().collect() });
            let last = self.bank.stop(why, now);
            let info = self.info();
            self.outputs.stop(last, info, now.at);
        }
    }

    /// Waits until the inverter has them and the service has left the bus.
    pub(in crate::service) async fn finished(&mut self) {
        self.outputs.finished(&self.label()).await;
    }

    /// Saves the state if it is due.
    pub(in crate::service) fn save_state(&mut self, at_once: bool) {
        self.state.history = self.bank.history().clone();
        let result =
            if at_once { self.file.save(&self.state, now().at) } else { self.file.save_if_due(&self.state, None, now().at) };
        if let Err(error) = result {
            log::warn!("{error}");
        }
    }
}
