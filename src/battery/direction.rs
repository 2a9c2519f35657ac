//! Which way the current flows, for protocols whose descriptions contradict each other about its sign: decided by the charge.
//!
//! While current flows, the state of charge must rise or fall by the charge that has flown. A stretch of readings counts if the charge
//! has clearly moved, by an amount that fits the magnitude of the current; two such stretches in a row with the same result decide, and
//! two with the other one decide anew. A gap, a jump of the state of charge (a BMS that corrects itself) or a current that mostly
//! cancels itself out begins a new stretch. Pure.

use crate::base::units::{AmpHours, Amps, Moment, Percent};
use crate::model::{Assumption, Question, Reading};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Movement of the charge that is clear, Ah, as a fraction of the capacity, and of a state of charge without one, %.
const CLEAR_AH: f64 = 3.0;
const CLEAR_OF_CAPACITY: f64 = 0.01;
const CLEAR_PCT: f64 = 3.0;
/// The charge that has flown divided by the movement must be between the inverse of this and this.
const FIT: f64 = 2.0;
/// Least part of the charge that has flown in either direction that must remain of it.
const MOSTLY_ONE_WAY: f64 = 0.5;
/// A state of charge drifts by itself: a longer stretch proves nothing.
const MAX_STRETCH: Duration = Duration::from_secs(6 * 3600);
/// A step that is larger than this multiple of the charge that has flown, and than the resolution (Ah, %), is a correction.
const JUMP: f64 = 4.0;
const RESOLUTION_AH: f64 = 1.0;
const RESOLUTION_PCT: f64 = 1.0;
/// Capacities that a state of charge without a known one may imply, Ah.
const CAPACITIES: std::ops::RangeInclusive<f64> = 2.0..=5000.0;

/// What survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Name of the answer that was proved.
    pub answer: Option<String>,
    /// Number of cells of the battery that proved it: another number is another battery.
    pub cells: Option<u8>,
}

/// Watches the charge of one battery.
#[derive(Debug, Default)]
pub(super) struct Direction {
    answer: Option<Assumption>,
    /// Number of cells of the battery that proved the answer.
    cells: Option<u8>,
    stretch: Option<Stretch>,
    /// Result of the last stretch, and the capacity that it implies, Ah.
    last: Option<(Assumption, f64)>,
    /// The question was asked in the log.
    asked: bool,
    /// The contradiction to the owner's answer was logged.
    contradicted: bool,
}

/// What the charge is measured in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Measure {
    /// Ah.
    Charge,
    /// % of this capacity, Ah, or of an unknown one.
    Soc(Option<f64>),
}

impl Measure {
    /// The charge of a reading.
    fn of(reading: &Reading, capacity: Option<AmpHours>) -> Option<(Self, f64)> {
        match (reading.remaining.map(AmpHours::get), reading.soc.map(Percent::get)) {
            (Some(charge), _) => Some((Self::Charge, charge)),
            (None, Some(soc)) => Some((Self::Soc(capacity.map(AmpHours::get)), soc)),
            (None, None) => None,
        }
    }

    fn is_clear(self, moved: f64, capacity: Option<AmpHours>) -> bool {
        let least = match self {
            Self::Charge => capacity.map_or(CLEAR_AH, |capacity| CLEAR_AH.max(capacity.get() * CLEAR_OF_CAPACITY)),
            Self::Soc(_) => CLEAR_PCT,
        };
        moved.abs() >= least
    }

    /// A step of the charge that no current of this charge, Ah, explains.
    fn is_jump(self, step: f64, flown: f64) -> bool {
        match self {
            Self::Charge => step.abs() > RESOLUTION_AH + JUMP * flown.abs(),
            Self::Soc(Some(capacity)) => step.abs() > RESOLUTION_PCT + JUMP * flown.abs() / capacity * 100.0,
            Self::Soc(None) => step.abs() > RESOLUTION_PCT,
        }
    }

    /// The capacity in Ah that this movement and this charge imply; `None` if they do not fit.
    fn implied(self, moved: f64, flown: f64) -> Option<f64> {
        let fits = |expected: f64| (1.0 / FIT..=FIT).contains(&(flown.abs() / expected.abs()));
        match self {
            Self::Charge => fits(moved).then_some(1.0),
            Self::Soc(Some(capacity)) => fits(moved / 100.0 * capacity).then_some(capacity),
            Self::Soc(None) => Some(flown.abs() / moved.abs() * 100.0).filter(|implied| CAPACITIES.contains(implied)),
        }
    }
}

/// Consecutive readings.
#[derive(Debug)]
struct Stretch {
    question: &'static Question,
    measure: Measure,
    began: Moment,
    begun_at: f64,
    /// Charge that has flown by the first answer, in all and without its sign, Ah.
    flown: f64,
    gross: f64,
    /// Of the last reading.
    at: Moment,
    amps: f64,
    charge: f64,
}

