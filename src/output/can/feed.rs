//! What an inverter is told, by the age of the data. Shared by the CAN and the RS485 output.

use super::data_age::{DataAge, Transmission};
use super::{CHARGE_VOLTAGES, Config, InverterData, Requests};
use crate::base::units::Moment;
use crate::model::{Freshness, Snapshot};

/// The data of a battery for an inverter.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) config: Config,
    data_age: DataAge,
    requests: Requests,
    /// The last data sent while fresh.
    last: InverterData,
}

impl Feed {
    /// Nothing is known yet.
    pub(crate) fn new(config: Config) -> Self {
        let data_age = DataAge::new(config.off_after, config.quiet_after);
        Self { config, data_age, requests: Requests::default(), last: InverterData::default() }
    }

    /// A snapshot has arrived.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot, now: Moment) {
        self.data_age.observe(snapshot.freshness, now);
        self.requests = self.requests.next(snapshot, &self.config);
        if snapshot.freshness == Freshness::Fresh {
            self.last = InverterData::of(snapshot, &self.config, self.requests);
        }
    }

    /// How much of it is to be sent at `now`.
    pub(crate) fn transmission(&self, snapshot: &Snapshot, now: Moment) -> Transmission {
        self.data_age.transmission(snapshot.freshness, now)
    }

    /// The data to send; `None` = nothing.
    pub(crate) fn data(&self, snapshot: &Snapshot, transmission: Transmission) -> Option<InverterData> {
        match transmission {
            Transmission::Full => Some(InverterData::of(snapshot, &self.config, self.requests)),
            Transmission::ZeroLimits => Some(self.zero_limits(snapshot)),
            Transmission::Silent => None,
        }
    }

    /// The data with limits of 0.
    pub(crate) fn zero_limits(&self, snapshot: &Snapshot) -> InverterData {
        InverterData::of(snapshot, &self.config, Requests::default()).zero_limits(&self.last)
    }
}

/// Whether the charge voltage may be sent: one that is no battery's would be a command.
pub(crate) fn is_sendable(data: &InverterData) -> bool {
    data.limits.charge_voltage.is_none_or(|volts| CHARGE_VOLTAGES.contains(&volts.get()))
}
