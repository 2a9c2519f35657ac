//! Searches a port for a BMS: drivers × line settings × addresses, in two passes.
//!
//! If a family may have its own master on the line, the driver listens for it before anything is sent, and only listens if it hears
//! one: first at the lowest of their speeds for any traffic, then, if there is some, at each. The quick pass tries every driver once,
//! at its usual line and first address: within two seconds those that are met often, then all others, which are not tried there again.
//! The patient pass tries all addresses and lines, within a time budget shared by the requests, and listens where something was heard.
//! A BMS whose answer was corrupted is tried a few more times: after the quick pass, and at the end. One that may have answered late is
//! asked again at once (`late.rs`).
//! Only a full reading confirms a hit: an identification alone may be chance, or another device with a similar protocol.

use crate::base::units::Moment;
use crate::bms::sniffer::Sniffer;
use crate::bms::{Driver, Evidence, Line, Protocol, Request, Sharing, Transport, tested};
use crate::link::{Link, LinkError};
use crate::model::Reading;
use late::{LATE_TIMEOUT, LateAnswers};
use lookalikes::Witness;
use plan::{FURTHER_ADDRESS_TIME, Kind, MAIN_ADDRESS_TIME, addresses, is_wanted, lines, quick, share, thorough};
use std::time::Duration;
use thiserror::Error;

mod late;
mod lookalikes;
mod plan;
mod report;

pub use lookalikes::{doubt, further_families};
pub use report::{NotFound, PortActivity};

/// Time for both passes on a silent port, without the start of the process: a part for the line, and one for each family, up to a
/// maximum.
const SEARCH_BUDGET: (Duration, Duration) = (Duration::from_millis(2200), Duration::from_millis(345));
const MOST_SEARCH_BUDGET: Duration = Duration::from_millis(7400);

/// Further addresses are skipped this long after the budget: on a line that is never quiet each request takes longer.
const FURTHER_ADDRESSES_OVERTIME: Duration = Duration::from_millis(1600);

/// Number and time limit of further attempts if answers were corrupted.
const RETRIES_AFTER_DAMAGE: usize = 6;
const RETRIES_UNTIL: Duration = Duration::from_secs(14);
/// As many of them follow right after the quick pass.
const RETRIES_AT_ONCE: usize = 4;

/// Least timeout of an identification on Bluetooth.
const RADIO_TIMEOUT: Duration = Duration::from_secs(1);

/// Time to listen for a master before anything is sent; a master sends at least every 220 ms.
const FIRST_LISTEN: Duration = Duration::from_millis(250);

/// Longest listening time once a master was heard: its cycle takes up to 15 s.
const MASTER_CYCLE: Duration = Duration::from_secs(20);
/// … but a line without any request that is quiet for this long has none: what was heard was the last answer to a program that has
/// just ended.
const NO_MASTER: Duration = Duration::from_millis(2500);

/// Time to wait for the first message on a topic; senders have their own pace.
const MESSAGE_TIME: Duration = Duration::from_secs(25);

/// Time to wait for a CAN family that sends by itself, once a second, and is never asked.
const BROADCAST_TIME: Duration = Duration::from_secs(4);

/// Scope of the search.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The drivers to try, in this order.
    pub drivers: Vec<&'static Driver>,
    /// The addresses to try instead of the drivers' own; all that answer are returned.
    pub addresses: Vec<u8>,
    /// The only line to try, for boards with an unusual setting; `None` = the drivers' own.
    pub line: Option<Line>,
    /// The port is a CAN bus: only families on CAN are tried, otherwise only those on serial lines.
    pub can: bool,
    /// The BMS that answered the last time: tried first, if it is within the scope.
    pub remembered: Option<Candidate>,
    /// Send nothing: only batteries polled by another master are found.
    pub listen_only: bool,
}

impl Scope {
    /// Without the families that cannot be on the port.
    fn only(&self, families: Option<&[&'static str]>) -> Self {
        let mut scope = self.clone();
        scope.drivers.retain(|driver| families.is_none_or(|families| families.contains(&driver.name)));
        scope
    }
}

impl Default for Scope {
    fn default() -> Self {
        let serial = tested().filter(|driver| driver.transports.contains(&Transport::Serial));
        Self { drivers: serial.collect(), addresses: Vec::new(), line: None, can: false, remembered: None, listen_only: false }
    }
}

/// A BMS to try.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Its driver.
    pub driver: &'static Driver,
    /// Its line.
    pub line: Line,
    /// Its address, where the protocol has one.
    pub address: Option<u8>,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        (self.driver.name, self.line, self.address) == (other.driver.name, other.line, other.address)
    }
}

