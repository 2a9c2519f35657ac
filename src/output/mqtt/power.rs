//! Parses the power at the grid connection from a message: a number, or a key of a JSON object.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::base::units::Watts;
use serde_json::Value as Json;

/// Larger values are not the power of a house, W.
const MAX_WATTS: f64 = 10_000_000.0;

/// Source of the power.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// Key of the power in a JSON object, `a.b` for a nested one; `None` = the message is the number.
    pub key: Option<String>,
    /// Key of the exported power, for meters that report both directions separately.
    pub export_key: Option<String>,
}

/// The power in a message, in W, positive from the grid; `None` for anything else.
pub fn parse(source: &Source, payload: &[u8]) -> Option<Watts> {
    let text = std::str::from_utf8(payload).ok()?.trim();
    let json: Json = serde_json::from_str(text).ok()?;
    let import = number(&json, source.key.as_deref());
    let watts = match &source.export_key {
        None => import?,
        Some(key) => import? - number(&json, Some(key))?,
    };
    (watts.abs() <= MAX_WATTS).then(|| Watts::new(watts))
}

/// A number at `path`, with or without quotes.
fn number(json: &Json, path: Option<&str>) -> Option<f64> {
    let keys = path.into_iter().flat_map(|path| path.split('.'));
    let found = keys.into_iter().try_fold(json, |json, key| json.get(key))?;
    let number = match found {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}
