//! `config check FILE`, `config default` and `config migrate OLD`.

use super::exit::write_new_file;
use super::options::ConfigFile;
use super::{Failure, old_driver};
use crate::config::{Config, ConfigError, Places, document};
use crate::migrate::{self, Fate, Migration};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::{self, Write};
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
    /// Turn a config.ini of dbus-serialbattery or a config.yaml of BerryBMS into ours, and list what has no counterpart
    Migrate(MigrateArgs),
}

/// Turn a config.ini of dbus-serialbattery or a config.yaml of BerryBMS into ours, and list what has no counterpart
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// The old file
    #[arg(value_name = "OLD", required_unless_present_any = ["undo", "settings"])]
    pub old: Option<PathBuf>,
    /// Write the new file here, where there is none yet, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// One JSON object with the new file, what was taken over, the remarks, and the batteries
    #[arg(long)]
    pub json: bool,
    /// List what will be taken over of each battery from this settings.xml of a GX, instead of from D-Bus
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Give instances and entries that were taken over back to dbus-serialbattery; stop this driver before
    #[arg(long, conflicts_with_all = ["old", "to", "json", "settings"])]
    pub undo: bool,
    /// D-Bus with the settings of the GX [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Configuration file, which says where the state folder is.
    #[command(flatten)]
    pub file: ConfigFile,
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
        if self.undo {
            return old_driver::undo(out, &self.file, self.bus.as_deref());
        }
        let batteries = old_driver::batteries(self.settings.as_deref(), self.bus.as_deref())?;
        let migration = self.old.as_deref().map(migrated).transpose()?;
        if let (Some(path), Some(migration)) = (&self.to, &migration) {
            write_new_file(path, &migration.toml)?;
        }
        if self.json {
            let batteries = batteries.as_deref().map(old_driver::sentences);
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
        // A configuration of another system has nothing to do with that driver.
        if let Some(batteries) = batteries.filter(|all| self.settings.is_some() || !all.is_empty()) {
            old_driver::list(&mut io::stderr(), &batteries)?;
        }
        Ok(())
    }
}

/// What `--json` prints.
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
    migrate::migrate(&String::from_utf8_lossy(&text)).map_err(|unfit| Failure::Unfit { path: old.to_owned(), unfit })
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
