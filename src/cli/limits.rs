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
pub struct LimitsArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Plot the limits over cell voltage, temperature and state of charge into an SVG file instead
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

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
