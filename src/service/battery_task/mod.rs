//! One battery in `run`: its state over time, with its names, settings, log lines, outputs and saved state.

mod battery_log;
mod health_file;
mod membership;
mod names;
mod saved_state;
mod settings;

pub(super) use saved_state::{last_hit, save_hit};

use super::battery_commands::{BatteryCommands, BatteryLocation};
use super::battery_outputs::BatteryOutputs;
use super::bus_value::{Source, follow};
use super::dbus_supervisor::{Bus, EventSource, ServiceEvent};
use super::identity;
use super::port_worker::PortCommand;
use crate::bank::Member;
use crate::base::runtime;
use crate::base::time::Now;
use crate::base::units::{Amps, Moment, Watts};
use crate::battery::Battery;
use crate::battery::external::ExternalQuantity;
use crate::battery::guard::FirstReadings;
use crate::battery::partner::PartnerValue;
use crate::config::Config;
use crate::control::{Abilities, CommandHandle, PendingRequest};
use crate::dbus::{self, BatteryServiceEvent, BusAddress, Context, GxSettingValues, Takeover};
use crate::link::PollError;
use crate::model::{Freshness, LinkStats, Outcome, Reading, Snapshot, Switch};
use crate::output::api::BatteryInfo;
use crate::output::registry::BatteryRegistry;
use crate::probe::Found;
use crate::recording::flight_recorder::{Alarmed, Decided, FlightRecorder};
use crate::takeover::matcher::Matcher;
use battery_log::{BatteryLog, describe};
use health_file::HealthFile;
use membership::Membership;
use names::BatteryNames;
use saved_state::SavedState;
use settings::BatterySettings;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A battery on a port.
pub(super) struct BatteryTask {
    names: BatteryNames,
    settings: BatterySettings,
    membership: Membership,
    /// Holds back readings until two of them agree.
    first_readings: FirstReadings,
    battery: Battery,
    saved: SavedState,
    health_file: HealthFile,
    /// Finds the battery in the data that dbus-serialbattery left behind.
    takeover: Takeover,
    line: LinkStats,
    /// When to call [`tick`](Self::tick) if no reading arrives first.
    due: Moment,
    commands: BatteryCommands,
    outputs: BatteryOutputs,
    log: BatteryLog,
    /// The flight recorder of its port, and its number there.
    flight: FlightRecorder,
    number: usize,
}

/// Tick interval before the first reading.
const FIRST_READING_INTERVAL: Duration = Duration::from_secs(60);

impl BatteryTask {
    pub(super) fn new(
        config: &Config,
        port: (&str, &std::sync::mpsc::Sender<PortCommand>, &FlightRecorder),
        (several, number): (bool, usize),
        found: &Found,
        state_folder: &Path,
        registry: BatteryRegistry,
    ) -> Self {
        let (port, port_commands, flight) = port;
        let driver = found.candidate.driver;
        let identity = identity::identify(port, driver, &found.reading, &identity::lock_folder());
        let address = several.then_some(found.reading.address).flatten();
        let mut names = BatteryNames::new(port, address, driver, identity, found.reading.device.model.as_deref());
        let (battery_settings, settings) = BatterySettings::new(config, port, names.id());
        let saved = SavedState::load(state_folder, names.id());
        let (health_file, health) = HealthFile::load(state_folder, names.id(), runtime::now().at);
        let battery_ports = settings.ports.iter().map(String::as_str).chain([port]).map(str::to_owned).collect();
        log::info!("connected: {} on {} ({})", describe(&found.reading, driver.label), names.label(), names.id());
        let commands = BatteryCommands::new(
            names.label(),
            settings.commands,
            Abilities::of(found.candidate.protocol().as_ref(), &found.reading),
            port_commands.clone(),
            &BatteryLocation { port, number, address },
            (state_folder, names.id()),
            runtime::now(),
        );
        let membership = Membership::new(&settings);
        flight.configure(number, driver, settings.limits_toml());
        names.rename(settings.name.clone().or_else(|| saved.custom_name()).unwrap_or_default());
        Self {
            log: BatteryLog::new(names.label(), !membership.has_control()),
            names,
            settings: battery_settings,
            membership,
            first_readings: FirstReadings::default(),
            battery: Battery::new(settings.charge, saved.battery().clone()).with_soc(settings.soc).with_health(health),
            saved,
            health_file,
            takeover: Takeover { matcher: Matcher::new(port, several, &found.reading), folder: state_folder.to_owned() },
            line: LinkStats::default(),
            due: runtime::now().at,
            commands,
            flight: flight.clone(),
            number,
            outputs: BatteryOutputs::new(settings.can, settings.rs485, battery_ports, registry),
        }
    }

