//! `record PORT --to FILE`: keep what goes over a line, for a bug report or a test.

use super::Failure;
use super::options::OnPort;
use crate::bms::Line;
use crate::config::Settings;
use crate::draft::Draft;
use crate::link::open;
use crate::record::{Manner, Plan, Recorded, record};
use crate::run::{RunError, port_options, scope};
use crate::runtime::{SystemClock, until_stopped};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Record what goes over PORT into a file: for a bug report, or as a test
///
/// Finds the batteries and reads them until the time is over or Ctrl-C is pressed. Passwords that known BMSs send are overwritten.
/// The file is written also when nothing answers; that is when it tells most.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Where, and which batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// How long, the search included
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Send nothing, for lines with another master
    #[arg(long)]
    pub listen: bool,
    /// Speed to listen at, in place of those that the BMS families use in turn
    #[arg(long, value_name = "N", requires = "listen", value_parser = clap::value_parser!(u32).range(1200..=1_000_000))]
    pub baud: Option<u32>,
    /// What whoever reads the file should know: the exact BMS, its firmware, the adapter, what its app showed
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

impl RecordArgs {
    /// Records.
    ///
    /// # Errors
    /// [`Failure::Config`]; [`Failure::File`] before anything is recorded; [`Failure::Run`] when nothing answered or the port
    /// vanished, with the file written all the same.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let settings = self.on.config()?.settings(Some(&self.on.port), None);
        let unwritable = |source| Failure::File { path: self.to.clone(), source };
        let draft = Draft::begin(&self.to).map_err(unwritable)?;
        let port = open(&self.on.port, &port_options(&settings)).map_err(RunError::from)?;
        let plan = self.plan(&settings);
        log::info!("recording {} for {} s; Ctrl-C ends it and writes the file", self.on.port, self.seconds);
        let recorded = until_stopped(move |stop| record(port, &SystemClock, &plan, stop)).map_err(RunError::from)?;
        draft.finish(&recorded.recording.text()).map_err(unwritable)?;
        writeln!(out, "{}: {}", self.to.display(), recorded.summary())?;
        self.judge(recorded)
    }

    fn plan(&self, settings: &Settings) -> Plan {
        let scope = scope(settings, None);
        let manner = match self.listen {
            false => Manner::Ask { interval: settings.poll_interval },
            true => {
                let baud = self.baud.or(settings.serial.baud);
                let mut lines = baud.map_or_else(Vec::new, |baud| vec![Line { baud }]);
                if lines.is_empty() {
                    lines = scope.drivers.iter().flat_map(|driver| driver.lines).copied().collect();
                    lines.sort_by_key(|line| line.baud);
                    lines.dedup();
                }
                Manner::Listen { lines }
            }
        };
        Plan { scope, manner, time: Duration::from_secs(self.seconds), note: self.note.clone() }
    }

    /// Scripts learn from the exit code what `read` would have said.
    fn judge(&self, recorded: Recorded) -> Result<(), Failure> {
        let port = &self.on.port;
        match recorded {
            Recorded { broken: Some(error), .. } => Err(RunError::PortGone(format!("{port}: {error}")).into()),
            Recorded { not_found: Some(heard), .. } => Err(RunError::NothingFound(heard.to_string()).into()),
            Recorded { recording, .. } if self.listen && recording.traffic.is_empty() => {
                let why = "nobody talks on this line by itself; leave out --listen to ask, and check A/B or RX/TX and ground";
                Err(RunError::NothingFound(format!("nothing was heard on {port}: {why}")).into())
            }
            Recorded { found, .. } if found.is_empty() && !self.listen => {
                let why = "the recording ended before a BMS was found: give it more time with --seconds";
                Err(RunError::NothingFound(why.to_owned()).into())
            }
            Recorded { .. } => Ok(()),
        }
    }
}

impl Recorded {
    /// What is in the file, in a line.
    fn summary(&self) -> String {
        let Self { recording, found, readings, missed, .. } = self;
        let seconds = recording.traffic.last().map_or(0.0, |last| last.at.as_secs_f64());
        let heard = recording.received().len();
        let batteries = match found.len() {
            0 => format!("no battery read ({})", recording.bms),
            1 => format!("{readings} readings of 1 battery ({})", recording.bms),
            many => format!("{readings} readings of {many} batteries ({})", recording.bms),
        };
        let missed = if *missed > 0 { format!(", {missed} failed") } else { String::new() };
        format!(
            "{seconds:.0} s, {heard} bytes heard, {batteries}{missed}. Passwords of known BMSs are overwritten; serial numbers and \
             names are in it. `dbus-bms replay` shows what it says"
        )
    }
}
