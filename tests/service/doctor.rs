//! `doctor`: a device without problems, and one problem after the other.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, replay, simulated};
use bus::{Bus, get};
use driver::{Home, owner, until};
use serde_json::Value as Json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

const NOWHERE: &str = "unix:path=/nonexistent/bus";

/// The file system of a GX device with dbus-bms and an adapter used by a driver.
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
        device.write("/opt/victronenergy/service-templates/gps-dbus/run", "");
        device.write("/service/dbus-bms.ports/run", "");
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

    /// Data of udev about the port.
    fn pin(&self, program: &str) {
        self.write("/sys/class/tty/ttyUSB0/dev", "188:0\n");
        self.write("/run/udev/data/c188:0", &format!("S:serial-starter/ttyUSB0\nE:ID_BUS=usb\nE:VE_SERVICE={program}\n"));
    }

    fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// The doctor's output: `VERDICT topic: text -> remedy`.
    fn findings(&self, bus: &str) -> Vec<String> {
        let root = self.path("").display().to_string();
        let ended = self.0.start(&["doctor", "--json", "--root", &root, "--bus", bus]).end();
        let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
        let findings: Vec<Json> = ended.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let problems = findings.iter().filter(|finding| finding["verdict"] == "problem").count();
        assert_eq!(ended.code, Some(i32::from(problems > 0)), "{ended:#?}");
        let line = |finding: &Json| {
            let [verdict, topic, what, remedy] = ["verdict", "topic", "what", "remedy"].map(|key| text(&finding[key]));
            // Notes may have a remedy.
            let fits = match verdict.as_str() {
                "problem" => !remedy.is_empty(),
                "note" => true,
                _ => remedy.is_empty(),
            };
            assert!(fits, "each problem has a remedy: {finding}");
            format!("{verdict} {topic}: {what} -> {remedy}")
        };
        findings.iter().map(line).collect()
    }

    /// The problems, except for the bus, which is absent.
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

/// A change of the device, and part of the resulting output.
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
        (|d| fs::rename(d.path("/data/rc.local"), d.path("/data/rc.local.disabled")).unwrap(), &["disabled", "Support status"]),
        (|d| d.remove("/service/dbus-bms.ports"), &["no service is kept ready for ports", "rc.local now"]),
        (
            |d| {
                let mount = "31 25 0:21 /dbus-bms/service-templates /opt/victronenergy/service-templates rw - tmpfs tmpfs rw\n";
                d.write("/proc/self/mountinfo", &format!("25 1 179:2 / / ro - ext4 /dev/root ro\n{mount}"));
            },
            &["what other projects install there is gone", "rc.local now"],
        ),
        (|d| d.pin("smartbms"), &["ttyUSB0", "VE_SERVICE=\"smartbms\"", "does not know", "remove the rule"]),
        (
            |d| {
                d.pin("smartbms");
                d.write("/data/conf/serial-starter.d/smart.conf", "service smartbms smartbms-dbus\n");
            },
            &["ttyUSB0", "smartbms-dbus, whose service template is missing", "install that project again"],
        ),
        (
            |d| d.write("/data/conf/serial-starter.d/zzz.conf", "alias default gps:other\n"),
            &["zzz.conf makes serial-starter try gps, other as default, but not dbus-bms", "sorts before zz-dbus-bms.conf"],
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
    for part in ["note ports: ttyUSB0 (FTDI FT232R USB UART): not in use at present, gps was tried last", "--replace-serialbattery"]
    {
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    }
}

#[test]
fn a_port_that_udev_gives_to_one_program_is_named() {
    let file = "/data/conf/serial-starter.d/zz-dbus-bms.conf";
    let told = |device: &Device, part: &str| {
        assert_eq!(device.problems(), [""; 0]);
        let all = device.findings(NOWHERE).join("\n");
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    };
    let device = Device::new();
    device.write("/opt/victronenergy/service-templates/dbus-serialbattery/run", "");
    device.write("/data/conf/serial-starter.d/battery.conf", "service sbattery dbus-serialbattery\n");
    device.pin("sbattery");
    told(&device, "note ports: ttyUSB0: a udev rule (VE_SERVICE=\"sbattery\") gives it to dbus-serialbattery alone");
    told(&device, "--replace-serialbattery takes it over; or change the rule in /etc/udev/rules.d to VE_SERVICE=\"dbusbms\"");
    let ours = fs::read_to_string(device.path(file)).unwrap();
    device.write(file, &format!("{ours}service sbattery dbus-bms\n"));
    told(&device, "ok ports: ttyUSB0: a udev rule (VE_SERVICE=\"sbattery\") gives it to dbus-bms alone");
    device.pin("dbusbms");
    told(&device, "ok ports: ttyUSB0: a udev rule (VE_SERVICE=\"dbusbms\") gives it to dbus-bms alone");
    device.pin("gps");
    told(
        &device,
        "note ports: ttyUSB0: a udev rule (VE_SERVICE=\"gps\") gives it to gps-dbus alone: dbus-bms is never tried there",
    );
    device.pin("ignore");
    told(&device, "note ports: ttyUSB0: a udev rule (VE_SERVICE=\"ignore\") keeps all programs away");
    device.pin("rs485:default");
    assert!(!device.findings(NOWHERE).join("\n").contains("udev rule"), "several programs in turn, as without a rule");
}

