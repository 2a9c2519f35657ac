//! One battery over time: readings go in, snapshots for the sinks come out. Pure; the runtime says what time it is.

use crate::charge::{self, Age, Facts, cells::PLAUSIBLE_CELL};
use crate::guard::Guard;
use crate::history;
use crate::model::{Alarm, Chemistry, Derived, Freshness, History, Level, Limits, LinkStats, Reading, Snapshot};
use crate::units::{AmpHours, Amps, Celsius, Moment, Volts};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// What of a battery survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Counters over its life.
    pub history: History,
    /// The chemistry that a reading has confirmed.
    pub chemistry: Option<Chemistry>,
    /// How far charging is.
    pub phases: charge::Phases,
}

/// The time, as the runtime knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the monotonic clock.
    pub at: Moment,
    /// Seconds since 1970, once the wall clock can be trusted.
    pub unix: Option<u64>,
}

/// One battery.
#[derive(Debug)]
pub struct Battery {
    config: charge::Config,
    guard: Guard,
    memory: charge::Memory,
    history: History,
    reading: Reading,
    facts: Facts,
    link: LinkStats,
    read_at: Option<Moment>,
    intervals: VecDeque<Duration>,
    current_avg: Option<Amps>,
    own_alarms: Vec<Alarm>,
    cell_count: Option<u8>,
    /// Sentences for the log that came up since they were last taken.
    notices: Vec<String>,
    holding: bool,
}

impl Battery {
    /// A battery that nothing has been read of.
    pub fn new(config: charge::Config, saved: Saved) -> Self {
        Self {
            config,
            guard: Guard::default(),
            memory: charge::Memory::restored(saved.chemistry, saved.phases),
            history: saved.history,
            reading: Reading::default(),
            facts: Facts::default(),
            link: LinkStats::default(),
            read_at: None,
            intervals: VecDeque::new(),
            current_avg: None,
            own_alarms: Vec::new(),
            cell_count: None,
            notices: Vec::new(),
            holding: false,
        }
    }

    /// Takes in a reading.
    pub fn read(&mut self, reading: Reading, link: LinkStats, now: Now) -> Snapshot {
        if self.read_at.is_some() && self.freshness(now.at) != Freshness::Fresh {
            // Charge control learns of the gap even if nobody ticked in it (a suspended process), so that nothing jumps up.
            self.decide(now.at);
        }
        let elapsed = self.read_at.map(|at| now.at.since(at));
        if let Some(elapsed) = elapsed {
            self.intervals.push_back(elapsed);
            if self.intervals.len() > 5 {
                self.intervals.pop_front();
            }
        }
        let guarded = self.guard.judge(reading.multiplied(self.config.parallel_blocks), now.at);
        self.report_held(&guarded.held);
        self.link = link;
        self.read_at = Some(now.at);
        self.reading = guarded.reading;
        self.facts = charge::Facts { unix: now.unix, ..guarded.facts };
        self.current_avg = smooth(self.current_avg, self.reading.current, elapsed);
        let limits = self.decide(now.at);
        let derived = self.derive(Freshness::Fresh);
        // A gap is not counted: nobody knows what flowed in it.
        let counted = elapsed.filter(|elapsed| *elapsed <= self.config.silence.stale_after(self.period()));
        let alarms = self.alarms();
        history::count(&mut self.history, &self.reading, &derived, &alarms, counted, now.unix);
        self.snapshot(Freshness::Fresh, derived, limits, now)
    }

    /// Lets time pass without a reading.
    pub fn tick(&mut self, link: LinkStats, now: Now) -> Snapshot {
        self.link = link;
        let freshness = self.freshness(now.at);
        let limits = self.decide(now.at);
        let derived = self.derive(freshness);
        self.snapshot(freshness, derived, limits, now)
    }

    /// The last snapshot before the battery leaves: limits off, values unknown.
    pub fn stop(&mut self, why: &'static str, now: Now) -> Snapshot {
        let cvl = self.decide(now.at).cvl.value;
        let limits = charge::off(cvl, &self.facts, why);
        let derived = self.derive(Freshness::Stale);
        self.snapshot(Freshness::Stale, derived, limits, now)
    }

    /// When `tick` is to be called if no reading comes: at the next stage, and every second while limits move.
    pub fn next_tick(&self, now: Moment) -> Moment {
        let Some(read_at) = self.read_at else { return now.after(Duration::from_secs(60)) };
        let silence = &self.config.silence;
        let stale = silence.stale_after(self.period());
        let just_after = Duration::from_millis(1);
        let stages = [stale + just_after, silence.silent.max(stale), silence.lost.max(stale)].map(|age| read_at.after(age));
        let moving = read_at.after(stale + silence.fade + Duration::from_secs(1));
        let step = (now >= stages[0] && now <= moving).then(|| now.after(Duration::from_secs(1)));
        let next = stages.into_iter().filter(|stage| *stage > now).chain(step).min();
        next.unwrap_or_else(|| now.after(Duration::from_secs(60)))
    }

