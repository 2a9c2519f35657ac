//! The generated parts of README.md and docs/architecture.md match the code. `WRITE_PAGES=1 cargo test --test docs readme` rewrites the tables.

use dbus_bms::bms::{DRIVERS, Driver, Evidence, Transport};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../docs/architecture.md");
const START: &str = "<!-- generated from the registry: a test compares -->\n";
const END: &str = "<!-- end of generated -->";

/// The tables of supported batteries, from the registry, grouped by what they are tested with.
fn batteries() -> String {
    let mut text = String::new();
    group(&mut text, "Tested with recordings", |evidence| matches!(evidence, Evidence::Recordings));
    group(&mut text, "Tested with recordings, except for a part", |evidence| matches!(evidence, Evidence::RecordingsExcept(_)));
    group(&mut text, "Untested: only if you name it", |evidence| matches!(evidence, Evidence::Untested));
    group(&mut text, "Any other battery, by a defined format", |evidence| matches!(evidence, Evidence::OwnFormat));
    text
}

fn group(text: &mut String, title: &str, belongs: fn(Evidence) -> bool) {
    write!(text, "\n| {title} | boards | line | name |\n|---|---|---|---|\n").unwrap();
    for driver in DRIVERS.iter().filter(|driver| belongs(driver.evidence)) {
        let except = match driver.evidence {
            Evidence::RecordingsExcept(what) => format!(". Not recorded: {what}"),
            _ => String::new(),
        };
        let line = lines(driver);
        writeln!(text, "| [{}](docs/bms/{1}.md) | {2}{except} | {line} | `{1}` |", driver.label, driver.name, driver.boards)
            .unwrap();
    }
}

fn lines(driver: &Driver) -> String {
    let serial: Vec<_> = driver.lines.iter().filter(|line| !line.is_can()).map(|line| line.baud.to_string()).collect();
    let on_a_line = driver.transports.contains(&Transport::Serial);
    let serial = on_a_line.then(|| format!("{} baud", serial.join(" or ")));
    let spoken = |transport, name: &str| driver.transports.contains(&transport).then(|| name.to_owned());
    let lines = [serial, spoken(Transport::Bluetooth, "Bluetooth"), spoken(Transport::Can, "CAN"), spoken(Transport::Mqtt, "MQTT")];
    lines.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[test]
fn the_supported_batteries_are_those_of_the_registry() {
    let (before, rest) = README.split_once(START).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = format!("{}\n", batteries());
    if std::env::var_os("WRITE_PAGES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        std::fs::write(path, format!("{before}{START}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "README.md is not current: run WRITE_PAGES=1 cargo test --test docs readme");
    }
}

/// Every module of the library is in its pictures or in the text below them, and docs/architecture.md has the same pictures.
#[test]
fn the_pictures_of_the_program_are_the_same_in_both_places_and_name_every_module() {
    const LIB: &str = include_str!("../../src/lib.rs");
    let map: String =
        LIB.lines().map_while(|line| line.strip_prefix("//!")).map(|line| format!("{}\n", line.trim_start_matches(' '))).collect();
    let pictures = |text: &str| -> Vec<String> {
        let blocks = text.split("```text\n").skip(1);
        blocks.map(|block| block.split_once("```").unwrap().0.replace(' ', "")).collect()
    };
    assert_eq!(pictures(ARCHITECTURE), pictures(&map), "put the pictures of src/lib.rs into docs/architecture.md");
    assert_eq!(pictures(&map).len(), 2, "how data flows, and the rows of folders");

    let words: Vec<&str> = map.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let modules =
        LIB.lines().filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|module| !words.contains(module)).collect();
    assert!(missing.is_empty(), "not in the map of src/lib.rs: {missing:?}");
}

#[test]
fn the_add_on_is_of_this_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cross/home-assistant/dbus_bms");
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in
        [("config.yaml", format!("version: \"{version}\"")), ("Dockerfile", format!("FROM ghcr.io/dbus-bms/dbus-bms:{version}"))]
    {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.lines().any(|other| other == line), "{file} has no line {line}");
    }
}
