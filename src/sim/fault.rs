//! Faults of a simulated line: replies that are lost, corrupted, late, duplicated or nonsense with a valid checksum.

use super::Reply;
use super::pack::{CommandBehaviour, ReportedState};
use super::random::Random;
use std::time::Duration;
use thiserror::Error;

/// Faults of a line; shares are percent of the replies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Lost replies.
    pub drop_pct: f64,
    /// Replies with one corrupted byte.
    pub corrupt_pct: f64,
    /// Replies with two to eight corrupted bytes.
    pub burst_pct: f64,
    /// Replies with one byte missing.
    pub lose_pct: f64,
    /// Truncated replies.
    pub cut_pct: f64,
    /// Replies replaced by the previous one.
    pub previous_pct: f64,
    /// Duplicated replies.
    pub duplicate_pct: f64,
    /// Replies with impossible values and a valid checksum.
    pub nonsense_pct: f64,
    /// Delay of late replies …
    pub late: Duration,
    /// … and their share.
    pub late_pct: f64,
    /// Random bytes before replies.
    pub noise: bool,
    /// Time after which the BMS no longer replies.
    pub silent_after: Option<Duration>,
    /// Reaction to commands.
    pub command_behaviour: CommandBehaviour,
}

/// Error in a fault list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaultError {
    /// Unknown fault.
    #[error(
        "unknown fault {name:?}; use drop=%, corrupt=%, burst=%, lose=%, cut=%, previous=%, duplicate=%, nonsense=%, \
         late=MS or late=MS@%, silent-after=S, noise, commands=refuse, commands=pretend, commands=factory"
    )]
    Unknown {
        /// The text.
        name: String,
    },
    /// A fault with an invalid value.
    #[error("--fault {name}={value}: {problem}")]
    Value {
        /// The fault.
        name: String,
        /// The text.
        value: String,
        /// What is wrong with the value.
        problem: &'static str,
    },
}

impl Faults {
    /// Parses `drop=5,corrupt=5%,silent-after=30,noise,late=300@20`.
    ///
    /// # Errors
    /// [`FaultError`] names the fault and its error.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let mut faults = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            faults.set(name.trim(), value.trim())?;
        }
        Ok(faults)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), FaultError> {
        let wrong = |problem| FaultError::Value { name: name.into(), value: value.into(), problem };
        let share = |text: &str| number(text.trim_end_matches('%'), 100.0).ok_or(wrong("say a share from 0 to 100 %"));
        match name {
            "drop" => self.drop_pct = share(value)?,
            "corrupt" => self.corrupt_pct = share(value)?,
            "burst" => self.burst_pct = share(value)?,
            "lose" => self.lose_pct = share(value)?,
            "cut" => self.cut_pct = share(value)?,
            "previous" => self.previous_pct = share(value)?,
            "duplicate" => self.duplicate_pct = share(value)?,
            "nonsense" => self.nonsense_pct = share(value)?,
            "late" => {
                let (time, part) = value.split_once('@').unwrap_or((value, "100"));
                let milliseconds = number(time, 10_000.0).ok_or(wrong("say 0 to 10000 ms, and behind @ how many % are late"))?;
                (self.late, self.late_pct) = (Duration::from_secs_f64(milliseconds / 1000.0), share(part)?);
            }
            "silent-after" => {
                let seconds = number(value, 1e6).ok_or(wrong("say after how many seconds"))?;
                self.silent_after = Some(Duration::from_secs_f64(seconds));
            }
            "commands" => {
                self.command_behaviour = match value {
                    "obey" => CommandBehaviour::Executes,
                    "refuse" => CommandBehaviour::Refuses,
                    "pretend" => CommandBehaviour::OnlyAcknowledges,
                    "factory" => CommandBehaviour::NeedsFactoryMode,
                    _ => return Err(wrong("it is obey, refuse, pretend or factory")),
                }
            }
            "noise" if value.is_empty() => self.noise = true,
            "noise" => return Err(wrong("it takes no value")),
            _ => return Err(FaultError::Unknown { name: name.into() }),
        }
        Ok(())
    }
}

/// A number from 0 to `most`.
fn number(text: &str, most: f64) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| (0.0..=most).contains(value))
}

/// Inserts faults into replies; the same seed gives the same faults.
#[derive(Debug, Clone)]
pub struct Injector {
    faults: Faults,
    random: Random,
    /// The last reply without its faults.
    previous: Option<Reply>,
    /// Number of damaged replies so far: bytes changed, lost or truncated.
    pub damaged: u64,
}

