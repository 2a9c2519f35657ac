//! The parts of the README that the code generates are what the code says today.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::bms::DRIVERS;
use std::fmt::Write as _;

const README: &str = include_str!("../README.md");
const START: &str = "<!-- generated from the registry: a test compares -->\n";
const END: &str = "<!-- end of generated -->";

/// The table of supported batteries, from the registry.
fn batteries() -> String {
    let mut table = "| name | BMS | boards | line |\n|---|---|---|---|\n".to_owned();
    for driver in DRIVERS {
        let bauds: Vec<_> = driver.lines.iter().map(|line| line.baud.to_string()).collect();
        writeln!(table, "| `{}` | {} | {} | {} baud |", driver.name, driver.label, driver.boards, bauds.join(" or ")).unwrap();
    }
    table
}

#[test]
fn the_supported_batteries_are_those_of_the_registry() {
    let written = README.split_once(START).unwrap().1.split_once(END).unwrap().0;
    assert_eq!(written, batteries(), "put the table on the right between the markers in README.md");
}

/// Every module of the library stands in its picture or in the words below it, and the README has the same picture.
#[test]
fn the_picture_of_the_program_is_the_same_in_both_places_and_names_every_module() {
    const LIB: &str = include_str!("../src/lib.rs");
    let map: String =
        LIB.lines().map_while(|line| line.strip_prefix("//!")).map(|line| format!("{}\n", line.trim_start_matches(' '))).collect();
    let picture = |text: &str| text.split_once("```text\n").unwrap().1.split_once("```").unwrap().0.replace(' ', "");
    let (_, built) = README.split_once("## How it is built").unwrap();
    assert_eq!(picture(built), picture(&map), "put the picture of src/lib.rs into README.md");

    let words: Vec<&str> = map.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let modules =
        LIB.lines().filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?.strip_suffix(';'));
    let missing: Vec<&str> = modules.filter(|module| !words.contains(module)).collect();
    assert!(missing.is_empty(), "not in the map of src/lib.rs: {missing:?}");
}
