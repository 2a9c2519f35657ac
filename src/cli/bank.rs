//! `bank`: combines several batteries on D-Bus into one.

use super::Failure;
use super::options::ConfigFile;
use crate::config::{Config, ConfigError, RawValue};
use clap::Args;

/// Combine several batteries on D-Bus into one bank with common limits, until stopped
#[derive(Debug, Clone, Args)]
pub struct BankArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Batteries of the bank, by the ends of their service names [default: all with member_of_bank]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub members: Vec<String>,
    /// Exit at once if no bank is configured; for the service that starts it
    #[arg(long)]
    pub if_configured: bool,
}

impl BankArgs {
    /// The configuration, overridden by the command line.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", RawValue::Text(bus.clone()))?;
        }
        if !self.members.is_empty() {
            config.set("--members", "bank.members", RawValue::texts(self.members.iter().map(String::as_str)))?;
        }
        Ok(config)
    }

    /// Serves until a signal.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.config()?;
        if self.if_configured && !config.names_bank() {
            log::info!(
                "no bank is configured: set `member_of_bank = true` for batteries that belong together, or name them in `bank.members`"
            );
            return Ok(());
        }
        Ok(crate::service::bank_task::run(&config)?)
    }
}
