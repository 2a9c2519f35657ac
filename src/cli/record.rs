//! `record PORT --to FILE`: records the traffic on a line, for a bug report or a test.

use super::Failure;
use super::options::OnPort;
use crate::base::atomic_file::AtomicFile;
use crate::base::runtime::{SystemClock, until_stopped};
use crate::bms::Line;
use crate::config::Settings;
use crate::link::open;
use crate::service::{RunError, port_options, scope};
use crate::terminal::output::{columns, wrapped};
use crate::terminal::progress::{Extent, Progress};
use crate::tools::record_session::{RecordMode, RecordPlan, RecordResult, record};
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// Record the traffic on PORT into a file, for a bug report or a test
///
/// Finds the batteries and reads them until the time is up or Ctrl-C is pressed. Passwords that known BMSs send are overwritten.
/// The file is written even if nothing answers: that is when it helps most.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Port and batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Duration in seconds, including the search
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Only listen, for lines with another master
    #[arg(long)]
    pub listen: bool,
    /// Baud rate to listen at, instead of trying those of all BMS families
    #[arg(long, value_name = "N", requires = "listen", value_parser = clap::value_parser!(u32).range(1200..=1_000_000))]
    pub baud: Option<u32>,
    /// Note for the reader of the file: the exact BMS, its firmware, the adapter, the values in its app
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

impl RecordArgs {
    /// Records until the time is up or a signal.
    ///
    /// # Errors
    /// [`Failure::Config`]; [`Failure::File`] before anything is recorded; [`Failure::Run`] when nothing answered or the port
    /// disappeared; the file is written anyway.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let settings = self.on.config()?.settings(Some(&self.on.port), None);
        let unwritable = |source| Failure::File { path: self.to.clone(), source };
        // An earlier recording may be the only one of its fault.
        if self.to.is_file() {
            return Err(unwritable(io::Error::new(io::ErrorKind::AlreadyExists, "it already exists")));
        }
        let file = AtomicFile::begin(&self.to).map_err(unwritable)?;
        let port = open(&self.on.port, &port_options(&settings)).map_err(RunError::from)?;
        let plan = self.plan(&settings);
        log::info!("recording {} for {} s; Ctrl-C stops early and writes the file", self.on.port, self.seconds);
        let progress = Progress::start("recording", Extent::Seconds(self.seconds));
        let recorded = until_stopped(move |stop| record(port, &SystemClock, &plan, stop)).map_err(RunError::from);
        drop(progress);
        let recorded = recorded?;
        file.finish(&recorded.recording.text()).map_err(unwritable)?;
        let summary = format!("{}: {}", self.to.display(), recorded.summary());
        writeln!(out, "{}", wrapped(&summary, columns(io::stdout())))?;
        self.exit_result(recorded)
    }

    fn plan(&self, settings: &Settings) -> RecordPlan {
        let scope = scope(&self.on.port, settings, None);
        let mode = match self.listen {
            false => RecordMode::Ask { interval: settings.poll_interval },
            true => {
                let baud = self.baud.or(settings.serial.baud).filter(|_| !scope.can);
                let mut lines = baud.map_or_else(Vec::new, |baud| vec![Line { baud }]);
                if lines.is_empty() {
                    lines = scope
                        .drivers
                        .iter()
                        .flat_map(|driver| driver.lines)
                        .copied()
                        .filter(|line| line.is_can() == scope.can)
                        .collect();
                    lines.sort_by_key(|line| line.baud);
                    lines.dedup();
                }
                RecordMode::Listen { lines }
            }
        };
        RecordPlan { scope, mode, time: Duration::from_secs(self.seconds), note: self.note.clone() }
    }

    /// The exit code that `read` would have returned, for scripts.
    fn exit_result(&self, recorded: RecordResult) -> Result<(), Failure> {
        let port = &self.on.port;
        match recorded {
            RecordResult { broken: Some(error), .. } => Err(RunError::PortGone(format!("{port}: {error}")).into()),
            RecordResult { not_found: Some(heard), .. } => Err(RunError::NothingFound(heard.to_string()).into()),
            RecordResult { recording, .. } if self.listen && recording.traffic.is_empty() => {
                let why =
                    "no master is active on this line; leave out --listen to send requests, and check A/B or RX/TX and ground";
                Err(RunError::NothingFound(format!("nothing received on {port}: {why}")).into())
            }
            RecordResult { found, .. } if found.is_empty() && !self.listen => {
                let why = "the recording ended before a BMS was found: use a longer --seconds";
                Err(RunError::NothingFound(why.to_owned()).into())
            }
            RecordResult { .. } => Ok(()),
        }
    }
}

impl RecordResult {
    /// One line about the content of the file.
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
            "{seconds:.0} s, {heard} bytes received, {batteries}{missed}. Passwords of known BMSs are overwritten; serial numbers and \
             names are included. `dbus-bms replay` shows the content"
        )
    }
}
