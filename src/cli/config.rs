//! `config check FILE`, `config default` and `config migrate FILE`.

use super::exit::Failure;
use crate::config::{Config, ConfigError, Origin, Places, Problem, document};
use crate::migrate::berrybms;
use clap::Subcommand;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    /// Turn the configuration of another system (BerryBMS' config.yaml) into ours, and say what has no counterpart
    Migrate {
        /// The file
        file: PathBuf,
    },
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
            Self::Migrate { file } => migrate(file, out)?,
        }
        Ok(())
    }
}

/// The new file on the standard output, what there is to say of it on the other.
fn migrate(file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = std::fs::read(file).map_err(|source| ConfigError::Unreadable { path: file.to_owned(), source })?;
    let text = String::from_utf8_lossy(&bytes);
    if !berrybms::is_berrybms(&text) {
        let problem = Problem {
            origin: Origin::Line(1),
            text: "this is no config.yaml of BerryBMS, which is what can be taken over".to_owned(),
        };
        return Err(ConfigError::Wrong { file: file.display().to_string(), problems: vec![problem] }.into());
    }
    let migrated = berrybms::migrate(&text);
    out.write_all(migrated.toml.as_bytes())?;
    for note in migrated.notes {
        log::warn!("{}: {note}", file.display());
    }
    Ok(())
}
