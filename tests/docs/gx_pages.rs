//! The pages for the GX's own screen (`gui-v2`) against the driver: paths, what they write, numbers and texts.
//!
//! Whether Qt accepts them, and how they look, is tested by `tests/gui/run.sh`.

use crate::support::snapshot;

use dbus_bms::control::Abilities;
use dbus_bms::dbus::{BANK_PRODUCT_ID, BATTERY_PRODUCT_ID, Context, GX_SETTINGS, Items, Writable};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "nl"];

/// Product ids for which Victron's systemcalc (batterysettings.py, dvcc.py) changes settings or limits of a battery, and that of
/// dbus-serialbattery, whose pages would open at our paths.
const TAKEN: [std::ops::RangeInclusive<i32>; 7] = [
    0xB004..=0xB005,
    0xB009..=0xB00A,
    0xB014..=0xB02F,
    0xB038..=0xB038,
    0xB051..=0xB055,
    0xBA77..=0xBA77,
    // Victron's own.
    0xA000..=0xA3FF,
];

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(folder(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages and their script, by name.
fn sources() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder("gui-v2/qml")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| (name.clone(), read(&format!("gui-v2/qml/{name}")))).collect()
}

/// Every text between `start` and the next quotation mark.
fn quoted<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split_once('"')).map(|(found, _)| found).collect()
}

/// All paths published by a battery, a member of a bank, and a battery with every command.
fn services() -> [Items; 2] {
    let member = Context {
        commands: Abilities { switches: [true; 3], soc: true, overrides: true },
        member_of: Some("house".to_owned()),
        control: false,
        ..snapshot::context()
    };
    [snapshot::context(), member].map(|context| Items::new(&context, &snapshot::discharging()))
}

/// The paths read by a page, without the number of a cell.
fn paths(source: &str) -> Vec<String> {
    let of_limits =
        quoted(source, "root.limits + \"").into_iter().flat_map(|end| ["/Info", "/Bank"].map(|start| format!("{start}{end}")));
    quoted(source, ".service + \"").into_iter().map(str::to_owned).chain(of_limits).collect()
}

#[test]
fn every_path_of_a_page_is_published() {
    let services = services();
    let published =
        |path: &str| services.iter().any(|items| items.find(path).or_else(|| items.find(&format!("{path}1"))).is_some());
    let mut all = BTreeSet::new();
    for (name, source) in sources() {
        let paths = paths(&source);
        // No path is built in another way, which this would miss.
        let uids = source.matches("uid: ").count();
        let fixed = source.matches("uid: root.settings").count();
        assert_eq!(uids - fixed, quoted(&source, ".service + \"").len() + quoted(&source, "root.limits + \"").len(), "{name}");
        let unknown: Vec<_> = paths.iter().filter(|path| !published(path)).collect();
        assert!(unknown.is_empty(), "{name} reads {unknown:?}");
        all.extend(paths);
    }
    assert!(all.len() > 40, "{all:?}");
}

#[test]
fn pages_write_only_what_can_be_written() {
    let [_, items] = services();
    for (name, source) in sources() {
        let writes =
            ["setValue", "ListSwitch", "ListSpinBox", "ListQuantityField", "BmsSwitch {"].iter().any(|part| source.contains(part));
        assert_eq!(writes, ["Switches.qml", "BatterySettings.qml"].contains(&&*name), "{name}");
        if name == "Switches.qml" {
            let written: Vec<_> = paths(&source).into_iter().filter(|path| path.starts_with("/Settings/")).collect();
            assert_eq!(written.len(), 5, "{written:?}");
            let refused: Vec<_> = written
                .iter()
                .filter(|path| items.find(path).is_none_or(|number| items.writable(number) == Writable::No))
                .collect();
            assert!(refused.is_empty(), "{refused:?}");
        }
    }
    let keys: BTreeSet<_> = quoted(&read("gui-v2/qml/BatterySettings.qml"), "key: \"").into_iter().map(str::to_owned).collect();
    assert_eq!(keys, GX_SETTINGS.iter().map(|setting| setting.name.to_owned()).collect());
}

#[test]
fn the_pages_open_at_our_product_numbers_and_these_are_nobody_elses() {
    assert!(read("gui-v2/build.py").contains(&format!("BATTERY, BANK = \"{BATTERY_PRODUCT_ID:#X}\", \"{BANK_PRODUCT_ID:#X}\"")));
    for (name, source) in sources() {
        let numbers: Vec<_> = source.split("?.value === 0x").skip(1).map(|rest| rest.get(..4).unwrap()).collect();
        assert!(numbers.iter().all(|number| *number == format!("{BATTERY_PRODUCT_ID:X}")), "{name}: {numbers:?}");
    }
    for id in [BATTERY_PRODUCT_ID, BANK_PRODUCT_ID] {
        assert!((1..=0xFFFF).contains(&id) && !TAKEN.iter().any(|range| range.contains(&id)), "{id:#X}");
    }
}

