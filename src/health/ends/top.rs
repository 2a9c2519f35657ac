//! The top: who arrives when at the knee of the curve tells the charge offsets of the cells.

use super::super::cell::Cell;
use super::super::curve::{LATE, TOP, TOP_LEVELS};
use super::super::line::{Line, median};
use super::{LEAST_CURRENT, Look, Passing, median_passing};
use serde::{Deserialize, Serialize};

/// A charge begins and ends here, V of the highest cell.
const BEGIN: f64 = 3.360;
const END: f64 = 3.340;
/// So much taken out ends a charge, share of the capacity.
const TAKEN_OUT: f64 = 0.015;
/// A curve flatter than this is no knee, share of the capacity per V.
const STEEP: f64 = 0.8;
/// A cell this far below the median cell's highest voltage is late, V.
const LATE_GAP: f64 = 0.015;
/// How much a late cell's SoC may be better than thought, share of the capacity.
const LATE_DOUBT: f64 = 0.01;
/// Weight of a cell's levels from which its arrival counts for self-discharge.
const GOOD_WEIGHT: f64 = 0.8;
/// The level whose counts tell the offset of the current: TOP[2].
const COUNT_LEVEL: usize = 2;

/// The battery at the top.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Top {
    /// A charge is under way.
    active: bool,
    /// Time and count at its begin, s and Ah.
    began: f64,
    base: f64,
    /// Highest count of this charge, Ah from its begin.
    highest: f32,
    /// When the median cell passed each level, s from the begin.
    times: [f32; TOP_LEVELS],
    /// Finished charges.
    pub(in super::super) count: u32,
    /// Day of the end of the last one, and of its full moment.
    pub(in super::super) last: f32,
    /// Cells that did not arrive at the last one, bits.
    late: u32,
    /// Difference of the cells' offsets, Ah, and its trend.
    pub(in super::super) spread: f32,
    pub(in super::super) spreads: Line,
    /// Trend of the count at full, Ah over days.
    pub(in super::super) counts: Line,
    pub(in super::super) anchor: Option<Anchor>,
}

/// A moment at which the median cell's SoC was known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Anchor {
    /// Count, Ah, and its doubt.
    pub(in super::super) charge: f64,
    pub(in super::super) doubt: f32,
    /// s since the first reading.
    pub(in super::super) elapsed: f64,
    /// 0 to 1.
    pub(in super::super) soc: f32,
    pub(in super::super) is_settled: bool,
}

/// A cell at the top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct CellTop {
    #[serde(rename = "p")]
    passed: [Passing; TOP_LEVELS],
    /// Highest open voltage of this charge, V.
    #[serde(rename = "h")]
    highest: f32,
    /// What the balancer had put in at the last arrival, Ah.
    #[serde(rename = "b")]
    balanced: f32,
    /// Charge above the median cell's, less what the balancer has put in, Ah.
    #[serde(rename = "o")]
    pub(in super::super) offset: f32,
    /// The same when it last arrived, and that day; 0: never.
    #[serde(rename = "a")]
    pub(in super::super) arrived_offset: f32,
    #[serde(rename = "d")]
    pub(in super::super) arrived: f32,
    /// Trend of the offset without balancing, Ah over days.
    #[serde(rename = "l")]
    pub(in super::super) line: Line,
}

/// The levels of one finished charge.
struct Levels {
    /// Count at which the median cell passed each.
    median: [Option<f64>; TOP_LEVELS],
    /// The curve is steep there: this is the knee, not the plateau under current.
    steep: [bool; TOP_LEVELS],
    /// Indices of the lowest and the highest steep one.
    lowest: usize,
    highest: usize,
}

