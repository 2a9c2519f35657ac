//! Notes about values that no battery has, and a scale that the rest of the frames contradicts.

use super::{Decoder, celsius};
use crate::base::units::{Amps, Celsius, Volts};
use crate::output::can::CHARGE_VOLTAGES;
use std::ops::RangeInclusive;

/// Temperatures of cells, 0.1 °C; −150 °C and the like mark a missing sensor.
const TEMPERATURES: RangeInclusive<i16> = -600..=1200;
/// A pack voltage below this part of the charge voltage is not in 0.01 V.
const TOO_LOW: f64 = 0.3;
/// The pack voltage in parts of the charge voltage.
const FITTING: RangeInclusive<f64> = 0.6..=1.15;

impl Decoder {
    /// Notes on limits that no inverter should get from `id`.
    pub(super) fn check_limits(&mut self, id: &str) {
        let data = &self.understood.battery;
        let (charge_voltage, low) = (data.limits.charge_voltage, data.limits.discharge_voltage);
        let limits = [("charge", data.limits.charge_current_limit), ("discharge", data.limits.discharge_current_limit)];
        for (what, limit) in limits {
            if let Some(limit) = limit.filter(|limit| *limit < Amps::ZERO) {
                self.note(format!(
                    "{id}: the {what} current limit is {limit}: limits are positive; inverters may take this for no limit or none"
                ));
            }
        }
        let Some(volts) = charge_voltage else { return };
        if !CHARGE_VOLTAGES.contains(&volts.get()) {
            self.note(format!("{id}: a charge voltage of {volts} is no battery's"));
        } else if low.is_some_and(|low| low >= volts) {
            self.note(format!("{id}: the lowest voltage is not below the charge voltage of {volts}"));
        }
    }

    /// Notes on impossible states of charge and of health.
    pub(super) fn percents(&mut self, id: &str) {
        let data = &self.understood.battery;
        for (what, percent) in [("charge", data.state.soc), ("health", data.state.soh)] {
            if let Some(percent) = percent.filter(|percent| percent.get() > 100.0) {
                self.note(format!("{id}: a state of {what} of {percent} is impossible; the low byte comes first"));
            }
        }
    }

    /// A temperature in 0.1 °C; unknown, with a note, if no cell can have it.
    pub(super) fn temperature(&mut self, id: &str, raw: Option<i16>) -> Option<Celsius> {
        let raw = raw?;
        if TEMPERATURES.contains(&raw) {
            return Some(celsius(raw));
        }
        self.note(format!("{id}: a temperature of {} is impossible; is a sensor missing?", celsius(raw)));
        None
    }

    /// Some senders have the pack voltage in 0.1 V: recognised by the charge voltage.
    pub(super) fn scale_voltage(&mut self) {
        let data = &mut self.understood.battery;
        let (Some(volts), Some(charge)) = (data.state.voltage, data.limits.charge_voltage) else { return };
        let (part, scaled) = (volts.get() / charge.get(), Volts::new(volts.get() * 10.0).rounded(1));
        if part < TOO_LOW && FITTING.contains(&(part * 10.0)) {
            data.state.voltage = Some(scaled);
            self.note(format!("0x356: the voltage is in 0.1 V, {scaled} here; Pylontech's document has 0.01 V, as most inverters"));
        }
    }
}
