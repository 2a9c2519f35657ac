//! `set WHAT VALUE PORT|SERVICE`: sends a command to a BMS.

use super::Failure;
use super::control::{Battery, carry_out};
use super::options::ConfigFile;
use crate::control::{ControlRequest, PersistedCommands, RequestError};
use crate::model::{Command, Switch};
use crate::service::offline_command::state_folder;
use clap::Args;
use std::io::Write;

/// Switch charging, discharging or balancing, or set the BMS's state of charge
#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// charge, discharge, balance or soc
    #[arg(required_unless_present = "list")]
    pub what: Option<String>,
    /// on or off; for soc 0 to 100
    #[arg(required_unless_present = "list")]
    pub value: Option<String>,
    /// Serial port, the D-Bus service of the battery (com.victronenergy.battery.…), or its name
    #[arg(value_name = "PORT|SERVICE", required_unless_present = "list")]
    pub battery: Option<String>,
    /// List what this driver has switched off, and how to switch it on again
    #[arg(long)]
    pub list: bool,
    /// Confirm switching discharging off: everything that the battery supplies loses power
    #[arg(long)]
    pub yes: bool,
    /// How to reach it.
    #[command(flatten)]
    pub reach: Battery,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
}

impl SetArgs {
    /// Sends the request and prints the outcome.
    ///
    /// # Errors
    /// [`Failure`] if it was not carried out.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let config = self.file.load()?;
        let (Some(what), Some(value), Some(battery)) = (&self.what, &self.value, &self.battery) else {
            return list(out, &PersistedCommands::all(&state_folder(&config)));
        };
        let unknown = || Failure::Request(RequestError::command(what, value).to_string());
        let command = Command::parse(what, value).ok_or_else(unknown)?;
        if command == Switch::Discharge.to(false) && !self.yes {
            return Err(Failure::Request(
                "with discharging off, everything that the battery supplies loses power, and chargers may stop as well; add --yes to confirm"
                    .to_owned(),
            ));
        }
        carry_out(out, &config, battery, &self.reach, ControlRequest::Command(command))
    }
}

/// What is switched off, one line each; a line also if nothing is.
fn list(out: &mut dyn Write, all: &[(String, PersistedCommands)]) -> Result<(), Failure> {
    let switches = || {
        all.iter()
            .flat_map(|(id, persisted)| persisted.describe().into_iter().zip(persisted.off.values()).map(move |off| (id, off)))
    };
    for (id, (text, off)) in switches() {
        writeln!(out, "{id}: {text}; to release: {}", off.release)?;
    }
    if switches().next().is_none() {
        writeln!(out, "nothing is switched off by this driver")?;
    }
    Ok(())
}
