//! The metrics as `promtool` sees them, and the examples for other programs: they use what there is.

use crate::support::cell_health::cell_health;
use crate::support::snapshot;
use dbus_bms::model::Snapshot;
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, MetricName, View, metric_names, metrics};
use dbus_bms::output::mqtt::{Config, state};
use dbus_bms::output::web::ROUTES;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

fn view(id: &str, snapshot: &Snapshot) -> Arc<View> {
    let info = BatteryInfo { id: id.to_owned(), ..BatteryInfo::default() };
    Arc::new(View::new(&info, snapshot, None, InverterOutputs::default()))
}

fn text() -> String {
    let with_health = Snapshot { cell_health: Some(Arc::new(cell_health())), ..snapshot::discharging() };
    let snapshots = [snapshot::alarmed(), snapshot::discharging(), snapshot::lost(), with_health];
    let views: Vec<_> = ["a", "b", "c", "d"].into_iter().zip(&snapshots).map(|(id, snapshot)| view(id, snapshot)).collect();
    metrics(&views)
}

fn promtool(arguments: &[&str], input: &str) -> Output {
    let need = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/need.sh");
    assert!(Command::new(need).arg("promtool=prometheus").status().unwrap().success(), "tests/need.sh");
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The metric that a line of the text is about.
fn metric(line: &str) -> &str {
    let rest = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
    rest.split([' ', '{']).next().unwrap()
}

fn deprecated() -> BTreeSet<String> {
    metric_names().into_iter().filter_map(|metric| metric.before).collect()
}

#[test]
fn promtool_finds_nothing_to_say_about_the_present_names() {
    let (all, old) = (text(), deprecated());
    let present: String = all.lines().filter(|line| !old.contains(metric(line))).map(|line| format!("{line}\n")).collect();
    let checked = promtool(&["check", "metrics"], &present);
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.is_empty(), "{said}");
    // The old names are valid, though named otherwise than Prometheus likes.
    let checked = promtool(&["check", "metrics"], &all);
    let said = (String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout)).into_owned();
    assert!(matches!(checked.status.code(), Some(0 | 3)), "{said}");
    for line in said.lines() {
        assert!(old.contains(line.split(' ').next().unwrap()), "{line}");
    }
}

#[test]
fn values_are_in_base_units_and_the_names_before_stay_for_a_release() {
    let all = text();
    for line in [
        "dbus_bms_voltage_volts{battery=\"b\"} 52.8",
        "dbus_bms_voltage_v{battery=\"b\"} 52.8",
        "dbus_bms_soc_ratio{battery=\"b\"} 0.715",
        "dbus_bms_soc_pct{battery=\"b\"} 71.5",
        "dbus_bms_capacity_coulombs{battery=\"b\"} 1008000",
        "dbus_bms_capacity_ah{battery=\"b\"} 280",
        "dbus_bms_history_charged_joules_total{battery=\"b\"} 6489000000",
        "dbus_bms_history_charged_kwh_total{battery=\"b\"} 1802.5",
        "dbus_bms_cell_voltage_volts{battery=\"b\",cell=\"1\"} 3.298",
        "dbus_bms_cells{battery=\"b\"} 16",
        "# HELP dbus_bms_soc_pct Deprecated, will be removed: use dbus_bms_soc_ratio.",
        "# TYPE dbus_bms_history_charged_joules_total counter",
    ] {
        assert!(all.lines().any(|told| told == line), "{line}\n{all}");
    }
    for MetricName { name, before, .. } in metric_names() {
        assert_ne!(before.as_ref(), Some(&name));
        assert!(!["_v", "_a", "_w", "_pct", "_c", "_s", "_ah", "_kwh"].iter().any(|end| name.ends_with(end)), "{name}");
    }
}

fn example(name: &str) -> Json {
    let path = format!("{}/docs/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The queries of the Grafana dashboard, with something for its variables.
fn queries() -> Vec<String> {
    let dashboard = example("grafana-dashboard.json");
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap().replace("$battery", ".*")).collect();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["query"].as_str().unwrap();
        queries.extend(query.strip_prefix("label_values(").map(|rest| rest.split(',').next().unwrap().to_owned()));
    }
    assert!(queries.len() > 20, "{queries:#?}");
    queries
}

#[test]
fn the_grafana_dashboard_asks_for_present_metrics_in_valid_queries() {
    let names: BTreeSet<_> = metric_names().into_iter().map(|metric| metric.name).collect();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for query in queries() {
        let asked = query.split(|c: char| !is_of_name(c)).filter(|word| word.starts_with("dbus_bms"));
        for metric in asked {
            assert!(names.contains(metric), "{metric} in {query}");
        }
    }
    let rules: Vec<_> = queries().iter().map(|query| serde_json::json!({"record": "test:query", "expr": query})).collect();
    let numbered = rules.into_iter().enumerate().map(|(number, mut rule)| {
        rule["record"] = format!("test:query{number}").into();
        rule
    });
    // YAML contains JSON.
    let rules = serde_json::json!({"groups": [{"name": "queries", "rules": numbered.collect::<Vec<_>>()}]});
    let file = std::env::temp_dir().join(format!("dbus-bms-queries-{}.yml", std::process::id()));
    std::fs::write(&file, rules.to_string()).unwrap();
    let checked = promtool(&["check", "rules", file.to_str().unwrap()], "");
    std::fs::remove_file(&file).unwrap();
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
}

#[test]
fn the_node_red_flow_uses_topics_paths_and_keys_that_exist() {
    let flow = example("node-red-flow.json");
    let nodes = flow.as_array().unwrap();
    let texts = |kind: &str, field: &str| -> Vec<&str> {
        nodes.iter().filter(|node| node["type"] == kind).map(|node| node[field].as_str().unwrap()).collect()
    };
    let view = view("a", &snapshot::discharging());
    let published = state(&Config::default(), &view);
    for topic in texts("mqtt in", "topic") {
        assert_eq!(topic.replace('+', "a"), published.topic);
    }
    for url in texts("http request", "url") {
        let path = url.strip_prefix("http://localhost:8080").unwrap();
        assert!(ROUTES.iter().any(|(route, _)| *route == format!("GET {path}")), "{path}");
    }
    let state: Json = serde_json::from_str(&published.payload).unwrap();
    let mut keys = 0;
    for code in texts("function", "func") {
        for used in code.split("b.").skip(1).filter(|used| used.starts_with(|c: char| c.is_ascii_lowercase())) {
            let path: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || "_.".contains(*c)).collect();
            let pointer = format!("/{}", path.replace('.', "/"));
            assert!(state.pointer(&pointer).is_some(), "{path} in {code}");
            keys += 1;
        }
    }
    assert!(keys > 10, "{keys}");
    let ids: BTreeSet<_> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    let wires = nodes.iter().filter_map(|node| node["wires"].as_array()).flatten().flat_map(|outs| outs.as_array().unwrap());
    assert!(wires.into_iter().all(|to| ids.contains(to.as_str().unwrap())));
}
