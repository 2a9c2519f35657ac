//! The BMS's alarm of a low SoC, where another SoC than the BMS's is shown.

use crate::model::{AlarmName, Reading};
use crate::units::Percent;

/// A SoC that every BMS calls low sooner or later, %.
const LOW: f64 = 20.0;
/// So far above, %, an alarm that was in force ends: two SoCs that run side by side must not switch it on and off.
const HYSTERESIS: f64 = 5.0;

/// Whether that alarm holds. The BMS does not tell its threshold, but one that rings has a SoC under it: it holds for a shown SoC
/// that is not above the BMS's own, and for any of at most 20 %. It is never raised here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LowSoc {
    holds: bool,
}

impl LowSoc {
    /// Takes the alarm out of a reading, whose SoC is the one to be shown, where that is `own` and high enough; a note says so.
    pub fn judge(&mut self, own: bool, bms: Option<Percent>, reading: &mut Reading) {
        let (Some(shown), true) = (reading.soc.map(Percent::get), own) else {
            self.holds = true;
            return;
        };
        let low = bms.map_or(LOW, |bms| bms.get().max(LOW));
        self.holds = shown <= if self.holds { low + HYSTERESIS } else { low };
        let Some(alarms) = reading.alarms.as_mut().filter(|_| !self.holds) else { return };
        let before = alarms.len();
        alarms.retain(|alarm| alarm.name != AlarmName::LowSoc);
        if alarms.len() != before {
            reading.note("the BMS calls its own state of charge low; the one shown is not the BMS's");
        }
    }
}
