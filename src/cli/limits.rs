//! `limits`: charge control as a filter, and a plot of its curves.

use super::failure::write_file;
use super::options::ConfigFile;
use super::{Failure, curves};
use crate::battery::charge::filter::Filter;
use clap::Args;
use std::io::{BufRead, Write};
use std::path::PathBuf;

/// Run charge control as a filter: JSON lines of measured values in, JSON lines of limits with reasons out; or plot its curves
#[derive(Debug, Clone, Args)]
#[command(after_long_help = INPUT_HELP)]
pub struct LimitsArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Plot the limits over cell voltage, temperature and state of charge into an SVG file instead
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

const INPUT_HELP: &str = r#"Input: one JSON object per line. A missing value limits nothing.
  t, age_s                            time and age of the data, s
  cells                               cell voltages, V
  highest_cell, lowest_cell           instead of `cells`, V
  cell_count                          with them: cells in series
  voltage, current, soc, capacity_ah  V, A (positive charges), %, Ah
  temperatures, mos_temperature       °C
  charge_allowed, discharge_allowed   true or false
  bms_ccl, bms_dcl, bms_cvl           what the BMS asks for, A and V
  owner_ccl, owner_dcl                temporary limits of the owner, A
  cell_ovp, cell_uvp                  protections of the BMS, V
  charge_ocp, discharge_ocp           protections of the BMS, A
Example:
  echo '{"cells":[3.31,3.32,3.3],"current":12.5,"soc":62}' | dbus-bms limits"#;

impl LimitsArgs {
    /// Answers each line of `input` with a line on `out`, at once; or plots.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Line`] for a line that is not a JSON object of measured values, [`Failure::File`].
    pub fn run(&self, input: impl BufRead, out: &mut dyn Write) -> Result<(), Failure> {
        let settings = self.file.load()?.settings(None, None);
        let config = settings.charge;
        if let Some(path) = &self.plot {
            return write_file(path, &curves::chart(&config).to_svg());
        }
        let mut filter = Filter::new(config);
        for (number, line) in (1..).zip(input.lines()) {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let (answer, notices) = filter.line(&line).map_err(|error| Failure::Line { number, error })?;
            for notice in notices {
                log::warn!("{notice}");
            }
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        Ok(())
    }
}
