//! Text of candump as a recording: the frames of a CAN bus, in log or screen format.

use super::file::{Direction, Event, MAX_EVENTS, Recording, UNKNOWN};
use crate::bms::can::{LineError, Record, parse_record};
use std::time::Duration;

/// The frames in a text of candump as the bytes that a port would have received; `None` if it is none.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let records: Vec<Record> = records(text)?.into_iter().map(|(_, record)| record).collect();
    Some(records.iter().flat_map(Record::bytes).collect())
}

/// A text of candump as a recording of an unknown BMS; `None` if it is none. Requests in it count as received, too: only the sender
/// knows which frames it sent.
pub fn recording(text: &str) -> Option<Recording> {
    let records = records(text)?;
    let start = records.iter().find_map(|(at, _)| *at).unwrap_or_default();
    let mut last = Duration::ZERO;
    let traffic = records.into_iter().take(MAX_EVENTS).map(|(at, record)| {
        // A recording has no steps back in time; lines without a time follow at once.
        last = last.max(at.map_or(last, |at| at.saturating_sub(start)));
        Event { at: last, baud: None, direction: Direction::Received, bytes: record.bytes().to_vec() }
    });
    Some(Recording {
        bms: UNKNOWN.to_owned(),
        source: "a text of candump".to_owned(),
        recorded: true,
        note: None,
        any_valid_frame: true,
        traffic: traffic.collect(),
        readings: Vec::new(),
        flight: None,
    })
}

/// The frames with their times; `None` if a line is not of candump, or none has a frame.
fn records(text: &str) -> Option<Vec<(Option<Duration>, Record)>> {
    let parsed: Result<Vec<_>, LineError> =
        text.lines().filter_map(|line| Some(parse_record(line).transpose()?.map(|record| (time(line), record)))).collect();
    parsed.ok().filter(|records| !records.is_empty())
}

/// The time of a line, as in `(1436509052.249713) can0 351#00`.
fn time(line: &str) -> Option<Duration> {
    let (seconds, _) = line.trim_start().strip_prefix('(')?.split_once(')')?;
    Duration::try_from_secs_f64(seconds.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_candump_is_told_from_hex_and_keeps_its_times() {
        assert_eq!(bytes("a501900800"), None);
        assert_eq!(bytes("18904001#01\nnonsense"), None);
        assert_eq!(bytes("// nothing\n"), None);
        assert_eq!(bytes("351#0102\n\n18904001#0A").map(|bytes| bytes.len()), Some(2 * Record::LEN));
        let recorded = recording("(100.5) can0 351#01\n(100.25) can0 351#02\ncan0 351 [1] 03\n(102.0) can0 351#04").unwrap();
        let times: Vec<f64> = recorded.traffic.iter().map(|event| event.at.as_secs_f64()).collect();
        assert_eq!(times, [0.0, 0.0, 0.0, 1.5]);
        assert_eq!(Recording::parse("can", &recorded.text()).unwrap(), recorded, "it can be written as a test");
    }
}
