//! Outputs of a battery or bank: D-Bus, CAN, RS485, and the registry of this process.

use crate::base::units::Moment;
use crate::dbus;
use crate::model::Snapshot;
use crate::output::api::{BatteryInfo, ReadAt, ShownHealth, View};
use crate::output::can;
use crate::output::inverters::Reporters;
use crate::output::registry::BatteryRegistry;
use crate::output::rs485;
use crate::service::can_output::{CanOutput, LimitScope};
use crate::service::dbus_supervisor::{Bus, EventSource, ServiceEvent, supervise};
use crate::service::rs485_output::Rs485Output;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The outputs of one battery or bank. Its D-Bus service starts after the first presentable snapshot.
pub(super) struct BatteryOutputs {
    snapshots: Option<watch::Sender<Arc<Snapshot>>>,
    service: Option<JoinHandle<()>>,
    can: can::Config,
    can_output: Option<CanOutput>,
    rs485: rs485::Config,
    /// Ports on which batteries are read, so that none of them is opened for an inverter.
    battery_ports: Vec<String>,
    rs485_output: Option<Rs485Output>,
    registry: BatteryRegistry,
    read_at: ReadAt,
    shown_health: ShownHealth,
}

impl BatteryOutputs {
    pub(super) fn new(can: can::Config, rs485: rs485::Config, battery_ports: Vec<String>, registry: BatteryRegistry) -> Self {
        Self {
            snapshots: None,
            service: None,
            can,
            can_output: None,
            rs485,
            battery_ports,
            rs485_output: None,
            registry,
            read_at: ReadAt::default(),
            shown_health: ShownHealth::default(),
        }
    }

    /// Whether [`publish`](Self::publish) needs the battery's constant data: the registry has a subscriber.
    pub(super) fn need_info(&self) -> bool {
        self.registry.is_watched()
    }

    /// Publishes a snapshot, the first one only if it is `presentable`. Returns false while nothing has been published.
    pub(super) fn publish(&mut self, snapshot: Snapshot, presentable: bool, info: Option<BatteryInfo>, now: Moment) -> bool {
        self.read_at.observe(&snapshot, now);
        if self.snapshots.is_none() && !presentable {
            return false;
        }
        self.publish_view(&snapshot, info, now);
        match &self.snapshots {
            Some(snapshots) => drop(snapshots.send_replace(Arc::new(snapshot))),
            None => self.snapshots = Some(watch::Sender::new(Arc::new(snapshot))),
        }
        true
    }

    /// Publishes the last snapshot, which ends the outputs.
    pub(super) fn stop(&mut self, last: Snapshot, info: Option<BatteryInfo>, now: Moment) {
        self.publish_view(&last, info, now);
        if let Some(snapshots) = self.snapshots.take() {
            snapshots.send_replace(Arc::new(last));
        }
    }

    fn publish_view(&mut self, snapshot: &Snapshot, info: Option<BatteryInfo>, now: Moment) {
        if let Some(info) = info {
            let (age, inverters) = (self.read_at.age(now), self.inverter_reporters().view(now));
            self.registry.publish(View::again(&info, snapshot, age, inverters, &mut self.shown_health));
        }
    }

    /// The snapshot published last.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshots.as_ref().map(|snapshots| snapshots.borrow().clone())
    }

    /// The snapshots, if the D-Bus service is not started yet and can be.
    pub(super) fn startable(&self) -> Option<watch::Receiver<Arc<Snapshot>>> {
        if self.service.is_some() { None } else { self.snapshots.as_ref().map(watch::Sender::subscribe) }
    }

    /// Starts the outputs to inverters that are configured and do not run yet.
    pub(super) fn start_inverter_outputs(&mut self, label: &str, limits: LimitScope, snapshots: watch::Receiver<Arc<Snapshot>>) {
        if self.rs485_output.is_none() {
            let config = (&self.rs485, &self.can);
            self.rs485_output = Rs485Output::start(label, config, limits, self.battery_ports.clone(), snapshots.clone());
        }
        if self.can_output.is_none() {
            self.can_output = CanOutput::start(label, &self.can, limits, snapshots);
        }
    }

    /// States of the outputs to inverters.
    pub(super) fn inverter_reporters(&self) -> Reporters {
        Reporters {
            can: self.can_output.as_ref().map(CanOutput::reporter).cloned(),
            rs485: self.rs485_output.as_ref().map(Rs485Output::reporter).cloned(),
        }
    }

    /// Starts the D-Bus service, and registers its handle for requests from other outputs.
    pub(super) fn start_service(
        &mut self,
        service: dbus::ServiceConfig,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        bus: &Bus,
        (source, event_sender): (EventSource, &mpsc::Sender<(EventSource, ServiceEvent)>),
    ) {
        if let Some(handle) = &service.handle {
            self.registry.register_handle(service.device.to_string(), handle.clone());
        }
        self.service = Some(tokio::spawn(supervise(bus.clone(), service, snapshots, source, event_sender.clone())));
    }

    /// Ends the D-Bus service at once; [`startable`](Self::startable) then has the snapshots for another one.
    pub(super) fn abort_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.abort();
        }
    }

    /// Waits until the service has left the bus and the inverter has received the last limits.
    pub(super) async fn finished(&mut self, label: &str) {
        if let Some(can_output) = &mut self.can_output {
            can_output.finished().await;
        }
        if let Some(rs485_output) = &mut self.rs485_output {
            rs485_output.finished().await;
        }
        if let Some(service) = &mut self.service
            && let Err(error) = service.await
        {
            log::error!("{label}: the D-Bus service failed: {error}; restart the driver, and please report this");
        }
    }
}
