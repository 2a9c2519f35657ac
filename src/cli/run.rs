//! `run PORT…`: serve the batteries of one or several ports on D-Bus.

use super::Failure;
use super::options::{Batteries, ConfigFile};
use crate::config::{Config, ConfigError, Written};
use clap::Args;

/// Serve every battery on PORT on D-Bus until stopped
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Serial ports (/dev/ttyUSB0) or TCP serial servers (tcp://HOST:PORT); those of the configuration if none is named
    #[arg(value_name = "PORT")]
    pub ports: Vec<String>,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which batteries.
    #[command(flatten)]
    pub batteries: Batteries,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Publish measured values but no charge limits, and show what they would be
    #[arg(long)]
    pub observe: bool,
    /// Run without D-Bus where there is none, and connect as soon as there is
    #[arg(long)]
    pub no_dbus: bool,
    /// Leave web server, MQTT and Domoticz to `dbus-bms hub`, which serves the batteries of all ports
    #[arg(long)]
    pub sinks_elsewhere: bool,
}

impl RunArgs {
    /// The configuration with what the command line says on top.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        self.batteries.apply(&mut config)?;
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
    /// [`Failure::NoPort`], [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.config()?;
        let named = if self.ports.is_empty() { config.settings(None, None).ports } else { self.ports.clone() };
        let mut ports: Vec<String> = Vec::new();
        for port in named {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        if ports.is_empty() { Err(Failure::NoPort) } else { Ok(crate::run::run(config, &ports, !self.sinks_elsewhere)?) }
    }
}
