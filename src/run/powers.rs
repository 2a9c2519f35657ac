//! Where the oscillation guard hears of the power at the grid connection: an SMA energy meter, a value on D-Bus, or a
//! topic of an MQTT broker.
//!
//! Every source is a task that passes a value a second on; another one needs a clone of the sender and nothing else.

use crate::config::{DbusPower, Settings};
use crate::meter;
use crate::runtime::{self, now};
use crate::sink::dbus::{BusAddress, BusReader, Read};
use crate::sink::mqtt;
use crate::units::{Moment, Watts};
use std::time::Duration;
use tokio::sync::mpsc;

/// The guard counts values, so that they come at the rhythm of a meter.
const EVERY: Duration = Duration::from_secs(1);
/// Between two tries to reach the bus, or to find a service that is not there.
const RETRY: Duration = Duration::from_secs(5);
/// A service that starts later than we do is no news.
const MISSED_AFTER: Duration = Duration::from_secs(30);

/// Starts what is set; positive is from the grid.
pub(super) fn listen(settings: &Settings, bus: &BusAddress) -> mpsc::Receiver<Watts> {
    let (tell, powers) = mpsc::channel(4);
    if settings.sma_meter {
        tokio::spawn(meter::listen(settings.sma_meter_serial, tell.clone()));
    }
    if let Some(source) = settings.grid_topic.source() {
        // Values of two sources would be taken for one that swings.
        match &settings.dbus_power {
            Some(_) => log::warn!(
                "`oscillation.mqtt_topic` is passed over, because `oscillation.dbus_power` is set, too; take one of them out"
            ),
            None => _ = tokio::spawn(mqtt::listen(settings.mqtt.clone(), source, tell.clone())),
        }
    }
    if let Some(source) = &settings.dbus_power {
        tokio::spawn(follow(bus.clone(), source.clone(), tell));
    }
    powers
}

/// Reads a value on D-Bus over and over, until nobody wants it. Whatever is not there is waited for.
async fn follow(bus: BusAddress, source: DbusPower, tell: mpsc::Sender<Watts>) {
    let mut episode = Episode { source, since: now().at, well: false, said: false };
    while !tell.is_closed() {
        if let Ok(reader) = BusReader::connect(&bus).await {
            read_on(&reader, &mut episode, &tell).await;
        }
        episode.failed();
        pause(RETRY, &tell).await;
    }
}

/// Reads until the bus is gone.
async fn read_on(reader: &BusReader, episode: &mut Episode, tell: &mpsc::Sender<Watts>) {
    while !tell.is_closed() {
        let Some(services) = reader.services(&episode.source.service).await else { return };
        let Some(service) = services.into_iter().next() else {
            episode.failed();
            pause(RETRY, tell).await;
            continue;
        };
        while let Some(Read::Number(watts)) = reader.read(&service, &episode.source.path).await {
            episode.works(&service);
            // A loop that is busy gets the next one.
            let _ = tell.try_send(Watts::new(watts));
            pause(EVERY, tell).await;
            if tell.is_closed() {
                return;
            }
        }
        episode.failed();
        pause(EVERY, tell).await;
    }
}

async fn pause(time: Duration, tell: &mpsc::Sender<Watts>) {
    tokio::select! {
        () = runtime::sleep_until(now().at.after(time)) => {}
        () = tell.closed() => {}
    }
}

/// What has been said of a source, once per episode.
struct Episode {
    source: DbusPower,
    since: Moment,
    well: bool,
    said: bool,
}

impl Episode {
    fn works(&mut self, service: &str) {
        if !std::mem::replace(&mut self.well, true) {
            log::info!("the oscillation guard reads {service}{}", self.source.path);
        }
        self.said = false;
    }

    fn failed(&mut self) {
        if std::mem::replace(&mut self.well, false) {
            self.since = now().at;
        }
        if now().at.since(self.since) >= MISSED_AFTER && !std::mem::replace(&mut self.said, true) {
            let DbusPower { service, path } = &self.source;
            log::warn!("no value at {service}{path} on D-Bus: the oscillation guard does not work; check `oscillation.dbus_power`");
        }
    }
}
