//! Notes and log lines about ignored temperature sensors.

use crate::battery::charge::SensorConfig;
use crate::model::Reading;

/// Note while the configuration ignores every sensor, so that none is ignored.
const ALL_IGNORED: &str =
    "`temperatures_ignored` names every temperature sensor, so all of them count: the limits need at least one";

/// Logs the effect of the settings once, and again when it changes.
#[derive(Debug, Clone, Default)]
pub(super) struct SensorNotes {
    /// The last line for the log.
    logged: String,
}

impl SensorNotes {
    /// Adds the note to a reading of a battery with `fitted` sensors, of which those with the indices `ignored` are ignored.
    /// Returns a line for the log if it differs from the last one.
    pub(super) fn check(
        &mut self,
        config: &SensorConfig,
        fitted: usize,
        ignored: &[usize],
        reading: &mut Reading,
    ) -> Option<String> {
        if config.ignored.is_empty() || fitted == 0 || reading.awaited.temperatures {
            return None;
        }
        let absent: Vec<String> =
            config.ignored.iter().filter(|number| usize::from(**number) > fitted).map(u8::to_string).collect();
        let text = if ignored.is_empty() && absent.len() < config.ignored.len() {
            reading.note(ALL_IGNORED);
            format!("{ALL_IGNORED}; remove one from the list")
        } else {
            let named = |index: &usize| match config.name(*index) {
                Some(name) => format!("{} ({name})", index.saturating_add(1)),
                None => index.saturating_add(1).to_string(),
            };
            let mut parts = Vec::new();
            if !ignored.is_empty() {
                let list: Vec<String> = ignored.iter().map(named).collect();
                parts.push(format!(
                    "temperature sensor {} is ignored as configured: it is shown, but limits nothing",
                    list.join(", ")
                ));
            }
            if !absent.is_empty() {
                let list = absent.join(", ");
                parts.push(format!("`temperatures_ignored` names sensor {list}, but the BMS has {fitted}: correct the number"));
            }
            parts.join("; ")
        };
        let is_news = text != self.logged;
        self.logged.clone_from(&text);
        is_news.then_some(text)
    }
}
