//! Answers to web requests. Pure: the request's head and body and the present data go in.

use super::openapi::openapi;
use super::{Config, assets, guard};
use crate::base::units::Moment;
use crate::control::ControlRequest;
use crate::generator::{ByHand, REQUESTS};
use crate::model::Reply;
use crate::output::api::{LogEntry, View, device_metrics, device_object, metrics};
use crate::output::devices::Devices;
use crate::output::event_log::LogQuery;
use crate::output::registry::Views;
use crate::output::timeseries::Range;
use crate::recording::flight_recorder::FlightFile;
use axum::body::Bytes;
use serde::Deserialize;
use std::sync::Arc;

/// The relevant parts of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// `GET`.
    pub method: &'a str,
    /// `/api/v1/batteries`, as received.
    pub path: &'a str,
    /// Query string, after the `?`.
    pub query: &'a str,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// Body.
    pub body: &'a [u8],
}

/// The course of the values of the battery with this id, as JSON.
pub type History<'a> = dyn Fn(&str, (&'static str, Range)) -> Option<String> + 'a;

/// The event log, as JSON.
pub type Log<'a> = dyn Fn(LogQuery<'_>) -> String + 'a;

/// Something of the battery with this id, as JSON.
pub type OfBattery<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Input of all answers.
pub struct World<'a> {
    /// Settings.
    pub config: &'a Config,
    /// The batteries.
    pub views: &'a Views,
    /// The devices of the house beside them.
    pub devices: &'a Devices,
    /// The present time, for the age of the devices' values.
    pub now: Moment,
    /// The course of a battery's values as JSON.
    pub history: &'a History<'a>,
    /// The event log as JSON.
    pub log: &'a Log<'a>,
    /// How long each rule limited a battery, as JSON.
    pub limited: &'a OfBattery<'a>,
    /// The last day of a battery's cells, as JSON.
    pub cells: &'a OfBattery<'a>,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `ETag`: the browser may cache the content and revalidate it.
    pub tag: Option<String>,
    /// `Allow`: the valid methods.
    pub allow: Option<&'static str>,
    /// Content.
    pub body: Body,
}

