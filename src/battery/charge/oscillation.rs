//! Two inverters or chargers at one grid connection can work against each other: one discharges while the other charges,
//! alternating within seconds.
//!
//! The symptom is a grid power that keeps changing sign. When more than three of the last ten values are above +150 W and more than
//! three below −150 W, and the sign changed back (a cloud changes it only once), both current limits are cut to a third for a
//! minute, then rise by the usual ramp; at most one cut per minute. Figures: chrgraf/JK_UART_to_PYLON_translator.

use crate::base::units::{Amps, Moment, Watts};
use crate::model::ByDirection;
use std::collections::VecDeque;
use std::time::Duration;

/// When the oscillation guard acts, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct OscillationConfig {
    /// Number of recent values considered.
    pub window: u8,
    /// More than this many of them must be on each side.
    pub crossings: u8,
    /// A value counts if it is further than this from zero.
    pub threshold: Watts,
    /// Divisor of the limits.
    pub reduction: f64,
    /// Duration of a cut; also the minimum time between two.
    pub pause: Duration,
}

impl Default for OscillationConfig {
    fn default() -> Self {
        Self { window: 10, crossings: 3, threshold: Watts::new(150.0), reduction: 3.0, pause: Duration::from_secs(60) }
    }
}

/// State of the oscillation guard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OscillationGuard {
    powers: VecDeque<f64>,
    cut: Option<(ByDirection<Amps>, Moment)>,
}

impl OscillationGuard {
    /// Adds a value of the grid power while these charge and discharge limits are in force. True if it completes an oscillation.
    pub fn observe(&mut self, config: &OscillationConfig, power: Watts, in_force: ByDirection<Amps>, now: Moment) -> bool {
        if !power.get().is_finite() {
            return false;
        }
        self.powers.push_back(power.get());
        while self.powers.len() > usize::from(config.window) {
            self.powers.pop_front();
        }
        let beyond = |sign: f64| self.powers.iter().filter(|power| *power * sign > config.threshold.get()).count();
        let swings = beyond(1.0).min(beyond(-1.0)) > usize::from(config.crossings) && self.turns(config) >= 2;
        if !swings || self.cut(config, now).is_some() {
            return false;
        }
        self.powers.clear();
        let share = 1.0 / config.reduction.max(1.0);
        self.cut = Some((in_force.map(|limit| limit * share), now));
        true
    }

    /// Number of sign changes of the power.
    fn turns(&self, config: &OscillationConfig) -> usize {
        let clear = self.powers.iter().filter(|power| power.abs() > config.threshold.get()).map(|power| *power > 0.0);
        clear.clone().zip(clear.skip(1)).filter(|(before, after)| before != after).count()
    }

    /// Charge and discharge current limits at `now` because of an oscillation.
    pub fn cut(&self, config: &OscillationConfig, now: Moment) -> Option<ByDirection<Amps>> {
        self.cut.filter(|(_, at)| now.since(*at) < config.pause).map(|(limits, _)| limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: ByDirection<Amps> = ByDirection { charge: Amps::new(50.0), discharge: Amps::new(60.0) };

    #[test]
    fn a_power_that_keeps_changing_sides_cuts_both_limits_for_a_minute() {
        let (config, mut guard) = (OscillationConfig::default(), OscillationGuard::default());
        let mut struck = Vec::new();
        for second in 0..100u32 {
            let power = if second % 2 == 0 { 800.0 } else { -800.0 };
            if guard.observe(&config, Watts::new(power), FULL, Moment::from_secs(f64::from(second))) {
                struck.push(second);
            }
        }
        assert_eq!(struck, [7, 67], "the eighth value is the fourth on the other side; then at most once a minute");
        let cut = guard.cut(&config, Moment::from_secs(100.0)).unwrap();
        assert!((cut.charge.get() - 50.0 / 3.0).abs() < 1e-9 && (cut.discharge.get() - 20.0).abs() < 1e-9);
        assert_eq!(guard.cut(&config, Moment::from_secs(127.0)), None);
    }

    #[test]
    fn a_cloud_or_a_kettle_is_no_oscillation() {
        let (config, mut guard) = (OscillationConfig::default(), OscillationGuard::default());
        for second in 0..600u32 {
            let power = if second / 60 % 2 == 0 { 2000.0 } else { -2000.0 };
            let struck = guard.observe(&config, Watts::new(power), FULL, Moment::from_secs(f64::from(second)));
            assert!(!struck, "{second}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_is_never_a_rise(powers in proptest::collection::vec(-5000.0..5000.0f64, 0..200), charge in 0.0..300.0f64, discharge in 0.0..300.0f64) {
            let (config, mut guard) = (OscillationConfig::default(), OscillationGuard::default());
            let mut last = None;
            for (power, second) in powers.into_iter().zip(0u32..) {
                let now = Moment::from_secs(f64::from(second));
                let in_force = ByDirection { charge: Amps::new(charge), discharge: Amps::new(discharge) };
                if guard.observe(&config, Watts::new(power), in_force, now) {
                    prop_assert!(last.is_none_or(|before| second.saturating_sub(before) >= 60));
                    last = Some(second);
                }
                if let Some(cut) = guard.cut(&config, now) {
                    prop_assert!(cut.charge.get() <= charge && cut.discharge.get() <= discharge);
                }
            }
        }
    }
}
