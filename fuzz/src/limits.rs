//! Bounds of all limits, for any input.

use dbus_bms::base::units::Volts;
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::charge::chemistry::preset;
use dbus_bms::model::{Chemistry, Limits};

/// Maximum charge and discharge current allowed by a configuration, A.
fn maxima(config: &Config) -> (f64, f64) {
    (config.max_charge_current.map_or(50.0, f64::from), config.max_discharge_current.map_or(60.0, f64::from))
}

/// Maximum charge voltage of a cell allowed by any setting, V.
pub fn highest_cell(chemistry: Chemistry) -> f64 {
    preset(chemistry).highest_cell - 0.10
}

/// Finite, not negative, within the configuration, and with a reason. `pack` is the voltage that a blocked battery may show,
/// `cells` the number of cells if certain.
pub fn assert_sound(limits: &Limits, config: &Config, pack: Option<Volts>, cells: Option<u8>) {
    let [cvl, ccl, dcl, low] = [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get(), limits.low_voltage.get()];
    for value in [cvl, ccl, dcl, low] {
        assert!(value.is_finite() && value >= 0.0, "{limits:?}");
    }
    let (most_ccl, most_dcl) = maxima(config);
    assert!(ccl <= most_ccl + 1e-6 && dcl <= most_dcl + 1e-6, "above the configured maximum: {limits:?}");
    for why in [limits.cvl.why, limits.ccl.why, limits.dcl.why] {
        assert!(!why.is_empty() && why != "no limit", "{limits:?}");
    }
    let per_cell = highest_cell(config.chemistry.unwrap_or(Chemistry::Lfp));
    let charging = cells.map_or(0.0, |cells| f64::from(cells) * per_cell + config.voltage_drop.get());
    let standing = pack.map_or(0.0, Volts::get);
    assert!(cvl <= charging.max(standing) + 0.01, "CVL is neither a charge voltage of {charging} V nor the pack's: {limits:?}");
}

/// A healthy reading of 16 LFP cells.
pub fn good_reading() -> dbus_bms::model::Reading {
    use dbus_bms::base::units::{AmpHours, Amps, Celsius, Percent};
    let mut reading = dbus_bms::model::Reading::new("jbd", None);
    reading.voltage = Some(Volts::new(52.96));
    reading.current = Some(Amps::new(-12.5));
    reading.soc = Some(Percent::new(62.0));
    reading.remaining = Some(AmpHours::new(173.6));
    reading.capacity = Some(AmpHours::new(280.0));
    reading.cells = vec![Volts::new(3.31); 16];
    reading.cell_count = Some(16);
    reading.temperatures.sensors = Some(vec![Celsius::new(21.5), Celsius::new(22.0)]);
    reading.fets.charge = Some(true);
    reading.fets.discharge = Some(true);
    reading.alarms = Some(Vec::new());
    reading
}
