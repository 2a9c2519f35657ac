//! Simulated batteries that send by themselves, each kind of data at its period, and answer nothing.

use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::model::AlarmName;
use std::time::Duration;

/// The frames of a battery.
type Make = fn(&Unit) -> Vec<Vec<u8>>;

/// What such a board sends, and what of its battery that shows.
pub(super) struct Program {
    /// The line.
    pub(super) line: Line,
    /// Several of them share the line.
    pub(super) addressed: bool,
    /// Periods, each with what is sent.
    pub(super) schedule: &'static [(Duration, Make)],
    /// See [`Responder::shown_as`].
    pub(super) shown_as: fn(AlarmName) -> Option<AlarmName>,
    /// It tells whether it balances.
    pub(super) shows_balancing: bool,
}

/// A board that runs a program.
pub(super) struct Broadcaster {
    program: &'static Program,
    /// When each part of the schedule is sent next.
    next: Vec<Duration>,
}

impl Broadcaster {
    /// All parts are sent for the first time within the first of their periods, one after the other.
    pub(super) fn new(program: &'static Program) -> Self {
        let next = (0u32..)
            .zip(program.schedule)
            .map(|(number, (period, _))| (*period).min(Duration::from_millis(1).saturating_mul(number)));
        Self { program, next: next.collect() }
    }
}

impl Responder for Broadcaster {
    fn line(&self) -> Line {
        self.program.line
    }

    fn addressed(&self) -> bool {
        self.program.addressed
    }

    fn answer(&mut self, _: &[u8], _: &mut [Unit]) -> Vec<Reply> {
        Vec::new()
    }

    fn quiet(&mut self) {}

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        (self.program.shown_as)(alarm)
    }

    fn shows_balancing(&self) -> bool {
        self.program.shows_balancing
    }

    fn writes(&self) -> usize {
        0
    }

    fn unsolicited(&mut self, now: Duration, units: &mut [Unit]) -> Vec<Reply> {
        let mut replies = Vec::new();
        for ((period, make), next) in self.program.schedule.iter().zip(&mut self.next).filter(|(_, next)| **next <= now) {
            let frames = units.iter().filter(|unit| !unit.pack.silent).flat_map(make);
            replies.extend(frames.map(|bytes| Reply { after: Duration::ZERO, bytes }));
            // What was missed while the program was suspended is not made up for.
            let later = next.saturating_add(*period);
            *next = if later <= now { now.saturating_add(*period) } else { later };
        }
        replies
    }

    fn next_unsolicited_at(&self) -> Option<Duration> {
        self.next.iter().min().copied()
    }
}
