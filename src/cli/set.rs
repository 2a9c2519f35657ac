//! `set WHAT VALUE PORT|SERVICE`: a command to a BMS.

use super::Failure;
use super::options::ConfigFile;
use super::wish::{Battery, carry_out};
use crate::commands::{Remembered, Wish};
use crate::model::Command;
use crate::run::direct::state_folder;
use clap::Args;
use std::io::Write;

/// Tell a BMS to switch charging, discharging or balancing on or off, or what its state of charge is
#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// charge, discharge, balance or soc
    #[arg(required_unless_present = "list")]
    pub what: Option<String>,
    /// on or off; for soc 0 to 100
    #[arg(required_unless_present = "list")]
    pub value: Option<String>,
    /// Serial port, or the D-Bus service of the battery (com.victronenergy.battery.…)
    #[arg(value_name = "PORT|SERVICE", required_unless_present = "list")]
    pub battery: Option<String>,
    /// Show what was switched off from here, and how to switch it on again
    #[arg(long)]
    pub list: bool,
    /// Yes, switch discharging off: everything that the battery feeds goes dark
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
    /// Asks, and says what became of it.
    ///
    /// # Errors
    /// [`Failure`] when it was not done.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let config = self.file.load()?;
        let (Some(what), Some(value), Some(battery)) = (&self.what, &self.value, &self.battery) else {
            for (identity, kept) in Remembered::all(&state_folder(&config)) {
                for (text, off) in kept.describe().iter().zip(kept.off.values()) {
                    writeln!(out, "{identity}: {text}; to release: {}", off.release)?;
                }
            }
            return Ok(());
        };
        let command = Command::parse(what, value).map_err(|error| Failure::Wish(error.to_string()))?;
        if command == Command::Discharge(false) && !self.yes {
            return Err(Failure::Wish(
                "without discharging everything that the battery feeds goes dark, and chargers may stop as well; say --yes"
                    .to_owned(),
            ));
        }
        carry_out(out, &config, battery, &self.reach, Wish::Command(command))
    }
}