#[test]
fn a_bank_that_nothing_starts_is_a_problem() {
    let device = Device::new();
    let told = |part: &str| {
        let all = device.findings(NOWHERE).join("\n");
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    };
    told("ok bank: no bank is configured");
    device.write("/data/conf/dbus-bms/config.toml", "[port.ttyUSB0]\nmember_of_bank = true\n");
    let problems = device.problems();
    assert!(problems.len() == 1 && problems[0].contains("/service/dbus-bms.bank is missing: nothing starts it"), "{problems:#?}");
    device.write("/service/dbus-bms.bank/run", "");
    assert_eq!(device.problems(), [""; 0]);
    told("ok bank: a bank is configured; the service /service/dbus-bms.bank starts it");
    device.write("/data/conf/dbus-bms/config.toml", "member_of_bank = true\nbank.in_run = true\n");
    told("note bank: `bank.in_run` is for one `run` with all ports");
    told("-> remove `bank.in_run` from /data/conf/dbus-bms/config.toml");
}

#[test]
fn without_batteries_on_serial_ports_no_serial_port_is_missed() {
    let device = Device::new();
    device.remove("/sys/class/tty/ttyUSB0");
    let config = |ports: &str| device.write("/data/conf/dbus-bms/config.toml", &format!("ports = [{ports}]\n"));
    config("\"ble://C8:47:8C:12:34:56\", \"can://can0\", \"mqtt://localhost/home/battery\"");
    let all = device.findings(NOWHERE).join("\n");
    assert!(
        all.contains("ok ports: no USB serial port, and none is needed: configured is ble://C8:47:8C:12:34:56, can://can0"),
        "{all}"
    );
    config("\"ble://C8:47:8C:12:34:56\", \"/dev/ttyUSB0\"");
    assert!(device.problems().iter().any(|problem| problem.contains("no USB serial port")), "a battery on a serial port misses it");
    // A serial port of the computer itself.
    config("\"/dev/ttyAMA0\"");
    assert!(device.problems().iter().any(|problem| problem.contains("/dev/ttyAMA0 is configured and does not exist")));
    device.write("/dev/ttyAMA0", "");
    let all = device.findings(NOWHERE).join("\n");
    assert!(all.contains("note ports: ttyAMA0: not in use, although it is configured"), "{all}");
    device.write("/proc/124/comm", "dbus-bms");
    fs::create_dir_all(device.path("/proc/124/fd")).unwrap();
    symlink("/dev/ttyAMA0", device.path("/proc/124/fd/7")).unwrap();
    let all = device.findings(NOWHERE).join("\n");
    assert!(all.contains("ok ports: ttyAMA0: used by dbus-bms (process 124)"), "{all}");
    assert_eq!(device.problems(), [""; 0]);
    // A computer that is no GX, with nothing configured.
    for file in ["/opt/victronenergy/version", "/data/conf/dbus-bms/config.toml"] {
        device.remove(file);
    }
    assert_eq!(device.problems(), [""; 0]);
}

