//! Messages of our own layout, out of a view.

use super::config::Config;
use super::values::{Kind, VALUES, told};
use crate::view::View;
use serde_json::Value as Json;

/// Something to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: String,
    /// The broker keeps it for those who come later.
    pub retain: bool,
}

impl Message {
    /// One that is gone once it was delivered: measured values, which would be taken for fresh ones later.
    pub fn passing(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), retain: false }
    }

    /// One that stays.
    pub fn retained(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), retain: true }
    }
}

/// `online` or `offline`.
pub(super) fn availability(there: bool) -> &'static str {
    if there { "online" } else { "offline" }
}

/// An identity as one level of a topic; Home Assistant allows no more than these letters.
pub(super) fn level(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

/// Where everything of a battery is below.
pub(super) fn base(config: &Config, id: &str) -> String {
    format!("{}/{}", config.topic, level(id))
}

/// How many values the lists of a battery have; known also while the values are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Cells in series.
    pub cells: usize,
    /// Temperature sensors.
    pub sensors: usize,
}

impl Shape {
    /// That of this view, and not less than this one.
    #[must_use]
    pub fn grown(self, view: &View) -> Self {
        let sensors = view.temperatures_c.as_ref().map_or(0, |list| list.0.len());
        Self { cells: self.cells.max(view.cell_voltages_v.len()), sensors: self.sensors.max(sensors) }
    }

    /// The length of the list with this key.
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
    Message::passing(format!("{}/state", base(config, &view.id)), Json::Object(told(view)).to_string())
}

/// Each value for itself; `null` when it is not known, also the items of lists, which are as long as `shape` says.
pub fn single_values(config: &Config, view: &View, shape: Shape) -> Vec<Message> {
    let (base, all) = (base(config, &view.id), told(view));
    let mut messages = Vec::new();
    for value in VALUES {
        let found = value
            .key
            .split('.')
            .try_fold(None, |inside: Option<&Json>, key| inside.map_or_else(|| all.get(key), |object| object.get(key)).map(Some));
        let told = found.flatten().unwrap_or(&Json::Null);
        let topic = format!("{base}/{}", value.key.replace('.', "/"));
        match (value.kind, told) {
            (Kind::List(_), list) => messages
                .extend((0..shape.length(value.key)).map(|place| {
                    Message::passing(format!("{topic}/{}", place + 1), plain(list.get(place).unwrap_or(&Json::Null)))
                })),
            (_, told) => messages.push(Message::passing(topic, plain(told))),
        }
    }
    messages
}

/// Without the quotes of JSON.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