    /// Follows the values of other devices that are configured for the battery at `index`, and sends them to `values`.
    pub(super) fn follow_external(&self, index: usize, bus: &BusAddress, values: &mpsc::Sender<(usize, ExternalQuantity, f64)>) {
        let (current, soc) = self.settings.external();
        for (place, quantity) in [(current, ExternalQuantity::Current), (soc, ExternalQuantity::Soc)] {
            let Some(place) = place else { continue };
            let purpose = match quantity {
                ExternalQuantity::Current => "external current",
                ExternalQuantity::Soc => "external SoC",
            };
            let never = Some(self.names.service().to_owned());
            let source = Source { place, never, purpose, absence: None };
            tokio::spawn(follow(bus.clone(), source, values.clone(), move |value| (index, quantity, value)));
        }
    }

    /// Handles a value of another device.
    pub(super) fn external_value(&mut self, quantity: ExternalQuantity, value: f64, now: Now) {
        self.battery.external_value(quantity, value, now.at);
    }

    /// Handles a reading.
    pub(super) fn read(&mut self, reading: Reading, line: LinkStats, now: Now) {
        self.line += line;
        self.log.answered(now.at);
        if !self.first_readings.accept(&reading, now.at) {
            return;
        }
        self.commands.observe(&reading, now);
        self.commands.apply(&mut self.battery, now);
        let snapshot = self.battery.read(reading, self.line, now);
        self.record(&snapshot, true, now);
        self.publish(snapshot, now);
    }

    /// Records a failed poll; staleness follows from the age of the data.
    pub(super) fn missed(&mut self, error: &PollError, line: LinkStats, now: Now) {
        self.line += line;
        self.log.missed(error, now.at);
    }

    /// Records a port failure, which was already logged once for the port.
    pub(super) fn port_failed(&mut self, now: Now) {
        self.log.port_failed(now.at);
        self.flight.port_failed(self.number, now.at);
        self.commands.broken_off(now);
    }

    /// Two readings have agreed, so the battery has values.
    pub(super) fn was_read(&self, now: Moment) -> bool {
        self.battery.age(now).is_some()
    }

    /// When to call [`tick`](Self::tick) if no reading arrives first.
    pub(super) fn due(&self) -> Moment {
        self.due
    }

    /// Handles a value of the power at the grid connection.
    pub(super) fn grid_power(&mut self, power: Watts, now: Now) {
        self.battery.grid_power(power, now.at);
    }

    /// Handles a value of a partner inverter's battery.
    pub(super) fn partner_value(&mut self, value: PartnerValue, now: Now) {
        self.battery.partner_value(value, now.at);
    }

