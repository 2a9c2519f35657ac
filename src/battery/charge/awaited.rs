//! Inputs that a BMS certainly has, but has not sent yet: until then, limits that depend on them are cautious, as for an input
//! that was there and is missing (safety rule 7).

use super::ClientLimit;
use super::input_limits::CAUTIOUS_SHARE;
use super::proposed_limits::{ProposedLimits, RuleContext};
use crate::base::units::Amps;
use crate::model::ByDirection;

/// Reason while the protection settings are not known yet.
const SETTINGS_AWAITED: &str = "the BMS has not told its protection settings yet";
/// Reason while the capacity is not known yet.
const CAPACITY_AWAITED: &str = "the BMS has not told its capacity yet";

/// Lowers the limits that depend on settings and capacity not received yet; missing temperatures are handled as a missing input.
/// `full` are the currents without the inputs.
pub(super) fn apply(context: &RuleContext<'_>, full: ByDirection<Amps>, proposed: &mut ProposedLimits) {
    let awaited = context.inputs.awaited;
    if awaited.settings {
        proposed.notices.push("the BMS has not told its protection settings yet: a quarter of the current until it answers");
        proposed.limit_currents(full.map(|full| full * CAUTIOUS_SHARE), SETTINGS_AWAITED);
    }
    if awaited.capacity && context.capacity().is_none() {
        proposed
            .notices
            .push("the BMS has not told its capacity yet: a quarter of the current until it does; or set `capacity_ah`");
        // A configured current takes the capacity into account; one set by a client on the bus does not.
        let config = context.config;
        if config.max_charge_current.is_none() || config.from_client.contains(&ClientLimit::ChargeCurrent) {
            proposed.limit_ccl(full.charge * CAUTIOUS_SHARE, CAPACITY_AWAITED);
        }
        if config.max_discharge_current.is_none() || config.from_client.contains(&ClientLimit::DischargeCurrent) {
            proposed.limit_dcl(full.discharge * CAUTIOUS_SHARE, CAPACITY_AWAITED);
        }
    }
}
