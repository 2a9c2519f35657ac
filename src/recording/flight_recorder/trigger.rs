//! When the flight recorder writes: an alarm, silence, or a jump of a limit. Pure.

use super::Decided;
use crate::model::{Alarm, Level, Limits};
use std::borrow::Cow;

/// A current limit that falls at once by this share of itself, and by this much, A, jumps …
const JUMP_SHARE: f64 = 0.5;
const JUMP_A: f64 = 10.0;
/// … and so does the charge voltage limit that falls by this much, V.
const JUMP_V: f64 = 1.0;

/// The alarms of a decision.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alarmed<'a> {
    /// Of the BMS and of the driver.
    pub alarms: &'a [Alarm],
    /// That of the cable.
    pub cable: Option<Level>,
}

/// Why a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: String,
    /// Others must not be kept from their file by it.
    pub(super) is_minor: bool,
}

impl Reason {
    pub(super) fn fault(text: &str) -> Self {
        Self { text: text.to_owned(), is_minor: false }
    }
}

/// What was there at the last decision.
#[derive(Debug, Default)]
pub(super) struct Watch {
    alarms: Vec<Alarm>,
    cable: Option<Level>,
    last: Option<(Limits, [Option<f64>; 2])>,
}

impl Watch {
    /// The reason to write, if something new has happened.
    pub(super) fn observe(&mut self, decided: &Decided<'_>) -> Option<Reason> {
        let Alarmed { alarms, cable } = decided.alarmed;
        let before = |alarm: &Alarm| self.alarms.iter().find(|known| known.name == alarm.name).map(|known| known.level);
        let raised = alarms.iter().find(|alarm| before(alarm) < Some(alarm.level));
        let reason = match (raised, cable > self.cable, self.jump(decided)) {
            (Some(alarm), ..) => Some(Reason {
                text: format!("{} {}", if alarm.level == Level::Alarm { "alarm:" } else { "warning:" }, alarm.name.words().key),
                is_minor: alarm.level == Level::Warning,
            }),
            (None, true, _) => Some(Reason::fault("no data from the BMS")),
            (None, false, Some(jump)) => Some(Reason { text: jump, is_minor: true }),
            (None, false, None) => None,
        };
        if self.alarms != alarms {
            self.alarms = alarms.to_vec();
        }
        self.cable = cable;
        self.last = Some((*decided.limits, owner(decided)));
        reason
    }

    /// The limit that has fallen at once, unless the owner did it.
    fn jump(&self, decided: &Decided<'_>) -> Option<String> {
        let (last, owner_last) = self.last.as_ref()?;
        if *owner_last != owner(decided) {
            return None;
        }
        let now = decided.limits;
        let fell = |name: &str, unit: &str, why: Cow<'static, str>, before: f64, after: f64| {
            format!("{name} fell from {before:.1} to {after:.1} {unit}: {why}")
        };
        let current = |before: f64, after: f64| before - after >= JUMP_A && after <= before * (1.0 - JUMP_SHARE);
        let (cvl, ccl, dcl) = (now.cvl.value.get(), now.ccl.value.get(), now.dcl.value.get());
        let (cvl_last, ccl_last, dcl_last) = (last.cvl.value.get(), last.ccl.value.get(), last.dcl.value.get());
        if current(ccl_last, ccl) {
            Some(fell("CCL", "A", now.ccl.why.into(), ccl_last, ccl))
        } else if current(dcl_last, dcl) {
            Some(fell("DCL", "A", now.dcl.why.into(), dcl_last, dcl))
        } else if cvl_last - cvl >= JUMP_V {
            Some(fell("CVL", "V", now.cvl.why.into(), cvl_last, cvl))
        } else {
            None
        }
    }
}

fn owner(decided: &Decided<'_>) -> [Option<f64>; 2] {
    [decided.owner.charge, decided.owner.discharge]
}
