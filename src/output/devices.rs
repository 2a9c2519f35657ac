//! The registry of the devices of the house beside the batteries, for dashboard, API, MQTT and metrics.
//!
//! ```text
//! source of a device (a task in `service`) ──publish──▶ DeviceRegistry (the newest state of each) ──watch──▶ outputs
//! ```
//! A source needs [`DeviceRegistry::add`] and the [`DeviceHandle`] that it returns; the outputs know no source. Each output asks a
//! device for its values at a time ([`HouseDevice::values`]), so that they become unknown without any message of the source.

use crate::base::natural::natural_order;
use crate::base::units::Moment;
use crate::model::{DeviceInfo, DeviceValue, HouseDevice, Quantity};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::watch;

/// The newest state of each device, by id ([`natural_order`]).
pub type Devices = Arc<Vec<Arc<HouseDevice>>>;

/// All devices. A clone is another handle to the same registry.
#[derive(Debug, Clone)]
pub struct DeviceRegistry(watch::Sender<Devices>);

impl Default for DeviceRegistry {
    fn default() -> Self {
        Self(watch::Sender::new(Devices::default()))
    }
}

impl DeviceRegistry {
    /// Adds a device, without values so far. It is removed when the handle is dropped.
    pub fn add(&self, info: DeviceInfo) -> DeviceHandle {
        let id = info.id.clone();
        self.0.send_modify(|devices| {
            let devices = Arc::make_mut(devices);
            devices.retain(|device| device.info.id != id);
            devices.push(Arc::new(HouseDevice::new(info)));
            devices.sort_by(|a, b| natural_order(&a.info.id, &b.info.id));
        });
        DeviceHandle { registry: self.clone(), id }
    }

    /// The present devices.
    pub fn current(&self) -> Devices {
        self.0.borrow().clone()
    }

    /// Subscribes to all devices. Values that become unknown by their age cause no message: see [`next_expiry`].
    pub fn subscribe(&self) -> watch::Receiver<Devices> {
        self.0.subscribe()
    }

    fn modify(&self, id: &str, change: impl FnOnce(&mut HouseDevice)) {
        self.0.send_if_modified(|devices| {
            let found = Arc::make_mut(devices).iter_mut().find(|device| device.info.id == id);
            found.map(|device| change(Arc::make_mut(device))).is_some()
        });
    }
}

/// The right of a source to change its device.
#[derive(Debug)]
pub struct DeviceHandle {
    registry: DeviceRegistry,
    id: String,
}

impl DeviceHandle {
    /// Publishes values received at `now`, and takes the note back.
    pub fn publish(&self, values: Vec<(&'static Quantity, DeviceValue)>, now: Moment) {
        self.registry.modify(&self.id, |device| {
            device.update(values, now);
            device.note = Cow::Borrowed("");
        });
    }

    /// Offers commands, by their names.
    pub fn offer(&self, commands: &'static [&'static str]) {
        self.registry.modify(&self.id, |device| device.commands = commands);
    }

    /// Says in words why there are no values, or what is odd about them. The values themselves become unknown by their age.
    pub fn note(&self, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        self.registry.modify(&self.id, |device| device.note = text);
    }
}

impl Drop for DeviceHandle {
    fn drop(&mut self) {
        self.registry.0.send_if_modified(|devices| {
            let devices = Arc::make_mut(devices);
            let before = devices.len();
            devices.retain(|device| device.info.id != self.id);
            devices.len() < before
        });
    }
}

/// The next moment at which values of one of these devices become unknown.
pub fn next_expiry(devices: &Devices, now: Moment) -> Option<Moment> {
    devices.iter().filter_map(|device| device.fresh_until(now)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeviceKind;
    use std::time::Duration;

    const POWER: Quantity = Quantity::new("power_w", "Power", "W");

    fn info(id: &str, seconds: u64) -> DeviceInfo {
        DeviceInfo {
            id: id.into(),
            kind: DeviceKind::Meter,
            name: id.into(),
            connection: "test".into(),
            timeout: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn outputs_see_the_newest_state_until_the_source_leaves() {
        let registry = DeviceRegistry::default();
        let (at, mut output) = (Moment::from_secs, registry.subscribe());
        let (late, early) = (registry.add(info("b", 60)), registry.add(info("a", 5)));
        early.publish(vec![(&POWER, 1.0.into())], at(1.0));
        late.publish(vec![(&POWER, 2.0.into())], at(1.0));
        early.note("two meters answer");
        let devices = output.borrow_and_update().clone();
        let shown: Vec<_> = devices.iter().map(|device| (device.info.id.as_str(), device.number("power_w", at(2.0)))).collect();
        assert_eq!(shown, [("a", Some(1.0)), ("b", Some(2.0))]);
        assert_eq!((devices[0].note.as_ref(), next_expiry(&devices, at(2.0))), ("two meters answer", Some(at(6.0))));
        assert_eq!(next_expiry(&devices, at(7.0)), Some(at(61.0)), "the first is unknown already");
        drop(early);
        assert_eq!(registry.current().len(), 1);
        assert!(output.has_changed().unwrap());
    }
}
