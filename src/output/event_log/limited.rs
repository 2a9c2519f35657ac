//! How long each rule limited the current, per day, and how long that was felt. Pure.

use crate::base::calendar::date;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::output::api::View;
use crate::output::registry::Views;
use crate::output::restriction::Restriction;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Number of days kept.
pub const LIMITED_DAYS: usize = 31;
/// Maximum number of rules per day; more are not expected, and would be left out.
const MAX_RULES: usize = 24;
/// Maximum gap between views for which a limit counts.
const MAX_GAP: Duration = Duration::from_secs(30);

/// A rule on one day.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleTime {
    /// `charge` or `discharge`.
    pub direction: Cow<'static, str>,
    /// The rule, as in `limits.ccl.rule`.
    pub rule: Cow<'static, str>,
    /// The battery of a bank that set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery: Option<String>,
    /// The cell by which it acted at the lowest limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<u16>,
    /// How long it held the limit below the maximum, s.
    pub limited_s: f64,
    /// How long the current was at that limit, so that more may have been wanted, s.
    pub felt_s: f64,
    /// How long nothing was allowed, so that nobody knows whether more was wanted, s.
    pub zero_s: f64,
    /// The lowest limit, A.
    pub lowest_a: f64,
    /// Its first start on that day, since 1970.
    pub from: u64,
    /// Its last time on that day, since 1970.
    pub to: u64,
}

/// The rules of all days.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LimitedTimes {
    /// By local day, counted from 1970.
    days: BTreeMap<u32, Vec<RuleTime>>,
    /// Local time less UTC, s.
    offset: i64,
    last: Option<(Moment, [Option<Restriction>; 2])>,
    is_unsaved: bool,
}

/// A day as stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitedDay {
    /// `2026-11-26`, local.
    pub date: String,
    /// The day, counted from 1970.
    #[serde(default)]
    pub day: u32,
    /// Its rules, the longest felt first.
    pub rules: Vec<RuleTime>,
}

fn local_day(unix: u64, offset: i64) -> u32 {
    u32::try_from(unix.saturating_add_signed(offset) / 86_400).unwrap_or(u32::MAX)
}

impl LimitedTimes {
    /// The stored days; days begin at midnight, `offset_h` hours ahead of UTC.
    pub(super) fn loaded(days: Vec<LimitedDay>, offset_h: f64) -> Self {
        let days =
            days.into_iter().take(LIMITED_DAYS).map(|day| (day.day, day.rules.into_iter().take(MAX_RULES).collect())).collect();
        Self { days, offset: (offset_h * 3600.0).round() as i64, ..Self::default() }
    }

    /// Takes note of the newest view: what it says counts from now until the next one.
    pub fn observe(&mut self, view: &View, views: &Views, now: Now) {
        let newest = Restriction::all(view, views);
        let last = self.last.replace((now.at, newest));
        let (Some((at, restrictions)), Some(unix)) = (last, now.unix) else { return };
        let time = now.at.since(at);
        if time > MAX_GAP {
            return;
        }
        for restriction in restrictions.into_iter().flatten() {
            self.add(&restriction, time.as_secs_f64(), unix);
        }
    }

    fn add(&mut self, restriction: &Restriction, seconds: f64, unix: u64) {
        let Restriction { direction, rule, battery, cell, value, is_felt } = restriction;
        let day = self.days.entry(local_day(unix, self.offset)).or_default();
        let is_it = |known: &RuleTime| known.direction == *direction && known.rule == *rule && known.battery == *battery;
        let known = match day.iter().position(is_it) {
            Some(place) => day.get_mut(place),
            None if day.len() < MAX_RULES => {
                let (direction, rule, battery) = (Cow::Borrowed(*direction), rule.clone(), battery.clone());
                day.push(RuleTime { direction, rule, battery, lowest_a: f64::MAX, from: unix, ..RuleTime::default() });
                day.last_mut()
            }
            None => None,
        };
        let Some(known) = known else { return };
        known.limited_s += seconds;
        known.felt_s += if *is_felt { seconds } else { 0.0 };
        known.zero_s += if restriction.is_zero() { seconds } else { 0.0 };
        if *value < known.lowest_a {
            (known.lowest_a, known.cell) = (*value, *cell);
        }
        known.to = unix;
        self.is_unsaved = true;
        while self.days.len() > LIMITED_DAYS {
            self.days.pop_first();
        }
    }

    /// The days, the newest first; seconds are whole.
    pub fn days(&self) -> Vec<LimitedDay> {
        let whole = |rule: &RuleTime| RuleTime {
            limited_s: rule.limited_s.round(),
            felt_s: rule.felt_s.round(),
            zero_s: rule.zero_s.round(),
            ..rule.clone()
        };
        let of_day = |(day, rules): (&u32, &Vec<RuleTime>)| {
            let mut rules: Vec<RuleTime> = rules.iter().map(whole).collect();
            rules
                .sort_by(|a, b| (b.felt_s, b.limited_s).partial_cmp(&(a.felt_s, a.limited_s)).unwrap_or(std::cmp::Ordering::Equal));
            LimitedDay { date: date(*day), day: *day, rules }
        };
        self.days.iter().rev().map(of_day).collect()
    }

    /// The present day, once the clock is set.
    pub(super) fn today(&self, now: Now) -> Option<String> {
        now.unix.map(|unix| date(local_day(unix, self.offset)))
    }

    pub(super) fn take_unsaved(&mut self) -> bool {
        std::mem::take(&mut self.is_unsaved)
    }

    pub(super) fn is_unsaved(&self) -> bool {
        self.is_unsaved
    }
}
