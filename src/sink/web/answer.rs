//! What is answered to a request. Pure: the request's head and body, and what is known, go in.

use super::{Config, assets, guard};
use crate::commands::Wish;
use crate::history::Range;
use crate::house::Views;
use crate::model::Outcome;
use crate::view::{View, metrics};
use serde::Deserialize;
use std::sync::Arc;

/// What counts of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// `GET`.
    pub method: &'a str,
    /// `/api/v1/batteries`, as it came.
    pub path: &'a str,
    /// What follows the `?`.
    pub query: &'a str,
    /// By which name we are asked.
    pub host: Option<&'a str>,
    /// The page that asks.
    pub origin: Option<&'a str>,
    /// What the client presents.
    pub authorization: Option<&'a str>,
    /// What the browser has already.
    pub if_none_match: Option<&'a str>,
    /// What was sent along.
    pub body: &'a [u8],
}

/// The course of the values of the battery with this id, as JSON.
pub type History<'a> = dyn Fn(&str, (&'static str, Range)) -> Option<String> + 'a;

/// All that answers are made of.
pub struct World<'a> {
    /// Settings.
    pub config: &'a Config,
    /// The batteries.
    pub views: &'a Views,
    /// The course of a battery's values as JSON.
    pub history: &'a History<'a>,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// A tag of the content; the browser may keep it and ask whether it is still the same.
    pub tag: Option<String>,
    /// The methods that would be right.
    pub allow: Option<&'static str>,
    /// What it says.
    pub body: Body,
}

/// What an answer says.
#[derive(Debug, PartialEq)]
pub enum Body {
    /// Constant bytes.
    Constant(&'static [u8]),
    /// Text made for this request.
    Text(String),
    /// A stream of events that does not end.
    Events,
    /// Something for a battery; the answer follows when it is known what became of it.
    Wish {
        /// The battery's id.
        id: String,
        /// What is wanted.
        wish: Wish,
    },
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The routes, with what they give, for the documentation.
pub const ROUTES: [(&str, &str); 8] = [
    ("GET /", "the page"),
    ("GET /api/v1/batteries", "all batteries and banks: `{\"batteries\": [ … ]}`"),
    ("GET /api/v1/batteries/ID", "one of them"),
    (
        "GET /api/v1/events",
        "server-sent events: `view` with a battery as data, all of them at first, then each that changed; `gone` with `{\"id\": …}`; `alive` after ten quiet seconds",
    ),
    ("GET /api/v1/history?id=ID&range=hour|day|week|month|year", "the course of its values; `year`: energy per day"),
    (
        "POST /api/v1/batteries/ID/commands",
        "a command: `{\"command\": \"charge\", \"on\": false}`, also `discharge` and `balance`; `{\"command\": \"soc\", \"value\": \"80\"}`; \
         `{\"command\": \"override\", \"value\": \"ccl 20 for 3600\"}`. With the token; 200 when the BMS shows it, else 409 and why",
    ),
    ("GET /metrics", "all numbers in the text format of Prometheus"),
    ("GET /healthz", "200 and `ok` while every battery's data is fresh, else 503 and which is not"),
];

/// Answers a request.
pub fn answer(head: &Head<'_>, world: &World<'_>) -> Answer {
    let Some(host) = head.host else { return error(400, "a request must say its host") };
    if !guard::is_ours(host, world.config) {
        return error(421, "this name is not ours; open the page by its address, or put the name into web.hosts");
    }
    match head.method {
        "GET" | "HEAD" => read(head, world),
        "POST" if head.path.starts_with("/api/v1/") => write(head, host, world),
        _ => Answer { allow: Some("GET, HEAD"), ..error(405, "only GET is answered here") },
    }
}

fn read(head: &Head<'_>, world: &World<'_>) -> Answer {
    let views = world.views;
    match head.path {
        "/api/v1/batteries" => json(batteries(views)),
        "/api/v1/events" => Answer { content_type: "text/event-stream", body: Body::Events, ..text(200, String::new()) },
        "/api/v1/history" => history(head, world),
        "/metrics" => Answer { content_type: "text/plain; version=0.0.4; charset=utf-8", ..text(200, metrics(views)) },
        "/healthz" => health(views),
        path => match path.strip_prefix("/api/v1/batteries/") {
            Some(id) => match find(views, id) {
                Some(view) => json(object(view)),
                None => error(404, "there is no battery of this id"),
            },
            None => asset(head),
        },
    }
}

/// A command as the page sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    command: String,
    on: Option<bool>,
    value: Option<String>,
}

/// Requests that change something.
fn write(head: &Head<'_>, host: &str, world: &World<'_>) -> Answer {
    if !guard::is_same_origin(head.origin, host) {
        return error(403, "another page must not change anything here");
    }
    if world.config.token.is_none() {
        return error(403, "nothing can be changed before web.token is set");
    }
    if !guard::may_write(head.authorization, world.config) {
        return error(401, "present the token of web.token: Authorization: Bearer …");
    }
    let id = head.path.strip_prefix("/api/v1/batteries/").and_then(|rest| rest.strip_suffix("/commands"));
    let Some(id) = id else { return error(404, "there is nothing to change here") };
    if find(world.views, id).is_none() {
        return error(404, "there is no battery of this id");
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(head.body) else {
        return error(400, "say what, as {\"command\": \"charge\", \"on\": false}");
    };
    let value = match (asked.on, asked.value) {
        (Some(on), None) => if on { "on" } else { "off" }.to_owned(),
        (None, Some(value)) => value,
        _ => return error(400, "say either `on` or `value`"),
    };
    match Wish::parse(&asked.command, &value) {
        Ok(wish) => Answer { content_type: JSON, body: Body::Wish { id: id.to_owned(), wish }, ..text(200, String::new()) },
        Err(why) => error(400, &why.to_string()),
    }
}

fn history(head: &Head<'_>, world: &World<'_>) -> Answer {
    // Ids and ranges are plain words: nothing in them is ever escaped.
    let value = |name: &str| head.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let Some(id) = value("id") else { return error(400, "name a battery: id=…") };
    let Some(range) = Range::named(value("range").unwrap_or("day")) else {
        return error(400, "range is one of hour, day, week, month, year");
    };
    match (world.history)(id, range) {
        Some(text) => json(text),
        None => error(404, "there is no battery of this id"),
    }
}

fn find<'a>(views: &'a Views, id: &str) -> Option<&'a Arc<View>> {
    views.iter().find(|view| view.id == id)
}

