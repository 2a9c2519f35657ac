//! `doctor`: a device on which all is well, and one thing after the other that is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/board.rs"]
mod board;
#[path = "support/bus.rs"]
mod bus;
#[path = "support/driver.rs"]
mod driver;

use board::{Board, replay, simulated};
use bus::Bus;
use driver::{Home, owner, until};
use serde_json::Value as Json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

const NOWHERE: &str = "unix:path=/nonexistent/bus";

/// The file system of a GX device with dbus-bms on it and an adapter that a driver uses.
struct Device(Home);

impl Device {
    fn new() -> Self {
        let device = Self(Home::new());
        device.write("/opt/victronenergy/version", "v3.55\nVictron Energy\n20250115\n");
        device.program("/data/apps/dbus-bms/bin/dbus-bms", "");
        device.write("/data/apps/dbus-bms/VERSION", env!("CARGO_PKG_VERSION"));
        for (file, when) in [("rcS.local", "early"), ("rc.local", "late")] {
            device.program(&format!("/data/{file}"), &format!("#!/bin/bash\n/data/apps/dbus-bms/rc.local {when} # dbus-bms\n"));
        }
        device.write("/opt/victronenergy/service-templates/dbus-bms/run", "");
        device.write(
            "/etc/venus/serial-starter.conf",
            "service gps gps-dbus\nalias default gps:vedirect\nalias rs485 cgwacs:imt # all\n",
        );
        device.write(
            "/data/conf/serial-starter.d/zz-dbus-bms.conf",
            "service dbusbms dbus-bms\nalias default gps:vedirect:dbusbms\nalias rs485 cgwacs:imt:dbusbms\n",
        );
        device.write("/sys/devices/usb1/1-1/product", "FT232R USB UART\n");
        device.write("/sys/devices/usb1/1-1/manufacturer", "FTDI\n");
        fs::create_dir_all(device.path("/sys/devices/usb1/1-1/1-1:1.0/ttyUSB0")).unwrap();
        fs::create_dir_all(device.path("/sys/class/tty/ttyUSB0")).unwrap();
        symlink(device.path("/sys/devices/usb1/1-1/1-1:1.0/ttyUSB0"), device.path("/sys/class/tty/ttyUSB0/device")).unwrap();
        device.holder(123, "dbus-bms");
        device.write("/service/dbus-bms.ttyUSB0/run", "");
        device.write("/var/log/dbus-bms.ttyUSB0/current", "@400000006745c2d31f4b3a2c INFO connected: JK on /dev/ttyUSB0\n");
        device
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path(&format!("root{path}"))
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn program(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn forbid(&self, path: &str) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn holder(&self, process: u32, name: &str) {
        self.write(&format!("/proc/{process}/comm"), name);
        fs::create_dir_all(self.path(&format!("/proc/{process}/fd"))).unwrap();
        symlink("/dev/ttyUSB0", self.path(&format!("/proc/{process}/fd/7"))).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// What the doctor says: `VERDICT topic: text -> remedy`.
    fn findings(&self, bus: &str) -> Vec<String> {
        let root = self.path("").display().to_string();
        let ended = self.0.start(&["doctor", "--json", "--root", &root, "--bus", bus]).end();
        let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
        let findings: Vec<Json> = ended.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let problems = findings.iter().filter(|finding| finding["verdict"] == "problem").count();
        assert_eq!(ended.code, Some(i32::from(problems > 0)), "{ended:#?}");
        let line = |finding: &Json| {
            let [verdict, topic, what, remedy] = ["verdict", "topic", "what", "remedy"].map(|key| text(&finding[key]));
            assert_eq!(remedy.is_empty(), verdict != "problem", "each problem has a remedy: {finding}");
            format!("{verdict} {topic}: {what} -> {remedy}")
        };
        findings.iter().map(line).collect()
    }

    /// The problems, but for the bus, which is not there.
    fn problems(&self) -> Vec<String> {
        let all = self.findings(NOWHERE);
        all.into_iter().filter(|line| line.starts_with("problem") && !line.starts_with("problem bus")).collect()
    }
}

#[test]
fn on_a_device_on_which_all_is_well_it_says_so() {
    let device = Device::new();
    assert_eq!(device.problems(), [""; 0]);
    let all = device.findings(NOWHERE).join("\n");
    for part in [
        "ok device: Venus OS v3.55 on",
        "is installed in /data/apps/dbus-bms",
        "ok start: /data/rc.local starts dbus-bms",
        "default: gps, vedirect, dbusbms are tried in turn",
        "ttyUSB0 (FTDI FT232R USB UART): used by dbus-bms (process 123)",
        "dbus-bms.ttyUSB0; its log ends with: INFO connected: JK on /dev/ttyUSB0",
        "problem bus: no D-Bus at unix:path=/nonexistent/bus",
    ] {
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    }
}

/// What is done to the device, and a part of what the doctor says then.
type Illness = (fn(&Device), &'static [&'static str]);

#[test]
fn each_thing_that_is_wrong_is_one_problem_with_its_remedy() {
    let illnesses: &[Illness] = &[
        (|d| d.remove("/data/apps/dbus-bms"), &["is not installed", "install.sh"]),
        (|d| d.remove("/data/apps/dbus-bms/bin/dbus-bms"), &["bin/dbus-bms is missing"]),
        (
            |d| d.write("/data/conf/dbus-bms/config.toml", "\nmax_charge_curent_a = 3\n"),
            &["config.toml:2:", "max_charge_current_a"],
        ),
        (|d| d.remove("/data/rc.local"), &["/data/rc.local is missing", "install.sh install"]),
        (|d| d.program("/data/rc.local", "#!/bin/bash\n# /data/apps/dbus-bms/rc.local late\n"), &["does not start dbus-bms"]),
        (|d| d.forbid("/data/rcS.local"), &["chmod +x /data/rcS.local"]),
        (|d| fs::rename(d.path("/data/rc.local"), d.path("/data/rc.local.disabled")).unwrap(), &["switched off", "Support status"]),
        (|d| d.remove("/opt/victronenergy/service-templates/dbus-bms"), &["service template", "rc.local now"]),
        (
            |d| d.write("/data/conf/serial-starter.d/zzz.conf", "alias default gps:other\n"),
            &["zzz.conf lets serial-starter try gps, other as default, and not dbus-bms", "sorts before zz-dbus-bms.conf"],
        ),
        (|d| d.remove("/sys/class/tty/ttyUSB0"), &["no USB serial port", "plug in"]),
        (|d| d.holder(456, "vedirect"), &["also used by vedirect (process 456)", "stop one"]),
        (
            |d| ["/proc/123", "/service/dbus-bms.ttyUSB0"].into_iter().for_each(|path| d.remove(path)),
            &["serial-starter does not offer it", "start-tty.sh ttyUSB0"],
        ),
    ];
    for (harm, words) in illnesses {
        let device = Device::new();
        harm(&device);
        let problems = device.problems();
        assert!(problems.len() == 1 && words.iter().all(|word| problems[0].contains(word)), "{words:?}: {problems:#?}");
    }
    let device = Device::new();
    device.remove("/data/conf/serial-starter.d/zz-dbus-bms.conf");
    assert_eq!(device.problems().len(), 3, "unknown, and left out of both lists");
}

#[test]
fn a_port_between_two_turns_and_another_driver_are_worth_knowing_and_no_problem() {
    let device = Device::new();
    ["/proc/123", "/service/dbus-bms.ttyUSB0"].into_iter().for_each(|path| device.remove(path));
    device.write("/dev/serial-starter/ttyUSB0", "");
    device.write("/data/var/lib/serial-starter/ttyUSB0", "gps\n");
    device.write("/data/conf/serial-starter.d/battery.conf", "service sbattery dbus-serialbattery\n");
    let merged = "service dbusbms dbus-bms\nalias default gps:sbattery:dbusbms\nalias rs485 dbusbms\n";
    device.write("/data/conf/serial-starter.d/zz-dbus-bms.conf", merged);
    assert_eq!(device.problems(), [""; 0]);
    let all = device.findings(NOWHERE).join("\n");
    for part in
        ["note ports: ttyUSB0 (FTDI FT232R USB UART): nobody has it at the moment, gps was tried last", "--replace-serialbattery"]
    {
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    }
}

#[tokio::test]
async fn the_bus_is_looked_at_as_the_gx_does() {
    let (home, bus, device) = (Home::new(), Bus::start(), Device::new());
    let address = bus.address().to_string();
    let about_bus = || {
        let all = device.findings(&address);
        all.into_iter().filter(|line| line.contains(" bus: ")).collect::<Vec<_>>().join("\n")
    };
    let expect = |parts: &[&str]| {
        let all = about_bus();
        parts.iter().for_each(|part| assert!(all.contains(part), "{part:?} is not in\n{all}"));
    };
    expect(&["note bus: no battery is on the bus"]);

    let name = "com.victronenergy.battery.ttyUSB0";
    let mut watcher = bus.watch(name).await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let first = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let line = "ok bus: com.victronenergy.battery.ttyUSB0: LLT / JBD BMS, instance 1, 62 %, charge to 55.20 V with up to 50.0 A";
    expect(&[line, "discharge up to 60.0 A"]);
    assert!(!about_bus().contains("problem"), "{}", about_bus());

    let _system = bus.own(&["com.victronenergy.system"]).await;
    let off = bus.settings(&["/Settings/Services/Bol#=0"]).await;
    expect(&["problem bus: DVCC is off", "switch it on", "problem bus: the GX takes the limits of no battery"]);
    drop(off);
    let _on = bus.settings(&["/Settings/Services/Bol#=1"]).await;
    expect(&["ok bus: DVCC is on"]);

    let other = "com.victronenergy.battery.ttyUSB1";
    let mut watcher = bus.watch(other).await;
    let board = Board::on_pty(&home.path("ttyUSB1"), replay(&["jbd/readme-4s"]));
    let second = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    expect(&["problem bus: 2 batteries give limits", "Controlling BMS"]);
    first.stop();
    second.stop();
}

#[test]
fn on_a_computer_that_is_no_gx_only_ports_and_bus_are_looked_at() {
    let device = Device::new();
    device.remove("/opt/victronenergy/version");
    let all = device.findings(NOWHERE);
    assert!(all[0].starts_with("note device: no GX device"), "{all:#?}");
    assert!(all.iter().all(|line| ["device:", "ports:", "bus:"].iter().any(|topic| line.contains(topic))), "{all:#?}");
}
