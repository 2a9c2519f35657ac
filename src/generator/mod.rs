//! When a generator runs: a rule over the state of charge and the voltages of the battery. Pure: values and time go in, the wanted
//! state with its reason comes out.
//!
//! ```text
//!                 low for `start_after`, rested, no quiet hours
//!     ┌─────────┐ ────────────────────────────────────────────▶ ┌─────────┐
//!     │ stopped │                                                │ running │
//!     └─────────┘ ◀──────────────────────────────────────────── └─────────┘
//!                 charged and run for `least_run`; `most_run`; quiet hours; battery silent
//! ```
//! A request of the owner takes precedence until its time is over. The rule only ever asks for the generator: charging from it
//! obeys the limits of charge control like any other charging.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod quiet_hours;

pub use quiet_hours::QuietHours;

use crate::base::time::Now;
use crate::base::units::{Moment, Percent, Volts};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Longest time that a request of the owner applies.
pub const LONGEST_BY_HAND: Duration = Duration::from_secs(24 * 3600);

/// Charge of an urgent run in quiet hours.
const URGENT_MARGIN: Percent = Percent::new(10.0);

/// The settings of the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// State of charge at and below which it starts; `None` = the state of charge starts nothing.
    pub start_soc: Option<Percent>,
    /// State of charge at which it stops.
    pub stop_soc: Percent,
    /// Voltage of the lowest cell at and below which it starts.
    pub start_cell: Option<Volts>,
    /// Voltage of the battery at and below which it starts.
    pub start_voltage: Option<Volts>,
    /// Time for which a value must be low.
    pub start_after: Duration,
    /// Least time of a run.
    pub least_run: Duration,
    /// Least time between two runs.
    pub least_rest: Duration,
    /// Longest time of a run.
    pub most_run: Duration,
    /// Times of the day without automatic runs.
    pub quiet: Option<QuietHours>,
    /// State of charge at and below which it also starts in quiet hours.
    pub quiet_start_soc: Option<Percent>,
    /// Time without data of the battery after which it stops.
    pub silent_after: Duration,
    /// Do not stop because data is missing.
    pub run_on_without_data: bool,
}

impl Default for Config {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count.saturating_mul(60));
        Self {
            start_soc: None,
            stop_soc: Percent::new(80.0),
            start_cell: None,
            start_voltage: None,
            start_after: minutes(1),
            least_run: minutes(15),
            least_rest: minutes(15),
            most_run: minutes(8 * 60),
            quiet: None,
            quiet_start_soc: None,
            silent_after: minutes(5),
            run_on_without_data: false,
        }
    }
}

/// What the rule looks at. All values are from fresh data, or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Inputs {
    /// The battery's data is fresh.
    pub fresh: bool,
    /// State of charge.
    pub soc: Option<Percent>,
    /// Lowest cell.
    pub lowest_cell: Option<Volts>,
    /// Voltage of the battery.
    pub voltage: Option<Volts>,
}

/// A request of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHand {
    /// Run for this time, whatever the battery says.
    Run(Duration),
    /// Stand still for this time.
    Stop(Duration),
    /// Follow the rule again.
    Automatic,
}

/// How a request is written, for messages.
pub const REQUESTS: &str = "`run for SECONDS` or `stop for SECONDS`, up to a day, or `automatic`";

impl FromStr for ByHand {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let time = |seconds: &str| {
            let seconds = seconds.parse().ok().map(Duration::from_secs);
            seconds.filter(|time| (Duration::from_secs(1)..=LONGEST_BY_HAND).contains(time)).ok_or(())
        };
        match words.as_slice() {
            ["run", "for", seconds] => Ok(Self::Run(time(seconds)?)),
            ["stop", "for", seconds] => Ok(Self::Stop(time(seconds)?)),
            ["automatic"] => Ok(Self::Automatic),
            _ => Err(()),
        }
    }
}

impl fmt::Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(time) => write!(f, "run for {}", time.as_secs()),
            Self::Stop(time) => write!(f, "stop for {}", time.as_secs()),
            Self::Automatic => f.write_str("automatic"),
        }
    }
}

/// Why the generator runs or stands still.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// Nothing asks for it.
    NotNeeded,
    /// The state of charge is low.
    LowSoc(Percent),
    /// A cell is low.
    LowCell(Volts),
    /// The battery's voltage is low.
    LowVoltage(Volts),
    /// It runs until this state of charge is reached.
    Charging(Percent),
    /// It runs for its least time.
    LeastRun,
    /// Wanted, but it rests after a run, or after the start of the program.
    LeastRest,
    /// Wanted, but it has run for its longest time and rests.
    MostRun,
    /// Wanted, but these are quiet hours.
    Quiet,
    /// Wanted, but the time of day is unknown and quiet hours are configured.
    TimeUnknown,
    /// The battery is charged.
    Charged,
    /// No data of the battery.
    Silent,
    /// No data of the battery for a short time only: it stays as it is.
    Awaited,
    /// The owner started it.
    RunByHand,
    /// The owner stopped it.
    StopByHand,
    /// The owner's run is over.
    HandOver,
}

