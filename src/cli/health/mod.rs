//! `health`: how the cells of a battery are.

mod table;

use super::Failure;
use super::failure::{HealthFailure, ReplayFailure};
use super::find::find_view;
use super::options::driver;
use super::replay::load;
use crate::base::runtime;
use crate::base::units::AmpHours;
use crate::bms::Driver;
use crate::dbus::BusAddress;
use crate::health::Observation;
use crate::health::stream::Stream;
use crate::recording::replay::readings;
use crate::service::RunError;
use crate::terminal::output::Show;
use clap::{ArgGroup, Args};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use table::table;

/// Show how the cells of a running driver's battery are: resistance, charge offset, self-discharge, capacity, and what was found
#[derive(Debug, Clone, Args)]
#[command(after_long_help = INPUT_HELP)]
#[command(group(ArgGroup::new("source").required(true).args(["battery", "stdin", "from"])))]
pub struct HealthArgs {
    /// Serial port, the D-Bus service of the battery (com.victronenergy.battery.…), or its name
    #[arg(value_name = "PORT|SERVICE")]
    pub battery: Option<String>,
    /// Read readings as JSON lines from standard input; print a JSON line of estimates per day
    #[arg(long)]
    pub stdin: bool,
    /// Look back: the same for a file, a recording or such JSON lines
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// BMS family to use instead of the one in the recording
    #[arg(long, value_name = "NAME", value_parser = driver, requires = "from")]
    pub bms: Option<&'static Driver>,
    /// Installed capacity of the battery, Ah [default: what the readings say, else 280]
    #[arg(long, value_name = "AH", value_parser = capacity, conflicts_with = "battery")]
    pub capacity: Option<f64>,
    /// Address of the battery, if several share the port
    #[arg(long, value_name = "N", requires = "battery")]
    pub address: Option<u8>,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS", requires = "battery")]
    pub bus: Option<String>,
    /// Print JSON on a terminal, too
    #[arg(long)]
    pub json: bool,
}

/// What the key of the BMS in a recording looks like, and how a history begins.
const BMS_KEY: &[u8] = b"\"bms\"";
const HISTORY_HEAD: &[u8] = b"dbus-bms history";

const INPUT_HELP: &str = r#"Readings: one JSON object per line; all keys but t are optional.
  t                          seconds, rising
  cells, current, soc        cell voltages, V; A (positive charges); %
  temperatures               °C
  remaining_ah, capacity_ah  Ah
  balancing                  {"cells": [from, to], "current": A}; negative: the
                             balancer takes charge from these cells
Example:
  {"t":0,"cells":[3.31,3.32,3.3,3.31],"current":12.5,"soc":62,"remaining_ah":62}"#;

impl HealthArgs {
    /// Shows the health of a battery, or answers each finished day of readings with a line on `out`.
    ///
    /// # Errors
    /// [`Failure::Line`] for a line that is not a JSON object of the documented form, [`Failure::Find`], [`Failure::Health`] also
    /// without any reading of cells, [`Failure::Output`], [`Failure::Run`] without a bus.
    pub fn run(&self, input: impl BufRead, out: &mut dyn Write) -> Result<(), Failure> {
        match (&self.battery, &self.from) {
            (Some(battery), _) => self.of_battery(battery, out),
            (_, Some(path)) => self.of_file(path, out),
            _ => self.of_lines(input, out),
        }
    }

    fn of_battery(&self, battery: &str, out: &mut dyn Write) -> Result<(), Failure> {
        let bus = BusAddress::from_env(self.bus.as_deref()).map_err(RunError::from)?;
        let view = runtime::block_on(find_view(&bus, battery, self.address))??;
        let Some(health) = &view.health else {
            return Err(HealthFailure::NothingKnown(view.identity.name).into());
        };
        match Show::choose(self.json) {
            Show::Json => writeln!(out, "{}", serde_json::to_string(health).map_err(io::Error::from)?)?,
            Show::Table { width, colour } => out.write_all(table(&view.identity.name, health, width, colour).as_bytes())?,
        }
        Ok(())
    }

    fn of_file(&self, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
        let file = |source| ReplayFailure::Read { path: path.to_owned(), source };
        let mut input = BufReader::new(File::open(path).map_err(file)?);
        match Source::of(input.fill_buf().map_err(file)?) {
            Source::Lines => return self.of_lines(input, out),
            Source::History => return Err(HealthFailure::History(path.to_owned()).into()),
            Source::Recording => {}
        }
        let (recording, driver) = load(path, self.bms)?;
        let mut stream = self.stream();
        for replayed in readings(&recording, driver) {
            let (at, reading) = (replayed.at.as_secs_f64(), &replayed.reading);
            print(stream.observe(&Observation::of(at, reading), reading.capacity).map_err(io::Error::from)?, out)?;
        }
        end(&mut stream, out)
    }

    fn of_lines(&self, mut input: impl BufRead, out: &mut dyn Write) -> Result<(), Failure> {
        let mut stream = self.stream();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            if text.trim().is_empty() {
                continue;
            }
            let day = stream.line(&text).map_err(|error| Failure::Line { number, error })?;
            print(day, out)?;
        }
        end(&mut stream, out)
    }

    fn stream(&self) -> Stream {
        Stream::new(self.capacity.map(AmpHours::new))
    }
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A JSON object per line.
    Lines,
    /// What `record` or candump wrote.
    Recording,
    /// A battery's history of this driver.
    History,
}

impl Source {
    /// By how it begins. A recording of `record` is one JSON object over many lines, and says the BMS.
    fn of(begin: &[u8]) -> Self {
        let first = begin.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let says_bms = first.windows(BMS_KEY.len()).any(|part| part == BMS_KEY);
        match first {
            _ if begin.starts_with(HISTORY_HEAD) => Self::History,
            [b'{', _, ..] if !says_bms => Self::Lines,
            [] if begin.is_empty() => Self::Lines,
            _ => Self::Recording,
        }
    }
}

/// Prints the day that has not ended.
fn end(stream: &mut Stream, out: &mut dyn Write) -> Result<(), Failure> {
    if !stream.has_readings() {
        return Err(HealthFailure::NoReadings.into());
    }
    print(stream.end().map_err(io::Error::from)?, out)
}

fn print(day: Option<String>, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(day) = day {
        writeln!(out, "{day}")?;
        out.flush()?;
    }
    Ok(())
}

fn capacity(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=10_000.0).contains(&value) { Ok(value) } else { Err("1 to 10000 Ah".to_owned()) }
}
