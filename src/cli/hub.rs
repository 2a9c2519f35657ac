//! `hub`: the batteries of all processes on one web page.

use super::Failure;
use super::options::ConfigFile;
use crate::config::{Config, ConfigError, Written};
use clap::Args;

/// Show all batteries and banks of this driver that are on D-Bus, whichever process serves them, on the web page, until stopped.
/// Where nothing of that is set it ends at once
#[derive(Debug, Clone, Args)]
pub struct HubArgs {
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
}

impl HubArgs {
    /// The configuration with what the command line says on top.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", Written::Text(bus.clone()))?;
        }
        Ok(config)
    }

    /// Serves until a signal comes.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        Ok(crate::run::hub::run(&self.config()?)?)
    }
}
