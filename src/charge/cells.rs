//! How many cells there are and of which chemistry: without both there is no charge voltage.

use super::chemistry::preset;
use super::{Config, Facts, Memory};
use crate::model::Chemistry;

/// Voltage above which something is a cell and not an open input.
pub(crate) const PLAUSIBLE_CELL: f64 = 0.5;

/// What is known of the number of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Accepted.
    Clear(u8),
    /// Another one than at start; the lower of the two is used.
    Changed(u8),
    /// The BMS's count, the cells it lists and the pack voltage contradict each other.
    Unclear,
}

/// The number of cells: stated by the BMS, plausible ones in its list, and pack voltage over mean cell must agree.
pub(super) fn count(config: &Config, facts: &Facts, memory: &mut Memory) -> Count {
    if let Some(cells) = config.cells {
        return Count::Clear(cells);
    }
    let Some(agreed) = agreed_count(facts) else { return Count::Unclear };
    match memory.pinned_cells {
        None if facts.in_doubt => Count::Unclear,
        None => {
            memory.pinned_cells = Some(agreed);
            Count::Clear(agreed)
        }
        Some(pinned) if pinned == agreed => Count::Clear(pinned),
        Some(pinned) => Count::Changed(pinned.min(agreed)),
    }
}

fn agreed_count(facts: &Facts) -> Option<u8> {
    let plausible: Vec<f64> = facts.cells.iter().map(|cell| cell.get()).filter(|cell| *cell > PLAUSIBLE_CELL).collect();
    let listed = u8::try_from(plausible.len()).ok().filter(|count| *count > 0)?;
    let mean = plausible.iter().sum::<f64>() / f64::from(listed);
    let stated_agrees = facts.stated_cells.is_none_or(|stated| stated == listed);
    let voltage_agrees = facts.voltage.is_none_or(|voltage| (voltage.get() / mean).round() == f64::from(listed));
    (stated_agrees && voltage_agrees).then_some(listed)
}

/// The chemistry: configured, else what the BMS says, else LFP as long as nothing speaks against it.
pub(super) fn chemistry(config: &Config, facts: &Facts, memory: &mut Memory) -> Option<Chemistry> {
    if let Some(told) = config.chemistry.or(facts.settings.chemistry) {
        return Some(told);
    }
    if let Some(confirmed) = memory.confirmed {
        return Some(confirmed);
    }
    let lfp = preset(Chemistry::Lfp);
    let mean = mean_cell(facts);
    let soc = facts.low_soc.map(|soc| soc.get());
    let too_high = facts.high_cell.is_some_and(|cell| cell.get() > lfp.highest_cell);
    let too_low = mean.is_some_and(|mean| mean < 3.0) && soc.is_some_and(|soc| soc > 15.0);
    let other_ovp = facts.settings.cell_ovp.is_some_and(|ovp| !lfp.ovp.contains(&ovp.get()));
    let other_uvp = facts.settings.cell_uvp.is_some_and(|uvp| !lfp.uvp.contains(&uvp.get()));
    if too_high || too_low || other_ovp || other_uvp {
        return None;
    }
    let confirming =
        mean.is_some_and(|mean| lfp.confirming_mean.contains(&mean)) && soc.is_some_and(|soc| (15.0..=95.0).contains(&soc));
    if confirming && !facts.in_doubt {
        memory.confirmed = Some(Chemistry::Lfp);
    }
    Some(Chemistry::Lfp)
}

fn mean_cell(facts: &Facts) -> Option<f64> {
    let (sum, count) =
        facts.cells.iter().filter(|cell| cell.get() > PLAUSIBLE_CELL).fold((0.0, 0.0), |(s, n), cell| (s + cell.get(), n + 1.0));
    (count > 0.0).then(|| sum / count)
}
