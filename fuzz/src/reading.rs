//! Bounds of any reading, for any input on the line.

use dbus_bms::model::{ProductionDate, Reading};

/// Maximum number of cells, sensors and notes in a frame of any protocol.
const MOST: usize = 255;
/// Maximum length of a text.
const LONGEST: usize = 256;

/// Bounded, printable, finite.
pub fn assert_sound(reading: &Reading) {
    assert!(reading.cells.len() <= MOST && reading.notes.len() <= MOST);
    assert!(reading.temperatures.sensors.as_ref().is_none_or(|sensors| sensors.len() <= MOST));
    assert!(reading.alarms.as_ref().is_none_or(|alarms| alarms.len() <= MOST));
    let texts = [&reading.device.model, &reading.device.serial_number, &reading.device.hw_version, &reading.device.sw_version];
    let date = reading.device.production_date.as_ref().map(ProductionDate::as_written);
    for text in texts.into_iter().flatten().map(String::as_str).chain(date) {
        assert!(text.len() <= LONGEST && !text.chars().any(char::is_control), "{text:?}");
    }
    let json = serde_json::to_value(reading).expect("every reading has a JSON form");
    for (key, value) in json.as_object().expect("which is an object") {
        // JSON has no NaN and no infinity: they would show as null.
        assert!(!value.is_null(), "{key} is no number: {reading:?}");
    }
    assert!(reading.cells.iter().chain(&reading.voltage).all(|volts| volts.get().is_finite()), "{reading:?}");
}
