//! `docs/paths.md` lists what a battery publishes: paths as the code has them, each with an example and its Modbus-TCP register.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/snapshot.rs"]
mod snapshot;

use dbus_bms::commands::Abilities;
use dbus_bms::sink::dbus::{Context, Items, Value, Writable};
use std::fmt::Write as _;

const DOC: &str = "docs/paths.md";
const START: &str = "<!-- generated from the table of paths: a test compares -->\n";
const START_WRITING: &str = "<!-- generated from the table of paths: what can be written -->\n";
const END: &str = "<!-- end of generated -->";

/// A register of the GX's Modbus-TCP server that is filled from our service.
struct Register {
    path: &'static str,
    number: u16,
    /// What the value is multiplied by.
    scale: f64,
    kind: Kind,
}

enum Kind {
    I16,
    U16,
    I32,
    U32,
    /// So many characters, two in a register.
    Text(usize),
}

const fn register(path: &'static str, number: u16, kind: Kind, scale: f64) -> Register {
    Register { path, number, scale, kind }
}

/// From the attribute table of Victron's dbus_modbustcp v1.0.101 (2026-04): the registers whose paths we publish.
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
    register("/History/ChargeCycles", 284, Kind::U16, 1.0),
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

/// What the register holds. Values beyond its range stand at its end less one, which is how the server clips.
fn content(register: &Register, value: &Value<'_>) -> String {
    let number = match value {
        Value::Int(number) => f64::from(*number),
        Value::Double(number) => *number,
        Value::Text(text) => {
            let Kind::Text(most) = register.kind else { panic!("{} is a text", register.path) };
            return format!("\"{}\"", text.chars().take(most).collect::<String>());
        }
        Value::Invalid => return "no value".to_owned(),
    };
    let (least, most) = match register.kind {
        Kind::I16 => (f64::from(i16::MIN), f64::from(i16::MAX) - 1.0),
        Kind::U16 => (0.0, f64::from(u16::MAX) - 1.0),
        Kind::I32 => (f64::from(i32::MIN), f64::from(i32::MAX) - 1.0),
        Kind::U32 => (0.0, f64::from(u32::MAX) - 1.0),
        Kind::Text(_) => panic!("{} is a number", register.path),
    };
    format!("{}", (number * register.scale).round().clamp(least, most))
}

/// One row per path; the cells share one.
fn table() -> String {
    let items = Items::new(&snapshot::context(), &snapshot::discharging());
    let mut table = "| path | example | Modbus-TCP register: content |\n|---|---|---|\n".to_owned();
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
        writeln!(table, "| `{path}` | {text} | {} |", registers.join(", ")).unwrap();
    }
    table
}

/// What a write does, and what can be written.
fn deed(writable: Writable) -> (&'static str, String) {
    let text = |text: &str| text.to_owned();
    match writable {
        Writable::No => ("", text("")),
        Writable::CustomName => ("a text of up to 64 characters", text("names the battery")),
        Writable::ClearHistory => ("1", text("starts the history anew")),
        Writable::ShareCharge => ("A", text("what a bank lets this member charge with when the bank is gone; the bank writes it")),
        Writable::ShareDischarge => ("A", text("the same for discharging")),
        Writable::Off(switch) => ("1, 0", format!("switches {} off in the BMS, and on again", switch.name())),
        Writable::ResetSocTo => ("0 to 100", text("the state of charge that is to be set, in %")),
        Writable::ResetSocToApply => ("1", text("sets it in the BMS")),
    }
}

/// Paths that are written to, and those that are there only for commands.
fn writing() -> String {
    let plain = Items::new(&snapshot::context(), &snapshot::discharging());
    let able = Context {
        commands: Abilities { switches: [true; 3], soc: true },
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

/// Compares a generated part of the page with what the code says, or writes it anew.
fn compare(start: &str, table: &str) {
    let path = format!("{}/{DOC}", env!("CARGO_MANIFEST_DIR"));
    let doc = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = doc.split_once(start).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{start}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, table, "UPDATE_GOLDEN=1 cargo test --test paths_doc writes it anew");
}

#[test]
fn the_lists_of_paths_are_what_the_code_has() {
    // One after the other: both may write the page.
    compare(START, &table());
    compare(START_WRITING, &writing());
}

#[test]
fn every_register_of_the_list_is_fed() {
    let items = Items::new(&snapshot::context(), &snapshot::discharging());
    let unknown: Vec<_> =
        REGISTERS.iter().filter(|register| items.find(register.path).is_none()).map(|register| register.path).collect();
    assert_eq!(unknown, [""; 0]);
}
