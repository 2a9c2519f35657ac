//! Whose a serial port is: this driver's own batteries', serial-starter's, or free for the inverter.

use std::path::{Path, PathBuf};

/// Where serial-starter names the ports that it offers to programs, among them this driver, and those that it has given to one.
const STARTER: [&str; 2] = ["/dev/serial-starter", "/var/lock/serial-starter"];

/// Why `port` must not be opened for an inverter; `None` if nothing speaks against it. `batteries` are the ports on which batteries
/// are read.
pub fn owner(port: &str, batteries: &[String]) -> Option<String> {
    owner_in(&STARTER.map(Path::new), port, batteries)
}

fn owner_in(starter: &[&Path], port: &str, batteries: &[String]) -> Option<String> {
    let device = device(port);
    if batteries.iter().any(|battery| self::device(battery) == device) {
        return Some(format!("a battery is read on {port}; an inverter needs a port of its own: change `rs485.port`"));
    }
    let names = || [device.file_name(), Path::new(port).file_name()].into_iter().flatten();
    let is_starters = starter.iter().any(|folder| names().any(|name| folder.join(name).symlink_metadata().is_ok()));
    is_starters.then(|| {
        format!(
            "serial-starter gives {port} to battery drivers and other programs; take it away by a udev rule with \
             ENV{{VE_SERVICE}}=\"ignore\" for this adapter (docs/rs485.md)"
        )
    })
}

/// The device node behind links such as `/dev/serial/by-id/…`.
fn device(port: &str) -> PathBuf {
    std::fs::canonicalize(port).unwrap_or_else(|_| PathBuf::from(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_a_battery_or_of_serial_starter_is_not_for_an_inverter() {
        let folder = std::env::temp_dir().join(format!("dbus-bms-ownership-{}", std::process::id()));
        let (offered, given) = (folder.join("offered"), folder.join("given"));
        std::fs::create_dir_all(&offered).unwrap();
        std::fs::create_dir_all(&given).unwrap();
        let path = |name: &str| folder.join(name).display().to_string();
        std::fs::write(path("ttyUSB0"), "").unwrap();
        std::fs::write(path("ttyUSB1"), "").unwrap();
        std::os::unix::fs::symlink(path("ttyUSB1"), path("inverter")).unwrap();
        std::os::unix::fs::symlink(path("ttyUSB0"), path("battery")).unwrap();
        let owner = |port: &str, batteries: &[String]| owner_in(&[offered.as_path(), given.as_path()], &path(port), batteries);
        assert_eq!(owner("inverter", &[path("ttyUSB0")]), None);
        assert!(owner("ttyUSB0", &[path("battery")]).is_some_and(|why| why.contains("a battery is read")), "behind a link");
        // The kernel's name counts, whatever the configured one is.
        std::os::unix::fs::symlink(path("ttyUSB1"), offered.join("ttyUSB1")).unwrap();
        assert!(owner("inverter", &[]).is_some_and(|why| why.contains("VE_SERVICE")));
        std::fs::remove_file(offered.join("ttyUSB1")).unwrap();
        assert_eq!(owner("inverter", &[]), None);
        std::fs::write(given.join("ttyUSB1"), "").unwrap();
        assert!(owner("inverter", &[]).is_some(), "serial-starter has given it to a program");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
