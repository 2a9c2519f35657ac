//! Axes: the displayed range and round values to mark on it.

/// One axis.
#[derive(Debug, Clone)]
pub struct Axis {
    /// Name below the axis; may be empty.
    pub label: String,
    /// Lowest and highest value; unset = range of the lines, extended to round values.
    pub range: Option<(f64, f64)>,
    /// Distance of the marks; unset = a round value.
    pub step: Option<f64>,
    /// Formats a value.
    pub write: fn(f64, f64) -> String,
}

/// Approximate number of marks.
const MARKS: f64 = 6.0;

impl Axis {
    /// An axis that fits the data.
    pub fn fitting() -> Self {
        Self { label: String::new(), range: None, step: None, write: number }
    }

    /// An axis from `low` to `high`.
    pub fn between(label: impl Into<String>, low: f64, high: f64) -> Self {
        Self { label: label.into(), range: Some((low, high)), ..Self::fitting() }
    }

    /// An axis of hours after midnight, in clock format.
    pub fn hours() -> Self {
        Self { write: |hours, _| format!("{:02}:00", hours.rem_euclid(24.0)), step: Some(2.0), ..Self::fitting() }
    }

    /// The range for values between these: as set, else extended to the next marks.
    pub(super) fn span(&self, low: f64, high: f64) -> (f64, f64) {
        if let Some(range) = self.range {
            return range;
        }
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let high = if high > low { high } else { low + 1.0 };
        let step = self.step.unwrap_or_else(|| round_step(high - low));
        ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step)
    }

    /// The marks within a range, with their text.
    pub(super) fn marks(&self, (low, high): (f64, f64)) -> Vec<(f64, String)> {
        let step = self.step.unwrap_or_else(|| round_step(high - low));
        let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
        let mut marks = Vec::new();
        let mut index = first;
        while index <= last && marks.len() < 100 {
            // Adding zero turns the −0 of a rounded-up start into 0.
            let value = index * step + 0.0;
            marks.push((value, (self.write)(value, step)));
            index += 1.0;
        }
        marks
    }
}

/// 1, 2 or 5 times a power of ten that divides `span` into about [`MARKS`] parts.
fn round_step(span: f64) -> f64 {
    let raw = span / MARKS;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= raw * 0.999).unwrap_or(10.0) * power;
    if step.is_finite() && step > 0.0 { step } else { 1.0 }
}

/// A number with as many decimals as its step.
fn number(value: f64, step: f64) -> String {
    let decimals = (0..6).find(|decimals| (step * 10f64.powi(*decimals)).fract().abs() < 1e-6).unwrap_or(6);
    let text = format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, low: f64, high: f64) -> Vec<String> {
        axis.marks(axis.span(low, high)).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn marks_are_round_and_enclose_the_values() {
        assert_eq!(texts(&Axis::fitting(), -58.0, 97.0), ["−100", "−50", "0", "50", "100"]);
        assert_eq!(texts(&Axis::fitting(), 3.27, 3.46), ["3.25", "3.30", "3.35", "3.40", "3.45", "3.50"]);
        assert_eq!(texts(&Axis::between("", 0.0, 100.0), 3.0, 4.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(&Axis::hours(), 5.0, 9.0), ["04:00", "06:00", "08:00", "10:00"]);
    }

    #[test]
    fn odd_ranges_still_have_marks() {
        for (low, high) in [(f64::INFINITY, f64::NEG_INFINITY), (5.0, 5.0), (f64::NAN, 1.0), (0.0, 1e-12), (0.0, 1e12)] {
            let axis = Axis::fitting();
            let (from, to) = axis.span(low, high);
            assert!(from < to && !axis.marks((from, to)).is_empty(), "{low} {high}: {from} {to}");
        }
    }
}
