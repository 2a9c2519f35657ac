//! Messages in our own format, from a view.

use super::command::{controls, highest};
use super::config::Config;
use super::values::{Kind, VALUES, document};
use crate::link::mqtt::Message;
use crate::output::api::View;
use serde_json::Value as Json;

/// `online` or `offline`.
pub(super) fn availability(there: bool) -> &'static str {
    if there { "online" } else { "offline" }
}

/// An identity as one level of a topic, in characters that Home Assistant allows.
pub(super) fn level(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

/// Prefix of a battery's topics.
pub(super) fn base(config: &Config, id: &str) -> String {
    format!("{}/{}", config.topic, level(id))
}

/// Lengths of a battery's lists and its highest limits; known even while the values are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    /// Cells in series.
    pub cells: usize,
    /// Temperature sensors.
    pub sensors: usize,
    /// Highest charge current limit, in whole A.
    pub ccl: u16,
    /// Highest discharge current limit, in whole A.
    pub dcl: u16,
}

impl Shape {
    /// The larger lengths of this and of the view.
    #[must_use]
    pub fn grown(self, view: &View) -> Self {
        let sensors = view.temperatures.temperatures_c.as_ref().map_or(0, |list| list.0.len());
        let amps = |limit| highest(limit).ceil() as u16;
        Self {
            cells: self.cells.max(view.cells.cell_voltages_v.len()),
            sensors: self.sensors.max(sensors),
            ccl: self.ccl.max(amps(view.limits.ccl.as_ref())),
            dcl: self.dcl.max(amps(view.limits.dcl.as_ref())),
        }
    }

    /// Length of the list with this key.
    pub fn length(self, key: &str) -> usize {
        match key {
            "cell_voltages_v" => self.cells,
            "temperatures_c" => self.sensors,
            _ => 0,
        }
    }
}

/// Everything as one JSON object.
pub fn state(config: &Config, view: &View) -> Message {
    let mut document = document(view);
    document.extend(config.commands.then(|| ("controls".to_owned(), controls(view))));
    Message::passing(format!("{}/state", base(config, &view.identity.id)), Json::Object(document).to_string())
}

/// Each value separately; `null` if unknown, also for items of lists, whose lengths are in `shape`.
pub fn single_values(config: &Config, view: &View, shape: Shape) -> Vec<Message> {
    let (base, all) = (base(config, &view.identity.id), document(view));
    let mut messages = Vec::new();
    for value in VALUES {
        let found = value
            .key
            .split('.')
            .try_fold(None, |inside: Option<&Json>, key| inside.map_or_else(|| all.get(key), |object| object.get(key)).map(Some));
        let json = found.flatten().unwrap_or(&Json::Null);
        let topic = format!("{base}/{}", value.key.replace('.', "/"));
        match (value.kind, json) {
            (Kind::List(_), list) => messages
                .extend((0..shape.length(value.key)).map(|place| {
                    Message::passing(format!("{topic}/{}", place + 1), plain(list.get(place).unwrap_or(&Json::Null)))
                })),
            (_, json) => messages.push(Message::passing(topic, plain(json))),
        }
    }
    messages
}

/// Text without JSON quotes.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
