//! Sources of the power at the grid connection for the oscillation guard: an SMA energy meter, a value on D-Bus, or an MQTT topic.
//!
//! Each source is a task that sends one value per second; another source only needs a clone of the sender.

pub(crate) mod sma_meter;

use super::bus_value::{Source, follow};
use crate::base::units::Watts;
use crate::config::Settings;
use crate::dbus::BusAddress;
use crate::output::mqtt;
use tokio::sync::mpsc;

/// Starts the configured source; positive is from the grid.
pub(super) fn listen(settings: &Settings, bus: &BusAddress) -> mpsc::Receiver<Watts> {
    let (power_sender, power_receiver) = mpsc::channel(4);
    if settings.sma_meter {
        tokio::spawn(sma_meter::listen(settings.sma_meter_serial, power_sender.clone()));
    }
    if let Some(source) = settings.grid_topic.source() {
        // Alternating values of two sources would look like an oscillation.
        match &settings.dbus_power {
            Some(_) => {
                log::warn!("`oscillation.mqtt_topic` is ignored because `oscillation.dbus_power` is also set; remove one of them")
            }
            None => _ = tokio::spawn(mqtt::listen(settings.mqtt.clone(), source, power_sender.clone())),
        }
    }
    if let Some(source) = &settings.dbus_power {
        let source = Source {
            place: source.clone(),
            never: None,
            purpose: "oscillation guard",
            absence: Some(("the oscillation guard is inactive", "oscillation.dbus_power")),
        };
        tokio::spawn(follow(bus.clone(), source, power_sender, Watts::new));
    }
    power_receiver
}
