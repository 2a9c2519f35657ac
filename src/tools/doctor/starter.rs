//! serial-starter: whether it knows this driver, and offers the ports to it.

use super::{Report, Root, pinned};

/// This driver's name in serial-starter.
pub(super) const PROGRAM: &str = "dbusbms";
const STOCK_FILE: &str = "/etc/venus/serial-starter.conf";
const EXTRA_FOLDER: &str = "/data/conf/serial-starter.d";
pub(super) const TEMPLATES: &str = "/opt/victronenergy/service-templates";
/// The service that keeps a service ready for every port, so that no template is needed.
const PORTS_SERVICE: &str = "/service/dbus-bms.ports";
pub(super) const APP_FOLDER: &str = "/data/apps/dbus-bms";
/// The aliases for USB adapters.
const ALIASES: [&str; 2] = ["default", "rs485"];
pub(super) const RENEW_REMEDY: &str = "run /data/apps/dbus-bms/rc.local now";

/// The value of the last line with a name, and its file.
pub(super) struct ConfigLine {
    file: String,
    pub(super) value: String,
}

pub(super) fn examine(root: &Root, report: &mut Report) {
    report.about("serial-starter");
    let files = files(root);
    known(root, report, &files);
    leftovers(root, report);
    for alias in ALIASES {
        list(report, alias, last_line(root, &files, "alias", alias));
    }
    if let Some(other) = serialbattery(root, &files) {
        report.note(format!(
            "dbus-serialbattery is tried on the same ports: whoever finds a battery first keeps it. To leave it out: \
             /data/apps/dbus-bms/install.sh install --replace-serialbattery ({other})"
        ));
    }
    pinned::examine(root, &files, report);
}

/// The files, in the order in which serial-starter reads them.
fn files(root: &Root) -> Vec<String> {
    let more =
        root.names(EXTRA_FOLDER).into_iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{EXTRA_FOLDER}/{name}"));
    [STOCK_FILE.to_owned()].into_iter().chain(more).collect()
}

/// A later line replaces an earlier one.
pub(super) fn last_line(root: &Root, files: &[String], keyword: &str, name: &str) -> Option<ConfigLine> {
    let find = |file: &String| {
        let text = root.text(file)?;
        let line = |line: &str| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            (words.next() == Some(keyword) && words.next() == Some(name)).then(|| words.next().map(str::to_owned))?
        };
        text.lines().rev().find_map(line).map(|value| ConfigLine { file: file.clone(), value })
    };
    files.iter().rev().find_map(find)
}

fn known(root: &Root, report: &mut Report, files: &[String]) {
    if last_line(root, files, "service", PROGRAM).is_none() {
        report.problem(format!("serial-starter does not know {PROGRAM}: it is missing in {EXTRA_FOLDER}"), RENEW_REMEDY);
    } else if root.has(APP_FOLDER) && !root.has(PORTS_SERVICE) {
        report.problem(
            format!("{PORTS_SERVICE} is missing: no service is kept ready for ports that are plugged in, so they cannot be given to dbus-bms"),
            RENEW_REMEDY,
        );
    } else {
        report.ok("serial-starter knows dbus-bms, and a service is kept ready for every port");
    }
}

/// Remains of earlier versions, or of an installation removed manually.
fn leftovers(root: &Root, report: &mut Report) {
    let mounts = root.text("/proc/self/mountinfo").unwrap_or_default();
    let is_ours = |line: &str| {
        let mut words = line.split_whitespace().skip(3);
        words.next().is_some_and(|from| from.ends_with("/dbus-bms/service-templates")) && words.next() == Some(TEMPLATES)
    };
    if mounts.lines().any(is_ours) {
        report.problem(
            format!("a copy made by an earlier version lies over {TEMPLATES}: what other projects install there is gone after the next start"),
            format!("{RENEW_REMEDY}; if it stays so, restart the device and install these again"),
        );
    } else if root.has(&format!("{TEMPLATES}/dbus-bms")) {
        report.advise(format!("{TEMPLATES}/dbus-bms is left from an earlier version; nothing uses it"), RENEW_REMEDY);
    }
    if !root.has(APP_FOLDER) {
        let services = root.names("/service").into_iter().filter(|name| name.starts_with("dbus-bms."));
        let ours = format!("{EXTRA_FOLDER}/zz-dbus-bms.conf");
        let left: Vec<String> =
            root.has(&ours).then_some(ours).into_iter().chain(services.map(|name| format!("/service/{name}"))).collect();
        if !left.is_empty() {
            report.advise(
                format!("left from an installation that is gone: {}", left.join(", ")),
                "run install.sh uninstall of the release, or restart the device after removing the file",
            );
        }
    }
}

fn list(report: &mut Report, alias: &str, last_line: Option<ConfigLine>) {
    match last_line {
        None => report.problem(format!("serial-starter has no alias {alias}"), RENEW_REMEDY),
        Some(ConfigLine { value, .. }) if value.split(':').any(|name| name == PROGRAM) => {
            report.ok(format!("{alias}: {} are tried in turn", value.replace(':', ", ")));
        }
        Some(ConfigLine { file, value }) => report.problem(
            format!("{file} makes serial-starter try {} as {alias}, but not dbus-bms", value.replace(':', ", ")),
            format!("{RENEW_REMEDY}; if this persists, give {file} a name that sorts before zz-dbus-bms.conf"),
        ),
    }
}

/// The name of the Python driver in serial-starter, if present.
fn serialbattery(root: &Root, files: &[String]) -> Option<String> {
    let named =
        |name: &str| last_line(root, files, "service", name).is_some_and(|last_line| last_line.value == "dbus-serialbattery");
    let lists = ALIASES.iter().filter_map(|alias| last_line(root, files, "alias", alias));
    lists.flat_map(|last_line| last_line.value.split(':').map(str::to_owned).collect::<Vec<_>>()).find(|name| named(name))
}
