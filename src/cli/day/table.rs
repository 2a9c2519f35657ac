//! The comparison of all scenarios with all settings, as a Markdown table for the docs.

use crate::sim::plant::control::{CONTROL_PRESETS, Control, ControlPreset};
use crate::sim::plant::figures::Figures;
use crate::sim::plant::run::{Setup, run};
use crate::sim::plant::scenarios::{SCENARIOS, Scenario};
use crate::terminal::progress::{Extent, Progress};
use std::io::{self, Write};

const HEAD: &str = "\
| scenario | settings | highest cell, V | lowest cell, V | BMS trips | charged, Ah | of the possible | turns of CCL | full after, h |
|---|---|--:|--:|--:|--:|--:|--:|--:|";

/// Result of one day, or the worst of several.
struct Worst {
    highest_cell_v: f64,
    lowest_cell_v: f64,
    trips: u32,
    charged_ah: f64,
    share: f64,
    ccl_reversals: u32,
    /// Unknown if any day did not get there.
    full_after_h: Option<f64>,
}

impl Worst {
    fn of(figures: &Figures, share: f64) -> Self {
        Self {
            highest_cell_v: figures.highest_cell_v,
            lowest_cell_v: figures.lowest_cell_v,
            trips: figures.trips,
            charged_ah: figures.charged_ah,
            share,
            ccl_reversals: figures.ccl_reversals,
            full_after_h: figures.full_after_h,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            highest_cell_v: self.highest_cell_v.max(other.highest_cell_v),
            lowest_cell_v: self.lowest_cell_v.min(other.lowest_cell_v),
            trips: self.trips + other.trips,
            charged_ah: self.charged_ah.min(other.charged_ah),
            share: self.share.min(other.share),
            ccl_reversals: self.ccl_reversals.max(other.ccl_reversals),
            full_after_h: self.full_after_h.zip(other.full_after_h).map(|(a, b)| a.max(b)),
        }
    }
}

/// Writes the table: the usual day of each scenario, or the worst of `seeds` installations.
pub(super) fn write(out: &mut dyn Write, seeds: u32) -> io::Result<()> {
    let days = SCENARIOS.len() * CONTROL_PRESETS.len() * seeds.max(1) as usize;
    let progress = Progress::start("simulating", Extent::Count(days as u64, "days"));
    writeln!(out, "{HEAD}")?;
    for scenario in &SCENARIOS {
        for preset in &CONTROL_PRESETS {
            row(out, scenario, preset, seeds, &progress)?;
            out.flush()?;
        }
    }
    Ok(())
}

fn row(out: &mut dyn Write, scenario: &Scenario, preset: &ControlPreset, seeds: u32, progress: &Progress) -> io::Result<()> {
    let control = || Control::rules((preset.config)());
    let usual = (seeds == 0).then(|| scenario.usual(control()));
    let setups = usual.into_iter().chain((1..=seeds).map(|seed| scenario.varied(control(), u64::from(seed))));
    let Some(worst) = setups.map(|setup| day(scenario, &setup)).inspect(|_| progress.step()).reduce(Worst::and) else {
        return Ok(());
    };
    let full = worst.full_after_h.map_or("–".to_owned(), |hours| format!("{hours:.1}"));
    writeln!(
        out,
        "| {} | {} | {:.3} | {:.3} | {} | {:.1} | {:.1} % | {} | {full} |",
        scenario.name,
        preset.name,
        worst.highest_cell_v,
        worst.lowest_cell_v,
        worst.trips,
        worst.charged_ah,
        100.0 * worst.share,
        worst.ccl_reversals
    )
}

fn day(scenario: &Scenario, setup: &Setup) -> Worst {
    let figures = run(setup, |_| {});
    Worst::of(&figures, scenario.expect.assess(setup, &figures).share)
}