    /// BMS family.
    pub(super) fn driver(&self) -> &'static str {
        self.names.driver().name
    }

    /// Renames the service to the first free number if a battery that was on the port earlier still has the name.
    pub(super) fn find_free_name(&mut self, port: &str, others: &[BatteryTask]) {
        self.names.find_free_service(port, |name| others.iter().any(|other| other.names.service() == name));
    }

    /// Advances time without a reading.
    pub(super) fn tick(&mut self, now: Now) {
        if !self.was_read(now.at) {
            self.due = now.at.after(FIRST_READING_INTERVAL);
            return;
        }
        self.commands.apply(&mut self.battery, now);
        let snapshot = self.battery.tick(self.line, now);
        self.record(&snapshot, false, now);
        self.publish(snapshot, now);
    }

    /// Handles an owner's request.
    pub(super) fn submit(&mut self, pending: PendingRequest, now: Now) {
        self.commands.submit(pending, &mut self.battery, now);
        // A temporary limit takes effect at once.
        self.tick(now);
    }

    /// The port reports the outcome of a command.
    pub(super) fn command_done(&mut self, outcome: Outcome, now: Now) {
        self.commands.command_done(outcome, now);
    }

    /// The port has cleaned up after an interrupted command.
    pub(super) fn cleaned_up(&mut self, now: Now) {
        self.commands.cleaned_up(now);
    }

    /// Tells the flight recorder what charge control has decided.
    fn record(&self, snapshot: &Snapshot, on_reading: bool, now: Now) {
        let decided = Decided {
            at: now.at,
            on_reading,
            limits: &snapshot.limits,
            owner: self.battery.owner_limits().map(|limit| limit.map(Amps::get)),
            alarmed: Alarmed { alarms: &snapshot.alarms, cable: snapshot.cable },
        };
        self.flight.decided(self.number, &decided, || self.battery.persisted_state(), runtime::now().at);
    }

    fn publish(&mut self, mut snapshot: Snapshot, now: Now) {
        self.commands.complete(&mut snapshot, now);
        self.due = self.battery.next_tick(now.at);
        for notice in self.battery.take_notices() {
            log::info!("{}: {notice}", self.names.label());
        }
        self.log.freshness(snapshot.freshness);
        self.log.limits(&snapshot.limits, now.at);
        self.save_state(now, false);
        let presentable = snapshot.freshness == Freshness::Fresh && self.battery.is_presentable(now.at);
        let info = self.info();
        if !self.outputs.publish(snapshot, presentable, info, now.at) {
            self.log.incomplete();
        }
    }

    /// The battery's constant facts, if the outputs need them.
    fn info(&self) -> Option<BatteryInfo> {
        let info = || self.names.info(self.saved.instance(), &self.membership, self.commands.offers());
        self.outputs.need_info().then(info)
    }

    /// The battery as a member of the bank; `None` if it is not one.
    pub(super) fn as_member(&self) -> Option<Member> {
        self.membership.bank()?;
        let member = self.outputs.snapshot().map(|snapshot| Member::local(self.names.id(), snapshot));
        let unknown = Member { snapshot: None, ..Member::default() };
        let (name, label) = (self.names.id().to_owned(), self.names.shown().to_owned());
        Some(Member { name, label, ..member.unwrap_or(unknown) })
    }

    /// Whether it is the member of the bank with this name.
    pub(super) fn is_member(&self, name: &str) -> bool {
        self.membership.bank().is_some() && self.names.id() == name
    }

    /// Whether commands for this switch are enabled and known to its BMS.
    pub(super) fn obeys(&self, switch: Switch) -> bool {
        self.commands.offers().has(switch)
    }

    /// Starts the battery's service as soon as there is a complete reading to show.
    pub(super) fn serve(
        &mut self,
        index: usize,
        bus: &Bus,
        event_sender: &mpsc::Sender<(EventSource, ServiceEvent)>,
        requests: &mpsc::Sender<(usize, PendingRequest)>,
        shown: &mut impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
    ) {
        let Some(snapshots) = self.outputs.startable() else { return };
        shown(self.names.label(), snapshots.clone());
        self.outputs.start_inverter_outputs(self.names.label(), self.membership.scope(), snapshots.clone());
        let service = self.service_on_bus(CommandHandle::new(index, requests.clone()));
        self.outputs.start_service(service, snapshots, bus, (EventSource::Battery(index), event_sender));
    }

    fn service_on_bus(&self, handle: CommandHandle) -> dbus::ServiceConfig {
        let reading = self.battery.reading();
        let context = Context {
            device_instance: self.saved.instance().unwrap_or(1),
            control: self.membership.serves_limits(),
            cells: reading.cells.len(),
            bank: self.membership.bank().map(str::to_owned),
            member_of: self.membership.watched_bank().map(str::to_owned),
            commands: self.commands.offers(),
            ..self.names.context(reading)
        };
        dbus::ServiceConfig {
            gx_settings: true,
            name: self.names.service().to_owned(),
            device: self.names.device(),
            remembered: self.saved.instance(),
            takeover: Some(self.takeover.clone()),
            handle: Some(handle),
            inverters: self.outputs.inverter_reporters(),
            context: self.settings.complete(context),
        }
    }

    /// Handles an event of the battery's D-Bus service.
    pub(super) fn on_event(&mut self, event: BatteryServiceEvent, now: Now) {
        match event {
            BatteryServiceEvent::Registered(instance) => self.saved.set_instance(instance),
            BatteryServiceEvent::CustomName(name) => {
                self.names.rename(name.clone());
                self.saved.set_custom_name(name);
            }
            BatteryServiceEvent::ClearHistory => {
                log::info!("{}: history cleared by a D-Bus request", self.names.label());
                self.battery.clear_history();
            }
            BatteryServiceEvent::Counters(counters) => counters.add_to(self.battery.history_mut()),
            BatteryServiceEvent::GxSettings(values) => return self.apply_gx_settings(values, now),
        }
        self.save_state(now, true);
    }

    /// Applies the settings that the owner changed on the GX.
    fn apply_gx_settings(&mut self, values: GxSettingValues, now: Now) {
        if let Some((settings, differing)) = self.settings.change(values, &self.names) {
            self.commands.show_gx_settings(differing);
            self.flight.configure(self.number, self.names.driver(), settings.limits_toml());
            self.battery.reconfigure(settings.charge, settings.soc);
            self.tick(now);
        }
    }

    /// Saves the state if it is due.
    pub(super) fn save_state(&mut self, now: Now, at_once: bool) {
        self.saved.save(&self.battery, at_once, now.at);
        self.health_file.save(self.battery.health(), at_once, now.at);
    }

    /// Sets limits of 0 and unknown values, the last that the bus receives.
    pub(super) fn stop(&mut self, why: &'static str, now: Now) {
        let last = self.battery.stop(why, now);
        let info = self.info();
        self.outputs.stop(last, info, now.at);
    }

    /// Waits until the service has left the bus and the inverter has received the last limits.
    pub(super) async fn finished(&mut self) {
        self.outputs.finished(self.names.label()).await;
    }
}
