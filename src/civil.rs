//! Dates of the civil calendar, in UTC: all that is needed of it, without a library.

/// A moment by calendar and clock, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: u64,
    /// 1 to 12.
    pub(crate) month: u8,
    /// 1 to 31.
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

impl Civil {
    /// The moment so many seconds after 1970 began.
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
