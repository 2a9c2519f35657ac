//! The state of a CAN interface as the kernel shows it in `/sys`, and bringing it up with `ip`.

use super::trouble::Kind;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// The interface cannot be brought up.
#[derive(Debug, Error)]
pub(super) enum UpError {
    /// `ip` cannot be started.
    #[error("`ip` cannot be run: {0}; install iproute2, or bring the interface up by hand")]
    NoIp(std::io::Error),
    /// `ip` refuses.
    #[error("`ip {arguments}` says: {said}; check that the adapter is plugged in, and that this runs as root")]
    Refused {
        /// What was asked for.
        arguments: String,
        /// What came back.
        said: String,
    },
}

/// What is wrong with the interface; `None` when it looks well or the kernel does not say.
pub(super) fn ailment(name: &str) -> Option<Kind> {
    ailment_in(Path::new("/sys/class/net"), name)
}

fn ailment_in(net: &Path, name: &str) -> Option<Kind> {
    let folder = net.join(name);
    if !folder.exists() {
        return net.exists().then_some(Kind::Missing);
    }
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
    let flags = read("flags").and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match (flags, read("carrier")) {
        // IFF_UP
        (Some(flags), _) if flags & 1 == 0 => Some(Kind::Down),
        // A CAN controller takes its carrier away when it goes bus-off.
        (_, Some(carrier)) if carrier.trim() == "0" => Some(Kind::BusOff),
        _ => None,
    }
}

/// Brings the interface up; one that is up is restarted, which ends bus-off. Blocks until `ip` is done.
pub(super) fn bring_up(name: &str, bitrate: u32) -> Result<(), UpError> {
    let rate = bitrate.to_string();
    // A virtual interface has no bit rate.
    let virtual_one = std::fs::canonicalize(Path::new("/sys/class/net").join(name))
        .unwrap_or_else(|_| PathBuf::new())
        .starts_with("/sys/devices/virtual");
    if !virtual_one {
        // The bit rate can be set on an interface that is down only.
        ip(&["link", "set", "dev", name, "down"])?;
        ip(&["link", "set", "dev", name, "type", "can", "bitrate", &rate, "restart-ms", "100"])?;
    }
    ip(&["link", "set", "dev", name, "up"])
}

fn ip(arguments: &[&str]) -> Result<(), UpError> {
    let output = Command::new("ip").args(arguments).output().map_err(UpError::NoIp)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(UpError::Refused { arguments: arguments.join(" "), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_shows_tells_bus_off_from_down_and_missing() {
        let net = std::env::temp_dir().join(format!("dbus-bms-net-{}", std::process::id()));
        let can0 = net.join("can0");
        std::fs::create_dir_all(&can0).unwrap();
        let show = |flags: &str, carrier: &str| {
            std::fs::write(can0.join("flags"), flags).unwrap();
            std::fs::write(can0.join("carrier"), carrier).unwrap();
            ailment_in(&net, "can0")
        };
        // IFF_UP, IFF_RUNNING, IFF_NOARP, IFF_ECHO; a controller in bus-off loses IFF_RUNNING and its carrier.
        assert_eq!(show("0x400c1\n", "1\n"), None);
        assert_eq!(show("0x40081\n", "0\n"), Some(Kind::BusOff));
        assert_eq!(show("0x40080\n", ""), Some(Kind::Down), "the carrier of an interface that is down cannot be read");
        assert_eq!(show("nonsense", "nonsense"), None, "not known to be wrong");
        assert_eq!(ailment_in(&net, "can1"), Some(Kind::Missing));
        std::fs::remove_dir_all(&net).unwrap();
        assert_eq!(ailment_in(&net, "can0"), None, "no sysfs: nobody knows");
    }
}
