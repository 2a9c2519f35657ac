//! `replay FILE`: shows a recording as the driver would have read it, or turns it into a test.

use super::failure::{DecodeFailure, Failure, ReplayFailure, TEST_FOLDER};
use super::options::{ConfigFile, driver};
use crate::base::atomic_file::AtomicFile;
use crate::base::units::round;
use crate::battery::charge::filter::answer;
use crate::bms::{self, Driver};
use crate::config::Config;
use crate::model::{Limits, Reading};
use crate::recording::anonymous::anonymise;
use crate::recording::candump;
use crate::recording::file::{MAX_FILE, Recording};
use crate::recording::flight::{self, Flight};
use crate::recording::replay::{LimitsReplay, ReplayedReading, readings};
use crate::terminal::output::Show;
use crate::terminal::table::{labelled, table};
use crate::tools::support::tar;
use clap::Args;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Show the readings in a recording and the limits that charge control would have set
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// File written by `record` or the flight recorder, a support bundle, or a file of candump (then with --bms)
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
    /// Turn it into a test: write it to tests/vectors with the present readings as expected ones, without serial numbers and names
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
        let bytes = read(&self.file)?;
        if tar::is_archive(&bytes) {
            return self.bundle(&bytes, out, show);
        }
        let (recording, driver) = parse(&self.file, bytes, self.bms)?;
        if self.as_test {
            return self.make_test(recording, driver, &self.test_name(), out, show);
        }
        let config = self.config.load()?;
        self.show(&recording, driver, &config, out, show)
    }

    /// The name of the test: as given, else that of the file.
    fn test_name(&self) -> String {
        self.name.clone().or_else(|| Some(self.file.file_stem()?.to_string_lossy().into_owned())).unwrap_or_default()
    }

    /// Replays every recording of a support bundle with the settings in it, or makes a test of each.
    fn bundle(&self, bytes: &[u8], out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let files = tar::files(bytes);
        let text = |end: &str| {
            let found = files.iter().find(|(path, _)| path.ends_with(end));
            found.map(|(_, content)| String::from_utf8_lossy(content).into_owned()).unwrap_or_default()
        };
        let config = match self.config.config {
            Some(_) => self.config.load()?,
            None => Config::parse("config.toml of the bundle", &text("/config.toml")).unwrap_or_else(|error| {
                log::warn!("{error}; the defaults are used");
                Config::default()
            }),
        };
        for line in text("/versions.txt").lines().chain(text("/doctor.txt").lines().filter(|line| line.starts_with("PROBLEM"))) {
            log::info!("{line}");
        }
        let is_recording = |path: &str| path.ends_with("/recording.txt") || path.contains("/flight-recorder/");
        let recordings: Vec<_> = files.iter().filter(|(path, _)| is_recording(path)).collect();
        if recordings.is_empty() {
            return Err(ReplayFailure::Empty { path: self.file.clone() }.into());
        }
        for (number, (path, content)) in recordings.iter().enumerate() {
            let (recording, driver) = parse(Path::new(path), content.to_vec(), self.bms)?;
            log::info!("{path}: {}, {} events", driver.label, recording.traffic.len());
            if self.as_test {
                let name = self.test_name();
                let name = if number == 0 { name } else { format!("{name}-{}", number + 1) };
                self.make_test(recording, driver, &name, out, show)?;
            } else {
                self.show(&recording, driver, &config, out, show)?;
            }
        }
        Ok(())
    }

    /// Shows the readings of a recording with their limits.
    fn show(
        &self,
        recording: &Recording,
        driver: &'static Driver,
        config: &Config,
        out: &mut dyn Write,
        show: Show,
    ) -> Result<(), Failure> {
        if let Some(flight) = &recording.flight {
            return self.replay_flight(recording, flight, driver, out, show);
        }
        let replayed = readings(recording, driver);
        if replayed.is_empty() {
            return Err(nothing(recording, driver).into());
        }
        let settings = config.settings(None, None);
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

    /// Replays a file of the flight recorder with the settings in it, and says whether the limits are the same.
    fn replay_flight(
        &self,
        recording: &Recording,
        flight: &Flight,
        driver: &'static Driver,
        out: &mut dyn Write,
        show: Show,
    ) -> Result<(), Failure> {
        // A configuration given by the user counts in place of the recorded settings.
        let given = self.config.config.is_some().then(|| self.config.load()).transpose()?;
        let settings = |text: &str| {
            let config = given.clone().map_or_else(|| Config::parse("settings of the recording", text), Ok);
            let settings = config.unwrap_or_else(|error| {
                log::warn!("{error}; the defaults are used");
                Config::default()
            });
            let settings = settings.settings(None, None);
            (settings.charge, settings.soc)
        };
        let (made, comparison) = flight::replay(recording, flight, driver, &settings);
        for decision in &made {
            decision.notices.iter().for_each(|notice| log::info!("{:.1} s: {notice}", decision.at.as_secs_f64()));
        }
        match show {
            Show::Json => {
                for decision in &made {
                    let t = round(decision.at.as_secs_f64(), 3);
                    if let Some(reading) = &decision.reading {
                        writeln!(out, "{}", serde_json::to_string(&Timed { t, reading }).map_err(io::Error::from)?)?;
                    }
                    writeln!(out, "{}", answer(t, &decision.limits).map_err(io::Error::from)?)?;
                }
                writeln!(out, "{}", comparison.json())?;
            }
            Show::Table { width, colour } => {
                for trigger in &flight.triggers {
                    write!(
                        out,
                        "{}",
                        labelled(&format!("{:.1} s", trigger.t), &[format!("written: {}", trigger.why)], width, colour)
                    )?;
                }
                let mut last = Vec::new();
                for decision in &made {
                    // Only what changes: minutes of equal lines hide the event.
                    let line: Vec<String> =
                        parts(&decision.limits).into_iter().map(|(label, value, why)| format!("{label} {value} ({why})")).collect();
                    if line != last {
                        write!(out, "{}", labelled(&format!("{:.1} s", decision.at.as_secs_f64()), &line, width, colour))?;
                        last = line;
                    }
                }
                writeln!(out, "\n{}", comparison.sentence())?;
            }
        }
        Ok(())
    }

    /// Writes the recording where the tests find it, and shows what to check.
    fn make_test(
        &self,
        mut recording: Recording,
        driver: &'static Driver,
        name: &str,
        out: &mut dyn Write,
        show: Show,
    ) -> Result<(), Failure> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed) {
            return Err(ReplayFailure::Name { name: name.to_owned() }.into());
        }
        if !Path::new(TEST_FOLDER).is_dir() {
            return Err(ReplayFailure::NoTests.into());
        }
        let folder = Path::new(TEST_FOLDER).join(driver.name);
        let path = folder.join(format!("{name}.json"));
        if path.exists() {
            return Err(ReplayFailure::Exists { path }.into());
        }
        // Only settings that this version knows, by their keys: a file may contain anything.
        flight::shorten(&mut recording, &|text| {
            Config::parse("settings of the recording", text)
                .map(|config| config.settings(None, None).limits_toml())
                .unwrap_or_default()
        });
        anonymise(&mut recording, driver).map_err(|source| ReplayFailure::Anonymous { path: path.clone(), source })?;
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
app or display of the BMS showed; that \"source\" and \"note\" say which board it is and what is special, which was removed with all texts; \
that no name or serial number is left in the bytes: texts of at least five characters were replaced, shorter ones were not. Then run: \
cargo test --test protocol";

/// Reads a recording, never more than the longest allowed, with its BMS family: `named`, else the one in the file.
pub(super) fn load(path: &Path, named: Option<&'static Driver>) -> Result<(Recording, &'static Driver), ReplayFailure> {
    parse(path, read(path)?, named)
}

fn parse(path: &Path, bytes: Vec<u8>, named: Option<&'static Driver>) -> Result<(Recording, &'static Driver), ReplayFailure> {
    let text =
        String::from_utf8(bytes).map_err(|error| ReplayFailure::Read { path: path.to_owned(), source: io::Error::other(error) })?;
    let recording = match candump::recording(&text) {
        Some(recording) => recording,
        None => Recording::parse(&path.display().to_string(), &text)?,
    };
    match named.or_else(|| bms::driver(&recording.bms)) {
        Some(driver) => Ok((recording, driver)),
        None => Err(ReplayFailure::Unknown { path: path.to_owned(), bms: recording.bms }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ReplayFailure> {
    let unreadable = |source| ReplayFailure::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
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
