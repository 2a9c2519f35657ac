//! What charge control is told.

use crate::model::BmsSettings;
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};

/// What charge control knows of the battery. Where the guard holds a doubtful value, the more cautious one stands here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Pack voltage.
    pub voltage: Option<Volts>,
    /// Cells in series as the BMS states them.
    pub stated_cells: Option<u8>,
    /// Every cell; empty when unknown.
    pub cells: Vec<Volts>,
    /// The highest cell, or a higher one in doubt.
    pub high_cell: Option<Volts>,
    /// The lowest cell, or a lower one in doubt.
    pub low_cell: Option<Volts>,
    /// A cell's sense wire is broken, or a cell reads what no cell can have.
    pub broken_cell: bool,
    /// A temperature sensor reads what no sensor can.
    pub broken_sensor: bool,
    /// Pack current, positive charges.
    pub current: Option<Amps>,
    /// SoC, the higher one in doubt.
    pub high_soc: Option<Percent>,
    /// SoC, the lower one in doubt.
    pub low_soc: Option<Percent>,
    /// Coldest sensor.
    pub coldest: Option<Celsius>,
    /// Hottest sensor.
    pub hottest: Option<Celsius>,
    /// MOSFET temperature.
    pub mos: Option<Celsius>,
    /// The BMS lets the battery be charged.
    pub charge_allowed: Option<bool>,
    /// The BMS lets the battery be discharged.
    pub discharge_allowed: Option<bool>,
    /// Installed capacity.
    pub capacity: Option<AmpHours>,
    /// Protection settings and limits of the BMS.
    pub settings: BmsSettings,
    /// What the owner allows for now: charge current.
    pub owner_charge_limit: Option<Amps>,
    /// What the owner allows for now: discharge current.
    pub owner_discharge_limit: Option<Amps>,
    /// Charge and discharge current that are allowed because inverters fight, see [`super::oscillation`].
    pub calming: Option<(Amps, Amps)>,
    /// Wall clock, seconds since 1970, once it can be trusted.
    pub unix: Option<u64>,
    /// A value is in doubt: no limit may rise.
    pub in_doubt: bool,
}

impl Facts {
    /// The lower of pack voltage and sum of cells: what is certainly not too high.
    pub(crate) fn cautious_voltage(&self) -> Option<Volts> {
        let sum = (!self.cells.is_empty()).then(|| Volts::new(self.cells.iter().map(|cell| cell.get()).sum()));
        match (self.voltage, sum) {
            (Some(voltage), Some(sum)) if sum > Volts::ZERO => Some(voltage.min(sum)),
            (Some(voltage), _) => Some(voltage),
            (None, sum) => sum,
        }
    }
}
