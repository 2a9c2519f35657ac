//! Finding out what answers on a port: drivers × line settings × addresses, in two passes.
//!
//! The quick pass asks every driver once, at its usual line and first address, and finds nearly every BMS within a second. The
//! patient pass listens, waits longer and looks at all addresses, within a budget of time that the requests share. Only a full
//! reading confirms a hit: an identification alone may be chance, or another device with the same manners.

use crate::bms::{DRIVERS, Driver, Line, Protocol, Request};
use crate::link::{Link, LinkError};
use crate::model::Reading;
use crate::units::Moment;
use std::time::Duration;
use thiserror::Error;

mod verdict;
pub use verdict::{Heard, NotFound};

/// Wait for an answer in the quick pass.
const QUICK: Duration = Duration::from_millis(200);

/// Time for both passes on a silent port; a start and its log come on top of it.
const BUDGET: Duration = Duration::from_millis(4700);

/// On a line that is never quiet each request takes longer; further addresses are then given up at this time.
const LATEST: Duration = Duration::from_millis(5500);

/// Listening goes on for so long once a master was overheard: its cycle takes up to 6.7 s.
const CYCLE: Duration = Duration::from_secs(7);

/// Shortest and longest wait of the patient pass: at a main address, at a further one, and for the time of listening.
const MAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(500));
const FURTHER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(150));

/// What to look for.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The drivers to try, in this order.
    pub drivers: Vec<&'static Driver>,
    /// The addresses to ask in place of the drivers' own; all that answer are collected.
    pub addresses: Vec<u8>,
    /// The only line to try, for boards set to an unusual one; `None` = the drivers' own.
    pub line: Option<Line>,
    /// What answered the last time: tried first, if it is among the drivers and addresses to try.
    pub remembered: Option<Candidate>,
}

impl Default for Scope {
    fn default() -> Self {
        Self { drivers: DRIVERS.to_vec(), addresses: Vec::new(), line: None, remembered: None }
    }
}

/// A BMS that may be there.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Its driver.
    pub driver: &'static Driver,
    /// Its line.
    pub line: Line,
    /// Its address, where the protocol has one.
    pub address: Option<u8>,
}

impl Candidate {
    /// A decoder for it.
    pub fn protocol(&self) -> Box<dyn Protocol> {
        (self.driver.new)(self.address)
    }
}

/// A BMS that is there.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which, and where.
    pub candidate: Candidate,
    /// Its first full reading.
    pub reading: Reading,
    /// From the start of the search to the end of that reading.
    pub elapsed: Duration,
}

/// Why a search ended without a battery.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// Nothing that is known answers: an outcome rather than a fault.
    #[error(transparent)]
    NotFound(NotFound),
    /// The port failed.
    #[error(transparent)]
    Port(LinkError),
}

/// Looks for batteries on a port. More than one is found at explicit addresses and with drivers whose batteries share a line;
/// all of them then speak the same protocol.
///
/// # Errors
/// [`ProbeError::NotFound`] tells what was heard instead.
pub fn search(link: &mut Link, scope: &Scope) -> Result<Vec<Found>, ProbeError> {
    let start = link.now();
    let verdict = NotFound::new(link.name());
    let mut walk = Walk { link, scope, start, verdict };
    let first = match walk.first() {
        Ok(first) => first,
        Err(error) => return Err(ProbeError::Port(error)),
    };
    match first {
        Some(first) => walk.gather(first).map_err(ProbeError::Port),
        None => {
            let elapsed = walk.elapsed();
            let verdict = walk.verdict.after(elapsed);
            Err(ProbeError::NotFound(verdict))
        }
    }
}

/// Asks one candidate for its identification and a full reading.
///
/// # Errors
/// What was heard instead, or the port's fault.
pub fn confirm(link: &mut Link, candidate: &Candidate, wait: Duration) -> Result<Result<Reading, Heard>, LinkError> {
    let driver = candidate.driver;
    link.prepare(candidate.line, driver.gap)?;
    let mut protocol = candidate.protocol();
    let identify = protocol.identify();
    let request = Request { timeout: identify.timeout.min(wait), ..identify };
    let mut reading = Reading::new(driver.name, candidate.address);
    match link.exchange(protocol.as_mut(), &request, &mut reading) {
        Err(error) if error.is_port() => return Err(error),
        Err(error) => return Ok(Err(Heard::from(&error))),
        Ok(()) => {}
    }
    match link.poll(protocol.as_mut(), &Reading::new(driver.name, candidate.address)) {
        Err(failure) if failure.error.is_port() => Err(failure.error),
        Err(failure) => Ok(Err(Heard::Unconfirmed(format!("no {} came", failure.what)))),
        Ok(reading) => Ok(implausible(&reading).map_or(Ok(reading), |why| Err(Heard::Unconfirmed(why)))),
    }
}

