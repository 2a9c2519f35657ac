//! Source of the power of a partner inverter's battery: a value on D-Bus, an MQTT topic, or a GoodWe inverter; see [`crate::battery::partner`].
//!
//! It is also a device of the house with the id [`ID`], unless it is one already.

use super::bus_value::{Source, follow};
use super::goodwe;
use crate::base::runtime::now;
use crate::base::units::{Amps, Watts};
use crate::battery::partner::PartnerValue;
use crate::config::Settings;
use crate::dbus::BusAddress;
use crate::model::{DeviceInfo, DeviceKind, quantity};
use crate::output::devices::{DeviceHandle, DeviceRegistry};
use crate::output::mqtt;
use std::time::Duration;
use tokio::sync::mpsc;

/// The id of the device that shows the power.
const ID: &str = "partner";
/// Older values are unknown.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Starts the configured source, which is also shown in `devices`; and the reading of a GoodWe inverter, if it is the source or
/// `is_shown`: where another process shows it, it is not read twice without need.
pub(super) fn listen(
    settings: &Settings,
    bus: &BusAddress,
    devices: &DeviceRegistry,
    is_shown: bool,
) -> mpsc::Receiver<PartnerValue> {
    let (sender, received) = mpsc::channel(4);
    if let Some(address) = settings.goodwe.as_ref().filter(|_| is_shown || settings.partner.goodwe) {
        goodwe::start(address, devices, settings.partner.goodwe.then(|| sender.clone()));
    }
    let connection = if let Some(place) = &settings.partner.dbus_power {
        let is_current = place.path.ends_with("Current");
        let source = Source {
            place: place.clone(),
            never: None,
            purpose: "partner inverter",
            absence: Some(("nothing is held for the partner inverter", "partner.dbus_power")),
        };
        tokio::spawn(follow(bus.clone(), source, sender, move |value| match is_current {
            true => PartnerValue::Current(Amps::new(value)),
            false => PartnerValue::Power(Watts::new(value)),
        }));
        format!("D-Bus {}{}", place.service, place.path)
    } else if let Some(source) = settings.partner.source() {
        let connection = format!("MQTT {}", source.topic);
        tokio::spawn(mqtt::listen(settings.mqtt.clone(), source, mqtt::PARTNER, sender, PartnerValue::Power));
        connection
    } else {
        return received;
    };
    let (forward, forwarded) = mpsc::channel(4);
    let info = DeviceInfo {
        id: ID.to_owned(),
        kind: DeviceKind::Inverter,
        name: "Partner inverter".to_owned(),
        connection,
        timeout: TIMEOUT,
    };
    tokio::spawn(show(received, devices.add(info), forward));
    forwarded
}

/// Shows the values, and passes them on until the receiver is gone.
async fn show(mut received: mpsc::Receiver<PartnerValue>, device: DeviceHandle, forward: mpsc::Sender<PartnerValue>) {
    loop {
        let value = tokio::select! {
            value = received.recv() => match value {
                Some(value) => value,
                None => return,
            },
            () = forward.closed() => return,
        };
        let shown = match value {
            PartnerValue::Power(watts) => (&quantity::BATTERY_POWER, watts.rounded(1).get().into()),
            PartnerValue::Current(amps) => (&quantity::BATTERY_CURRENT, amps.rounded(2).get().into()),
        };
        device.publish(vec![shown], now().at);
        // If the loop is busy, this value is dropped.
        let _ = forward.try_send(value);
    }
}