impl Direction {
    /// With an answer that was proved before.
    pub(super) fn restored(memory: &Memory) -> Self {
        let answer = memory.answer.as_deref().and_then(|name| Assumption::all().find(|answer| answer.name() == name));
        Self { answer, cells: memory.cells, asked: answer.is_some(), ..Self::default() }
    }

    /// State to save for a restart.
    pub(super) fn memory(&self) -> Memory {
        Memory { answer: self.answer.map(|answer| answer.name().to_owned()), cells: self.cells }
    }

    /// What was proved.
    pub(super) fn answers(&self) -> &[Assumption] {
        self.answer.as_slice()
    }

    /// Takes a reading before its questions are answered; `longest` is the longest time between two that is no gap. Returns log
    /// messages.
    pub(super) fn observe(
        &mut self,
        reading: &Reading,
        capacity: Option<AmpHours>,
        owner: &[Assumption],
        longest: Duration,
        now: Moment,
    ) -> Vec<String> {
        let Some((question, amps)) = reading.open_direction() else { return Vec::new() };
        if self.answer.is_some() && reading.cell_count.is_some() && reading.cell_count != self.cells {
            *self = Self::default();
        }
        let mut notices = Vec::new();
        let set = owner.iter().copied().find(|answer| answer.question == question);
        if set.is_none() && !std::mem::replace(&mut self.asked, true) {
            notices.push(question.note());
        }
        let Some((measure, charge)) = Measure::of(reading, capacity) else { return notices };
        let amps = Amps::get(amps);
        let begin = || Stretch { question, measure, began: now, begun_at: charge, flown: 0.0, gross: 0.0, at: now, amps, charge };
        let continued = self.stretch.take().filter(|stretch| stretch.is_continued(question, measure, longest, now));
        let Some(stretch) = continued.and_then(|stretch| stretch.with(amps, charge, now)) else {
            self.stretch = Some(begin());
            return notices;
        };
        if !measure.is_clear(stretch.charge - stretch.begun_at, capacity) {
            self.stretch = Some(stretch);
            return notices;
        }
        self.stretch = Some(begin());
        match (stretch.result(), set) {
            (None, _) => self.last = None,
            (Some(result), set) => {
                let agrees = self.last.replace(result).is_some_and(|last| agree(last, result));
                if agrees {
                    self.cells = reading.cell_count;
                    notices.extend(self.conclude(result.0, set));
                }
            }
        }
        notices
    }

    /// Two stretches agree.
    fn conclude(&mut self, proved: Assumption, set: Option<Assumption>) -> Option<String> {
        let sentence = |what: &str| format!("{what}: {} (\"{}\")", proved.meaning(), proved.name());
        if let Some(set) = set.filter(|set| *set != proved) {
            let first = !std::mem::replace(&mut self.contradicted, true);
            return first.then(|| {
                sentence(&format!(
                    "the charge contradicts `assume` = \"{}\", which is still obeyed; remove it from the configuration. The charge says",
                    set.name()
                ))
            });
        }
        self.contradicted &= set.is_some();
        match self.answer.replace(proved) {
            Some(before) if before == proved => None,
            Some(_) => Some(sentence("the charge contradicts the direction of the current that it proved before; from now on")),
            None => Some(sentence("the charge has moved clearly, which decides the direction of the current")),
        }
    }
}

/// Both results are the same, and imply about the same capacity.
fn agree(one: (Assumption, f64), other: (Assumption, f64)) -> bool {
    one.0 == other.0 && (1.0 / FIT..=FIT).contains(&(one.1 / other.1))
}

impl Stretch {
    fn is_continued(&self, question: &'static Question, measure: Measure, longest: Duration, now: Moment) -> bool {
        self.question == question
            && self.measure == measure
            && now.since(self.at) <= longest
            && now.since(self.began) <= MAX_STRETCH
            && self.amps.is_finite()
    }

    /// With another reading; `None` if its charge jumps.
    fn with(mut self, amps: f64, charge: f64, now: Moment) -> Option<Self> {
        let flown = f64::midpoint(self.amps, amps) * now.since(self.at).as_secs_f64() / 3600.0;
        if self.measure.is_jump(charge - self.charge, flown) || !(flown.is_finite() && charge.is_finite()) {
            return None;
        }
        self.flown += flown;
        self.gross += flown.abs();
        (self.at, self.amps, self.charge) = (now, amps, charge);
        Some(self)
    }

    /// The answer that it proves, with the capacity that it implies.
    fn result(&self) -> Option<(Assumption, f64)> {
        let moved = self.charge - self.begun_at;
        if self.flown.abs() < MOSTLY_ONE_WAY * self.gross {
            return None;
        }
        let capacity = self.measure.implied(moved, self.flown)?;
        Some((Assumption { question: self.question, is_second: (moved > 0.0) != (self.flown > 0.0) }, capacity))
    }
}