impl Levels {
    fn of(cells: &[Cell], nominal: f64) -> Option<Self> {
        let median: [Option<f64>; TOP_LEVELS] = std::array::from_fn(|j| {
            median_passing(cells.iter().filter_map(|cell| cell.top.passed.get(j).copied()), nominal, false)
        });
        let mut steep = [false; TOP_LEVELS];
        for (j, (levels, counts)) in TOP.windows(2).zip(median.windows(2)).enumerate() {
            let ([low, high], [Some(before), Some(after)]) = (levels, counts) else { continue };
            if after - before < STEEP * nominal * (high.voltage - low.voltage) {
                steep.iter_mut().skip(j).take(2).for_each(|steep| *steep = true);
            }
        }
        let lowest = steep.iter().position(|steep| *steep)?;
        let highest = steep.iter().rposition(|steep| *steep)?;
        Some(Self { median, steep, lowest, highest })
    }

    /// Count of the median cell at a level.
    fn count(&self, level: usize) -> f64 {
        self.median.get(level).copied().flatten().unwrap_or_default()
    }
}

/// How a cell came through a finished charge.
enum Arrival {
    /// Charge above the median cell's, and the weight of what tells it.
    At { offset: f64, weight: f64 },
    /// It did not arrive, though the median cell did: its charge is at most this.
    Late { offset: f64 },
    /// It came while nobody looked.
    Unknown,
}

impl Top {
    /// Looks at the voltages.
    pub(in super::super) fn look(&mut self, look: &Look, cells: &mut [Cell]) {
        if !self.active && look.highest() > BEGIN {
            self.begin(look, cells);
        }
        if !self.active {
            return;
        }
        let now = look.charge - self.base;
        self.highest = self.highest.max(now as f32);
        if look.current > LEAST_CURRENT * look.nominal {
            self.pass(look, cells);
        }
        if look.highest() < END || now < f64::from(self.highest) - TAKEN_OUT * look.nominal {
            self.active = false;
            self.finish(look, cells);
        }
    }

    fn begin(&mut self, look: &Look, cells: &mut [Cell]) {
        (self.active, self.began, self.base, self.highest) = (true, look.elapsed, look.charge, 0.0);
        for (cell, open) in cells.iter_mut().map(|cell| &mut cell.top).zip(look.open) {
            cell.highest = 0.0;
            cell.passed = TOP.map(|level| if *open >= level.voltage { Passing::UNSEEN } else { Passing::PENDING });
        }
    }

    /// Notes who passes which level.
    fn pass(&mut self, look: &Look, cells: &mut [Cell]) {
        for (cell, open) in cells.iter_mut().zip(look.open) {
            cell.top.highest = cell.top.highest.max(*open as f32);
        }
        for (j, level) in TOP.iter().enumerate() {
            let known = cells.iter().filter(|cell| cell.top.passed.get(j).is_some_and(|passed| passed.is_known())).count();
            let mut anybody = false;
            for (cell, (now, before)) in cells.iter_mut().zip(look.voltages()) {
                let Some(passed) = cell.top.passed.get_mut(j).filter(|passed| passed.is_pending() && now >= level.voltage) else {
                    continue;
                };
                *passed =
                    if before < level.voltage { look.passing(self.base, before, now, level.voltage) } else { Passing::UNSEEN };
                if passed.is_known() {
                    cell.top.balanced = cell.balanced as f32;
                    anybody = true;
                }
            }
            if let Some(time) = self.times.get_mut(j).filter(|_| anybody && known <= cells.len() / 2) {
                *time = (look.elapsed - self.began) as f32;
            }
        }
    }

