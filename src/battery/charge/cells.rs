//! Number of cells and chemistry: without both there is no charge voltage.

use super::chemistry::preset;
use super::{ChargeInputs, Config, Memory};
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
}

/// Number of cells. The BMS's count, the plausible cells in its list, and pack voltage ÷ mean cell must agree.
pub(super) fn count(config: &Config, inputs: &ChargeInputs, memory: &mut Memory) -> CellCount {
    if let Some(cells) = config.cells {
        return CellCount::Clear(cells);
    }
    let Some(agreed) = agreed_count(inputs) else { return CellCount::Unclear };
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
    if let Some(told) = config.chemistry.or(inputs.settings.chemistry) {
        return Some(told);
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
