//! Commands to the batteries of a line, between two readings.

use super::LineMembers;
use crate::base::units::Moment;
use crate::link::{Link, LinkError};
use crate::model::Outcome;
use crate::service::port_worker::{MAX_COMMAND_AGE, PortCommand, PortEvent, PortWorker};
use std::sync::mpsc::RecvTimeoutError;

impl LineMembers {
    /// Waits until `wake` or for a command, which it carries out at once.
    pub(super) fn run_commands_until(
        &mut self,
        wake: Moment,
        worker: &PortWorker,
        link: &mut Link,
    ) -> Result<Option<PortEvent>, LinkError> {
        let Some(commands) = &worker.commands else {
            link.sleep_until(wake);
            return Ok(None);
        };
        match commands.recv_timeout(wake.since(link.now())) {
            Ok(port_command) => self.run_command(&port_command, link),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                link.sleep_until(wake);
                Ok(None)
            }
        }
    }

    fn run_command(&mut self, port_command: &PortCommand, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let PortCommand { number, command, at, unix } = *port_command;
        let occupied = self.occupied;
        // A battery that is no longer here is unreachable.
        let index = number.checked_sub(self.base);
        let Some(member) = index.and_then(|index| self.members.get_mut(index)) else {
            return Ok(command.map(|_| PortEvent::CommandDone { number, outcome: Outcome::Unreachable }));
        };
        let Some(command) = command else {
            if member.asked && !occupied {
                link.cleanup(member.protocol.as_ref())?;
            }
            return Ok(Some(PortEvent::CleanedUp { number }));
        };
        let outcome = if link.now().since(at) > MAX_COMMAND_AGE {
            Outcome::Unreachable
        } else if occupied || !member.asked {
            Outcome::Occupied
        } else {
            let outcome = link.command(member.protocol.as_mut(), command, &mut member.known, unix)?;
            // These requests say nothing about the line's quality, and the change should be visible soon.
            link.take_stats();
            member.due = link.now();
            outcome
        };
        Ok(Some(PortEvent::CommandDone { number, outcome }))
    }
}