impl Candidate {
    /// A decoder for it.
    pub fn protocol(&self) -> Box<dyn Protocol> {
        let mut protocol = (self.driver.new)(self.address);
        protocol.use_line(self.line);
        protocol
    }

    /// Sets the line, the pause before requests and, on a CAN bus, the frames that are received.
    ///
    /// # Errors
    /// The port's.
    pub fn prepare(&self, link: &mut Link) -> Result<(), LinkError> {
        link.prepare(self.line, self.driver.gap)?;
        if self.line.is_can() { link.filter(self.protocol().can_ids()) } else { Ok(()) }
    }
}

/// A BMS found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its driver, line and address.
    pub candidate: Candidate,
    /// Its first full reading.
    pub reading: Reading,
    /// From the start of the search to the end of that reading.
    pub elapsed: Duration,
    /// It was overheard: another master polls this line.
    pub overheard: bool,
    /// Other families that its identifying answer fits as well: the owner has to say which one it is.
    pub also: Vec<&'static Driver>,
}

/// Why a search ended without a battery.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// No known BMS answers: a result rather than a fault.
    #[error(transparent)]
    NotFound(NotFound),
    /// The port failed.
    #[error(transparent)]
    Port(LinkError),
}

/// Searches a port for batteries. Finds more than one at explicit addresses and with drivers whose batteries can share a line; all
/// of them then use the same protocol.
///
/// # Errors
/// [`ProbeError::NotFound`] describes what was received instead.
pub fn search(link: &mut Link, scope: &Scope) -> Result<Vec<Found>, ProbeError> {
    let start = link.now();
    let not_found = NotFound::new(link.name());
    let port = link.name().to_owned();
    let scope = &scope.only(link.families());
    let (late, retry) = (LateAnswers::default(), Vec::new());
    let mut walk = SearchRun { link, scope, start, not_found, another_master: false, unread_frames: false, late, retry };
    let mut found = walk.find().map_err(ProbeError::Port)?;
    if found.is_empty() {
        let elapsed = walk.elapsed();
        return Err(ProbeError::NotFound(walk.not_found.after(elapsed)));
    }
    if let Some(untested) = found.iter().map(|found| found.candidate.driver).find(|driver| driver.evidence == Evidence::Untested) {
        log::warn!(
            "{} is untested: check every value against the manufacturer's app before you rely on it, and please send a recording \
             (README)",
            untested.label
        );
    }
    found.sort_by_key(|found| found.candidate.address);
    if let Some(doubt) = doubt(&port, &found, &[]) {
        log::warn!("{doubt}");
    }
    Ok(found)
}

/// Candidates that may still join the batteries of a line, all of one family: those that did not answer.
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

/// Whether to poll this battery, or only to listen for it on a line with a master.
pub(crate) fn is_asked(candidate: &Candidate) -> bool {
    candidate.driver.listen.is_zero() || !candidate.protocol().identify().bytes.is_empty()
}

/// Whether the batteries of this family send by themselves on a CAN bus and are never asked.
pub(crate) fn is_broadcast(driver: &Driver) -> bool {
    driver.transports == [Transport::Can] && (driver.new)(None).identify().bytes.is_empty()
}

/// Requests the identification and a full reading from one candidate.
///
/// # Errors
/// What was received instead, or the port's fault.
pub fn confirm(link: &mut Link, candidate: &Candidate, wait: Duration) -> Result<Result<Reading, PortActivity>, LinkError> {
    let timeout = |usual: Duration| usual.min(wait);
    Ok(compare(link, candidate, timeout)?.map(|(reading, _)| reading))
}

