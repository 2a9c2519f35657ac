//! What a battery shows: derived values, alarms, and the snapshot.

use super::Battery;
use super::charge::ExtremeCell;
use super::charge::cells::PLAUSIBLE_CELL;
use super::soc::forecast;
use crate::base::time::Now;
use crate::base::units::{AmpHours, Celsius, Volts};
use crate::model::{Alarm, Derived, Freshness, LimitingCells, Limits, Reading, Snapshot};
use std::sync::Arc;
use std::time::Duration;

impl Battery {
    pub(super) fn derive(&self, freshness: Freshness) -> Derived {
        if freshness != Freshness::Fresh {
            return Derived::default();
        }
        let reading = &self.reading;
        let cells: Vec<(Volts, usize)> =
            reading.cells.iter().copied().zip(1..).filter(|(cell, _)| cell.get() > PLAUSIBLE_CELL).collect();
        let counting = self.sensors.values.iter().enumerate().filter(|(index, _)| !self.sensors.ignored.contains(index));
        let sensors: Vec<(Celsius, usize)> =
            counting.filter_map(|(index, sensor)| Some(((*sensor)?, index.saturating_add(1)))).collect();
        let capacity = self.capacity();
        let (bms_soc, bms_remaining) = self.soc.of_bms();
        Derived {
            cell_sum: (!cells.is_empty() && cells.len() == reading.cells.len())
                .then(|| Volts::new(cells.iter().map(|(cell, _)| cell.get()).sum()).rounded(3)),
            // Which cell a reported extreme is of is unknown.
            min_cell: pick(&cells, |a, b| a < b).or(reading.lowest_cell.map(|cell| (cell, 0))),
            max_cell: pick(&cells, |a, b| a > b).or(reading.highest_cell.map(|cell| (cell, 0))),
            sensors: if self.sensors.values.contains(&None) { self.sensors.values.clone() } else { Vec::new() },
            sensor_names: Arc::clone(&self.sensors.names),
            ignored_sensors: self.sensors.ignored.iter().map(|index| index.saturating_add(1)).collect(),
            temperature: mean(&sensors),
            min_temperature: pick(&sensors, |a, b| a < b),
            max_temperature: pick(&sensors, |a, b| a > b),
            consumed: consumed(capacity, reading),
            current_avg: self.current_avg.get(),
            time_to_go: self.time_to_go(),
            time_to_full: self.full.time_to_full(),
            time_to_soc: self.soc.config().levels.iter().map(|level| self.time_to_soc(*level)).collect(),
            bms_soc,
            bms_remaining,
            soc_drift: self.soc.drift(),
            charge_excess: self.charger_watch.excess(),
        }
    }

    /// Time until the charge above the configured floor is used up.
    fn time_to_go(&self) -> Option<Duration> {
        let floor = self.soc.config().floor.get() / 100.0;
        let capacity = self.capacity();
        let left = self.reading.charge_left(capacity)?;
        let kept = if floor > 0.0 { capacity? * floor } else { AmpHours::ZERO };
        forecast::time_to_go(left - kept, self.flow()?)
    }

    fn time_to_soc(&self, level: u8) -> Option<Duration> {
        forecast::time_to_soc(level, self.reading.soc?, self.capacity()?, self.flow()?)
    }

    fn flow(&self) -> Option<forecast::BatteryCurrent> {
        Some(forecast::BatteryCurrent { average: self.current_avg.get()?, present: self.reading.current? })
    }

    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let mut all = Reading { alarms: self.reading.alarms.clone(), ..Reading::default() };
        for alarm in &self.own_alarms {
            all.raise(alarm.name, alarm.level);
        }
        all.alarms.unwrap_or_default()
    }

    pub(super) fn snapshot(&self, freshness: Freshness, derived: Derived, limits: Limits, now: Now) -> Snapshot {
        let mut reading = self.reading.clone();
        let alarms = self.alarms();
        if freshness != Freshness::Fresh {
            reading = reading.stale();
        }
        reading.capacity = self.config.capacity.or(reading.capacity);
        let limiting_cells = limiting_cells(&limits, &derived);
        let since_full = self.history.since_full(now.unix);
        Snapshot {
            reading,
            derived,
            alarms,
            cable: freshness.cable(),
            freshness,
            history: self.history.clone(),
            since_full,
            link: self.line.counters(),
            line: self.line.state(),
            reply_rates: self.line.reply_rates(),
            cell_count: self.cell_count,
            maximum: self.maximum,
            limits,
            limiting_cells,
            member_info: self.member_info,
            cell_health: self.cell_health.latest(),
            bank_summary: None,
            user_overrides: Default::default(),
        }
    }
}

/// The cells by which these limits are limited.
fn limiting_cells(limits: &Limits, derived: &Derived) -> LimitingCells {
    let cell = |why: &str| {
        let extreme = match ExtremeCell::of(why)? {
            ExtremeCell::Highest => derived.max_cell,
            ExtremeCell::Lowest => derived.min_cell,
        };
        extreme.map(|(_, number)| number).filter(|number| *number > 0)
    };
    LimitingCells { cvl: cell(limits.cvl.why), ccl: cell(limits.ccl.why), dcl: cell(limits.dcl.why) }
}

fn pick<T: Copy>(values: &[(T, usize)], better: fn(T, T) -> bool) -> Option<(T, usize)> {
    values.iter().copied().reduce(|best, next| if better(next.0, best.0) { next } else { best })
}

fn mean(sensors: &[(Celsius, usize)]) -> Option<Celsius> {
    (!sensors.is_empty()).then(|| Celsius::new(sensors.iter().map(|(t, _)| t.get()).sum::<f64>() / sensors.len() as f64).rounded(1))
}

/// Charge drawn since full, zero or negative.
fn consumed(capacity: Option<AmpHours>, reading: &Reading) -> Option<AmpHours> {
    let taken = reading.charge_left(capacity)? - capacity?;
    Some(taken.min(AmpHours::ZERO).rounded(2))
}
