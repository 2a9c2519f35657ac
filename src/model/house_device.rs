//! A device of the house beside the batteries: a meter, an inverter, a solar charger, a generator.

use crate::base::units::Moment;
use std::borrow::Cow;
use std::time::Duration;

/// What a device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Measures the power at the grid connection.
    Meter,
    /// Inverter, with or without a charger.
    Inverter,
    /// Solar charger.
    Solar,
    /// Generator, or its control.
    Generator,
    /// Shunt that counts the charge of a battery.
    BatteryMonitor,
    /// Gateway with the sums of other devices.
    Gateway,
}

impl DeviceKind {
    /// All kinds with their names in JSON and meanings.
    pub const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Meter, "meter", "measures the power at the grid connection"),
        (Self::Inverter, "inverter", "inverter, with or without a charger"),
        (Self::Solar, "solar", "solar charger"),
        (Self::Generator, "generator", "generator, or its control"),
        (Self::BatteryMonitor, "battery_monitor", "shunt that counts the charge of a battery"),
        (Self::Gateway, "gateway", "gateway with the sums of other devices"),
    ];

    /// Its name in JSON.
    pub fn key(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, key, _)| key)
    }
}

/// A quantity of a device, as a constant of its source: one key has one meaning and one unit in the whole program.
#[derive(Debug, PartialEq, Eq)]
pub struct Quantity {
    /// Key in JSON, topics and metrics: lower-case letters, digits and `_`, with the unit at its end (`power_w`).
    pub key: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Unit of a number; empty if it has none, and for texts and flags.
    pub unit: &'static str,
    /// It only increases, such as an energy meter.
    pub counter: bool,
}

impl Quantity {
    /// A measured quantity.
    pub const fn new(key: &'static str, name: &'static str, unit: &'static str) -> Self {
        Self { key, name, unit, counter: false }
    }

    /// A quantity that only increases.
    pub const fn counter(key: &'static str, name: &'static str, unit: &'static str) -> Self {
        Self { key, name, unit, counter: true }
    }
}

/// A value of a device.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceValue {
    /// A finite number in the unit of its quantity.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A state in words.
    Text(Cow<'static, str>),
}

impl From<f64> for DeviceValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for DeviceValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&'static str> for DeviceValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for DeviceValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// Constant data of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceInfo {
    /// Permanent short name, used in API paths and MQTT topics. Letters, digits and `_`; different for every device.
    pub id: String,
    /// What it does.
    pub kind: DeviceKind,
    /// Name for people.
    pub name: String,
    /// How it is connected, such as `udp 192.168.1.30:8899`.
    pub connection: String,
    /// Its values are unknown at a greater age.
    pub timeout: Duration,
}

/// A device with its latest values.
#[derive(Debug, Clone, PartialEq)]
pub struct HouseDevice {
    /// Constant data.
    pub info: DeviceInfo,
    /// Why there are no values, or what is odd about them, in words; empty if all is well.
    pub note: Cow<'static, str>,
    /// Names of the commands that it takes.
    pub commands: &'static [&'static str],
    values: Vec<(&'static Quantity, Option<DeviceValue>)>,
    updated: Option<Moment>,
}

impl HouseDevice {
    /// A device from which nothing was received yet.
    pub fn new(info: DeviceInfo) -> Self {
        Self { info, note: Cow::Borrowed(""), commands: &[], values: Vec::new(), updated: None }
    }

    /// Takes values received at `now`; quantities that it had before and that are missing become unknown.
    pub fn update(&mut self, values: Vec<(&'static Quantity, DeviceValue)>, now: Moment) {
        self.values.iter_mut().for_each(|(_, value)| *value = None);
        for (quantity, value) in values {
            let value = Some(value).filter(|value| !matches!(value, DeviceValue::Number(number) if !number.is_finite()));
            match self.values.iter_mut().find(|(known, _)| known.key == quantity.key) {
                Some((_, old)) => *old = value,
                None => self.values.push((quantity, value)),
            }
        }
        self.updated = Some(now);
    }

    /// Age of its values; `None` if there were none yet.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.updated.map(|updated| now.since(updated))
    }

    /// Whether its values are known.
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.age(now).is_some_and(|age| age <= self.info.timeout)
    }

    /// The moment from which its values are unknown, while they are known.
    pub fn fresh_until(&self, now: Moment) -> Option<Moment> {
        self.updated.filter(|_| self.is_fresh(now)).map(|updated| updated.after(self.info.timeout))
    }

    /// Every quantity that it ever had, with the value that is known at `now`.
    pub fn values(&self, now: Moment) -> impl Iterator<Item = (&'static Quantity, Option<&DeviceValue>)> {
        let fresh = self.is_fresh(now);
        self.values.iter().map(move |(quantity, value)| (*quantity, value.as_ref().filter(|_| fresh)))
    }

    /// A number by its key, if it is known at `now`.
    pub fn number(&self, key: &str, now: Moment) -> Option<f64> {
        let (_, value) = self.values(now).find(|(quantity, _)| quantity.key == key)?;
        if let Some(DeviceValue::Number(number)) = value { Some(*number) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POWER: Quantity = Quantity::new("power_w", "Power", "W");
    const MODE: Quantity = Quantity::new("mode", "Mode", "");

    #[test]
    fn values_are_known_until_the_timeout_and_a_missing_one_is_unknown() {
        let at = Moment::from_secs;
        let timeout = Duration::from_secs(10);
        let info = DeviceInfo { id: "m".into(), kind: DeviceKind::Meter, name: "M".into(), connection: "x".into(), timeout };
        let mut device = HouseDevice::new(info);
        assert_eq!((device.age(at(5.0)), device.is_fresh(at(5.0)), device.fresh_until(at(5.0))), (None, false, None));
        device.update(vec![(&POWER, 12.5.into()), (&MODE, "on".into())], at(5.0));
        assert_eq!((device.number("power_w", at(15.0)), device.fresh_until(at(6.0))), (Some(12.5), Some(at(15.0))));
        assert_eq!((device.number("power_w", at(15.1)), device.number("mode", at(6.0))), (None, None));
        assert_eq!(
            device.values(at(16.0)).map(|(quantity, value)| (quantity.key, value)).collect::<Vec<_>>(),
            [("power_w", None), ("mode", None)]
        );
        device.update(vec![(&POWER, f64::NAN.into())], at(20.0));
        assert_eq!(device.values(at(20.0)).map(|(_, value)| value).collect::<Vec<_>>(), [None, None]);
    }

    #[test]
    fn every_kind_goes_by_its_name_in_json() {
        for (kind, key, _) in DeviceKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.key());
            assert_eq!(kind.key(), key);
        }
    }
}