impl Reason {
    /// Its name in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::LowSoc(_) => "low_soc",
            Self::LowCell(_) => "low_cell",
            Self::LowVoltage(_) => "low_voltage",
            Self::Charging(_) => "charging",
            Self::LeastRun => "least_run",
            Self::LeastRest => "least_rest",
            Self::MostRun => "most_run",
            Self::Quiet => "quiet_hours",
            Self::TimeUnknown => "time_unknown",
            Self::Charged => "charged",
            Self::Silent => "silent",
            Self::Awaited => "awaited",
            Self::RunByHand => "run_by_hand",
            Self::StopByHand => "stop_by_hand",
            Self::HandOver => "by_hand_over",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNeeded => f.write_str("not needed"),
            Self::LowSoc(soc) => write!(f, "state of charge is low: {soc:.1}"),
            Self::LowCell(volts) => write!(f, "a cell is low: {volts:.3}"),
            Self::LowVoltage(volts) => write!(f, "the battery's voltage is low: {volts:.2}"),
            Self::Charging(stop) => write!(f, "charging up to {stop}"),
            Self::LeastRun => f.write_str("runs for its least time"),
            Self::LeastRest => f.write_str("wanted, but rests first"),
            Self::MostRun => f.write_str("has run for its longest time"),
            Self::Quiet => f.write_str("wanted, but these are quiet hours"),
            Self::TimeUnknown => f.write_str("wanted, but the time of day is unknown and there are quiet hours"),
            Self::Charged => f.write_str("the battery is charged"),
            Self::Silent => f.write_str("no data of the battery"),
            Self::Awaited => f.write_str("waiting for data of the battery"),
            Self::RunByHand => f.write_str("started by hand"),
            Self::StopByHand => f.write_str("stopped by hand"),
            Self::HandOver => f.write_str("the time of the run by hand is over"),
        }
    }
}

/// The wanted state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The generator shall run.
    pub run: bool,
    /// The reason.
    pub reason: Reason,
    /// End of the owner's request, if one applies.
    pub by_hand_until: Option<Moment>,
    /// Time for which the present state has lasted.
    pub lasted: Duration,
}

/// The rule with its state.
#[derive(Debug, Clone)]
pub struct Rule {
    config: Config,
    running: bool,
    /// Begin of the present state.
    since: Moment,
    /// Why the last run ended, while that matters.
    ended: Option<Reason>,
    /// The value that asks for the generator, since when.
    low_since: Option<Moment>,
    /// The last fresh data.
    data: Option<Moment>,
    by_hand: Option<(bool, Moment)>,
    /// The present run began below the state of charge that counts in quiet hours, too.
    urgent: bool,
}

impl Rule {
    /// The rule at the start of the program: stopped, and resting, because an earlier run may have ended only just now.
    pub fn new(config: Config, now: Moment) -> Self {
        Self { config, running: false, since: now, ended: None, low_since: None, data: None, by_hand: None, urgent: false }
    }

    /// Takes a request of the owner.
    pub fn request(&mut self, by_hand: ByHand, now: Moment) {
        self.by_hand = match by_hand {
            ByHand::Run(time) => Some((true, now.after(time.min(LONGEST_BY_HAND)))),
            ByHand::Stop(time) => Some((false, now.after(time.min(LONGEST_BY_HAND)))),
            ByHand::Automatic => None,
        };
    }

    /// Decides; to be called about once a second.
    pub fn step(&mut self, inputs: &Inputs, now: Now) -> Decision {
        let at = now.at;
        if inputs.fresh {
            self.data = Some(at);
        }
        let low = self.low(inputs);
        match (low, self.low_since) {
            (Some(_), None) => self.low_since = Some(at),
            (None, _) if inputs.fresh => self.low_since = None,
            _ => {}
        }
        let low = low.filter(|_| self.low_since.is_some_and(|since| at.since(since) >= self.config.start_after));
        let over = self.by_hand.filter(|(_, until)| *until <= at);
        if over.is_some() {
            self.by_hand = None;
        }
        let (run, reason) = match self.by_hand {
            Some((true, _)) => (true, Reason::RunByHand),
            Some((false, _)) => (false, Reason::StopByHand),
            // A run by hand ends with its time, unless the battery needs it.
            None if self.running && over.is_some_and(|(run, _)| run) => match low {
                Some(low) => (true, low),
                None => (false, Reason::HandOver),
            },
            None => self.automatic(inputs, low, now),
        };
        if run != self.running {
            (self.running, self.since) = (run, at);
            self.ended = (!run).then_some(reason);
            self.urgent = run && self.is_urgent(inputs, Percent::ZERO);
        }
        Decision { run, reason, by_hand_until: self.by_hand.map(|(_, until)| until), lasted: at.since(self.since) }
    }

