//! Output of results: a table for people, JSON lines for programs.

use super::table::table;
use crate::model::Reading;
use rustix::termios::tcgetwinsize;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

/// Width of a terminal that does not report it.
const USUAL_WIDTH: usize = 80;

/// Format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// One JSON object per line.
    Json,
    /// A table.
    Table {
        /// Columns of the terminal.
        width: usize,
        /// The terminal supports colours.
        colour: bool,
    },
}

impl Show {
    /// A table on a terminal unless `json` is set, JSON lines otherwise.
    pub fn choose(json: bool) -> Self {
        Self::for_people(json || !io::stdout().is_terminal())
    }

    /// A table unless `json` is set; into a pipe or file without colours.
    pub fn for_people(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        let colour = set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb") && io::stdout().is_terminal();
        Self::Table { width: columns(io::stdout()).unwrap_or(USUAL_WIDTH), colour }
    }

    /// Prints a reading.
    ///
    /// # Errors
    /// Error of the operating system.
    pub fn reading(self, out: &mut dyn Write, reading: &Reading) -> io::Result<()> {
        match self {
            Self::Json => writeln!(out, "{}", serde_json::to_string(reading)?),
            Self::Table { width, colour } => writeln!(out, "{}", table(reading, width, colour)),
        }
    }
}

/// Columns of the terminal behind an output of the program; `None`: it is no terminal.
pub(crate) fn columns(output: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(output).ok()?;
    Some(usize::from(size.ws_col)).map(|width| if width > 0 { width } else { USUAL_WIDTH })
}

/// The text with its lines broken at spaces for so many columns; without a terminal (`None`) as it is, for programs.
pub(crate) fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let (mut broken, mut used) = (String::new(), 0);
    for (number, line) in text.split('\n').enumerate() {
        for (place, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            let separator = match (number, place) {
                (0, 0) => None,
                (_, 0) => Some('\n'),
                _ if used > 0 && used + 1 + length > columns => Some('\n'),
                _ => Some(' '),
            };
            used = if separator == Some(' ') { used + 1 + length } else { length };
            broken.extend(separator);
            broken.push_str(word);
        }
    }
    broken
}

/// Lines of a terminal that can be repainted; `None`: the output is no terminal, or one of unknown type.
pub(crate) fn paintable_rows() -> Option<usize> {
    let stdout = io::stdout();
    set("TERM").filter(|term| term != "dumb" && stdout.is_terminal())?;
    // A terminal that does not report its size is taken as high enough for everything.
    let rows = tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 0);
    Some(rows.unwrap_or(usize::MAX))
}

/// A variable of the environment that is not empty.
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_only_and_only_for_a_terminal() {
        let text = "one two three\n  four fivesixseven eight";
        assert_eq!(wrapped(text, None), text);
        assert_eq!(wrapped(text, Some(40)), text);
        assert_eq!(wrapped(text, Some(8)), "one two\nthree\n  four\nfivesixseven\neight");
        assert_eq!(wrapped("", Some(8)), "");
    }
}