/// Content of an answer.
#[derive(Debug, PartialEq)]
pub enum Body {
    /// Constant bytes.
    Constant(&'static [u8]),
    /// Text made for this request.
    Text(String),
    /// Content in gzip form.
    Compressed(Bytes),
    /// An endless stream of events.
    Events,
    /// The list of the flight recorder's files.
    Recordings,
    /// One of these files.
    Recording(String),
    /// A request to a battery; the answer follows with its outcome.
    Request {
        /// The battery's id.
        id: String,
        /// The request.
        request: ControlRequest,
    },
    /// A request to the generator; the answer says whether it was passed on.
    Generator(ByHand),
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The routes with their descriptions, for the documentation.
pub const ROUTES: [(&str, &str); 19] = [
    ("GET /", "the page"),
    ("GET /api/v1/batteries", "all batteries and banks: `{\"batteries\": [ … ]}`"),
    ("GET /api/v1/batteries/ID", "one of them"),
    ("GET /api/v1/devices", "the devices of the house beside the batteries: `{\"devices\": [ … ]}`"),
    ("GET /api/v1/devices/ID", "one of them"),
    (
        "GET /api/v1/events",
        "server-sent events: `view` with a battery as data, first all, then each that has changed; `gone` with `{\"id\": …}`; `device` and `device_gone` likewise for devices of the house; `alive` after 10 s without another event",
    ),
    (
        "GET /api/v1/history?id=ID&range=hour|day|week|month|year",
        "the history of its values; `year`: energy per day; with `&format=csv` as a table in text",
    ),
    (
        "GET /api/v1/history/cells?id=ID",
        "the last day of its cells in steps of five minutes: `age_s`, `median_v`, and of each cell `deviation_mv` from that median and whether it was `balanced`",
    ),
    (
        "GET /api/v1/limited?id=ID",
        "how long each rule limited the current, per day, the newest first: `{\"today\": …, \"days\": [{\"date\": …, \"rules\": [ … ]}]}`. Of a battery in a bank nothing: the bank's limits apply",
    ),
    (
        "GET /api/v1/log?id=ID&kind=KIND&since=SECONDS&limit=N",
        "what happened, the newest first: `{\"now\": …, \"entries\": [ … ]}`. All parameters may be left out; with `&format=csv` as a table in text",
    ),
    (
        "GET /api/v1/recordings",
        "the files of the flight recorder, the newest first: `{\"recordings\": [{\"file\": …, \"at\": …, \"bytes\": …, \"why\": …}]}`; `at` is null if the clock was not set",
    ),
    ("GET /api/v1/recordings/ID", "one of them, by its `file`, to download; `dbus-bms replay` reads it"),
    (
        "POST /api/v1/batteries/ID/commands",
        "a command: `{\"command\": \"charge\", \"on\": false}`, also `discharge` and `balance`; `{\"command\": \"soc\", \"value\": \"80\"}`; \
         `{\"command\": \"override\", \"value\": \"ccl 20 for 3600\"}`. Needs the token; 200 once the BMS shows the change, else 409 and the reason",
    ),
    (
        "POST /api/v1/devices/generator/commands",
        "a request to the generator: `{\"command\": \"generator\", \"value\": \"run for 3600\"}`, also `stop for 3600` and `automatic`. Needs the token; 200 once it is taken, 409 if there is no generator",
    ),
    ("GET /api/v1/openapi.json", "this list with all keys and types, for programs (OpenAPI 3.1)"),
    ("GET /api/v1/about", "the program: version, offset of its days from UTC, whether it takes commands, languages of the page"),
    ("POST /api/v1/token", "whether the token is right: 204, else 401. A wrong one is answered after a second"),
    ("GET /metrics", "all numbers in Prometheus text format"),
    (
        "GET /healthz",
        "200 and `ok` while the data of every battery is fresh and none has a cable alarm, else 503 and the IDs of the others",
    ),
];

/// Answers a request.
pub fn answer(head: &Head<'_>, world: &World<'_>) -> Answer {
    let Some(host) = head.host.filter(|host| guard::is_host(host)) else {
        return error(400, "the request needs exactly one valid Host header");
    };
    if !guard::is_ours(host, world.config) {
        return foreign(head, host);
    }
    match head.method {
        "GET" | "HEAD" => read(head, world),
        "POST" if head.path.starts_with("/api/v1/") => write(head, host, world),
        _ => Answer { allow: Some("GET, HEAD"), ..error(405, "only GET is supported here") },
    }
}

fn read(head: &Head<'_>, world: &World<'_>) -> Answer {
    let views = world.views;
    match head.path {
        "/api/v1/batteries" => json(batteries(views)),
        "/api/v1/events" => Answer { content_type: "text/event-stream", body: Body::Events, ..text(200, String::new()) },
        "/api/v1/history" => history(head, world),
        "/api/v1/history/cells" => of_battery(head, world.cells),
        "/api/v1/limited" => of_battery(head, world.limited),
        "/api/v1/log" => log(head, world),
        "/api/v1/devices" => json(devices(world)),
        "/api/v1/recordings" => Answer { body: Body::Recordings, ..json(String::new()) },
        "/metrics" => Answer {
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            ..text(200, metrics(views) + &device_metrics(world.devices, world.now))
        },
        "/api/v1/openapi.json" => json(openapi().to_string()),
        "/api/v1/about" => json(about(world.config)),
        "/healthz" => health(views),
        path if path.starts_with("/api/v1/recordings/") => {
            let file = path.rsplit('/').next().unwrap_or_default().to_owned();
            Answer { body: Body::Recording(file), ..json(String::new()) }
        }
        path => match (path.strip_prefix("/api/v1/batteries/"), path.strip_prefix("/api/v1/devices/")) {
            (Some(id), _) => match find(views, id) {
                Some(view) => json(object(view)),
                None => error(404, "no battery has this ID; see /api/v1/batteries"),
            },
            (None, Some(id)) => match world.devices.iter().find(|device| device.info.id == id) {
                Some(device) => json(device_object(device, world.now).to_string()),
                None => error(404, "no device has this ID; see /api/v1/devices"),
            },
            (None, None) => asset(head),
        },
    }
}

/// The program itself.
fn about(config: &Config) -> String {
    let language = |asset: &assets::Asset| Some(asset.path.strip_prefix("/lang/")?.strip_suffix(".json")?.to_owned());
    let languages: Vec<String> = assets::ASSETS.iter().filter_map(language).collect();
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "utc_offset_h": config.utc_offset_h,
        "can_command": config.token.is_some(),
        "languages": languages,
    })
    .to_string()
}

