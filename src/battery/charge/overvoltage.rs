//! Cell over-voltage controller: lowers the charge voltage while a cell is too high, whatever the pack voltage is.
//!
//! Solar chargers do not always obey the current limit, but they obey the voltage limit. The ceiling falls at once to the present
//! pack voltage minus the overshoot of all cells that are too high, and rises slowly once the highest cell is below its limit
//! again. While the pack is far below the ceiling, the ceiling is not the limiting factor and rises faster (no wind-up).
//!
//! Some inverters discharge into the grid while the limit is below the pack voltage. If the limit has to follow the pack
//! (`float_follows_pack`), the ceiling does, too: the current then ends by itself at that voltage. Close to the BMS's protection
//! the cell takes precedence, and the ceiling may go below the pack voltage.

use super::{ChargeInputs, PhaseConfig};
use std::time::Duration;

/// Multiple of the overshoot by which the ceiling falls at once.
const GAIN: f64 = 2.0;
/// Dead band below the limit, V.
const DEAD_BAND: f64 = 0.003;
/// Rise of the ceiling for the whole battery, V/s; and the rise while the pack is far below it.
const RISE: f64 = 0.002;
const FREE_RISE: f64 = 0.02;
/// Distance that counts as far below, V.
const FAR_BELOW: f64 = 0.5;

/// The ceiling follows the pack while no cell is further than this above its limit, V.
const FOLLOWS_UP_TO: f64 = 0.10;

/// Bounds of the ceiling, V.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// Cell voltage limit.
    pub limit: f64,
    /// Lower bound of the ceiling, for the whole battery.
    pub lowest: f64,
    /// Maximum cell voltage with a margin to the BMS's protection.
    pub most: f64,
    /// Whether the ceiling follows the pack.
    pub phases: &'a PhaseConfig,
}

/// Upper bound of CVL; `None` while no cell is too high.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Ceiling(Option<f64>);

impl Ceiling {
    /// The ceiling after `dt`; `cvl` is the requested voltage.
    pub(super) fn advance(&mut self, inputs: &ChargeInputs, bounds: &Bounds<'_>, cvl: f64, dt: Duration) -> Option<f64> {
        let Bounds { limit, lowest, most, phases } = *bounds;
        let (Some(highest), Some(sum)) = (inputs.high_cell.map(|cell| cell.get()), inputs.cautious_voltage().map(|sum| sum.get()))
        else {
            return self.0;
        };
        let listed: f64 = inputs.cells.iter().map(|cell| (cell.get() - limit).max(0.0)).sum();
        // The highest cell may be a doubtful value that is not in the list.
        let over = listed.max(highest - limit);
        if over > 0.0 {
            let follows = phases.follows(sum).filter(|_| highest <= (limit + FOLLOWS_UP_TO).min(most));
            let ceiling = (sum - GAIN * over).max(lowest).max(follows.unwrap_or(lowest));
            self.0 = Some(self.0.unwrap_or(cvl).min(ceiling));
        } else if let Some(ceiling) = self.0
            && highest < limit - DEAD_BAND
        {
            // Slow until the pack is far below, then fast: independent of the length of the steps.
            let seconds = dt.as_secs_f64();
            let slow = ((sum + FAR_BELOW - ceiling) / RISE).max(0.0).min(seconds);
            let raised = ceiling + RISE * slow + FREE_RISE * (seconds - slow);
            self.0 = (raised < cvl).then_some(raised);
        }
        self.0
    }
}
