//! The command line: one small file per command, each with its arguments and what it does.

pub mod bank;
pub mod can;
mod cells;
pub mod config;
mod curves;
pub mod day;
pub mod decode;
pub mod demo;
pub mod doctor;
mod exit;
pub mod hub;
pub mod limits;
mod old_driver;
pub mod options;
pub mod output;
pub mod overrides;
pub(crate) mod paint;
pub mod probe;
pub mod read;
pub mod record;
pub mod replay;
pub mod run;
pub mod set;
pub mod simulate;
pub mod status;
pub mod support;
pub mod table;
mod wish;

pub use exit::{Exit, Failure};

use bank::BankArgs;
use can::CanCommand;
use clap::{Parser, Subcommand};
use config::ConfigCommand;
use day::SimulateDayArgs;
use decode::DecodeArgs;
use demo::DemoArgs;
use doctor::DoctorArgs;
use hub::HubArgs;
use limits::LimitsArgs;
use log::LevelFilter;
use output::Show;
use overrides::OverrideCommand;
use probe::ProbeArgs;
use read::ReadArgs;
use record::RecordArgs;
use replay::ReplayArgs;
use run::RunArgs;
use set::SetArgs;
use simulate::SimulateArgs;
use status::StatusArgs;
use std::io::{self, Write};
use support::SupportArgs;

/// Battery driver for Victron GX devices: serial BMS to D-Bus, with charge control
#[derive(Debug, Parser)]
#[command(name = "dbus-bms", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to log: error, warn, info, debug, trace or off [default: RUST_LOG, else info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<LevelFilter>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve every battery on PORT on D-Bus until stopped
    Run(RunArgs),
    /// Combine the batteries on D-Bus that belong together into one battery with limits for all
    Bank(BankArgs),
    /// Show the batteries on D-Bus on the web page, until stopped
    Hub(HubArgs),
    /// Tell which BMS answers on PORT, or what was heard instead
    Probe(ProbeArgs),
    /// Read each battery on PORT once
    Read(ReadArgs),
    /// Tell a BMS to switch charging, discharging or balancing on or off, or what its state of charge is
    Set(SetArgs),
    /// Limits that end by themselves, and a full charge
    #[command(subcommand)]
    Override(OverrideCommand),
    /// Charge control as a filter, JSON lines of measured values in, limits with their reasons out; or a picture of its curves
    Limits(LimitsArgs),
    /// Simulate a BMS of family NAME with its cells on a pseudo terminal
    Simulate(SimulateArgs),
    /// Simulate a day of a battery with sun, loads and chargers, driven by charge control
    SimulateDay(SimulateDayArgs),
    /// Show a simulated battery and the driver on this computer; Ctrl-C ends all
    Demo(DemoArgs),
    /// Decode recorded bytes: hex text on the standard input, white space ignored
    Decode(DecodeArgs),
    /// Record what goes over PORT into a file: for a bug report, or as a test
    Record(RecordArgs),
    /// Show what a recording says: its readings, and the limits that charge control would have given
    Replay(ReplayArgs),
    /// Look at installation, ports, services and D-Bus, and say what is wrong and what to do
    Doctor(DoctorArgs),
    /// Show all batteries on D-Bus, one line each
    Status(StatusArgs),
    /// Put what somebody needs who is to help into one file, without passwords
    Support(SupportArgs),
    /// Encode, decode and watch the frames for inverters over CAN
    #[command(subcommand)]
    Can(CanCommand),
    /// Check a configuration, print the default one, or make one of that of dbus-serialbattery
    #[command(subcommand)]
    Config(ConfigCommand),
}

const EXIT_CODES: &str = "\
Exit codes: 0 done or stopped by a signal, 2 wrong usage or configuration, 3 no BMS found or nothing decoded,
4 the port vanished, 5 D-Bus absent or lost where it is required, 1 anything else";

/// Runs the program.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Without a terminal or pipe to print to there is nobody to tell.
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
            let _ = writeln!(io::stderr(), "{failure}");
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
            Self::Read(args) => args.run(out, Show::choose(args.json)),
            Self::Set(args) => args.run(out),
            Self::Override(command) => command.run(out),
            Self::Limits(args) => args.run(io::stdin().lock(), out),
            Self::Simulate(args) => args.run(),
            Self::SimulateDay(args) => args.run(out, Show::choose(args.json)),
            Self::Demo(args) => args.run(Show::choose(false)),
            Self::Decode(args) => args.run(io::stdin().lock(), out, Show::choose(args.json)),
            Self::Record(args) => args.run(out),
            Self::Replay(args) => args.run(out, Show::choose(args.json)),
            Self::Doctor(args) => args.run(out, Show::choose(args.json)),
            Self::Status(args) => args.run(out, Show::choose(args.json)),
            Self::Support(args) => args.run(out),
            Self::Can(command) => command.run(out),
            Self::Config(command) => command.run(out),
        }
    }
}

/// Log lines carry no time: multilog and journald stamp them.
fn start_log(level: Option<LevelFilter>) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info);
    match level {
        Some(level) => builder.filter_level(level),
        None => builder.parse_default_env(),
    };
    builder.format(|out, record| writeln!(out, "{} {}", record.level(), record.args()));
    // A second start, as in tests, keeps the first log.
    let _ = builder.try_init();
}
