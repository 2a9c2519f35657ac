//! Writes the new file. It never contains a value that `config check` would refuse.

use super::{Migration, OptionOutcome, Remark};
use crate::config::{Config, ConfigError, Origin, RawValue};

/// A line of the new file.
struct TomlLine {
    /// Its table; empty for the top of the file.
    table: String,
    key: &'static str,
    value: RawValue,
    /// The options it comes from.
    from: Vec<String>,
}

impl TomlLine {
    fn text(&self) -> String {
        format!("{} = {}", self.key, self.value)
    }
}

/// Lines and remarks.
#[derive(Default)]
pub(super) struct TomlWriter {
    lines: Vec<TomlLine>,
    taken: Vec<String>,
    remarks: Vec<Remark>,
}

impl TomlWriter {
    /// Sets a key, or remarks why it cannot be set. True if it was set.
    pub(super) fn set(&mut self, from: &[&str], key: &'static str, value: impl Into<RawValue>) -> bool {
        self.set_in("", from, key, value)
    }

    /// The same in a table such as `port.ttyUSB0`.
    pub(super) fn set_in(&mut self, table: &str, from: &[&str], key: &'static str, value: impl Into<RawValue>) -> bool {
        let from = from.iter().map(|name| (*name).to_owned()).collect();
        let line = TomlLine { table: table.to_owned(), key, value: value.into(), from };
        // Checked alone at the top of a file, where every key is allowed.
        match Config::parse("", &line.text()) {
            Ok(_) => {
                self.lines.retain(|known| (known.key, &known.table) != (key, &line.table));
                self.lines.push(line);
                true
            }
            Err(error) => {
                self.refuse_line(&line, &first_problem(&error));
                false
            }
        }
    }

    /// Sets a number, clamped to its range; a remark says so.
    pub(super) fn set_number(&mut self, from: &[&str], key: &'static str, wanted: f64, least: f64, most: f64) {
        let value = wanted.max(least).min(most);
        if self.set(from, key, RawValue::Number(value)) && (value - wanted).abs() > f64::EPSILON {
            self.remark(
                from.first().copied().unwrap_or(key),
                OptionOutcome::Differs,
                format!("{wanted} became {key} = {value}: the range is {least} to {most}"),
            );
        }
    }

    /// Records an option that needs no setting: it is the default, or had no effect in the old driver either.
    pub(super) fn same(&mut self, option: &str) {
        self.taken.push(option.to_owned());
    }

    pub(super) fn remark(&mut self, option: &str, outcome: OptionOutcome, text: impl Into<String>) {
        self.remarks.push(Remark { option: option.to_owned(), outcome, text: text.into() });
    }

    pub(super) fn refuse(&mut self, option: &str, text: impl Into<String>) {
        self.remark(option, OptionOutcome::Refused, text);
    }

    fn refuse_line(&mut self, line: &TomlLine, why: &str) {
        for option in &line.from {
            self.refuse(option, format!("not imported: {why}"));
        }
    }

    /// The result. Of lines that contradict each other, the reported ones are removed, one after the other.
    pub(super) fn finish(mut self, from: &'static str, source: &str) -> Migration {
        loop {
            let (toml, places) = self.write(source);
            let Err(ConfigError::Wrong { problems, .. }) = Config::parse("", &toml) else {
                self.taken.extend(self.lines.iter().flat_map(|line| line.from.iter().cloned()));
                self.taken.sort_unstable();
                self.taken.dedup();
                self.remarks.sort_by_key(|remark| remark.outcome);
                let toml = format!("{toml}{}", as_comment(&self.remarks));
                return Migration { from, toml, taken: self.taken, remarks: self.remarks };
            };
            let blamed = problems.first().and_then(|problem| match problem.origin {
                Origin::Line(number) => places.iter().position(|place| *place == number).map(|index| (index, problem.text.clone())),
                Origin::Option(_) => None,
            });
            // If no line were reported, an empty file is safe.
            let (index, why) = blamed.unwrap_or((0, "it contradicts the rest of the file".to_owned()));
            let lines = std::mem::take(&mut self.lines).into_iter().enumerate();
            let (refused, kept): (Vec<_>, Vec<_>) = lines.partition(|(number, _)| *number == index);
            self.lines = kept.into_iter().map(|(_, line)| line).collect();
            refused.iter().for_each(|(_, line)| self.refuse_line(line, &why));
        }
    }

    /// The text so far, and for each of `lines` its line number in the text.
    fn write(&mut self, source: &str) -> (String, Vec<usize>) {
        // Tables come last; otherwise the order is kept.
        self.lines.sort_by(|a, b| a.table.cmp(&b.table));
        let (mut text, mut table, mut places) = (format!("# Made by `dbus-bms config migrate` from {source}\n"), "", Vec::new());
        for line in &self.lines {
            if line.table != table {
                table = &line.table;
                text.push_str(&format!("\n[{table}]\n"));
            }
            text.push_str(&format!("\n# was {}\n{}\n", line.from.join(", "), line.text()));
            places.push(text.lines().count());
        }
        (text, places)
    }
}

/// The problem of a single line, without its position.
fn first_problem(error: &ConfigError) -> String {
    match error {
        ConfigError::Wrong { problems, .. } => problems.first().map(|problem| problem.text.clone()).unwrap_or_default(),
        ConfigError::Unreadable { .. } => error.to_string(),
    }
}

/// Foreign text enters the file only in comments, and cannot end its line.
fn as_comment(remarks: &[Remark]) -> String {
    let heading = |outcome| match outcome {
        OptionOutcome::Refused => "Not imported; the default applies",
        OptionOutcome::Differs => "Imported, but with a different effect",
        OptionOutcome::NoCounterpart => "No counterpart here",
        OptionOutcome::Unknown => "Unknown to the old driver as well",
    };
    let (mut text, mut last) = (String::new(), None);
    for remark in remarks {
        if last != Some(remark.outcome) {
            text.push_str(&format!("\n# {}:\n", heading(remark.outcome)));
            last = Some(remark.outcome);
        }
        let line: String = remark.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.push_str(&format!("#   {}: {line}\n", remark.option));
    }
    text
}

impl From<bool> for RawValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for RawValue {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for RawValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for RawValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
