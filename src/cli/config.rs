//! `config check FILE`, `config default` and `config migrate OLD`.

use super::Failure;
use super::exit::write_new_file;
use crate::config::{Config, ConfigError, Places, document};
use crate::migrate::{self, Fate, Migration};
use clap::{Args, Subcommand};
use std::io::{self, Write};
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
    /// Turn a config.ini of dbus-serialbattery or a config.yaml of BerryBMS into ours, and list what has no counterpart
    Migrate(MigrateArgs),
}

/// Turn a config.ini of dbus-serialbattery or a config.yaml of BerryBMS into ours, and list what has no counterpart
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The old file
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// Write the new file here, where there is none yet, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// One JSON object with the new file, what was taken over, and the remarks
    #[arg(long)]
    pub json: bool,
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
            Self::Migrate(args) => args.run(out)?,
        }
        Ok(())
    }
}

impl MigrateArgs {
    /// The new file goes to `out`, the list to the standard error output; both with `--json` to `out`.
    fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let old = std::fs::read(&self.old).map_err(|source| ConfigError::Unreadable { path: self.old.clone(), source })?;
        let migration =
            migrate::migrate(&String::from_utf8_lossy(&old)).map_err(|unfit| Failure::Unfit { path: self.old.clone(), unfit })?;
        if let Some(path) = &self.to {
            write_new_file(path, &migration.toml)?;
        }
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&migration).map_err(io::Error::from)?)?;
            return Ok(());
        }
        if self.to.is_none() {
            out.write_all(migration.toml.as_bytes())?;
            out.flush()?;
        }
        list(&mut io::stderr(), &migration)?;
        Ok(())
    }
}

/// What an owner should know, for people.
fn list(out: &mut dyn Write, migration: &Migration) -> io::Result<()> {
    match migration.taken.len() {
        0 => writeln!(out, "settings of {} taken over", migration.from)?,
        options => writeln!(out, "{options} options of {} taken over", migration.from)?,
    }
    for remark in &migration.remarks {
        let mark = match remark.fate {
            Fate::Refused => "NOT TAKEN OVER",
            Fate::Differs => "differs",
            Fate::NoCounterpart => "no counterpart",
            Fate::Unknown => "unknown",
        };
        writeln!(out, "{mark:14} {}: {}", remark.option, remark.text)?;
    }
    Ok(())
}
