//! Number of cells and chemistry: without both there is no charge voltage.

use super::chemistry::preset;
use super::{ChargeInputs, Config, Memory};
use crate::base::units::Volts;
use crate::model::Chemistry;

/// Minimum voltage of a cell; below it, the input is open.
pub(crate) const PLAUSIBLE_CELL: f64 = 0.5;

/// Result of the cell count check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellCount {
    /// Accepted.
    Clear(u8),
    /// Differs from the count at start; the lower of both is used.
    Changed(u8),
    /// The BMS's count, the cells it lists and the pack voltage contradict each other.
    Unclear,
    /// The BMS reports neither single cells nor their number. The number is not guessed: nothing but the charge voltage that the BMS
    /// asks for is a charge voltage then.
    NotReported,
}

/// Number of cells. The BMS's count, the plausible cells in its list, and pack voltage ÷ mean cell must agree.
pub(super) fn count(config: &Config, inputs: &ChargeInputs, memory: &mut Memory) -> CellCount {
    memory.has_seen_cells |= !inputs.cells.is_empty() && !inputs.in_doubt;
    if let Some(cells) = config.cells {
        return CellCount::Clear(cells);
    }
    let agreed = if inputs.cells.is_empty() && inputs.without_cells && !memory.has_seen_cells {
        // Without any voltage there is nothing to hold the pack at.
        let Some(voltage) = inputs.cautious_voltage() else { return CellCount::Unclear };
        match (inputs.stated_cells, memory.pinned_cells) {
            (None, None) => return CellCount::NotReported,
            (None, Some(pinned)) => fitting_count(pinned, voltage, inputs),
            (Some(stated), _) => fitting_count(stated, voltage, inputs),
        }
    } else {
        agreed_count(inputs)
    };
    let Some(agreed) = agreed else { return CellCount::Unclear };
    match memory.pinned_cells {
        None if inputs.in_doubt => CellCount::Unclear,
        None => {
            memory.pinned_cells = Some(agreed);
            CellCount::Clear(agreed)
        }
        Some(pinned) if pinned == agreed => CellCount::Clear(pinned),
        Some(pinned) => CellCount::Changed(pinned.min(agreed)),
    }
}

/// Voltages that a cell of any chemistry has, from damaged to overcharged.
const ANY_CELL: std::ops::RangeInclusive<f64> = 1.5..=4.3;
/// Tolerance of the pack voltage against the extremes of the cells, as a fraction.
const PACK_TOLERANCE: f64 = 0.02;

/// The number that a BMS without single cells reports, if the pack voltage can be that of so many cells, and is between that many of
/// the lowest and of the highest cell.
fn fitting_count(stated: u8, voltage: Volts, inputs: &ChargeInputs) -> Option<u8> {
    let mean = voltage.get() / f64::from(stated);
    let above = inputs.low_cell.is_none_or(|cell| mean >= cell.get() * (1.0 - PACK_TOLERANCE));
    let below = inputs.high_cell.is_none_or(|cell| mean <= cell.get() * (1.0 + PACK_TOLERANCE));
    (ANY_CELL.contains(&mean) && above && below).then_some(stated)
}

fn agreed_count(inputs: &ChargeInputs) -> Option<u8> {
    let plausible: Vec<f64> = inputs.cells.iter().map(|cell| cell.get()).filter(|cell| *cell > PLAUSIBLE_CELL).collect();
    let listed = u8::try_from(plausible.len()).ok().filter(|count| *count > 0)?;
    let mean = plausible.iter().sum::<f64>() / f64::from(listed);
    let stated_agrees = inputs.stated_cells.is_none_or(|stated| stated == listed);
    let voltage_agrees = inputs.voltage.is_none_or(|voltage| (voltage.get() / mean).round() == f64::from(listed));
    (stated_agrees && voltage_agrees).then_some(listed)
}

/// Mean of the plausible cells, V.
pub(crate) fn mean(cells: impl Iterator<Item = f64>) -> Option<f64> {
    let real = cells.filter(|cell| *cell > PLAUSIBLE_CELL);
    let (sum, count) = real.fold((0.0, 0.0), |(sum, count), cell| (sum + cell, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// The chemistry: configured, else reported by the BMS, else LFP unless the readings contradict it. A chemistry confirmed by a
/// reading stays with this battery; another number of cells means another battery.
pub(super) fn chemistry(config: &Config, inputs: &ChargeInputs, count: CellCount, memory: &mut Memory) -> Option<Chemistry> {
    if let Some(reported) = config.chemistry.or(inputs.settings.chemistry) {
        return Some(reported);
    }
    match (memory.confirmed, count) {
        (Some((_, before)), CellCount::Clear(cells)) if cells != before => memory.confirmed = None,
        (Some((confirmed, _)), _) => return Some(confirmed),
        (None, _) => {}
    }
    let lfp = preset(Chemistry::Lfp);
    let mean = inputs.mean_cell();
    let soc = inputs.low_soc.map(|soc| soc.get());
    let too_high = inputs.high_cell.is_some_and(|cell| cell.get() > lfp.highest_cell);
    let too_low = mean.is_some_and(|mean| mean < 3.0) && soc.is_some_and(|soc| soc > 15.0);
    let other_ovp = inputs.settings.cell_ovp.is_some_and(|ovp| !lfp.ovp.contains(&ovp.get()));
    let other_uvp = inputs.settings.cell_uvp.is_some_and(|uvp| !lfp.uvp.contains(&uvp.get()));
    if too_high || too_low || other_ovp || other_uvp {
        return None;
    }
    let confirming =
        mean.is_some_and(|mean| lfp.confirming_mean.contains(&mean)) && soc.is_some_and(|soc| (15.0..=95.0).contains(&soc));
    if confirming
        && !inputs.in_doubt
        && let CellCount::Clear(cells) = count
    {
        memory.confirmed = Some((Chemistry::Lfp, cells));
    }
    Some(Chemistry::Lfp)
}
