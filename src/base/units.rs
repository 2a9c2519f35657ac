//! Physical units as types, so that a decoder line reads like the protocol's table.
//!
//! Each constructor names the scale on the wire (`Volts::milli(3345)`). Values are divided, not multiplied, by a power of
//! ten: the result is the double nearest to the decimal value and prints as such (3.31, not 3.3100000000000001).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $symbol:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(f64);

        impl $name {
            /// Zero of this unit.
            pub const ZERO: Self = Self(0.0);
            /// From a value in this unit.
            pub const fn new(value: f64) -> Self { Self(value) }
            /// From tenths of this unit.
            pub fn deci(raw: impl Into<f64>) -> Self { Self(raw.into() / 10.0) }
            /// From hundredths of this unit.
            pub fn centi(raw: impl Into<f64>) -> Self { Self(raw.into() / 100.0) }
            /// From thousandths of this unit.
            pub fn milli(raw: impl Into<f64>) -> Self { Self(raw.into() / 1000.0) }
            /// The value in this unit.
            pub const fn get(self) -> f64 { self.0 }
            /// The smaller of two; a value that is not a number loses.
            pub fn min(self, other: Self) -> Self { Self(self.0.min(other.0)) }
            /// The larger of two; a value that is not a number loses.
            pub fn max(self, other: Self) -> Self { Self(self.0.max(other.0)) }
            /// The magnitude.
            pub fn abs(self) -> Self { Self(self.0.abs()) }
            /// The value at `digits` decimals, without float noise.
            pub fn rounded(self, digits: u32) -> Self { Self(round(self.0, digits)) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match f.precision() {
                    Some(digits) => write!(f, "{:.*} {}", digits, self.0, $symbol),
                    None => write!(f, "{} {}", self.0, $symbol),
                }
            }
        }
        impl From<$name> for f64 { fn from(unit: $name) -> f64 { unit.0 } }
        impl std::ops::Add for $name { type Output = Self; fn add(self, o: Self) -> Self { Self(self.0 + o.0) } }
        impl std::ops::Sub for $name { type Output = Self; fn sub(self, o: Self) -> Self { Self(self.0 - o.0) } }
        impl std::ops::Neg for $name { type Output = Self; fn neg(self) -> Self { Self(-self.0) } }
        impl std::ops::Mul<f64> for $name { type Output = Self; fn mul(self, k: f64) -> Self { Self(self.0 * k) } }
    };
}

unit!(
    /// Electric potential, V.
    Volts, "V"
);
unit!(
    /// Current, A. Positive charges the battery.
    Amps, "A"
);
unit!(
    /// Charge, Ah.
    AmpHours, "Ah"
);
unit!(
    /// Power, W. Positive charges the battery.
    Watts, "W"
);
unit!(
    /// Per cent, 0 to 100 where it is a state of charge or health.
    Percent, "%"
);
unit!(
    /// Temperature, °C.
    Celsius, "°C"
);

impl Percent {
    /// In whole tenths, as many boards take it; `None` outside 0 to 100.
    pub fn per_mille(self) -> Option<u16> {
        let tenths = (self.0 * 10.0).round();
        (0.0..=1000.0).contains(&tenths).then_some(tenths as u16)
    }
}

impl Celsius {
    /// From tenths of a kelvin where 2731 is 0 °C (JBD).
    pub fn deci_kelvin(raw: u16) -> Self {
        Self((f64::from(raw) - 2731.0) / 10.0)
    }
    /// From whole degrees with an offset of 40 (Daly, TopBMS).
    pub fn offset_40(raw: impl Into<f64>) -> Self {
        Self(raw.into() - 40.0)
    }
}

/// Rounds half away from zero at `digits` decimals; the result is the double nearest to the decimal value.
pub fn round(value: f64, digits: u32) -> f64 {
    let scale = f64::from(10u32.saturating_pow(digits));
    let scaled = (value * scale).round() / scale;
    // A value too large to scale has no decimals.
    if scaled.is_finite() { scaled } else { value }
}

/// Rounds down at `digits` decimals, never below 0, ignoring float noise.
pub fn round_down(value: f64, digits: u32) -> f64 {
    let step = round(0.1f64.powi(i32::try_from(digits).unwrap_or(0)), digits);
    let nearest = round(value, digits);
    if nearest <= value + step * 1e-6 { nearest } else { round((nearest - step).max(0.0), digits) }
}

/// A non-negative number: NaN and negative values become 0.
pub fn at_least_zero(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// A moment on a monotonic clock: the time since an origin that only the runtime knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(Duration);

impl Moment {
    /// The moment `since_origin` after the clock's origin.
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }
    /// From seconds since the origin; negative or non-finite values become the origin.
    pub fn from_secs(seconds: f64) -> Self {
        Self(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }
    /// The time from `earlier` to this moment; zero when `earlier` is in the future.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
    /// The moment `wait` later.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
    /// The next moment that is a whole number of `intervals` after the origin; this one if there are none.
    pub fn next_multiple_of(self, interval: Duration) -> Self {
        let (now, interval) = (self.0.as_nanos(), interval.as_nanos());
        let begun = now.checked_rem(interval).unwrap_or(0);
        Self(self.0.saturating_add(Duration::from_nanos(u64::try_from(interval.saturating_sub(begun)).unwrap_or(u64::MAX))))
    }
    /// The time since the clock's origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_values_print_as_they_were_sent() {
        assert_eq!(Volts::milli(3310).get().to_string(), "3.31");
        assert_eq!(Amps::centi(-604i16).get().to_string(), "-6.04");
        assert_eq!(Celsius::deci_kelvin(2946).get().to_string(), "21.5");
        assert_eq!(round(3.31000000001, 3).to_string(), "3.31");
        assert_eq!(round(f64::MAX, 3), f64::MAX, "finite stays finite");
    }

    #[test]
    fn moments_never_run_backwards() {
        let (a, b) = (Moment::from_secs(5.0), Moment::from_secs(3.0));
        assert_eq!(b.since(a), Duration::ZERO);
        assert_eq!(a.since(b), Duration::from_secs(2));
        assert_eq!(Moment::from_secs(f64::NAN), Moment::default());
    }
}
