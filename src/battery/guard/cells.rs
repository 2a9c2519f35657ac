//! Guard for the cell voltages.

use super::channel::{CELL, Channel, EXACT, GuardedValue, HELD_FOR, ReadingContext, least};
use crate::base::units::{Moment, Volts};
use crate::battery::charge::cells::{self, PLAUSIBLE_CELL};
use std::time::Duration;

/// State of all cells.
#[derive(Debug, Clone, Default)]
pub(super) struct CellGuard {
    count: Channel,
    cells: Vec<Channel>,
    /// Last accepted voltages; an invalid cell is 0 V.
    listed: Vec<Volts>,
}

/// Cell voltages of one reading.
pub(super) struct Cells {
    /// Accepted voltage of each cell; an invalid cell is 0 V.
    pub listed: Vec<Volts>,
    /// The same; empty if one of them is too old to be published.
    pub published: Vec<Volts>,
    /// Highest and lowest accepted cell.
    pub accepted: (Option<Volts>, Option<Volts>),
    /// The same including doubtful values.
    pub cautious: (Option<Volts>, Option<Volts>),
    /// Held, doubtful, broken or missing if any cell is.
    pub worst: GuardedValue,
}

impl CellGuard {
    /// Checks all cells. A changed number of cells counts as a jump, and so does an empty list while earlier cells are held.
    pub(super) fn check(&mut self, reported: &[Volts], context: ReadingContext) -> Cells {
        let none = reported.is_empty() && self.held_value(context.now, context.held_for);
        let count = (!reported.is_empty()).then_some(reported.len() as f64);
        if none || self.count.check(count, EXACT, context).held {
            return self.hold(reported, context);
        }
        if self.cells.len() != reported.len() && !reported.is_empty() {
            self.cells = vec![Channel::default(); reported.len()];
        }
        let judged: Vec<GuardedValue> =
            self.cells.iter_mut().zip(reported).map(|(cell, reported)| cell.check(Some(reported.get()), CELL, context)).collect();
        let listed: Vec<Volts> = judged.iter().map(|cell| Volts::new(cell.accepted.unwrap_or(0.0))).collect();
        let recent = judged.iter().all(|cell| cell.published == cell.accepted);
        let published = if recent { listed.clone() } else { Vec::new() };
        self.listed.clone_from(&listed);
        Cells::of(&judged, listed, published, false)
    }

    /// The last accepted cells, while they may replace the reported ones. After that every reported value is doubtful.
    fn hold(&self, reported: &[Volts], context: ReadingContext) -> Cells {
        let within = |longest: Duration| {
            let held = self.listed.iter().zip(&self.cells).map(|(listed, cell)| {
                if listed.get() == 0.0 { Some(*listed) } else { cell.held_value(context.now, longest).map(Volts::new) }
            });
            held.collect::<Option<Vec<Volts>>>().unwrap_or_default()
        };
        let listed = within(context.held_for);
        let doubtful = |cell: &Volts| CELL.allow(cell.get()).then_some(cell.get());
        let reported = if listed.is_empty() { reported } else { &[] };
        let judged: Vec<GuardedValue> =
            reported.iter().map(|cell| GuardedValue { doubtful: doubtful(cell), held: true, ..GuardedValue::default() }).collect();
        Cells::of(&judged, listed, within(HELD_FOR), true)
    }

    /// Mean of the cells accepted last, however old.
    pub(super) fn mean(&self) -> Option<f64> {
        cells::mean(self.cells.iter().filter_map(Channel::last))
    }

    /// Whether accepted voltages may still replace doubtful ones.
    pub(super) fn held_value(&self, now: Moment, longest: Duration) -> bool {
        self.cells.iter().any(|cell| cell.held_value(now, longest).is_some())
    }
}

impl Cells {
    fn of(judged: &[GuardedValue], listed: Vec<Volts>, published: Vec<Volts>, held: bool) -> Self {
        let extreme = |pick: fn(f64, f64) -> f64, doubtful: fn(&GuardedValue) -> Option<f64>| {
            let real = listed.iter().map(|cell| cell.get()).filter(|cell| *cell > PLAUSIBLE_CELL);
            least(real.chain(judged.iter().filter_map(doubtful)), pick).map(Volts::new)
        };
        let worst = GuardedValue {
            // Only whether there is a value matters here.
            accepted: judged.iter().all(|cell| !cell.is_missing()).then_some(0.0),
            doubtful: judged.iter().find_map(|cell| cell.doubtful),
            held: held || judged.iter().any(|cell| cell.held),
            impossible: judged.iter().any(|cell| cell.impossible),
            broken: judged.iter().any(|cell| cell.broken),
            ..GuardedValue::default()
        };
        Self {
            accepted: (extreme(f64::max, |_| None), extreme(f64::min, |_| None)),
            cautious: (extreme(f64::max, |cell| cell.doubtful), extreme(f64::min, |cell| cell.doubtful)),
            worst,
            listed,
            published,
        }
    }
}
