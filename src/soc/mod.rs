//! State of charge: the BMS's own or counted here, never above what voltage and a full charge prove.
//!
//! [`step`] is pure: configuration, a reading, explicit [`Memory`] and time go in, the SoC to show comes out.
//!
//! - **Counting** starts from the BMS's SoC as soon as three readings agree on it, or from an end that was reached.
//! - **Ends** ([`End`]): the pack stands at its charge voltage with a small current, or charge control says full and it stands
//!   near; the lowest cell stands at its end of discharge, the mean of all near it, while current is drawn. The count is then set
//!   to 100 or 0 %.
//! - **Gaps and restarts** are not counted. If the BMS's SoC moved by more than 5 % meanwhile, the count starts anew from it;
//!   otherwise it stands. So a saved count needs no clock to be trusted, and a restart is a gap like any other.
//! - **What is shown** follows the count by at most 1 % per second, so that nothing on the bus jumps when the count is set anew.
//! - **Charge control** sees the cautious one: the higher of both SoCs for charging, the lower for discharging.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod counter;
mod ends;
pub mod forecast;
pub mod health;
mod low;

pub use counter::Count;
pub use ends::End;
pub use low::LowSoc;

use crate::charge::cells::PLAUSIBLE_CELL;
use crate::charge::chemistry::{Curve, interpolate};
use crate::model::Reading;
use crate::units::{AmpHours, Amps, Moment, Percent, Volts};
use counter::Steady;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How fast the SoC that is shown may follow, % per second.
pub const SLEW_PCT_PER_S: f64 = 1.0;
/// The most that is shown before a full charge was reached, %, where that is asked for.
pub const HELD_PCT: f64 = 98.0;

/// Where the SoC comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// From the BMS.
    #[default]
    Bms,
    /// From the current, counted here; from the BMS as long as there is nothing to count from.
    Counted,
}

/// Settings of SoC, times and the measured current.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where the SoC comes from.
    pub source: Source,
    /// Real current in A over the reported one; two or more points, both rising.
    pub correction: Option<Curve>,
    /// Most SoC in % over the mean cell voltage in V; unset = no cap.
    pub caps: Option<Curve>,
    /// Show at most [`HELD_PCT`] until a full charge was reached.
    pub hold_below_full: bool,
    /// Mean cell voltage of a full pack; unset = the charge voltage.
    pub full_cell: Option<Volts>,
    /// Current, in parts of the capacity per hour, under which a pack at that voltage is full.
    pub tail_c: f64,
    /// How long both must last.
    pub full_after: Duration,
    /// Lowest cell of an empty pack; unset = the chemistry's end of discharge.
    pub empty_cell: Option<Volts>,
    /// How long it must stay there under load.
    pub empty_after: Duration,
    /// Time over which the current is averaged for the times.
    pub average_over: Duration,
    /// SoC at which the time to go ends.
    pub floor: Percent,
    /// SoC levels in % to which the time is told.
    pub levels: Vec<u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: Source::Bms,
            correction: None,
            caps: None,
            hold_below_full: false,
            full_cell: None,
            tail_c: 0.04,
            full_after: Duration::from_secs(180),
            empty_cell: None,
            empty_after: Duration::from_secs(60),
            average_over: Duration::from_secs(300),
            floor: Percent::ZERO,
            levels: Vec::new(),
        }
    }
}

impl Config {
    /// The SoC to show may differ from the BMS's.
    pub fn is_own(&self) -> bool {
        self.source == Source::Counted || self.caps.is_some() || self.hold_below_full
    }

    /// The real current behind a reported one: straight lines through the points, which go on beyond both ends.
    pub fn correct(&self, reported: Amps) -> Amps {
        let points = self.correction.as_deref().unwrap_or_default();
        let mut segments = points.iter().zip(points.iter().skip(1));
        let Some(first) = segments.next() else { return reported };
        let (a, b) = segments.take_while(|(from, _)| from.0 <= reported.get()).last().unwrap_or(first);
        let slope = (b.1 - a.1) / (b.0 - a.0);
        Amps::new(a.1 + slope * (reported.get() - a.0))
    }
}

