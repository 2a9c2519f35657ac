//! Serial ports: their users, and the state of their services.

use super::{Report, Root};
use crate::config::{Config, Paths};
use std::path::{Path, PathBuf};
use std::process::Command;

const TTYS: &str = "/sys/class/tty";
const LOCKS: &str = "/var/lock/serial-starter";
const OFFERED: &str = "/dev/serial-starter";
const SERVICES: &str = "/service";

pub(super) fn examine(root: &Root, gx: bool, report: &mut Report) {
    report.about("ports");
    let ports: Vec<String> =
        root.names(TTYS).into_iter().filter(|name| ["ttyUSB", "ttyACM"].iter().any(|kind| name.starts_with(kind))).collect();
    let configured = configured(root, gx);
    let others = configured.iter().filter(|port| !is_usb(port)).map(String::as_str);
    if ports.is_empty() && !configured.is_empty() && !configured.iter().any(|port| is_usb(port)) {
        report.ok(format!("no USB serial port, and none is needed: configured is {}", configured.join(", ")));
    } else if ports.is_empty() {
        let (what, remedy) =
            ("no USB serial port found", "plug in the adapter; if it is plugged in, try another USB socket or cable");
        // Elsewhere the batteries of this computer may be named on the command line only.
        if gx || !configured.is_empty() { report.problem(what, remedy) } else { report.advise(what, remedy) }
    }
    for port in &ports {
        self::port(root, gx, report, port);
    }
    for device in others.filter(|port| !port.contains("://")) {
        built_in(root, report, device);
    }
    if gx {
        services(root, report);
    }
}

/// The ports in the configuration.
fn configured(root: &Root, gx: bool) -> Vec<String> {
    let file = Paths::of(gx, |name| std::env::var_os(name).filter(|_| root.is_real())).config.display().to_string();
    let bytes = std::fs::read(root.at(&file)).unwrap_or_default();
    // An invalid configuration is reported elsewhere.
    Config::from_bytes(&file, &bytes).map(|config| config.settings(None, None).ports).unwrap_or_default()
}

/// Whether the port is there only while a USB adapter is plugged in.
fn is_usb(port: &str) -> bool {
    ["/dev/ttyUSB", "/dev/ttyACM", "/dev/serial/"].iter().any(|kind| port.starts_with(kind))
}

/// A configured serial port of the computer itself, such as `/dev/ttyAMA0`.
fn built_in(root: &Root, report: &mut Report, device: &str) {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    match holders(root, name).first() {
        Some(holder) => report.ok(format!("{name}: used by {holder}")),
        None if root.has(device) => report.note(format!("{name}: not in use, although it is configured")),
        None => report.problem(
            format!("{device} is configured and does not exist"),
            "correct `ports` in the configuration, or switch the port on (on a Raspberry Pi: raspi-config, Interface, Serial Port)",
        ),
    }
}

fn port(root: &Root, gx: bool, report: &mut Report, port: &str) {
    let adapter = adapter(root, port).map(|adapter| format!(" ({adapter})")).unwrap_or_default();
    let holders = holders(root, port);
    let mut on_port = root.names(SERVICES).into_iter().filter(|service| service.ends_with(&format!(".{port}")));
    let service = on_port.rfind(|service| !waits(root, service));
    let cached = root.text(&format!("/data/var/lib/serial-starter/{port}")).map(|text| text.trim().to_owned());
    match (holders.first(), service) {
        (Some(holder), _) => report.ok(format!("{port}{adapter}: used by {holder}")),
        (None, Some(service)) => report.note(format!("{port}{adapter}: {service} is trying it")),
        (None, None) if !gx => report.ok(format!("{port}{adapter}: not in use")),
        (None, None) if root.has(&format!("{OFFERED}/{port}")) || root.has(&format!("{LOCKS}/{port}")) => {
            let last = cached.map(|name| format!(", {name} was tried last")).unwrap_or_default();
            report.note(format!("{port}{adapter}: not in use at present{last}; serial-starter keeps trying"));
        }
        (None, None) => report.problem(
            format!("{port}{adapter}: not in use, and serial-starter does not offer it"),
            format!("run /opt/victronenergy/serial-starter/start-tty.sh {port}, or unplug it and plug it in again"),
        ),
    }
    if let [_, second, ..] = holders.as_slice() {
        report.problem(
            format!("{port} is also used by {second}: two programs on one port interfere with each other"),
            "stop one of them",
        );
    }
}

/// The name reported by the USB device.
fn adapter(root: &Root, port: &str) -> Option<String> {
    let device = std::fs::canonicalize(root.at(&format!("{TTYS}/{port}/device"))).ok()?;
    let product = device.ancestors().find(|folder| folder.join("product").is_file())?;
    let text = |name: &str| std::fs::read_to_string(product.join(name)).map(|text| text.trim().to_owned()).unwrap_or_default();
    Some(format!("{} {}", text("manufacturer"), text("product")).trim().to_owned())
}

/// The programs that have the port open.
fn holders(root: &Root, port: &str) -> Vec<String> {
    let node = Path::new("/dev").join(port);
    let processes = root.names("/proc").into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let has_it = |process: &String| {
        let files = std::fs::read_dir(root.at(&format!("/proc/{process}/fd"))).into_iter().flatten().flatten();
        files.map(|file| std::fs::read_link(file.path())).any(|target| target.is_ok_and(|target: PathBuf| target == node))
    };
    let name = |process: String| {
        let name = root.text(&format!("/proc/{process}/comm")).unwrap_or_default();
        format!("{} (process {process})", name.trim())
    };
    processes.filter(has_it).map(name).collect()
}

/// Whether a service waits for its turn: this driver's services exist before they are started; others' may be left from their last
/// turn.
fn waits(root: &Root, service: &str) -> bool {
    match std::fs::read(root.at(&format!("{SERVICES}/{service}/supervise/status"))) {
        // daemontools: 12 bytes of time, then the process number, 0 while it is down.
        Ok(status) => status.get(12..16).is_some_and(|process| process == [0; 4]),
        Err(_) => service.starts_with("dbus-bms."),
    }
}

/// The services of this driver, with the last log line of each.
fn services(root: &Root, report: &mut Report) {
    report.about("services");
    let log = |service: &str| format!("/var/log/{service}/current");
    // A service that was never started has no log.
    let ours: Vec<String> =
        root.names(SERVICES).into_iter().filter(|name| name.starts_with("dbus-bms.") && root.has(&log(name))).collect();
    if !ours.iter().any(|service| service.starts_with("dbus-bms.tty")) {
        report.note("dbus-bms serves no port at present; serial-starter tries it on each USB port within a minute or two");
    }
    for service in ours {
        let state = if root.is_real() { svstat(&service) } else { None };
        let state = state.map(|state| format!(" ({state})")).unwrap_or_default();
        let log = log(&service);
        let last = root.text(&log).and_then(|text| text.lines().last().map(without_time).map(str::to_owned));
        report.ok(format!("{service}{state}; its log ends with: {}", last.unwrap_or_else(|| format!("nothing in {log}"))));
    }
}

fn svstat(service: &str) -> Option<String> {
    let output = Command::new("svstat").arg(format!("{SERVICES}/{service}")).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.split_once(": ").map(|(_, state)| state.to_owned())
}

/// multilog stamps lines with `@` and 24 hexadecimal digits.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((stamp, rest)) if stamp.starts_with('@') && stamp.len() == 25 => rest,
        _ => line,
    }
}
