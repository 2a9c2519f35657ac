//! Share of requests with a valid reply. Pure.

/// Share of the requests of a period that got a valid reply, in steps of 0.1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessRate(u16);

impl SuccessRate {
    /// `good` of `asked`; `None` if nothing was requested. 0 % means none, 100 % all: rounding never yields these otherwise.
    pub fn of(good: u64, asked: u64) -> Option<Self> {
        let tenths = match good.min(asked) {
            _ if asked == 0 => return None,
            0 => 0,
            all if all == asked => 1000,
            some => (some as f64 / asked as f64 * 1000.0).round().clamp(1.0, 999.0) as u16,
        };
        Some(Self(tenths))
    }

    /// In %.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

/// Shares of the requests with a valid reply; `None` if there were no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyRates {
    /// In the last minute.
    pub minute: Option<SuccessRate>,
    /// In the last hour.
    pub hour: Option<SuccessRate>,
    /// In the last 24 hours, or since the start.
    pub day: Option<SuccessRate>,
}
