//! Problems of a configuration, worded for its owner.

use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// On this line of the file, counted from 1.
    Line(usize),
    /// As this option on the command line.
    Option(&'static str),
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is wrong, and what to write instead.
    pub text: String,
}

impl Problem {
    pub(super) fn new(origin: Origin, text: impl Into<String>) -> Self {
        Self { origin, text: text.into() }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file exists, or was named, but cannot be read.
    #[error("cannot read the configuration {}: {source}; check path and permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// It has one or more mistakes: one per line, `FILE:LINE: what`.
    #[error("{}", Listing(file, problems))]
    Wrong {
        /// The file's name, for the message.
        file: String,
        /// The problems, in the order of the file; never empty.
        problems: Vec<Problem>,
    },
}

struct Listing<'a>(&'a str, &'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { origin, text }) in self.1.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            match origin {
                Origin::Line(line) => write!(f, "{end}{}:{line}: {text}", self.0)?,
                Origin::Option(option) => write!(f, "{end}{option}: {text}")?,
            }
        }
        Ok(())
    }
}
