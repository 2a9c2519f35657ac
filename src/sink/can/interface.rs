//! The state of a CAN interface as the kernel shows it in `/sys`, and bringing it up with `ip`.

use super::trouble::Kind;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// The interface cannot be brought up.
#[derive(Debug, Error)]
pub(super) enum UpError {
    /// `ip` cannot be started.
    #[error("`ip` cannot be run: {0}")]
    NoIp(std::io::Error),
    /// `ip` refuses.
    #[error("`ip {arguments}` says: {said}")]
    Refused {
        /// What was asked for.
        arguments: String,
        /// What came back.
        said: String,
    },
}

/// What is wrong with the interface; `None` when it looks well or the kernel does not say.
pub(super) fn ailment(name: &str) -> Option<Kind> {
    let net = Path::new("/sys/class/net");
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
