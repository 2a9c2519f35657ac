//! `docs/paths.md` lists the paths published by a battery, as in the code, each with an example and its Modbus-TCP register.

use crate::support::snapshot;

use dbus_bms::control::Abilities;
use dbus_bms::dbus::{Context, Items, Value, Writable};
use dbus_bms::model::Switch;
use std::fmt::Write as _;

const DOC: &str = "docs/paths.md";
const START: &str = "<!-- generated from the table of paths: a test compares -->\n";
const START_UNREAD: &str = "<!-- generated from the list of readers: what they read and a battery does not publish -->\n";
const START_WRITING: &str = "<!-- generated from the table of paths: what can be written -->\n";
const END: &str = "<!-- end of generated -->";

/// A register of the GX's Modbus-TCP server with a value of our service.
struct Register {
    path: &'static str,
    number: u16,
    /// Scale factor of the value.
    scale: f64,
    kind: Kind,
}

enum Kind {
    I16,
    U16,
    I32,
    U32,
    /// This many characters, two per register.
    Text(usize),
}

const fn register(path: &'static str, number: u16, kind: Kind, scale: f64) -> Register {
    Register { path, number, scale, kind }
}

/// From the attribute table of Victron's dbus_modbustcp v1.0.101 (2026-04): the registers of published paths.
const REGISTERS: &[Register] = &[
    register("/Dc/0/Power", 256, Kind::I32, 1.0),
    register("/Dc/0/Power", 258, Kind::I16, 1.0),
    register("/Dc/0/Voltage", 259, Kind::U16, 100.0),
    register("/Dc/0/Current", 261, Kind::I16, 10.0),
    register("/Dc/0/Temperature", 262, Kind::I16, 10.0),
    register("/ConsumedAmphours", 265, Kind::U16, -10.0),
    register("/Soc", 266, Kind::U16, 10.0),
    register("/Alarms/LowVoltage", 268, Kind::U16, 1.0),
    register("/Alarms/HighVoltage", 269, Kind::U16, 1.0),
    register("/Alarms/LowSoc", 272, Kind::U16, 1.0),
    register("/Alarms/LowTemperature", 273, Kind::U16, 1.0),
    register("/Alarms/HighTemperature", 274, Kind::U16, 1.0),
    register("/Alarms/HighInternalTemperature", 279, Kind::U16, 1.0),
    register("/History/DeepestDischarge", 281, Kind::U16, -10.0),
    register("/History/LastDischarge", 282, Kind::U16, -10.0),
    register("/History/AverageDischarge", 283, Kind::U16, -10.0),
    register("/History/ChargeCycles", 284, Kind::U16, 1.0),
    register("/History/FullDischarges", 285, Kind::U16, 1.0),
    register("/History/TotalAhDrawn", 286, Kind::U16, -10.0),
    register("/History/MinimumVoltage", 287, Kind::U16, 100.0),
    register("/History/MaximumVoltage", 288, Kind::U16, 100.0),
    register("/History/TimeSinceLastFullCharge", 289, Kind::U16, 0.01),
    register("/History/LowVoltageAlarms", 291, Kind::U16, 1.0),
    register("/History/HighVoltageAlarms", 292, Kind::U16, 1.0),
    register("/History/DischargedEnergy", 301, Kind::U16, 10.0),
    register("/History/ChargedEnergy", 302, Kind::U16, 10.0),
    register("/TimeToGo", 303, Kind::U16, 0.01),
    register("/Soh", 304, Kind::U16, 10.0),
    register("/Info/MaxChargeVoltage", 305, Kind::U16, 10.0),
    register("/Info/BatteryLowVoltage", 306, Kind::U16, 10.0),
    register("/Info/MaxChargeCurrent", 307, Kind::U16, 10.0),
    register("/Info/MaxDischargeCurrent", 308, Kind::U16, 10.0),
    register("/Capacity", 309, Kind::U16, 10.0),
    register("/System/MinCellTemperature", 318, Kind::I16, 10.0),
    register("/System/MaxCellTemperature", 319, Kind::I16, 10.0),
    register("/Alarms/HighChargeCurrent", 320, Kind::U16, 1.0),
    register("/Alarms/HighDischargeCurrent", 321, Kind::U16, 1.0),
    register("/Alarms/CellImbalance", 322, Kind::U16, 1.0),
    register("/Alarms/InternalFailure", 323, Kind::U16, 1.0),
    register("/Alarms/HighChargeTemperature", 324, Kind::U16, 1.0),
    register("/Alarms/LowChargeTemperature", 325, Kind::U16, 1.0),
    register("/Alarms/LowCellVoltage", 326, Kind::U16, 1.0),
    register("/Alarms/BmsCable", 327, Kind::U16, 1.0),
    register("/Alarms/Contactor", 328, Kind::U16, 1.0),
    register("/ConsumedAmphours", 330, Kind::U32, -1.0),
    register("/State", 1282, Kind::U16, 1.0),
    register("/ErrorCode", 1283, Kind::U16, 1.0),
    register("/Balancing", 1285, Kind::U16, 1.0),
    register("/System/NrOfCellsPerBattery", 1289, Kind::U16, 1.0),
    register("/System/MinCellVoltage", 1290, Kind::U16, 100.0),
    register("/System/MaxCellVoltage", 1291, Kind::U16, 100.0),
    register("/Io/AllowToCharge", 1297, Kind::U16, 1.0),
    register("/Io/AllowToDischarge", 1298, Kind::U16, 1.0),
    register("/History/MinimumCellVoltage", 1300, Kind::U16, 100.0),
    register("/History/MaximumCellVoltage", 1301, Kind::U16, 100.0),
    register("/System/NrOfModulesOffline", 1302, Kind::U16, 1.0),
    register("/System/NrOfModulesOnline", 1303, Kind::U16, 1.0),
    register("/System/NrOfModulesBlockingCharge", 1304, Kind::U16, 1.0),
    register("/System/NrOfModulesBlockingDischarge", 1305, Kind::U16, 1.0),
    register("/System/MinVoltageCellId", 1306, Kind::Text(8), 1.0),
    register("/System/MaxVoltageCellId", 1310, Kind::Text(8), 1.0),
    register("/System/MinTemperatureCellId", 1314, Kind::Text(8), 1.0),
    register("/System/MaxTemperatureCellId", 1318, Kind::Text(8), 1.0),
    register("/ConnectionInformation", 1328, Kind::Text(16), 1.0),
    register("/CustomName", 1336, Kind::Text(16), 1.0),
];

