//! `replay FILE`: shows a recording as the driver would have read it, or turns it into a test.

use super::failure::{DecodeFailure, Failure, ReplayFailure, TEST_FOLDER};
use super::options::{ConfigFile, driver};
use crate::base::atomic_file::AtomicFile;
use crate::base::units::round;
use crate::battery::charge::filter::answer;
use crate::bms::{self, Driver};
use crate::model::{Limits, Reading};
use crate::recording::candump;
use crate::recording::file::{MAX_FILE, Recording};
use crate::recording::replay::{LimitsReplay, ReplayedReading, readings};
use crate::terminal::output::Show;
use crate::terminal::table::{labelled, table};
use clap::Args;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Show the readings in a recording and the limits that charge control would have set
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// File written by `record`, or by candump (then with --bms)
    pub file: PathBuf,
    /// BMS family to use instead of the one in the file
    #[arg(long, value_name = "NAME", value_parser = driver)]
    pub bms: Option<&'static Driver>,
    /// Configuration file.
    #[command(flatten)]
    pub config: ConfigFile,
    /// Print JSON lines on a terminal, too
    #[arg(long)]
    pub json: bool,
    /// Turn it into a test: write it to tests/vectors with the present readings as expected ones
    #[arg(long)]
    pub as_test: bool,
    /// Name of the test [default: the file's name]
    #[arg(long, value_name = "NAME", requires = "as_test")]
    pub name: Option<String>,
}

/// A reading as a line of JSON.
#[derive(Serialize)]
struct Timed<'a> {
    t: f64,
    #[serde(flatten)]
    reading: &'a Reading,
}

impl ReplayArgs {
    /// Replays the recording, or writes the test.
    ///
    /// # Errors
    /// [`Failure::Replay`], [`Failure::Config`], [`Failure::Decode`] when nothing comes out of it, [`Failure::File`].
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let (recording, driver) = load(&self.file, self.bms)?;
        if self.as_test {
            return self.make_test(recording, driver, out, show);
        }
        let replayed = readings(&recording, driver);
        if replayed.is_empty() {
            return Err(nothing(&recording, driver).into());
        }
        let settings = self.config.load()?.settings(None, None);
        let mut control = LimitsReplay::new(settings.charge);
        let mut timed = replayed.iter().map(|replayed| {
            let (limits, notices) = control.limits(replayed).unzip();
            notices.into_iter().flatten().for_each(|notice| log::info!("{:.1} s: {notice}", replayed.at.as_secs_f64()));
            (replayed, limits)
        });
        match show {
            Show::Json => timed.try_for_each(|(replayed, limits)| print(out, replayed, limits.as_ref()))?,
            Show::Table { width, colour } => print_table(out, &timed.collect::<Vec<_>>(), width, colour)?,
        }
        Ok(())
    }

    /// Writes the recording where the tests find it, and shows what to check.
    fn make_test(&self, mut recording: Recording, driver: &'static Driver, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let name = self.name.clone().or_else(|| Some(self.file.file_stem()?.to_string_lossy().into_owned())).unwrap_or_default();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed) {
            return Err(ReplayFailure::Name { name }.into());
        }
        if !Path::new(TEST_FOLDER).is_dir() {
            return Err(ReplayFailure::NoTests.into());
        }
        let folder = Path::new(TEST_FOLDER).join(driver.name);
        let path = folder.join(format!("{name}.json"));
        if path.exists() {
            return Err(ReplayFailure::Exists { path }.into());
        }
        recording.redact();
        recording.set_expected_readings(driver);
        let saved = fs::create_dir_all(&folder).and_then(|()| AtomicFile::begin(&path)?.finish(&recording.text()));
        saved.map_err(|source| Failure::File { path: path.clone(), source })?;
        for reading in recording.play(driver).readings() {
            show.reading(out, &reading)?;
        }
        log::info!("{} states {} reading(s); {CHECK}", path.display(), recording.readings.len());
        Ok(())
    }
}

