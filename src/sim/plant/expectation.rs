//! Expected results of a day, and the assessment of a day against them.

use super::control::Control;
use super::figures::Figures;
use super::limits::ChargeLimits;
use super::run::{Setup, run};
use crate::sim::pack::PackConfig;
use serde::Serialize;

/// Expected results of a scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// Maximum cell voltage, V.
    pub highest_cell_v: f64,
    /// Minimum cell voltage, V.
    pub lowest_cell_v: f64,
    /// Minimum charge, relative to the same day with identical cells and no limit but a charge voltage.
    pub charged_share: Option<f64>,
    /// Minimum discharge, relative to the charge of the weakest cell above [`EMPTY_CELL_V`].
    pub discharged_share: Option<f64>,
    /// Maximum number of turns of the charge current limit by more than 5 A.
    pub ccl_reversals: Option<u32>,
}

/// Voltage at which a cell counts as empty.
pub const EMPTY_CELL_V: f64 = 2.85;

/// Expected whenever the chargers obey.
pub(super) const OBEYED: Expectation = Expectation {
    highest_cell_v: 3.470,
    lowest_cell_v: EMPTY_CELL_V,
    charged_share: Some(0.99),
    discharged_share: None,
    ccl_reversals: None,
};

/// Criteria of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// A cell was too high.
    HighestCell,
    /// A cell was too low.
    LowestCell,
    /// A protection of the BMS acted.
    Trips,
    /// Too little was charged.
    Charged,
    /// Too little could be discharged.
    Discharged,
    /// The charge current limit rose and fell too often.
    Turns,
}

/// A day compared with its expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Charge, or discharge in scenarios about that, relative to the possible one.
    pub share: f64,
    /// Criteria that were not met.
    pub misses: Vec<Aspect>,
}

impl Expectation {
    /// Assesses the figures of a run with this setup.
    pub fn assess(&self, setup: &Setup, figures: &Figures) -> Assessment {
        let share = match self.discharged_share {
            Some(_) => figures.discharged_ah / discharged_reference(setup).discharged_ah,
            None => figures.charged_ah / charged_reference(setup).charged_ah,
        };
        let misses = [
            (Aspect::HighestCell, figures.highest_cell_v > self.highest_cell_v),
            (Aspect::LowestCell, figures.lowest_cell_v < self.lowest_cell_v),
            (Aspect::Trips, figures.trips > 0),
            (Aspect::Charged, self.charged_share.is_some_and(|least| share < least)),
            (Aspect::Discharged, self.discharged_share.is_some_and(|least| share < least)),
            (Aspect::Turns, self.ccl_reversals.is_some_and(|most| figures.ccl_reversals > most)),
        ];
        Assessment { share, misses: misses.into_iter().filter_map(|(aspect, missed)| missed.then_some(aspect)).collect() }
    }
}

/// The same day with identical cells and no limits but a charge voltage of 3.45 V per cell and the maximum current: the reference
/// for the possible charge.
fn charged_reference(setup: &Setup) -> Figures {
    let mut reference = only_voltage(setup);
    reference.pack = PackConfig { imbalance_pct: 0.0, resistance_spread: 0.0, weak: None, ..reference.pack };
    run(&reference, |_| {})
}

/// The same night without a discharge limit until the first cell is empty: the reference for the possible discharge.
fn discharged_reference(setup: &Setup) -> Figures {
    run(&Setup { ends_below_v: Some(EMPTY_CELL_V), ..only_voltage(setup) }, |_| {})
}

fn only_voltage(setup: &Setup) -> Setup {
    let cells: f64 = std::iter::repeat_n(3.45, setup.pack.cells).sum();
    let limits = ChargeLimits { cvl_v: cells, ccl_a: 100.0, dcl_a: 1000.0 };
    Setup { control: Control::Fixed(limits), silent_h: None, lost_pct: 0.0, ..setup.clone() }
}
