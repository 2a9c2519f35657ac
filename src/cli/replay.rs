//! `replay FILE`: a recording as the driver would have read it, and as a test.

use super::decode::DecodeFailure;
use super::exit::{Exit, Failure};
use super::options::{ConfigFile, driver};
use super::output::Show;
use super::table::{labelled, table};
use crate::bms::{self, Driver};
use crate::charge::filter::answer;
use crate::draft::Draft;
use crate::model::{Limits, Reading};
use crate::replay::{Control, Played, readings};
use crate::units::round;
use crate::vector::{MAX_FILE, Vector, VectorError};
use clap::Args;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where tests look for recordings, from the folder of the source.
const TESTS: &str = "tests/vectors";

/// Show what a recording says: its readings, and the limits that charge control would have given
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The file that `record` wrote
    pub file: PathBuf,
    /// BMS family, in place of the one that the file names
    #[arg(long, value_name = "NAME", value_parser = driver)]
    pub bms: Option<&'static Driver>,
    /// Configuration file.
    #[command(flatten)]
    pub config: ConfigFile,
    /// JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
    /// Make it a test: write it into tests/vectors with the readings that come out of it now
    #[arg(long)]
    pub as_test: bool,
    /// Name of the test [default: that of the file]
    #[arg(long, value_name = "NAME", requires = "as_test")]
    pub name: Option<String>,
}

/// Why a recording is not shown, or does not become a test.
#[derive(Debug, Error)]
pub enum ReplayFailure {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; give a file that `dbus-bms record` wrote")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is no recording.
    #[error(transparent)]
    Format(#[from] VectorError),
    /// Nobody knows whose bytes these are.
    #[error("{path} is of an unknown BMS ({bms:?}); give --bms NAME to try one")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it says.
        bms: String,
    },
    /// The test's name would be a nuisance as a file name.
    #[error(
        "{name:?} is no name for a test: use small letters, digits, '-' and '.', as in jk-b2a20s-charging; give it with --name"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is no folder of tests.
    #[error("there is no folder {TESTS} here: run this in the folder of the source")]
    NoTests,
    /// A test of that name exists.
    #[error("{path} exists: choose another name with --name, or remove it first")]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl ReplayFailure {
    /// The exit code that says it.
    pub fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A reading as a line of JSON.
#[derive(Serialize)]
struct Timed<'a> {
    t: f64,
    #[serde(flatten)]
    reading: &'a Reading,
}

impl ReplayArgs {
    /// Plays, or writes the test.
    ///
    /// # Errors
    /// [`Failure::Replay`], [`Failure::Config`], [`Failure::Decode`] when nothing comes out of it, [`Failure::File`].
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let recording = load(&self.file)?;
        let driver = self.bms.or_else(|| bms::driver(&recording.bms));
        let driver = driver.ok_or_else(|| ReplayFailure::Unknown { path: self.file.clone(), bms: recording.bms.clone() })?;
        if self.as_test {
            return self.make_test(recording, driver, out, show);
        }
        let played = readings(&recording, driver);
        if played.is_empty() {
            return Err(nothing(&recording, driver).into());
        }
        let settings = self.config.load()?.settings(None, None);
        let mut control = Control::new(settings.charge);
        let mut timed = played.iter().map(|played| {
            let (limits, notices) = control.limits(played).unzip();
            notices.into_iter().flatten().for_each(|notice| log::info!("{:.1} s: {notice}", played.at.as_secs_f64()));
            (played, limits)
        });
        match show {
            Show::Json => timed.try_for_each(|(played, limits)| print(out, played, limits.as_ref()))?,
            Show::Table { width, colour } => tell(out, &timed.collect::<Vec<_>>(), width, colour)?,
        }
        Ok(())
    }

    /// Writes the recording where the tests find it, and shows what is to be checked.
    fn make_test(&self, mut recording: Vector, driver: &'static Driver, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let name = self.name.clone().or_else(|| Some(self.file.file_stem()?.to_string_lossy().into_owned())).unwrap_or_default();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed) {
            return Err(ReplayFailure::Name { name }.into());
        }
        if !Path::new(TESTS).is_dir() {
            return Err(ReplayFailure::NoTests.into());
        }
        let folder = Path::new(TESTS).join(driver.name);
        let path = folder.join(format!("{name}.json"));
        if path.exists() {
            return Err(ReplayFailure::Exists { path }.into());
        }
        recording.redact();
        recording.expect_what_comes(driver);
        let saved = fs::create_dir_all(&folder).and_then(|()| Draft::begin(&path)?.finish(&recording.text()));
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
is in it that its owner would not publish. Then run: cargo test --test replay --test conformance";

/// Reads a recording; a file of any length costs no more than the longest that is allowed.
fn load(path: &Path) -> Result<Vector, ReplayFailure> {
    let unreadable = |source| ReplayFailure::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(io::Error::other(error)))?;
    Ok(Vector::parse(&path.display().to_string(), &text)?)
}

fn nothing(recording: &Vector, driver: &'static Driver) -> DecodeFailure {
    let mut traffic = recording.play(driver);
    let (bms, frames, bytes) = (driver.name, traffic.frames, recording.received().len());
    match traffic.declined.pop() {
        Some(reason) => DecodeFailure::NoAnswer { bms, frames, reason, remedy: "" },
        None => DecodeFailure::NoFrame { bms, bytes },
    }
}

/// A reading as `decode` prints it and, on the next line, its limits as `limits` does, both with their time.
fn print(out: &mut dyn Write, played: &Played, limits: Option<&Limits>) -> io::Result<()> {
    let t = round(played.at.as_secs_f64(), 3);
    writeln!(out, "{}", serde_json::to_string(&Timed { t, reading: &played.reading })?)?;
    limits.map_or(Ok(()), |limits| writeln!(out, "{}", answer(t, limits)?))
}

/// A line for each reading, and the last one of each battery in full.
fn tell(out: &mut dyn Write, all: &[(&Played, Option<Limits>)], width: usize, colour: bool) -> io::Result<()> {
    for (played, limits) in all {
        let label = format!("{:.1} s", played.at.as_secs_f64());
        write!(out, "{}", labelled(&label, &items(&played.reading, limits.as_ref()), width, colour))?;
    }
    for (index, (played, limits)) in all.iter().enumerate() {
        let address = played.reading.address;
        if all.iter().skip(index + 1).any(|(later, _)| later.reading.address == address) {
            continue;
        }
        write!(out, "\n{}", table(&played.reading, width, colour))?;
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
