//! `config check FILE` and `config default`.

use super::exit::Failure;
use crate::config::{Config, Places, document};
use clap::Subcommand;
use std::io::Write;
use std::path::PathBuf;

/// What to do with configurations.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file and say what is wrong on which line
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print all settings with their meaning and default, as a file to start from
    Default,
}

impl ConfigCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Check { file } => {
                Config::load(Some(file), &Places::here())?;
                writeln!(out, "{}: ok", file.display())?;
            }
            Self::Default => out.write_all(document().as_bytes())?,
        }
        Ok(())
    }
}
