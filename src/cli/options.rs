//! Options that several commands share, and how they reach the configuration.

use crate::bms::{DRIVERS, Driver};
use crate::config::{Config, ConfigError, Places, Written};
use clap::Args;
use std::path::PathBuf;

/// A port, the configuration, and which batteries to look for.
#[derive(Debug, Clone, Args)]
pub struct OnPort {
    /// Serial port (/dev/ttyUSB0) or TCP serial server (tcp://HOST:PORT)
    pub port: String,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Which batteries.
    #[command(flatten)]
    pub batteries: Batteries,
}

impl OnPort {
    /// The configuration with what the command line says on top.
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
    /// BMS families to look for; the fewer, the faster
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = driver)]
    pub bms: Vec<&'static Driver>,
    /// Bus addresses; each becomes a battery of its own
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub addresses: Vec<u8>,
}

impl Batteries {
    /// Puts what was given on top of `config`.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] for repetitions.
    pub fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        if !self.bms.is_empty() {
            config.set("--bms", "bms", Written::texts(self.bms.iter().map(|driver| driver.name)))?;
        }
        if !self.addresses.is_empty() {
            let addresses = self.addresses.iter().map(|address| Written::Whole(i64::from(*address)));
            config.set("--addresses", "addresses", Written::List(addresses.collect()))?;
        }
        Ok(())
    }
}

/// The configuration file.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigFile {
    /// Configuration file, in place of the default one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ConfigFile {
    /// Reads it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), &Places::here())
    }
}

/// The driver of this name; clap adds the option to the error.
pub(super) fn driver(name: &str) -> Result<&'static Driver, String> {
    crate::bms::driver(name).ok_or_else(|| {
        let names: Vec<_> = DRIVERS.iter().map(|driver| driver.name).collect();
        format!("there is no BMS of this name; known are {}", names.join(", "))
    })
}