/// What in a first reading no battery can say; broken sense wires and empty cells are not among it.
fn implausible(reading: &Reading) -> Option<String> {
    let Some(voltage) = reading.voltage else { return Some("its reading has no pack voltage".to_owned()) };
    if !(1.0..1000.0).contains(&voltage.get()) {
        return Some(format!("its pack voltage of {voltage} is none"));
    }
    let live = reading.cells.iter().filter(|cell| (0.5..5.0).contains(&cell.get())).count();
    let sum: f64 = reading.cells.iter().map(|cell| cell.get()).sum();
    if live == reading.cells.len() && live > 0 && (sum - voltage.get()).abs() > 0.2 * voltage.get() {
        return Some(format!("its cells sum up to {sum:.2} V, but the pack to {voltage}"));
    }
    (live == 0 && !reading.cells.is_empty()).then(|| "none of its cells has a voltage".to_owned())
}

/// One thing to do in the patient pass.
struct Step {
    candidate: Candidate,
    /// Least and most time for it.
    time: (Duration, Duration),
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Listen,
    Main,
    Further,
}

struct Walk<'a> {
    link: &'a mut Link,
    scope: &'a Scope,
    start: Moment,
    verdict: NotFound,
}

impl Walk<'_> {
    fn elapsed(&self) -> Duration {
        self.link.now().since(self.start)
    }

    /// The first battery that answers.
    fn first(&mut self) -> Result<Option<Found>, LinkError> {
        let remembered = self.scope.remembered.filter(|candidate| is_wanted(self.scope, candidate));
        if let Some(candidate) = remembered
            && let Some(found) = self.ask(candidate, MAIN.1)?
        {
            return Ok(Some(found));
        }
        for candidate in quick(self.scope) {
            if let Some(found) = self.ask(candidate, QUICK)? {
                return Ok(Some(found));
            }
        }
        let steps = patient(self.scope);
        let share = share(&steps, BUDGET.saturating_sub(self.elapsed()));
        for step in steps {
            if step.kind == Kind::Further && self.elapsed() > LATEST {
                continue;
            }
            let (least, most) = step.time;
            let time = least.saturating_add(most.saturating_sub(least).mul_f64(share));
            let found = match step.kind {
                Kind::Listen => self.overhear(step.candidate, time)?,
                Kind::Main | Kind::Further => self.ask(step.candidate, time)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn ask(&mut self, candidate: Candidate, wait: Duration) -> Result<Option<Found>, LinkError> {
        match confirm(self.link, &candidate, wait)? {
            Ok(reading) => Ok(Some(Found { candidate, reading, elapsed: self.elapsed() })),
            Err(heard) => {
                log::debug!("{} at {} baud, address {:?}: {heard}", candidate.driver.label, candidate.line.baud, candidate.address);
                self.verdict.note(&candidate, heard);
                Ok(None)
            }
        }
    }

    /// Listens for a master that talks by itself, then asks where it was heard from.
    fn overhear(&mut self, candidate: Candidate, time: Duration) -> Result<Option<Found>, LinkError> {
        self.link.prepare(candidate.line, candidate.driver.gap)?;
        let protocol = (candidate.driver.new)(None);
        for address in self.link.overhear(protocol.as_ref(), time, CYCLE)? {
            let candidate = Candidate { address, ..candidate };
            if is_wanted(self.scope, &candidate)
                && let Some(found) = self.ask(candidate, CYCLE)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All batteries beside the first one.
    fn gather(&mut self, first: Found) -> Result<Vec<Found>, LinkError> {
        let candidate = first.candidate;
        let (addresses, wait) = match self.scope.addresses.as_slice() {
            [] if candidate.driver.shared => (candidate.driver.addresses, FURTHER.1),
            addresses => (addresses, MAIN.1),
        };
        let mut found = vec![first];
        if candidate.address.is_some() {
            for address in addresses.iter().copied().filter(|address| Some(*address) != candidate.address) {
                found.extend(self.ask(Candidate { address: Some(address), ..candidate }, wait)?);
            }
        }
        found.sort_by_key(|found| found.candidate.address);
        Ok(found)
    }
}

fn is_wanted(scope: &Scope, candidate: &Candidate) -> bool {
    scope.drivers.iter().any(|driver| driver.name == candidate.driver.name)
        && lines(scope, candidate.driver).contains(&candidate.line)
        && candidate.address.is_none_or(|address| scope.addresses.is_empty() || scope.addresses.contains(&address))
}

/// The lines to ask a driver on. A request that must not be sent at any other speed is not, whatever is configured.
fn lines(scope: &Scope, driver: &Driver) -> Vec<Line> {
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
fn quick(scope: &Scope) -> Vec<Candidate> {
    let candidates = scope.drivers.iter().filter_map(|driver| {
        let address = addresses(scope, driver).first().copied().flatten();
        Some(Candidate { driver, line: *lines(scope, driver).first()?, address })
    });
    by_line(candidates.collect(), |candidate| candidate.line)
}

fn patient(scope: &Scope) -> Vec<Step> {
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
                steps.push(Step { candidate: Candidate { driver, line, address }, time, kind });
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
fn share(steps: &[Step], budget: Duration) -> f64 {
    let least: Duration = steps.iter().map(|step| step.time.0).sum();
    let most: Duration = steps.iter().map(|step| step.time.1).sum();
    match most.saturating_sub(least).as_secs_f64() {
        spread if spread > 0.0 => (budget.saturating_sub(least).as_secs_f64() / spread).clamp(0.0, 1.0),
        _ => 1.0,
    }
}
