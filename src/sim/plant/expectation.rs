//! What must come out of a day, and how far a day was from it.

use super::control::{Control, Told};
use super::figures::Figures;
use super::run::{Setup, run};
use crate::sim::battery::PackConfig;
use serde::Serialize;

/// What must come out of a scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// No cell above, V.
    pub highest_cell_v: f64,
    /// No cell below, V.
    pub lowest_cell_v: f64,
    /// Charged in relation to the same day with identical cells and nothing but a charge voltage, at least.
    pub charged_share: Option<f64>,
    /// Discharged in relation to what the weakest cell holds above [`EMPTY_CELL_V`], at least.
    pub discharged_share: Option<f64>,
    /// Turns of the charge current limit by more than 5 A at most.
    pub ccl_reversals: Option<u32>,
}

/// Voltage at which a cell counts as empty.
pub const EMPTY_CELL_V: f64 = 2.85;

/// What must come out wherever the chargers obey.
pub(super) const OBEYED: Expectation = Expectation {
    highest_cell_v: 3.470,
    lowest_cell_v: EMPTY_CELL_V,
    charged_share: Some(0.99),
    discharged_share: None,
    ccl_reversals: None,
};

/// What a day can fail in.
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
    /// Too little could be drawn.
    Discharged,
    /// The charge current limit went up and down too often.
    Turns,
}

/// A day in the light of its expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Charged, or discharged where the scenario is about that, in relation to what is possible.
    pub share: f64,
    /// What was not as expected.
    pub misses: Vec<Aspect>,
}

impl Expectation {
    /// Judges the figures of a run with this setup.
    pub fn judge(&self, setup: &Setup, figures: &Figures) -> Verdict {
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
        Verdict { share, misses: misses.into_iter().filter_map(|(aspect, missed)| missed.then_some(aspect)).collect() }
    }
}

/// The same day with identical cells and nothing but a charge voltage of 3.45 V per cell and the most current: the measure of
/// what could have been charged.
fn charged_reference(setup: &Setup) -> Figures {
    let mut reference = only_voltage(setup);
    reference.pack = PackConfig { imbalance_pct: 0.0, resistance_spread: 0.0, weak: None, ..reference.pack };
    run(&reference, |_| {})
}

/// The same night without a discharge limit until the first cell is empty: the measure of what could have been drawn.
fn discharged_reference(setup: &Setup) -> Figures {
    run(&Setup { ends_below_v: Some(EMPTY_CELL_V), ..only_voltage(setup) }, |_| {})
}

fn only_voltage(setup: &Setup) -> Setup {
    let cells: f64 = std::iter::repeat_n(3.45, setup.pack.cells).sum();
    let told = Told { cvl_v: cells, ccl_a: 100.0, dcl_a: 1000.0 };
    Setup { control: Control::Fixed(told), silent_h: None, lost_pct: 0.0, ..setup.clone() }
}
