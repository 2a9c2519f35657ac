//! Production date of a battery.

use serde::Serialize;
use std::borrow::Cow;
use std::fmt;

/// Production date of a battery, as precise as the BMS reports it. JSON and text are the original of the BMS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ProductionDate {
    /// `2024-05-10`.
    Day(String),
    /// Year without century and month, `2307`.
    YearMonth(String),
    /// Any other text of the BMS.
    Text(String),
}

impl ProductionDate {
    /// A text of four digits, year and month; `Text` for any other.
    pub fn year_month(text: String) -> Self {
        let is_date = matches!(text.as_bytes(), [y1, y2, month @ ..] if y1.is_ascii_digit() && y2.is_ascii_digit()
            && matches!(month, [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2']));
        if is_date { Self::YearMonth(text) } else { Self::Text(text) }
    }

    /// The BMS's original.
    pub fn as_written(&self) -> &str {
        match self {
            Self::Day(text) | Self::YearMonth(text) | Self::Text(text) => text,
        }
    }

    /// For people: `2024-05-10`, or `2023-07` without a day.
    pub fn calendar(&self) -> Cow<'_, str> {
        match self {
            Self::Day(text) | Self::Text(text) => text.into(),
            Self::YearMonth(text) => {
                let (year, month) = text.split_at_checked(2).unwrap_or((text, ""));
                format!("20{year}-{month}").into()
            }
        }
    }
}

impl fmt::Display for ProductionDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_written())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_a_date_when_the_last_two_are_a_month() {
        for (written, shown) in
            [("2307", "2023-07"), ("2012", "2020-12"), ("2313", "2313"), ("2300", "2300"), ("23O7", "23O7"), ("230", "230")]
        {
            let date = ProductionDate::year_month(written.to_owned());
            assert_eq!((date.as_written(), &*date.calendar()), (written, shown));
        }
    }
}
