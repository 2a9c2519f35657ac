//! State of charge: the BMS's own or counted by the driver, bounded by what voltage and a full charge prove.
//!
//! [`step`] is pure: configuration, a reading, explicit [`Memory`] and time go in, the SoC to publish comes out.
//!
//! - **Counting** starts from the BMS's SoC as soon as three readings agree on it, or from an end that was reached.
//! - **Ends** ([`End`]). Full: the pack is at its charge voltage with a small current, or charge control has found it full and it
//!   is near that voltage. Empty: the lowest cell is at the end of discharge and the mean of all is near it, while current is
//!   drawn. The count is then set to 100 or 0 %.
//! - **Gaps and restarts** are not counted. If the BMS's SoC moved by more than 5 % meanwhile, the count restarts from it;
//!   otherwise it continues. So a saved count does not depend on a clock, and a restart is a gap like any other.
//! - **The published SoC** follows the count by at most 1 % per second, so that it does not jump when the count is corrected.
//! - **Charge control** uses the more cautious of both SoCs: the higher one for charging, the lower one for discharging.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod counter;
mod ends;
pub mod forecast;
pub mod health;
mod low;
mod state;

pub use counter::Count;
pub use ends::End;
pub use low::LowSoc;
pub(crate) use state::SocState;

use crate::base::units::{AmpHours, Amps, Moment, Percent, Volts};
use crate::battery::charge::cells::PLAUSIBLE_CELL;
use crate::battery::charge::chemistry::{Curve, interpolate};
use crate::battery::external::ExternalConfig;
use crate::model::Reading;
use counter::ConfirmedSoc;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Maximum rate of the published SoC, % per second.
pub const SLEW_PCT_PER_S: f64 = 1.0;
/// Maximum of the published SoC before a full charge, %, if configured.
pub const HELD_PCT: f64 = 98.0;

/// Source of the SoC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// From the BMS.
    #[default]
    Bms,
    /// Counted from the current by the driver; from the BMS until the count has started.
    Counted,
}

/// Settings of SoC, forecasts and current correction.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Source of the SoC.
    pub source: Source,
    /// Real current in A over the reported one; two or more points, both rising.
    pub correction: Option<Curve>,
    /// Maximum SoC in % over the mean cell voltage in V; unset = no cap.
    pub caps: Option<Curve>,
    /// Limit the SoC to [`HELD_PCT`] until a full charge.
    pub hold_below_full: bool,
    /// Mean cell voltage of a full pack; unset = the charge voltage.
    pub full_cell: Option<Volts>,
    /// Current, as a fraction of the capacity per hour, below which a pack at that voltage is full.
    pub tail_c: f64,
    /// How long both conditions must last.
    pub full_after: Duration,
    /// Lowest cell of an empty pack; unset = the chemistry's end of discharge.
    pub empty_cell: Option<Volts>,
    /// How long it must stay there under load.
    pub empty_after: Duration,
    /// Averaging time of the current for the forecasts.
    pub average_over: Duration,
    /// SoC at which the time to go is 0.
    pub floor: Percent,
    /// SoC levels in % to forecast.
    pub levels: Vec<u8>,
    /// Published SoC up to which the low-SoC warning is raised, instead of the BMS's alarm; 0 = never.
    pub low_warning: Option<Percent>,
    /// The same for the alarm.
    pub low_alarm: Option<Percent>,
    /// Values of another device instead of the BMS's.
    pub external: ExternalConfig,
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
            low_warning: None,
            low_alarm: None,
            external: ExternalConfig::default(),
        }
    }
}

impl Config {
    /// Whether the published SoC may differ from the BMS's.
    pub fn is_own(&self) -> bool {
        self.source == Source::Counted || self.caps.is_some() || self.hold_below_full || self.external.soc
    }

    /// The real current for a reported one: linear interpolation, extrapolated beyond both ends.
    pub fn correct(&self, reported: Amps) -> Amps {
        let points = self.correction.as_deref().unwrap_or_default();
        let mut segments = points.iter().zip(points.iter().skip(1));
        let Some(first) = segments.next() else { return reported };
        let (a, b) = segments.take_while(|(from, _)| from.0 <= reported.get()).last().unwrap_or(first);
        let slope = (b.1 - a.1) / (b.0 - a.0);
        Amps::new(a.1 + slope * (reported.get() - a.0))
    }
}

/// One reading, with data from other sources.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Guarded reading with corrected current.
    pub reading: &'a Reading,
    /// Installed capacity.
    pub capacity: Option<AmpHours>,
    /// Cell voltage that the pack is charged to, once the chemistry is certain.
    pub charge_cell: Option<Volts>,
    /// Cell voltage at the end of discharge, once the chemistry is certain.
    pub min_cell: Option<Volts>,
    /// Charge control has found the battery full since the previous reading.
    pub became_full: bool,
    /// The SoC of the reading is that of another device.
    pub external_soc: bool,
    /// Maximum time between readings without a gap.
    pub longest: Duration,
    /// Time of the reading.
    pub now: Moment,
}

impl Input<'_> {
    /// Mean of all cells; unknown if one of them has an impossible voltage.
    fn mean_cell(&self) -> Option<f64> {
        let cells = &self.reading.cells;
        let sound = !cells.is_empty() && cells.iter().all(|cell| cell.get() > PLAUSIBLE_CELL);
        sound.then(|| cells.iter().map(|cell| cell.get()).sum::<f64>() / cells.len() as f64)
    }
}

/// State between readings; the serialised part survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The count, if configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Count>,
    /// A full charge was reached, and the SoC has not fallen below [`HELD_PCT`] since.
    reached_full: bool,
    #[serde(skip)]
    bms: ConfirmedSoc,
    #[serde(skip)]
    ends: ends::EndDetector,
    #[serde(skip)]
    shown: Option<(f64, Moment)>,
}

impl Memory {
    /// State after a restart; an impossible count is dropped.
    pub fn restored(self) -> Self {
        let Self { count, reached_full, bms, ends, shown } = self;
        Self { count: count.filter(Count::is_sound), reached_full, bms, ends, shown }
    }
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// SoC to publish.
    pub soc: Option<Percent>,
    /// Remaining charge at that SoC.
    pub remaining: Option<AmpHours>,
    /// Lowest and highest possible SoC of the battery according to the driver, for charge control.
    pub range: Option<(Percent, Percent)>,
    /// Estimated error of the count.
    pub drift: Option<Percent>,
    /// The count has just been set to an end.
    pub synced: bool,
    /// Log messages.
    pub notices: Vec<String>,
}

/// Processes one reading.
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
    if counted.is_some() || input.external_soc || bms.is_some_and(|bms| shown < bms) {
        outcome.remaining = capacity.map(|capacity| capacity * (shown / 100.0)).or(outcome.remaining);
    }
    outcome
}

/// Next value to publish on the way to `target`; after a gap, in which nothing was published, `target` itself.
fn follow(target: f64, shown: Option<(f64, Moment)>, input: &Input<'_>) -> f64 {
    match shown.map(|(value, at)| (value, input.now.since(at))) {
        Some((value, elapsed)) if elapsed <= input.longest => {
            let reach = SLEW_PCT_PER_S * elapsed.as_secs_f64();
            target.clamp(value - reach, value + reach)
        }
        _ => target,
    }
}
