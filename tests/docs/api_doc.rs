//! `docs/api.md` contains the routes, the object's keys, the alarms and the metrics of the code.

use crate::support::snapshot;

use dbus_bms::model::{AlarmName, DeviceKind, Quantity, quantity};
use dbus_bms::output::api::{BatteryInfo, DEVICE_KEYS, InverterOutputs, View, metric_names, metrics, sections};
use dbus_bms::output::web::ROUTES;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

const DOC: &str = "docs/api.md";
const END: &str = "<!-- end of generated -->";

fn routes() -> String {
    ROUTES.iter().fold("| request | answer |\n|---|---|\n".to_owned(), |mut text, (route, answer)| {
        let _ = writeln!(text, "| `{}` | {answer} |", route.replace('|', "\\|"));
        text
    })
}

fn keys() -> String {
    let mut text = String::new();
    for (place, title, rows) in sections() {
        let place = if place.is_empty() { String::new() } else { format!(" (`{place}`)") };
        let _ = write!(text, "### {title}{place}\n\n| key | unit or kind | meaning |\n|---|---|---|\n");
        for (key, unit, doc) in rows {
            let _ = writeln!(text, "| `{key}` | {unit} | {} |", doc.trim().replace('|', "\\|"));
        }
        text.push('\n');
    }
    text
}

fn alarms() -> String {
    AlarmName::ALL.iter().fold("| alarm | what is wrong | what to do |\n|---|---|---|\n".to_owned(), |mut text, name| {
        let words = name.words();
        let _ = writeln!(text, "| `{}` | {} | {} |", words.key, words.text, words.remedy);
        text
    })
}

fn devices() -> String {
    let mut text = "| key | unit or kind | meaning |\n|---|---|---|\n".to_owned();
    for (key, unit, doc) in DEVICE_KEYS {
        let _ = writeln!(text, "| `{key}` | {unit} | {doc} |");
    }
    text += "\n| `kind` | device |\n|---|---|\n";
    for (_, key, doc) in DeviceKind::ALL {
        let _ = writeln!(text, "| `{key}` | {doc} |");
    }
    text += "\n| value of several kinds of devices | unit | meaning |\n|---|---|---|\n";
    for (Quantity { key, unit, .. }, doc) in quantity::SHARED {
        let _ = writeln!(text, "| `{key}` | {unit} | {doc} |");
    }
    text
}

fn metric_table() -> String {
    metric_names().iter().fold("| metric | in 0.1.0 | meaning |\n|---|---|---|\n".to_owned(), |mut text, metric| {
        let before = metric.before.as_ref().map_or_else(String::new, |before| format!("`{before}`"));
        let _ = writeln!(text, "| `{}` | {before} | {} |", metric.name, metric.meaning);
        text
    })
}

#[test]
fn the_document_says_what_the_code_does() {
    let mut doc = std::fs::read_to_string(DOC).unwrap();
    let was = doc.clone();
    for (what, table) in
        [("routes", routes()), ("keys", keys()), ("alarms", alarms()), ("devices", devices()), ("metrics", metric_table())]
    {
        let start = format!("<!-- generated: {what} -->\n");
        let begin = doc.find(&start).unwrap_or_else(|| panic!("{DOC} lacks {start}")) + start.len();
        let end = begin + doc[begin..].find(END).expect("an end");
        doc.replace_range(begin..end, &format!("{}\n", table.trim_end()));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(DOC, &doc).unwrap();
    } else {
        assert!(doc == was, "{DOC} is not what the code says: UPDATE_GOLDEN=1 cargo test --test docs api_doc");
    }
}

#[test]
fn every_metric_that_is_told_is_in_the_table() {
    let view = |snapshot| {
        Arc::new(View::new(&BatteryInfo { id: "a".into(), ..BatteryInfo::default() }, &snapshot, None, InverterOutputs::default()))
    };
    let text = metrics(&[view(snapshot::alarmed()), view(snapshot::discharging())]);
    let names: BTreeSet<_> = metric_names().into_iter().flat_map(|metric| [Some(metric.name), metric.before]).flatten().collect();
    let told: BTreeSet<_> =
        text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split(' ').next()?.to_owned())).collect();
    assert!(told.len() > 40 && told.is_subset(&names), "{:?}", told.difference(&names));
    assert_eq!(text.matches("# TYPE").count(), told.len(), "each has its head once");
    assert!(text.contains("dbus_bms_alarm{battery=\"a\",name=\""), "{text}");
}
