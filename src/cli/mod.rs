//! The command line: one small file per command, with its arguments and its code.

pub mod bank;
pub mod can;
pub mod config;
mod control;
mod curves;
pub mod day;
pub mod decode;
pub mod demo;
pub mod doctor;
mod exit;
mod failure;
mod find;
pub mod health;
pub mod hub;
pub mod limits;
pub mod options;
pub mod overrides;
pub mod probe;
pub mod read;
pub mod record;
pub mod replay;
pub mod run;
pub mod scan_ble;
pub mod set;
pub mod simulate;
pub mod status;
pub mod support;
mod takeover;
pub mod verify;

pub use exit::Exit;
pub use failure::Failure;

use crate::base::version::VERSION;
use crate::terminal::input::StandardInput;
use crate::terminal::output::{Show, columns, wrapped};
use bank::BankArgs;
use can::CanCommand;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use config::ConfigCommand;
use day::SimulateDayArgs;
use decode::DecodeArgs;
use demo::DemoArgs;
use doctor::DoctorArgs;
use health::HealthArgs;
use hub::HubArgs;
use limits::LimitsArgs;
use log::LevelFilter;
use overrides::OverrideCommand;
use probe::ProbeArgs;
use read::ReadArgs;
use record::RecordArgs;
use replay::ReplayArgs;
use run::RunArgs;
use scan_ble::ScanBleArgs;
use set::SetArgs;
use simulate::SimulateArgs;
use status::StatusArgs;
use std::io::{self, Write};
use support::SupportArgs;
use verify::VerifyArgs;

/// Battery driver for Victron GX devices: serial BMS to D-Bus, with charge control
#[derive(Debug, Parser)]
#[command(name = "dbus-bms", version = VERSION.as_str(), after_help = EXIT_CODES)]
pub struct Cli {
    /// Log level: error, warn, info, debug, trace or off [default: RUST_LOG, else info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<LevelFilter>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve every battery found on PORT on D-Bus until stopped
    Run(RunArgs),
    /// Combine several batteries on D-Bus into one bank with common limits
    Bank(BankArgs),
    /// Serve the dashboard, MQTT and Domoticz for all batteries on D-Bus until stopped
    Hub(HubArgs),
    /// Find out which BMS answers on PORT, or show what was received instead
    Probe(ProbeArgs),
    /// List the Bluetooth devices in range, and which BMS they may be
    ScanBle(ScanBleArgs),
    /// Read each battery on PORT once
    Read(ReadArgs),
    /// Switch charging, discharging or balancing, or set the BMS's state of charge
    Set(SetArgs),
    /// Set temporary limits, or request a full charge
    #[command(subcommand)]
    Override(OverrideCommand),
    /// Run charge control as a filter: measured values in, limits with reasons out (JSON lines); or plot its curves
    Limits(LimitsArgs),
    /// Estimate the health of each cell from readings: resistance, charge offset, self-discharge, capacity
    Health(HealthArgs),
    /// Simulate a BMS of family NAME and its cells on a pseudo terminal
    Simulate(SimulateArgs),
    /// Simulate a day of a battery with sun, loads and chargers under charge control
    SimulateDay(SimulateDayArgs),
    /// Run the driver with simulated batteries on this computer; Ctrl-C stops everything
    Demo(DemoArgs),
    /// Decode recorded bytes: hex text on standard input, white space ignored
    Decode(DecodeArgs),
    /// Record the traffic on PORT into a file, for a bug report or a test
    Record(RecordArgs),
    /// Show the readings in a recording and the limits that charge control would have set
    Replay(ReplayArgs),
    /// Check installation, ports, services and D-Bus, and show problems with their remedies
    Doctor(DoctorArgs),
    /// Show all batteries on D-Bus, with their limits and the reasons
    Status(StatusArgs),
    /// Collect a support bundle (logs, state, configuration) with secrets removed
    Support(SupportArgs),
    /// Check that FILE is what the makers of dbus-bms signed, with the release keys built into this program
    Verify(VerifyArgs),
    /// Encode, decode and monitor CAN frames for inverters
    #[command(subcommand)]
    Can(CanCommand),
    /// Check a configuration, print the default one, or import one from dbus-serialbattery or BerryBMS
    #[command(subcommand)]
    Config(ConfigCommand),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or stopped by a signal
  1  any other failure
  2  wrong usage or configuration
  3  no BMS found, nothing decoded, or no known signature
  4  the port disappeared
  5  D-Bus required but absent or lost
  6  the program hung, and its watchdog ended it";

/// Takes the arguments. Help is as wide as the terminal; in a pipe or file no line is broken.
fn parse() -> Result<Cli, clap::Error> {
    let matches = Cli::command().term_width(columns(io::stdout()).unwrap_or(0)).try_get_matches()?;
    Cli::from_arg_matches(&matches)
}

/// Runs the program.
pub fn main() -> Exit {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Without a terminal or pipe the message has nowhere to go.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Fine };
        }
    };
    start_log(cli.log);
    let mut out = io::stdout().lock();
    match cli.command.run(&mut out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => Exit::Fine,
        Err(failure) if failure.is_closed_pipe() => Exit::Fine,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{}", wrapped(&failure.to_string(), columns(io::stderr())));
            failure.exit()
        }
    }
}

impl Command {
    fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Run(args) => args.run(),
            Self::Bank(args) => args.run(),
            Self::Hub(args) => args.run(),
            Self::Probe(args) => args.run(out, Show::choose(args.json)),
            Self::ScanBle(args) => args.run(out, Show::choose(args.json)),
            Self::Read(args) => args.run(out, Show::choose(args.json)),
            Self::Set(args) => args.run(out),
            Self::Override(command) => command.run(out),
            Self::Limits(args) => args.run(StandardInput::new("JSON lines of measured values"), out),
            Self::Health(args) => args.run(StandardInput::new("JSON lines of readings"), out),
            Self::Simulate(args) => args.run(),
            Self::SimulateDay(args) => args.run(out, Show::choose(args.json)),
            Self::Demo(args) => args.run(Show::choose(false)),
            Self::Decode(args) => args.run(StandardInput::new("bytes as hex text"), out, Show::choose(args.json)),
            Self::Record(args) => args.run(out),
            Self::Replay(args) => args.run(out, Show::choose(args.json)),
            Self::Doctor(args) => args.run(out, Show::choose(args.json)),
            Self::Status(args) => args.run(out),
            Self::Support(args) => args.run(out),
            Self::Verify(args) => args.run(out),
            Self::Can(command) => command.run(out),
            Self::Config(command) => command.run(out),
        }
    }
}

/// Log lines carry no time stamp: multilog and journald add one.
fn start_log(level: Option<LevelFilter>) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info);
    match level {
        Some(level) => builder.filter_level(level),
        None => builder.parse_default_env(),
    };
    builder.format(|out, record| writeln!(out, "{} {}", record.level(), record.args()));
    // A second call, as in tests, keeps the first logger.
    let _ = builder.try_init();
}
