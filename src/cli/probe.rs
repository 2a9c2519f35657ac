//! `probe PORT`: finds out which BMS answers on a port.

use super::Failure;
use super::options::OnPort;
use crate::base::runtime::SystemClock;
use crate::config::Settings;
use crate::link::{Link, open};
use crate::probe::{Found, ProbeError, Scope, doubt, further_families, search};
use crate::service::{RunError, port_options, scope};
use crate::terminal::output::Show;
use crate::terminal::progress::{Extent, Progress};
use clap::Args;
use serde::Serialize;
use std::io::Write;

/// Find out which BMS answers on PORT, or show what was received instead
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// Port and batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// Print JSON lines on a terminal, too
    #[arg(long)]
    pub json: bool,
}

/// A hit as JSON; scripts rely on these keys.
#[derive(Serialize)]
struct FoundEntry<'a> {
    bms: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baud: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// Other families that the same answer fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<&'static str>,
    elapsed_ms: u128,
}

impl<'a> From<&'a Found> for FoundEntry<'a> {
    fn from(found: &'a Found) -> Self {
        let candidate = &found.candidate;
        Self {
            bms: candidate.driver.name,
            address: found.reading.address,
            baud: (!candidate.line.is_can()).then_some(candidate.line.baud),
            model: found.reading.device.model.as_deref(),
            also: found.also.iter().map(|driver| driver.name).collect(),
            elapsed_ms: found.elapsed.as_millis(),
        }
    }
}

impl ProbeArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`] with what was received when nothing answers.
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let (port, settings) = (&self.on.port, self.on.config()?.settings(Some(&self.on.port), None));
        let (mut link, scope) = (link(port, &settings)?, scope(port, &settings, None));
        let found = find_on(&mut link, &scope, port)?;
        found.iter().try_for_each(|found| print(found, out, show))?;
        out.flush()?;
        // Some boards speak two protocols, and two boards may be on one line: the owner then has to choose.
        let progress = Progress::start("searching for others", Extent::Unknown);
        let further = further_families(&mut link, &scope, &found);
        drop(progress);
        let further = further.map_err(|error| Failure::Run(RunError::PortGone(format!("{port}: {error}"))))?;
        further.iter().try_for_each(|found| print(found, out, show))?;
        if let Some(doubt) = doubt(port, &found, &further).filter(|_| !further.is_empty()) {
            log::warn!("{doubt}");
        }
        Ok(())
    }
}

fn print(found: &Found, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
    let hit = FoundEntry::from(found);
    match show {
        Show::Json => writeln!(out, "{}", serde_json::to_string(&hit).map_err(std::io::Error::from)?)?,
        Show::Table { .. } => {
            let address = hit.address.map(|address| format!(" address {address}")).unwrap_or_default();
            let model = hit.model.map(|model| format!(", {model}")).unwrap_or_default();
            let also = if hit.also.is_empty() { String::new() } else { format!(", also reads as {}", hit.also.join(", ")) };
            let (label, line) = (found.candidate.driver.label, found.candidate.line);
            writeln!(out, "{label} ({}){address} at {line}{model}{also}, after {} ms", hit.bms, hit.elapsed_ms)?;
        }
    }
    Ok(())
}

/// The batteries on a port, each with a full reading.
pub(super) fn find(port: &str, settings: &Settings) -> Result<Vec<Found>, Failure> {
    find_on(&mut link(port, settings)?, &scope(port, settings, None), port)
}

fn link(port: &str, settings: &Settings) -> Result<Link, Failure> {
    let opened = open(port, &port_options(settings)).map_err(RunError::from)?;
    Ok(Link::new(opened, Box::new(SystemClock)))
}

fn find_on(link: &mut Link, scope: &Scope, port: &str) -> Result<Vec<Found>, Failure> {
    let _progress = Progress::start("searching", Extent::Unknown);
    search(link, scope).map_err(|error| {
        Failure::Run(match error {
            ProbeError::NotFound(heard) => RunError::NothingFound(heard.to_string()),
            ProbeError::Port(error) => RunError::PortGone(format!("{port}: {error}")),
        })
    })
}