/// Columns of the history as lines of text with commas, the first one with their names; days likewise.
fn csv(history: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(history).unwrap_or_default();
    let object = value.as_object().into_iter().flatten();
    let columns: Vec<(&String, &Vec<serde_json::Value>)> =
        object.filter(|(key, _)| *key != "days").filter_map(|(key, list)| Some((key, list.as_array()?))).collect();
    let mut lines = Vec::new();
    if let Some(days) = value.get("days").and_then(serde_json::Value::as_array) {
        let keys = ["date", "charged_kwh", "discharged_kwh"];
        lines.push(keys.join(","));
        lines.extend(days.iter().map(|day| keys.map(|key| csv_cell(day.get(key))).join(",")));
    } else {
        lines.push(columns.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(","));
        let rows = columns.iter().map(|(_, list)| list.len()).max().unwrap_or(0);
        lines.extend((0..rows).map(|row| columns.iter().map(|(_, list)| csv_cell(list.get(row))).collect::<Vec<_>>().join(",")));
    }
    lines.join("\r\n") + "\r\n"
}

fn devices(world: &World<'_>) -> String {
    let list: Vec<_> = world.devices.iter().map(|device| device_object(device, world.now)).collect();
    serde_json::json!({ "devices": list }).to_string()
}

/// A command from the page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    command: String,
    on: Option<bool>,
    value: Option<String>,
}