const CHECK: &str = "\
before you commit it, check by eye: voltage, every cell, current with its sign, SoC, temperatures, switches and alarms against what the \
app or display of the BMS showed; that \"source\" and \"note\" say which board it is and what is special; that no name or serial number \
is in it that its owner would not publish. Then run: cargo test --test protocol";

/// Reads a recording, never more than the longest allowed, with its BMS family: `named`, else the one in the file.
pub(super) fn load(path: &Path, named: Option<&'static Driver>) -> Result<(Recording, &'static Driver), ReplayFailure> {
    let recording = read(path)?;
    match named.or_else(|| bms::driver(&recording.bms)) {
        Some(driver) => Ok((recording, driver)),
        None => Err(ReplayFailure::Unknown { path: path.to_owned(), bms: recording.bms }),
    }
}

fn read(path: &Path) -> Result<Recording, ReplayFailure> {
    let unreadable = |source| ReplayFailure::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(io::Error::other(error)))?;
    match candump::recording(&text) {
        Some(recording) => Ok(recording),
        None => Ok(Recording::parse(&path.display().to_string(), &text)?),
    }
}

fn nothing(recording: &Recording, driver: &'static Driver) -> DecodeFailure {
    let mut traffic = recording.play(driver);
    let (bms, frames, bytes) = (driver.name, traffic.frames, recording.received().len());
    match traffic.declined.pop() {
        Some(reason) => DecodeFailure::NoAnswer { bms, frames, reason, remedy: "" },
        None => DecodeFailure::NoFrame { bms, bytes },
    }
}

/// A reading as `decode` prints it and, on the next line, its limits as `limits` does, both with their time.
fn print(out: &mut dyn Write, replayed: &ReplayedReading, limits: Option<&Limits>) -> io::Result<()> {
    let t = round(replayed.at.as_secs_f64(), 3);
    writeln!(out, "{}", serde_json::to_string(&Timed { t, reading: &replayed.reading })?)?;
    limits.map_or(Ok(()), |limits| writeln!(out, "{}", answer(t, limits)?))
}

/// A line for each reading, and the last one of each battery in full.
fn print_table(out: &mut dyn Write, all: &[(&ReplayedReading, Option<Limits>)], width: usize, colour: bool) -> io::Result<()> {
    for (replayed, limits) in all {
        let label = format!("{:.1} s", replayed.at.as_secs_f64());
        write!(out, "{}", labelled(&label, &items(&replayed.reading, limits.as_ref()), width, colour))?;
    }
    for (index, (replayed, limits)) in all.iter().enumerate() {
        let address = replayed.reading.address;
        if all.iter().skip(index + 1).any(|(later, _)| later.reading.address == address) {
            continue;
        }
        write!(out, "\n{}", table(&replayed.reading, width, colour))?;
        for (label, value, why) in limits.iter().flat_map(parts) {
            write!(out, "{}", labelled(label, &[value, why.to_owned()], width, colour))?;
        }
    }
    Ok(())
}

fn parts(limits: &Limits) -> [(&'static str, String, &'static str); 3] {
    [
        ("CVL", format!("{:.2}", limits.cvl.value), limits.cvl.why),
        ("CCL", format!("{:.1}", limits.ccl.value), limits.ccl.why),
        ("DCL", format!("{:.1}", limits.dcl.value), limits.dcl.why),
    ]
}

fn items(reading: &Reading, limits: Option<&Limits>) -> Vec<String> {
    let volts = || reading.cells.iter().map(|cell| cell.get());
    let cells = volts().reduce(f64::min).zip(volts().reduce(f64::max));
    let measured = [
        reading.address.map(|address| format!("address {address}")),
        reading.voltage.map(|volts| volts.to_string()),
        reading.current.map(|amps| amps.to_string()),
        reading.soc.map(|soc| format!("SoC {soc}")),
        cells.map(|(low, high)| format!("cells {low:.3} to {high:.3} V")),
    ];
    let limits = limits.into_iter().flat_map(parts).map(|(label, value, _)| format!("{label} {value}"));
    measured.into_iter().flatten().chain(limits).collect()
}
