//! A battery's service over time: on the bus as long as there is a bus, and there again when the bus is.

use crate::model::Snapshot;
use crate::runtime;
use crate::sink::dbus::{self, BusAddress, DbusError, Settings as BusSettings};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Waits between two tries to reach a bus that is not required.
const RETRY: Duration = Duration::from_secs(5);

/// What a seat's service tells the loop.
#[derive(Debug)]
pub(super) enum SeatEvent {
    /// A word from the service.
    Dbus(dbus::Event),
    /// The service ended and must not.
    Ended(DbusError),
}

/// Where batteries are served.
#[derive(Debug, Clone)]
pub(super) struct Bus {
    pub(super) address: BusAddress,
    /// Ends the driver when it is absent or lost.
    pub(super) required: bool,
    /// The way to the settings service, once connected.
    pub(super) settings: Option<BusSettings>,
}

/// Serves until the battery is stopped; a bus that is not required is tried again for ever.
pub(super) async fn keep_serving(
    mut bus: Bus,
    mut service: dbus::Battery,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    number: usize,
    tell: mpsc::Sender<(usize, SeatEvent)>,
) {
    let (events, mut heard) = mpsc::channel(8);
    let mut said = false;
    loop {
        let connected = match bus.settings.take() {
            Some(settings) => Ok(settings),
            None => tokio::select! {
                connected = BusSettings::connect(&bus.address) => connected,
                () = stopped(&snapshots) => return,
            },
        };
        let ended = match &connected {
            Err(_) => connected.map(drop),
            Ok(settings) => {
                let serving = dbus::serve(&bus.address, settings, service.clone(), snapshots.clone(), events.clone());
                tokio::select! {
                    ended = serving => ended,
                    () = pass_on(&mut heard, &mut service, &mut said, number, &tell) => return,
                }
            }
        };
        match ended {
            Ok(()) => return,
            Err(error) if bus.required => {
                let _ = tell.send((number, SeatEvent::Ended(error))).await;
                return;
            }
            Err(error) if !said => {
                said = true;
                log::warn!("{error}; the driver goes on without and tries again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = runtime::sleep_until(runtime::now().at.after(RETRY)) => {}
            () = stopped(&snapshots) => return,
        }
    }
}

/// Hands on what the service says, and keeps in `service` what must be there again after the bus was away.
async fn pass_on(
    heard: &mut mpsc::Receiver<dbus::Event>,
    service: &mut dbus::Battery,
    said: &mut bool,
    number: usize,
    tell: &mpsc::Sender<(usize, SeatEvent)>,
) {
    while let Some(event) = heard.recv().await {
        match &event {
            dbus::Event::Registered(instance) => {
                service.remembered = Some(*instance);
                // Trouble from here on is another episode.
                *said = false;
            }
            dbus::Event::CustomName(name) => service.context.custom_name.clone_from(name),
            dbus::Event::ClearHistory | dbus::Event::Live(_) | dbus::Event::Counters(_) => {}
        }
        // The loop outlives its services; when it is gone, so are they.
        let _ = tell.send((number, SeatEvent::Dbus(event))).await;
    }
}

/// Waits until the battery is stopped.
async fn stopped(snapshots: &watch::Receiver<Arc<Snapshot>>) {
    // An error says that the sender is gone, which is what is waited for.
    let _ = snapshots.clone().wait_for(|_| false).await;
}
