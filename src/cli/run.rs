//! `run PORT…`: serves the batteries of one or several ports on D-Bus.

use super::Failure;
use super::options::{Batteries, ConfigFile};
use crate::config::{Config, ConfigError, RawValue};
use clap::Args;

/// Serve every battery found on PORT on D-Bus until stopped
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Serial ports (/dev/ttyUSB0), serial servers (tcp://HOST:PORT), Bluetooth devices (ble://ADDRESS) or CAN interfaces (can://can0) [default: `ports` of the configuration]
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
    /// Publish measured values but no charge limits; log what the limits would be
    #[arg(long)]
    pub observe: bool,
    /// Keep running while D-Bus is absent, and connect when it appears
    #[arg(long)]
    pub no_dbus: bool,
    /// Leave dashboard, MQTT and Domoticz to `dbus-bms hub`, which serves the batteries of all ports
    #[arg(long, alias = "sinks-elsewhere")]
    pub outputs_elsewhere: bool,
    /// Serve those `ports` of the configuration that are no serial ports of this device; exit at once if there are none. For the
    /// service on a GX, where serial-starter starts the driver on serial ports
    #[arg(long, conflicts_with = "ports")]
    pub if_configured: bool,
}

impl RunArgs {
    /// The configuration, overridden by the command line.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        self.batteries.apply(&mut config)?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", RawValue::Text(bus.clone()))?;
        }
        if self.observe {
            config.set("--observe", "control", RawValue::Flag(false))?;
        }
        if self.no_dbus {
            config.set("--no-dbus", "dbus.required", RawValue::Flag(false))?;
        }
        Ok(config)
    }

    /// Serves until a signal.
    ///
    /// # Errors
    /// [`Failure::NoPort`], [`Failure::Config`], [`Failure::Run`]
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.config()?;
        let mut named = if self.ports.is_empty() { config.settings(None, None).ports } else { self.ports.clone() };
        if self.if_configured {
            named.retain(|port| port.contains("://"));
            if named.is_empty() {
                log::info!(
                    "the configuration names no port that serial-starter does not know: set `ports`, such as [\"can://can0\"]"
                );
                return Ok(());
            }
        }
        let mut ports: Vec<String> = Vec::new();
        for port in named {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        if ports.is_empty() { Err(Failure::NoPort) } else { Ok(crate::service::run(config, &ports, !self.outputs_elsewhere)?) }
    }
}
