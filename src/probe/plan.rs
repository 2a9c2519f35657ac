//! What is asked in which order, and how long each answer is waited for. Pure.

use super::{Candidate, Scope, is_asked};
use crate::bms::{Driver, Line};
use std::time::Duration;

/// Shortest and longest wait of the patient pass: at a main address, at a further one, and for the time of listening.
pub(super) const MAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(500));
pub(super) const FURTHER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(150));

/// One thing to do in the patient pass.
pub(super) struct Step {
    pub(super) candidate: Candidate,
    /// Least and most time for it.
    pub(super) time: (Duration, Duration),
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Listen,
    Main,
    Further,
}

pub(super) fn is_wanted(scope: &Scope, candidate: &Candidate) -> bool {
    scope.drivers.iter().any(|driver| driver.name == candidate.driver.name)
        && lines(scope, candidate.driver).contains(&candidate.line)
        && candidate.address.is_none_or(|address| scope.addresses.is_empty() || scope.addresses.contains(&address))
}

/// The lines to ask a driver on. A request that must not be sent at any other speed is not, whatever is configured.
pub(super) fn lines(scope: &Scope, driver: &Driver) -> Vec<Line> {
    match scope.line {
        None => driver.lines.to_vec(),
        Some(line) if driver.lines_only => driver.lines.iter().copied().filter(|own| *own == line).collect(),
        Some(line) => vec![line],
    }
}

/// The addresses to ask a driver at; one `None` where it has none.
fn addresses(scope: &Scope, driver: &Driver) -> Vec<Option<u8>> {
    match (driver.addresses, scope.addresses.as_slice()) {
        ([], _) => vec![None],
        (own, []) => own.iter().copied().map(Some).collect(),
        (_, wanted) => wanted.iter().copied().map(Some).collect(),
    }
}

/// The usual line and first address of every driver, sorted so that the line changes as seldom as possible.
pub(super) fn quick(scope: &Scope) -> Vec<Candidate> {
    let candidates = scope.drivers.iter().filter_map(|driver| {
        let address = addresses(scope, driver).first().copied().flatten();
        Some(Candidate { driver, line: *lines(scope, driver).first()?, address })
    });
    by_line(candidates.filter(is_asked).collect(), |candidate| candidate.line)
}

pub(super) fn patient(scope: &Scope) -> Vec<Step> {
    let mut steps = Vec::new();
    for driver in &scope.drivers {
        let addresses = addresses(scope, driver);
        for (index, line) in lines(scope, driver).into_iter().enumerate() {
            let usual = index == 0;
            if usual && !driver.listen.is_zero() {
                let candidate = Candidate { driver, line, address: None };
                steps.push(Step { candidate, time: (driver.listen / 2, driver.listen), kind: Kind::Listen });
            }
            for (place, address) in addresses.iter().copied().enumerate().filter(|(place, _)| usual || *place == 0) {
                let main = place == 0 || !scope.addresses.is_empty();
                let (time, kind) = if main { (MAIN, Kind::Main) } else { (FURTHER, Kind::Further) };
                let candidate = Candidate { driver, line, address };
                if is_asked(&candidate) {
                    steps.push(Step { candidate, time, kind });
                }
            }
        }
    }
    by_line(steps, |step| step.candidate.line)
}

/// Groups by line, in the order in which the lines appear; the order within a line stays.
fn by_line<T>(mut items: Vec<T>, line: impl Fn(&T) -> Line) -> Vec<T> {
    let mut lines = Vec::new();
    for line in items.iter().map(&line) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    items.sort_by_key(|item| lines.iter().position(|known| *known == line(item)));
    items
}

/// How much of the time between least and most each step may take, 0 to 1, so that all of them fit into `budget`.
pub(super) fn share(steps: &[Step], budget: Duration) -> f64 {
    let least: Duration = steps.iter().map(|step| step.time.0).sum();
    let most: Duration = steps.iter().map(|step| step.time.1).sum();
    match most.saturating_sub(least).as_secs_f64() {
        spread if spread > 0.0 => (budget.saturating_sub(least).as_secs_f64() / spread).clamp(0.0, 1.0),
        _ => 1.0,
    }
}
