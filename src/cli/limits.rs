//! `limits`: charge control as a filter, and a picture of its curves.

use super::exit::write_file;
use super::options::ConfigFile;
use super::{Failure, curves};
use crate::charge::filter::Filter;
use clap::Args;
use std::io::{BufRead, Write};
use std::path::PathBuf;

/// Charge control as a filter: JSON lines of measured values in, JSON lines of limits with their reasons out; or a picture
#[derive(Debug, Clone, Args)]
pub struct LimitsArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Draw the limits over cell voltage, temperature and state of charge into an SVG file instead
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

impl LimitsArgs {
    /// Answers each line of `input` with a line of `out`, at once; or draws.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Line`] for a line that is no JSON object of facts, [`Failure::File`].
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
