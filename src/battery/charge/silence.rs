//! Safety rule 11: the limits when data stops.

use super::chemistry::preset;
use super::proposed_limits::ProposedLimits;
use super::{ChargeInputs, Config, DataAge, FadeStart, Memory};
use crate::base::units::Volts;
use crate::model::{Chemistry, Mode};

const NO_DATA: &str = "no data from the BMS";

/// Lowers the limits to those allowed for data of this age.
pub(super) fn apply(config: &Config, inputs: &ChargeInputs, age: DataAge, memory: &mut Memory, proposed: &mut ProposedLimits) {
    let chemistry = preset(proposed.chemistry.unwrap_or(Chemistry::Lfp));
    let last = memory.last.map(|last| last.ruled);
    let fade = *memory.fade_from.get_or_insert_with(|| FadeStart {
        currents: last.as_ref().unwrap_or(&proposed.limits).currents(),
        low_cell: inputs.low_cell,
    });
    proposed.limits.mode = Mode::Hold;
    proposed.limit_cvl(inputs.cautious_voltage().unwrap_or_default(), NO_DATA);
    if let (Some(cells), Some(_)) = (proposed.cell_count, proposed.chemistry) {
        proposed.limit_cvl(Volts::new(chemistry.float_cell * f64::from(cells)), NO_DATA);
    }
    // For a bank: only the float voltage is certainly safe for cells that are not monitored.
    proposed.ceiling = proposed.ceiling.min(proposed.float.unwrap_or(proposed.limits.cvl.value));

    let has_reserve = fade.low_cell.is_some_and(|cell| cell.get() >= chemistry.reserve_cell);
    let left = config.silence.remaining_shares(age, has_reserve);
    proposed.limit_currents(fade.currents.zip(left).map(|(limit, share)| limit * share), NO_DATA);
}
