//! The generated tables of `docs/settings.md`, `docs/alarms.md`, its German page and the pages of the BMS families (`docs/bms`) match the code.
//! `WRITE_PAGES=1 cargo test --test docs pages::` rewrites them.

use dbus_bms::base::hex;
use dbus_bms::base::units::Percent;
use dbus_bms::bms::{DRIVERS, Driver, Evidence, Framing, Line, Sharing, Transport};
use dbus_bms::config::schema::{KEYS, Key, KeyScope};
use dbus_bms::model::{AlarmName, Command, Reading, Switch};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const END: &str = "<!-- end of generated -->";

/// Compares the part of a page between the marker `<!-- generated from WHAT: a test compares -->` and its end, or rewrites it.
fn compare(page: &str, what: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("docs/{page} is missing: write it, as its neighbours are"));
    let start = format!("<!-- generated from {what}: a test compares -->\n");
    let (before, rest) = text.split_once(&start).unwrap_or_else(|| panic!("{page} has no {start}"));
    let (written, after) = rest.split_once(END).unwrap_or_else(|| panic!("{page} has no {END}"));
    if std::env::var_os("WRITE_PAGES").is_some() {
        fs::write(&path, format!("{before}{start}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "{page} is not current: run WRITE_PAGES=1 cargo test --test docs pages");
    }
}

/// Text for a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The unit, which is the end of a key's name.
fn unit(key: &Key) -> &'static str {
    const ENDS: [(&str, &str); 17] = [
        ("_v_per_s", "V/s"),
        ("_a_per_s", "A/s"),
        ("_ah", "Ah"),
        ("_v", "V"),
        ("_a", "A"),
        ("_w", "W"),
        ("_s", "s"),
        ("_h", "h"),
        ("_pct", "%"),
        ("_current_c", "× capacity per h"),
        ("_c", "°C"),
        ("_days", "days"),
        ("baud", "bit/s"),
        ("bitrate", "bit/s"),
        ("_by_cell_voltage", "V"),
        ("_by_temperature", "°C"),
        ("_by_soc", "%"),
    ];
    // A device's number, whatever it shows.
    if key.path.starts_with("domoticz.idx.") {
        return "";
    }
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
        let place = match key.scope {
            KeyScope::File => "file",
            KeyScope::Port => "port",
            KeyScope::Battery => "battery",
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

/// The table of alarms in German, in the words of the dashboard.
fn german_alarms() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/output/web/page/lang/de.json");
    let german: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut text = "| Alarm | Bedeutung | Was zu tun ist |\n|---|---|---|\n".to_owned();
    for key in AlarmName::ALL.map(|name| name.words().key) {
        let words = |place: usize| cell(german["alarms"][key][place].as_str().unwrap());
        writeln!(text, "| `{key}` | {} | {} |", words(0), words(1)).unwrap();
    }
    text
}

fn tested_with(driver: &Driver) -> String {
    match driver.evidence {
        Evidence::Recordings => "recordings".to_owned(),
        Evidence::RecordingsExcept(what) => format!("recordings, except {what}"),
        Evidence::OwnFormat => "its format is defined here".to_owned(),
        Evidence::Untested => "**untested**: tried only if it is named".to_owned(),
    }
}

/// The families, each with a link to its page.
fn families() -> String {
    let mut text = "| BMS | boards | tested with |\n|---|---|---|\n".to_owned();
    for driver in DRIVERS {
        writeln!(text, "| [{}]({}.md) | {} | {} |", driver.label, driver.name, cell(driver.boards), tested_with(driver)).unwrap();
    }
    text
}

/// Recordings of a family's boards.
#[derive(Default)]
struct Recordings {
    files: usize,
    /// Frames with a valid check; the same one counts once.
    frames: BTreeSet<Vec<u8>>,
    /// Repositories or projects that they were published in.
    published: BTreeSet<String>,
}

fn recordings(driver: &Driver) -> Recordings {
    let mut all = Recordings::default();
    for vector in vectors(driver).filter(|vector| vector["recorded"] == true) {
        all.files += 1;
        let source = vector["source"].as_str().unwrap();
        let place = source.split([':', '#', ' ', ',', ';']).next().filter(|place| place.contains('/'));
        all.published.insert(place.map_or("elsewhere".to_owned(), |place| format!("`{place}`")));
        let received = vector["traffic"].as_array().unwrap().iter().filter_map(|bytes| bytes["received"].as_str());
        all.frames.extend(frames(driver, &received.flat_map(|text| hex::decode(text).unwrap()).collect::<Vec<_>>()));
    }
    all
}

/// The valid frames in `bytes`.
fn frames(driver: &Driver, mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (protocol, mut frames) = ((driver.new)(None), Vec::new());
    while !bytes.is_empty() {
        match protocol.framing_at_end(bytes) {
            Framing::Frame(range) => {
                frames.push(bytes[range.clone()].to_vec());
                bytes = &bytes[range.end..];
            }
            Framing::Skip(count) => bytes = &bytes[count.min(bytes.len())..],
            Framing::Incomplete => break,
        }
    }
    frames
}

/// What each family was tested with, and what of it was not.
fn evidence() -> String {
    let mut text = "| BMS | recordings | frames | published in | untested |\n|---|--:|--:|---|---|\n".to_owned();
    for driver in DRIVERS {
        let all = recordings(driver);
        let published: Vec<_> = all.published.into_iter().collect();
        let untested = match driver.evidence {
            Evidence::Recordings => "",
            Evidence::RecordingsExcept(what) => what,
            Evidence::OwnFormat => "nothing: the format is defined here",
            Evidence::Untested if all.frames.is_empty() => "everything",
            Evidence::Untested => "all that its recordings do not show",
        };
        writeln!(
            text,
            "| [{}]({}.md) | {} | {} | {} | {untested} |",
            driver.label,
            driver.name,
            all.files,
            all.frames.len(),
            published.join(", ")
        )
        .unwrap();
    }
    text
}

/// What can be switched in a board at the first address.
fn commands(driver: &Driver) -> String {
    let protocol = (driver.new)(driver.addresses.first().copied());
    let Some(commands) = protocol.commands() else { return "nothing".to_owned() };
    let known = Reading::default();
    let takes = |command| commands.encode(command, &known, Some(1_764_000_000), true).is_some();
    let switches = Switch::ALL.into_iter().filter(|switch| takes(Command::Switch(*switch, true))).map(Switch::name);
    let soc = takes(Command::SetSoc(Percent::new(50.0))).then_some("state of charge");
    switches.chain(soc).collect::<Vec<_>>().join(", ")
}

/// The test vectors of a family.
fn vectors(driver: &Driver) -> impl Iterator<Item = Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(driver.name);
    let texts = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.map(|text| serde_json::from_str(&text).unwrap())
}

