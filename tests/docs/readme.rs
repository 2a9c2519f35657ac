//! The generated parts of the README match the code.

use dbus_bms::bms::{DRIVERS, Driver, Evidence, Transport};
use std::fmt::Write as _;

const README: &str = include_str!("../../README.md");
const START: &str = "<!-- generated from the registry: a test compares -->\n";
const END: &str = "<!-- end of generated -->";

/// The table of supported batteries, from the registry.
fn batteries() -> String {
    let mut table = "| name | BMS | boards | line | tested with |\n|---|---|---|---|---|\n".to_owned();
    for driver in DRIVERS {
        let serial: Vec<_> = driver.lines.iter().filter(|line| !line.is_can()).map(|line| line.baud.to_string()).collect();
        let on_a_line = driver.transports.contains(&Transport::Serial);
        let serial = on_a_line.then(|| format!("{} baud", serial.join(" or ")));
        let spoken = |transport, name: &str| driver.transports.contains(&transport).then(|| name.to_owned());
        let lines =
            [serial, spoken(Transport::Bluetooth, "Bluetooth"), spoken(Transport::Can, "CAN"), spoken(Transport::Mqtt, "MQTT")];
        let (lines, tested) = (lines.into_iter().flatten().collect::<Vec<_>>().join(", "), tested_with(driver));
        writeln!(table, "| `{}` | {} | {} | {lines} | {tested} |", driver.name, driver.label, driver.boards).unwrap();
    }
    table
}

fn tested_with(driver: &Driver) -> String {
    match driver.evidence {
        Evidence::Recordings => "recordings".to_owned(),
        Evidence::RecordingsExcept(what) => format!("recordings, except {what}"),
        Evidence::OwnFormat => "its format is defined [here](docs/mqtt.md#a-battery-from-mqtt)".to_owned(),
        Evidence::Untested => {
            format!("**untested: [send a recording](#send-us-a-recording)**; tried only with `--bms {}`", driver.name)
        }
    }
}

#[test]
fn the_supported_batteries_are_those_of_the_registry() {
    let written = README.split_once(START).unwrap().1.split_once(END).unwrap().0;
    assert_eq!(written, batteries(), "put the table on the right between the markers in README.md");
}

/// Every module of the library is in its pictures or in the text below them, and the README has the same pictures.
#[test]
fn the_pictures_of_the_program_are_the_same_in_both_places_and_name_every_module() {
    const LIB: &str = include_str!("../../src/lib.rs");
    let map: String =
        LIB.lines().map_while(|line| line.strip_prefix("//!")).map(|line| format!("{}\n", line.trim_start_matches(' '))).collect();
    let pictures = |text: &str| -> Vec<String> {
        let blocks = text.split("```text\n").skip(1);
        blocks.map(|block| block.split_once("```").unwrap().0.replace(' ', "")).collect()
    };
    let (_, built) = README.split_once("## How it is built").unwrap();
    assert_eq!(pictures(built), pictures(&map), "put the pictures of src/lib.rs into README.md");
    assert_eq!(pictures(&map).len(), 2, "how data flows, and the rows of folders");

    let words: Vec<&str> = map.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let modules =
        LIB.lines().filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|module| !words.contains(module)).collect();
    assert!(missing.is_empty(), "not in the map of src/lib.rs: {missing:?}");
}
