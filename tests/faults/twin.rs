//! Limits for the true values: charge control that receives them undisturbed, at the same times as the battery under test.

use dbus_bms::base::time::Now;
use dbus_bms::battery::Battery;
use dbus_bms::model::{BmsSettings, Limits, LinkStats, Reading, Snapshot};

/// A BMS counts as one without settings and capacity if it has sent none in this many readings (300, minus those that a search may
/// have used).
const AWAITED: u64 = 290;

/// A battery that receives its BMS's data undisturbed.
pub(crate) struct Twin {
    battery: Battery,
    /// The same for a BMS without settings and capacity, which never sends them.
    without: Option<Battery>,
    readings: u64,
}

impl Twin {
    /// A twin; limits allowed with `without` are accepted, too, from the 290th reading on.
    pub(crate) fn new(battery: Battery, without: Option<Battery>) -> Self {
        Self { battery, without, readings: 0 }
    }

    /// Adds true values.
    pub(crate) fn read(&mut self, truth: Reading, now: Now) -> Snapshot {
        self.readings += 1;
        let none = Reading { settings: BmsSettings::default(), capacity: None, ..truth.clone() };
        let without = self.without.as_mut().map(|battery| battery.read(none, LinkStats::default(), now));
        let all = self.battery.read(truth, LinkStats::default(), now);
        self.allowed(all, without)
    }

    /// Advances time.
    pub(crate) fn tick(&mut self, now: Now) -> Snapshot {
        let without = self.without.as_mut().map(|battery| battery.tick(LinkStats::default(), now));
        let all = self.battery.tick(LinkStats::default(), now);
        self.allowed(all, without)
    }

    fn allowed(&self, mut all: Snapshot, without: Option<Snapshot>) -> Snapshot {
        if let Some(Snapshot { limits, .. }) = without.filter(|_| self.readings > AWAITED) {
            let Limits { cvl, ccl, dcl, .. } = &mut all.limits;
            cvl.value = cvl.value.max(limits.cvl.value);
            ccl.value = ccl.value.max(limits.ccl.value);
            dcl.value = dcl.value.max(limits.dcl.value);
        }
        all
    }
}
