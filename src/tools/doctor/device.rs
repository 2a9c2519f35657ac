//! The device, the driver's files on it, and the scripts that start it at boot.

use super::{Report, Root};
use crate::config::{Config, Paths};
use rustix::fs::{Access, access, statvfs};
use std::os::unix::fs::PermissionsExt;

/// The installed driver.
const APP_FOLDER: &str = "/data/apps/dbus-bms";
/// Remedy for an incomplete installation.
const INSTALL_REMEDY: &str = "run /data/apps/dbus-bms/install.sh install";
/// Minimum free space, bytes: room for a day of logs.
const LEAST_FREE_BYTES: u64 = 2_000_000;
/// Start scripts and their purposes.
const START_SCRIPTS: [(&str, &str); 2] =
    [("/data/rcS.local", "before the first port is tried"), ("/data/rc.local", "after a restart or a firmware update")];

/// Returns whether this is a GX device.
pub(super) fn examine(root: &Root, report: &mut Report) -> bool {
    report.about("device");
    let version = root.text("/opt/victronenergy/version");
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    let Some(version) = version.as_deref().and_then(|text| text.lines().next()) else {
        report.note(format!("not a GX device (Linux on {machine}): checking only ports and D-Bus"));
        return false;
    };
    report.ok(format!("Venus OS {version} on {machine}"));
    space(root, report);
    report.about("files");
    installation(root, report);
    configuration(root, report);
    report.about("start");
    for (file, purpose) in START_SCRIPTS {
        start_script(root, report, file, purpose);
    }
    true
}

fn space(root: &Root, report: &mut Report) {
    let data = root.at("/data");
    if let Ok(disk) = statvfs(&data) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < LEAST_FREE_BYTES {
            report.problem(
                format!("/data has only {} kB left: history and logs may be lost", free / 1000),
                "delete something there; the largest files are usually in /data/log",
            );
        }
    }
    if access(&data, Access::WRITE_OK) == Err(rustix::io::Errno::ROFS) {
        report.problem(
            "/data is read-only: history and settings will not survive a restart",
            "restart the device; if this persists, its storage is failing",
        );
    }
}

fn installation(root: &Root, report: &mut Report) {
    if !root.has(APP_FOLDER) {
        return report
            .problem(format!("dbus-bms is not installed in {APP_FOLDER}"), "run install.sh of the release: see the README");
    }
    let binary = format!("{APP_FOLDER}/bin/dbus-bms");
    if !is_executable(root, &binary) {
        return report.problem(format!("{binary} is missing or not executable"), "install again: see the README");
    }
    let (installed, own) = (root.text(&format!("{APP_FOLDER}/VERSION")).unwrap_or_default(), env!("CARGO_PKG_VERSION"));
    match installed.trim() {
        installed if installed == own => report.ok(format!("dbus-bms {own} is installed in {APP_FOLDER}")),
        installed => report.note(format!("dbus-bms {installed} is installed in {APP_FOLDER}; this program is {own}")),
    }
}

fn configuration(root: &Root, report: &mut Report) {
    let file = Paths::of(true, |_| None).config;
    let place = root.at(&file.to_string_lossy());
    match std::fs::read(&place) {
        Err(_) => report.ok(format!("no configuration at {}: using the defaults", file.display())),
        Ok(bytes) => match Config::from_bytes(&file.to_string_lossy(), &bytes) {
            Ok(_) => report.ok(format!("{} is valid", file.display())),
            Err(error) => report.problem(error.to_string(), "correct this line; no battery is served until then"),
        },
    }
}

fn start_script(root: &Root, report: &mut Report, file: &str, purpose: &str) {
    let Some(text) = root.text(file) else {
        return if root.has(&format!("{file}.disabled")) {
            report.problem(
                format!("start scripts are disabled ({file}.disabled): dbus-bms will not start {purpose}"),
                "enable modifications again under Settings, General, Support status",
            );
        } else {
            report.problem(format!("{file} is missing: dbus-bms will not start {purpose}"), INSTALL_REMEDY);
        };
    };
    let ours = |line: &str| line.contains("/data/apps/dbus-bms/rc.local") && !line.trim_start().starts_with('#');
    if !text.lines().any(ours) {
        report.problem(format!("{file} does not start dbus-bms {purpose}"), INSTALL_REMEDY);
    } else if !is_executable(root, file) {
        report.problem(format!("{file} is not executable, so Venus OS does not run it"), format!("chmod +x {file}"));
    } else {
        report.ok(format!("{file} starts dbus-bms {purpose}"));
    }
}

fn is_executable(root: &Root, path: &str) -> bool {
    std::fs::metadata(root.at(path)).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
