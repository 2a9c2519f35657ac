//! The Silence table of the contract: what the limits do when data stops.

use super::chemistry::preset;
use super::verdict::Verdict;
use super::{Age, Config, Facts, Fade, Memory};
use crate::model::{Chemistry, Freshness, Mode};
use crate::units::{Amps, Volts};

const NO_DATA: &str = "no data from the BMS";

/// Lowers the limits to what data of this age allows.
pub(super) fn apply(config: &Config, facts: &Facts, stage: Freshness, age: Age, memory: &mut Memory, verdict: &mut Verdict) {
    let chemistry = preset(verdict.chemistry.unwrap_or(Chemistry::Lfp));
    let last = memory.last.map(|last| last.ruled);
    let fade = *memory.fade_from.get_or_insert_with(|| Fade {
        ccl: last.map_or(verdict.limits.ccl.value, |last| last.ccl.value),
        dcl: last.map_or(verdict.limits.dcl.value, |last| last.dcl.value),
        low_cell: facts.low_cell,
    });
    verdict.limits.mode = Mode::Hold;
    verdict.limit_cvl(facts.cautious_voltage().unwrap_or_default(), NO_DATA);
    if let (Some(cells), Some(_)) = (verdict.cell_count, verdict.chemistry) {
        verdict.limit_cvl(Volts::new(chemistry.float_cell * f64::from(cells)), NO_DATA);
    }
    // For a bank: of cells that nobody sees only the float voltage is certain to be good.
    verdict.ceiling = verdict.ceiling.min(verdict.float.unwrap_or(verdict.limits.cvl.value));

    let stale_for = age.age.saturating_sub(config.silence.stale_after(age.period));
    let left = 1.0 - stale_for.as_secs_f64() / config.silence.charge_fade.as_secs_f64().max(0.001);
    let ccl = if stage == Freshness::Stale { fade.ccl * left.clamp(0.0, 1.0) } else { Amps::ZERO };
    verdict.limit_ccl(ccl, NO_DATA);

    let has_reserve = fade.low_cell.is_some_and(|cell| cell.get() >= chemistry.reserve_cell);
    let dcl = match stage {
        Freshness::Fresh | Freshness::Stale => fade.dcl,
        Freshness::Silent if has_reserve => fade.dcl * 0.25,
        Freshness::Silent | Freshness::Lost => Amps::ZERO,
    };
    verdict.limit_dcl(dcl, NO_DATA);
}
