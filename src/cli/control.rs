//! Shared by `set` and `override`: how to reach the battery, with or without a running driver.

use super::Failure;
use super::find::{find_service, is_name};
use crate::base::runtime;
use crate::config::Config;
use crate::control::ControlRequest;
use crate::dbus::{BATTERY_PREFIX, BusAddress, ask, service_name};
use crate::link::OpenError;
use crate::model::{Outcome, Reply};
use crate::service::RunError;
use crate::service::offline_command::{self, OfflineError};
use clap::Args;
use std::io::Write;

/// How to reach a battery.
#[derive(Debug, Clone, Default, Args)]
pub struct Battery {
    /// Address of the battery, if several share the port
    #[arg(long, value_name = "N")]
    pub address: Option<u8>,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
}

/// Sends the request to the driver that serves `battery`; without one, opens the port here.
pub(super) fn carry_out(
    out: &mut dyn Write,
    config: &Config,
    battery: &str,
    reach: &Battery,
    request: ControlRequest,
) -> Result<(), Failure> {
    let reply = if battery.starts_with(BATTERY_PREFIX) {
        over_dbus(config, battery, reach, request)?
    } else if is_name(battery) {
        let service = runtime::block_on(find_service(&bus(config, reach)?, battery, reach.address))??;
        over_dbus(config, &service, reach, request)?
    } else {
        match offline_command::carry_out(config, battery, reach.address, request, "the command line") {
            Ok(outcome) => outcome.into(),
            Err(OfflineError::Run(RunError::Open(OpenError::Busy { .. }))) => {
                over_dbus(config, &service_name(battery, reach.address), reach, request)?
            }
            Err(OfflineError::Run(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::Request(error.to_string())),
        }
    };
    if !reply.is_done() {
        let Reply { code, text } = reply;
        return Err(Failure::NotDone { request: request.describe(), text, off: code == Outcome::Off.code() });
    }
    Ok(writeln!(out, "{}: {}", request.describe(), reply.text)?)
}

fn over_dbus(config: &Config, service: &str, reach: &Battery, request: ControlRequest) -> Result<Reply, Failure> {
    runtime::block_on(ask(&bus(config, reach)?, service, request))?.map_err(|error| Failure::Request(error.to_string()))
}

fn bus(config: &Config, reach: &Battery) -> Result<BusAddress, Failure> {
    let set = config.settings(None, None).dbus.bus;
    Ok(BusAddress::from_env(reach.bus.as_deref().or(set.as_deref())).map_err(RunError::from)?)
}
