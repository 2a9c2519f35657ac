//! A straight line through points that are forgotten exponentially.

use serde::{Deserialize, Serialize};

/// Weighted least squares with fixed memory. Sums are kept around the means, so that single precision is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 6]", into = "[f32; 6]")]
pub(super) struct Line {
    weight: f32,
    x: f32,
    y: f32,
    xx: f32,
    xy: f32,
    yy: f32,
}

/// Slope of a line and its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slope {
    pub(super) value: f64,
    pub(super) sd: f64,
}

impl From<[f32; 6]> for Line {
    fn from([weight, x, y, xx, xy, yy]: [f32; 6]) -> Self {
        Self { weight, x, y, xx, xy, yy }
    }
}

impl From<Line> for [f32; 6] {
    fn from(line: Line) -> Self {
        [line.weight, line.x, line.y, line.xx, line.xy, line.yy]
    }
}

impl Line {
    /// Adds a point of weight 1.
    pub(super) fn add(&mut self, x: f64, y: f64) {
        let (dx, dy) = (x - f64::from(self.x), y - f64::from(self.y));
        let old = f64::from(self.weight);
        let (weight, share) = (old + 1.0, old / (old + 1.0));
        self.weight = weight as f32;
        self.x = (f64::from(self.x) + dx / weight) as f32;
        self.y = (f64::from(self.y) + dy / weight) as f32;
        self.xx += (dx * dx * share) as f32;
        self.xy += (dx * dy * share) as f32;
        self.yy += (dy * dy * share) as f32;
    }

    /// Multiplies the weight of all points.
    pub(super) fn forget(&mut self, keep: f64) {
        for sum in [&mut self.weight, &mut self.xx, &mut self.xy, &mut self.yy] {
            *sum = (f64::from(*sum) * keep) as f32;
        }
    }

    /// Sum of the points' weights.
    pub(super) fn weight(&self) -> f64 {
        f64::from(self.weight)
    }

    /// Squared distance of the points from their mean, summed.
    pub(super) fn width(&self) -> f64 {
        f64::from(self.xx)
    }

    /// The slope, if there are points enough.
    pub(super) fn slope(&self) -> Option<Slope> {
        let (weight, xx) = (self.weight(), self.width());
        if weight < 2.5 || xx < 1e-6 {
            return None;
        }
        let (xy, yy) = (f64::from(self.xy), f64::from(self.yy));
        let value = xy / xx;
        Some(Slope { value, sd: ((yy - value * xy).max(0.0) / (weight - 2.0) / xx).sqrt() })
    }

    /// The line's value at `x`, if there are points enough.
    pub(super) fn at(&self, x: f64) -> Option<f64> {
        self.slope().map(|slope| f64::from(self.y) + slope.value * (x - f64::from(self.x)))
    }
}

/// The middle one, or the mean of the two in the middle; of at most [`super::MAX_CELLS`] finite values.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut kept = [0.0; super::MAX_CELLS];
    let mut count = 0;
    for (place, value) in kept.iter_mut().zip(values.filter(|value| value.is_finite())) {
        *place = value;
        count += 1;
    }
    let kept = kept.get_mut(..count)?;
    kept.sort_unstable_by(f64::total_cmp);
    middle_of(kept, count)
}

/// The middle of `count` sorted values, of which the highest may be missing.
pub(super) fn middle_of(sorted: &[f64], count: usize) -> Option<f64> {
    let upper = *sorted.get(count / 2)?;
    if count % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get((count / 2).checked_sub(1)?)?;
    Some(0.5 * (lower + upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_slope_of_its_points() {
        let mut line = Line::default();
        assert_eq!(line.slope(), None);
        for day in 0..40u8 {
            line.forget(0.9);
            line.add(1000.0 + f64::from(day), 5.0 - 0.25 * f64::from(day));
        }
        let slope = line.slope().unwrap();
        assert!((slope.value + 0.25).abs() < 1e-4 && slope.sd < 1e-3, "{slope:?}");
        assert!((line.at(1039.0).unwrap() + 4.75).abs() < 1e-3);
    }

    #[test]
    fn the_median_is_the_middle_of_what_is_known() {
        assert_eq!(median([3.0, f64::NAN, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        assert_eq!(median([1.0; 40].into_iter()), Some(1.0));
    }
}
