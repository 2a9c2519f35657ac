//! `limits`: charge control as a filter.

use super::Failure;
use super::options::ConfigFile;
use crate::charge;
use crate::charge::filter::Filter;
use clap::Args;
use std::io::{BufRead, Write};

/// Charge control as a filter: JSON lines of measured values in, JSON lines of limits with their reasons out
#[derive(Debug, Clone, Args)]
pub struct LimitsArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
}

impl LimitsArgs {
    /// Answers each line of `input` with a line of `out`, at once.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Line`] for a line that is no JSON object of facts.
    pub fn run(&self, input: impl BufRead, out: &mut dyn Write) -> Result<(), Failure> {
        let settings = self.file.load()?.settings(None, None);
        let mut filter = Filter::new(charge::Config::from(&settings.charge));
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
