//! How many commands a battery may be given: its BMS keeps switches in a memory that wears out, and a loop that went wild
//! somewhere must not switch a battery to and fro.

use crate::units::Moment;
use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: (usize, Duration) = (6, Duration::from_secs(60));
const DAY: (usize, Duration) = (100, Duration::from_secs(86_400));

/// Counts the commands of one battery.
#[derive(Debug, Default)]
pub struct Gate(VecDeque<Moment>);

impl Gate {
    /// Whether one more is let through; it then counts.
    pub fn admit(&mut self, now: Moment) -> bool {
        self.0.retain(|at| now.since(*at) < DAY.1);
        let lately = self.0.iter().filter(|at| now.since(**at) < MINUTE.1).count();
        let admitted = lately < MINUTE.0 && self.0.len() < DAY.0;
        if admitted {
            self.0.push_back(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_a_minute_and_a_hundred_a_day() {
        let mut gate = Gate::default();
        let at = |seconds: u32| Moment::from_secs(f64::from(seconds));
        let admitted = (0..60).filter(|second| gate.admit(at(*second))).count();
        assert_eq!(admitted, 6);
        assert!(gate.admit(at(61)), "a minute later");
        let day = (100..86_000).filter(|second| second % 12 == 0 && gate.admit(at(*second))).count();
        assert_eq!(admitted + 1 + day, 100);
        assert!(gate.admit(at(86_400 + 2)), "the first ones are a day old");
    }
}