    /// The value that asks for the generator.
    fn low(&self, inputs: &Inputs) -> Option<Reason> {
        let Config { start_soc, start_cell, start_voltage, .. } = &self.config;
        let soc = inputs.soc.zip(*start_soc).filter(|(soc, start)| soc <= start).map(|(soc, _)| Reason::LowSoc(soc));
        let cell = || {
            let low = inputs.lowest_cell.zip(*start_cell).filter(|(cell, start)| cell <= start);
            low.map(|(cell, _)| Reason::LowCell(cell))
        };
        let voltage = || {
            let low = inputs.voltage.zip(*start_voltage).filter(|(voltage, start)| voltage <= start);
            low.map(|(voltage, _)| Reason::LowVoltage(voltage))
        };
        if inputs.fresh { soc.or_else(cell).or_else(voltage) } else { None }
    }

    fn automatic(&self, inputs: &Inputs, low: Option<Reason>, now: Now) -> (bool, Reason) {
        let silent = self.data.is_none_or(|data| now.at.since(data) >= self.config.silent_after);
        if !inputs.fresh {
            return match (silent && !self.config.run_on_without_data, self.running) {
                (true, _) => (false, Reason::Silent),
                // The longest run also ends one that goes on without data.
                (false, true) if now.at.since(self.since) >= self.config.most_run => (false, Reason::MostRun),
                (false, running) => (running, Reason::Awaited),
            };
        }
        if self.running { self.running(inputs, low, now) } else { self.stopped(inputs, low, now) }
    }

    fn running(&self, inputs: &Inputs, low: Option<Reason>, now: Now) -> (bool, Reason) {
        let Config { stop_soc, least_run, most_run, .. } = &self.config;
        let ran = now.at.since(self.since);
        if ran >= *most_run {
            return (false, Reason::MostRun);
        }
        let charged = inputs.soc.is_some_and(|soc| soc >= *stop_soc);
        let end = if charged { Some(Reason::Charged) } else { self.hushed(inputs, now) };
        match end {
            Some(_) if ran < *least_run => (true, Reason::LeastRun),
            Some(end) => (false, end),
            None => (true, low.unwrap_or(Reason::Charging(*stop_soc))),
        }
    }

    fn stopped(&self, inputs: &Inputs, low: Option<Reason>, now: Now) -> (bool, Reason) {
        let Some(low) = low else {
            // The end of the last run explains more than that nothing is needed.
            return (false, self.ended.unwrap_or(Reason::NotNeeded));
        };
        if now.at.since(self.since) < self.config.least_rest {
            let why = if self.ended == Some(Reason::MostRun) { Reason::MostRun } else { Reason::LeastRest };
            return (false, why);
        }
        self.hushed(inputs, now).map_or((true, low), |why| (false, why))
    }

    /// Quiet hours that hold the generator off.
    fn hushed(&self, inputs: &Inputs, now: Now) -> Option<Reason> {
        let quiet = self.config.quiet.as_ref()?;
        // A run that began so goes on for a while: it shall not end at the first per cent.
        let urgent = self.is_urgent(inputs, if self.running && self.urgent { URGENT_MARGIN } else { Percent::ZERO });
        match now.unix {
            _ if urgent => None,
            None => Some(Reason::TimeUnknown),
            Some(unix) => quiet.contains(unix).then_some(Reason::Quiet),
        }
    }

