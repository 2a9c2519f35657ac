//! Solar power, loads and temperature over a day: deterministic for a seed.

use crate::sim::random::Random;
use std::f64::consts::PI;

/// Seconds of an hour.
pub const HOUR: f64 = 3600.0;
const DAY_H: f64 = 24.0;
/// Sunrise and sunset, hours after midnight.
const SUNRISE_H: f64 = 6.0;
const SUNSET_H: f64 = 19.0;

/// A value over the time since midnight: linear between points, constant outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course(Vec<(f64, f64)>);

impl Course {
    /// A constant value.
    pub fn constant(value: f64) -> Self {
        Self(vec![(0.0, value)])
    }

    /// A course through points (hours after midnight, value) in ascending order of time.
    pub fn through(points: &[(f64, f64)]) -> Self {
        Self(points.iter().map(|(hour, value)| (hour * HOUR, *value)).collect())
    }

    /// Value at `t` seconds after midnight; 0 without points.
    pub fn at(&self, t: f64) -> f64 {
        let after = self.0.partition_point(|(at, _)| *at <= t);
        let next = self.0.get(after).copied();
        match (after.checked_sub(1).and_then(|before| self.0.get(before).copied()), next) {
            (Some((t0, v0)), Some((t1, v1))) => v0 + (v1 - v0) * (t - t0) / (t1 - t0),
            (Some((_, value)), None) | (None, Some((_, value))) => value,
            (None, None) => 0.0,
        }
    }

    /// The same course on `days` days.
    pub fn daily(&self, days: u32) -> Self {
        let of_day = |day: u32| {
            let begin = f64::from(day) * DAY_H * HOUR;
            let within = self.0.iter().filter(|(at, _)| *at < DAY_H * HOUR);
            within.map(move |(at, value)| (at + begin, *value)).collect::<Vec<_>>()
        };
        Self((0..days).flat_map(of_day).collect())
    }

    /// Product of two courses; exact at the points of both.
    fn times(&self, other: &Self) -> Self {
        let mut times: Vec<f64> = self.0.iter().chain(&other.0).map(|(t, _)| *t).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        Self(times.into_iter().map(|t| (t, self.at(t) * other.at(t))).collect())
    }

    /// Steps: each value is held, then changes to the next within a second.
    fn steps(steps: &[(f64, f64)]) -> Self {
        let mut points = Vec::new();
        let mut value = None;
        for (t, next) in steps {
            if let Some(value) = value {
                points.push((*t, value));
            }
            points.push((*t + 1.0, *next));
            value = Some(*next);
        }
        Self(points)
    }
}

/// Module power on a clear day with `peak_w` at noon, W.
pub fn clear_sky(peak_w: f64) -> Course {
    let quarter_hours = 0..=(DAY_H as u32 * 4);
    let height = |hour: f64| (PI * (hour - SUNRISE_H) / (SUNSET_H - SUNRISE_H)).sin();
    let power = |hour: f64| if (SUNRISE_H..SUNSET_H).contains(&hour) { peak_w * height(hour).max(0.0).powf(1.3) } else { 0.0 };
    Course(quarter_hours.map(|quarter| f64::from(quarter) / 4.0).map(|hour| (hour * HOUR, power(hour))).collect())
}

/// Module power under broken clouds: sun and shade of half a minute to ten minutes, edges of some ten seconds, W.
pub fn broken_clouds(peak_w: f64, seed: u64) -> Course {
    let mut random = Random::new(seed);
    let mut shade = Vec::new();
    let mut t = 0.0;
    while t < DAY_H * HOUR {
        let sunny = random.between(30.0, 600.0);
        let cloudy = random.between(30.0, 400.0);
        let edge = random.between(5.0, 30.0);
        // Reflections at the edges of clouds raise the power slightly.
        let (bright, dark) = (random.between(0.95, 1.1), random.between(0.12, 0.5));
        shade.extend([(t, bright), (t + sunny, bright), (t + sunny + edge, dark), (t + sunny + edge + cloudy, dark)]);
        t += sunny + cloudy + 2.0 * edge;
    }
    clear_sky(peak_w).times(&Course(shade))
}

/// Power of a house, W: `base_w` all day, more in the morning and evening, a refrigerator, and occasionally a heating appliance.
pub fn household(base_w: f64, seed: u64) -> Course {
    let mut random = Random::new(seed);
    let mut steps = vec![(0.0, base_w)];
    let mut t = 0.0;
    while t < DAY_H * HOUR {
        let hour = t / HOUR;
        let at_home = if (6.5..8.5).contains(&hour) || (17.0..22.5).contains(&hour) { 2.5 } else { 1.0 };
        let heats = random.chance(4.0 * at_home);
        let power = base_w * at_home + random.between(0.0, 120.0) + if heats { random.between(800.0, 2200.0) } else { 0.0 };
        let lasts = if heats { random.between(90.0, 600.0) } else { random.between(300.0, 900.0) };
        steps.push((t + 1.0, power));
        t += lasts + 2.0;
    }
    Course::steps(&steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_goes_straight_through_its_points() {
        let course = Course::through(&[(1.0, 0.0), (2.0, 10.0)]);
        assert_eq!([0.0, 1.0, 1.5, 2.0, 9.0].map(|hour| course.at(hour * HOUR)), [0.0, 0.0, 5.0, 10.0, 10.0]);
        assert_eq!(Course::default().at(5.0), 0.0);
    }

    #[test]
    fn the_sun_shines_by_day_and_clouds_take_some_of_it() {
        let (clear, clouds) = (clear_sky(5000.0), broken_clouds(5000.0, 7));
        assert_eq!((clear.at(3.0 * HOUR), clear.at(22.0 * HOUR)), (0.0, 0.0));
        assert!((4990.0..=5000.0).contains(&clear.at(12.5 * HOUR)));
        let sum = |course: &Course| (0..1440u32).map(|minute| course.at(f64::from(minute) * 60.0)).sum::<f64>();
        assert!((0.4..0.95).contains(&(sum(&clouds) / sum(&clear))));
        assert_ne!(clouds, broken_clouds(5000.0, 8));
    }

    #[test]
    fn a_house_always_draws_its_base() {
        let house = household(250.0, 3);
        let day: Vec<f64> = (0..86_400u32).map(|t| house.at(f64::from(t))).collect();
        assert!(day.iter().all(|watts| (249.9..4000.0).contains(watts)));
        assert!(day.iter().any(|watts| *watts > 1000.0), "something heats");
    }
}