/// Content of the register, as the server computes it (`convertFromDbus` in its mappings.cpp): an invalid value is 0; of a double that
/// is out of range the low bits remain; an integer is limited, on the upper side to one below the maximum.
fn content(register: &Register, value: &Value<'_>) -> String {
    match (value, &register.kind) {
        (Value::Invalid, Kind::Text(_)) => "\"\"".to_owned(),
        (Value::Invalid, _) => "0".to_owned(),
        (Value::Text(text), Kind::Text(most)) => format!("\"{}\"", text.chars().take(*most).collect::<String>()),
        (Value::Text(_), _) => panic!("{} is a text", register.path),
        (Value::Double(number), kind) => low_bits(*number * register.scale, kind).to_string(),
        (Value::Int(number), kind) => limited(f64::from(*number) * register.scale, kind).to_string(),
    }
}

fn low_bits(number: f64, kind: &Kind) -> i64 {
    let whole = number.round() as i64;
    match kind {
        Kind::I16 => i64::from(whole as i16),
        Kind::U16 => i64::from(whole as u16),
        Kind::I32 => i64::from(whole as i32),
        Kind::U32 => i64::from(whole as u32),
        Kind::Text(_) => panic!("a number for a text"),
    }
}

fn limited(number: f64, kind: &Kind) -> i64 {
    let (least, most) = match kind {
        Kind::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::U16 => (0, i64::from(u16::MAX)),
        Kind::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::U32 => (0, i64::from(u32::MAX)),
        Kind::Text(_) => panic!("a number for a text"),
    };
    (number.round() as i64).clamp(least, most - 1)
}

/// The paths below a battery's service that others read, one a line: `PATH: READER, READER`. `*` stands for any ending, N for a number.
/// From gui-v2 2ffcc3cb (the pages of a battery and of a device: screen), dbus-systemcalc-py of 2026-06-26 (DVCC), `services.json` of
/// node-red-contrib-victron (Node-RED), the topics of the Home Assistant integration's library victron_mqtt (HA), and
/// dbus_modbustcp's `attributes.csv` (Modbus).
const READERS: &str = include_str!("readers.txt");

fn readers() -> impl Iterator<Item = (&'static str, &'static str)> {
    READERS.lines().map(|line| line.split_once(": ").unwrap())
}

/// Whether a path of the list of readers means this one.
fn is_meant(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |start| path.starts_with(start))
}

