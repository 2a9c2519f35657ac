//! Log messages of a battery, each once per episode.

use crate::base::episode::Once;

/// Log messages that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Notices {
    texts: Vec<String>,
    /// Values are held back.
    holding: Once,
    /// Quantities that were already reported as missing.
    missing: Vec<&'static str>,
}

impl Notices {
    /// Adds messages.
    pub(super) fn extend<T: Into<String>>(&mut self, texts: impl IntoIterator<Item = T>) {
        self.texts.extend(texts.into_iter().map(Into::into));
    }

    /// Reports once per episode which values are held back.
    pub(super) fn held(&mut self, held: &[&'static str]) {
        if held.is_empty() {
            self.holding.reset();
        } else if self.holding.first() {
            self.texts.push(format!("implausible {} held back; keeping the last plausible value", held.join(", ")));
        }
    }

    /// Reports once which quantities the BMS reports with impossible values.
    pub(super) fn missing(&mut self, missing: &[&'static str]) {
        for what in missing {
            if !self.missing.contains(what) {
                self.missing.push(what);
                self.texts.push(format!(
                    "the BMS gives an impossible {what}; it counts as missing until it is right: check sensor, wire and BMS settings"
                ));
            }
        }
    }

    /// The messages since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.texts)
    }
}
