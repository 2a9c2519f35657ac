//! The limits of a bank: what its rules allow, reached by ramp.

use super::currents::{self, Direction};
use super::ramp::Ramp;
use super::{Bank, ReasonedLimit, aggregate, voltage};
use crate::base::units::{Amps, Moment, Volts, round_down};
use crate::battery::charge::hold::HeldVoltage;
use crate::battery::charge::phase;
use crate::model::{ByDirection, Freshness, Limit, LimitingBattery, Limits, Mode, Reasons};
use std::borrow::Cow;
use std::time::Duration;

/// Reason while a limit is rising.
const RECOVERING: &str = "recovering: rises slowly";
/// A lower limit is published as 0, A.
const LEAST_CURRENT: f64 = 0.1;
/// Maximum time that counts for a rise after a gap, s.
const MAX_RISE_S: f64 = 20.0;

/// The limits in force.
#[derive(Debug)]
pub(super) struct Ramps {
    cvl: Ramp,
    ccl: Ramp,
    pub(super) dcl: Ramp,
    /// Start of the present rise of limits.
    from: Moment,
}

/// Why the limits of a bank are as they are.
pub(super) struct BankReasons {
    pub(super) reasons: Reasons,
    pub(super) limited_by: ByDirection<Option<LimitingBattery>>,
}

impl Bank {
    /// In float: the fraction of the charge current on offer, 0 to 1. The loss of a battery, which changes the pack voltage, does
    /// not raise it.
    fn share_in_float(&self, voltage: &voltage::Voltage, aggregate: &aggregate::Aggregate) -> Option<f64> {
        if voltage.mode != Mode::Float || !self.config.phases.eases_float_current {
            return None;
        }
        let float = Volts::new(voltage::float_voltage(&self.config, &self.members));
        let share = aggregate.reading.voltage.map(|pack| phase::share_in_float(pack, float));
        let before = self.float_share.filter(|_| self.members.offline() > 0);
        share.into_iter().chain(before).reduce(f64::min)
    }

    /// The charge voltage; while charging is forbidden it is held at the pack's.
    fn charge_voltage(
        &mut self,
        aggregate: &aggregate::Aggregate,
        charge: &ReasonedLimit,
        freshness: Freshness,
        elapsed: Duration,
    ) -> voltage::Voltage {
        let in_force = self.ramps.as_ref().map(|ramps| ramps.cvl.value());
        let mut voltage = self.voltage.advance(&self.config, &self.members, aggregate, in_force, elapsed);
        if freshness != Freshness::Fresh {
            self.held = HeldVoltage::default();
            // A fading limit is published as 0 before it is 0.
            if let Some(pack) = voltage::present(&self.config, &self.members, aggregate).filter(|_| charge.value < LEAST_CURRENT) {
                voltage.hold(pack.voltage, charge);
            }
        } else if charge.value > 0.0 {
            self.held = HeldVoltage::default();
        } else if let Some(pack) = voltage::present(&self.config, &self.members, aggregate) {
            // The loss of a battery does not raise a limit.
            voltage.hold(self.held.advance(&pack, self.members.offline() == 0), charge);
        }
        voltage
    }

    /// CVL, CCL and DCL on their way to `target`: they fall at once and rise by ramp.
    fn approach(&mut self, target: [f64; 3], freshness: Freshness, now: Moment) -> [f64; 3] {
        let may_rise = freshness == Freshness::Fresh && self.members.all_have_read();
        let in_force = self.ramps.as_ref().map(|ramps| [ramps.cvl.value(), ramps.ccl.value(), ramps.dcl.value()]);
        let returned = self.restart.advance(&self.members, in_force);
        let count = self.members.online().count().max(1) as f64;
        let amps = self.config.recovery.amps_per_s * count;
        let [cvl, ccl, dcl] = target;
        let ramps =
            self.ramps.get_or_insert_with(|| Ramps { cvl: Ramp::new(cvl), ccl: Ramp::new(ccl), dcl: Ramp::new(dcl), from: now });
        let seconds = if may_rise { now.since(ramps.from).as_secs_f64().min(MAX_RISE_S) } else { 0.0 };
        if may_rise || freshness != Freshness::Fresh {
            ramps.from = now;
            self.members.note_readings();
        }
        if let Some([cvl, ccl, dcl]) = returned {
            ramps.cvl.resume(cvl);
            ramps.ccl.resume(ccl);
            ramps.dcl.resume(dcl);
        }
        ramps.cvl.advance(cvl, self.config.recovery.volts_per_s * seconds);
        ramps.ccl.advance(ccl, amps * seconds);
        ramps.dcl.advance(dcl, amps * seconds);
        [ramps.cvl.value(), ramps.ccl.value(), ramps.dcl.value()]
    }

    /// The limits with their reasons; they rise by ramp.
    pub(super) fn limits(
        &mut self,
        aggregate: &aggregate::Aggregate,
        freshness: Freshness,
        elapsed: Duration,
        now: Moment,
    ) -> (Limits, BankReasons) {
        let mut charge = currents::allowed(&self.config, &self.members, Direction::Charge);
        let discharge = currents::allowed(&self.config, &self.members, Direction::Discharge);
        let voltage = self.charge_voltage(aggregate, &charge, freshness, elapsed);
        if freshness == Freshness::Fresh {
            self.float_share = self.share_in_float(&voltage, aggregate);
        }
        if let Some(share) = self.float_share {
            charge.lower(phase::offered_in_float(Amps::new(charge.value), share).get(), phase::FULL);
        }
        let [cvl, ccl, dcl] = self.approach([voltage.value, charge.value, discharge.value], freshness, now);

        let reason = |value: f64, target: f64, why: Cow<'static, str>| {
            if value + 0.05 < target { Cow::Borrowed(RECOVERING) } else { why }
        };
        let reasons = Reasons {
            cvl: reason(cvl, voltage.value, voltage.why),
            ccl: reason(ccl, charge.value, charge.why.clone()),
            dcl: reason(dcl, discharge.value, discharge.why.clone()),
        };
        let limits = Limits {
            cvl: Limit { value: Volts::new(round_down(cvl, 2)), why: voltage.rule },
            ccl: Limit { value: Amps::new(round_down(ccl, 1)), why: charge.rule },
            dcl: Limit { value: Amps::new(round_down(dcl, 1)), why: discharge.rule },
            low_voltage: aggregate.low_voltage,
            mode: voltage.mode,
        };
        self.shares = currents::split(&self.members, limits.currents());
        // While a limit rises, no battery but the ramp sets it.
        let by = |value: f64, target: &ReasonedLimit| target.by.clone().filter(|_| value + 0.05 >= target.value);
        let limited_by = ByDirection { charge: by(ccl, &charge), discharge: by(dcl, &discharge) };
        (limits, BankReasons { reasons, limited_by })
    }
}