    /// The state of charge is at most this much above the one that counts in quiet hours, too.
    fn is_urgent(&self, inputs: &Inputs, margin: Percent) -> bool {
        inputs.soc.zip(self.config.quiet_start_soc).is_some_and(|(soc, start)| soc <= start + margin)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

    use super::*;

    /// 2026-11-26, 12:00 UTC.
    const NOON: u64 = 1_795_694_400;

    struct Bench {
        rule: Rule,
        seconds: u64,
        clock: bool,
    }

    impl Bench {
        fn new(config: Config) -> Self {
            let mut bench = Self { rule: Rule::new(config, Moment::default()), seconds: 0, clock: true };
            // Past the rest after the start.
            bench.run_for(900, Some(60.0));
            bench
        }

        fn now(&self) -> Now {
            let unix = self.clock.then_some(NOON + self.seconds);
            Now { at: Moment::from_secs(self.seconds as f64), unix }
        }

        /// The decision after this time with this state of charge; `None` = silent.
        fn run_for(&mut self, seconds: u64, soc: Option<f64>) -> Decision {
            let inputs = Inputs { fresh: soc.is_some(), soc: soc.map(Percent::new), ..Inputs::default() };
            self.run_with(seconds, inputs)
        }

        fn run_with(&mut self, seconds: u64, inputs: Inputs) -> Decision {
            let mut last = self.rule.step(&inputs, self.now());
            for _ in 0..seconds {
                self.seconds += 1;
                last = self.rule.step(&inputs, self.now());
            }
            last
        }

        fn request(&mut self, by_hand: ByHand) {
            let now = self.now().at;
            self.rule.request(by_hand, now);
        }
    }

    fn config() -> Config {
        Config { start_soc: Some(Percent::new(20.0)), ..Config::default() }
    }

    fn verdict(decision: Decision) -> (bool, &'static str) {
        (decision.run, decision.reason.key())
    }

    #[test]
    fn it_runs_from_the_lower_to_the_upper_state_of_charge() {
        let mut bench = Bench::new(config());
        assert_eq!(verdict(bench.run_for(600, Some(20.1))), (false, "not_needed"));
        assert_eq!(verdict(bench.run_for(59, Some(20.0))), (false, "not_needed"), "not yet for a minute");
        assert_eq!(verdict(bench.run_for(1, Some(20.0))), (true, "low_soc"));
        assert_eq!(verdict(bench.run_for(3600, Some(79.9))), (true, "charging"));
        assert_eq!(verdict(bench.run_for(1, Some(80.0))), (false, "charged"));
        assert_eq!(verdict(bench.run_for(3600, Some(21.0))), (false, "charged"), "the reason stands until the next run");
    }

    #[test]
    fn a_short_dip_starts_nothing() {
        let mut bench = Bench::new(config());
        for _ in 0..20 {
            assert!(!bench.run_for(50, Some(19.0)).run);
            assert!(!bench.run_for(5, Some(21.0)).run);
        }
    }

    #[test]
    fn low_cells_and_a_low_voltage_start_it_too() {
        let volts = |cell, voltage| Inputs {
            fresh: true,
            soc: Some(Percent::new(60.0)),
            lowest_cell: Some(Volts::new(cell)),
            voltage: Some(Volts::new(voltage)),
        };
        let both = Config { start_cell: Some(Volts::new(3.0)), start_voltage: Some(Volts::new(49.0)), ..Config::default() };
        let mut bench = Bench::new(both.clone());
        assert_eq!(verdict(bench.run_with(60, volts(3.0, 51.0))), (true, "low_cell"));
        let mut bench = Bench::new(both);
        assert_eq!(verdict(bench.run_with(60, volts(3.2, 48.9))), (true, "low_voltage"));
    }

    #[test]
    fn least_run_and_least_rest_hold_it() {
        let mut bench = Bench::new(config());
        assert!(bench.run_for(60, Some(15.0)).run);
        assert_eq!(verdict(bench.run_for(600, Some(95.0))), (true, "least_run"));
        assert_eq!(verdict(bench.run_for(300, Some(95.0))), (false, "charged"));
        assert_eq!(verdict(bench.run_for(800, Some(15.0))), (false, "least_rest"));
        assert_eq!(verdict(bench.run_for(100, Some(15.0))), (true, "low_soc"));
    }

    #[test]
    fn after_its_longest_run_it_rests() {
        let mut bench = Bench::new(Config { most_run: Duration::from_secs(7200), ..config() });
        assert!(bench.run_for(60, Some(10.0)).run);
        assert_eq!(verdict(bench.run_for(7199, Some(10.0))), (true, "low_soc"));
        assert_eq!(verdict(bench.run_for(1, Some(10.0))), (false, "most_run"));
        assert_eq!(verdict(bench.run_for(899, Some(10.0))), (false, "most_run"));
        assert_eq!(verdict(bench.run_for(1, Some(10.0))), (true, "low_soc"));
    }

    #[test]
    fn the_start_of_the_program_counts_as_the_end_of_a_run() {
        let mut rule = Rule::new(config(), Moment::default());
        let inputs = Inputs { fresh: true, soc: Some(Percent::new(5.0)), ..Inputs::default() };
        for second in 0..900u32 {
            assert!(!rule.step(&inputs, Now { at: Moment::from_secs(second.into()), unix: None }).run, "{second}");
        }
        assert!(rule.step(&inputs, Now { at: Moment::from_secs(900.0), unix: None }).run);
    }

    #[test]
    fn a_silent_battery_stops_it_unless_the_owner_says_otherwise() {
        let mut bench = Bench::new(config());
        assert!(bench.run_for(60, Some(10.0)).run);
        assert_eq!(verdict(bench.run_for(299, None)), (true, "awaited"));
        assert_eq!(verdict(bench.run_for(2, None)), (false, "silent"));
        let mut bench = Bench::new(Config { run_on_without_data: true, most_run: Duration::from_secs(7200), ..config() });
        assert!(bench.run_for(60, Some(10.0)).run);
        assert_eq!(verdict(bench.run_for(7000, None)), (true, "awaited"));
        assert_eq!(verdict(bench.run_for(200, None)), (false, "most_run"), "never without end");
        assert_eq!(verdict(bench.run_for(7000, None)), (false, "awaited"), "and nothing starts without data");
    }

    #[test]
    fn in_quiet_hours_it_stands_still_unless_it_is_urgent() {
        // From half past noon to half past one.
        let quiet: QuietHours = "12:30-13:30".parse().unwrap();
        let quiet = Some(QuietHours { offset_h: 0.0, ..quiet });
        let with = Config { quiet, quiet_start_soc: Some(Percent::new(8.0)), ..config() };
        let mut bench = Bench::new(with.clone());
        assert!(bench.run_for(60, Some(15.0)).run, "before");
        assert_eq!(verdict(bench.run_for(900, Some(15.0))), (false, "quiet_hours"), "it is half past noon");
        assert_eq!(verdict(bench.run_for(1200, Some(9.0))), (false, "quiet_hours"));
        assert_eq!(verdict(bench.run_for(60, Some(8.0))), (true, "low_soc"));
        assert_eq!(verdict(bench.run_for(1000, Some(17.0))), (true, "low_soc"));
        assert_eq!(verdict(bench.run_for(0, Some(18.5))), (false, "quiet_hours"), "no longer urgent");
        let mut bench = Bench::new(with);
        bench.clock = false;
        assert_eq!(verdict(bench.run_for(900, Some(15.0))), (false, "time_unknown"));
        assert!(bench.run_for(60, Some(7.0)).run, "an empty battery cannot wait for a clock");
    }

    #[test]
    fn a_request_by_hand_applies_for_its_time() {
        let mut bench = Bench::new(config());
        bench.request(ByHand::Run(Duration::from_secs(600)));
        assert_eq!(verdict(bench.run_for(599, Some(90.0))), (true, "run_by_hand"));
        assert_eq!(verdict(bench.run_for(1, Some(90.0))), (false, "by_hand_over"));
        bench.request(ByHand::Run(Duration::from_secs(600)));
        assert!(bench.run_for(400, None).run, "also without data: the owner is there");
        assert_eq!(verdict(bench.run_for(300, Some(15.0))), (true, "low_soc"), "the battery needs it: it goes on");
        bench.request(ByHand::Stop(Duration::from_secs(600)));
        assert_eq!(verdict(bench.run_for(599, Some(5.0))), (false, "stop_by_hand"));
        assert_eq!(verdict(bench.run_for(1, Some(5.0))), (false, "least_rest"));
        bench.request(ByHand::Run(Duration::from_secs(1_000_000)));
        let decision = bench.run_for(1, Some(90.0));
        assert_eq!(decision.by_hand_until.unwrap().since(bench.now().at), LONGEST_BY_HAND - Duration::from_secs(1));
        bench.request(ByHand::Automatic);
        assert!(bench.run_for(900, Some(90.0)).reason == Reason::Charged);
    }

    #[test]
    fn requests_are_read_and_written() {
        for text in ["run for 3600", "stop for 86400", "automatic"] {
            assert_eq!(text.parse::<ByHand>().unwrap().to_string(), text);
        }
        for wrong in ["", "run", "run for", "run for 0", "run for 86401", "run for -1", "start", "automatic now"] {
            assert!(wrong.parse::<ByHand>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_any_threshold_nothing_starts() {
        let mut bench = Bench::new(Config::default());
        let empty =
            Inputs { fresh: true, soc: Some(Percent::ZERO), lowest_cell: Some(Volts::new(2.0)), voltage: Some(Volts::new(32.0)) };
        assert_eq!(verdict(bench.run_with(10_000, empty)), (false, "not_needed"));
    }
}
