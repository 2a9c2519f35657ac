//! Wishes for a battery whose driver does not run: the port is opened for as long as it takes.

use super::identity::{self, Identity};
use super::seat::last_hit;
use super::{RunError, port_options, scope};
use crate::bms::Protocol;
use crate::commands::{Override, Remembered, Wish};
use crate::config::{Config, Places};
use crate::link::port_name;
use crate::link::{Link, LinkError, open};
use crate::model::{Command, Outcome, Reading};
use crate::probe::{Found, ProbeError, search};
use crate::runtime::{SystemClock, now};
use crate::state::StateFile;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a wish could not be carried out on the port.
#[derive(Debug, Error)]
pub enum DirectError {
    /// The port, or nothing is found on it.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Which battery?
    #[error("{port} has several batteries: say which with --address {addresses}")]
    Several {
        /// The port.
        port: String,
        /// What there is.
        addresses: String,
    },
    /// Only a running driver can do it.
    #[error("only the running driver can charge up: start it, and ask again")]
    NeedsDriver,
}

/// Where the configuration has its state files.
pub fn state_folder(config: &Config) -> PathBuf {
    config.settings(None, None).state_folder.unwrap_or_else(|| Places::here().state)
}

/// Carries out `wish` for the battery on `port`. What was switched off from here may be put on again also where commands are not
/// enabled.
///
/// # Errors
/// [`DirectError`]; with [`OpenError::Busy`](crate::link::OpenError::Busy) the driver runs and is to be asked.
pub fn carry_out(config: &Config, port: &str, address: Option<u8>, wish: Wish, by: &str) -> Result<Outcome, DirectError> {
    let settings = config.settings(Some(port), None);
    let folder = state_folder(config);
    let opened = open(port, &port_options(&settings)).map_err(RunError::from)?;
    let mut link = Link::new(opened, Box::new(SystemClock));
    let mut hit = StateFile::new(&folder, &format!("port-{}", port_name(port)));
    let gone = |error: LinkError| DirectError::Run(RunError::PortGone(format!("{port}: {error}")));
    let found = search(&mut link, &scope(&settings, last_hit(&mut hit))).map_err(|error| match error {
        ProbeError::NotFound(heard) => DirectError::Run(RunError::NothingFound(heard.to_string())),
        ProbeError::Port(error) => gone(error),
    })?;
    let found = choose(found, port, address)?;
    let identity = identity::identify(port, found.candidate.driver, &found.reading, &identity::lock_folder());
    let settings = config.settings(Some(port), Some(&identity.id));
    let (mut file, mut kept) = recall(&folder, &identity);
    (kept.port, kept.address) = (port.to_owned(), kept.address.or(address));
    match wish {
        Wish::Command(command) => {
            if !settings.commands && !kept.releases(command) {
                return Ok(Outcome::Off);
            }
            if found.overheard {
                return Ok(Outcome::Occupied);
            }
            link.prepare(found.candidate.line, found.candidate.driver.gap).map_err(gone)?;
            let mut protocol = found.candidate.protocol();
            tell(&mut link, protocol.as_mut(), found.reading, command, (&mut file, &mut kept), by).map_err(gone)
        }
        Wish::Override(_) if !settings.commands => Ok(Outcome::Off),
        Wish::Override(Override::ChargeTo100) => Err(DirectError::NeedsDriver),
        Wish::Override(wanted) => {
            kept.overrides.set(wanted, by, now());
            save(&mut file, &kept);
            Ok(Outcome::InForce)
        }
    }
}

fn tell(
    link: &mut Link,
    protocol: &mut dyn Protocol,
    mut known: Reading,
    command: Command,
    (file, kept): (&mut StateFile, &mut Remembered),
    by: &str,
) -> Result<Outcome, LinkError> {
    if kept.under_way {
        // Something was broken off the last time.
        link.tidy(protocol)?;
    }
    // On disk before the BMS is told: this program may be killed before it hears what became of it.
    kept.begin(command, by, now().unix);
    save(file, kept);
    let outcome = link.command(protocol, command, &mut known, now().unix)?;
    kept.end(command, outcome, by, now().unix);
    save(file, kept);
    Ok(outcome)
}

fn choose(mut found: Vec<Found>, port: &str, address: Option<u8>) -> Result<Found, DirectError> {
    let at = |wanted: u8| move |found: &Found| found.reading.address == Some(wanted);
    let place = match (address, found.len()) {
        (Some(wanted), _) => found.iter().position(at(wanted)),
        (None, 1) => Some(0),
        (None, _) => None,
    };
    match place {
        // The place was found just now.
        Some(place) => Ok(found.swap_remove(place)),
        None => {
            let addresses: Vec<String> = found.iter().filter_map(|found| found.reading.address).map(|a| a.to_string()).collect();
            Err(DirectError::Several { port: port.to_owned(), addresses: addresses.join(" or ") })
        }
    }
}

fn recall(folder: &Path, identity: &Identity) -> (StateFile, Remembered) {
    let mut file = Remembered::file(folder, &identity.id);
    let kept = Remembered::load(&mut file).unwrap_or_else(|error| {
        log::warn!("{error}");
        Remembered::default()
    });
    (file, kept)
}

fn save(file: &mut StateFile, kept: &Remembered) {
    if let Err(error) = file.save(kept, now().at) {
        log::warn!("{error}");
    }
}
