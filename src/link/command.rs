//! Carries out a command: sends it, reads back the state of the BMS, and repeats once if it is not the requested one.

use super::{Link, LinkError};
use crate::bms::write_sequence::WriteSequence;
use crate::bms::{Codec, Protocol, Request};
use crate::model::{Command, Outcome, Reading};
use std::time::Duration;

/// Attempts to get the clean-up acknowledged.
const CLEANUP_TRIES: usize = 3;

/// Wait before reading back: boards switch within about 0.1 s and show it a little later.
const SWITCH_DELAY: Duration = Duration::from_millis(150);
const READ_BACK_TRIES: usize = 6;
/// Time limit for reading back: other batteries are waiting.
const MAX_READ_BACK_TIME: Duration = Duration::from_secs(3);

impl Link {
    /// Makes the BMS carry out `command`, with one repetition. `known` is the last reading, updated with the switches that the BMS
    /// shows afterwards; `unix` is the wall-clock time if known.
    ///
    /// An acknowledgement alone does not count: the command is done when a later reading shows it.
    ///
    /// # Errors
    /// Those of the port; it then has to be reopened, and the result of the command is unknown.
    pub fn command(
        &mut self,
        protocol: &mut dyn Protocol,
        command: Command,
        known: &mut Reading,
        unix: Option<u64>,
    ) -> Result<Outcome, LinkError> {
        let mut outcome = Outcome::NotSupported;
        for first_try in [true, false] {
            let sequence = protocol.commands().and_then(|commands| commands.encode(command, known, unix, first_try));
            let Some(mut sequence) = sequence else { break };
            outcome = match self.write(&mut sequence)? {
                // Earlier writes may have been carried out anyway.
                Some(_) if outcome == Outcome::NotConfirmed => Outcome::NotConfirmed,
                Some(code) => Outcome::Refused { code },
                None if self.shows(protocol, &sequence.read_back, command, known)? => return Ok(Outcome::Done),
                None => Outcome::NotConfirmed,
            };
        }
        Ok(outcome)
    }

    /// Cleans up after an interrupted command.
    ///
    /// # Errors
    /// Those of the port.
    pub fn cleanup(&mut self, protocol: &dyn Protocol) -> Result<(), LinkError> {
        let sequence = protocol.commands().and_then(|commands| commands.cleanup());
        sequence.map_or(Ok(()), |mut sequence| self.write(&mut sequence).map(drop))
    }

    /// Sends the writes and then the clean-up; returns the code if the BMS declined one.
    fn write(&mut self, sequence: &mut WriteSequence) -> Result<Option<u8>, LinkError> {
        let mut written = Ok(None);
        for request in &sequence.requests {
            match self.exchange_once(&mut sequence.acks, request, &mut Reading::default()) {
                Ok(()) => {}
                Err(LinkError::Refused { code }) => written = Ok(Some(code)),
                Err(error) if error.is_port() => written = Err(error),
                // Not every board acknowledges. The reading shows whether it was received.
                Err(error) => log::debug!("{}: {}: {error}", self.name(), request.what),
            }
            if !matches!(written, Ok(None)) {
                break;
            }
        }
        for request in &sequence.after {
            self.retry_cleanup(&mut sequence.acks, request)?;
        }
        written
    }

    fn retry_cleanup(&mut self, acks: &mut dyn Codec, request: &Request) -> Result<(), LinkError> {
        for _ in 0..CLEANUP_TRIES {
            match self.exchange_once(acks, request, &mut Reading::default()) {
                Ok(()) | Err(LinkError::Refused { .. }) => return Ok(()),
                Err(error) if error.is_port() => return Err(error),
                Err(_) => {}
            }
        }
        log::warn!("{}: {} was not acknowledged", self.name(), request.what);
        Ok(())
    }

    /// Whether the BMS shows the requested state. With a weak frame check it must show it twice in a row.
    fn shows(
        &mut self,
        protocol: &mut dyn Protocol,
        read_back: &[Request],
        command: Command,
        known: &mut Reading,
    ) -> Result<bool, LinkError> {
        let wanted = if protocol.has_weak_checksum() { 2 } else { 1 };
        let mut in_row: usize = 0;
        let latest = self.now().after(MAX_READ_BACK_TIME);
        for _ in 0..READ_BACK_TRIES {
            if self.now() > latest {
                break;
            }
            self.sleep(SWITCH_DELAY);
            // Start from an empty reading: the previous one would show the old state.
            let mut reading = Reading::new(known.bms, known.address);
            protocol.reset();
            for request in read_back {
                match self.exchange(protocol, request, &mut reading) {
                    Err(error) if error.is_port() => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
            for (last, shown) in [
                (&mut known.fets.charge_switch, reading.fets.charge_switch),
                (&mut known.fets.discharge_switch, reading.fets.discharge_switch),
                (&mut known.balancing.allowed, reading.balancing.allowed),
            ] {
                *last = shown.or(*last);
            }
            in_row = if command.is_shown_by(&reading) { in_row.saturating_add(1) } else { 0 };
            if in_row >= wanted {
                protocol.reset();
                return Ok(true);
            }
        }
        protocol.reset();
        Ok(false)
    }
}
