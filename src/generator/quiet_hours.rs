//! A time of the day without automatic runs.

use std::fmt;
use std::str::FromStr;

/// From a time of the day to a later one, or to one of the next day, local time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuietHours {
    /// Begin, minutes after midnight.
    pub from_min: u16,
    /// End, minutes after midnight; equal to the begin: all day.
    pub to_min: u16,
    /// Offset of local time from UTC, hours.
    pub offset_h: f64,
}

impl QuietHours {
    /// Whether this time, in seconds since 1970, is in them.
    pub fn contains(&self, unix: u64) -> bool {
        let minute_utc = u32::try_from(unix / 60 % 1440).unwrap_or(0);
        let local = (f64::from(minute_utc) + self.offset_h * 60.0).rem_euclid(1440.0);
        let (from, to) = (f64::from(self.from_min), f64::from(self.to_min));
        if from < to { (from..to).contains(&local) } else { local >= from || local < to }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |minutes: u16| (minutes / 60, minutes % 60);
        let ((from_h, from_min), (to_h, to_min)) = (time(self.from_min), time(self.to_min));
        write!(f, "{from_h:02}:{from_min:02}-{to_h:02}:{to_min:02}")
    }
}

/// Reads `22:00-07:00`.
impl FromStr for QuietHours {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (from, to) = text.split_once('-').ok_or(())?;
        Ok(Self { from_min: minutes(from.trim()).ok_or(())?, to_min: minutes(to.trim()).ok_or(())?, offset_h: 0.0 })
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then(|| hour.saturating_mul(60).saturating_add(minute))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn they_are_read_written_and_reach_over_midnight() {
        let night: QuietHours = "22:00-07:30".parse().unwrap();
        assert_eq!(night.to_string(), "22:00-07:30");
        let at = |hours: &QuietHours, hour: f64| hours.contains((hour * 3600.0) as u64);
        for (hour, quiet) in [(21.99, false), (22.0, true), (0.0, true), (7.49, true), (7.5, false), (12.0, false)] {
            assert_eq!(at(&night, hour), quiet, "{hour}");
        }
        // Two hours before UTC: 22:00 there is 24:00 UTC.
        let west = QuietHours { offset_h: -2.0, ..night };
        assert!(!at(&west, 23.0) && at(&west, 24.0) && at(&west, 9.0) && !at(&west, 10.0));
        let noon: QuietHours = "12:00 - 14:00".parse().unwrap();
        assert!(at(&noon, 13.0) && !at(&noon, 14.0) && !at(&noon, 11.0));
        for wrong in ["", "22", "22:00", "25:00-07:00", "22:60-07:00", "-1:00-2:00", "a:b-c:d", "22:00-07:00-08:00"] {
            assert!(wrong.parse::<QuietHours>().is_err(), "{wrong}");
        }
    }
}
