//! `simulate-day [SCENARIO]`: a day under charge control, as figures, plot or table.

mod picture;
mod table;

use super::Failure;
use super::failure::write_file;
use crate::base::units::round;
use crate::battery::charge;
use crate::config::{Config, Paths};
use crate::sim::plant::control::{CONTROL_PRESETS, Control};
use crate::sim::plant::expectation::{Aspect, Assessment};
use crate::sim::plant::figures::{Figures, Sample};
use crate::sim::plant::run::{Setup, run};
use crate::sim::plant::scenarios::{SCENARIOS, Scenario, scenario};
use crate::terminal::output::Show;
use crate::terminal::progress::{Extent, Progress};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Simulate a day of a battery with sun, loads and chargers under charge control
#[derive(Debug, Clone, Args)]
pub struct SimulateDayArgs {
    /// Course of the day; --list shows all
    #[arg(value_name = "SCENARIO", default_value = "sunny-day", value_parser = by_name)]
    pub scenario: Name,
    /// Random seed: varies chargers, cells, noise, clouds and loads, and drops 5 % of the readings [default: a typical installation]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Charge control settings: default, soc-steps or cell-steps
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = settings, conflicts_with = "config")]
    pub settings: Name,
    /// Charge control settings from a configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Plot cells, current and limits over the day into an SVG file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// Write the values of every second to a CSV file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Print JSON on a terminal, too
    #[arg(long)]
    pub json: bool,
    /// List the scenarios
    #[arg(long, conflicts_with_all = ["table", "plot", "csv"])]
    pub list: bool,
    /// Compare all scenarios under all settings in a Markdown table; takes a while
    #[arg(long, conflicts_with_all = ["plot", "csv", "config", "seed"])]
    pub table: bool,
    /// Show the worst of N random installations in the table instead of the typical one
    #[arg(long, value_name = "N", default_value_t = 0, requires = "table")]
    pub seeds: u32,
}

/// A name that is known to be in its table.
pub type Name = &'static str;

/// The output for one day.
#[derive(Serialize)]
struct Day<'a> {
    scenario: &'a str,
    #[serde(flatten)]
    figures: &'a Figures,
    /// Charge or discharge as a share of what is possible.
    share_of_possible: f64,
    /// Expectations of the scenario that were missed.
    misses: &'a [Aspect],
}

impl SimulateDayArgs {
    /// Simulates and shows.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::File`], [`Failure::Output`].
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        if self.list {
            for scenario in &SCENARIOS {
                writeln!(out, "{:<16} {}", scenario.name, scenario.about)?;
            }
            return Ok(());
        }
        if self.table {
            return Ok(table::write(out, self.seeds)?);
        }
        // clap has already checked the name.
        let Some(scenario) = scenario(self.scenario) else { return Ok(()) };
        let control = Control::rules(self.rules()?);
        let setup = match self.seed {
            Some(seed) => scenario.varied(control, seed),
            None => scenario.usual(control),
        };
        let hours = setup.hours.ceil().max(1.0);
        let progress = Progress::start("simulating", Extent::Count(hours as u64, "hours"));
        let mut samples = Vec::new();
        let mut hour = setup.start_h.floor();
        let figures = run(&setup, |sample| {
            if sample.t / 3600.0 >= hour + 1.0 {
                hour = (sample.t / 3600.0).floor();
                progress.step();
            }
            samples.push(sample.clone());
        });
        drop(progress);
        if let Some(path) = &self.plot {
            let title = format!("Simulated day: {}", scenario.name);
            let chart = picture::chart(title, self.note(scenario, &setup), &samples, setup.pack.cells);
            write_file(path, &chart.to_svg())?;
        }
        if let Some(path) = &self.csv {
            write_file(path, &csv(&samples))?;
        }
        print(out, show, scenario, &setup, &figures)
    }

    fn rules(&self) -> Result<charge::Config, Failure> {
        if let Some(path) = &self.config {
            let settings = Config::load(Some(path), &Paths::detect())?.settings(None, None);
            return Ok(settings.charge);
        }
        let preset = CONTROL_PRESETS.iter().find(|preset| preset.name == self.settings);
        Ok(preset.map_or_else(charge::Config::default, |preset| (preset.config)()))
    }

    fn note(&self, scenario: &Scenario, setup: &Setup) -> String {
        let settings = if self.config.is_some() { "from a file" } else { self.settings };
        let seed = self.seed.map_or(String::new(), |seed| format!(", installation {seed}"));
        let (about, pack) = (scenario.about, &setup.pack);
        format!("{about}; {} cells, {} Ah, settings: {settings}{seed}", pack.cells, pack.capacity_ah)
    }
}