/// Numbers of cells and firmware in the recordings of real boards.
fn recorded(driver: &Driver) -> (BTreeSet<u64>, BTreeSet<String>) {
    let (mut cells, mut firmware) = (BTreeSet::new(), BTreeSet::new());
    for vector in vectors(driver).filter(|vector| vector["recorded"] == true) {
        for reading in vector["readings"].as_array().into_iter().flatten() {
            cells.extend(reading["cell_count"].as_u64());
            firmware.extend(reading["sw_version"].as_str().map(|text| format!("`{}`", text.trim_matches(['_', ' ']))));
        }
    }
    (cells, firmware)
}

/// The facts on a family's page.
fn facts(driver: &Driver) -> String {
    let (can, serial): (Vec<Line>, Vec<Line>) = driver.lines.iter().partition(|line| line.is_can());
    let bauds: Vec<_> = serial.iter().map(|line| line.baud.to_string()).collect();
    let speaks = |transport| driver.transports.contains(&transport);
    let serial = speaks(Transport::Serial).then(|| format!("{} baud", bauds.join(" or ")));
    let bluetooth = speaks(Transport::Bluetooth).then(|| "[Bluetooth](../bluetooth.md)".to_owned());
    let speeds: Vec<_> =
        serial.into_iter().chain(bluetooth).chain(can.first().map(|_| "CAN at the bit rate of its interface".to_owned())).collect();
    let sharing = match driver.sharing {
        Sharing::Alone => "no".to_owned(),
        Sharing::Numbered(last) => format!("yes, numbered without a gap up to {last}; others with `addresses`"),
        Sharing::Any => {
            let (first, last) = (driver.addresses.first().unwrap(), driver.addresses.last().unwrap());
            format!("yes, at any of the addresses {first} to {last}")
        }
    };
    let (cells, firmware) = recorded(driver);
    let cells: Vec<_> = cells.iter().map(u64::to_string).collect();
    let firmware: Vec<_> = firmware.into_iter().collect();
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (what, value) in [
        ("name in the configuration", format!("`{}`", driver.name)),
        ("boards", cell(driver.boards)),
        ("speed", if driver.transports == [Transport::Mqtt] { "none: MQTT".to_owned() } else { speeds.join(", ") }),
        ("several on one cable", sharing),
        ("tested with", tested_with(driver)),
        ("cells in the recordings", cells.join(", ")),
        ("firmware in the recordings", firmware.join(", ")),
        ("can be [switched](../commands.md)", commands(driver)),
    ] {
        let value = if value.is_empty() { "not told".to_owned() } else { value };
        writeln!(text, "| {what} | {value} |").unwrap();
    }
    text
}

#[test]
fn the_pages_of_the_families_are_those_of_the_registry() {
    compare("bms/index.md", "the registry", &families());
    compare("bms/index.md", "the recordings", &evidence());
    for driver in DRIVERS {
        compare(&format!("bms/{}.md", driver.name), "the registry", &facts(driver));
    }
}

#[test]
fn the_page_of_settings_is_the_table_of_keys() {
    compare("settings.md", "the table of keys", &settings());
}

#[test]
fn the_page_of_alarms_is_the_table_of_alarms() {
    compare("alarms.md", "the table of alarms", &alarms());
    compare("de/alarms.md", "src/output/web/page/lang/de.json", &german_alarms());
}

#[test]
fn what_counts_as_tested_has_recordings() {
    for driver in DRIVERS {
        let all = recordings(driver);
        match driver.evidence {
            Evidence::Recordings => {
                assert!(
                    all.files >= 2 && all.frames.len() >= 2,
                    "{}: {} files, {} frames",
                    driver.name,
                    all.files,
                    all.frames.len()
                );
            }
            Evidence::RecordingsExcept(_) => assert!(!all.frames.is_empty(), "{}", driver.name),
            Evidence::OwnFormat => assert_eq!(all.files, 0, "{}", driver.name),
            Evidence::Untested => {}
        }
    }
}

/// The tables are not trivially equal: every key and alarm has a row, with content in the relevant columns.
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
