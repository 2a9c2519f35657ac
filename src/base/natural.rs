//! Order of names for people: numbers inside them by value, so that "Battery 2" stands before "Battery 10".

use std::cmp::Ordering;

/// Compares two names: digits next to each other as a number, everything else character by character without regard to case.
/// Names that differ only in case or in leading zeros are compared as they are, so that only equal names are equal.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let order = match (digits(left), digits(right)) {
            (Some(one), Some(other)) => {
                (left, right) = (left.get(one.len()..).unwrap_or_default(), right.get(other.len()..).unwrap_or_default());
                let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
                one.len().cmp(&other.len()).then_with(|| one.cmp(other))
            }
            _ => {
                let (mut one, mut other) = (left.chars(), right.chars());
                let next = (one.next(), other.next());
                (left, right) = (one.as_str(), other.as_str());
                match next {
                    (None, None) => return a.cmp(b),
                    (one, other) => one.map(lowercase).cmp(&other.map(lowercase)),
                }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn lowercase(one: char) -> char {
    one.to_lowercase().next().unwrap_or(one)
}

/// The digits at the start.
fn digits(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_names_are_compared_by_value() {
        let sorted = [
            "",
            "4",
            "battery",
            "Battery 1",
            "battery 2",
            "Battery 2a",
            "Battery 2b",
            "Battery 10",
            "Battery 10 left",
            "Battery 9999999999999999999999",
            "Battery x",
            "ttyUSB1",
            "ttyUSB02",
            "ttyUSB2",
            "ttyUSB10",
            "Ölkeller",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }
}
