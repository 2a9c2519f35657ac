//! Order and timeouts of the requests of a search. Pure.

use super::{Candidate, FIRST_LISTEN, Scope, is_asked};
use crate::bms::{COMMON, DRIVERS, Driver, Line};
use std::time::Duration;

/// Answer timeout in the quick pass, and for the families that are asked in it only. An answer that begins later is heard by the
/// requests that follow, and its family asked again (`late.rs`).
const QUICK_TIMEOUT: Duration = Duration::from_millis(200);
const SELDOM_TIMEOUT: Duration = Duration::from_millis(150);

/// The same for a family whose boards take up to 0.6 s, which the timeout of its requests tells. It comes last on its line, so that
/// late answers to the requests before fall into its time, too.
const SLOW_TIMEOUT: Duration = Duration::from_millis(650);
const SLOW_FAMILY: Duration = Duration::from_millis(800);

/// Shortest and longest timeout of the patient pass: at a main address, and at a further one.
pub(super) const MAIN_ADDRESS_TIME: (Duration, Duration) = (Duration::from_millis(120), Duration::from_millis(500));
pub(super) const FURTHER_ADDRESS_TIME: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(150));

/// Least timeout of the last request, as none follows that would hear a late answer.
const LAST_TIME: Duration = Duration::from_millis(250);

/// One step of the patient pass.
pub(super) struct Step {
    pub(super) candidate: Candidate,
    /// Its minimum and maximum time.
    pub(super) time: (Duration, Duration),
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only if something was heard on this line: a silent one takes no time for it.
    Listen,
    Main,
    Further,
}

pub(super) fn is_wanted(scope: &Scope, candidate: &Candidate) -> bool {
    scope.drivers.iter().any(|driver| driver.name == candidate.driver.name)
        && lines(scope, candidate.driver).contains(&candidate.line)
        && candidate.address.is_none_or(|address| scope.addresses.is_empty() || scope.addresses.contains(&address))
}

/// The lines to try for a driver. Requests restricted to certain speeds are never sent at another, whatever is configured.
pub(super) fn lines(scope: &Scope, driver: &Driver) -> Vec<Line> {
    let own = driver.lines.iter().copied().filter(|line| line.is_can() == scope.can);
    match scope.line {
        _ if scope.can => own.collect(),
        None => own.collect(),
        Some(line) if driver.listed_lines_only => own.filter(|own| *own == line).collect(),
        Some(line) => own.take(1).map(|_| line).collect(),
    }
}

/// The addresses to try for a driver; a single `None` if it has none.
pub(super) fn addresses(scope: &Scope, driver: &Driver) -> Vec<Option<u8>> {
    match (driver.addresses, scope.addresses.as_slice()) {
        ([], _) => vec![None],
        (own, []) => own.iter().copied().map(Some).collect(),
        (_, wanted) => wanted.iter().copied().map(Some).collect(),
    }
}

/// The usual line and first address of every driver with its timeout, sorted to change the line as rarely as possible; the families
/// that are met seldom come last.
pub(super) fn quick(scope: &Scope) -> Vec<(Candidate, Duration)> {
    let candidate = |driver: &&'static Driver| {
        let address = addresses(scope, driver).first().copied().flatten();
        Some(Candidate { driver, line: *lines(scope, driver).first()?, address })
    };
    let pass = |seldom: bool, timeout: Duration| {
        let drivers = scope.drivers.iter().filter(|driver| is_seldom(scope, driver) == seldom);
        let candidates = drivers.filter_map(candidate).filter(is_asked).map(|candidate| {
            let is_slow = seldom && candidate.protocol().identify().timeout >= SLOW_FAMILY;
            (candidate, if is_slow { SLOW_TIMEOUT } else { timeout })
        });
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_by_key(|(_, timeout)| *timeout);
        by_line(candidates, |(candidate, _)| candidate.line)
    };
    [pass(false, QUICK_TIMEOUT), pass(true, SELDOM_TIMEOUT)].concat()
}

/// A search for many families asks those met seldom once only, as the time that a port without a battery takes grows with each.
fn is_seldom(scope: &Scope, driver: &Driver) -> bool {
    scope.drivers.len() > COMMON && DRIVERS.iter().skip(COMMON).any(|seldom| seldom.name == driver.name)
}

pub(super) fn thorough(scope: &Scope) -> Vec<Step> {
    let mut steps = Vec::new();
    for driver in &scope.drivers {
        let addresses = addresses(scope, driver);
        for (index, line) in lines(scope, driver).into_iter().enumerate() {
            let usual = index == 0;
            let once = usual && is_seldom(scope, driver);
            for (place, address) in addresses.iter().copied().enumerate().filter(|(place, _)| usual || *place == 0) {
                if once && place == 0 {
                    continue;
                }
                let main = place == 0 || !scope.addresses.is_empty();
                let (time, kind) = if main { (MAIN_ADDRESS_TIME, Kind::Main) } else { (FURTHER_ADDRESS_TIME, Kind::Further) };
                let candidate = Candidate { driver, line, address };
                if is_asked(&candidate) {
                    steps.push(Step { candidate, time, kind });
                }
            }
            if usual && driver.listen > FIRST_LISTEN {
                let candidate = Candidate { driver, line, address: None };
                steps.push(Step { candidate, time: (Duration::ZERO, Duration::ZERO), kind: Kind::Listen });
            }
        }
    }
    let mut steps = by_line(steps, |step| step.candidate.line);
    if let Some(last) = steps.last_mut() {
        last.time.0 = last.time.0.max(LAST_TIME);
        last.time.1 = last.time.1.max(LAST_TIME);
    }
    steps
}

/// Groups by line, in the order of first appearance; keeps the order within a line.
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

/// Share of the range from minimum to maximum time that each step may use, 0 to 1, so that all fit into `budget`.
pub(super) fn share(steps: &[Step], budget: Duration) -> f64 {
    let least: Duration = steps.iter().map(|step| step.time.0).sum();
    let most: Duration = steps.iter().map(|step| step.time.1).sum();
    match most.saturating_sub(least).as_secs_f64() {
        spread if spread > 0.0 => (budget.saturating_sub(least).as_secs_f64() / spread).clamp(0.0, 1.0),
        _ => 1.0,
    }
}
