//! Alarms of a BMS. A corrupted reply with a valid checksum can contain any alarm, so two consecutive readings have to agree.

use crate::model::Alarm;

/// Alarms of recent readings.
#[derive(Debug, Clone, Default)]
pub(super) struct AlarmGuard {
    before: Vec<Alarm>,
}

impl AlarmGuard {
    /// Alarms present in this reading and the previous one, at the lower level of both. `None` while the BMS has not reported them.
    pub(super) fn check(&mut self, reported: Option<&[Alarm]>) -> Option<Vec<Alarm>> {
        let before = std::mem::replace(&mut self.before, reported?.to_vec());
        let rings = |alarm: &Alarm| {
            let earlier = before.iter().find(|earlier| earlier.name == alarm.name)?;
            Some(Alarm { name: alarm.name, level: alarm.level.min(earlier.level) })
        };
        Some(self.before.iter().filter_map(rings).collect())
    }
}