/// One reading and what is known around it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Guarded, with the real current.
    pub reading: &'a Reading,
    /// Installed capacity.
    pub capacity: Option<AmpHours>,
    /// Cell voltage that the pack is charged to, once the chemistry is certain.
    pub charge_cell: Option<Volts>,
    /// Cell voltage at the end of discharge, once the chemistry is certain.
    pub min_cell: Option<Volts>,
    /// Charge control has found the battery full since the reading before.
    pub became_full: bool,
    /// Longest time between readings that is no gap.
    pub longest: Duration,
    /// When the reading was taken.
    pub now: Moment,
}

impl Input<'_> {
    /// Mean of all cells; unknown when one of them reads what no cell can have.
    fn mean_cell(&self) -> Option<f64> {
        let cells = &self.reading.cells;
        let sound = !cells.is_empty() && cells.iter().all(|cell| cell.get() > PLAUSIBLE_CELL);
        sound.then(|| cells.iter().map(|cell| cell.get()).sum::<f64>() / cells.len() as f64)
    }
}

/// What is remembered from reading to reading; the serialised part survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The count, while it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Count>,
    /// A full charge was reached, and the SoC has not fallen below [`HELD_PCT`] since.
    reached_full: bool,
    #[serde(skip)]
    bms: Steady,
    #[serde(skip)]
    ends: ends::Watch,
    #[serde(skip)]
    shown: Option<(f64, Moment)>,
}

impl Memory {
    /// The memory after a restart; a count that cannot be is dropped.
    pub fn restored(mut self) -> Self {
        self.count = self.count.filter(Count::is_sound);
        self
    }
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// SoC to show.
    pub soc: Option<Percent>,
    /// Charge left that goes with it.
    pub remaining: Option<AmpHours>,
    /// The lowest and the highest SoC that the battery may have by our own means, for charge control.
    pub range: Option<(Percent, Percent)>,
    /// Estimated error of the count.
    pub drift: Option<Percent>,
    /// The count was set to an end just now.
    pub synced: bool,
    /// Sentences for the log.
    pub notices: Vec<String>,
}

/// One reading further.
pub fn step(config: &Config, input: &Input<'_>, memory: &mut Memory) -> Outcome {
    let reading = input.reading;
    let mut outcome = Outcome { soc: reading.soc, remaining: reading.remaining, ..Outcome::default() };
    if !config.is_own() {
        memory.count = None;
        return outcome;
    }
    let end = memory.ends.step(config, input);
    let bms = reading.soc.map(Percent::get);
    let counted = match config.source {
        Source::Counted => counter::step(input, end, memory, &mut outcome),
        Source::Bms => None,
    };
    outcome.drift = memory.count.as_ref().map(Count::drift);
    let Some(believed) = counted.or(bms) else {
        memory.shown = None;
        return outcome;
    };
    memory.reached_full = end == Some(End::Full) || (memory.reached_full && believed >= HELD_PCT);
    let cap = config.caps.as_deref().zip(input.mean_cell()).map_or(100.0, |(caps, cell)| interpolate(caps, cell));
    let held = if config.hold_below_full && !memory.reached_full { HELD_PCT } else { 100.0 };
    let shown = follow(believed.min(cap).min(held), memory.shown, input);
    memory.shown = Some((shown, input.now));

    outcome.soc = Some(Percent::new(shown));
    outcome.range = Some((Percent::new(shown.min(believed).min(cap)), Percent::new(shown.max(believed))));
    let capacity = memory.count.as_ref().map(Count::capacity).or(input.capacity);
    if counted.is_some() || bms.is_some_and(|bms| shown < bms) {
        outcome.remaining = capacity.map(|capacity| capacity * (shown / 100.0)).or(outcome.remaining);
    }
    outcome
}

/// The next value to show on the way to `target`; after a gap, in which nothing was shown, the target itself.
fn follow(target: f64, shown: Option<(f64, Moment)>, input: &Input<'_>) -> f64 {
    match shown.map(|(value, at)| (value, input.now.since(at))) {
        Some((value, elapsed)) if elapsed <= input.longest => {
            let reach = SLEW_PCT_PER_S * elapsed.as_secs_f64();
            target.clamp(value - reach, value + reach)
        }
        _ => target,
    }
}
