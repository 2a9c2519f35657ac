//! How many requests to a battery were answered well. Pure.

/// A share of the requests of a time that were answered well, in steps of 0.1 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u16);

impl Share {
    /// `good` of `asked`; `None` when nothing was asked. 0 % means none, 100 % all: what lies between is told as such.
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

/// Shares of the requests that were answered well; `None` where nothing was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replies {
    /// In the last minute.
    pub minute: Option<Share>,
    /// In the last hour.
    pub hour: Option<Share>,
    /// In the last 24 hours, or since the start.
    pub day: Option<Share>,
}
