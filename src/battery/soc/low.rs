//! The low-SoC alarm: by thresholds of the owner, or the BMS's own while the published SoC is not the BMS's.

use super::Config;
use crate::base::units::Percent;
use crate::model::{AlarmName, Level, Reading};

/// Any BMS raises a low-SoC alarm below this SoC sooner or later, %.
const LOW: f64 = 20.0;
/// An active alarm of the BMS ends this far above the threshold, %, so that two SoCs that differ slightly do not toggle it.
const HYSTERESIS: f64 = 5.0;
/// The same for an alarm by a threshold of the owner.
const OWN_HYSTERESIS: f64 = 2.0;

/// The low-SoC alarm of the published SoC.
///
/// With thresholds of the owner it is raised by them alone. Otherwise it is the BMS's: the BMS does not report its threshold, but
/// while its alarm is active its own SoC is below it, so the alarm applies to a published SoC up to the BMS's own, and to any up to
/// 20 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LowSoc {
    holds: bool,
    own: Option<Level>,
}

impl LowSoc {
    /// Judges the alarm of a reading that has the published SoC; `bms` is the BMS's. A note says if an alarm of the BMS is dropped.
    pub fn apply(&mut self, config: &Config, bms: Option<Percent>, reading: &mut Reading) {
        let Some(shown) = reading.soc.map(Percent::get) else {
            (self.holds, self.own) = (true, None);
            return;
        };
        if config.low_warning.is_some() || config.low_alarm.is_some() {
            self.own = level(config, shown, self.own);
            self.drop_alarm_of_bms(reading, self.own, "the BMS calls the state of charge low; the configured thresholds decide");
            if let Some(level) = self.own {
                reading.raise(AlarmName::LowSoc, level);
            }
            return;
        }
        self.own = None;
        if !config.is_own() {
            self.holds = true;
            return;
        }
        let low = bms.map_or(LOW, |bms| bms.get().max(LOW));
        self.holds = shown <= if self.holds { low + HYSTERESIS } else { low };
        if !self.holds {
            self.drop_alarm_of_bms(reading, None, "the BMS calls its own state of charge low; the one shown is not the BMS's");
        }
    }

    /// Removes the BMS's alarm; adds the note if none takes its place.
    fn drop_alarm_of_bms(self, reading: &mut Reading, instead: Option<Level>, note: &'static str) {
        let Some(alarms) = &mut reading.alarms else { return };
        let before = alarms.len();
        alarms.retain(|alarm| alarm.name != AlarmName::LowSoc);
        if alarms.len() != before && instead.is_none() {
            reading.note(note);
        }
    }
}

/// The level by the owner's thresholds; a threshold of 0 is never reached.
fn level(config: &Config, shown: f64, before: Option<Level>) -> Option<Level> {
    let reached = |threshold: Option<Percent>, level: Level| {
        let margin = if before >= Some(level) { OWN_HYSTERESIS } else { 0.0 };
        threshold.map(Percent::get).is_some_and(|threshold| threshold > 0.0 && shown <= threshold + margin)
    };
    if reached(config.low_alarm, Level::Alarm) {
        Some(Level::Alarm)
    } else {
        reached(config.low_warning, Level::Warning).then_some(Level::Warning)
    }
}
