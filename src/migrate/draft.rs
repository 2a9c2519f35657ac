//! The new file while it is being written. It never holds a value that `config check` would refuse.

use super::{Fate, Migration, Remark};
use crate::config::{Config, ConfigError, Origin, Written};

/// A line of the new file.
struct Line {
    /// The table that it stands in; empty for the top.
    table: String,
    key: &'static str,
    value: Written,
    /// The options that it comes from.
    from: Vec<String>,
}

impl Line {
    fn text(&self) -> String {
        format!("{} = {}", self.key, self.value)
    }
}

/// Lines and remarks.
#[derive(Default)]
pub(super) struct Draft {
    lines: Vec<Line>,
    taken: Vec<String>,
    remarks: Vec<Remark>,
}

impl Draft {
    /// Sets a key, or says why that is not possible. True when it was set.
    pub(super) fn set(&mut self, from: &[&str], key: &'static str, value: impl Into<Written>) -> bool {
        self.set_in("", from, key, value)
    }

    /// The same in a table such as `port.ttyUSB0`.
    pub(super) fn set_in(&mut self, table: &str, from: &[&str], key: &'static str, value: impl Into<Written>) -> bool {
        let from = from.iter().map(|name| (*name).to_owned()).collect();
        let line = Line { table: table.to_owned(), key, value: value.into(), from };
        // Alone at the top it may stand wherever it may stand at all.
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

    /// Sets a number, brought into what is possible; says so when it had to be.
    pub(super) fn set_number(&mut self, from: &[&str], key: &'static str, wanted: f64, least: f64, most: f64) {
        let value = wanted.max(least).min(most);
        if self.set(from, key, Written::Number(value)) && (value - wanted).abs() > f64::EPSILON {
            self.remark(
                from.first().copied().unwrap_or(key),
                Fate::Differs,
                format!("{wanted} became {key} = {value}: {least} to {most} is possible"),
            );
        }
    }

    /// Notes that nothing has to be set: it is so without, or has no effect there either.
    pub(super) fn same(&mut self, option: &str) {
        self.taken.push(option.to_owned());
    }

    pub(super) fn remark(&mut self, option: &str, fate: Fate, text: impl Into<String>) {
        self.remarks.push(Remark { option: option.to_owned(), fate, text: text.into() });
    }

    pub(super) fn refuse(&mut self, option: &str, text: impl Into<String>) {
        self.remark(option, Fate::Refused, text);
    }

    fn refuse_line(&mut self, line: &Line, why: &str) {
        for option in &line.from {
            self.refuse(option, format!("not taken over: {why}"));
        }
    }

    /// The outcome. Lines that contradict each other leave one after the other, the ones to blame first.
    pub(super) fn finish(mut self, from: &'static str, source: &str) -> Migration {
        loop {
            let (toml, places) = self.write(source);
            let Err(ConfigError::Wrong { problems, .. }) = Config::parse("", &toml) else {
                self.taken.extend(self.lines.iter().flat_map(|line| line.from.iter().cloned()));
                self.taken.sort_unstable();
                self.taken.dedup();
                self.remarks.sort_by_key(|remark| remark.fate);
                let toml = format!("{toml}{}", as_comment(&self.remarks));
                return Migration { from, toml, taken: self.taken, remarks: self.remarks };
            };
            let blamed = problems.first().and_then(|problem| match problem.origin {
                Origin::Line(number) => places.iter().position(|place| *place == number).map(|index| (index, problem.text.clone())),
                Origin::Option(_) => None,
            });
            // Were nothing to blame, an empty file is the safe one.
            let (index, why) = blamed.unwrap_or((0, "it does not fit the rest of the file".to_owned()));
            let lines = std::mem::take(&mut self.lines).into_iter().enumerate();
            let (refused, kept): (Vec<_>, Vec<_>) = lines.partition(|(number, _)| *number == index);
            self.lines = kept.into_iter().map(|(_, line)| line).collect();
            refused.iter().for_each(|(_, line)| self.refuse_line(line, &why));
        }
    }

    /// The text so far, and for each of `lines` the number of its line in there.
    fn write(&mut self, source: &str) -> (String, Vec<usize>) {
        // Tables go last; the order stays otherwise.
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

/// What is wrong with a single line, without its place.
fn first_problem(error: &ConfigError) -> String {
    match error {
        ConfigError::Wrong { problems, .. } => problems.first().map(|problem| problem.text.clone()).unwrap_or_default(),
        ConfigError::Unreadable { .. } => error.to_string(),
    }
}

/// Texts of others reach the file as comments only, and none of them can end its line.
fn as_comment(remarks: &[Remark]) -> String {
    let heading = |fate| match fate {
        Fate::Refused => "Not taken over; the default holds",
        Fate::Differs => "Taken over, with another effect",
        Fate::NoCounterpart => "Without a counterpart here",
        Fate::Unknown => "Unknown to the old driver, too",
    };
    let (mut text, mut last) = (String::new(), None);
    for remark in remarks {
        if last != Some(remark.fate) {
            text.push_str(&format!("\n# {}:\n", heading(remark.fate)));
            last = Some(remark.fate);
        }
        let line: String = remark.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        text.push_str(&format!("#   {}: {line}\n", remark.option));
    }
    text
}

impl From<bool> for Written {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Written {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Written {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
