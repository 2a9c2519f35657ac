//! Guard for the temperature sensors, each at its position.

use super::channel::{Channel, GuardedValue, ReadingContext, TEMPERATURE};
use crate::base::units::Celsius;
use crate::battery::charge::SensorConfig;

/// Longer lists are compared position by position.
const MAX_MATCHED_SENSORS: usize = 32;

/// All sensors ever reported.
#[derive(Debug, Clone, Default)]
pub(super) struct Sensors {
    channels: Vec<Channel>,
    pub config: SensorConfig,
}

/// Temperatures of one reading.
pub(super) struct Temperatures {
    /// The reported sensors that are not ignored.
    pub judged: Vec<GuardedValue>,
    /// Published value of every sensor that was ever reported.
    pub in_place: Vec<Option<Celsius>>,
    /// Indices of the ignored sensors.
    pub ignored: Vec<usize>,
    /// A sensor reported earlier is missing, or reads an impossible value; ignored ones aside.
    pub missing: bool,
}

impl Sensors {
    /// Checks all sensors; `None` if the reading has no list.
    pub(super) fn check(&mut self, reported: Option<&[Celsius]>, context: ReadingContext) -> Temperatures {
        let listed = reported.unwrap_or_default();
        if listed.len() > self.channels.len() {
            self.channels.resize_with(listed.len(), Channel::default);
        }
        let (places, ignored) = (self.places(listed), self.config.ignored_of(self.channels.len()));
        let mut in_place = vec![None; self.channels.len()];
        let mut judged = Vec::with_capacity(listed.len());
        let mut missing = false;
        let mut rest = places.iter().zip(listed).peekable();
        for ((index, channel), slot) in self.channels.iter_mut().enumerate().zip(&mut in_place) {
            let value = rest.next_if(|(place, _)| **place == index).map(|(_, value)| value.get());
            let now = channel.check(value, TEMPERATURE, context).shifted(self.config.offset(index));
            *slot = now.published.map(Celsius::new);
            if !ignored.contains(&index) {
                judged.extend(value.map(|_| now));
                missing |= reported.is_some() && (value.is_none() || now.impossible);
            }
        }
        Temperatures { judged, in_place, ignored, missing }
    }

    /// Position of each reported value. In a list that is too short, those sensors are missing whose absence makes the others
    /// change least.
    fn places(&self, listed: &[Celsius]) -> Vec<usize> {
        let known = &self.channels;
        if listed.len() >= known.len() || known.len() > MAX_MATCHED_SENSORS {
            return (0..listed.len()).collect();
        }
        // For each number of values: the best assignment among the sensors so far.
        let mut best: Vec<Option<(f64, Vec<usize>)>> = vec![None; listed.len().saturating_add(1)];
        if let Some(none) = best.first_mut() {
            *none = Some((0.0, Vec::new()));
        }
        for (place, channel) in known.iter().enumerate() {
            let before = best.clone();
            for ((start, slot), value) in before.iter().zip(best.iter_mut().skip(1)).zip(listed) {
                let Some((cost, places)) = start else { continue };
                let change = channel.last().map_or(0.0, |last| (value.get() - last).abs());
                let cost = cost + if change.is_finite() { change.min(1000.0) } else { 1000.0 };
                if slot.as_ref().is_none_or(|(least, _)| cost < *least) {
                    *slot = Some((cost, places.iter().copied().chain([place]).collect()));
                }
            }
        }
        best.pop().flatten().map_or_else(|| (0..listed.len()).collect(), |(_, places)| places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::Moment;

    #[test]
    fn a_short_list_keeps_its_sensors_in_their_places() {
        let celsius = |list: &[f64]| list.iter().copied().map(Celsius::new).collect::<Vec<_>>();
        let context =
            |at: f64| ReadingContext { now: Moment::from_secs(at), suspect: false, held_for: super::super::channel::HELD_FOR };
        for (short, expected) in [
            (vec![25.0], vec![None, Some(25.0), None]),
            (vec![4.0, 31.0], vec![Some(4.0), None, Some(31.0)]),
            (vec![24.0, 30.0], vec![None, Some(24.0), Some(30.0)]),
            (vec![], vec![None; 3]),
        ] {
            let mut sensors = Sensors::default();
            sensors.check(Some(&celsius(&[4.0, 25.0, 31.0])), context(1.0));
            let judged = sensors.check(Some(&celsius(&short)), context(2.0));
            assert_eq!(judged.in_place, expected.iter().map(|t| t.map(Celsius::new)).collect::<Vec<_>>(), "{short:?}");
            assert!(judged.missing);
            let back = sensors.check(Some(&celsius(&[4.0, 25.0, 31.0])), context(3.0));
            assert!(!back.missing && back.in_place.iter().all(Option::is_some));
        }
    }
}
