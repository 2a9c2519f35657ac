//! The state of charge of one battery: settings, memory, and the values of the BMS itself.

use super::{Config, Input, LowSoc, Memory, Outcome, step};
use crate::base::units::{AmpHours, Percent};
use crate::model::Reading;

/// State of one battery's SoC.
#[derive(Debug, Default)]
pub(crate) struct SocState {
    config: Config,
    memory: Memory,
    /// Estimated error of the counted SoC.
    drift: Option<Percent>,
    /// Whether the BMS's low-SoC alarm applies to the published SoC.
    low: LowSoc,
    /// SoC as reported by the BMS.
    bms_soc: Option<Percent>,
    /// Remaining charge as reported by the BMS.
    bms_remaining: Option<AmpHours>,
}

impl SocState {
    /// The state after a restart, with default settings.
    pub(crate) fn restored(memory: Memory) -> Self {
        Self { memory: memory.restored(), ..Self::default() }
    }

    /// Applies other settings.
    pub(crate) fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// The settings.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The state to save for a restart.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// SoC of the driver's own count, if it counts.
    pub(crate) fn counted(&self) -> Option<Percent> {
        self.memory.count.as_ref().map(|count| Percent::new(count.soc()))
    }

    /// Records the values of the BMS in a reading.
    pub(crate) fn observe(&mut self, reading: &Reading) {
        (self.bms_soc, self.bms_remaining) = (reading.soc, reading.remaining);
    }

    /// Determines the SoC of a reading, and the remaining charge at that SoC if the BMS does not report it. If the owner configures
    /// the `capacity`, the BMS's own is wrong, and so is its remaining charge.
    pub(crate) fn judge(&mut self, input: &Input<'_>, capacity: Option<AmpHours>) -> Outcome {
        let outcome = step(&self.config, input, &mut self.memory);
        self.drift = outcome.drift;
        let reported = outcome.remaining.filter(|_| capacity.is_none());
        let whole = input.capacity.or(input.reading.full_charge);
        let calculated = whole.zip(outcome.soc).map(|(capacity, soc)| capacity * (soc.get() / 100.0));
        Outcome { remaining: reported.or(calculated), ..outcome }
    }

    /// Puts the SoC to publish into the reading, and judges its low-SoC alarm.
    pub(crate) fn publish(&mut self, outcome: &Outcome, reading: &mut Reading) {
        (reading.soc, reading.remaining) = (outcome.soc, outcome.remaining);
        self.low.apply(&self.config, self.bms_soc, reading);
    }

    /// SoC and remaining charge as reported by the BMS.
    pub(crate) fn of_bms(&self) -> (Option<Percent>, Option<AmpHours>) {
        (self.bms_soc, self.bms_remaining)
    }

    /// Estimated error of the count.
    pub(crate) fn drift(&self) -> Option<Percent> {
        self.drift
    }
}
