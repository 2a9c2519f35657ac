//! Families that one answer fits, or that answer on one port, so that the owner has to say which it is.
//!
//! Several families share a request or a frame (see `docs/wiring.md`). Their decoders accept only what fits, so that one answer with
//! two meanings should not exist; where it does, nobody but the owner knows which one is right.

use super::{Candidate, Found, Scope, confirm, implausible, quick};
use crate::base::units::Moment;
use crate::bms::{Codec, DRIVERS, DecodeError, Driver, Expected, Framing, Progress, Request};
use crate::link::{Link, LinkError};
use crate::model::Reading;
use std::time::Duration;

/// Least answer timeout of a further family: nothing that follows would hear a later answer.
const FURTHER_FAMILY_TIME: Duration = Duration::from_millis(250);

/// A decoder that keeps the frames that it accepts.
pub(super) struct Witness<'a> {
    inner: &'a mut dyn Codec,
    frames: Vec<Vec<u8>>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(inner: &'a mut dyn Codec) -> Self {
        Self { inner, frames: Vec::new() }
    }

    /// The other families that would have accepted these frames as the answer to their own identifying request.
    pub(super) fn also_fit(&self, candidate: &Candidate) -> Vec<&'static Driver> {
        let others = DRIVERS.iter().copied().filter(|driver| driver.name != candidate.driver.name);
        others.filter(|driver| self.frames.iter().any(|frame| accepts(driver, candidate.address, frame))).collect()
    }
}

/// Whether `frame` would have identified a battery of this family at `address`.
fn accepts(driver: &Driver, address: Option<u8>, frame: &[u8]) -> bool {
    let mut protocol = (driver.new)(if driver.addresses.is_empty() { None } else { address });
    let (identify, source) = (protocol.identify(), protocol.source(frame));
    let mut reading = Reading::new(driver.name, source);
    protocol.framing_of_reply(std::slice::from_ref(&identify), frame) == Framing::Frame(0..frame.len())
        && protocol.decode(Expected::Request(&identify), frame, &mut reading).is_ok()
        && (reading.voltage.is_none() || implausible(&reading).is_none())
}

impl Codec for Witness<'_> {
    fn framing(&self, buf: &[u8]) -> Framing {
        self.inner.framing(buf)
    }

    fn framing_of_reply(&self, requests: &[Request], buf: &[u8]) -> Framing {
        self.inner.framing_of_reply(requests, buf)
    }

    fn has_start(&self) -> bool {
        self.inner.has_start()
    }

    fn framing_at_end(&self, buf: &[u8]) -> Framing {
        self.inner.framing_at_end(buf)
    }

    fn valid_frame_len(&self, buf: &[u8]) -> usize {
        self.inner.valid_frame_len(buf)
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        self.inner.source(frame)
    }

    fn packs(&self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.inner.packs(frame)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let progress = self.inner.decode(expected, frame, into)?;
        self.frames.push(frame.to_vec());
        Ok(progress)
    }

    fn reset(&mut self) {
        self.inner.reset();
    }

    fn arrived_at(&mut self, now: Moment) {
        self.inner.arrived_at(now);
    }

    fn overhear(&mut self, frame: &[u8]) {
        self.inner.overhear(frame);
    }
}

/// Asks all other families of `scope` at the line of the batteries found, each once: some boards speak two protocols, and two boards
/// on one line may. For `probe`; a driver that serves a battery does not wait for this.
///
/// # Errors
/// The port's.
pub fn further_families(link: &mut Link, scope: &Scope, found: &[Found]) -> Result<Vec<Found>, LinkError> {
    let Some(first) = found.first().filter(|found| !found.overheard && !scope.listen_only) else { return Ok(Vec::new()) };
    let (start, line) = (link.now(), first.candidate.line);
    let mut further = Vec::new();
    for (candidate, timeout) in quick(scope) {
        if candidate.line != line || candidate.driver.name == first.candidate.driver.name {
            continue;
        }
        if let Ok(reading) = confirm(link, &candidate, timeout.max(FURTHER_FAMILY_TIME))? {
            let elapsed = first.elapsed.saturating_add(link.now().since(start));
            further.push(Found { candidate, reading, elapsed, overheard: false, also: Vec::new() });
        }
    }
    Ok(further)
}

/// Names the families of a port whose battery may be of several, and what to do; `None` if there is no doubt.
pub fn doubt(port: &str, found: &[Found], further: &[Found]) -> Option<String> {
    let mut families: Vec<&Driver> = Vec::new();
    let all = found.iter().chain(further);
    for driver in all.flat_map(|found| [found.candidate.driver].into_iter().chain(found.also.iter().copied())) {
        if families.iter().all(|known| known.name != driver.name) {
            families.push(driver);
        }
    }
    let named = families.iter().map(|driver| format!("{} (bms = [\"{}\"])", driver.label, driver.name));
    let named: Vec<String> = named.collect();
    (named.len() > 1).then(|| {
        format!(
            "{port} answers as {}; set `bms` in [port.NAME] to the one whose values agree with the manufacturer's app",
            named.join(" and as ")
        )
    })
}
