//! State of health, if it can be determined.

use crate::base::units::Percent;
use crate::model::Reading;
use std::ops::RangeInclusive;

/// Plausible range of the learned capacity as a fraction of the nominal one; outside of it, one of both was configured wrong.
const PLAUSIBLE_SHARE: RangeInclusive<f64> = 0.2..=1.2;

/// The BMS's own SoH, else its learned capacity divided by the nominal one. A learned capacity that equals the nominal one exactly
/// was never learned and is ignored.
pub fn state_of_health(reading: &Reading) -> Option<Percent> {
    let learned = || {
        let (learned, nominal) = (reading.full_charge?.get(), reading.design.or(reading.capacity)?.get());
        let share = learned / nominal;
        (learned != nominal && PLAUSIBLE_SHARE.contains(&share)).then(|| Percent::new(share.min(1.0) * 100.0).rounded(1))
    };
    reading.soh.or_else(learned)
}
