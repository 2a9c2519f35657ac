//! `doctor`: what is wrong here, and what to do about it.

use super::Failure;
use super::Failure::Unwell;
use super::output::Show;
use crate::doctor::{Finding, Verdict, examine};
use crate::runtime;
use crate::sink::dbus::BusAddress;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

/// Look at installation, ports, services and D-Bus, and say what is wrong and what to do
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// D-Bus to look at [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// File system to look at
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// One JSON object per finding
    #[arg(long)]
    pub json: bool,
}

impl DoctorArgs {
    /// Looks and tells.
    ///
    /// # Errors
    /// [`Failure::Unwell`] when there is something to set right.
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let bus = BusAddress::from_env(self.bus.as_deref());
        let findings = runtime::block_on(examine(&self.root, bus))?;
        for finding in &findings {
            match show {
                Show::Json if self.json => writeln!(out, "{}", serde_json::to_string(finding).map_err(io::Error::from)?)?,
                _ => tell(out, finding)?,
            }
        }
        match findings.iter().filter(|finding| finding.verdict == Verdict::Problem).count() {
            0 => Ok(()),
            problems => Err(Unwell { problems }),
        }
    }
}

/// A line for people, and one with the remedy.
fn tell(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let mark = match finding.verdict {
        Verdict::Ok => "ok     ",
        Verdict::Note => "note   ",
        Verdict::Problem => "PROBLEM",
    };
    writeln!(out, "{mark} {:14} {}", finding.topic, finding.what)?;
    finding.remedy.iter().try_for_each(|remedy| writeln!(out, "{:23}-> {remedy}", ""))
}
