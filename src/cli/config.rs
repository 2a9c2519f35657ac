//! `config check FILE`, `config default` and `config migrate OLD`.

use super::failure::write_new_file;
use super::options::ConfigFile;
use super::{Failure, takeover};
use crate::config::import::{self, Migration, OptionOutcome};
use crate::config::{Config, ConfigError, Paths, document};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Subcommands for configurations.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file and report mistakes with their line numbers
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print all settings with descriptions and defaults, as a file to start from
    Default,
    /// Convert a dbus-serialbattery config.ini or a BerryBMS config.yaml, and list options without a counterpart
    Migrate(MigrateArgs),
}

/// Convert a dbus-serialbattery config.ini or a BerryBMS config.yaml, and list options without a counterpart
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The old file
    #[arg(value_name = "OLD", required_unless_present_any = ["undo", "settings"])]
    pub old: Option<PathBuf>,
    /// Write the new file here instead of printing it; an existing file is not overwritten
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Print one JSON object with the new file, the imported options, the remarks and the batteries
    #[arg(long)]
    pub json: bool,
    /// List what will be taken over for each battery, from this GX settings.xml instead of D-Bus
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Give taken-over instances and settings back to dbus-serialbattery; stop this driver first
    #[arg(long, conflicts_with_all = ["old", "to", "json", "settings"])]
    pub undo: bool,
    /// D-Bus that holds the GX settings [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Configuration file; it names the state folder.
    #[command(flatten)]
    pub file: ConfigFile,
}

impl ConfigCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Check { file } => {
                Config::load(Some(file), &Paths::detect())?;
                writeln!(out, "{}: ok", file.display())?;
            }
            Self::Default => out.write_all(document().as_bytes())?,
            Self::Migrate(args) => args.run(out)?,
        }
        Ok(())
    }
}

impl MigrateArgs {
    /// The new file goes to `out`, the list to standard error; with `--json` both go to `out`.
    fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        if self.undo {
            return takeover::undo(out, &self.file, self.bus.as_deref());
        }
        let batteries = takeover::batteries(self.settings.as_deref(), self.bus.as_deref())?;
        let migration = self.old.as_deref().map(migrated).transpose()?;
        if let (Some(path), Some(migration)) = (&self.to, &migration) {
            write_new_file(path, &migration.toml)?;
        }
        if self.json {
            let batteries = batteries.as_deref().map(takeover::sentences);
            let answer = Answer { migration: migration.as_ref(), batteries };
            writeln!(out, "{}", serde_json::to_string(&answer).map_err(io::Error::from)?)?;
            return Ok(());
        }
        if let Some(migration) = &migration {
            if self.to.is_none() {
                out.write_all(migration.toml.as_bytes())?;
                out.flush()?;
            }
            list(&mut io::stderr(), migration)?;
        }
        // Only dbus-serialbattery leaves entries in the GX settings.
        if let Some(batteries) = batteries.filter(|all| self.settings.is_some() || !all.is_empty()) {
            takeover::list(&mut io::stderr(), &batteries)?;
        }
        Ok(())
    }
}

/// The output of `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    migration: Option<&'a Migration>,
    /// A sentence for each battery; absent where the settings of a GX cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    batteries: Option<Vec<String>>,
}

fn migrated(old: &Path) -> Result<Migration, Failure> {
    let text = std::fs::read(old).map_err(|source| ConfigError::Unreadable { path: old.to_owned(), source })?;
    import::migrate(&String::from_utf8_lossy(&text)).map_err(|error| Failure::Import { path: old.to_owned(), error })
}

/// The summary for people.
fn list(out: &mut dyn Write, migration: &Migration) -> io::Result<()> {
    match migration.taken.len() {
        0 => writeln!(out, "settings of {} taken over", migration.from)?,
        options => writeln!(out, "{options} options of {} taken over", migration.from)?,
    }
    for remark in &migration.remarks {
        let mark = match remark.outcome {
            OptionOutcome::Refused => "NOT TAKEN OVER",
            OptionOutcome::Differs => "differs",
            OptionOutcome::NoCounterpart => "no counterpart",
            OptionOutcome::Unknown => "unknown",
        };
        writeln!(out, "{mark:14} {}: {}", remark.option, remark.text)?;
    }
    Ok(())
}
