//! Names that other programs rely on: of the service on the bus, and of the battery in the settings.

use crate::link::{port_name, word};
use std::fmt;

/// Victron's interface, on every path.
pub(crate) const BUS_ITEM: &str = "com.victronenergy.BusItem";

/// This driver's interface on `/` of a battery's service.
pub(crate) const BATTERY_INTERFACE: &str = "dbus_bms.Battery";
/// Method with which the bank signals its batteries that it is alive.
pub(crate) const HEARTBEAT_METHOD: &str = "BankLives";
/// Method with which the hub reads the battery's view.
pub(crate) const VIEW_METHOD: &str = "View";

/// This driver's interface on `/` for commands.
pub(crate) const COMMANDS_INTERFACE: &str = "com.github.dbus_bms.Commands";

/// Prefix of all battery services.
pub(crate) const BATTERY_PREFIX: &str = "com.victronenergy.battery.";

/// D-Bus name of the battery on `port`: the last component of its path, or `tcp_host_port` for a TCP port.
///
/// `address` is set if the port has (or may have) several batteries. Characters not allowed in a bus name become `_`, and a leading
/// digit, which D-Bus forbids, gets a `_` in front.
pub fn service_name(port: &str, address: Option<u8>) -> String {
    let mut element = port_name(port);
    if element.is_empty() || element.starts_with(|c: char| c.is_ascii_digit()) {
        element.insert(0, '_');
    }
    match address {
        Some(address) => format!("{BATTERY_PREFIX}{element}__{address}"),
        None => format!("{BATTERY_PREFIX}{element}"),
    }
}

/// The battery's identity as a group name in `com.victronenergy.settings`.
///
/// The settings are stored as XML tags and must not begin with an underscore, so only `[A-Za-z0-9_]` are used, and the first
/// character is not `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// From an identity such as `jbd_0123456789` or `daly_1-1.2:1.0_1`.
    pub fn new(identity: &str) -> Self {
        let id = word(identity).trim_start_matches('_').to_owned();
        Self(if id.is_empty() { "battery".to_owned() } else { id })
    }
    /// Path of one setting of this battery.
    pub fn setting(&self, name: &str) -> String {
        format!("/Settings/Devices/{}/{name}", self.0)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn services_are_named_after_their_port() {
        for (port, address, name) in [
            ("/dev/ttyUSB0", None, "ttyUSB0"),
            ("/dev/ttyUSB0", Some(1), "ttyUSB0__1"),
            ("/dev/ttyUSB0/", Some(15), "ttyUSB0__15"),
            ("ttyAMA0", None, "ttyAMA0"),
            ("/dev/serial/by-id/usb-FTDI_A1-if00", None, "usb_FTDI_A1_if00"),
            ("/dev/pts/3", None, "_3"),
            ("tcp://10.0.0.5:23", None, "tcp_10_0_0_5_23"),
            ("tcp://bms.local:4196/", Some(2), "tcp_bms_local_4196__2"),
            ("tcp://[fe80::1]:23", None, "tcp__fe80__1__23"),
            ("", None, "_"),
        ] {
            assert_eq!(service_name(port, address), format!("com.victronenergy.battery.{name}"), "{port}");
        }
    }

    #[test]
    fn identities_become_setting_names() {
        assert_eq!(DeviceId::new("jk_30C8A1/02").setting("CustomName"), "/Settings/Devices/jk_30C8A1_02/CustomName");
        assert_eq!(DeviceId::new("__daly 1-1.2").to_string(), "daly_1_1_2");
        assert_eq!(DeviceId::new("äöü").to_string(), "battery");
    }

    proptest! {
        #[test]
        fn any_port_gives_a_valid_bus_name(port in ".{0,60}", address in proptest::option::of(any::<u8>())) {
            prop_assert!(zbus::names::WellKnownName::try_from(service_name(&port, address)).is_ok());
        }

        #[test]
        fn any_identity_gives_a_valid_setting_path(identity in ".{0,60}") {
            let path = DeviceId::new(&identity).setting("CustomName");
            prop_assert!(zbus::ObjectPath::try_from(path.as_str()).is_ok());
            prop_assert!(!path.contains("/_"));
        }
    }
}
