//! `doctor`: checks everything between the battery and the GX, and reports problems with their remedies.
//!
//! It only reads: files below a root (`/`, or a folder in tests), `/proc` for the users of a port, and the bus.

mod bank;
mod bus;
mod commands;
mod device;
mod flights;
mod pages;
mod pinned;
mod ports;
mod starter;

pub use bank::BANK_SERVICE;

use crate::base::printable::{MAX_TEXT, printable};
use crate::dbus::{BusAddress, DbusError};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// OK.
    Ok,
    /// Worth knowing.
    Note,
    /// Something to fix.
    Problem,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Topic: device, files, start, screen, serial-starter, ports, services, commands, recordings, bank, settings, bus.
    pub topic: &'static str,
    /// Its severity.
    pub verdict: Severity,
    /// The finding.
    pub what: String,
    /// The remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Collects findings.
#[derive(Debug, Default)]
struct Report {
    topic: &'static str,
    findings: Vec<Finding>,
}

impl Report {
    fn about(&mut self, topic: &'static str) {
        self.topic = topic;
    }
    fn ok(&mut self, what: impl Into<String>) {
        self.add(Severity::Ok, what.into(), None);
    }
    fn note(&mut self, what: impl Into<String>) {
        self.add(Severity::Note, what.into(), None);
    }
    fn advise(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Note, what.into(), Some(remedy.into()));
    }
    fn problem(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Problem, what.into(), Some(remedy.into()));
    }
    fn add(&mut self, verdict: Severity, what: String, remedy: Option<String>) {
        // Parts of it come from other programs and files.
        let line = |text: String| printable(&text, 2 * MAX_TEXT);
        self.findings.push(Finding { topic: self.topic, verdict, what: line(what), remedy: remedy.map(line) });
    }
}

/// The file system to check.
#[derive(Debug, Clone)]
struct Root(PathBuf);

impl Root {
    /// Resolves an absolute path below the root.
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
    fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }
    /// A text file; `None` if it is missing or cannot be read.
    fn text(&self, path: &str) -> Option<String> {
        std::fs::read(self.at(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
    /// The names in a folder, sorted.
    fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }
    /// The running system itself.
    fn is_real(&self) -> bool {
        self.0 == Path::new("/")
    }
}

/// Runs all checks. `bus` is an error if there is no usable address.
pub async fn examine(root: &Path, bus: Result<BusAddress, DbusError>) -> Vec<Finding> {
    let (root, mut report) = (Root(root.to_owned()), Report::default());
    let gx = device::examine(&root, &mut report);
    if gx {
        pages::examine(&root, &mut report);
        starter::examine(&root, &mut report);
    }
    ports::examine(&root, gx, &mut report);
    commands::examine(&root, &mut report);
    flights::examine(&root, gx, &mut report);
    if gx {
        bank::configured(&root, &mut report);
    }
    bus::examine(bus, &mut report).await;
    report.findings
}
