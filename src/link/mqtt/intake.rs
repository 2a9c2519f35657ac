//! Limits the input from a broker, so that a flood costs little. Pure.
//!
//! Packets are counted in windows of 0.1 s. Once a window is full, reading stops until it is over, and packets are dropped until a
//! window was not full: by then the packets that had to wait are gone, so that none of them counts as current.

use crate::base::units::Moment;
use std::time::Duration;

const WINDOW: Duration = Duration::from_millis(100);
/// Packets per window: 500 a second, more than any meter sends.
const MAX_PACKETS_PER_WINDOW: u32 = 50;

/// How to handle a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    /// Handle it.
    pub accepted: bool,
    /// Do not read before this time.
    pub rest_until: Option<Moment>,
}

/// The packets of the present window, and whether the one before was full.
#[derive(Debug, Default)]
pub(super) struct Intake {
    window: Option<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    ends: Moment,
    read: u32,
    /// The previous window was full.
    flooded: bool,
}

impl Intake {
    /// Counts a packet.
    pub(super) fn packet(&mut self, now: Moment) -> Admission {
        let before = self.window;
        let mut window = match before {
            Some(window) if now < window.ends => window,
            _ => {
                // After a whole window without a read no packet was waiting.
                let flooded = before.is_some_and(|before| before.read >= MAX_PACKETS_PER_WINDOW && now < before.ends.after(WINDOW));
                Window { ends: now.after(WINDOW), read: 0, flooded }
            }
        };
        window.read = window.read.saturating_add(1);
        self.window = Some(window);
        Admission { accepted: !window.flooded, rest_until: (window.read >= MAX_PACKETS_PER_WINDOW).then_some(window.ends) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

    use super::*;

    /// Packets that wait at these moments, ms, are read one after the other in a time of 10 µs each: how many were read and how
    /// many were accepted, by second.
    fn run(arrivals: impl Iterator<Item = f64>, seconds: usize) -> Vec<(u32, u32)> {
        let (mut intake, mut counts, mut free) = (Intake::default(), vec![(0, 0); seconds], Duration::ZERO);
        for arrival in arrivals {
            let at = free.max(Duration::from_secs_f64(arrival / 1000.0));
            let now = Moment::new(at);
            let Some(count) = counts.get_mut(usize::try_from(at.as_secs()).unwrap()) else { break };
            let admission = intake.packet(now);
            count.0 += 1;
            count.1 += u32::from(admission.accepted);
            free = at + Duration::from_micros(10);
            if let Some(until) = admission.rest_until {
                free = free.max(until.since_origin());
            }
        }
        counts
    }

    #[test]
    fn a_flood_is_read_slowly_and_counts_for_nothing() {
        let counts = run((0..1_000_000).map(|number| f64::from(number) * 0.01), 10);
        assert!(counts.iter().all(|(read, _)| (490..=510).contains(read)), "{counts:?}");
        assert_eq!(counts.iter().map(|(_, accepted)| accepted).sum::<u32>(), MAX_PACKETS_PER_WINDOW, "the first window only");
    }

    #[test]
    fn what_others_send_is_taken() {
        // A meter with 20 values a second, and one with 400; 40 kept messages at the start.
        for (apart, expected) in [(50.0, 20), (2.5, 400)] {
            let counts = run((0..4000).map(|number| f64::from(number) * apart), 5);
            assert!(
                counts.iter().all(|(read, accepted)| read == accepted && (expected - 1..=expected + 1).contains(read)),
                "{counts:?}"
            );
        }
        assert_eq!(run((0..40).map(|_| 0.0), 1), [(40, 40)]);
    }

    #[test]
    fn after_a_flood_and_what_it_left_messages_count_again() {
        // 2,000 at once, then one a second: what waited is dropped, however late it is read.
        let flood = (0..2000).map(|_| 0.0).chain((5..10).map(|second| f64::from(second) * 1000.0));
        let counts = run(flood, 10);
        assert_eq!(counts[..5].iter().map(|(read, _)| read).sum::<u32>(), 2000);
        assert_eq!(counts[..5].iter().map(|(_, accepted)| accepted).sum::<u32>(), MAX_PACKETS_PER_WINDOW);
        assert!(counts[5..].iter().all(|count| *count == (1, 1)), "{counts:?}");
    }
}