#[tokio::test]
async fn a_bank_that_is_away_is_named_by_its_members() {
    let (home, bus, device) = (Home::new(), Bus::start(), Device::new());
    let address = bus.address().to_string();
    let mut watcher = bus.watch("com.victronenergy.battery.ttyUSB0").await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let _member = home.configure("member_of_bank = true\n").run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let told = |part: &str| {
        let all = device.findings(&address).join("\n");
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    };
    told("belong to a bank (bank_bank) that is not on the bus");
    let status = || home.start(&["status", "--json", "--bus", &address]).end().output.join("\n");
    let away = r#""bank":{"id":"bank_bank","runs":false}"#;
    assert!(status().contains(away), "{}", status());
    let mut watcher = bus.watch("com.victronenergy.battery.bank").await;
    let _bank = home.start(&["bank", "--bus", &address]);
    until(&mut watcher, owner(true)).await;
    told("ok bank: the bank of JBD-SP25S003-L16S-100A-100A-B (ttyUSB0) runs");
    assert!(status().contains(r#""started_by":"hand (`dbus-bms bank` or `run`)""#), "{}", status());
    assert!(!status().contains(away), "{}", status());
    // For people a member has no limits of its own because its bank has them.
    let shown = home.start(&["status", "--bus", &address]).end().output.join("\n");
    assert!(shown.contains("set by its bank") && shown.contains("runs, started by hand"), "{shown}");
}

#[test]
fn what_is_left_of_an_earlier_version_is_told() {
    let device = Device::new();
    device.write("/opt/victronenergy/service-templates/dbus-bms/run", "");
    let all = device.findings(NOWHERE).join("\n");
    assert!(
        all.contains("note serial-starter: /opt/victronenergy/service-templates/dbus-bms is left from an earlier version"),
        "{all}"
    );
    let device = Device::new();
    device.remove("/data/apps/dbus-bms");
    let all = device.findings(NOWHERE).join("\n");
    let left = "zz-dbus-bms.conf, /service/dbus-bms.ports, /service/dbus-bms.ttyUSB0 -> run install.sh uninstall";
    assert!(all.contains(left), "{all}");
}

#[test]
fn a_service_that_waits_for_its_turn_has_not_got_it() {
    let device = Device::new();
    device.remove("/proc/123");
    device.write("/dev/serial-starter/ttyUSB0", "");
    device.write("/service/vedirect-interface.ttyUSB0/supervise/status", "123456789012\u{1}\u{1}\0\0\0u");
    let told = |part: &str| {
        let all = device.findings(NOWHERE).join("\n");
        assert!(all.contains(part), "{part:?} is not in\n{all}");
    };
    told("ttyUSB0 (FTDI FT232R USB UART): vedirect-interface.ttyUSB0 is trying it");
    device.write("/service/vedirect-interface.ttyUSB0/supervise/status", "123456789012\0\0\0\0\0d");
    told("ttyUSB0 (FTDI FT232R USB UART): not in use at present");
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
    expect(&["note bus: no battery on the bus"]);

    let name = "com.victronenergy.battery.ttyUSB0";
    let mut watcher = bus.watch(name).await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let first = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let battery = "ok bus: com.victronenergy.battery.ttyUSB0: JBD-SP25S003-L16S-100A-100A-B (ttyUSB0), instance 1";
    expect(&[battery, "62 %, charge to 55.20 V with up to 50.0 A", "discharge up to 60.0 A"]);
    assert!(!about_bus().contains("problem"), "{}", about_bus());

    let _system = bus.own(&["com.victronenergy.system"]).await;
    let off = bus.settings(&["/Settings/Services/Bol#=0"]).await;
    expect(&["problem bus: DVCC is off", "switch it on", "problem bus: the GX uses no battery's limits"]);
    drop(off);
    let on = bus.settings(&["/Settings/Services/Bol#=1"]).await;
    expect(&["ok bus: DVCC is on: chargers and inverters follow the limits"]);
    assert!(!about_bus().contains("feed-in"), "{}", about_bus());
    drop(on);
    let feeds = bus.settings(&["/Settings/Services/Bol#=1", "/Settings/CGwacs/OvervoltageFeedIn#=1"]).await;
    assert!(!about_bus().contains("chargers and inverters follow"), "{}", about_bus());
    expect(&[
        "ok bus: DVCC is on: inverters follow the limits; solar chargers follow the charge voltage only, see below",
        "note bus: DC-coupled PV feed-in is on: while the GX may feed in it gives solar chargers no current limit, only the charge \
         voltage; where charging is forbidden this driver lowers that to the pack's voltage -> to apply current limits as well, \
         switch it off: Settings, ESS, DC-coupled PV - feed in excess",
    ]);
    drop(feeds);
    let _off = bus.settings(&["/Settings/Services/Bol#=1", "/Settings/CGwacs/OvervoltageFeedIn#=0"]).await;
    assert!(!about_bus().contains("feed-in"), "{}", about_bus());

    let other = "com.victronenergy.battery.ttyUSB1";
    let mut watcher = bus.watch(other).await;
    let board = Board::on_pty(&home.path("ttyUSB1"), replay(&["jbd/readme-4s"]));
    let second = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    expect(&["problem bus: 2 batteries publish limits", "Controlling BMS"]);
    first.stop();
    second.stop();
}

/// A name with escape codes, line ends and excessive length.
fn evil_name() -> String {
    format!("Shed\u{1b}[31m\u{9b}2J\r\nFORGED \u{202e}{}", "x".repeat(5000))
}

/// Output about the bus for people, as printed by `doctor` and `status`, and the name on the bus itself.
async fn names_seen(home: &Home, bus: &Bus, service: &str) -> Vec<String> {
    let address = bus.address().to_string();
    let mut all = Vec::new();
    for arguments in
        [&["doctor", "--root", "/nonexistent/root"][..], &["doctor", "--json", "--root", "/nonexistent/root"], &["status"]]
    {
        all.extend(home.start(&[arguments, &["--bus", &address]].concat()).end().output);
    }
    if !service.is_empty() {
        all.push(bus.call(get(service, "/CustomName", "GetValue")).await["value"][1].as_str().unwrap().to_owned());
    }
    all
}

fn assert_harmless(all: &[String], known: &str) {
    assert!(all.iter().filter(|line| line.contains(known)).count() >= 3, "{all:#?}");
    for line in all {
        let steering = line.chars().any(|c| c.is_control() || c == '\u{202e}') || line.contains("\\u");
        assert!(!steering && !line.starts_with("FORGED") && line.len() < 1000, "{line:?}");
    }
}

#[tokio::test]
async fn names_that_others_gave_steer_no_terminal() {
    let (home, bus) = (Home::new(), Bus::start());
    let name = "com.victronenergy.battery.ttyUSB0";
    // From the settings of the GX.
    let named = format!("/Settings/Devices/jbd_ttyUSB0/CustomName={}", evil_name());
    let settings = bus.settings(&["/Settings/Devices/jbd_ttyUSB0/ClassAndVrmInstance=battery:1", &named]).await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let mut watcher = bus.watch(name).await;
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    assert_harmless(&names_seen(&home, &bus, name).await, "Shed");
    driver.stop();
    // From a state file, without settings.
    drop(settings);
    let state = home.path("dbus-bms/jbd_ttyUSB0.json");
    let mut kept: Json = serde_json::from_str(&fs::read_to_string(&state).unwrap()).unwrap();
    kept["custom_name"] = Json::from(evil_name().replace("Shed", "Cellar"));
    fs::write(&state, kept.to_string()).unwrap();
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    assert_harmless(&names_seen(&home, &bus, name).await, "Cellar");
    driver.stop();
    // From another driver's service.
    let mut other = bus.foreign_battery(&["ttyUSB1"]).await;
    other.tell(&serde_json::json!({"/CustomName": evil_name().replace("Shed", "Attic")}));
    for _ in 0..1000 {
        let told = bus.call(get("com.victronenergy.battery.ttyUSB1", "/CustomName", "GetValue")).await;
        if told.to_string().contains("Attic") {
            break;
        }
    }
    assert_harmless(&names_seen(&home, &bus, "").await, "Attic");
}

#[test]
fn on_a_computer_that_is_no_gx_only_ports_and_bus_are_looked_at() {
    let device = Device::new();
    device.remove("/opt/victronenergy/version");
    let all = device.findings(NOWHERE);
    assert!(all[0].starts_with("note device: not a GX device"), "{all:#?}");
    assert!(all.iter().all(|line| ["device:", "ports:", "bus:"].iter().any(|topic| line.contains(topic))), "{all:#?}");
}

#[test]
fn pages_for_the_screen_are_missed_from_the_firmware_on_that_shows_them() {
    const PACKAGE: &str = "/data/apps/dbus-bms/gui-v2/dbus-bms.json";
    const INSTALLED: &str = "/data/apps/available/dbus-bms/gui-v2/dbus-bms.json";
    let device = Device::new();
    let screen =
        || device.findings(NOWHERE).into_iter().find(|line| line.split_once(' ').unwrap().1.starts_with("screen: ")).unwrap();
    device.write(PACKAGE, "{1}");
    for old in ["v3.55", "v3.79~4", "v2.92-large-1"] {
        device.write("/opt/victronenergy/version", old);
        assert_eq!(screen(), "ok screen: no pages of our own on the GX's screen: its firmware supports them from v3.80 on -> ");
    }
    for new in ["v3.80~21\nVictron Energy\n", "v3.80", "v4.1"] {
        device.write("/opt/victronenergy/version", new);
        let missing = "problem screen: our pages for the GX's screen are missing -> run /data/apps/dbus-bms/rc.local now";
        assert_eq!(screen(), missing, "{new}");
    }
    device.write(INSTALLED, "{0}");
    assert!(screen().starts_with("problem screen: our pages for the GX's screen are those of another version"), "{}", screen());
    device.write(INSTALLED, "{1}");
    let off = "note screen: our pages for the GX's screen are switched off: /data/apps/enabled/dbus-bms is missing \
        -> if you want them: ln -s ../available/dbus-bms /data/apps/enabled/dbus-bms";
    assert_eq!(screen(), off);
    fs::create_dir_all(device.path("/data/apps/enabled")).unwrap();
    symlink("../available/dbus-bms", device.path("/data/apps/enabled/dbus-bms")).unwrap();
    assert_eq!(screen(), "ok screen: the GX's screen shows our pages (a gui-v2 plugin) -> ");
    device.remove(PACKAGE);
    device.remove(INSTALLED);
    assert!(screen().starts_with("note screen: this installation has no pages"), "{}", screen());
}
