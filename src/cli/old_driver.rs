//! What dbus-serialbattery keeps of its batteries in the settings of a GX: shown before it is taken over, and given back.

use super::Failure;
use super::options::ConfigFile;
use crate::config::ConfigError;
use crate::migrate::entries::{Entry, entries};
use crate::migrate::record::Record;
use crate::migrate::settings_xml;
use crate::run::direct::state_folder;
use crate::runtime;
use crate::sink::dbus::{BusAddress, give_back, inherited_words, old_entries};
use std::io::{self, Write};
use std::path::Path;

/// The batteries in `file`, a settings.xml, or in the settings on the bus. `None` where the bus or its settings cannot be reached.
pub(super) fn batteries(file: Option<&Path>, bus: Option<&str>) -> Result<Option<Vec<Entry>>, Failure> {
    if let Some(path) = file {
        let text = std::fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        return Ok(Some(entries(&settings_xml::read(&String::from_utf8_lossy(&text)))));
    }
    let Ok(bus) = BusAddress::from_env(bus) else { return Ok(None) };
    Ok(runtime::block_on(old_entries(&bus))?.ok())
}

/// What will be taken over of each, in plain words.
pub(super) fn sentences(batteries: &[Entry]) -> Vec<String> {
    let sentence = |entry: &Entry| {
        let now = if entry.parked { "is with this driver already" } else { "goes to the battery that it belongs to" };
        format!("{} {now}: {}", entry.group, inherited_words(entry))
    };
    batteries.iter().map(sentence).collect()
}

/// For people.
pub(super) fn list(out: &mut dyn Write, batteries: &[Entry]) -> io::Result<()> {
    if batteries.is_empty() {
        return writeln!(out, "batteries: dbus-serialbattery has none in the settings of the device");
    }
    writeln!(out, "batteries of dbus-serialbattery in the settings of the device, taken over when this driver first serves them:")?;
    sentences(batteries).iter().try_for_each(|sentence| writeln!(out, "  {sentence}"))
}

/// Gives back all that was taken over.
pub(super) fn undo(out: &mut dyn Write, file: &ConfigFile, bus: Option<&str>) -> Result<(), Failure> {
    // A configuration with a mistake in it must not keep anybody from going back.
    let folder = file.load().map_or_else(|_| crate::config::Places::here().state, |config| state_folder(&config));
    let bus = BusAddress::from_env(bus).map_err(|error| not_done(&error))?;
    let (mut failed, records) = (None, Record::all(&folder));
    if records.is_empty() {
        writeln!(out, "nothing was taken over from dbus-serialbattery, so there is nothing to give back")?;
    }
    for record in records {
        match runtime::block_on(give_back(&bus, &record, runtime::now().unix))? {
            Ok(sentence) => {
                writeln!(out, "given back to dbus-serialbattery: {sentence}")?;
                record.forget(&folder)?;
            }
            Err(error) => failed = Some(not_done(&format!("{}: {error}", record.group))),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn not_done(why: &dyn std::fmt::Display) -> Failure {
    let text = format!("{why}; do it again when the device runs: dbus-bms config migrate --undo");
    Failure::NotDone { wish: "giving back what was taken over from dbus-serialbattery".to_owned(), text, off: false }
}