/// Why a battery does not publish what others read: by the beginning or end (`*`) of the path.
const WHY_NOT: &[(&str, &str)] = &[
    ("*StarterVoltage*", "a second battery at the same device"),
    ("/Dc/1/Voltage", "a second battery at the same device"),
    ("*MidVoltage*", "the midpoint of lead-acid batteries; the cells say more"),
    ("*Fuse*", "the fuses of a Lynx Distributor"),
    ("/Distributor/*", "the fuses of a Lynx Distributor"),
    ("/NrOfDistributors", "the fuses of a Lynx Distributor"),
    ("/Alarms/Alarm", "the single alarms say it"),
    ("/Alarms/HighCurrent", "`HighChargeCurrent` and `HighDischargeCurrent` say which"),
    ("/Alarms/StateOfHealth", "no supported BMS reports it"),
    ("/Relay/0/State", "the relay of a battery monitor"),
    ("/Settings/Relay/*", "the relay of a battery monitor"),
    ("/Settings/HasSettings", "opens the settings of a battery monitor; ours are on a [page of their own](gx-pages.md)"),
    ("/Settings/*", "settings of a battery monitor; those of dbus-bms: [live-settings.md](live-settings.md)"),
    ("/Mode", "the switch of a Lynx BMS; see [commands.md](commands.md)"),
    ("/SystemSwitch", "the switch of a Lynx BMS"),
    ("/Io/*", "the contacts of a Lynx BMS"),
    ("/Errors/*", "errors of Victron's lithium batteries"),
    ("/Diagnostics/*", "the error memory of a Lynx BMS"),
    ("/Redetect", "for Victron's lithium batteries"),
    ("/Battery/Request/Id", "for Victron's lithium batteries"),
    ("/NumberOfBmses", "several Lynx BMSs"),
    ("/N2kDeviceInstance", "several Lynx BMSs"),
    ("/BusVoltage", "the busbar of a Lynx or another brand"),
    ("/BussVoltage", "the busbar of a Lynx or another brand"),
    ("/AirTemperature", "the sensor of another brand"),
    ("/Sense/*", "written by DVCC for batteries that want the measurements of others"),
    ("/Capabilities/ChargeVoltageControl", "absent: chargers follow the charge voltage limit"),
    ("/Mgmt/InsecureConnection", "absent: the connection is wired"),
];

fn why_not(path: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match pattern.strip_prefix('*') {
        Some(part) => path.contains(part.trim_end_matches('*')),
        None => is_meant(pattern, path),
    };
    WHY_NOT.iter().find(|(pattern, _)| fits(pattern)).map(|(_, why)| *why)
}

/// The paths of a battery, of a member, of one with commands and a counted SoC, and of a bank.
fn all_paths() -> Vec<String> {
    let able = Context {
        own_soc: true,
        counted_soc: true,
        commands: Abilities { switches: [true; 3], soc: true, overrides: true },
        ..snapshot::context()
    };
    let bank = Context { is_bank: true, ..snapshot::context() };
    let mut paths = Vec::new();
    for context in [snapshot::context(), able, bank] {
        let items = Items::new(&context, &snapshot::discharging());
        paths.extend((0..items.len()).map(|number| items.get(number).unwrap().0.replace("Module0", "ModuleN")));
    }
    paths.push("/Voltages/CellN".to_owned());
    paths
}

/// What others read and no battery publishes, those with one reason together.
fn unread() -> String {
    let published = all_paths();
    let missing: Vec<_> = readers().filter(|(pattern, _)| !published.iter().any(|path| is_meant(pattern, path))).collect();
    let mut table = "| path | read by | why it is not here |\n|---|---|---|\n".to_owned();
    for (path, who) in missing {
        let why = why_not(path).unwrap_or_else(|| panic!("{path} is read by {who}: publish it, or say why not"));
        writeln!(table, "| `{path}` | {who} | {why} |").unwrap();
    }
    table
}

/// One row per path; the cells share one.
fn table() -> String {
    let items = Items::new(&snapshot::context(), &snapshot::discharging());
    let mut table = "| path | example | read by | Modbus-TCP register: content |\n|---|---|---|---|\n".to_owned();
    let mut text = String::new();
    for number in 0..items.len() {
        let (path, value) = items.get(number).unwrap();
        let cell = ["/Voltages/Cell", "/Balances/Cell"].into_iter().find(|cell| path.starts_with(cell));
        if cell.is_some() && !path.ends_with("Cell1") {
            continue;
        }
        let path = cell.map_or_else(|| path.to_owned(), |cell| format!("{cell}N"));
        items.write_text(number, &mut text);
        let registers = REGISTERS.iter().filter(|register| register.path == path);
        let registers: Vec<String> =
            registers.map(|register| format!("{}: {}", register.number, content(register, value))).collect();
        let who = readers().find(|(pattern, _)| is_meant(pattern, &path)).map_or("", |(_, who)| who);
        let who = who.trim_end_matches("Modbus").trim_end_matches(", ");
        writeln!(table, "| `{path}` | {text} | {who} | {} |", registers.join(", ")).unwrap();
    }
    table
}