fn print(out: &mut dyn Write, show: Show, scenario: &Scenario, setup: &Setup, figures: &Figures) -> Result<(), Failure> {
    let verdict = scenario.expect.assess(setup, figures);
    if show == Show::Json {
        let day = Day { scenario: scenario.name, figures, share_of_possible: round(verdict.share, 4), misses: &verdict.misses };
        let text = serde_json::to_string(&day).map_err(std::io::Error::from)?;
        return Ok(writeln!(out, "{text}")?);
    }
    let hours = |(mode, hours): &(&str, f64)| format!("{mode} {hours:.1} h");
    let full = figures.full_after_h.map_or("never".to_owned(), |hours| format!("{hours:.1} h"));
    let lines = [
        ("scenario", format!("{}: {}", scenario.name, scenario.about)),
        ("cells", format!("{:.3} to {:.3} V", figures.lowest_cell_v, figures.highest_cell_v)),
        ("BMS trips", figures.trips.to_string()),
        ("charged", format!("{:.1} Ah", figures.charged_ah)),
        ("discharged", format!("{:.1} Ah", figures.discharged_ah)),
        ("of the possible", format!("{:.1} %", 100.0 * verdict.share)),
        ("98 % after", full),
        ("at the end", format!("{:.1} %", figures.end_soc_pct)),
        ("turns over 5 A", format!("{} of the charge limit, {} of the current", figures.ccl_reversals, figures.current_reversals)),
        ("phases", figures.hours_in.iter().map(hours).collect::<Vec<_>>().join(", ")),
    ];
    let (name, value) = match misses(&verdict) {
        misses if misses.is_empty() => ("as expected", "yes".to_owned()),
        misses => ("not as expected", misses),
    };
    for (name, value) in lines.into_iter().chain([(name, value)]) {
        writeln!(out, "{name:<16} {value}")?;
    }
    Ok(())
}

fn misses(verdict: &Assessment) -> String {
    let words = verdict.misses.iter().map(|aspect| match aspect {
        Aspect::HighestCell => "a cell was too high",
        Aspect::LowestCell => "a cell was too low",
        Aspect::Trips => "the BMS switched off",
        Aspect::Charged => "too little was charged",
        Aspect::Discharged => "too little could be drawn",
        Aspect::Turns => "the charge limit went up and down",
    });
    words.collect::<Vec<_>>().join(", ")
}

fn csv(samples: &[Sample]) -> String {
    let mut text =
        "t_s,voltage_v,current_a,max_cell_v,min_cell_v,soc_pct,shown_soc_pct,temperature_c,sun_a,load_a,cvl_v,ccl_a,dcl_a,\
        mode,cvl_why,ccl_why,dcl_why\n"
            .to_owned();
    for s in samples {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},{:.3},{:.2},{:.4},{:.4},{:.2},{:.2},{:.1},{:.1},{:.1},{},{},{},{},\"{}\",\"{}\",\"{}\"",
            s.t,
            s.voltage_v,
            s.current_a,
            s.max_cell_v,
            s.min_cell_v,
            s.soc_pct,
            s.shown_soc_pct,
            s.temperature_c,
            s.sun_a,
            s.load_a,
            s.cvl_v,
            s.ccl_a,
            s.dcl_a,
            s.mode,
            s.cvl_why,
            s.ccl_why,
            s.dcl_why
        );
    }
    text
}

fn by_name(name: &str) -> Result<Name, String> {
    find(name, SCENARIOS.iter().map(|scenario| scenario.name), "scenario")
}

fn settings(name: &str) -> Result<Name, String> {
    find(name, CONTROL_PRESETS.iter().map(|preset| preset.name), "set of settings")
}

fn find(name: &str, names: impl Iterator<Item = Name> + Clone, what: &str) -> Result<Name, String> {
    let unknown = || format!("unknown {what}; expected one of {}", names.clone().collect::<Vec<_>>().join(", "));
    names.clone().find(|known| *known == name).ok_or_else(unknown)
}
