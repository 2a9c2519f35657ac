//! Counters over a battery's life: extremes, charge, energy, alarms.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::model::{Alarm, AlarmName, Derived, History, Level, Reading};
use crate::units::round;
use std::time::Duration;

/// Adds one reading. `elapsed` is the time since the one before, unless there was a gap; `unix` the trusted wall clock.
pub(crate) fn count(
    history: &mut History,
    reading: &Reading,
    derived: &Derived,
    alarms: &[Alarm],
    elapsed: Option<Duration>,
    unix: Option<u64>,
) {
    extreme(&mut history.min_voltage, reading.voltage.map(f64::from), f64::min);
    extreme(&mut history.max_voltage, reading.voltage.map(f64::from), f64::max);
    extreme(&mut history.min_cell_voltage, derived.min_cell.map(|(cell, _)| cell.get()), f64::min);
    extreme(&mut history.max_cell_voltage, derived.max_cell.map(|(cell, _)| cell.get()), f64::max);
    extreme(&mut history.min_temperature, derived.min_temperature.map(|(t, _)| t.get()), f64::min);
    extreme(&mut history.max_temperature, derived.max_temperature.map(|(t, _)| t.get()), f64::max);

    let full = reading.soc.is_some_and(|soc| soc.get() >= 99.95);
    if full {
        history.last_full_unix = unix.or(history.last_full_unix);
        history.discharging = false;
    }
    if let Some(consumed) = derived.consumed.map(f64::from) {
        extreme(&mut history.deepest_discharge_ah, Some(consumed), f64::min);
        if !full {
            history.last_discharge_ah =
                Some(if history.discharging { history.last_discharge_ah.unwrap_or(0.0).min(consumed) } else { consumed });
            history.discharging = true;
        }
    }
    if let (Some(elapsed), Some(current), Some(power)) = (elapsed, reading.current, reading.power) {
        let hours = elapsed.as_secs_f64() / 3600.0;
        history.total_drawn_ah += current.get().min(0.0) * hours;
        history.discharged_kwh += -power.get().min(0.0) * hours / 1000.0;
        history.charged_kwh += power.get().max(0.0) * hours / 1000.0;
    }
    let low = begins(alarms, &[AlarmName::LowVoltage, AlarmName::CellLowVoltage], &mut history.low_voltage_active);
    let high = begins(alarms, &[AlarmName::HighVoltage, AlarmName::CellHighVoltage], &mut history.high_voltage_active);
    history.low_voltage_alarms = history.low_voltage_alarms.saturating_add(u32::from(low));
    history.high_voltage_alarms = history.high_voltage_alarms.saturating_add(u32::from(high));
}

fn extreme(slot: &mut Option<f64>, value: Option<f64>, pick: fn(f64, f64) -> f64) {
    if let Some(value) = value {
        *slot = Some(round(slot.map_or(value, |old| pick(old, value)), 3));
    }
}

/// True when one of `names` became an alarm just now.
fn begins(alarms: &[Alarm], names: &[AlarmName], active: &mut bool) -> bool {
    let now = alarms.iter().any(|alarm| alarm.level == Level::Alarm && names.contains(&alarm.name));
    let begins = now && !*active;
    *active = now;
    begins
}