    /// Age of the data at `now`, if any was read.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.read_at.map(|at| now.since(at))
    }

    /// What is worth keeping over a restart.
    pub fn saved(&self) -> Saved {
        Saved { history: self.history.clone(), chemistry: self.memory.confirmed, phases: self.memory.phases.clone() }
    }

    /// Starts the counters anew, as the owner asked.
    pub fn clear_history(&mut self) {
        self.history = History::default();
    }

    /// Sentences for the log since the last call; each comes once per episode.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The reading behind the last snapshot.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Observed time between readings: the median of the last five, so that one gap does not stretch it, and at most 20 s.
    fn period(&self) -> Duration {
        let mut sorted: Vec<_> = self.intervals.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(20))
    }

    fn freshness(&self, now: Moment) -> Freshness {
        self.age(now).map_or(Freshness::Lost, |age| self.config.silence.stage(age, self.period()))
    }

    fn decide(&mut self, now: Moment) -> Limits {
        let age = Age { age: self.age(now).unwrap_or_default(), period: self.period() };
        let outcome = charge::step(&self.config, &self.facts, age, &mut self.memory, now);
        self.own_alarms = outcome.alarms;
        self.cell_count = outcome.cell_count.or(self.cell_count);
        self.notices.extend(outcome.notices.into_iter().map(str::to_owned));
        outcome.limits
    }

    fn report_held(&mut self, held: &[&'static str]) {
        if !held.is_empty() && !self.holding {
            self.notices.push(format!("implausible {} held back; the last plausible value stands", held.join(", ")));
        }
        self.holding = !held.is_empty();
    }

    fn derive(&self, freshness: Freshness) -> Derived {
        if freshness != Freshness::Fresh {
            return Derived::default();
        }
        let reading = &self.reading;
        let cells: Vec<(Volts, usize)> =
            reading.cells.iter().copied().zip(1..).filter(|(cell, _)| cell.get() > PLAUSIBLE_CELL).collect();
        let sensors: Vec<(Celsius, usize)> = reading.temperatures.iter().flatten().copied().zip(1..).collect();
        let capacity = self.capacity();
        Derived {
            cell_sum: (!cells.is_empty() && cells.len() == reading.cells.len())
                .then(|| Volts::new(cells.iter().map(|(cell, _)| cell.get()).sum()).rounded(3)),
            min_cell: pick(&cells, |a, b| a < b),
            max_cell: pick(&cells, |a, b| a > b),
            temperature: mean(&sensors),
            min_temperature: pick(&sensors, |a, b| a < b),
            max_temperature: pick(&sensors, |a, b| a > b),
            consumed: consumed(capacity, reading),
            time_to_go: self.time_to_go(),
        }
    }

    fn capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.reading.capacity)
    }

    /// Charge left over the smoothed discharge current; capped at ten days as shunts do.
    fn time_to_go(&self) -> Option<Duration> {
        let drawn = self.current_avg.filter(|current| current.get() < -0.05)?;
        let left = self.reading.remaining.or_else(|| Some(self.capacity()? * (self.reading.soc?.get() / 100.0)))?;
        let seconds = (left.get() / -drawn.get() * 3600.0).round();
        Duration::try_from_secs_f64(seconds).ok().map(|time| time.min(Duration::from_secs(864_000)))
    }

    fn alarms(&self) -> Vec<Alarm> {
        let mut all = Reading { alarms: self.reading.alarms.clone(), ..Reading::default() };
        for alarm in &self.own_alarms {
            all.raise(alarm.name, alarm.level);
        }
        all.alarms.unwrap_or_default()
    }

    fn snapshot(&self, freshness: Freshness, derived: Derived, limits: Limits, now: Now) -> Snapshot {
        let mut reading = self.reading.clone();
        let alarms = self.alarms();
        if freshness != Freshness::Fresh {
            reading = Reading { capacity: reading.capacity, ..reading.next() };
        }
        reading.capacity = self.config.capacity.or(reading.capacity);
        let since_full = self.history.last_full_unix.zip(now.unix).map(|(full, now)| Duration::from_secs(now.saturating_sub(full)));
        Snapshot {
            reading,
            derived,
            alarms,
            cable: match freshness {
                Freshness::Fresh | Freshness::Stale => None,
                Freshness::Silent => Some(Level::Warning),
                Freshness::Lost => Some(Level::Alarm),
            },
            freshness,
            history: self.history.clone(),
            since_full,
            link: self.link,
            cell_count: self.cell_count,
            limits,
        }
    }
}

/// Moves the average towards the new current with a time constant of a minute.
fn smooth(average: Option<Amps>, current: Option<Amps>, elapsed: Option<Duration>) -> Option<Amps> {
    match (average, current) {
        (Some(average), Some(current)) => {
            let share = (elapsed.unwrap_or_default().as_secs_f64() / 60.0).min(1.0);
            Some(average + (current - average) * share)
        }
        (None, current) => current,
        (average, None) => average,
    }
}

fn pick<T: Copy>(values: &[(T, usize)], better: fn(T, T) -> bool) -> Option<(T, usize)> {
    values.iter().copied().reduce(|best, next| if better(next.0, best.0) { next } else { best })
}

fn mean(sensors: &[(Celsius, usize)]) -> Option<Celsius> {
    (!sensors.is_empty()).then(|| Celsius::new(sensors.iter().map(|(t, _)| t.get()).sum::<f64>() / sensors.len() as f64).rounded(1))
}

/// Charge taken out since full, zero or negative.
fn consumed(capacity: Option<AmpHours>, reading: &Reading) -> Option<AmpHours> {
    let capacity = capacity?.get();
    let left = reading.remaining.map(AmpHours::get).or_else(|| Some(capacity * reading.soc?.get() / 100.0))?;
    Some(AmpHours::new((left - capacity).min(0.0)).rounded(2))
}
