//! Output of results: a table for people, JSON lines for programs.

use super::table::table;
use crate::model::Reading;
use rustix::termios::tcgetwinsize;
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
        let stdout = io::stdout();
        if json || !stdout.is_terminal() {
            return Self::Json;
        }
        let width = tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let colour = set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb");
        Self::Table { width: width.unwrap_or(USUAL_WIDTH), colour }
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