/// As [`confirm`], with the other families that the identifying answer fits. The timeout of the identification depends on the usual one.
fn compare(
    link: &mut Link,
    candidate: &Candidate,
    timeout: impl Fn(Duration) -> Duration,
) -> Result<Result<(Reading, Vec<&'static Driver>), PortActivity>, LinkError> {
    let driver = candidate.driver;
    candidate.prepare(link)?;
    let mut protocol = candidate.protocol();
    let identify = protocol.identify();
    // On Bluetooth only a few families are possible, and a radio is slower than a line.
    let timeout = if link.families().is_some() { identify.timeout.max(RADIO_TIMEOUT) } else { timeout(identify.timeout) };
    let request = Request { timeout, ..identify };
    let mut reading = Reading::new(driver.name, candidate.address);
    let mut witness = Witness::new(protocol.as_mut());
    match link.identify(&mut witness, &request, &mut reading) {
        Err(error) if error.is_port() => return Err(error),
        Err(error) => return Ok(Err(PortActivity::from(&error))),
        Ok(()) => {}
    }
    let also = witness.also_fit(candidate);
    let first = link.poll(protocol.as_mut(), &Reading::new(driver.name, candidate.address));
    // Where each cell is asked for, the first reading tells only how many there are.
    let whole = match first {
        Ok(first) if first.cells.is_empty() && first.cell_count.is_some() => link.poll(protocol.as_mut(), &first),
        other => other,
    };
    match whole {
        Err(failure) if failure.error.is_port() => Err(failure.error),
        Err(failure) => Ok(Err(match PortActivity::from(&failure.error) {
            PortActivity::Refused { .. } => PortActivity::Unconfirmed(format!("no {} came", failure.what)),
            // Its reason, above all a layout that is not supported, is what the owner has to know.
            unconfirmed @ PortActivity::Unconfirmed(_) => unconfirmed,
            _ => PortActivity::Unread(failure.what),
        })),
        Ok(reading) => Ok(match implausible(&reading) {
            None => Ok((reading, also)),
            Some(why) => Err(PortActivity::Unconfirmed(why)),
        }),
    }
}

/// Values in a first reading that are impossible for any battery; broken sense wires and empty cells are possible.
fn implausible(reading: &Reading) -> Option<String> {
    let Some(voltage) = reading.voltage else { return Some("its reading has no pack voltage".to_owned()) };
    if !(1.0..1000.0).contains(&voltage.get()) {
        return Some(format!("its pack voltage of {voltage} is none"));
    }
    let live = reading.cells.iter().any(|cell| (0.5..5.0).contains(&cell.get()));
    let dead = !live && !reading.cells.is_empty();
    reading.contradiction().or_else(|| dead.then(|| "none of its cells has a voltage".to_owned()))
}

struct SearchRun<'a> {
    link: &'a mut Link,
    scope: &'a Scope,
    start: Moment,
    not_found: NotFound,
    /// Another master polls this line: nothing may be sent.
    another_master: bool,
    /// Frames arrived, but no reading: listening again is pointless.
    unread_frames: bool,
    late: LateAnswers,
    /// Candidates that answered, but could not be read.
    retry: Vec<Candidate>,
}

