//! Two inverters or chargers at one grid connection can fight: one discharges what the other charges, in swings of some seconds.
//!
//! The sign is a grid power that keeps changing sides. When of the last ten values more than three lie above +150 W and more than
//! three below −150 W, and they went there and back (a cloud goes there only), both current limits are cut to a third for a minute,
//! then rise by the usual ramp; at most one cut a minute. Figures: chrgraf/JK_UART_to_PYLON_translator.

use crate::units::{Amps, Moment, Watts};
use std::collections::VecDeque;
use std::time::Duration;

/// When the guard strikes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Oscillation {
    /// Values that are looked at.
    pub window: u8,
    /// More than so many of them have to lie on each side.
    pub crossings: u8,
    /// A value counts when it is further than this from zero.
    pub threshold: Watts,
    /// The limits are divided by this.
    pub reduction: f64,
    /// How long a cut lasts; also the least time between two.
    pub pause: Duration,
}

impl Default for Oscillation {
    fn default() -> Self {
        Self { window: 10, crossings: 3, threshold: Watts::new(150.0), reduction: 3.0, pause: Duration::from_secs(60) }
    }
}

/// What the guard has seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calming {
    powers: VecDeque<f64>,
    cut: Option<(Amps, Amps, Moment)>,
}

impl Calming {
    /// A value of the grid's power came, while these charge and discharge limits were in force. True when that is an oscillation.
    pub fn take(&mut self, config: &Oscillation, power: Watts, in_force: (Amps, Amps), now: Moment) -> bool {
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
        self.cut = Some((in_force.0 * share, in_force.1 * share, now));
        true
    }

    /// How often the power changed sides.
    fn turns(&self, config: &Oscillation) -> usize {
        let clear = self.powers.iter().filter(|power| power.abs() > config.threshold.get()).map(|power| *power > 0.0);
        clear.clone().zip(clear.skip(1)).filter(|(before, after)| before != after).count()
    }

    /// The charge and discharge current that are allowed at `now` because of an oscillation.
    pub fn cut(&self, config: &Oscillation, now: Moment) -> Option<(Amps, Amps)> {
        self.cut.filter(|(_, _, at)| now.since(*at) < config.pause).map(|(charge, discharge, _)| (charge, discharge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: (Amps, Amps) = (Amps::new(50.0), Amps::new(60.0));

    #[test]
    fn a_power_that_keeps_changing_sides_cuts_both_limits_for_a_minute() {
        let (config, mut guard) = (Oscillation::default(), Calming::default());
        let mut struck = Vec::new();
        for second in 0..100u32 {
            let power = if second % 2 == 0 { 800.0 } else { -800.0 };
            if guard.take(&config, Watts::new(power), FULL, Moment::from_secs(f64::from(second))) {
                struck.push(second);
            }
        }
        assert_eq!(struck, [7, 67], "the eighth value is the fourth on the other side; then at most once a minute");
        let cut = guard.cut(&config, Moment::from_secs(100.0)).unwrap();
        assert!((cut.0.get() - 50.0 / 3.0).abs() < 1e-9 && (cut.1.get() - 20.0).abs() < 1e-9);
        assert_eq!(guard.cut(&config, Moment::from_secs(127.0)), None);
    }

    #[test]
    fn a_cloud_or_a_kettle_is_no_oscillation() {
        let (config, mut guard) = (Oscillation::default(), Calming::default());
        for second in 0..600u32 {
            let power = if second / 60 % 2 == 0 { 2000.0 } else { -2000.0 };
            let struck = guard.take(&config, Watts::new(power), FULL, Moment::from_secs(f64::from(second)));
            assert!(!struck, "{second}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_is_never_a_rise(powers in proptest::collection::vec(-5000.0..5000.0f64, 0..200), charge in 0.0..300.0f64, discharge in 0.0..300.0f64) {
            let (config, mut guard) = (Oscillation::default(), Calming::default());
            let mut last = None;
            for (power, second) in powers.into_iter().zip(0u32..) {
                let now = Moment::from_secs(f64::from(second));
                if guard.take(&config, Watts::new(power), (Amps::new(charge), Amps::new(discharge)), now) {
                    prop_assert!(last.is_none_or(|before| second.saturating_sub(before) >= 60));
                    last = Some(second);
                }
                if let Some((a, b)) = guard.cut(&config, now) {
                    prop_assert!(a.get() <= charge && b.get() <= discharge);
                }
            }
        }
    }
}
