//! Counters over a battery's life: extremes, charge, energy, alarms.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::base::units::{Percent, round};
use crate::model::{Alarm, AlarmName, Derived, Discharges, History, Level, OpenCycle, Reading};
use std::time::Duration;

/// SoC in % above which a cycle begins and ends, and below which the battery must have been in between; those of Victron's battery
/// monitors (manual of the BMV-700, "charge cycles").
const CYCLE_HIGH: f64 = 90.0;
const CYCLE_LOW: f64 = 65.0;
/// SoC in % from which an empty battery can become empty again.
const RECOVERED: f64 = 5.0;
/// Change of the SoC in % during a gap from which the charge drawn in it is missing in the cycle.
const GAP: f64 = 5.0;

/// Adds one reading. `elapsed` is the time since the previous one, `None` after a gap; `unix` is the trusted wall clock.
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
    let drawn = elapsed.zip(reading.current).map(|(elapsed, current)| current.get().min(0.0) * elapsed.as_secs_f64() / 3600.0);
    discharges(&mut history.discharges, reading.soc.map(Percent::get), drawn.unwrap_or(0.0), elapsed.is_none());
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

/// Counts discharges to empty and finished cycles; `drawn` is the charge since the previous reading, Ah, negative.
fn discharges(counted: &mut Discharges, soc: Option<f64>, drawn: f64, after_gap: bool) {
    if let Some(open) = &mut counted.open {
        open.drawn_ah += drawn;
    }
    let Some(soc) = soc else { return };
    if soc > 0.05 {
        counted.full.get_or_insert(0);
        counted.empty &= soc < RECOVERED;
    } else if !counted.empty {
        counted.empty = true;
        counted.full = counted.full.map(|full| full.saturating_add(1));
    }
    // A cycle of which a part was not seen would lower the average.
    let whole = counted.open.filter(|open| !after_gap || (soc - open.soc_pct).abs() <= GAP);
    let begin = (soc >= CYCLE_HIGH).then_some(OpenCycle { soc_pct: soc, ..OpenCycle::default() });
    counted.open = match whole {
        Some(open) if open.was_low && soc >= CYCLE_HIGH => {
            counted.cycles = counted.cycles.saturating_add(1);
            counted.cycles_drawn_ah += open.drawn_ah;
            begin
        }
        Some(open) => Some(OpenCycle { was_low: open.was_low || soc < CYCLE_LOW, soc_pct: soc, ..open }),
        None => begin,
    };
}

fn extreme(slot: &mut Option<f64>, value: Option<f64>, pick: fn(f64, f64) -> f64) {
    if let Some(value) = value {
        *slot = Some(round(slot.map_or(value, |old| pick(old, value)), 3));
    }
}

/// True when one of `names` has just become an alarm.
fn begins(alarms: &[Alarm], names: &[AlarmName], active: &mut bool) -> bool {
    let now = alarms.iter().any(|alarm| alarm.level == Level::Alarm && names.contains(&alarm.name));
    let begins = now && !*active;
    *active = now;
    begins
}