    /// A charge has ended.
    fn finish(&mut self, look: &Look, cells: &mut [Cell]) {
        let Some(levels) = Levels::of(cells, look.nominal) else { return };
        let full = self.time(levels.highest);
        let day = full / super::DAY;
        let usual = median(cells.iter().map(|cell| f64::from(cell.top.highest))).unwrap_or_default();
        let (mut lowest, mut highest) = (f64::MAX, f64::MIN);
        self.late = 0;
        for (k, cell) in cells.iter_mut().enumerate() {
            match self.arrival(&levels, look, usual, &cell.top) {
                Arrival::Unknown => continue,
                Arrival::At { offset, weight } => cell.arrive(offset, day, look.is_settled && weight >= GOOD_WEIGHT),
                Arrival::Late { offset } => {
                    self.late |= 1u32.checked_shl(u32::try_from(k).unwrap_or(u32::MAX)).unwrap_or_default();
                    cell.top.balanced = cell.balanced as f32;
                    cell.top.offset = (offset - cell.balanced) as f32;
                }
            }
            let offset = f64::from(cell.top.offset) + cell.balanced;
            (lowest, highest) = (lowest.min(offset), highest.max(offset));
        }
        if highest >= lowest {
            self.spread = (highest - lowest) as f32;
        }
        if look.is_settled && highest >= lowest {
            self.spreads.add(day, f64::from(self.spread));
        }
        if levels.steep.get(COUNT_LEVEL) == Some(&true) {
            self.counts.add(self.time(COUNT_LEVEL) / super::DAY, self.base + levels.count(COUNT_LEVEL));
        }
        self.anchor = Some(Anchor {
            charge: self.base + levels.count(levels.highest),
            doubt: look.doubt as f32,
            elapsed: full,
            soc: TOP.get(levels.highest).map_or(1.0, |level| level.soc) as f32,
            is_settled: look.is_settled,
        });
        self.count = self.count.saturating_add(1);
        self.last = look.days() as f32;
    }

    /// When the median cell passed a level, s since the first reading.
    fn time(&self, level: usize) -> f64 {
        self.began + self.times.get(level).map_or(0.0, |time| f64::from(*time))
    }

    fn arrival(&self, levels: &Levels, look: &Look, usual: f64, cell: &CellTop) -> Arrival {
        // The two highest levels: steepest, and nearest to the moment whose balancing was noted.
        let known = TOP.iter().zip(&levels.steep).zip(cell.passed.iter().zip(&levels.median)).rev();
        let known = known.filter_map(|((level, steep), (passed, median))| {
            let (true, Some(own), Some(median)) = (*steep, passed.count(look.nominal), *median) else { return None };
            Some((level.weight, level.weight * (median - own)))
        });
        let (weight, sum) = known.take(2).fold((0.0, 0.0), |(weight, sum), (w, x)| (weight + w, sum + x));
        if weight > 0.0 {
            return Arrival::At { offset: sum / weight, weight };
        }
        let unseen = cell.passed.iter().take(levels.highest + 1).any(|passed| passed.is_unseen());
        if unseen || usual - f64::from(cell.highest) < LATE_GAP {
            return Arrival::Unknown;
        }
        Arrival::Late { offset: self.late_offset(levels, look.nominal, f64::from(cell.highest)) }
    }

    /// The most that a cell can have that never arrived.
    fn late_offset(&self, levels: &Levels, nominal: f64, highest: f64) -> f64 {
        let end = f64::from(self.highest);
        let by_count = (levels.count(levels.lowest) - end + LATE_DOUBT * nominal).min(0.0);
        let full = TOP.get(levels.highest).map_or(1.0, |level| level.soc);
        let after = (end - levels.count(levels.highest)).max(0.0);
        let below = LATE.iter().filter(|(voltage, _)| highest < *voltage);
        below.map(|(_, soc)| (soc - full) * nominal - after).fold(by_count, f64::min)
    }

    /// A cell, by its index, did not arrive at the last charge.
    pub(in super::super) fn is_late(&self, index: usize) -> bool {
        u32::try_from(index).is_ok_and(|index| self.late.checked_shr(index).unwrap_or_default() & 1 == 1)
    }
}

impl Cell {
    /// It arrived at the top this much before the median cell.
    fn arrive(&mut self, offset: f64, day: f64, is_good: bool) {
        let unbalanced = offset - f64::from(self.top.balanced);
        if is_good {
            self.top.line.add(day, unbalanced);
        }
        // The line through the last days knows better than one arrival.
        self.top.offset = self.top.line.at(day).unwrap_or(unbalanced) as f32;
        (self.top.arrived_offset, self.top.arrived) = (self.top.offset, day as f32);
    }
}
