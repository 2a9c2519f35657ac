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
