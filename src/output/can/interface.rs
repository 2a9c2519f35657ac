//! Brings a CAN interface up with `ip`.

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
    #[error("`ip {arguments}` says: {output_text}; check that the adapter is plugged in, and that this runs as root")]
    Refused {
        /// Its arguments.
        arguments: String,
        /// Its output.
        output_text: String,
    },
}

/// Brings the interface up, or restarts it if it is up, which ends bus-off. Blocks until `ip` has finished.
pub(super) fn bring_up(name: &str, bitrate: u32) -> Result<(), UpError> {
    let rate = bitrate.to_string();
    // A virtual interface has no bit rate.
    let virtual_one = std::fs::canonicalize(Path::new("/sys/class/net").join(name))
        .unwrap_or_else(|_| PathBuf::new())
        .starts_with("/sys/devices/virtual");
    if !virtual_one {
        // The bit rate can only be set while the interface is down.
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
    let output_text = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(UpError::Refused { arguments: arguments.join(" "), output_text })
}
