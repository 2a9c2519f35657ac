//! The identity of a battery: stable over restarts, and across ports if the BMS has a serial number.

use crate::bms::Driver;
use crate::model::Reading;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The identity of a battery: the key of its settings, history and DeviceInstance.
#[derive(Debug)]
pub(super) struct Identity {
    /// For example `jbd_usb_1-1.2` or `jk_4051234567`.
    pub(super) id: String,
    /// Held as long as this process serves the battery.
    _claim: Option<File>,
}

/// Family and serial number, else family, USB socket and address. If another battery already has that identity, socket and
/// address are added: the driver never stops because of a name.
pub(super) fn identify(port: &str, driver: &Driver, reading: &Reading, folder: &Path) -> Identity {
    let place = place(port);
    let at = reading.address.map_or_else(|| place.clone(), |address| format!("{place}_{address}"));
    let located = format!("{}_{at}", driver.name);
    let Some(serial) = &reading.device.serial_number else {
        return Identity { _claim: claim(folder, &located).ok().flatten(), id: located };
    };
    let id = format!("{}_{serial}", driver.name);
    match claim(folder, &id) {
        Ok(None) => {
            let id = format!("{id}_{at}");
            log::warn!(
                "another battery also has serial number {serial}; this one is identified as {id}, by its USB socket: leave it there, or give it another number in its app"
            );
            Identity { _claim: claim(folder, &id).ok().flatten(), id }
        }
        Ok(claim) => Identity { id, _claim: claim },
        // Without a folder for locks, go on without one.
        Err(_) => Identity { id, _claim: None },
    }
}

/// The USB socket of a serial adapter (`usb_1-1.2`), which does not depend on ttyUSB numbers; else the port's name.
fn place(port: &str) -> String {
    let name = crate::link::port_name(port);
    // `/dev/serial/by-id/…` and other links lead to the device node of the kernel.
    let node = std::fs::canonicalize(port).ok().and_then(|node| Some(node.file_name()?.to_owned()));
    let device = node.and_then(|node| std::fs::canonicalize(Path::new("/sys/class/tty").join(node).join("device")).ok());
    let socket = device.and_then(|device| usb_socket(&device.to_string_lossy()));
    socket.map_or(name, |socket| format!("usb_{socket}"))
}

/// The part of a sysfs path that names the socket: `…/usb1/1-1/1-1.2/1-1.2:1.0/ttyUSB0` → `1-1.2`.
fn usb_socket(path: &str) -> Option<String> {
    path.split('/').rev().find_map(|part| {
        let (socket, interface) = part.split_once(':')?;
        let is_socket = socket.contains('-') && socket.chars().all(|c| c.is_ascii_digit() || "-.".contains(c));
        // An adapter with several ports has one interface per port.
        is_socket.then(|| if interface == "1.0" { socket.to_owned() } else { format!("{socket}_{interface}") })
    })
}

/// Locks the identity for this process; `Ok(None)` if another process holds it.
pub(super) fn claim(folder: &Path, id: &str) -> io::Result<Option<File>> {
    let safe: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let _ = std::fs::create_dir_all(folder);
    // The content of a lock file is irrelevant, so it is not truncated.
    let options = File::options().create(true).truncate(false).read(true).write(true).mode(0o644).clone();
    let file = options.open(folder.join(format!("{safe}.lock")))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Folder of the locks: in RAM, to spare the flash and to be cleared by a reboot. A service manager may set it
/// (`RUNTIME_DIRECTORY`, as systemd does).
pub(super) fn lock_folder() -> PathBuf {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    if let Some(folder) = named("RUNTIME_DIRECTORY") {
        return folder;
    }
    let system = Path::new("/run");
    let writable = rustix::fs::access(system, rustix::fs::Access::WRITE_OK).is_ok();
    let base = if writable { system.to_owned() } else { named("XDG_RUNTIME_DIR").unwrap_or_else(std::env::temp_dir) };
    base.join("dbus-bms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::jbd;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("dbus-bms-identity-{}-{name}", std::process::id()))
    }

    #[test]
    fn the_usb_socket_is_found_in_a_sysfs_path() {
        let path = "/sys/devices/platform/soc/1c14000.usb/usb1/1-1/1-1.2/1-1.2:1.0/ttyUSB0";
        assert_eq!(usb_socket(path).as_deref(), Some("1-1.2"));
        assert_eq!(usb_socket("/sys/devices/x/usb3/3-1/3-1:1.1/ttyUSB3").as_deref(), Some("3-1_1.1"));
        assert_eq!(usb_socket("/sys/devices/platform/serial8250/tty/ttyS0"), None);
    }

    #[test]
    fn two_batteries_with_one_serial_number_are_told_apart() {
        let folder = folder("twins");
        let mut reading = Reading::new("jbd", Some(3));
        reading.device.serial_number = Some("4711".into());
        let first = identify("/dev/ttyX0", &jbd::DRIVER, &reading, &folder);
        let second = identify("/dev/ttyX1", &jbd::DRIVER, &reading, &folder);
        assert_eq!((first.id.as_str(), second.id.as_str()), ("jbd_4711", "jbd_4711_ttyX1_3"));
        drop(first);
        assert_eq!(identify("/dev/ttyX1", &jbd::DRIVER, &reading, &folder).id, "jbd_4711", "free again");
    }
}
