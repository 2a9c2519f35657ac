//! State of the outputs to inverters, over CAN and RS485, for the other outputs.

use super::{api, can, rs485};
use crate::base::units::Moment;

/// Reports the states of both.
#[derive(Debug, Clone, Default)]
pub struct Reporters {
    /// Over CAN, if there is one.
    pub can: Option<can::Reporter>,
    /// Over RS485, if there is one.
    pub rs485: Option<rs485::Reporter>,
}

impl Reporters {
    /// The form shown by other outputs at `now`.
    pub fn view(&self, now: Moment) -> api::InverterOutputs {
        api::InverterOutputs {
            can: self.can.as_ref().map(can::Reporter::view),
            rs485: self.rs485.as_ref().map(|reporter| reporter.view(now)),
        }
    }
}
