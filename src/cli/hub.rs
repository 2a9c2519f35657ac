//! `hub`: one dashboard for the batteries of all processes.

use super::Failure;
use super::options::ConfigFile;
use crate::config::{Config, ConfigError, RawValue};
use clap::Args;

/// Serve the dashboard, MQTT and Domoticz for all batteries and banks of this driver on D-Bus, until stopped
///
/// Covers the batteries of all processes. Exits at once if none of these outputs is configured.
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
    /// The configuration, overridden by the command line.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", RawValue::Text(bus.clone()))?;
        }
        Ok(config)
    }

    /// Serves until a signal.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        Ok(crate::service::hub::run(&self.config()?)?)
    }
}
