//! The inputs of charge control, from the judged values of a reading.

use super::channel::{self, GuardedValue};
use super::values::{self, Values};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::battery::charge::ChargeInputs;
use crate::model::{BmsSettings, ByDirection, Reading};

/// The capacity is computed from SoC and remaining charge above this SoC only, %.
const MIN_SOC_FOR_CAPACITY: f64 = 5.0;

/// A capacity below this fraction of the installed one is a setting that nobody made, or was not learned yet.
const LEAST_SHARE: f64 = 0.2;

/// What the BMS permits: never held, always passed on as reported.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Permissions {
    charge: Option<bool>,
    discharge: Option<bool>,
    charge_limit: Option<Amps>,
    discharge_limit: Option<Amps>,
    voltage_limit: Option<Volts>,
}

impl Permissions {
    pub(super) fn of(reading: &Reading) -> Self {
        Self {
            charge: reading.fets.charge,
            discharge: reading.fets.discharge,
            charge_limit: reading.settings.charge_limit,
            discharge_limit: reading.settings.discharge_limit,
            voltage_limit: reading.settings.voltage_limit,
        }
    }

    /// What both permit.
    pub(super) fn and(self, other: Self) -> Self {
        fn lower<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(if other < one { other } else { one }),
                (one, other) => one.or(other),
            }
        }
        Self {
            charge: lower(self.charge, other.charge),
            discharge: lower(self.discharge, other.discharge),
            charge_limit: lower(self.charge_limit, other.charge_limit),
            discharge_limit: lower(self.discharge_limit, other.discharge_limit),
            voltage_limit: lower(self.voltage_limit, other.voltage_limit),
        }
    }
}

/// A reading with what the guard thinks of its values.
pub(super) struct JudgedReading<'a> {
    pub(super) reading: &'a Reading,
    pub(super) values: &'a Values,
    /// The last accepted pack voltage.
    pub(super) last_voltage: Option<Volts>,
    /// What this reading permits.
    pub(super) reported: Permissions,
    /// What the last reading that was not suspect permitted.
    pub(super) before: Permissions,
    /// The reading is doubtful as a whole.
    pub(super) suspect: bool,
    /// Held values are too old to be published.
    pub(super) too_old: bool,
    /// An input is held, or an alarm is not confirmed.
    pub(super) in_doubt: bool,
}

impl JudgedReading<'_> {
    /// The inputs; `cautious`: of an accepted and a doubtful value the worse, else the accepted one.
    pub(super) fn inputs(&self, cautious: bool) -> ChargeInputs {
        let low = |judged: &GuardedValue| if cautious { judged.low() } else { judged.accepted };
        let high = |judged: &GuardedValue| if cautious { judged.high() } else { judged.accepted };
        let broken = |judged: &GuardedValue| if cautious { judged.broken } else { judged.is_missing() };
        // Of a list and extremes reported beside it the worse counts.
        let worse = |listed: Option<Volts>, reported: Option<f64>, pick: fn(f64, f64) -> f64| {
            channel::least(listed.map(Volts::get).into_iter().chain(reported), pick).map(Volts::new)
        };
        let Values { cells, highest_cell, lowest_cell, temperatures, soc, .. } = self.values;
        let (listed_high, listed_low) = if cautious { cells.cautious } else { cells.accepted };
        let permitted = self.permitted(cautious);
        let installed = low(&self.values.capacity).or_else(|| by_charge_left(low(&self.values.remaining)?, high(soc)?));
        let others = [low(&self.values.full_charge), low(&self.values.design)];
        ChargeInputs {
            voltage: low(&self.values.voltage).map(Volts::new),
            last_voltage: self.last_voltage,
            stated_cells: self.values.stated.accepted.and_then(values::cell_count),
            // Cells held for this long are not present values; only the accepted view keeps them.
            cells: if cautious && self.too_old { Vec::new() } else { cells.listed.clone() },
            without_cells: self.reading.without_cells,
            high_cell: worse(listed_high, high(highest_cell), f64::max),
            low_cell: worse(listed_low, low(lowest_cell), f64::min),
            mean_only: false,
            broken_cell: broken(&cells.worst) || [highest_cell, lowest_cell].into_iter().any(broken),
            broken_sensor: temperatures.judged.iter().any(GuardedValue::is_missing),
            current: self.values.current.accepted.map(Amps::new),
            high_soc: high(soc).map(Percent::new),
            low_soc: low(soc).map(Percent::new),
            coldest: channel::least(temperatures.judged.iter().filter_map(low), f64::min).map(Celsius::new),
            hottest: channel::least(temperatures.judged.iter().filter_map(high), f64::max).map(Celsius::new),
            missing_sensor: temperatures.missing || self.reading.awaited.temperatures,
            awaited: self.reading.awaited,
            mos: high(&self.values.mos).map(Celsius::new),
            charge_allowed: permitted.charge,
            discharge_allowed: permitted.discharge,
            capacity: installed.map(AmpHours::new),
            least_capacity: installed.map(|installed| AmpHours::new(least_capacity(installed, others))),
            settings: self.settings(cautious, permitted),
            owner_limits: ByDirection::default(),
            oscillation_cut: None,
            unix: None,
            in_doubt: self.in_doubt,
        }
    }

    fn permitted(&self, cautious: bool) -> Permissions {
        match (cautious, self.suspect) {
            (true, true) => self.reported.and(self.before),
            (false, true) => self.before,
            (_, false) => self.reported,
        }
    }

    fn settings(&self, cautious: bool, permitted: Permissions) -> BmsSettings {
        let settings = &self.values.settings;
        BmsSettings {
            charge_limit: permitted.charge_limit,
            discharge_limit: permitted.discharge_limit,
            voltage_limit: permitted.voltage_limit,
            ..if cautious { settings.cautious.clone() } else { settings.accepted.clone() }
        }
    }
}

/// The smallest of the capacities that a BMS reports, Ah.
fn least_capacity(installed: f64, others: [Option<f64>; 2]) -> f64 {
    others.into_iter().flatten().filter(|other| *other >= LEAST_SHARE * installed).fold(installed, f64::min)
}

/// Capacity in Ah that follows from the remaining charge at this SoC. Not defined for an SoC of a few percent.
fn by_charge_left(remaining: f64, soc: f64) -> Option<f64> {
    (soc >= MIN_SOC_FOR_CAPACITY && remaining > 0.0).then(|| remaining * 100.0 / soc)
}
