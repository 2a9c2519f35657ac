//! Any text as a candump: no panic, and the decoded data can be shown.
#![no_main]

use dbus_bms::cli::can::view::table;
use dbus_bms::output::can::{Decoder, Line, parse_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let mut decoder = Decoder::default();
    for line in text.lines() {
        match parse_line(line) {
            Ok(Line::Frame(frame)) => {
                assert_eq!(parse_line(&frame.to_string()), Ok(Line::Frame(frame)));
                decoder.receive(&frame);
            }
            Ok(Line::Extended(record)) => _ = decoder.receive_record(&record),
            _ => {}
        }
    }
    assert!(!table(&decoder, 80, false).contains('\x1b'));
});
