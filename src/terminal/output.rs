//! Output of results: a table for people, JSON lines for programs.

use super::table::table;
use crate::model::Reading;
use rustix::termios::tcgetwinsize;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

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
        Self::Table { width: columns().unwrap_or(USUAL_WIDTH), colour }
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

/// Columns of the terminal; `None`: the output is no terminal.
pub(crate) fn columns() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).map(|width| if width > 0 { width } else { USUAL_WIDTH })
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
