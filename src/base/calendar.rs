//! Dates of the civil calendar, in UTC: the few functions needed, without a library.

/// Date and time, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    pub(crate) year: u64,
    /// 1 to 12.
    pub(crate) month: u8,
    /// 1 to 31.
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

impl DateTime {
    /// From seconds since 1970.
    pub(crate) fn at(unix: u64) -> Self {
        let (days, of_day) = (unix / 86_400, unix % 86_400);
        // Counted in eras of 400 years from March 1 of the year 0.
        let shifted = days.saturating_add(719_468);
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let leaps = (of_era / 1460).saturating_add(of_era / 146_096).saturating_sub(of_era / 36_524);
        let year_of_era = of_era.saturating_sub(leaps) / 365;
        let before = year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
        let of_year = of_era.saturating_sub(before);
        let march_month = of_year.saturating_mul(5).saturating_add(2) / 153;
        let day = of_year.saturating_sub(march_month.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
        let month = if march_month < 10 { march_month.saturating_add(3) } else { march_month.saturating_sub(9) };
        let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(u64::from(month <= 2));
        let small = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            year,
            month: small(month),
            day: small(day),
            hour: small(of_day / 3600),
            minute: small(of_day / 60 % 60),
            second: small(of_day % 60),
        }
    }
}

/// `2026-11-26`, of a day counted from 1970.
pub(crate) fn date(day: u32) -> String {
    let DateTime { year, month, day, .. } = DateTime::at(u64::from(day).saturating_mul(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-26 09:41 UTC`
pub(crate) fn utc(unix: u64) -> String {
    let DateTime { year, month, day, hour, minute, .. } = DateTime::at(unix);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// `2026-11-26T09:41:05+00:00`
pub(crate) fn iso(unix: u64) -> String {
    let DateTime { year, month, day, hour, minute, second } = DateTime::at(unix);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

/// Parses `2026-11-26` or `2026-11-26T09:41` (UTC) to seconds since 1970; inverse of [`utc`].
pub(crate) fn parse_utc(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let time = time.trim_end_matches('Z');
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute) = (hour.parse::<u64>().ok()?, minute.parse::<u64>().ok()?);
    let sound = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    let year = year.checked_sub(u64::from(month <= 2)).filter(|_| sound)?;
    let (era, of_era) = (year / 400, year % 400);
    let march_month = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let of_year = (march_month.checked_mul(153)?.checked_add(2)? / 5).checked_add(day)?.checked_sub(1)?;
    let of_era = of_era.checked_mul(365)?.checked_add(of_era / 4)?.checked_sub(of_era / 100)?.checked_add(of_year)?;
    let days = era.checked_mul(146_097)?.checked_add(of_era)?.checked_sub(719_468)?;
    let unix = days.checked_mul(86_400)?.checked_add(hour.checked_mul(3600)?)?.checked_add(minute.checked_mul(60)?)?;
    // A day beyond the end of the month comes out as a different one.
    (u64::from(DateTime::at(unix).day) == day).then_some(unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        for (day, text) in [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_454, "2026-01-01"), (20_783, "2026-11-26")] {
            assert_eq!(date(day), text);
        }
    }

    #[test]
    fn dates_are_read_and_written() {
        assert_eq!(utc(1_795_686_065), "2026-11-26 09:41 UTC");
        for text in ["2026-11-26T09:41", "2024-02-29T00:00", "2100-03-01T23:59"] {
            assert_eq!(utc(parse_utc(text).unwrap()), format!("{} UTC", text.replace('T', " ")));
        }
        assert_eq!(parse_utc("2026-11-27"), parse_utc("2026-11-27T00:00"));
        for text in ["", "tomorrow", "2026-02-30", "2026-13-01", "2026-11-26T24:00", "1969-12-31"] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }
}
