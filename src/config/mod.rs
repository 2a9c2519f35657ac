//! Configuration, in two stages: `parse` reads the file with its line numbers, then the keys become [`Settings`].
//!
//! ```text
//! defaults ← file ← [port.NAME] ← [battery."ID"] ← command line
//! ```
//! Later layers win, key by key. The defaults are in `settings`, everything else about a key in one table ([`schema::KEYS`]).
//! A wrong key or value is an error even in a table that is not in use: the owner learns of it while editing, not on the day
//! the second battery is plugged in.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

mod assumptions;
mod document;
pub mod import;
mod parse;
mod paths;
mod problem;
mod raw_value;
mod rules;
pub mod schema;
mod settings;
mod value;

pub use document::document;
pub use paths::Paths;
pub use problem::{ConfigError, Origin, Problem};
pub use raw_value::RawValue;
pub use settings::{
    Bank, Bluetooth, Conext, Dbus, DbusValue, ExternalSensor, Generator, GridSource, GridTopic, PartnerSource, Serial, Settings,
};

use crate::base::printable::printable;
use crate::battery::external::ExternalConfig;
use crate::link::port_name;
use parse::Scope;
use rules::RULES;
use schema::{Key, KeyScope};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

/// Maximum file size, bytes: fifty times the documented default.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Maximum number of port and battery tables.
const MAX_TABLES: usize = 100;
/// Maximum number of problems reported.
const MAX_PROBLEMS: usize = 50;
/// Longer keys are neither quoted nor matched with known ones.
const MAX_QUOTE: usize = 100;

/// A valid configuration.
#[derive(Clone, Default)]
pub struct Config {
    entries: Vec<Entry>,
}

/// A value for a key.
#[derive(Clone)]
struct Entry {
    scope: Scope,
    key: &'static Key,
    value: RawValue,
    origin: Origin,
}