/// Answers requests that change something.
fn write(head: &Head<'_>, host: &str, world: &World<'_>) -> Answer {
    if !guard::is_same_origin(head.origin, host) {
        return error(403, "requests of other web pages cannot change anything");
    }
    if world.config.token.is_none() {
        return error(403, "set web.token to allow changes");
    }
    if !guard::may_write(head.authorization, world.config) {
        return error(401, "send the token of web.token: Authorization: Bearer …");
    }
    if head.path == "/api/v1/token" {
        return text(204, String::new());
    }
    if head.path == "/api/v1/devices/generator/commands" {
        return generator(head.body);
    }
    let id = head.path.strip_prefix("/api/v1/batteries/").and_then(|rest| rest.strip_suffix("/commands"));
    let Some(id) = id else { return error(404, "nothing can be changed at this address") };
    if find(world.views, id).is_none() {
        return error(404, "no battery has this ID; see /api/v1/batteries");
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(head.body) else {
        return error(400, "the body must be like {\"command\": \"charge\", \"on\": false}");
    };
    let value = match (asked.on, asked.value) {
        (Some(on), None) => if on { "on" } else { "off" }.to_owned(),
        (None, Some(value)) => value,
        _ => return error(400, "give either `on` or `value`"),
    };
    match ControlRequest::parse(&asked.command, &value) {
        Ok(request) => {
            Answer { content_type: JSON, body: Body::Request { id: id.to_owned(), request }, ..text(200, String::new()) }
        }
        Err(why) => error(400, &why.to_string()),
    }
}

/// A request to the generator.
fn generator(body: &[u8]) -> Answer {
    let asked = serde_json::from_slice::<Asked>(body).ok().filter(|asked| asked.command == "generator" && asked.on.is_none());
    let by_hand = asked.and_then(|asked| asked.value).and_then(|value| value.parse().ok());
    match by_hand {
        Some(by_hand) => Answer { content_type: JSON, body: Body::Generator(by_hand), ..text(200, String::new()) },
        None => {
            error(400, &format!("the body must be like {{\"command\": \"generator\", \"value\": \"run for 3600\"}}: {REQUESTS}"))
        }
    }
}

/// To a page that was opened by a name that a stranger may own: in words for people, as JSON for programs.
fn foreign(head: &Head<'_>, host: &str) -> Answer {
    let page = matches!(head.method, "GET" | "HEAD") && matches!(head.path, "/" | "/index.html");
    if !page {
        return error(421, "this host name is not allowed; use the IP address, or add the name to web.hosts");
    }
    // A host that is one consists of letters, digits and `-_.:[]` only.
    let name = guard::name_of(host);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>dbus-bms</title>\
         <h1>Not by this name</h1><p>This page was opened as <b>{name}</b>. Somebody else may own that name, so for your safety the dashboard does not \
         answer to it.</p><p>Open it by the IP address of the device, such as http://192.168.1.7:8080/, or as venus.local. To allow this name, put it \
         into the configuration and restart the driver:</p><pre>[web]\nhosts = [\"{name}\"]</pre></html>"
    );
    Answer { content_type: "text/html; charset=utf-8", ..text(421, html) }
}

fn history(head: &Head<'_>, world: &World<'_>) -> Answer {
    let value = |name: &str| parameter(head.query, name);
    let Some(id) = value("id") else { return error(400, "give a battery: id=…") };
    let Some(range) = Range::named(value("range").unwrap_or("day")) else {
        return error(400, "range must be hour, day, week, month or year");
    };
    match (world.history)(id, range) {
        Some(history) if value("format") == Some("csv") => {
            Answer { content_type: "text/csv; charset=utf-8", ..text(200, csv(&history)) }
        }
        Some(history) => json(history),
        None => error(404, "no battery has this ID; see /api/v1/batteries"),
    }
}

/// A parameter of the query. Names, ids and words are plain and never escaped.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn log(head: &Head<'_>, world: &World<'_>) -> Answer {
    let value = |name: &str| parameter(head.query, name);
    let number = |name: &str| value(name).map(str::parse::<u64>).transpose();
    let (Ok(since), Ok(limit)) = (number("since"), number("limit")) else {
        return error(400, "since and limit must be whole numbers");
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let log = (world.log)(LogQuery { id: value("id"), kind: value("kind"), since, limit });
    if value("format") == Some("csv") {
        return Answer { content_type: "text/csv; charset=utf-8", ..text(200, csv_of_entries(&log)) };
    }
    json(log)
}

/// An answer about one battery.
fn of_battery(head: &Head<'_>, about: &OfBattery<'_>) -> Answer {
    let Some(id) = parameter(head.query, "id") else { return error(400, "give a battery: id=…") };
    match about(id) {
        Some(text) => json(text),
        None => error(404, "no battery has this ID; see /api/v1/batteries"),
    }
}

/// The entries of the event log as lines of text with commas.
fn csv_of_entries(log: &str) -> String {
    let log: serde_json::Value = serde_json::from_str(log).unwrap_or_default();
    let keys: Vec<&str> = LogEntry::FIELDS.iter().map(|field| field.key).collect();
    let entries = log.get("entries").and_then(serde_json::Value::as_array).into_iter().flatten();
    let row = |entry: &serde_json::Value| keys.iter().map(|key| csv_cell(entry.get(key))).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = std::iter::once(keys.join(",")).chain(entries.map(row)).collect();
    lines.join("\r\n") + "\r\n"
}

/// A value as a cell of a table (RFC 4180).
fn csv_cell(value: Option<&serde_json::Value>) -> String {
    match value {
        Some(serde_json::Value::String(text)) if text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(serde_json::Value::String(text)) => text.clone(),
        None | Some(serde_json::Value::Null) => String::new(),
        Some(number) => number.to_string(),
    }
}

fn find<'a>(views: &'a Views, id: &str) -> Option<&'a Arc<View>> {
    views.iter().find(|view| view.identity.id == id)
}