impl Injector {
    /// An injector for `faults`.
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self { faults, random: Random::new(seed), previous: None, damaged: 0 }
    }

    /// Whether the BMS is silent at `since_start`.
    pub fn silent(&self, since_start: Duration) -> bool {
        self.faults.silent_after.is_some_and(|after| since_start >= after)
    }

    /// Impossible values instead of `reported`, if one is due.
    pub fn nonsense(&mut self, reported: &ReportedState) -> Option<ReportedState> {
        if !self.random.chance(self.faults.nonsense_pct) {
            return None;
        }
        let mut nonsense = reported.clone();
        let cell = self.random.below(reported.cells_v.len());
        match self.random.below(6) {
            0 => nonsense.temperatures_c = [100.0; 2],
            1 => nonsense.voltage_v *= 0.27,
            2 => nonsense.soc_pct = 0.0,
            3 => nonsense.current_a = 300.0,
            4 => nonsense.cells_v.iter_mut().skip(cell).take(1).for_each(|cell| *cell = 6.5),
            _ => nonsense.cells_v.iter_mut().for_each(|cell| *cell = 0.0),
        }
        Some(nonsense)
    }

    /// The replies to send instead of `reply`.
    pub fn apply(&mut self, reply: Reply) -> Vec<Reply> {
        let before = self.previous.replace(reply.clone());
        let mut reply = before.filter(|_| self.random.chance(self.faults.previous_pct)).unwrap_or(reply);
        if self.random.chance(self.faults.drop_pct) {
            return Vec::new();
        }
        let whole = reply.bytes.clone();
        self.damage(&mut reply.bytes);
        self.damaged = self.damaged.saturating_add(u64::from(reply.bytes != whole));
        if self.faults.noise {
            let count = self.random.below(7);
            let mut noisy: Vec<u8> = (0..count).map(|_| self.random.byte()).collect();
            noisy.append(&mut reply.bytes);
            reply.bytes = noisy;
        }
        if self.random.chance(self.faults.late_pct) {
            reply.after = reply.after.saturating_add(self.faults.late);
        }
        let copies = if self.random.chance(self.faults.duplicate_pct) { 2 } else { 1 };
        vec![reply; copies]
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if self.random.chance(self.faults.corrupt_pct) {
            self.change(bytes, 1);
        }
        if self.random.chance(self.faults.burst_pct) {
            let count = 2usize.saturating_add(self.random.below(7));
            self.change(bytes, count);
        }
        if self.random.chance(self.faults.lose_pct) && !bytes.is_empty() {
            bytes.remove(self.random.below(bytes.len()));
        }
        if self.random.chance(self.faults.cut_pct) {
            bytes.truncate(self.random.below(bytes.len()));
        }
    }

    /// Changes `count` different bytes, or all if there are fewer.
    fn change(&mut self, bytes: &mut [u8], count: usize) {
        let mut places: Vec<usize> = (0..bytes.len()).collect();
        for _ in 0..count.min(bytes.len()) {
            let place = places.swap_remove(self.random.below(places.len()));
            let change = self.random.byte().max(1);
            bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply_1000(faults: &str, seed: u64) -> Vec<Vec<Reply>> {
        let mut injector = Injector::new(Faults::parse(faults).unwrap(), seed);
        let reply = Reply { after: Duration::ZERO, bytes: vec![0xDD, 3, 0, 0, 0, 0, 0x77] };
        (0..1000).map(|_| injector.apply(reply.clone())).collect()
    }

    #[test]
    fn lists_are_read_and_mistakes_are_named() {
        let faults = Faults::parse("drop=5, corrupt=2.5%,silent-after=30,noise,late=300@20").unwrap();
        assert_eq!((faults.drop_pct, faults.corrupt_pct, faults.noise, faults.late_pct), (5.0, 2.5, true, 20.0));
        assert_eq!((faults.late, faults.silent_after), (Duration::from_millis(300), Some(Duration::from_secs(30))));
        assert_eq!(Faults::parse("").unwrap(), Faults::default());
        for (text, expected) in [
            ("drop=500", "--fault drop=500: say a share"),
            ("drop", "--fault drop=: say a share"),
            ("late=x", "--fault late=x: say 0 to"),
            ("silent-after=-1", "--fault silent-after=-1"),
            ("noise=3", "it takes no value"),
            ("commands=no", "it is obey, refuse, pretend or factory"),
            ("dorp=5", "unknown fault \"dorp\""),
        ] {
            let error = Faults::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let faults = "drop=10,corrupt=10,duplicate=10,noise,late=100@10";
        assert_eq!(apply_1000(faults, 7), apply_1000(faults, 7));
        assert_ne!(apply_1000(faults, 7), apply_1000(faults, 8));
    }

    #[test]
    fn the_reply_before_comes_in_place_of_the_right_one() {
        let mut injector = Injector::new(Faults::parse("previous=100").unwrap(), 1);
        let reply = |byte| Reply { after: Duration::ZERO, bytes: vec![byte] };
        assert_eq!(injector.apply(reply(1)), [reply(1)], "there was none before");
        assert_eq!(injector.apply(reply(2)), [reply(1)]);
        assert_eq!(injector.apply(reply(3)), [reply(2)]);
        assert_eq!(injector.damaged, 0);
    }

    #[test]
    fn shares_are_kept() {
        let dropped = apply_1000("drop=20", 1).iter().filter(|replies| replies.is_empty()).count();
        assert!((150..250).contains(&dropped), "{dropped}");
        let doubled = apply_1000("duplicate=5", 1).iter().filter(|replies| replies.len() == 2).count();
        assert!((25..80).contains(&doubled), "{doubled}");
        let damaged = apply_1000("corrupt=100", 1);
        assert!(damaged.iter().all(|replies| replies[0].bytes != [0xDD, 3, 0, 0, 0, 0, 0x77]));
        let changed = |reply: &Reply| reply.bytes.iter().zip([0xDD, 3, 0, 0, 0, 0, 0x77]).filter(|(a, b)| **a != *b).count();
        assert!(apply_1000("burst=100", 1).iter().all(|replies| (2..=7).contains(&changed(&replies[0]))));
        assert!(apply_1000("lose=100", 1).iter().all(|replies| replies[0].bytes.len() == 6));
        assert!(apply_1000("cut=100", 1).iter().all(|replies| replies[0].bytes.len() < 7));
        assert!(apply_1000("late=50", 1).iter().all(|replies| replies[0].after == Duration::from_millis(50)));
        assert!(apply_1000("", 1).iter().all(|replies| replies.len() == 1 && replies[0].bytes.len() == 7));
    }
}
