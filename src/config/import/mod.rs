//! Imports the settings of other drivers: their text in; our TOML and a list of differences out.
//!
//! The result always passes `config check`. A value that this driver does not accept, or that would be dangerous, is left out
//! with a remark, and the default applies. Passwords are never repeated.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub mod berrybms;
mod curves;
mod ini;
mod serialbattery;
mod toml_writer;
mod unsupported;

use serde::Serialize;
use thiserror::Error;

/// Outcome for an option of the old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionOutcome {
    /// Its value is not accepted, or would be dangerous; the default applies.
    Refused,
    /// Imported, but with a slightly different effect.
    Differs,
    /// There is nothing that corresponds to it.
    NoCounterpart,
    /// The old driver has no such option.
    Unknown,
}

/// A remark about an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Its name in the old file.
    pub option: String,
    /// Its outcome.
    #[serde(rename = "fate")]
    pub outcome: OptionOutcome,
    /// The reason, and what to do instead.
    pub text: String,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// The kind of the old file.
    pub from: &'static str,
    /// The new file; it passes `config check`.
    pub toml: String,
    /// The imported options, by their old names.
    pub taken: Vec<String>,
    /// Remarks, the most important first.
    pub remarks: Vec<Remark>,
}

/// Why a file was not imported.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImportError {
    /// Not the format of any known driver.
    #[error("this is neither a dbus-serialbattery config.ini nor a BerryBMS config.yaml; name the file that holds your settings")]
    UnknownFormat,
}

/// Converts the text of an old file to a configuration.
///
/// # Errors
/// [`ImportError::UnknownFormat`]
pub fn migrate(text: &str) -> Result<Migration, ImportError> {
    if berrybms::is_berrybms(text) {
        let berrybms::Migrated { toml, notes } = berrybms::migrate(text);
        let remark = |text| Remark { option: "config.yaml".to_owned(), outcome: OptionOutcome::NoCounterpart, text };
        return Ok(Migration { from: "BerryBMS", toml, taken: Vec::new(), remarks: notes.into_iter().map(remark).collect() });
    }
    serialbattery::migrate(text).ok_or(ImportError::UnknownFormat)
}
