//! `probe PORT`: tell what answers on a port.

use super::Failure;
use super::options::OnPort;
use super::output::Show;
use crate::config::Settings;
use crate::link::{Link, open};
use crate::probe::{Found, ProbeError, search};
use crate::run::{RunError, port_options, scope};
use crate::runtime::SystemClock;
use clap::Args;
use serde::Serialize;
use std::io::Write;

/// Tell which BMS answers on PORT, or what was heard instead
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// Where, and which batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
}

/// A hit as JSON (contract.md).
#[derive(Serialize)]
struct Hit<'a> {
    bms: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<u8>,
    baud: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    elapsed_ms: u128,
}

impl<'a> From<&'a Found> for Hit<'a> {
    fn from(found: &'a Found) -> Self {
        let candidate = &found.candidate;
        Self {
            bms: candidate.driver.name,
            address: found.reading.address,
            baud: candidate.line.baud,
            model: found.reading.model.as_deref(),
            elapsed_ms: found.elapsed.as_millis(),
        }
    }
}

impl ProbeArgs {
    /// Looks and tells.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`] with what was heard when nothing answers.
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let settings = self.on.config()?.settings(Some(&self.on.port), None);
        for found in find(&self.on.port, &settings)? {
            let hit = Hit::from(&found);
            match show {
                Show::Json => writeln!(out, "{}", serde_json::to_string(&hit).map_err(std::io::Error::from)?)?,
                Show::Table { .. } => {
                    let address = hit.address.map(|address| format!(" address {address}")).unwrap_or_default();
                    let model = hit.model.map(|model| format!(", {model}")).unwrap_or_default();
                    let label = found.candidate.driver.label;
                    writeln!(out, "{label} ({}){address} at {} baud{model}, after {} ms", hit.bms, hit.baud, hit.elapsed_ms)?;
                }
            }
        }
        Ok(())
    }
}

/// The batteries on a port, each with a full reading.
pub(super) fn find(port: &str, settings: &Settings) -> Result<Vec<Found>, Failure> {
    let opened = open(port, &port_options(settings)).map_err(RunError::from)?;
    let mut link = Link::new(opened, Box::new(SystemClock));
    search(&mut link, &scope(settings, None)).map_err(|error| {
        Failure::Run(match error {
            ProbeError::NotFound(heard) => RunError::NothingFound(heard.to_string()),
            ProbeError::Port(error) => RunError::PortGone(format!("{port}: {error}")),
        })
    })
}
