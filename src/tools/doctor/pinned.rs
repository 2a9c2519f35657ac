//! Ports that a udev rule assigns to a program by name (`VE_SERVICE`): serial-starter tries no other program there.

use super::starter::{PROGRAM, TEMPLATES, last_line};
use super::{Report, Root};

const TTYS: &str = "/sys/class/tty";
/// Data of udev about a device, by its number.
const UDEV_DATA: &str = "/run/udev/data";
/// Folder of the owner's rules.
const RULES: &str = "/etc/udev/rules.d";
const SERIALBATTERY: &str = "dbus-serialbattery";

/// User of a port.
enum Owner {
    /// Several programs in turn, the default without a rule.
    InTurn,
    /// This driver.
    Us,
    /// None, as the rule demands.
    Ignored,
    /// The program with this template.
    Program(String),
    /// A program whose template is missing.
    WithoutTemplate(String),
    /// A name without a `service` line.
    Unknown,
}

pub(super) fn examine(root: &Root, files: &[String], report: &mut Report) {
    report.about("ports");
    for port in root.names(TTYS) {
        let Some(rule) = rule(root, &port) else { continue };
        let usb = ["ttyUSB", "ttyACM"].iter().any(|kind| port.starts_with(kind));
        let said = format!("{port}: a udev rule (VE_SERVICE=\"{rule}\")");
        match owner(root, files, &rule) {
            Owner::InTurn => {}
            Owner::Us => report.ok(format!("{said} gives it to dbus-bms alone")),
            Owner::Program(template) if template == SERIALBATTERY => report.advise(
                format!("{said} gives it to {SERIALBATTERY} alone: dbus-bms is never tried there"),
                format!(
                    "/data/apps/dbus-bms/install.sh install --replace-serialbattery takes it over; or change the rule in {RULES} to \
                     VE_SERVICE=\"{PROGRAM}\""
                ),
            ),
            // The built-in ports have such rules for their programs.
            _ if !usb => {}
            Owner::Ignored => report.note(format!("{said} keeps all programs away from it")),
            Owner::Program(template) => {
                report.note(format!("{said} gives it to {template} alone: dbus-bms is never tried there"));
            }
            Owner::WithoutTemplate(template) => report.problem(
                format!("{said} gives it to {template}, whose service template is missing: no program gets the port"),
                format!("install that project again, or remove the rule from {RULES} and restart the device"),
            ),
            Owner::Unknown => report.problem(
                format!("{said} names a program that serial-starter does not know: no program gets the port"),
                format!("install that project again, or remove the rule from {RULES} and restart the device"),
            ),
        }
    }
}

/// The `VE_SERVICE` of a port.
fn rule(root: &Root, port: &str) -> Option<String> {
    let number = root.text(&format!("{TTYS}/{port}/dev"))?;
    let known = root.text(&format!("{UDEV_DATA}/c{}", number.trim()))?;
    let rule = known.lines().find_map(|line| line.strip_prefix("E:VE_SERVICE="))?.trim().to_owned();
    (!rule.is_empty()).then_some(rule)
}

fn owner(root: &Root, files: &[String], rule: &str) -> Owner {
    let in_turn = rule.contains(':') || last_line(root, files, "alias", rule).is_some();
    // A keyword of the platform: the program depends on the device.
    if in_turn || rule == "vedirect-or-vegetty" {
        return Owner::InTurn;
    }
    if rule == "ignore" {
        return Owner::Ignored;
    }
    match last_line(root, files, "service", rule).map(|line| line.value) {
        None => Owner::Unknown,
        Some(template) if template == "dbus-bms" => Owner::Us,
        Some(template) if root.has(&format!("{TEMPLATES}/{template}")) => Owner::Program(template),
        Some(template) => Owner::WithoutTemplate(template),
    }
}
