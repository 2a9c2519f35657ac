//! A battery before the others: on D-Bus, to an inverter, and in the house of this process.

use super::Seat;
use crate::battery::Now;
use crate::commands::{Door, Order};
use crate::model::Snapshot;
use crate::run::inverter::{Inverter, Limits};
use crate::run::live;
use crate::run::serving::{Bus, SeatEvent, keep_serving};
use crate::sink::dbus::{self, Context, DeviceId, Inheritance, LiveValues};
use crate::soc;
use crate::units::Moment;
use crate::view::{About, View, bank_id};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

impl Seat {
    /// Lets the other sinks see the battery.
    pub(super) fn tell_house(&self, snapshot: &Snapshot, now: Moment) {
        if self.house.is_watched() {
            let about = About {
                id: DeviceId::new(&self.identity.id).to_string(),
                custom_name: self.custom_name.clone(),
                service: Some(self.service.clone()),
                connection: self.connection.clone(),
                product: format!("{} BMS", self.product),
                instance: self.kept.instance,
                bank: self.member_of.as_deref().map(bank_id),
                control: self.control,
                commands: self.commander.offers(),
            };
            self.house.put(View::new(
                &about,
                snapshot,
                self.read_at.age(now),
                self.inverter.as_ref().map(|inverter| inverter.reporter().view()),
            ));
        }
    }

    /// Starts the battery's service as soon as there is a complete reading to show.
    pub(in crate::run) fn serve(
        &mut self,
        number: usize,
        bus: &Bus,
        tell: &mpsc::Sender<(usize, SeatEvent)>,
        orders: &mpsc::Sender<(usize, Order)>,
        shown: &mut impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
    ) {
        if self.task.is_some() {
            return;
        }
        let Some(snapshots) = &self.snapshots else { return };
        shown(&self.label, snapshots.subscribe());
        let limits = match (self.control, &self.member_of) {
            (false, _) => Limits::Observed,
            (true, Some(_)) => Limits::OfAPart,
            (true, None) => Limits::OfAll,
        };
        self.inverter = Inverter::start(&self.label, &self.can, limits, snapshots.subscribe());
        let door = Door::new(number, orders.clone());
        self.house.open_door(DeviceId::new(&self.identity.id).to_string(), door.clone());
        let (receiver, service) = (snapshots.subscribe(), self.service_on_bus(door));
        self.task = Some(tokio::spawn(keep_serving(bus.clone(), service, receiver, number, tell.clone())));
    }

    fn service_on_bus(&self, door: Door) -> dbus::Battery {
        let reading = self.battery.reading();
        dbus::Battery {
            live: true,
            name: self.service.clone(),
            device: DeviceId::new(&self.identity.id),
            remembered: self.kept.instance,
            inheritance: Some(Inheritance { heir: self.heir.clone(), folder: self.state_folder.clone() }),
            door: Some(door),
            can: self.inverter.as_ref().map(|inverter| inverter.reporter().clone()),
            context: Context {
                process_name: env!("CARGO_PKG_NAME").to_owned(),
                process_version: env!("CARGO_PKG_VERSION").to_owned(),
                connection: self.connection.clone(),
                product_name: format!("{} BMS", self.product),
                manufacturer: Some(self.product.to_owned()),
                family: Some(self.product.to_owned()),
                serial: reading.serial_number.clone().or_else(|| Some(self.identity.id.clone())),
                custom_name: self.custom_name.clone(),
                device_instance: self.kept.instance.unwrap_or(1),
                control: self.control && !(self.bank_is_here && self.member_of.is_some()),
                cells: reading.cells.len(),
                own_soc: self.soc.is_own(),
                counted_soc: self.soc.source == soc::Source::Counted,
                soc_levels: self.soc.levels.clone(),
                member_of: self.member_of.clone().filter(|_| !self.bank_is_here),
                commands: self.commander.offers(),
                ..Context::default()
            },
        }
    }

    /// What the service said.
    pub(in crate::run) fn on_event(&mut self, event: SeatEvent, now: Now) {
        match event {
            SeatEvent::Dbus(dbus::Event::Registered(instance)) => self.kept.instance = Some(instance),
            SeatEvent::Dbus(dbus::Event::CustomName(name)) => {
                self.custom_name.clone_from(&name);
                self.kept.custom_name = Some(name);
            }
            SeatEvent::Dbus(dbus::Event::ClearHistory) => {
                log::info!("{}: history cleared, as asked over D-Bus", self.label);
                self.battery.clear_history();
            }
            SeatEvent::Dbus(dbus::Event::Counters(counters)) => counters.add_to(self.battery.history_mut()),
            SeatEvent::Dbus(dbus::Event::Live(values)) => return self.take_live(values, now),
            SeatEvent::Ended(_) => return,
        }
        self.keep(now, true);
    }

    /// Goes on with what the owner has set on the GX.
    fn take_live(&mut self, values: LiveValues, now: Now) {
        if self.live == values {
            return;
        }
        self.live = values;
        let (file, port) = &self.config;
        let (settings, differing) = live::in_force(file, port, &self.identity.id, &values);
        for setting in &differing {
            let level = if setting.refused.is_none() { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "{}: {}; {}", self.label, setting.text(), setting.remedy());
        }
        if differing.is_empty() {
            log::info!("{}: the settings are those of the configuration", self.label);
        }
        self.commander.show_gx(differing);
        self.soc = settings.soc.clone();
        self.battery.reconfigure(settings.charge.clone(), settings.soc);
        self.tick(now);
    }

    /// Waits until the service has left the bus, and the inverter was told.
    pub(in crate::run) async fn left(&mut self) {
        if let Some(inverter) = &mut self.inverter {
            inverter.left().await;
        }
        if let Some(task) = &mut self.task
            && let Err(error) = task.await
        {
            log::error!("{}: the D-Bus service broke down: {error}; restart the driver, and please report this", self.label);
        }
    }
}

/// `Serial ttyUSB0`, `TCP 10.0.0.5:23`.
pub(super) fn connection(port: &str) -> String {
    match port.strip_prefix("tcp://") {
        Some(server) => format!("TCP {server}"),
        None => format!("Serial {}", port.rsplit('/').next().unwrap_or(port)),
    }
}