/// Effect of a write, and accepted values.
fn deed(writable: Writable) -> (&'static str, String) {
    let text = |text: &str| text.to_owned();
    match writable {
        Writable::No => ("", text("")),
        Writable::CustomName => ("a text of up to 64 characters", text("names the battery")),
        Writable::ClearHistory => ("1", text("resets the history")),
        Writable::ShareCharge => ("A", text("charge current allowed for this member if the bank is gone; written by the bank")),
        Writable::ShareDischarge => ("A", text("discharge current, likewise")),
        Writable::Off(switch) => {
            let what = match switch {
                Switch::Charge => "charging",
                Switch::Discharge => "discharging",
                Switch::Balance => "balancing",
            };
            ("1, 0", format!("switches {what} off in the BMS (0: on)"))
        }
        Writable::ResetSocTo => ("0 to 100", text("state of charge to set, in %")),
        Writable::ResetSocToApply => ("1", text("sets it in the BMS")),
    }
}

/// Writable paths, and those that exist for commands only.
fn writing() -> String {
    let plain = Items::new(&snapshot::context(), &snapshot::discharging());
    let able = Context {
        commands: Abilities { switches: [true; 3], soc: true, overrides: true },
        member_of: Some("house".to_owned()),
        control: false,
        ..snapshot::context()
    };
    let items = Items::new(&able, &snapshot::discharging());
    let mut table = "| path | example | takes | what it does |\n|---|---|---|---|\n".to_owned();
    let mut text = String::new();
    for number in 0..items.len() {
        let (path, _) = items.get(number).unwrap();
        let (takes, does) = deed(items.writable(number));
        let of_commands = plain.find(path).is_none() && !path.starts_with("/Bank/");
        if takes.is_empty() && !of_commands {
            continue;
        }
        items.write_text(number, &mut text);
        let does = if takes.is_empty() { "only shown".to_owned() } else { does };
        writeln!(table, "| `{path}` | {text} | {takes} | {does} |").unwrap();
    }
    table
}

/// Compares a generated part of the page with the code, or rewrites it.
fn compare(start: &str, table: &str) {
    let path = format!("{}/{DOC}", env!("CARGO_MANIFEST_DIR"));
    let doc = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = doc.split_once(start).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{start}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, table, "UPDATE_GOLDEN=1 cargo test --test docs paths_doc writes it anew");
}

#[test]
fn the_lists_of_paths_are_what_the_code_has() {
    // Serialised: both may write the page.
    compare(START, &table());
    compare(START_UNREAD, &unread());
    compare(START_WRITING, &writing());
}

#[test]
fn registers_hold_what_the_server_writes() {
    let [signed, unsigned] = [Kind::I16, Kind::U16].map(|kind| register("/X", 1, kind, 10.0));
    assert_eq!(content(&unsigned, &Value::Invalid), "0");
    assert_eq!(content(&unsigned, &Value::Double(6553.5)), "65535");
    assert_eq!(content(&unsigned, &Value::Double(6553.6)), "0", "begins anew");
    assert_eq!(content(&signed, &Value::Double(3276.8)), "-32768", "changes its sign");
    assert_eq!(content(&unsigned, &Value::Int(7000)), "65534");
    assert_eq!(content(&signed, &Value::Int(-4000)), "-32768");
    assert_eq!(content(&register("/X", 1, Kind::Text(2), 1.0), &Value::Text("C14".into())), "\"C1\"");
}

#[test]
fn every_register_of_the_list_is_fed() {
    let items = Items::new(&snapshot::context(), &snapshot::discharging());
    let unknown: Vec<_> =
        REGISTERS.iter().filter(|register| items.find(register.path).is_none()).map(|register| register.path).collect();
    assert_eq!(unknown, [""; 0]);
    // The same list, from two versions of the server.
    for (path, who) in readers() {
        let listed = REGISTERS.iter().any(|register| register.path == path);
        assert_eq!(who.contains("Modbus") && items.find(path).is_some(), listed, "{path}");
    }
}

#[test]
fn no_reason_is_given_for_what_is_published_or_what_nobody_reads() {
    let published = all_paths();
    for (pattern, why) in WHY_NOT {
        let used = readers().any(|(path, _)| why_not(path) == Some(why) && !published.iter().any(|known| is_meant(path, known)));
        assert!(used, "{pattern}: {why}");
    }
}
