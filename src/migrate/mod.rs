//! Settings of systems that owners come from, as a configuration of this one: text in; TOML, and what is different, out.
//!
//! What is written always passes `config check`. A value that this driver does not take, or that would be dangerous, is left out,
//! its default holds instead, and the remarks say so. Nothing of a password is ever repeated.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub mod berrybms;
pub mod counters;
mod curves;
mod draft;
pub mod entries;
pub mod heir;
mod ini;
mod left;
pub mod record;
mod serialbattery;
pub mod settings_xml;

use serde::Serialize;
use thiserror::Error;

/// How an option of the old file fares here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Its value cannot be taken, or would be dangerous; the default holds.
    Refused,
    /// Taken over, but the effect is not quite the same.
    Differs,
    /// There is nothing that corresponds to it.
    NoCounterpart,
    /// The old driver has no such option.
    Unknown,
}

/// What is to be said about an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Its name in the old file.
    pub option: String,
    /// How it fares.
    pub fate: Fate,
    /// Why, and what to do instead.
    pub text: String,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// What the old file was.
    pub from: &'static str,
    /// The new file; it passes `config check`.
    pub toml: String,
    /// The options that were taken over, by their old names.
    pub taken: Vec<String>,
    /// What is different, the most important first.
    pub remarks: Vec<Remark>,
}

/// Why nothing was made of a file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    /// It does not look like a file of any driver that is known here.
    #[error(
        "this is neither a config.ini of dbus-serialbattery nor a config.yaml of BerryBMS; name the file that holds your settings"
    )]
    Stranger,
}

/// Makes a configuration of the text of an old file.
///
/// # Errors
/// [`Unfit::Stranger`]
pub fn migrate(text: &str) -> Result<Migration, Unfit> {
    if berrybms::is_berrybms(text) {
        let berrybms::Migrated { toml, notes } = berrybms::migrate(text);
        let remark = |text| Remark { option: "config.yaml".to_owned(), fate: Fate::NoCounterpart, text };
        return Ok(Migration { from: "BerryBMS", toml, taken: Vec::new(), remarks: notes.into_iter().map(remark).collect() });
    }
    serialbattery::migrate(text).ok_or(Unfit::Stranger)
}
