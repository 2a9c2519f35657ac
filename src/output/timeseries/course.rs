//! The course of one battery's values. Pure: samples and time go in.
//!
//! Minutes are counted on the monotonic clock, so that jumps of the wall clock do not split or merge them. Each closed minute is
//! added to the quarter of an hour and the day of the wall clock; while that is not set, minutes wait. A quarter that occurs twice
//! is merged. Data that a wrong clock put into the future is hidden, and discarded first.

use super::bin::{Bin, Energy, Sample};
use super::record::{self, Day, Piece};
use crate::base::time::Now;
use crate::base::units::Moment;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub use super::record::{DAYS, QUARTERS};

/// Number of minutes kept.
pub const MINUTES: usize = 1440;
/// Maximum gap between samples for which the power counts.
const MAX_SAMPLE_GAP: Duration = Duration::from_secs(30);
const MINUTE: u64 = 60;
const QUARTER: u64 = 900;

/// The course of a battery.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// Closed minutes since the clock's origin, the newest last.
    minutes: VecDeque<(u64, Bin)>,
    /// Number of the last minutes still waiting for the wall clock.
    unplaced: usize,
    /// The open minute.
    open: Option<(u64, Bin)>,
    energy: Energy,
    last: Option<(Moment, Option<f64>)>,
    quarters: BTreeMap<u32, Bin>,
    days: BTreeMap<u32, Day>,
    /// Not yet written to the file.
    new_quarters: BTreeSet<u32>,
    new_days: BTreeSet<u32>,
    /// Local time less UTC, s.
    offset: i64,
}

impl Course {
    /// An empty course; days begin at midnight, `offset_h` hours ahead of UTC.
    pub fn new(offset_h: f64) -> Self {
        Self { offset: (offset_h * 3600.0).round() as i64, ..Self::default() }
    }

    /// Loads the content of the file.
    pub fn load(&mut self, file: &[u8]) {
        let (days, quarters) = record::read(file);
        self.days.extend(days);
        self.quarters.extend(quarters);
    }

    /// Adds a sample.
    pub fn add(&mut self, sample: &Sample, now: Now) {
        if let Some((at, Some(power))) = self.last
            && now.at.since(at) <= MAX_SAMPLE_GAP
        {
            self.energy.add(power, now.at.since(at));
        }
        self.last = Some((now.at, sample.power.filter(|power| power.is_finite())));
        let minute = now.at.since_origin().as_secs() / MINUTE;
        if self.open.is_some_and(|(open, _)| open != minute) {
            self.close(now);
        }
        let mut bin = Bin::of(sample);
        self.energy.pour(&mut bin);
        match &mut self.open {
            Some((_, open)) => open.join(&bin),
            None => self.open = Some((minute, bin)),
        }
    }

    /// Closes the open minute.
    fn close(&mut self, now: Now) {
        let Some(closed) = self.open.take() else { return };
        self.minutes.push_back(closed);
        self.unplaced = self.unplaced.saturating_add(1);
        if self.minutes.len() > MINUTES {
            self.minutes.pop_front();
            self.unplaced = self.unplaced.min(MINUTES);
        }
        self.place(now);
    }

    /// Assigns waiting minutes to the wall clock, if it is set.
    fn place(&mut self, now: Now) {
        let Some(unix) = now.unix else { return };
        let waiting = self.minutes.len().saturating_sub(self.unplaced);
        for (minute, bin) in self.minutes.iter().skip(waiting) {
            let ago = now.at.since_origin().as_secs().saturating_sub(minute.saturating_mul(MINUTE));
            let begin = unix.saturating_sub(ago);
            let Ok(quarter) = u32::try_from(begin / QUARTER) else { continue };
            self.quarters.entry(quarter).or_default().join(bin);
            self.new_quarters.extend([quarter]);
            let day = local_day(begin, self.offset);
            if bin.charged > 0 || bin.discharged > 0 {
                let energy = self.days.entry(day).or_default();
                energy.charged = energy.charged.saturating_add(bin.charged);
                energy.discharged = energy.discharged.saturating_add(bin.discharged);
                self.new_days.extend([day]);
            }
        }
        self.unplaced = 0;
        let quarter = u32::try_from(unix / QUARTER).unwrap_or(u32::MAX);
        shrink(&mut self.quarters, &mut self.new_quarters, QUARTERS, quarter);
        shrink(&mut self.days, &mut self.new_days, DAYS, local_day(unix, self.offset));
    }

    /// Takes the data to write, which then counts as written. With `last`, includes the open minute, for the end of the program.
    pub fn unsaved(&mut self, now: Now, last: bool) -> Vec<Piece> {
        if last {
            self.close(now);
        }
        let quarters = std::mem::take(&mut self.new_quarters);
        let days = std::mem::take(&mut self.new_days);
        let days = days.iter().filter_map(|number| Some(record::write_day(*number, *self.days.get(number)?)));
        let quarters = quarters.iter().filter_map(|number| Some(record::write_quarter(*number, self.quarters.get(number)?)));
        days.chain(quarters).collect()
    }

    /// All data, for a new file.
    pub fn whole(&self) -> Vec<Piece> {
        let days = self.days.iter().map(|(number, day)| record::write_day(*number, *day));
        let quarters = self.quarters.iter().map(|(number, bin)| record::write_quarter(*number, bin));
        days.chain(quarters).collect()
    }

    /// The minutes with their start in seconds since the clock's origin, the open one last.
    pub(super) fn minutes(&self) -> impl Iterator<Item = (u64, &Bin)> {
        self.minutes.iter().chain(&self.open).map(|(minute, bin)| (minute.saturating_mul(MINUTE), bin))
    }

    /// The quarters from `from` on, each with its start in Unix time.
    pub(super) fn quarters(&self, from: u64) -> impl Iterator<Item = (u64, &Bin)> {
        let first = u32::try_from(from / QUARTER).unwrap_or(u32::MAX);
        self.quarters.range(first..).map(|(quarter, bin)| (u64::from(*quarter).saturating_mul(QUARTER), bin))
    }

    /// The local day of a time, counted from 1970.
    pub(super) fn day_of(&self, unix: u64) -> u32 {
        local_day(unix, self.offset)
    }

    /// Energy per day up to `unix`, days counted from 1970.
    pub fn days(&self, unix: u64) -> impl Iterator<Item = (u32, Day)> {
        let today = local_day(unix, self.offset);
        self.days.range(today.saturating_sub(DAYS)..=today).map(|(number, day)| (*number, *day))
    }
}

fn local_day(unix: u64, offset: i64) -> u32 {
    u32::try_from(unix.saturating_add_signed(offset) / 86_400).unwrap_or(u32::MAX)
}

/// Drops the entries farthest from now, until at most `most` are left.
fn shrink<T>(kept: &mut BTreeMap<u32, T>, unsaved: &mut BTreeSet<u32>, most: u32, now: u32) {
    while kept.len() > most as usize {
        let ends = kept.keys().next().copied().zip(kept.keys().next_back().copied());
        let Some((first, last)) = ends else { return };
        let farthest = if last.abs_diff(now) > first.abs_diff(now) { last } else { first };
        kept.remove(&farthest);
        unsaved.remove(&farthest);
    }
}
