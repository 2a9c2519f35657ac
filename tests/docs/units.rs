//! The units for systemd let each command do what it can be configured to do.

use std::fs;

/// The values of a setting in a unit, word by word.
fn values(unit: &str, setting: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("cross/linux/{unit}.service")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('='));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[test]
fn each_unit_allows_what_its_command_can_be_configured_to_use() {
    // Batteries on serial ports, inverters on CAN and RS485: `run` and the bank. Xanbus and the relay of a generator: the hub, and `run`
    // if it serves everything.
    for (unit, relay) in [("dbus-bms", true), ("dbus-bms@", false), ("dbus-bms-bank", false), ("dbus-bms-hub", true)] {
        let families = values(unit, "RestrictAddressFamilies");
        for family in ["AF_UNIX", "AF_INET", "AF_INET6", "AF_CAN"] {
            assert!(families.iter().any(|listed| listed == family), "{unit}: {family} is missing in {families:?}");
        }
        let devices = values(unit, "DeviceAllow");
        let wanted = ["char-ttyUSB", "char-ttyACM", "char-ttyAMA", "char-ttyS"].into_iter().chain(relay.then_some("char-gpiochip"));
        for device in wanted {
            assert!(devices.iter().any(|listed| listed == device), "{unit}: {device} is missing in {devices:?}");
        }
        assert_eq!(values(unit, "SupplementaryGroups"), ["dialout"], "{unit} may not open serial ports");
    }
}
