//! First stage: what was written, and on which line. Nothing here knows what a key means, only what keys are called.

use super::keys;
use super::problem::{Origin, Problem};
use super::written::Written;
use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Whom a table of the file is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everybody.
    File,
    /// The port of this name.
    Port(String),
    /// The battery of this identity.
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
pub(super) struct Line {
    pub(super) scope: Scope,
    /// Name with its tables, without the scope.
    pub(super) path: String,
    pub(super) value: Written,
    pub(super) origin: Origin,
}

/// Takes a file apart. The problems are those of the syntax.
pub(super) fn read(text: &str) -> Result<Vec<Line>, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, lines: Vec::new(), problems: Vec::new() };
    reader.problems.extend(errors.iter().map(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Problem::new(Origin::Line(line), error.message().replace('\n', ", "))
    }));
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

/// The line of a byte, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count().saturating_add(1)
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
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
            DeValue::Table(inner) if keys::find(&path).is_none() && !inner.is_empty() => {
                inner.iter().for_each(|(name, value)| self.item(scope, &path, name, value));
            }
            DeValue::Table(_) if keys::is_table(&path) => {} // an empty table says nothing
            value => self.lines.push(Line {
                scope: scope.clone(),
                path,
                value: Written::from_toml(value),
                origin: Origin::Line(line_of(self.text, name.span().start)),
            }),
        }
    }

    fn wrong(&mut self, at: &Spanned<Cow<'_, str>>, text: String) {
        self.problems.push(Problem::new(Origin::Line(line_of(self.text, at.span().start)), text));
    }
}
