//! `limits`: charge control as a filter.

use super::options::ConfigFile;
use clap::Args;
use std::path::PathBuf;

/// Charge control as a filter: JSON lines of measured values in, JSON lines of limits with their reasons out
#[derive(Debug, Clone, Args)]
pub struct LimitsArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Draw the limits over cell voltage, temperature and SoC into this file instead
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}
