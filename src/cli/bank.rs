//! `bank`: several batteries on D-Bus as one.

use super::Failure;
use super::options::ConfigFile;
use crate::config::{Config, ConfigError, Written};
use clap::Args;

/// Combine the batteries on D-Bus that belong together into one battery with limits for all, until stopped
#[derive(Debug, Clone, Args)]
pub struct BankArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Batteries of the bank by the ends of their service names [default: all with member_of_bank]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub members: Vec<String>,
}

impl BankArgs {
    /// The configuration with what the command line says on top.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", Written::Text(bus.clone()))?;
        }
        if !self.members.is_empty() {
            config.set("--members", "bank.members", Written::texts(self.members.iter().map(String::as_str)))?;
        }
        Ok(config)
    }

    /// Serves until a signal comes.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        Ok(crate::run::bank::run(&self.config()?)?)
    }
}
