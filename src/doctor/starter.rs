//! serial-starter: whether it knows us, and whether it lets us try the ports (reference: venus-install, section 1).

use super::{Report, Root};

/// Our name for serial-starter.
const NAME: &str = "dbusbms";
const STOCK: &str = "/etc/venus/serial-starter.conf";
const FOLDER: &str = "/data/conf/serial-starter.d";
const TEMPLATES: &str = "/opt/victronenergy/service-templates";
/// The aliases that USB adapters get.
const ALIASES: [&str; 2] = ["default", "rs485"];
const RENEW: &str = "run /data/apps/dbus-bms/rc.local now";

/// What the last line with a name says, and in which file it stands.
struct Said {
    file: String,
    value: String,
}

pub(super) fn examine(root: &Root, report: &mut Report) {
    report.about("serial-starter");
    let files = files(root);
    template(root, report, &files);
    for alias in ALIASES {
        list(report, alias, said(root, &files, "alias", alias));
    }
    if let Some(other) = serialbattery(root, &files) {
        report.note(format!(
            "dbus-serialbattery is tried on the same ports: whoever finds a battery first keeps it. To leave it out: \
             /data/apps/dbus-bms/install.sh install --replace-serialbattery ({other})"
        ));
    }
}

/// In the order in which serial-starter reads them.
fn files(root: &Root) -> Vec<String> {
    let more = root.names(FOLDER).into_iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{FOLDER}/{name}"));
    [STOCK.to_owned()].into_iter().chain(more).collect()
}

/// A later line replaces an earlier one.
fn said(root: &Root, files: &[String], keyword: &str, name: &str) -> Option<Said> {
    let find = |file: &String| {
        let text = root.text(file)?;
        let line = |line: &str| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            (words.next() == Some(keyword) && words.next() == Some(name)).then(|| words.next().map(str::to_owned))?
        };
        text.lines().rev().find_map(line).map(|value| Said { file: file.clone(), value })
    };
    files.iter().rev().find_map(find)
}

fn template(root: &Root, report: &mut Report, files: &[String]) {
    match said(root, files, "service", NAME) {
        None => report.problem(format!("serial-starter does not know {NAME}: no file in {FOLDER} names it"), RENEW),
        Some(Said { value, .. }) if !root.has(&format!("{TEMPLATES}/{value}/run")) => {
            report.problem(format!("the service template {TEMPLATES}/{value} is missing: no port can be given to dbus-bms"), RENEW);
        }
        Some(_) => report.ok("serial-starter knows dbus-bms, and its service template is there"),
    }
}

fn list(report: &mut Report, alias: &str, said: Option<Said>) {
    match said {
        None => report.problem(format!("serial-starter has no programs called {alias}"), RENEW),
        Some(Said { value, .. }) if value.split(':').any(|name| name == NAME) => {
            report.ok(format!("{alias}: {} are tried in turn", value.replace(':', ", ")));
        }
        Some(Said { file, value }) => report.problem(
            format!("{file} lets serial-starter try {} as {alias}, and not dbus-bms", value.replace(':', ", ")),
            format!("{RENEW}; if it stays so, give {file} a name that sorts before zz-dbus-bms.conf"),
        ),
    }
}

/// The name under which the Python driver is tried, if it is.
fn serialbattery(root: &Root, files: &[String]) -> Option<String> {
    let named = |name: &str| said(root, files, "service", name).is_some_and(|said| said.value == "dbus-serialbattery");
    let lists = ALIASES.iter().filter_map(|alias| said(root, files, "alias", alias));
    lists.flat_map(|said| said.value.split(':').map(str::to_owned).collect::<Vec<_>>()).find(|name| named(name))
}
