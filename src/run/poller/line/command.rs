//! Commands to the batteries of a line, between two readings.

use super::LineInUse;
use crate::link::{Link, LinkError};
use crate::model::Outcome;
use crate::run::poller::{PATIENCE_OF_ORDERS, Poller, PortEvent, PortOrder};
use crate::units::Moment;
use std::sync::mpsc::RecvTimeoutError;

impl LineInUse {
    /// Waits until `wake`, or for an order, which is carried out at once.
    pub(super) fn obey_until(&mut self, wake: Moment, poller: &Poller, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let Some(orders) = &poller.orders else {
            link.sleep_until(wake);
            return Ok(None);
        };
        match orders.recv_timeout(wake.since(link.now())) {
            Ok(order) => self.obey(&order, link),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                link.sleep_until(wake);
                Ok(None)
            }
        }
    }

    fn obey(&mut self, order: &PortOrder, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let PortOrder { number, command, at, unix } = *order;
        let occupied = self.occupied;
        let Some(member) = self.members.get_mut(number) else { return Ok(None) };
        let Some(command) = command else {
            if member.asked && !occupied {
                link.tidy(member.protocol.as_ref())?;
            }
            return Ok(Some(PortEvent::Tidied { number }));
        };
        let outcome = if link.now().since(at) > PATIENCE_OF_ORDERS {
            Outcome::Unreachable
        } else if occupied || !member.asked {
            Outcome::Occupied
        } else {
            let outcome = link.command(member.protocol.as_mut(), command, &mut member.known, unix)?;
            // What was asked here says nothing about the line, and what has changed is to be seen soon.
            link.take_stats();
            member.due = link.now();
            outcome
        };
        Ok(Some(PortEvent::Obeyed { number, outcome }))
    }
}
