//! A normal reading of a 16-cell battery that is being discharged with 12.5 A, for the tests that process readings.

use dbus_bms::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use dbus_bms::model::Reading;

/// With all cells at this voltage.
pub(crate) fn reading(cell: f64) -> Reading {
    let mut reading = Reading::new("jbd", None);
    reading.voltage = Some(Volts::new(cell * 16.0).rounded(2));
    reading.current = Some(Amps::new(-12.5));
    reading.soc = Some(Percent::new(62.0));
    reading.cells = vec![Volts::new(cell); 16];
    reading.cell_count = Some(16);
    reading.temperatures.sensors = Some(vec![Celsius::new(21.5)]);
    reading.capacity = Some(AmpHours::new(280.0));
    reading.remaining = Some(AmpHours::new(173.6));
    reading.fets.charge = Some(true);
    reading.fets.discharge = Some(true);
    reading.alarms = Some(Vec::new());
    reading
}