fn batteries(views: &Views) -> String {
    let list: Vec<String> = views.iter().map(|view| object(view)).collect();
    format!("{{\"batteries\":[{}]}}", list.join(","))
}

/// A view as JSON.
pub(super) fn object(view: &View) -> String {
    // Every number is finite or null, and every key is a text: this cannot fail.
    serde_json::to_string(view).unwrap_or_default()
}

fn health(views: &Views) -> Answer {
    let stale: Vec<&str> = views
        .iter()
        // A bank whose battery is silent has fresh data and a cable alarm.
        .filter(|view| !view.is_fresh() || view.state.cable.is_some())
        .map(|view| view.identity.id.as_str())
        .collect();
    match (views.is_empty(), stale.is_empty()) {
        (true, _) => text(503, "no battery yet\n".to_owned()),
        (false, true) => text(200, "ok\n".to_owned()),
        (false, false) => text(503, format!("no fresh data: {}\n", stale.join(", "))),
    }
}

fn asset(head: &Head<'_>) -> Answer {
    let Some(asset) = assets::find(head.path) else { return error(404, "no such page") };
    let tag = asset.tag();
    let compressed = assets::tag_of_compressed(&tag);
    let is_same = |known: &str| [&tag, &compressed].contains(&&known.trim().trim_start_matches("W/").to_owned());
    let has = head.if_none_match.is_some_and(|tags| tags.split(',').any(is_same));
    // With 304 the server sends the length of the content only.
    let status = if has { 304 } else { 200 };
    Answer { status, content_type: asset.content_type, tag: Some(tag), allow: None, body: Body::Constant(asset.bytes) }
}

fn text(status: u16, text: String) -> Answer {
    Answer { status, content_type: TEXT, tag: None, allow: None, body: Body::Text(text) }
}

fn json(object: String) -> Answer {
    Answer { content_type: JSON, ..text(200, object) }
}

fn error(status: u16, why: &str) -> Answer {
    Answer { content_type: JSON, ..text(status, serde_json::json!({ "error": why }).to_string()) }
}

impl Answer {
    /// The list of the flight recorder's files.
    pub(super) fn of_recordings(files: &[FlightFile]) -> Self {
        json(serde_json::json!({ "recordings": files }).to_string())
    }

    /// One of these files.
    pub(super) fn of_recording(text: Option<String>) -> Self {
        text.map_or_else(|| error(404, "there is no recording of this name; see /api/v1/recordings"), json)
    }

    /// The outcome of a request.
    pub(super) fn of(reply: &Reply) -> Self {
        let body = serde_json::json!({ "code": reply.code, "done": reply.text }).to_string();
        if reply.is_done() { json(body) } else { error(409, &reply.text) }
    }

    /// Whether a request to the generator was taken.
    pub(super) fn of_generator(taken: bool) -> Self {
        if taken {
            json(serde_json::json!({ "done": "passed on" }).to_string())
        } else {
            error(409, "there is no generator; see docs/generator.md")
        }
    }

    /// A request rejected without processing.
    pub(super) fn refusal(status: u16, why: &str) -> Self {
        error(status, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Freshness, Level};

    #[test]
    fn a_bank_with_a_cable_warning_is_not_healthy() {
        let mut view = View::default();
        view.identity.id = "bank_house".to_owned();
        view.state.freshness = Freshness::Fresh;
        let of = |view: &View| health(&Arc::new(vec![Arc::new(view.clone())]));
        assert_eq!(of(&view).status, 200);
        view.state.cable = Some(Level::Warning);
        let warned = of(&view);
        assert_eq!((warned.status, warned.body), (503, Body::Text("no fresh data: bank_house\n".into())));
    }
}
