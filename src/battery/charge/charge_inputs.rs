//! Inputs of charge control.

use super::cells::{self, PLAUSIBLE_CELL};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::{Awaited, BmsSettings, ByDirection};

/// What charge control knows about the battery. While the guard holds a doubtful value, the more cautious of both is used here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChargeInputs {
    /// Pack voltage.
    pub voltage: Option<Volts>,
    /// The last accepted pack voltage, however old: used while there is no present one.
    pub last_voltage: Option<Volts>,
    /// Cells in series as reported by the BMS.
    pub stated_cells: Option<u8>,
    /// Every cell; empty when unknown.
    pub cells: Vec<Volts>,
    /// The BMS reports no single cells, but extremes at most.
    pub without_cells: bool,
    /// Highest cell, or a higher doubtful value.
    pub high_cell: Option<Volts>,
    /// Lowest cell, or a lower doubtful value.
    pub low_cell: Option<Volts>,
    /// The cells are the mean of the pack voltage: nothing is known about their differences. Set where charge control fills them in.
    pub mean_only: bool,
    /// A cell's sense wire is broken, or a cell has an impossible voltage.
    pub broken_cell: bool,
    /// A temperature sensor has an impossible value.
    pub broken_sensor: bool,
    /// Pack current, positive charges.
    pub current: Option<Amps>,
    /// SoC, the higher value in case of doubt.
    pub high_soc: Option<Percent>,
    /// SoC, the lower value in case of doubt.
    pub low_soc: Option<Percent>,
    /// Coldest sensor.
    pub coldest: Option<Celsius>,
    /// Hottest sensor.
    pub hottest: Option<Celsius>,
    /// A sensor that is or was present provides no usable value: it is no longer listed, or has an impossible one.
    pub missing_sensor: bool,
    /// Inputs that the BMS certainly has, but has not sent yet.
    pub awaited: Awaited,
    /// MOSFET temperature.
    pub mos: Option<Celsius>,
    /// The BMS permits charging.
    pub charge_allowed: Option<bool>,
    /// The BMS permits discharging.
    pub discharge_allowed: Option<bool>,
    /// Installed capacity; if the BMS does not report it, computed from remaining charge and SoC.
    pub capacity: Option<AmpHours>,
    /// The smallest of the capacities that the BMS reports: installed, learned and designed. Currents per capacity refer to it.
    pub least_capacity: Option<AmpHours>,
    /// Protection settings and limits of the BMS.
    pub settings: BmsSettings,
    /// Temporary current limits of the owner.
    pub owner_limits: ByDirection<Option<Amps>>,
    /// Current limits while inverters oscillate, see [`crate::battery::charge::oscillation`].
    pub oscillation_cut: Option<ByDirection<Amps>>,
    /// Wall clock, seconds since 1970, once it is trusted.
    pub unix: Option<u64>,
    /// A value is doubtful: no limit may rise.
    pub in_doubt: bool,
}

impl ChargeInputs {
    /// With the mean of the pack voltage as each of `count` cells, if the BMS reports no single cells. The highest cell is never below
    /// that and the lowest never above, so it stands for an extreme that is not reported, too.
    pub(super) fn with_mean_cells(&self, count: u8) -> Option<Self> {
        let voltage = self.voltage.filter(|_| self.without_cells && self.cells.is_empty() && count > 0)?;
        let mean = Volts::new(voltage.get() / f64::from(count));
        Some(Self {
            cells: vec![mean; usize::from(count)],
            high_cell: Some(self.high_cell.map_or(mean, |cell| cell.max(mean))),
            low_cell: Some(self.low_cell.map_or(mean, |cell| cell.min(mean))),
            mean_only: self.high_cell.is_none() || self.low_cell.is_none(),
            ..self.clone()
        })
    }

    /// The lower of pack voltage and sum of the cells, so never too high. If neither is known, the last known voltage.
    pub(crate) fn cautious_voltage(&self) -> Option<Volts> {
        let sum = self.cell_sum();
        let whole = sum.filter(|_| self.cells.iter().all(|cell| cell.get() > PLAUSIBLE_CELL));
        match (self.voltage, whole) {
            (Some(voltage), Some(sum)) => Some(voltage.min(sum)),
            (Some(voltage), None) => Some(voltage),
            // A missing cell is estimated from the others.
            (None, _) => sum.or(self.last_voltage),
        }
    }

    /// Sum of the cells; a missing cell counts as the mean of the others.
    pub(crate) fn cell_sum(&self) -> Option<Volts> {
        self.mean_cell().map(|mean| Volts::new(mean * self.cells.len() as f64))
    }

    /// Mean of the plausible cells.
    pub(crate) fn mean_cell(&self) -> Option<f64> {
        cells::mean(self.cells.iter().map(|cell| cell.get()))
    }
}
