//! The power at the grid connection out of a message: a number, or a key of a JSON object.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::units::Watts;
use serde_json::Value as Json;

/// Beyond this it is no power of a house.
const MOST: f64 = 10_000_000.0;

/// Where the power stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// Key of a JSON object with the power, `a.b` for one inside another; `None` = the message is the number.
    pub key: Option<String>,
    /// Key of the power to the grid, for meters that tell both ways apart.
    pub export_key: Option<String>,
}

/// The power in a message, in W and positive from the grid; `None` for anything that is not clearly one.
pub fn parse(source: &Source, payload: &[u8]) -> Option<Watts> {
    let text = std::str::from_utf8(payload).ok()?.trim();
    let json: Json = serde_json::from_str(text).ok()?;
    let import = number(&json, source.key.as_deref());
    let watts = match &source.export_key {
        None => import?,
        Some(key) => import? - number(&json, Some(key))?,
    };
    (watts.abs() <= MOST).then(|| Watts::new(watts))
}

/// A number, also in quotes, at `path`.
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