impl Config {
    /// Reads `file`, or the default file if it exists. Without a file everything is at its default.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] if the named or existing file cannot be read; [`ConfigError::Wrong`].
    pub fn load(file: Option<&Path>, paths: &Paths) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(&paths.config);
        match read(path) {
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
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let problem =
                Problem::new(Origin::Line(1), "larger than 1 MB, so not a configuration; check that this is the right file");
            return Err(ConfigError::Wrong { file: file.to_owned(), problems: vec![problem] });
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(file, text),
            Err(error) => {
                let good = bytes.iter().take(error.valid_up_to());
                let line = good.filter(|byte| **byte == b'\n').count().saturating_add(1);
                let problem = Problem::new(Origin::Line(line), "not UTF-8 text; save the file as UTF-8");
                Err(ConfigError::Wrong { file: file.to_owned(), problems: vec![problem] })
            }
        }
    }

    /// Reads the text of a file; `file` is its name for messages.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] with all problems.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let wrong = |problems| ConfigError::Wrong { file: file.to_owned(), problems: first_of(problems) };
        let (mut config, mut problems) = (Self::default(), Vec::new());
        for line in parse::read(text).map_err(wrong)? {
            match check(line) {
                Ok(entry) => config.entries.push(entry),
                Err(problem) => problems.push(problem),
            }
            // One more than is reported, to notice that there are more.
            if problems.len() > MAX_PROBLEMS {
                return Err(wrong(problems));
            }
        }
        match config.too_many_tables() {
            Some(problem) => problems.push(problem),
            None => {
                problems.extend(config.contradictions());
                problems.extend(assumptions::of_other_families(&config.entries));
            }
        }
        problems.sort_by_key(|problem| problem.origin.clone());
        if problems.is_empty() { Ok(config) } else { Err(wrong(problems)) }
    }

    /// Sets a key from the command line: `option` is its name in messages, `path` one of [`schema::KEYS`]. Overrides all tables.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`]
    pub fn set(&mut self, option: &'static str, path: &str, value: RawValue) -> Result<(), ConfigError> {
        let origin = Origin::Option(option);
        let line = parse::KeyValue { scope: Scope::File, path: path.to_owned(), value, origin };
        let wrong = |problems| ConfigError::Wrong { file: String::new(), problems };
        self.entries.push(check(line).map_err(|problem| wrong(vec![problem]))?);
        let problems = self.contradictions();
        if problems.is_empty() { Ok(()) } else { Err(wrong(problems)) }
    }

    /// The settings for a battery: `port` is the port as given by the user, `battery` its identity once known.
    pub fn settings(&self, port: Option<&str>, battery: Option<&str>) -> Settings {
        let mut settings = Settings::default();
        settings.apply(&self.layers(port, battery));
        settings.charge.phases.eases_float_current = !settings.member_of_bank;
        settings.soc.external =
            ExternalConfig { current: settings.external.current.is_some(), soc: settings.external.soc.is_some() };
        if let Some(quiet) = &mut settings.generator.rule.quiet {
            quiet.offset_h = settings.web.utc_offset_h;
        }
        settings.charge.limits_are_published = settings.control && !settings.member_of_bank;
        settings
    }

    /// Whether there is a bank to form: a battery belongs to one in some table, or its members are named.
    pub fn names_bank(&self) -> bool {
        let belongs = |entry: &Entry| entry.key.path == "member_of_bank" && matches!(entry.value, RawValue::Flag(true));
        self.entries.iter().any(belongs) || !self.settings(None, None).bank.members.is_empty()
    }

    /// Removes `bank.in_run`, wherever it is set.
    pub fn without_bank_in_run(&mut self) {
        self.entries.retain(|entry| entry.key.path != "bank.in_run");
    }

    /// The identities of the batteries with a table of their own.
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

    /// Any battery may be on any port, so each pair is checked.
    fn too_many_tables(&self) -> Option<Problem> {
        let mut tables = BTreeSet::new();
        for entry in &self.entries {
            tables.extend(match &entry.scope {
                Scope::File => None,
                Scope::Port(name) => Some((false, name)),
                Scope::Battery(id) => Some((true, id)),
            });
            if tables.len() > MAX_TABLES {
                let text = format!("more than {MAX_TABLES} tables of ports and batteries; remove those no longer needed");
                return Some(Problem::new(entry.origin.clone(), text));
            }
        }
        None
    }

    /// Settings that contradict each other, for any battery on any port of the file.
    fn contradictions(&self) -> Vec<Problem> {
        let (mut file, mut options): (Vec<&Entry>, Vec<&Entry>) = (Vec::new(), Vec::new());
        let (mut ports, mut batteries) = (BTreeMap::from([(None, Vec::new())]), BTreeMap::from([(None, Vec::new())]));
        for entry in &self.entries {
            match (&entry.scope, &entry.origin) {
                (_, Origin::Option(_)) => options.push(entry),
                (Scope::File, _) => file.push(entry),
                (Scope::Port(name), _) => ports.entry(Some(port_name(name))).or_default().push(entry),
                (Scope::Battery(id), _) => batteries.entry(Some(id)).or_default().push(entry),
            }
        }
        let mut problems = Vec::new();
        for port in ports.values() {
            let mut below = Settings::default();
            below.apply(&file);
            below.apply(port);
            for battery in batteries.values() {
                let mut settings = below.clone();
                settings.apply(battery);
                settings.apply(&options);
                let strongest_first = [&options, battery, port, &file];
                let entries = || strongest_first.iter().flat_map(|layer| layer.iter().rev());
                for rule in RULES {
                    let Some(text) = (rule.broken)(&settings) else { continue };
                    let blamed = entries().find(|entry| rule.keys.contains(&entry.key.path));
                    let origin = blamed.map_or(Origin::Line(1), |entry| entry.origin.clone());
                    let problem = Problem::new(origin, text);
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        }
        problems
    }
}

impl Settings {
    /// Applies these entries in their order, so that the last one wins.
    fn apply(&mut self, entries: &[&Entry]) {
        for entry in entries {
            // The value was checked on reading.
            let _ = (entry.key.field)(self).set(&entry.value, entry.key.allowed);
        }
    }
}

/// The content of a file, up to the maximum size.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Cuts the list to the maximum number of problems reported.
fn first_of(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > MAX_PROBLEMS {
        problems.truncate(MAX_PROBLEMS);
        let origin = problems.last().map_or(Origin::Line(1), |last| last.origin.clone());
        problems.push(Problem::new(origin, "more problems follow; correct these first"));
    }
    problems
}

/// Looks a line up in the table of keys and checks its value.
fn check(line: parse::KeyValue) -> Result<Entry, Problem> {
    let parse::KeyValue { scope, path, value, origin } = line;
    let wrong = |text: String| Problem::new(origin.clone(), text);
    let Some(key) = schema::find(&path) else { return Err(wrong(unknown(&path))) };
    let reach = match scope {
        Scope::File => KeyScope::File,
        Scope::Port(_) => KeyScope::Port,
        Scope::Battery(_) => KeyScope::Battery,
    };
    if reach > key.scope {
        let elsewhere = if key.scope == KeyScope::Port { " or into a table [port.NAME]" } else { "" };
        return Err(wrong(format!("`{path}` is not allowed in {scope}; move it to the top of the file{elsewhere}")));
    }
    match (key.field)(&mut Settings::default()).set(&value, key.allowed) {
        Ok(()) => Ok(Entry { scope, key, value, origin }),
        // A wrong password is still a password.
        Err(allowed) if key.is_secret() => Err(wrong(format!("`{path}` is invalid: it must be {allowed}"))),
        Err(allowed) => Err(wrong(format!("`{path}` = {value} is invalid: it must be {allowed}"))),
    }
}

fn unknown(path: &str) -> String {
    if path.len() > MAX_QUOTE {
        return format!("unknown key `{}…`; `dbus-bms config default` lists all keys", printable(path, MAX_QUOTE));
    }
    if schema::is_table(path) {
        return format!("`{path}` is a table: write [{path}] and its keys below");
    }
    let shown = printable(path, MAX_QUOTE);
    match schema::nearest(path) {
        Some(near) => format!("unknown key `{shown}`; did you mean `{near}`?"),
        None => format!("unknown key `{shown}`; `dbus-bms config default` lists all keys"),
    }
}
