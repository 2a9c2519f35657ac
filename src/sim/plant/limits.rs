//! Limits sent to the chargers.

/// Limits as a GX device passes them on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChargeLimits {
    /// Charge voltage limit, V.
    pub cvl_v: f64,
    /// Charge current limit, A.
    pub ccl_a: f64,
    /// Discharge current limit, A.
    pub dcl_a: f64,
}

impl ChargeLimits {
    /// Moves by `share` of the distance towards `other`.
    pub(super) fn toward(self, other: Self, share: f64) -> Self {
        let toward = |from: f64, to: f64| from + (to - from) * share;
        Self {
            cvl_v: toward(self.cvl_v, other.cvl_v),
            ccl_a: toward(self.ccl_a, other.ccl_a),
            dcl_a: toward(self.dcl_a, other.dcl_a),
        }
    }
}
