//! Finding out what answers on a port: drivers × line settings × addresses, in two passes.
//!
//! Where a family may have a master of its own on the line, that is listened for before anything is sent: then only listening is
//! allowed. The quick pass asks every driver once, at its usual line and first address, and finds nearly every BMS within a second. The
//! patient pass listens, waits longer and looks at all addresses, within a budget of time that the requests share. Only a full
//! reading confirms a hit: an identification alone may be chance, or another device with the same manners.

use crate::bms::overheard::Overheard;
use crate::bms::{DRIVERS, Driver, Line, Protocol, Request, Sharing};
use crate::link::{Link, LinkError};
use crate::model::Reading;
use crate::units::Moment;
use plan::{FURTHER, Kind, MAIN, is_wanted, lines, patient, quick, share};
use std::time::Duration;
use thiserror::Error;

mod plan;
mod verdict;

pub use verdict::{Heard, NotFound};

/// Wait for an answer in the quick pass.
const QUICK: Duration = Duration::from_millis(200);

/// Time for both passes on a silent port; a start and its log come on top of it.
const BUDGET: Duration = Duration::from_millis(4700);

/// On a line that is never quiet each request takes longer; further addresses are then given up at this time.
const LATEST: Duration = Duration::from_millis(5500);

/// Time to hear a master before anything is sent: it asks at least every 220 ms.
const FIRST_LISTEN: Duration = Duration::from_millis(250);

/// Listening goes on for so long once a master was overheard: its cycle takes up to 15 s.
const CYCLE: Duration = Duration::from_secs(20);

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
    /// Nothing may be sent: only batteries that others ask are found.
    pub listen_only: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self { drivers: DRIVERS.to_vec(), addresses: Vec::new(), line: None, remembered: None, listen_only: false }
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
    /// It was not asked from here: another master talks on this line.
    pub overheard: bool,
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
    let mut walk = Walk { link, scope, start, verdict, another_master: false, babble: false };
    let mut found = walk.find().map_err(ProbeError::Port)?;
    if found.is_empty() {
        let elapsed = walk.elapsed();
        return Err(ProbeError::NotFound(walk.verdict.after(elapsed)));
    }
    found.sort_by_key(|found| found.candidate.address);
    Ok(found)
}

/// Who may still be missing beside the batteries of one line, all of a family: those that may be there although they did not
/// answer.
pub fn absent(scope: &Scope, present: &[Candidate]) -> Vec<Candidate> {
    let Some(first) = present.first() else { return Vec::new() };
    let Some(last) = present.iter().filter_map(|candidate| candidate.address).max() else { return Vec::new() };
    let addresses: Vec<u8> = match (scope.addresses.as_slice(), first.driver.sharing) {
        ([], Sharing::Any) => first.driver.addresses.to_vec(),
        ([], Sharing::Numbered(most)) if last < most => vec![last.saturating_add(1)],
        (wanted, _) => wanted.to_vec(),
    };
    let candidates = addresses.into_iter().map(|address| Candidate { address: Some(address), ..*first });
    candidates.filter(|candidate| present.iter().all(|present| present.address != candidate.address)).collect()
}

/// Whether this battery is asked, or only listened for.
pub(crate) fn is_asked(candidate: &Candidate) -> bool {
    !candidate.protocol().identify().bytes.is_empty()
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

struct Walk<'a> {
    link: &'a mut Link,
    scope: &'a Scope,
    start: Moment,
    verdict: NotFound,
    /// Somebody else asks the batteries of this line: nothing may be sent.
    another_master: bool,
    /// Frames came, but no reading: nothing more is to be learned by listening again.
    babble: bool,
}

