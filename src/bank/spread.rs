//! How much the charge of batteries in parallel differs, how sure that is, and what to do. Shown only: nothing is switched.
//!
//! Batteries in parallel have one voltage and share the current by their resistances. Their counted states of charge drift apart all the
//! same, so a difference is charge only where something else than the counters says so.

use crate::model::{ChargeSpread, Confidence};
use std::time::Duration;

/// Smaller differences are those of counters and cells, %.
const ALIKE_PCT: f64 = 3.0;
/// Counters that were set by a full charge within this time have not drifted much.
const COUNTED_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// At rest, as a fraction of the capacity.
const REST_C: f64 = 0.02;
/// Difference of the mean cell voltages at rest that shows a difference of charge, V.
const VOLTAGE_STEP: f64 = 0.005;

/// What is known about one battery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge<'a> {
    pub(super) label: &'a str,
    pub(super) soc_pct: f64,
    pub(super) capacity_ah: f64,
    pub(super) since_full: Option<Duration>,
    pub(super) mean_cell_v: Option<f64>,
    pub(super) current_a: Option<f64>,
}

/// The difference between the fullest and the emptiest; `None` with fewer than two batteries.
pub(super) fn spread(batteries: &[Charge<'_>]) -> Option<ChargeSpread> {
    let fullest = batteries.iter().max_by(|a, b| a.soc_pct.total_cmp(&b.soc_pct))?;
    let emptiest = batteries.iter().min_by(|a, b| a.soc_pct.total_cmp(&b.soc_pct))?;
    if batteries.len() < 2 {
        return None;
    }
    let difference_pct = fullest.soc_pct - emptiest.soc_pct;
    let ah = difference_pct / 100.0 * fullest.capacity_ah.min(emptiest.capacity_ah);
    let confidence = confidence(batteries, fullest, emptiest);
    let advice = match confidence {
        _ if difference_pct < ALIKE_PCT => "the batteries are alike".to_owned(),
        Confidence::Low => {
            "the counters differ, which may be an error of counting: charge all batteries to full once and hold them there \
             for half an hour"
                .to_owned()
        }
        Confidence::Medium | Confidence::High => format!(
            "{} holds more than {}: charge to full and hold; if it comes back, check cables, fuses and capacity of {}",
            fullest.label, emptiest.label, emptiest.label
        ),
    };
    // At most some thousand Ah.
    Some(ChargeSpread { tenths_ah: (ah * 10.0).round().clamp(0.0, 1e6) as u32, confidence, advice })
}

fn confidence(batteries: &[Charge<'_>], fullest: &Charge<'_>, emptiest: &Charge<'_>) -> Confidence {
    if batteries.iter().all(|battery| battery.since_full.is_some_and(|since| since <= COUNTED_WITHIN)) {
        return Confidence::High;
    }
    let rests = |battery: &Charge<'_>| battery.current_a.is_some_and(|amps| amps.abs() <= REST_C * battery.capacity_ah);
    let higher = fullest.mean_cell_v.zip(emptiest.mean_cell_v).is_some_and(|(full, empty)| full - empty >= VOLTAGE_STEP);
    if rests(fullest) && rests(emptiest) && higher { Confidence::Medium } else { Confidence::Low }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn battery(label: &str, soc_pct: f64) -> Charge<'_> {
        Charge { label, soc_pct, capacity_ah: 280.0, since_full: None, mean_cell_v: Some(3.3), current_a: Some(0.0) }
    }

    #[test]
    fn a_difference_is_charge_only_if_more_than_the_counters_say_so() {
        let counted = spread(&[battery("a", 80.0), battery("b", 60.0), battery("c", 70.0)]).unwrap();
        assert_eq!((counted.tenths_ah, counted.confidence), (560, Confidence::Low));
        assert!(counted.advice.starts_with("the counters differ"), "{}", counted.advice);
        let full = |label, soc_pct, days| Charge { since_full: Some(DAY * days), ..battery(label, soc_pct) };
        let counted = spread(&[full("a", 80.0, 1), full("b", 60.0, 7)]).unwrap();
        assert_eq!(counted.confidence, Confidence::High);
        assert!(counted.advice.starts_with("a holds more than b"), "{}", counted.advice);
        assert_eq!(spread(&[full("a", 80.0, 1), full("b", 60.0, 8)]).unwrap().confidence, Confidence::Low, "one may have drifted");
        let high = Charge { mean_cell_v: Some(3.31), ..battery("a", 80.0) };
        assert_eq!(spread(&[high, battery("b", 60.0)]).unwrap().confidence, Confidence::Medium);
        let busy = Charge { current_a: Some(20.0), ..high };
        assert_eq!(spread(&[busy, battery("b", 60.0)]).unwrap().confidence, Confidence::Low, "its voltage is that of the current");
    }

    #[test]
    fn small_differences_and_single_batteries_need_nothing() {
        assert_eq!(spread(&[battery("a", 62.9), battery("b", 60.0)]).unwrap().advice, "the batteries are alike");
        assert!(spread(&[battery("a", 62.9)]).is_none() && spread(&[]).is_none());
        let small = Charge { capacity_ah: 100.0, ..battery("b", 50.0) };
        assert_eq!(spread(&[battery("a", 60.0), small]).unwrap().tenths_ah, 100, "of the smaller capacity");
    }
}
