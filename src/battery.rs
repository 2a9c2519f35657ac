//! One battery over time: readings go in, snapshots for the sinks come out. Pure; the runtime says what time it is.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::charge::oscillation::Calming;
use crate::charge::{self, Age, Facts, cells::PLAUSIBLE_CELL, chemistry::preset};
use crate::guard::Guard;
use crate::history;
use crate::model::{Alarm, Chemistry, Derived, Freshness, History, Level, Limits, LinkStats, Part, Reading, Snapshot};
use crate::quality::{Quality, Tally};
use crate::soc::{self, forecast, health};
use crate::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts, Watts};
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
    /// The counted SoC and what goes with it.
    pub soc: soc::Memory,
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
    soc_config: soc::Config,
    guard: Guard,
    memory: charge::Memory,
    soc: soc::Memory,
    /// Estimated error of the counted SoC.
    drift: Option<Percent>,
    /// Whether the BMS's alarm of a low SoC holds for the SoC that is shown.
    low_soc: soc::LowSoc,
    /// SoC and charge left as the BMS says.
    bms: (Option<Percent>, Option<AmpHours>),
    /// Charge control has found the battery full since the reading before.
    became_full: bool,
    history: History,
    reading: Reading,
    facts: Facts,
    link: LinkStats,
    quality: Quality,
    replies: Tally,
    read_at: Option<Moment>,
    intervals: VecDeque<Duration>,
    current_avg: forecast::Average,
    own_alarms: Vec<Alarm>,
    cell_count: Option<u8>,
    part: Part,
    /// Sentences for the log that came up since they were last taken.
    notices: Vec<String>,
    holding: bool,
    calming: Calming,
    /// What the owner allows for a while: charge and discharge current.
    owner_limits: (Option<Amps>, Option<Amps>),
}

impl Battery {
    /// A battery that nothing has been read of.
    pub fn new(config: charge::Config, saved: Saved) -> Self {
        Self {
            config,
            soc_config: soc::Config::default(),
            guard: Guard::default(),
            memory: charge::Memory::restored(saved.chemistry, saved.phases),
            soc: saved.soc.restored(),
            drift: None,
            low_soc: soc::LowSoc::default(),
            bms: (None, None),
            became_full: false,
            history: saved.history,
            reading: Reading::default(),
            facts: Facts::default(),
            link: LinkStats::default(),
            quality: Quality::default(),
            replies: Tally::default(),
            read_at: None,
            intervals: VecDeque::new(),
            current_avg: forecast::Average::default(),
            own_alarms: Vec::new(),
            cell_count: None,
            part: Part::default(),
            notices: Vec::new(),
            holding: false,
            calming: Calming::default(),
            owner_limits: (None, None),
        }
    }

    /// The same battery with other settings for SoC and times.
    pub fn with_soc(self, soc_config: soc::Config) -> Self {
        Self { soc_config, ..self }
    }

    /// Goes on with other settings. What they reduce is reduced at once; what they raise rises slowly, as after any reduction.
    pub fn reconfigure(&mut self, config: charge::Config, soc_config: soc::Config) {
        self.config = config;
        self.soc_config = soc_config;
    }

    /// Takes in a reading.
    pub fn read(&mut self, mut reading: Reading, link: LinkStats, now: Now) -> Snapshot {
        let was_silent = self.read_at.is_some() && self.freshness(now.at) != Freshness::Fresh;
        if was_silent {
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
        // Before the guard, so that everything behind it knows one current and one state of health.
        reading.current = reading.current.map(|current| self.soc_config.correct(current));
        reading.soh = health::state_of_health(&reading);
        let guarded = self.guard.judge(reading.multiplied(self.config.parallel_blocks), now.at);
        self.report_held(&guarded.held);
        self.link = link;
        if was_silent {
            self.quality.forget(link);
        }
        self.notices.extend(self.quality.count(link, now.at));
        self.replies.count(link, now.at);
        self.read_at = Some(now.at);
        self.part.readings = self.part.readings.wrapping_add(1);
        self.reading = guarded.reading;
        self.facts = charge::Facts { unix: now.unix, ..guarded.facts };
        // A gap is not counted: nobody knows what flowed in it.
        let longest = self.config.silence.stale_after(self.period());
        self.current_avg.add(self.reading.current, self.soc_config.average_over, longest, now.at);
        self.judge_soc(longest, now.at);
        let limits = self.decide(now.at);
        let derived = self.derive(Freshness::Fresh);
        let counted = elapsed.filter(|elapsed| *elapsed <= longest);
        let alarms = self.alarms();
        history::count(&mut self.history, &self.reading, &derived, &alarms, counted, now.unix);
        self.snapshot(Freshness::Fresh, derived, limits, now)
    }

    /// Takes in the power at the grid connection, positive from the grid; an oscillation cuts the limits with the next reading.
    pub fn grid_power(&mut self, power: Watts, now: Moment) {
        let Some(limits) = self.memory.last.map(|last| last.limits) else { return };
        if self.calming.take(&self.config.oscillation, power, (limits.ccl.value, limits.dcl.value), now) {
            self.notices
                .push("the grid power keeps changing sides: inverters fight; current limits are cut for a while".to_owned());
        }
    }

    /// Sets what the owner allows for a while, charge and discharge current; it counts from the next decision on.
    pub fn set_owner_limits(&mut self, limits: (Option<Amps>, Option<Amps>)) {
        self.owner_limits = limits;
    }

    /// Charges up now, as if float had ended. All limits stay in force.
    pub fn charge_up(&mut self) {
        self.memory.phases.begin_charge();
    }

    /// Lets time pass without a reading.
    pub fn tick(&mut self, link: LinkStats, now: Now) -> Snapshot {
        self.link = link;
        let freshness = self.freshness(now.at);
        if freshness != Freshness::Fresh {
            self.quality.forget(link);
        }
        self.replies.count(link, now.at);
        // Before the first reading there is nothing to allow anything by, and nothing that charge control could remember.
        let known = self.read_at.is_some();
        let limits = if known { self.decide(now.at) } else { charge::off(Volts::ZERO, &self.facts, "no reading yet") };
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
        let (just_after, second) = (Duration::from_millis(1), Duration::from_secs(1));
        let moving_from = read_at.after(stale).after(just_after);
        let moving_to = read_at.after(stale).after(silence.charge_fade).after(second);
        let stages = [
            moving_from,
            read_at.after(silence.cable_warning_after().max(stale)),
            read_at.after(silence.cable_alarm_after().max(stale)),
        ];
        let step = (moving_from..=moving_to).contains(&now).then(|| now.after(second));
        let next = stages.into_iter().filter(|stage| *stage > now).chain(step).min();
        next.unwrap_or_else(|| now.after(Duration::from_secs(60)))
    }

    /// Age of the data at `now`, if any was read.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.read_at.map(|at| now.since(at))
    }

