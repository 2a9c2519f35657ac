//! The generated tables of `docs/settings.md` and `docs/alarms.md` are what the code says today. `WRITE_PAGES=1 cargo test --test
//! pages` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::config::keys::{KEYS, Key, Reach};
use dbus_bms::model::AlarmName;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const END: &str = "<!-- end of generated -->";

/// Compares the part of a page between the marker `<!-- generated from WHAT: a test compares -->` and its end, or writes it.
fn compare(page: &str, what: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let start = format!("<!-- generated from {what}: a test compares -->\n");
    let (before, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{page} has no {start}"));
    let (written, after) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no {END}"));
    if std::env::var_os("WRITE_PAGES").is_some() {
        fs::write(&path, format!("{before}{start}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "{page} is not current: run WRITE_PAGES=1 cargo test --test pages");
    }
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The unit, which is how a key's name ends.
fn unit(key: &Key) -> &'static str {
    const ENDS: [(&str, &str); 16] = [
        ("_v_per_s", "V/s"),
        ("_a_per_s", "A/s"),
        ("_ah", "Ah"),
        ("_v", "V"),
        ("_a", "A"),
        ("_w", "W"),
        ("_s", "s"),
        ("_h", "h"),
        ("_pct", "%"),
        ("_c", "× capacity per h"),
        ("_days", "days"),
        ("baud", "bit/s"),
        ("bitrate", "bit/s"),
        ("_by_cell_voltage", "V"),
        ("_by_temperature", "°C"),
        ("_by_soc", "%"),
    ];
    ENDS.iter().find(|(end, _)| key.path.ends_with(end)).map_or("", |(_, unit)| unit)
}

fn settings() -> String {
    let (mut text, mut table) = (String::new(), "-");
    for key in KEYS {
        let its_table = key.path.rsplit_once('.').map_or("", |(table, _)| table);
        if its_table != table {
            table = its_table;
            let title = if table.is_empty() { "without a table".to_owned() } else { format!("[{table}]") };
            write!(text, "\n## {title}\n\n| setting | default | unit | allowed | where | effect |\n|---|---|---|---|---|---|\n")
                .unwrap();
        }
        let default = key.default().map_or("not set".to_owned(), |value| format!("`{}`", cell(&value)));
        let place = match key.reach {
            Reach::File => "file",
            Reach::Port => "port",
            Reach::Battery => "battery",
        };
        let range = cell(&key.range());
        writeln!(text, "| `{}` | {default} | {} | {range} | {place} | {} |", key.path, unit(key), cell(key.doc)).unwrap();
    }
    text.push('\n');
    text
}

fn alarms() -> String {
    let mut text = "| alarm | what it means | what to do |\n|---|---|---|\n".to_owned();
    for name in AlarmName::ALL {
        let words = name.words();
        writeln!(text, "| `{}` | {} | {} |", words.key, cell(words.text), cell(words.remedy)).unwrap();
    }
    text
}

#[test]
fn the_page_of_settings_is_the_table_of_keys() {
    compare("settings.md", "the table of keys", &settings());
}

#[test]
fn the_page_of_alarms_is_the_table_of_alarms() {
    compare("alarms.md", "the table of alarms", &alarms());
}

/// The tables can differ: every key and alarm has its row, with something in the columns that matter.
#[test]
fn every_row_says_something() {
    let rows: Vec<String> = settings().lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    assert_eq!(rows.len(), KEYS.len());
    for row in rows {
        let columns: Vec<&str> = row.split(" | ").collect();
        assert!(!columns[1].trim().is_empty() && columns.last().unwrap().len() > 10, "{row}");
    }
    assert_eq!(alarms().lines().count(), AlarmName::ALL.len() + 2);
}
