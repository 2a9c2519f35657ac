//! `simulate NAME --link PATH`: a battery that is not there.

use super::options::driver;
use crate::bms::Driver;
use clap::Args;
use std::path::PathBuf;

/// Simulate a BMS of family NAME with its cells on a pseudo terminal
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// BMS family
    #[arg(value_name = "NAME", value_parser = driver)]
    pub bms: &'static Driver,
    /// Where to put the link to the pseudo terminal; open it like a serial port
    #[arg(long, value_name = "PATH")]
    pub link: PathBuf,
    /// Bus addresses that answer
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub addresses: Vec<u8>,
    /// Let every byte take its time at the real baud rate
    #[arg(long)]
    pub pace: bool,
    /// Cells in series
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub cells: u8,
    /// File that says what happens to the battery over time
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Disturb the line: drop=%, corrupt=%, silent-after=S, noise
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',')]
    pub fault: Vec<String>,
}