impl SearchRun<'_> {
    fn elapsed(&self) -> Duration {
        self.link.now().since(self.start)
    }

    /// Waits for the messages of a battery that is never asked.
    fn await_message(&mut self, driver: &'static Driver) -> Result<Vec<Found>, LinkError> {
        let Some(line) = driver.lines.first().copied() else { return Ok(Vec::new()) };
        let candidate = Candidate { driver, line, address: None };
        self.link.prepare(line, driver.gap)?;
        while self.elapsed() < MESSAGE_TIME {
            let heard = match self.link.poll(candidate.protocol().as_mut(), &Reading::new(driver.name, None)) {
                Ok(reading) => match implausible(&reading) {
                    None => {
                        return Ok(vec![Found { candidate, reading, elapsed: self.elapsed(), overheard: false, also: Vec::new() }]);
                    }
                    Some(why) => PortActivity::Unconfirmed(why),
                },
                Err(failure) if failure.error.is_port() => return Err(failure.error),
                Err(failure) => PortActivity::from(&failure.error),
            };
            self.not_found.record(&candidate, heard);
        }
        Ok(Vec::new())
    }

    /// All batteries; empty if a master was heard but no battery, or if nothing answers.
    fn find(&mut self) -> Result<Vec<Found>, LinkError> {
        if let [driver] = self.scope.drivers.as_slice()
            && driver.transports == [Transport::Mqtt]
        {
            return self.await_message(driver);
        }
        let remembered = self.scope.remembered.filter(|candidate| is_wanted(self.scope, candidate));
        let (talks, quiet) = match remembered {
            Some(candidate) if candidate.driver.listen.is_zero() => (None, Some(candidate)),
            other => (other, None),
        };
        if let Some(first) = self.ask_first(quiet)? {
            return self.gather(vec![first]);
        }
        let scope = self.scope;
        let with_masters = scope.drivers.iter().copied().filter(|driver| !driver.listen.is_zero());
        let places: Vec<_> = with_masters.filter_map(|driver| Some((driver, *lines(scope, driver).first()?))).collect();
        if self.may_have_master(&places)? {
            for (driver, line) in places {
                let found = self.overhear(driver, line, FIRST_LISTEN)?;
                if !found.is_empty() || self.another_master {
                    return Ok(found);
                }
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
            Some(candidate) if !self.scope.listen_only && is_asked(&candidate) => self.ask(candidate, MAIN_ADDRESS_TIME.1),
            _ => Ok(None),
        }
    }

    /// Both passes, up to the first battery that answers, and all others on its line.
    fn walk(&mut self) -> Result<Vec<Found>, LinkError> {
        for (candidate, timeout) in quick(self.scope) {
            if let Some(found) = self.ask_in_turn(candidate, timeout)? {
                return self.gather(vec![found]);
            }
        }
        // An answer that was corrupted is nearly a hit: it is worth more than all other families.
        for candidate in self.retry.clone().repeat(RETRIES_AT_ONCE) {
            if let Some(found) = self.ask(candidate, MAIN_ADDRESS_TIME.1)? {
                return self.gather(vec![found]);
            }
        }
        let steps = thorough(self.scope);
        let families = u32::try_from(self.scope.drivers.len()).unwrap_or(u32::MAX);
        let budget = SEARCH_BUDGET.0.saturating_add(SEARCH_BUDGET.1.saturating_mul(families)).min(MOST_SEARCH_BUDGET);
        let share = share(&steps, budget.saturating_sub(self.elapsed()));
        for step in steps {
            if step.kind == Kind::Further && self.elapsed() > budget.saturating_add(FURTHER_ADDRESSES_OVERTIME) {
                continue;
            }
            let (least, most) = step.time;
            let time = least.saturating_add(most.saturating_sub(least).mul_f64(share));
            let found = match step.kind {
                Kind::Listen if self.unread_frames || !self.not_found.has_heard(step.candidate.line) => continue,
                Kind::Listen => self.overhear(step.candidate.driver, step.candidate.line, step.candidate.driver.listen / 2)?,
                Kind::Main | Kind::Further => match self.ask_in_turn(step.candidate, time)? {
                    Some(found) => return self.gather(vec![found]),
                    None => Vec::new(),
                },
            };
            if !found.is_empty() || self.another_master {
                return Ok(found);
            }
        }
        self.await_broadcasts()
    }

    /// Asks a candidate, and then those whose late answers may have arrived meanwhile: each of these is nearly a hit.
    fn ask_in_turn(&mut self, candidate: Candidate, wait: Duration) -> Result<Option<Found>, LinkError> {
        let mut found = self.ask(candidate, wait)?;
        let mut late = self.late.take().into_iter();
        while found.is_none()
            && let Some(candidate) = late.next()
        {
            found = self.ask_for(candidate, |usual| usual.max(LATE_TIMEOUT))?;
        }
        Ok(found)
    }

    /// Waits for batteries that are never asked: after all others, because boards that are asked broadcast frames for inverters, too.
    fn await_broadcasts(&mut self) -> Result<Vec<Found>, LinkError> {
        let scope = self.scope;
        for driver in scope.drivers.iter().copied().filter(|driver| scope.can && is_broadcast(driver)) {
            let Some(line) = lines(scope, driver).first().copied() else { continue };
            for address in addresses(scope, driver) {
                if let Some(found) = self.ask(Candidate { driver, line, address }, BROADCAST_TIME)? {
                    return self.gather(vec![found]);
                }
            }
        }
        self.ask_again()
    }

    /// Candidates whose answers were corrupted.
    fn ask_again(&mut self) -> Result<Vec<Found>, LinkError> {
        for candidate in self.retry.repeat(RETRIES_AFTER_DAMAGE) {
            if self.elapsed() > RETRIES_UNTIL {
                break;
            }
            if let Some(found) = self.ask(candidate, MAIN_ADDRESS_TIME.1)? {
                return self.gather(vec![found]);
            }
        }
        Ok(Vec::new())
    }

    fn ask(&mut self, candidate: Candidate, wait: Duration) -> Result<Option<Found>, LinkError> {
        self.ask_for(candidate, |usual| usual.min(wait))
    }

    fn ask_for(&mut self, candidate: Candidate, timeout: impl Fn(Duration) -> Duration) -> Result<Option<Found>, LinkError> {
        let (asked, last_heard) = (self.link.now(), self.link.heard_at());
        match compare(self.link, &candidate, timeout)? {
            Ok((reading, also)) => Ok(Some(Found { candidate, reading, elapsed: self.elapsed(), overheard: false, also })),
            Err(heard) => {
                log::debug!("{} at {}, address {:?}: {heard}", candidate.driver.label, candidate.line, candidate.address);
                if heard.is_worth_retrying() && !self.retry.contains(&candidate) {
                    self.retry.push(candidate);
                }
                let before = heard == PortActivity::Silence && self.link.heard_at() != last_heard;
                self.late.note(candidate, asked, &heard, before);
                self.not_found.record(&candidate, heard);
                Ok(None)
            }
        }
    }

    /// Whether a master may be on the line, so that each family's has to be listened for at its own speed. A receiver at a lower
    /// speed than the master's gets other bytes, but it gets some: if none arrive at the lowest speed, there is no master.
    fn may_have_master(&mut self, places: &[(&'static Driver, Line)]) -> Result<bool, LinkError> {
        let Some((_, slowest)) = places.iter().min_by_key(|(_, line)| line.baud).copied() else { return Ok(false) };
        // Masters at given addresses, or all of them, are waited for in any case.
        let is_awaited = self.scope.listen_only || !self.scope.addresses.is_empty();
        if is_awaited || places.iter().all(|(_, line)| *line == slowest) {
            return Ok(true);
        }
        self.link.prepare(slowest, Duration::ZERO)?;
        self.link.hears_anything(self.link.now().after(FIRST_LISTEN))
    }

    /// Listens for `time`, and for a whole cycle if a master is heard. If the master only broadcasts its own data, polls the others.
    fn overhear(&mut self, driver: &'static Driver, line: Line, time: Duration) -> Result<Vec<Found>, LinkError> {
        let candidate = |address| Candidate { driver, line, address };
        candidate(None).prepare(self.link)?;
        let start = self.link.now();
        let silent =
            !self.scope.addresses.is_empty() && self.scope.addresses.iter().all(|address| !is_asked(&candidate(Some(*address))));
        let patient = silent || self.scope.listen_only;
        let whole_time = start.after(MASTER_CYCLE);
        let mut until = if patient { whole_time } else { start.after(time) };
        let (mut heard, mut found): (_, Vec<Found>) = (Sniffer::new(driver), Vec::new());
        let mut whole_cycle = false;
        while !whole_cycle && self.link.now() < until {
            self.link.listen(&mut heard, until)?;
            if heard.requests() > 0 {
                until = whole_time;
            } else if !patient && heard.frames().0 > 0 {
                let heard_at = self.link.heard_at().unwrap_or(start);
                until = until.max(heard_at.after(NO_MASTER)).min(whole_time);
            }
            for reading in heard.take() {
                let candidate = candidate(reading.address);
                // A battery heard for the second time completes the cycle.
                whole_cycle |= found.iter().any(|found| found.candidate.address == reading.address);
                if !whole_cycle && implausible(&reading).is_none() {
                    found.push(Found { candidate, reading, elapsed: self.elapsed(), overheard: true, also: Vec::new() });
                }
            }
        }
        self.another_master = heard.requests() > 0;
        self.unread_frames = heard.frames().0 > 0;
        found.retain(|found| is_wanted(self.scope, &found.candidate));
        if found.is_empty() && self.another_master {
            self.not_found.record(&candidate(None), PortActivity::Foreign);
        }
        if found.is_empty() || self.another_master || self.scope.listen_only { Ok(found) } else { self.gather(found) }
    }

    /// Searches for further batteries beside those found.
    fn gather(&mut self, mut found: Vec<Found>) -> Result<Vec<Found>, LinkError> {
        let wait = match found.first() {
            // Their own pace tells how long to listen.
            Some(found) if is_broadcast(found.candidate.driver) => BROADCAST_TIME,
            _ if self.scope.addresses.is_empty() => FURTHER_ADDRESS_TIME.1,
            _ => MAIN_ADDRESS_TIME.1,
        };
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
