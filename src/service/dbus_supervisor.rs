//! Supervises a battery's D-Bus service: restarts it when a lost bus is back.

use crate::base::episode::Once;
use crate::base::runtime;
use crate::dbus::{self, BusAddress, DbusError, SettingsClient};
use crate::model::Snapshot;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Retry interval for a bus that is not required.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);

/// Whose D-Bus service an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventSource {
    /// A battery of this process, by its index.
    Battery(usize),
    /// The bank.
    Bank,
}

/// Event of a battery's or bank's D-Bus service.
#[derive(Debug)]
pub(super) enum ServiceEvent {
    /// An event of the service.
    Dbus(dbus::BatteryServiceEvent),
    /// The service ended unexpectedly.
    Ended(DbusError),
}

/// The bus to serve batteries on.
#[derive(Debug, Clone)]
pub(super) struct Bus {
    pub(super) address: BusAddress,
    /// The driver exits if the bus is absent or lost.
    pub(super) required: bool,
    /// Connection to the settings service, once connected.
    pub(super) settings: Option<SettingsClient>,
}

/// Serves until the battery is stopped; keeps reconnecting to a bus that is not required.
pub(super) async fn supervise(
    mut bus: Bus,
    mut service: dbus::ServiceConfig,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    source: EventSource,
    event_sender: mpsc::Sender<(EventSource, ServiceEvent)>,
) {
    let (events, mut service_events) = mpsc::channel(8);
    let mut logged = Once::default();
    loop {
        let connected = match bus.settings.take() {
            Some(settings) => Ok(settings),
            None => tokio::select! {
                connected = SettingsClient::connect(&bus.address) => connected,
                () = stopped(&snapshots) => return,
            },
        };
        let ended = match &connected {
            Err(_) => connected.map(drop),
            Ok(settings) => {
                let serving = dbus::serve(&bus.address, settings, service.clone(), snapshots.clone(), events.clone());
                tokio::select! {
                    ended = serving => ended,
                    () = pass_on(&mut service_events, &mut service, &mut logged, source, &event_sender) => return,
                }
            }
        };
        match ended {
            Ok(()) => return,
            Err(error) if bus.required => {
                let _ = event_sender.send((source, ServiceEvent::Ended(error))).await;
                return;
            }
            Err(error) if logged.first() => log::warn!("{error}; running without D-Bus and retrying"),
            Err(_) => {}
        }
        tokio::select! {
            () = runtime::sleep_until(runtime::now().at.after(RECONNECT_INTERVAL)) => {}
            () = stopped(&snapshots) => return,
        }
    }
}

/// Forwards the service's events, and stores in `service` what has to be restored after the bus was lost.
async fn pass_on(
    service_events: &mut mpsc::Receiver<dbus::BatteryServiceEvent>,
    service: &mut dbus::ServiceConfig,
    logged: &mut Once,
    source: EventSource,
    event_sender: &mpsc::Sender<(EventSource, ServiceEvent)>,
) {
    while let Some(event) = service_events.recv().await {
        match &event {
            dbus::BatteryServiceEvent::Registered(instance) => {
                service.remembered = Some(*instance);
                // The next fault is a new episode.
                logged.reset();
            }
            dbus::BatteryServiceEvent::CustomName(name) => service.context.custom_name.clone_from(name),
            dbus::BatteryServiceEvent::ClearHistory
            | dbus::BatteryServiceEvent::GxSettings(_)
            | dbus::BatteryServiceEvent::Counters(_) => {}
        }
        // The loop outlives its services; if it is gone, so are they.
        let _ = event_sender.send((source, ServiceEvent::Dbus(event))).await;
    }
}

/// Waits until the battery is stopped.
async fn stopped(snapshots: &watch::Receiver<Arc<Snapshot>>) {
    // An error means that the sender is gone, which is the event to wait for.
    let _ = snapshots.clone().wait_for(|_| false).await;
}
