//! State of health, where it can be known.

use crate::model::Reading;
use crate::units::Percent;
use std::ops::RangeInclusive;

/// What a learned capacity may be of the nominal one; anything else means that one of the two was set wrong.
const PLAUSIBLE: RangeInclusive<f64> = 0.2..=1.2;

/// The BMS's own SoH, else the capacity that it has learned over the nominal one. A learned capacity that equals the nominal one
/// exactly was never learned, and proves nothing.
pub fn state_of_health(reading: &Reading) -> Option<Percent> {
    let learned = || {
        let (learned, nominal) = (reading.full_charge?.get(), reading.capacity?.get());
        let share = learned / nominal;
        (learned != nominal && PLAUSIBLE.contains(&share)).then(|| Percent::new(share.min(1.0) * 100.0).rounded(1))
    };
    reading.soh.or_else(learned)
}
