//! Names of a battery in the log, on D-Bus, in the settings and for its owner.

use super::membership::Membership;
use crate::base::printable::printable_name;
use crate::bms::Driver;
use crate::control::Abilities;
use crate::dbus::{BATTERY_PREFIX, Context, DeviceId, service_name};
use crate::model::Reading;
use crate::output::api::{BatteryInfo, bank_id};
use crate::service::identity::Identity;

/// The names of one battery.
pub(super) struct BatteryNames {
    label: String,
    identity: Identity,
    driver: &'static Driver,
    /// Model of the BMS, if it says one.
    model: Option<String>,
    connection: String,
    /// End of the service's name without the number.
    place: String,
    service: String,
    custom_name: String,
}

impl BatteryNames {
    /// The names of the battery on `port`, at `address` if it is not the only one there.
    pub(super) fn new(port: &str, address: Option<u8>, driver: &'static Driver, identity: Identity, model: Option<&str>) -> Self {
        Self {
            label: address.map_or_else(|| port.to_owned(), |address| format!("{port} address {address}")),
            identity,
            driver,
            model: model.map(printable_name).filter(|model| !model.trim().is_empty()),
            connection: connection(port),
            place: service_name(port, None).trim_start_matches(BATTERY_PREFIX).to_owned(),
            service: service_name(port, address),
            custom_name: String::new(),
        }
    }

    /// Name in log lines: the port, and the address if there are several batteries on it.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// BMS family.
    pub(super) fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// Key of its settings, history and DeviceInstance.
    pub(super) fn id(&self) -> &str {
        &self.identity.id
    }

    /// The same as written in `com.victronenergy.settings`.
    pub(super) fn device(&self) -> DeviceId {
        DeviceId::new(&self.identity.id)
    }

    /// Name of its D-Bus service.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The name shown to the owner: the custom name, else the label.
    pub(super) fn shown(&self) -> &str {
        if self.custom_name.trim().is_empty() { &self.label } else { &self.custom_name }
    }

    /// Sets the custom name.
    pub(super) fn rename(&mut self, custom_name: String) {
        self.custom_name = custom_name;
    }

    /// Renames the service to the first free number if its name is taken.
    pub(super) fn find_free_service(&mut self, port: &str, is_taken: impl Fn(&str) -> bool) {
        if is_taken(&self.service) {
            let free = (1..=u8::MAX).map(|number| service_name(port, Some(number))).find(|name| !is_taken(name));
            self.service = free.unwrap_or_else(|| self.service.clone());
        }
    }

    /// The battery's constant facts for the API.
    pub(super) fn info(&self, instance: Option<u16>, membership: &Membership, commands: Abilities) -> BatteryInfo {
        BatteryInfo {
            id: self.device().to_string(),
            custom_name: self.custom_name.clone(),
            service: Some(self.service.clone()),
            connection: self.connection.clone(),
            product: self.product(),
            instance,
            bank: membership.bank().map(bank_id),
            control: membership.has_control(),
            commands,
        }
    }

    /// The battery's names for its D-Bus service.
    pub(super) fn context(&self, reading: &Reading) -> Context {
        Context {
            process_name: env!("CARGO_PKG_NAME").to_owned(),
            process_version: env!("CARGO_PKG_VERSION").to_owned(),
            connection: self.connection.clone(),
            product_name: self.product(),
            manufacturer: Some(self.driver.label.to_owned()),
            family: Some(self.driver.label.to_owned()),
            serial: reading.device.serial_number.clone().or_else(|| Some(self.identity.id.clone())),
            custom_name: self.custom_name.clone(),
            settings_group: Some(self.device().to_string()),
            ..Context::default()
        }
    }

    /// Name in the device list, of notifications and of other outputs while there is no custom name: the model, and what tells it from
    /// others of that model, as in the service's name. `JK_B2A20S20P (ttyUSB0)`, `TopBMS (ttyUSB1 #3)`.
    fn product(&self) -> String {
        let family = self.driver.label;
        let model = self.model.clone().unwrap_or_else(|| match family.ends_with("BMS") {
            true => family.to_owned(),
            false => format!("{family} BMS"),
        });
        let end = self.service.strip_prefix(BATTERY_PREFIX).and_then(|end| end.strip_prefix(&self.place));
        match end.and_then(|end| end.strip_prefix("__")) {
            Some(number) => format!("{model} ({} #{number})", self.place),
            None => format!("{model} ({})", self.place),
        }
    }
}

/// `Serial ttyUSB0`, `TCP 10.0.0.5:23`, `Bluetooth C8:47:8C:12:34:56`, `CAN can0`.
fn connection(port: &str) -> String {
    match port.split_once("://") {
        Some(("ble", address)) => format!("Bluetooth {address}"),
        Some(("can", interface)) => format!("CAN {interface}"),
        Some((_, server)) => format!("TCP {server}"),
        None => format!("Serial {}", port.rsplit('/').next().unwrap_or(port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::DRIVERS;
    use crate::service::identity::identify;
    use std::path::Path;

    #[test]
    fn a_battery_without_a_model_is_named_by_its_family() {
        for driver in DRIVERS {
            let identity = identify("/dev/ttyX", driver, &Reading::default(), Path::new("/proc/none"));
            let names = BatteryNames::new("/dev/ttyX", Some(3), driver, identity, None);
            let product = names.product();
            assert_eq!(product.matches("BMS").count(), 1, "{product}");
            assert!(product.starts_with(driver.label) && product.ends_with(" (ttyX #3)"), "{product}");
        }
    }
}
