//! Sources of the power at the grid connection for all rules that need it: an SMA energy meter, a value on D-Bus, or an MQTT topic.
//!
//! Each source is a task that sends one value per second; another source only needs a clone of the sender. Whatever the source, the
//! power is also a device of the house with the id [`ID`], for dashboard, API, MQTT and metrics.

pub(crate) mod sma_meter;

use super::bus_value::{Source, follow};
use crate::base::runtime::now;
use crate::base::units::Watts;
use crate::config::Settings;
use crate::dbus::BusAddress;
use crate::model::{DeviceInfo, DeviceKind, quantity};
use crate::output::devices::{DeviceHandle, DeviceRegistry};
use crate::output::mqtt;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;

/// The id of the device that shows the power.
const ID: &str = "grid";
/// An older power is unknown.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Number of values of which the mean is shown, as in the JK to Pylontech translator.
const MEAN_OF: usize = 10;

/// Starts the configured source, which is also shown in `devices`; positive is from the grid.
pub(super) fn listen(settings: &Settings, bus: &BusAddress, devices: &DeviceRegistry) -> mpsc::Receiver<Watts> {
    let (power_sender, received) = mpsc::channel(4);
    let connection = if let Some(place) = &settings.grid.dbus_power {
        if settings.grid.topic.topic.is_some() {
            // Alternating values of two sources would look like an oscillation.
            log::warn!("`oscillation.mqtt_topic` is ignored because `oscillation.dbus_power` is also set; remove one of them");
        }
        let source = Source {
            place: place.clone(),
            never: None,
            purpose: "oscillation guard",
            absence: Some(("the oscillation guard is inactive", "oscillation.dbus_power")),
        };
        tokio::spawn(follow(bus.clone(), source, power_sender, Watts::new));
        format!("D-Bus {}{}", place.service, place.path)
    } else if let Some(source) = settings.grid.topic.source() {
        let connection = format!("MQTT {}", source.topic);
        tokio::spawn(mqtt::listen(settings.mqtt.clone(), source, mqtt::GRID, power_sender, |power| power));
        connection
    } else if settings.grid.sma_meter {
        tokio::spawn(sma_meter::listen(settings.grid.sma_meter_serial, power_sender));
        match settings.grid.sma_meter_serial {
            Some(serial) => format!("SMA energy meter {serial}"),
            None => "SMA energy meter".to_owned(),
        }
    } else {
        return received;
    };
    let (forward, forwarded) = mpsc::channel(4);
    let info =
        DeviceInfo { id: ID.to_owned(), kind: DeviceKind::Meter, name: "Grid meter".to_owned(), connection, timeout: TIMEOUT };
    tokio::spawn(show(received, devices.add(info), forward));
    forwarded
}

/// Shows the power, and passes it on until the receiver is gone.
async fn show(mut received: mpsc::Receiver<Watts>, device: DeviceHandle, forward: mpsc::Sender<Watts>) {
    let mut recent = VecDeque::with_capacity(MEAN_OF);
    loop {
        let power = tokio::select! {
            power = received.recv() => match power {
                Some(power) => power,
                None => return,
            },
            () = forward.closed() => return,
        };
        if recent.len() == MEAN_OF {
            recent.pop_front();
        }
        recent.push_back(power.get());
        let mean = recent.iter().sum::<f64>() / recent.len() as f64;
        let values = vec![
            (&quantity::GRID_POWER, power.rounded(1).get().into()),
            (&quantity::GRID_POWER_AVERAGE, Watts::new(mean).rounded(1).get().into()),
        ];
        device.publish(values, now().at);
        // If the loop is busy, this value is dropped.
        let _ = forward.try_send(power);
    }
}
