//! `simulate NAME --link PATH`: a simulated BMS.

use super::Failure;
use crate::base::runtime;
use crate::sim::fault::Faults;
use crate::sim::{SimulateOptions, names, simulate};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;

/// Simulate a BMS of family NAME and its cells on a pseudo terminal
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// BMS family, or one of its variants
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    pub bms: String,
    /// Path of the link to the pseudo terminal; open it like a serial port (on CAN: as can:///PATH, or give can://vcan0)
    #[arg(long, value_name = "PATH")]
    pub link: PathBuf,
    /// Bus addresses that answer
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub addresses: Vec<u8>,
    /// Pace the bytes as at the real baud rate
    #[arg(long)]
    pub pace: bool,
    /// Cells in series [default: 16, or as many as the board has a place for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub cells: Option<u8>,
    /// TOML file with the course of events (docs/add-a-bms.md describes it)
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Disturb the line: drop=%, corrupt=%, burst=%, lose=%, cut=%, late=MS or late=MS@%, duplicate=%, previous=%, nonsense=%, silent-after=S, noise, commands=refuse, commands=pretend, commands=factory
    #[arg(long, value_name = "FAULT,…", value_parser = faults, default_value = "")]
    pub fault: Faults,
    /// Random seed: varies imbalance, noise and the times of faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl SimulateArgs {
    /// Simulates until a signal.
    ///
    /// # Errors
    /// [`Failure::Simulate`]
    pub fn run(&self) -> Result<(), Failure> {
        let options = SimulateOptions {
            bms: self.bms.clone(),
            link: self.link.clone(),
            addresses: self.addresses.clone(),
            pace: self.pace,
            cells: self.cells.map(usize::from),
            scenario: self.scenario.clone(),
            faults: self.fault.clone(),
            seed: self.seed,
            weak: None,
        };
        Ok(runtime::until_stopped(move |stop| simulate(&options, stop))??)
    }
}

fn faults(text: &str) -> Result<Faults, String> {
    Faults::parse(text).map_err(|error| error.to_string())
}
