//! What `set` and `override` have in common: the way to the battery, with or without a running driver.

use super::Failure;
use crate::commands::Wish;
use crate::config::Config;
use crate::link::OpenError;
use crate::model::Outcome;
use crate::run::RunError;
use crate::run::direct::{self, DirectError};
use crate::runtime;
use crate::sink::dbus::{BATTERY_PREFIX, BusAddress, ask, service_name};
use clap::Args;
use std::io::Write;

/// How to reach a battery.
#[derive(Debug, Clone, Default, Args)]
pub struct Battery {
    /// Its address, where several batteries share the port
    #[arg(long, value_name = "N")]
    pub address: Option<u8>,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
}

/// Asks the driver that serves `battery`; where none does, the port is opened from here.
pub(super) fn carry_out(out: &mut dyn Write, config: &Config, battery: &str, reach: &Battery, wish: Wish) -> Result<(), Failure> {
    let answered = if battery.starts_with(BATTERY_PREFIX) {
        over_dbus(config, battery, reach, wish)?
    } else {
        match direct::carry_out(config, battery, reach.address, wish, "the command line") {
            Ok(outcome) => (outcome.code(), outcome.to_string()),
            Err(DirectError::Run(RunError::Open(OpenError::Busy { .. }))) => {
                over_dbus(config, &service_name(battery, reach.address), reach, wish)?
            }
            Err(DirectError::Run(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::Wish(error.to_string())),
        }
    };
    match answered {
        (0, text) => Ok(writeln!(out, "{wish}: {text}")?),
        (code, text) => Err(Failure::NotDone { wish: wish.to_string(), text, off: code == Outcome::Off.code() }),
    }
}

fn over_dbus(config: &Config, service: &str, reach: &Battery, wish: Wish) -> Result<(i32, String), Failure> {
    let set = config.settings(None, None).dbus.bus;
    let bus = BusAddress::from_env(reach.bus.as_deref().or(set.as_deref())).map_err(RunError::from)?;
    runtime::block_on(ask(&bus, service, wish))?.map_err(|error| Failure::Wish(error.to_string()))
}
