//! First stage: reads keys and values with their line numbers. It knows the names of keys, but not their meaning.

use super::problem::{Origin, Problem};
use super::raw_value::RawValue;
use super::schema;
use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The scope of a table in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// All batteries.
    File,
    /// The port with this name.
    Port(String),
    /// The battery with this identity.
    Battery(String),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File => f.write_str("the top of the file"),
            Self::Port(name) => write!(f, "[port.{name}]"),
            Self::Battery(id) => write!(f, "[battery.{id:?}]"),
        }
    }
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyValue {
    pub(super) scope: Scope,
    /// Name with its tables, without the scope.
    pub(super) path: String,
    pub(super) value: RawValue,
    pub(super) origin: Origin,
}

/// Parses a file. The problems are syntax errors.
pub(super) fn read(text: &str) -> Result<Vec<KeyValue>, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
    let mut reader = Reader { ends, lines: Vec::new(), problems: Vec::new() };
    reader.problems = errors
        .iter()
        .map(|error| {
            let line = error.span().map_or(1, |span| reader.line_of(span.start));
            let message = error.message().replace('\n', ", ");
            let problem = match reader.line(text, line).and_then(remedy) {
                Some(remedy) => format!("{remedy} ({message})"),
                None => message,
            };
            Problem::new(Origin::Line(line), problem)
        })
        .collect();
    if reader.problems.is_empty() {
        reader.file(document.get_ref());
    }
    if reader.problems.is_empty() {
        reader.lines.sort_by_key(|line| line.origin.clone());
        Ok(reader.lines)
    } else {
        reader.problems.sort_by_key(|problem| problem.origin.clone());
        Err(reader.problems)
    }
}

/// What to write instead of a line that is not TOML, for the mistakes that owners make.
fn remedy(line: &str) -> Option<&'static str> {
    let line = line.split('#').next().unwrap_or_default().trim();
    if line.contains(['“', '”', '„', '‘', '’', '«', '»']) {
        return Some("write straight quotes, as in \"lfp\"");
    }
    let Some((_, value)) = line.split_once('=') else {
        return (line.contains(':') && !line.starts_with('[')).then_some("write KEY = VALUE with an equals sign");
    };
    let value = value.trim();
    let after_digits = value.trim_start_matches(['+', '-']).trim_start_matches(|digit: char| digit.is_ascii_digit());
    let is_number = value.contains(|digit: char| digit.is_ascii_digit()) && after_digits.len() < value.len();
    let rest = after_digits.trim_start_matches('.').trim_start_matches(|digit: char| digit.is_ascii_digit()).trim_start();
    match rest.chars().next() {
        Some(',') if is_number => Some("write decimals with a point, as in 3.45"),
        Some(unit) if is_number && (unit.is_alphabetic() || "%°".contains(unit)) => Some("write the number without its unit"),
        Some(_) if value.starts_with(char::is_alphabetic) && !value.starts_with("true") && !value.starts_with("false") => {
            Some("write texts in quotes, as in \"lfp\"")
        }
        _ => None,
    }
}

struct Reader {
    /// Positions of the line ends.
    ends: Vec<usize>,
    lines: Vec<KeyValue>,
    problems: Vec<Problem>,
}

impl Reader {
    /// The line of a byte, counted from 1.
    fn line_of(&self, byte: usize) -> usize {
        self.ends.partition_point(|end| *end < byte).saturating_add(1)
    }

    /// The text of a line, counted from 1.
    fn line<'t>(&self, text: &'t str, line: usize) -> Option<&'t str> {
        let start = line.checked_sub(2).and_then(|before| self.ends.get(before)).map_or(0, |end| end.saturating_add(1));
        let end = self.ends.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
        text.get(start..end)
    }

    fn file(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            match name.get_ref().as_ref() {
                "port" => self.scopes(name, value, Scope::Port),
                "battery" => self.scopes(name, value, Scope::Battery),
                _ => self.item(&Scope::File, "", name, value),
            }
        }
    }

    /// The tables of ports or batteries.
    fn scopes(&mut self, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>, scope: fn(String) -> Scope) {
        let kind = name.get_ref();
        let DeValue::Table(tables) = value.get_ref() else {
            return self.wrong(name, format!("`{kind}` needs a name: write a table [{kind}.NAME]"));
        };
        for (name, value) in tables {
            match value.get_ref() {
                DeValue::Table(keys) => {
                    let scope = scope(name.get_ref().clone().into_owned());
                    keys.iter().for_each(|(name, value)| self.item(&scope, "", name, value));
                }
                _ => self.wrong(name, format!("`{kind}.{}` must be a table: write [{kind}.NAME] above its keys", name.get_ref())),
            }
        }
    }

    /// A key, or a table of keys.
    fn item(&mut self, scope: &Scope, table: &str, name: &Spanned<Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let path = if table.is_empty() { name.get_ref().to_string() } else { format!("{table}.{}", name.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if schema::find(&path).is_none() && !inner.is_empty() => {
                inner.iter().for_each(|(name, value)| self.item(scope, &path, name, value));
            }
            DeValue::Table(_) if schema::is_table(&path) => {} // an empty table has no effect
            value => self.lines.push(KeyValue {
                scope: scope.clone(),
                path,
                value: RawValue::from_toml(value),
                origin: Origin::Line(self.line_of(name.span().start)),
            }),
        }
    }

    fn wrong(&mut self, at: &Spanned<Cow<'_, str>>, text: String) {
        self.problems.push(Problem::new(Origin::Line(self.line_of(at.span().start)), text));
    }
}
