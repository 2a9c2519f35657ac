//! `doctor`: finds problems of the installation and names their remedies.

use super::Failure;
use super::Failure::Unwell;
use crate::base::runtime;
use crate::dbus::BusAddress;
use crate::terminal::output::Show;
use crate::tools::doctor::{Finding, Severity, examine};
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

/// Check installation, ports, services and D-Bus, and show problems with their remedies
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Root of the file system to check
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Print one JSON object per finding
    #[arg(long)]
    pub json: bool,
}

impl DoctorArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure::Unwell`] if there are problems.
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let bus = BusAddress::from_env(self.bus.as_deref());
        let findings = runtime::block_on(examine(&self.root, bus))?;
        for finding in &findings {
            match show {
                Show::Json if self.json => writeln!(out, "{}", serde_json::to_string(finding).map_err(io::Error::from)?)?,
                _ => print(out, finding)?,
            }
        }
        match findings.iter().filter(|finding| finding.verdict == Severity::Problem).count() {
            0 => Ok(()),
            problems => Err(Unwell { problems }),
        }
    }
}

/// A line for people, followed by the remedy.
fn print(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let mark = match finding.verdict {
        Severity::Ok => "ok     ",
        Severity::Note => "note   ",
        Severity::Problem => "PROBLEM",
    };
    writeln!(out, "{mark} {:14} {}", finding.topic, finding.what)?;
    finding.remedy.iter().try_for_each(|remedy| writeln!(out, "{:23}-> {remedy}", ""))
}
