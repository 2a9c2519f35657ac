//! The table of a reading, compared with files in `tests/golden` (`UPDATE_GOLDEN=1` rewrites them), and its width for any reading.

use dbus_bms::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use dbus_bms::model::{AlarmName, Chemistry, Level, ProductionDate, Reading};
use dbus_bms::terminal::table::table;
use proptest::prelude::*;
use std::path::Path;

fn pack(cells: &[u16]) -> Reading {
    let mut reading = Reading::new("jbd", None);
    reading.cells = cells.iter().map(|cell| Volts::milli(*cell)).collect();
    reading.balancing.cells = Some(Vec::new());
    reading
}

/// All values that a table can show.
fn full() -> Reading {
    let mut reading = pack(&[3345, 3341, 3350, 3338, 3346, 3342, 3347, 3349, 3329, 3343, 3344, 3345, 3341, 3380, 3342, 3340]);
    reading.address = Some(3);
    reading.device.model = Some("JBD-SP25S003-L16S".into());
    reading.device.serial_number = Some("2022112233".into());
    reading.device.hw_version = Some("2.1".into());
    reading.device.sw_version = Some("8.0".into());
    reading.device.production_date = Some(ProductionDate::Day("2022-03-28".into()));
    reading.voltage = Some(Volts::centi(5347));
    reading.current = Some(Amps::centi(-1230i16));
    reading.power = Some(Watts::new(-657.7));
    reading.soc = Some(Percent::new(78.0));
    reading.soh = Some(Percent::new(99.0));
    reading.remaining = Some(AmpHours::new(218.4));
    reading.capacity = Some(AmpHours::new(280.0));
    reading.cycles = Some(120);
    reading.temperatures.sensors = Some(vec![Celsius::new(21.5), Celsius::new(22.0), Celsius::new(-3.5)]);
    reading.temperatures.mos = Some(Celsius::new(31.0));
    reading.fets.charge = Some(false);
    reading.fets.discharge = Some(true);
    reading.balancing.active = Some(true);
    reading.balancing.cells = Some(vec![3, 14]);
    reading.raise(AlarmName::CellHighVoltage, Level::Alarm);
    reading.raise(AlarmName::LowTemperature, Level::Warning);
    reading.note("charge FET switched off by remote control until somebody switches it on again in the app");
    reading.settings.chemistry = Some(Chemistry::Lfp);
    reading.settings.cell_ovp = Some(Volts::milli(3650));
    reading.settings.cell_uvp = Some(Volts::milli(2500));
    reading.settings.charge_ocp = Some(Amps::new(120.0));
    reading
}

fn check(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(shown, expected, "\n{shown}");
}

#[test]
fn a_full_reading_on_a_usual_terminal() {
    check("table-80.txt", &table(&full(), 80, false));
}

#[test]
fn a_full_reading_on_a_narrow_terminal() {
    check("table-40.txt", &table(&full(), 40, false));
}

#[test]
fn colours() {
    check("table-80-colour.txt", &table(&full(), 80, true));
}

#[test]
fn four_cells_of_which_one_wire_is_broken() {
    check("table-broken-wire.txt", &table(&pack(&[3345, 0, 3350, 3338]), 80, false));
}

#[test]
fn what_is_unknown_is_left_out() {
    let empty = table(&Reading::new("jbd", None), 80, false);
    assert_eq!(empty, "Battery    LLT / JBD\n");
    let mut first = pack(&[3300, 3301]);
    first.cells_complete = Some(false);
    assert!(table(&first, 80, false).contains("only the first 2 are known"));
}

#[test]
fn equal_cells_have_neither_lowest_nor_highest() {
    let shown = table(&pack(&[3300, 3300]), 80, false);
    // The summary shows the scale of the bars, which have no length of their own where all are alike.
    let bars: Vec<_> = shown.lines().filter(|line| line.trim_start().starts_with(['1', '2']) && line.contains("3.300 V")).collect();
    assert!(bars.len() == 2 && shown.contains("bars 3.244 to 3.300 V"), "{shown}");
    assert!(bars.iter().all(|bar| !bar.contains(['▼', '▲'])), "{shown}");
}

#[test]
fn of_cells_with_the_same_voltage_the_first_is_marked() {
    let shown = table(&pack(&[3310, 3300, 3310, 3300]), 80, false);
    let marked = |mark: char| shown.lines().filter(|line| line.contains(" V ") && line.contains(mark)).collect::<Vec<_>>();
    assert!(matches!(marked('▲').as_slice(), [_, bar] if bar.trim_start().starts_with("1 ")), "{shown}");
    assert!(matches!(marked('▼').as_slice(), [_, bar] if bar.trim_start().starts_with("2 ")), "{shown}");
}

#[test]
fn a_bms_cannot_send_escape_codes_to_the_terminal() {
    let mut reading = full();
    reading.device.model = Some("\x1b[2Jevil\r\n".into());
    reading.note("\x07\u{9b}31m");
    assert!(!table(&reading, 80, false).chars().any(|c| c.is_control() && c != '\n'));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        cells in proptest::collection::vec(0u16..5000, 0..40),
        model in "\\PC{0,60}",
        note in "[a-z ]{0,200}",
        temperatures in proptest::collection::vec(-400i16..1500, 0..16),
        width in 40usize..200,
    ) {
        let mut reading = pack(&cells);
        reading.device.model = Some(model);
        reading.note(note);
        reading.temperatures.sensors = Some(temperatures.into_iter().map(Celsius::deci).collect());
        let shown = table(&reading, width, false);
        for line in shown.lines() {
            prop_assert!(line.chars().count() <= width, "{} > {width}: {line}", line.chars().count());
        }
        // Every cell is shown, for any number of columns.
        let bars = shown.lines().skip_while(|line| !line.starts_with("Cells")).skip(1).collect::<String>();
        for number in 1..=cells.len() {
            let cell = format!("{number:>4} {:.3} V", f64::from(cells[number - 1]) / 1000.0);
            prop_assert!(bars.contains(&cell), "{cell} in\n{shown}");
        }
    }
}
