//! A command: it is sent, what the BMS shows afterwards is read, and once more if that is not what was wanted.

use super::{Link, LinkError};
use crate::bms::orders::Orders;
use crate::bms::{Protocol, Request};
use crate::model::{Command, Outcome, Reading};
use std::time::Duration;

/// How often what cleans up is sent until it is acknowledged.
const CLEANING_TRIES: usize = 3;

/// Boards switch within a tenth of a second or so, and show it a little later.
const SETTLE: Duration = Duration::from_millis(150);
const LOOKS: usize = 6;
/// So long may looking take: other batteries wait for their turn.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

impl Link {
    /// Lets the BMS carry out `command`, with a second try. `known` is the last reading, and takes over what the BMS then
    /// shows of its switches; `unix` is the time if it is known.
    ///
    /// An acknowledge alone counts for nothing: done is what a reading made afterwards shows.
    ///
    /// # Errors
    /// Those of the port; it is then to be opened anew, and nobody knows what the BMS has done.
    pub fn command(
        &mut self,
        protocol: &mut dyn Protocol,
        command: Command,
        known: &mut Reading,
        unix: Option<u64>,
    ) -> Result<Outcome, LinkError> {
        let mut outcome = Outcome::NotSupported;
        for first_try in [true, false] {
            let Some(mut orders) = protocol.encode(command, known, unix, first_try) else { break };
            outcome = match self.write(&mut orders)? {
                // What was sent before may have been carried out all the same.
                Some(_) if outcome == Outcome::NotConfirmed => Outcome::NotConfirmed,
                Some(code) => Outcome::Refused { code },
                None if self.shows(protocol, &orders.read_back, command, known)? => return Ok(Outcome::Done),
                None => Outcome::NotConfirmed,
            };
        }
        Ok(outcome)
    }

    /// Puts right what a command that was broken off may have left.
    ///
    /// # Errors
    /// Those of the port.
    pub fn tidy(&mut self, protocol: &dyn Protocol) -> Result<(), LinkError> {
        protocol.tidy().map_or(Ok(()), |mut orders| self.write(&mut orders).map(drop))
    }

    /// Sends the writes and then what cleans up; the code if the BMS declined one.
    fn write(&mut self, orders: &mut Orders) -> Result<Option<u8>, LinkError> {
        let mut written = Ok(None);
        for request in &orders.requests {
            match self.exchange(&mut orders.acks, request, &mut Reading::default()) {
                Ok(()) => {}
                Err(LinkError::Refused { code }) => written = Ok(Some(code)),
                Err(error) if error.is_port() => written = Err(error),
                // Not every board acknowledges. Whether it was heard, the reading shows.
                Err(error) => log::debug!("{}: {}: {error}", self.name(), request.what),
            }
            if !matches!(written, Ok(None)) {
                break;
            }
        }
        for request in &orders.after {
            self.insist_on_cleaning(&mut orders.acks, request)?;
        }
        written
    }

    fn insist_on_cleaning(&mut self, acks: &mut dyn Protocol, request: &Request) -> Result<(), LinkError> {
        for _ in 0..CLEANING_TRIES {
            match self.exchange(acks, request, &mut Reading::default()) {
                Ok(()) | Err(LinkError::Refused { .. }) => return Ok(()),
                Err(error) if error.is_port() => return Err(error),
                Err(_) => {}
            }
        }
        log::warn!("{}: {} was not acknowledged", self.name(), request.what);
        Ok(())
    }

    /// Whether the BMS shows what was wanted. Where the check of a frame is weak it has to show it twice in a row.
    fn shows(
        &mut self,
        protocol: &mut dyn Protocol,
        read_back: &[Request],
        command: Command,
        known: &mut Reading,
    ) -> Result<bool, LinkError> {
        let wanted = if protocol.is_weak() { 2 } else { 1 };
        let mut in_row: usize = 0;
        let latest = self.now().after(LONGEST_LOOK);
        for _ in 0..LOOKS {
            if self.now() > latest {
                break;
            }
            self.sleep(SETTLE);
            // Nothing of what was known before: that would show the old state.
            let mut reading = Reading::new(known.bms, known.address);
            protocol.restart();
            for request in read_back {
                match self.exchange(protocol, request, &mut reading) {
                    Err(error) if error.is_port() => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
            for (last, shown) in [
                (&mut known.charge_switch, reading.charge_switch),
                (&mut known.discharge_switch, reading.discharge_switch),
                (&mut known.balance_allowed, reading.balance_allowed),
            ] {
                *last = shown.or(*last);
            }
            in_row = if command.is_shown_by(&reading) { in_row.saturating_add(1) } else { 0 };
            if in_row >= wanted {
                protocol.restart();
                return Ok(true);
            }
        }
        protocol.restart();
        Ok(false)
    }
}
