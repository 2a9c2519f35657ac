//! `doctor`: looks at everything between the battery and the GX, and says in plain words what is wrong and what to do.
//!
//! It reads only: files below a root (`/`, or a folder in tests), `/proc` for who holds a port, and the bus.

mod bus;
mod commands;
mod device;
mod ports;
mod starter;

use crate::sink::dbus::{BusAddress, DbusError};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Something to set right.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: device, files, start, serial-starter, ports, services, commands, settings, bus.
    pub topic: &'static str,
    /// How it is meant.
    pub verdict: Verdict,
    /// What is so.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Findings as they come.
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
        self.add(Verdict::Ok, what.into(), None);
    }
    fn note(&mut self, what: impl Into<String>) {
        self.add(Verdict::Note, what.into(), None);
    }
    fn advise(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Note, what.into(), Some(remedy.into()));
    }
    fn problem(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Verdict::Problem, what.into(), Some(remedy.into()));
    }
    fn add(&mut self, verdict: Verdict, what: String, remedy: Option<String>) {
        self.findings.push(Finding { topic: self.topic, verdict, what, remedy });
    }
}

/// The file system to look at.
#[derive(Debug, Clone)]
struct Root(PathBuf);

impl Root {
    /// Where an absolute path lies.
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
    fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }
    /// A text file; `None` when it is not there or cannot be read.
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

/// Looks at all of it. `bus` is an error where no address makes sense.
pub async fn examine(root: &Path, bus: Result<BusAddress, DbusError>) -> Vec<Finding> {
    let (root, mut report) = (Root(root.to_owned()), Report::default());
    let gx = device::examine(&root, &mut report);
    if gx {
        starter::examine(&root, &mut report);
    }
    ports::examine(&root, gx, &mut report);
    commands::examine(&root, &mut report);
    bus::examine(bus, &mut report).await;
    report.findings
}
