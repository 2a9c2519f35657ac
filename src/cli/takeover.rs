//! The entries of dbus-serialbattery in the GX settings: lists what will be taken over, and gives it back.

use super::Failure;
use super::options::ConfigFile;
use crate::base::runtime;
use crate::config::ConfigError;
use crate::dbus::{BusAddress, restore_entry, serialbattery_entries, takeover_summary};
use crate::service::offline_command::state_folder;
use crate::takeover::entries::{Entry, entries};
use crate::takeover::settings_xml;
use crate::takeover::undo_record::UndoRecord;
use std::io::{self, Write};
use std::path::Path;

/// The batteries in `file`, a settings.xml, or in the settings on the bus. `None` if the bus or its settings cannot be reached.
pub(super) fn batteries(file: Option<&Path>, bus: Option<&str>) -> Result<Option<Vec<Entry>>, Failure> {
    if let Some(path) = file {
        let text = std::fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        return Ok(Some(entries(&settings_xml::read(&String::from_utf8_lossy(&text)))));
    }
    let Ok(bus) = BusAddress::from_env(bus) else { return Ok(None) };
    Ok(runtime::block_on(serialbattery_entries(&bus))?.ok())
}

/// One sentence per battery: what will be taken over.
pub(super) fn sentences(batteries: &[Entry]) -> Vec<String> {
    let sentence = |entry: &Entry| {
        let now = if entry.taken_over { "is already taken over" } else { "will go to its battery" };
        format!("{} {now}: {}", entry.group, takeover_summary(entry))
    };
    batteries.iter().map(sentence).collect()
}

/// For people.
pub(super) fn list(out: &mut dyn Write, batteries: &[Entry]) -> io::Result<()> {
    if batteries.is_empty() {
        return writeln!(out, "batteries: dbus-serialbattery has none in this device's settings");
    }
    writeln!(out, "batteries of dbus-serialbattery in this device's settings, taken over when this driver first serves them:")?;
    sentences(batteries).iter().try_for_each(|sentence| writeln!(out, "  {sentence}"))
}

/// Gives everything taken over back.
pub(super) fn undo(out: &mut dyn Write, file: &ConfigFile, bus: Option<&str>) -> Result<(), Failure> {
    // A mistake in the configuration must not block the way back.
    let folder = file.load().map_or_else(|_| crate::config::Paths::detect().state, |config| state_folder(&config));
    let bus = BusAddress::from_env(bus).map_err(|error| not_done(&error))?;
    let (mut failed, records) = (None, UndoRecord::all(&folder));
    if records.is_empty() {
        writeln!(out, "nothing was taken over from dbus-serialbattery: nothing to give back")?;
    }
    for record in records {
        match runtime::block_on(restore_entry(&bus, &record, runtime::now().unix))? {
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
    let text = format!("{why}; run `dbus-bms config migrate --undo` again once the device is up");
    Failure::NotDone { request: "giving back what was taken over from dbus-serialbattery".to_owned(), text, off: false }
}
