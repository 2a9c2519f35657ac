//! `run PORT`: serve the batteries of a port on D-Bus.

use super::Failure;
use super::options::OnPort;
use crate::config::{Config, ConfigError, Written};
use clap::Args;

/// Serve every battery on PORT on D-Bus until stopped
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where, and which batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Publish measured values but no charge limits, and show what they would be
    #[arg(long)]
    pub observe: bool,
    /// Run without D-Bus where there is none, and connect as soon as there is
    #[arg(long)]
    pub no_dbus: bool,
}

impl RunArgs {
    /// The configuration with what the command line says on top.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.on.config()?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", Written::Text(bus.clone()))?;
        }
        if self.observe {
            config.set("--observe", "control", Written::Flag(false))?;
        }
        if self.no_dbus {
            config.set("--no-dbus", "dbus.required", Written::Flag(false))?;
        }
        Ok(config)
    }

    /// Serves until a signal comes.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        Ok(crate::run::run(self.config()?, &self.on.port)?)
    }
}