impl Walk<'_> {
    fn elapsed(&self) -> Duration {
        self.link.now().since(self.start)
    }

    /// All batteries; none when another master was heard but no battery, or when nobody answers.
    fn find(&mut self) -> Result<Vec<Found>, LinkError> {
        let remembered = self.scope.remembered.filter(|candidate| is_wanted(self.scope, candidate));
        let (talks, quiet) = match remembered {
            Some(candidate) if candidate.driver.listen.is_zero() => (None, Some(candidate)),
            other => (other, None),
        };
        if let Some(first) = self.ask_first(quiet)? {
            return self.gather(vec![first]);
        }
        for driver in self.scope.drivers.iter().copied().filter(|driver| !driver.listen.is_zero()) {
            let Some(line) = lines(self.scope, driver).first().copied() else { continue };
            let found = self.overhear(driver, line, FIRST_LISTEN)?;
            if !found.is_empty() || self.another_master {
                return Ok(found);
            }
        }
        if self.scope.listen_only {
            return Ok(Vec::new());
        }
        match self.ask_first(talks)? {
            Some(first) => self.gather(vec![first]),
            None => self.walk(),
        }
    }

    fn ask_first(&mut self, candidate: Option<Candidate>) -> Result<Option<Found>, LinkError> {
        match candidate {
            Some(candidate) if !self.scope.listen_only && is_asked(&candidate) => self.ask(candidate, MAIN.1),
            _ => Ok(None),
        }
    }

    /// Both passes, up to the first battery that answers, and all beside it.
    fn walk(&mut self) -> Result<Vec<Found>, LinkError> {
        for candidate in quick(self.scope) {
            if let Some(found) = self.ask(candidate, QUICK)? {
                return self.gather(vec![found]);
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
                Kind::Listen if self.babble => continue,
                Kind::Listen => self.overhear(step.candidate.driver, step.candidate.line, time)?,
                Kind::Main | Kind::Further => match self.ask(step.candidate, time)? {
                    Some(found) => return self.gather(vec![found]),
                    None => Vec::new(),
                },
            };
            if !found.is_empty() || self.another_master {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn ask(&mut self, candidate: Candidate, wait: Duration) -> Result<Option<Found>, LinkError> {
        match confirm(self.link, &candidate, wait)? {
            Ok(reading) => Ok(Some(Found { candidate, reading, elapsed: self.elapsed(), overheard: false })),
            Err(heard) => {
                log::debug!("{} at {} baud, address {:?}: {heard}", candidate.driver.label, candidate.line.baud, candidate.address);
                self.verdict.note(&candidate, heard);
                Ok(None)
            }
        }
    }

    /// Listens for `time`, and for a whole cycle of a master that is heard. Where it only tells of itself, the others are asked.
    fn overhear(&mut self, driver: &'static Driver, line: Line, time: Duration) -> Result<Vec<Found>, LinkError> {
        self.link.prepare(line, driver.gap)?;
        let start = self.link.now();
        let candidate = |address| Candidate { driver, line, address };
        let silent =
            !self.scope.addresses.is_empty() && self.scope.addresses.iter().all(|address| !is_asked(&candidate(Some(*address))));
        let mut until = start.after(if silent || self.scope.listen_only { CYCLE } else { time });
        let (mut heard, mut found): (_, Vec<Found>) = (Overheard::new(driver), Vec::new());
        let mut whole_cycle = false;
        while !whole_cycle && self.link.now() < until {
            self.link.listen(&mut heard, until)?;
            if heard.requests() > 0 || heard.frames().0 > 0 {
                until = start.after(CYCLE);
            }
            for reading in heard.take() {
                let candidate = candidate(reading.address);
                // Whoever speaks for the second time closes the circle.
                whole_cycle |= found.iter().any(|found| found.candidate.address == reading.address);
                if !whole_cycle && implausible(&reading).is_none() {
                    found.push(Found { candidate, reading, elapsed: self.elapsed(), overheard: true });
                }
            }
        }
        self.another_master = heard.requests() > 0;
        self.babble = heard.frames().0 > 0;
        found.retain(|found| is_wanted(self.scope, &found.candidate));
        if found.is_empty() && self.another_master {
            self.verdict.note(&candidate(None), Heard::Foreign);
        }
        if found.is_empty() || self.another_master || self.scope.listen_only { Ok(found) } else { self.gather(found) }
    }

    /// All batteries beside those that are found.
    fn gather(&mut self, mut found: Vec<Found>) -> Result<Vec<Found>, LinkError> {
        let wait = if self.scope.addresses.is_empty() { FURTHER.1 } else { MAIN.1 };
        let mut tried = Vec::new();
        loop {
            let present: Vec<Candidate> = found.iter().map(|found| found.candidate).collect();
            let untried = |candidate: &Candidate| is_asked(candidate) && !tried.contains(&candidate.address);
            let Some(next) = absent(self.scope, &present).into_iter().find(untried) else { return Ok(found) };
            tried.push(next.address);
            found.extend(self.ask(next, wait)?);
        }
    }
}