    /// What is worth keeping over a restart.
    pub fn saved(&self) -> Saved {
        Saved {
            history: self.history.clone(),
            chemistry: self.memory.confirmed,
            phases: self.memory.phases.clone(),
            soc: self.soc.clone(),
        }
    }

    /// The SoC by our own count, if there is one.
    pub fn counted_soc(&self) -> Option<Percent> {
        self.soc.count.as_ref().map(|count| Percent::new(count.soc()))
    }

    /// Starts the counters anew, as the owner asked.
    pub fn clear_history(&mut self) {
        self.history = History::default();
    }

    /// Its counters, for what another driver has counted of it to be added.
    pub fn history_mut(&mut self) -> &mut History {
        &mut self.history
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
        self.facts.calming = self.calming.cut(&self.config.oscillation, now);
        (self.facts.owner_charge_limit, self.facts.owner_discharge_limit) = self.owner_limits;
        let age = Age { age: self.age(now).unwrap_or_default(), period: self.period() };
        let outcome = charge::step(&self.config, &self.facts, age, &mut self.memory, now);
        self.became_full |= outcome.full;
        self.own_alarms = outcome.alarms;
        self.cell_count = outcome.cell_count.or(self.cell_count);
        (self.part.ceiling, self.part.float) = (Some(outcome.ceiling), outcome.float.or(self.part.float));
        self.notices.extend(outcome.notices.into_iter().map(str::to_owned));
        outcome.limits
    }

    /// The SoC to show and to charge by.
    fn judge_soc(&mut self, longest: Duration, now: Moment) {
        let settings = &self.facts.settings;
        let known = self.config.chemistry.or(settings.chemistry).or(self.memory.confirmed).map(preset);
        let highest = settings.cell_ovp.map_or(f64::INFINITY, |ovp| ovp.get() - 0.05);
        let charge_cell = known.map(|preset| self.config.max_cell_voltage.map_or(preset.max_cell, Volts::get).min(highest));
        let input = soc::Input {
            reading: &self.reading,
            capacity: self.capacity(),
            charge_cell: charge_cell.map(Volts::new),
            min_cell: known.map(|preset| Volts::new(preset.min_cell)),
            became_full: std::mem::take(&mut self.became_full),
            longest,
            now,
        };
        let outcome = soc::step(&self.soc_config, &input, &mut self.soc);
        self.bms = (self.reading.soc, self.reading.remaining);
        // Who sets the capacity has a BMS that is wrong about it, and so about the charge left.
        let of_capacity = self.config.capacity.map(|capacity| outcome.soc.map(|soc| capacity * (soc.get() / 100.0)));
        (self.reading.soc, self.reading.remaining) = (outcome.soc, of_capacity.unwrap_or(outcome.remaining));
        self.low_soc.judge(self.soc_config.is_own(), self.bms.0, &mut self.reading);
        if let Some((low, high)) = outcome.range {
            self.facts.low_soc = Some(self.facts.low_soc.map_or(low, |bms| bms.min(low)));
            self.facts.high_soc = Some(self.facts.high_soc.map_or(high, |bms| bms.max(high)));
        }
        self.drift = outcome.drift;
        self.history.automatic_syncs = self.history.automatic_syncs.saturating_add(u32::from(outcome.synced));
        self.notices.extend(outcome.notices);
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
            current_avg: self.current_avg.get(),
            time_to_go: self.time_to_go(),
            time_to_soc: self.soc_config.levels.iter().map(|level| self.time_to_soc(*level)).collect(),
            bms_soc: self.bms.0,
            bms_remaining: self.bms.1,
            soc_drift: self.drift,
        }
    }

    fn capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.reading.capacity)
    }

    /// Time until the charge above the configured floor is drawn.
    fn time_to_go(&self) -> Option<Duration> {
        let floor = self.soc_config.floor.get() / 100.0;
        let capacity = self.capacity();
        let left = self.reading.remaining.or_else(|| Some(capacity? * (self.reading.soc?.get() / 100.0)))?;
        let kept = if floor > 0.0 { capacity? * floor } else { AmpHours::ZERO };
        forecast::time_to_go(left - kept, self.flow()?)
    }

    fn time_to_soc(&self, level: u8) -> Option<Duration> {
        forecast::time_to_soc(level, self.reading.soc?, self.capacity()?, self.flow()?)
    }

    fn flow(&self) -> Option<forecast::Flow> {
        Some(forecast::Flow { average: self.current_avg.get()?, present: self.reading.current? })
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
            line: self.quality.state(),
            replies: self.replies.shares(),
            cell_count: self.cell_count,
            limits,
            part: self.part,
            modules: None,
            owner: Default::default(),
        }
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
