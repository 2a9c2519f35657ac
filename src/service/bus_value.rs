//! Follows a value of another service on D-Bus: read once a second, for the oscillation guard and the external sensors.

use crate::base::episode::Episode;
use crate::base::runtime::{self, now};
use crate::config::DbusValue;
use crate::dbus::{BusAddress, BusReader, BusValue};
use std::time::Duration;
use tokio::sync::mpsc;

/// Interval of values, that of a meter, because the oscillation guard counts values.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// Retry interval for the bus and for a missing service.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// A service missing for less than this is not logged: it may start later than the driver.
const WARN_AFTER: Duration = Duration::from_secs(30);

/// The value to follow.
pub(super) struct Source {
    /// Service and path.
    pub(super) place: DbusValue,
    /// A service that is never read, although its name matches: the battery's own.
    pub(super) never: Option<String>,
    /// What the value is for, in words for the log.
    pub(super) purpose: &'static str,
    /// What its absence means, and the key to check, for the log; `None` if the absence is logged elsewhere.
    pub(super) absence: Option<(&'static str, &'static str)>,
}

/// Reads `source` periodically and sends what `message` makes of it, until the receiver is gone. Waits for a missing bus or service.
pub(super) async fn follow<T>(bus: BusAddress, source: Source, sender: mpsc::Sender<T>, message: impl Fn(f64) -> T) {
    let mut following = Following { source, absence: Episode::begun(now().at) };
    while !sender.is_closed() {
        if let Ok(reader) = BusReader::connect(&bus).await {
            read_on(&reader, &mut following, &sender, &message).await;
        }
        following.failed();
        pause(RETRY_INTERVAL, &sender).await;
    }
}

/// Reads until the bus is lost.
async fn read_on<T>(reader: &BusReader, following: &mut Following, sender: &mpsc::Sender<T>, message: &impl Fn(f64) -> T) {
    while !sender.is_closed() {
        let Source { place, never, .. } = &following.source;
        let Some(services) = reader.services(&place.service).await else { return };
        let Some(service) = services.into_iter().find(|service| Some(service) != never.as_ref()) else {
            following.failed();
            pause(RETRY_INTERVAL, sender).await;
            continue;
        };
        while let Some(BusValue::Number(value)) = reader.read(&service, &following.source.place.path).await {
            following.succeeded(&service);
            // If the loop is busy, this value is dropped.
            let _ = sender.try_send(message(value));
            pause(READ_INTERVAL, sender).await;
            if sender.is_closed() {
                return;
            }
        }
        following.failed();
        pause(READ_INTERVAL, sender).await;
    }
}

async fn pause<T>(time: Duration, sender: &mpsc::Sender<T>) {
    tokio::select! {
        () = runtime::sleep_until(now().at.after(time)) => {}
        () = sender.closed() => {}
    }
}

/// A value that is followed, and the present time without it.
struct Following {
    source: Source,
    absence: Episode,
}

impl Following {
    fn succeeded(&mut self, service: &str) {
        if self.absence.ended(now().at).is_some() {
            log::info!("{}: reading {service}{}", self.source.purpose, self.source.place.path);
        }
    }

    fn failed(&mut self) {
        let now = now().at;
        self.absence.failed(now);
        let Some((consequence, key)) = self.source.absence else { return };
        if self.absence.lasted(now) >= WARN_AFTER && self.absence.is_news(()) {
            let DbusValue { service, path } = &self.source.place;
            log::warn!("no value at {service}{path} on D-Bus: {consequence}; check `{key}`");
        }
    }
}