fn batteries(views: &Views) -> String {
    let list: Vec<String> = views.iter().map(|view| object(view)).collect();
    format!("{{\"batteries\":[{}]}}", list.join(","))
}

/// A view as JSON.
pub(super) fn object(view: &View) -> String {
    // Every number is finite or written as null, and every key is a text: it cannot fail.
    serde_json::to_string(view).unwrap_or_default()
}

fn health(views: &Views) -> Answer {
    let stale: Vec<&str> =
        views.iter().filter(|view| view.freshness != crate::model::Freshness::Fresh).map(|view| view.id.as_str()).collect();
    match (views.is_empty(), stale.is_empty()) {
        (true, _) => text(503, "no battery yet\n".to_owned()),
        (false, true) => text(200, "ok\n".to_owned()),
        (false, false) => text(503, format!("no fresh data: {}\n", stale.join(", "))),
    }
}

fn asset(head: &Head<'_>) -> Answer {
    let Some(asset) = assets::find(head.path) else { return error(404, "there is nothing here") };
    let tag = asset.tag();
    let has = head.if_none_match.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    let (status, bytes) = if has { (304, &[][..]) } else { (200, asset.bytes) };
    Answer { status, content_type: asset.content_type, tag: Some(tag), allow: None, body: Body::Constant(bytes) }
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
    /// What became of a wish.
    pub(super) fn of(outcome: Outcome) -> Self {
        let said = serde_json::json!({ "code": outcome.code(), "done": outcome.to_string() }).to_string();
        if outcome.is_done() { json(said) } else { error(409, &outcome.to_string()) }
    }

    /// A request that is not even looked at.
    pub(super) fn refusal(status: u16, why: &str) -> Self {
        error(status, why)
    }
}