fn words(language: &str) -> Map<String, Value> {
    serde_json::from_str(&read(&format!("gui-v2/lang/{language}.json"))).unwrap()
}

/// The placeholders of a text.
fn places(text: &Value) -> BTreeSet<&str> {
    ["%1", "%2", "%3"].into_iter().filter(|place| text.as_str().unwrap().contains(place)).collect()
}

#[test]
fn every_text_of_a_page_is_there_in_every_language() {
    let english = words("en");
    let mut used: BTreeSet<String> = BTreeSet::new();
    for (_, source) in sources() {
        used.extend(quoted(&source, "qsTrId(\"").into_iter().map(str::to_owned));
    }
    used.extend(quoted(&read("gui-v2/build.py"), ".qml\", \"").into_iter().map(str::to_owned));
    let there: BTreeSet<String> = english.keys().filter(|key| key.starts_with("dbus_bms_")).cloned().collect();
    assert_eq!(used, there);
    for language in LANGUAGES {
        let words = words(language);
        assert_eq!(words.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language}");
        for (key, text) in &words {
            assert!(!text.as_str().unwrap().trim().is_empty(), "{language}: {key}");
            assert_eq!(places(text), places(&english[key]), "{language}: {key}");
        }
    }
    assert_eq!(fs::read_dir(folder("gui-v2/lang")).unwrap().count(), LANGUAGES.len());
}

/// The driver's texts in the other languages: none that the driver no longer uses, and each with its placeholders.
#[test]
fn the_drivers_sentences_have_their_parts_in_every_language() {
    let page =
        |language: &str| -> Value { serde_json::from_str(&read(&format!("src/output/web/page/lang/{language}.json"))).unwrap() };
    let (german, parts) = (page("de"), |text: &str| ["{name}", "{why}", "{n}", "{m}"].map(|part| text.contains(part)));
    for language in ["de", "fr", "es", "nl"] {
        let words = page(language);
        for kind in ["phrases", "patterns"] {
            assert!(words[kind].as_object().unwrap().keys().eq(german[kind].as_object().unwrap().keys()), "{language}: {kind}");
            for (key, text) in words[kind].as_object().unwrap() {
                assert_eq!(parts(key), parts(text.as_str().unwrap()), "{language}: {key}");
            }
        }
    }
}

/// A text of the sources is a reason of a limit if it is a constant without capital letter, or is the `rule` of a limit.
#[test]
fn every_reason_of_a_limit_is_translated() {
    let german: Value = serde_json::from_str(&read("src/output/web/page/lang/de.json")).unwrap();
    // Not reasons: who gives a command, and what only the log says.
    let others = [
        "equal charge of the bank's packs",
        "the BMS gives no cell voltages: limits by the mean cell, the pack voltage divided by the number of cells",
    ];
    let mut found = 0;
    for folder_of in ["src/battery", "src/battery/charge", "src/bank"] {
        for entry in fs::read_dir(folder(folder_of)).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(source) = fs::read_to_string(&entry) else { continue };
            let source = source.split("#[cfg(test)]").next().unwrap();
            for start in [": &str = \"", "rule: \"", "reason = \"", "Err(\""] {
                for text in
                    quoted(source, start).into_iter().filter(|text| text.contains(' ') && text.starts_with(char::is_lowercase))
                {
                    found += 1;
                    assert!(
                        others.contains(&text) || german["phrases"].get(text).is_some(),
                        "{}: {text:?} is in no language",
                        entry.display()
                    );
                }
            }
        }
    }
    assert!(found >= 40, "{found}");
}

/// Sentences with a name or number are translated by their pattern, which must be known to the dashboard.
#[test]
fn the_forms_of_sentences_are_those_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&read("src/output/web/page/lang/de.json")).unwrap();
    let theirs: BTreeSet<&str> = dashboard["patterns"].as_object().unwrap().keys().map(String::as_str).collect();
    let script = read("gui-v2/qml/Words.js");
    let (_, list) = script.split_once("const FORMS = [").unwrap();
    let ours: BTreeSet<&str> = quoted(list.split_once("\n]").unwrap().0, "\t\"").into_iter().collect();
    assert_eq!(ours, theirs);
}
