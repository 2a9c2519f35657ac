//! Readings of a battery whose cell 7 has a bad connection: it shows twice the resistance of the others, at once.

use super::reading::reading;
use dbus_bms::base::units::{Amps, Volts};
use dbus_bms::model::Reading;

/// Time between two readings, s.
const PERIOD: u64 = 5;

/// So many days of them, each with its time in s; a kettle runs for a minute in every five.
pub(crate) fn readings(days: u64) -> impl Iterator<Item = (u64, Reading)> {
    (0..days * 86_400).step_by(PERIOD as usize).map(|second| {
        let mut now = reading(3.32);
        let current = if second % 300 < 60 { -60.0 } else { -5.0 };
        // A tenth of a millivolt, so that the BMS does not look frozen.
        let noise = (second / PERIOD % 7) as f64 * 0.0001;
        now.current = Some(Amps::new(current));
        for (cell, volts) in now.cells.iter_mut().enumerate() {
            let ohm = if cell == 6 { 0.0006 } else { 0.0003 };
            *volts = Volts::new(3.32 + current * ohm + noise);
        }
        now.voltage = Some(Volts::new(now.cells.iter().map(|cell| cell.get()).sum::<f64>()));
        (second, now)
    })
}
