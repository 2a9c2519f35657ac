//! Configuration, in two stages: what was written (`raw`, with line numbers) becomes what it means ([`Settings`]).
//!
//! ```text
//! defaults ← file ← [port.NAME] ← [battery."ID"] ← command line
//! ```
//! Later layers win, key by key. The defaults stand in `settings`, everything else about a key in one table ([`keys::KEYS`]).
//! A wrong key or value is an error even in a table that is not used now: an owner learns of it when it is written, not on the
//! day the second battery is plugged in.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod document;
pub mod keys;
mod places;
mod problem;
mod raw;
mod rules;
mod secret;
mod settings;
mod value;
mod written;

pub use document::document;
pub use places::Places;
pub use problem::{ConfigError, Origin, Problem};
pub use secret::Secret;
pub use settings::{Bank, Dbus, DbusPower, GridTopic, Serial, Settings};
pub use written::Written;

use crate::link::port_name;
use keys::{Key, Reach};
use raw::Scope;
use rules::RULES;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// A configuration in which every key and value is right.
#[derive(Clone, Default)]
pub struct Config {
    entries: Vec<Entry>,
}

/// A value for a key.
#[derive(Clone)]
struct Entry {
    scope: Scope,
    key: &'static Key,
    value: Written,
    origin: Origin,
}

impl Config {
    /// Reads `file`, or the default file if there is one. Without a file all is at its default.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] when a file that was named, or is there, cannot be read; [`ConfigError::Wrong`].
    pub fn load(file: Option<&Path>, places: &Places) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(&places.config);
        match std::fs::read(path) {
            Ok(bytes) => Self::from_bytes(&path.display().to_string(), &bytes),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Reads the content of a file; `file` is its name for messages.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`]
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, ConfigError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(file, text),
            Err(error) => {
                let good = bytes.iter().take(error.valid_up_to());
                let line = good.filter(|byte| **byte == b'\n').count().saturating_add(1);
                let problem = Problem::new(Origin::Line(line), "this is not UTF-8 text; save the file as UTF-8");
                Err(ConfigError::Wrong { file: file.to_owned(), problems: vec![problem] })
            }
        }
    }

    /// Reads the text of a file; `file` is its name for messages.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] with everything that is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |problems| ConfigError::Wrong { file: file.to_owned(), problems };
        let (mut config, mut problems) = (Self::default(), Vec::new());
        for line in raw::read(text).map_err(wrong)? {
            match check(line) {
                Ok(entry) => config.entries.push(entry),
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(config.contradictions());
        problems.sort_by_key(|problem| problem.origin.clone());
        if problems.is_empty() { Ok(config) } else { Err(wrong(problems)) }
    }

    /// Adds what the command line says: `option` is its name for messages, `path` one of [`keys::KEYS`]. It wins over all tables.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`]
    pub fn set(&mut self, option: &'static str, path: &str, value: Written) -> Result<(), ConfigError> {
        let origin = Origin::Option(option);
        let line = raw::Line { scope: Scope::File, path: path.to_owned(), value, origin };
        let wrong = |problems| ConfigError::Wrong { file: String::new(), problems };
        self.entries.push(check(line).map_err(|problem| wrong(vec![problem]))?);
        let problems = self.contradictions();
        if problems.is_empty() { Ok(()) } else { Err(wrong(problems)) }
    }

    /// The settings for a battery: `port` is the port as the user named it, `battery` its identity once it is known.
    pub fn settings(&self, port: Option<&str>, battery: Option<&str>) -> Settings {
        let mut settings = Settings::default();
        for entry in self.layers(port, battery) {
            // The value was checked when it was read.
            let _ = (entry.key.place)(&mut settings).take(&entry.value, entry.key.allowed);
        }
        settings
    }

    /// The identities of the batteries that have a table of their own.
    pub fn batteries(&self) -> BTreeSet<&str> {
        let ids = self.entries.iter().filter_map(|entry| match &entry.scope {
            Scope::Battery(id) => Some(id.as_str()),
            Scope::File | Scope::Port(_) => None,
        });
        ids.collect()
    }

    /// The entries that apply, the strongest last.
    fn layers(&self, port: Option<&str>, battery: Option<&str>) -> Vec<&Entry> {
        let port = port.map(port_name);
        let strength = |entry: &&Entry| match (&entry.scope, &entry.origin) {
            (_, Origin::Option(_)) => Some(3),
            (Scope::File, _) => Some(0),
            (Scope::Port(name), _) => (port == Some(port_name(name))).then_some(1),
            (Scope::Battery(id), _) => (battery == Some(id.as_str())).then_some(2),
        };
        let mut layers: Vec<_> = self.entries.iter().filter(|entry| strength(entry).is_some()).collect();
        layers.sort_by_key(strength);
        layers
    }

    /// Settings that contradict each other, for any battery on any port of the file.
    fn contradictions(&self) -> Vec<Problem> {
        let (mut ports, mut batteries) = (BTreeSet::from([None]), BTreeSet::from([None]));
        for entry in &self.entries {
            match &entry.scope {
                Scope::File => false,
                Scope::Port(name) => ports.insert(Some(name.as_str())),
                Scope::Battery(id) => batteries.insert(Some(id.as_str())),
            };
        }
        let mut problems = Vec::new();
        for (port, battery) in ports.iter().flat_map(|port| batteries.iter().map(move |battery| (*port, *battery))) {
            let settings = self.settings(port, battery);
            let layers = self.layers(port, battery);
            for rule in RULES {
                let Some(text) = (rule.broken)(&settings) else { continue };
                let blamed = layers.iter().rev().find(|entry| rule.keys.contains(&entry.key.path));
                let origin = blamed.map_or(Origin::Line(1), |entry| entry.origin.clone());
                let problem = Problem::new(origin, text);
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        problems
    }
}

/// Looks a line up in the table and tries its value.
fn check(line: raw::Line) -> Result<Entry, Problem> {
    let raw::Line { scope, path, value, origin } = line;
    let wrong = |text: String| Problem::new(origin.clone(), text);
    let Some(key) = keys::find(&path) else { return Err(wrong(unknown(&path))) };
    let reach = match scope {
        Scope::File => Reach::File,
        Scope::Port(_) => Reach::Port,
        Scope::Battery(_) => Reach::Battery,
    };
    if reach > key.reach {
        let elsewhere = if key.reach == Reach::Port { " or into a table [port.NAME]" } else { "" };
        return Err(wrong(format!("`{path}` cannot stand in {scope}; move it to the top of the file{elsewhere}")));
    }
    match (key.place)(&mut Settings::default()).take(&value, key.allowed) {
        Ok(()) => Ok(Entry { scope, key, value, origin }),
        // Also a password that is wrong is one.
        Err(allowed) if key.is_secret() => Err(wrong(format!("`{path}` is not possible: it must be {allowed}"))),
        Err(allowed) => Err(wrong(format!("`{path}` = {value} is not possible: it must be {allowed}"))),
    }
}

fn unknown(path: &str) -> String {
    if keys::is_table(path) {
        return format!("`{path}` is a table of keys: write [{path}] and its keys below");
    }
    match keys::nearest(path) {
        Some(near) => format!("unknown key `{path}`; did you mean `{near}`?"),
        None => format!("unknown key `{path}`; `dbus-bms config default` lists all keys"),
    }
}
