//! Options shared by several commands, and how they override the configuration.

use crate::bms::{DRIVERS, Driver};
use crate::config::{Config, ConfigError, Paths, RawValue};
use clap::Args;
use std::path::PathBuf;

/// A port, the configuration, and which batteries to look for.
#[derive(Debug, Clone, Args)]
pub struct OnPort {
    /// Serial port (/dev/ttyUSB0), serial server (tcp://HOST:PORT), Bluetooth device (ble://ADDRESS), CAN interface (can://can0) or topic (mqtt://HOST/TOPIC)
    pub port: String,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which batteries.
    #[command(flatten)]
    pub batteries: Batteries,
}

impl OnPort {
    /// The configuration, overridden by the command line.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn config(&self) -> Result<Config, ConfigError> {
        let mut config = self.file.load()?;
        self.batteries.apply(&mut config)?;
        Ok(config)
    }
}

/// Which batteries to look for on a port.
#[derive(Debug, Clone, Default, Args)]
pub struct Batteries {
    /// BMS families to try; fewer are faster, and untested ones are tried only if named here
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = driver)]
    pub bms: Vec<&'static Driver>,
    /// Bus addresses; each becomes a separate battery
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub addresses: Vec<u8>,
}

impl Batteries {
    /// Overrides `config` with the options given.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] for duplicates.
    pub fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        if !self.bms.is_empty() {
            config.set("--bms", "bms", RawValue::texts(self.bms.iter().map(|driver| driver.name)))?;
        }
        if !self.addresses.is_empty() {
            let addresses = self.addresses.iter().map(|address| RawValue::Whole(i64::from(*address)));
            config.set("--addresses", "addresses", RawValue::List(addresses.collect()))?;
        }
        Ok(())
    }
}

/// The configuration file.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigFile {
    /// Configuration file to use instead of the default one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigFile {
    /// Reads the file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), &Paths::detect())
    }
}

/// The driver of this name; clap adds the option to the error.
pub(super) fn driver(name: &str) -> Result<&'static Driver, String> {
    crate::bms::driver(name).ok_or_else(|| {
        let names: Vec<_> = DRIVERS.iter().map(|driver| driver.name).collect();
        format!("unknown BMS; expected one of {}", names.join(", "))
    })
}
