//! The cell over-voltage controller: takes the charge voltage back while a cell is too high, whatever the pack's sum says.
//!
//! Solar chargers do not always obey the current limit; the voltage limit they do obey. The ceiling falls at once to the present
//! pack voltage less the overshoot of all cells that are too high, and rises slowly once the highest cell is below its limit
//! again; while the pack stands far below the ceiling nothing is learned by waiting, and it rises faster (no wind-up).

use super::Facts;
use std::time::Duration;

/// How much of the overshoot is taken back at once.
const GAIN: f64 = 2.0;
/// Dead band under the limit, V.
const BAND: f64 = 0.003;
/// Rise of the ceiling for the whole battery, V/s; and when the pack is far below it.
const RISE: f64 = 0.002;
const FREE_RISE: f64 = 0.02;
/// How far below is far, V.
const FAR: f64 = 0.5;

/// A ceiling for CVL; `None` while no cell is too high.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Ceiling(Option<f64>);

impl Ceiling {
    /// The ceiling after `dt`, with `limit` as the highest cell voltage and `cvl` as the voltage asked for.
    pub(super) fn advance(&mut self, facts: &Facts, limit: f64, cvl: f64, lowest: f64, dt: Duration) -> Option<f64> {
        let (Some(highest), Some(sum)) = (facts.high_cell.map(|cell| cell.get()), facts.cautious_voltage().map(|sum| sum.get()))
        else {
            return self.0;
        };
        let listed: f64 = facts.cells.iter().map(|cell| (cell.get() - limit).max(0.0)).sum();
        // The highest cell may be a doubtful one that is not in the list.
        let over = listed.max(highest - limit);
        if over > 0.0 {
            let ceiling = (sum - GAIN * over).max(lowest);
            self.0 = Some(self.0.unwrap_or(cvl).min(ceiling));
        } else if let Some(ceiling) = self.0
            && highest < limit - BAND
        {
            // Slowly until the pack is far below, then faster: the same however the time is cut.
            let seconds = dt.as_secs_f64();
            let slow = ((sum + FAR - ceiling) / RISE).max(0.0).min(seconds);
            let raised = ceiling + RISE * slow + FREE_RISE * (seconds - slow);
            self.0 = (raised < cvl).then_some(raised);
        }
        self.0
    }
}
