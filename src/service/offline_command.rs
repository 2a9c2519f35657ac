//! Requests for a battery whose driver is not running: opens the port for the duration of the request.

use super::battery_task::last_hit;
use super::identity::{self, Identity};
use super::{RunError, port_options, scope};
use crate::base::runtime::{SystemClock, now};
use crate::base::state_file::StateFile;
use crate::bms::Protocol;
use crate::config::{Config, Paths};
use crate::control::{ControlRequest, Override, PersistedCommands};
use crate::link::port_name;
use crate::link::{Link, LinkError, open};
use crate::model::{Command, Outcome, Reading};
use crate::probe::{Found, ProbeError, search};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a request could not be carried out on the port.
#[derive(Debug, Error)]
pub enum OfflineError {
    /// The port failed, or no BMS was found on it.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Several batteries are on the port.
    #[error("{port} has several batteries: choose one with --address {addresses}")]
    Several {
        /// The port.
        port: String,
        /// The addresses found.
        addresses: String,
    },
    /// Only a running driver can do it.
    #[error("only a running driver can do a full charge: start it, and try again")]
    NeedsDriver,
}

/// Folder of the state files, from the configuration.
pub fn state_folder(config: &Config) -> PathBuf {
    config.settings(None, None).state_folder.unwrap_or_else(|| Paths::detect().state)
}

/// Carries out `request` for the battery on `port`. What this driver has switched off may be switched on again even if commands
/// are not enabled.
///
/// # Errors
/// [`OfflineError`]; [`OpenError::Busy`](crate::link::OpenError::Busy) means that the driver runs: send it the request.
pub fn carry_out(
    config: &Config,
    port: &str,
    address: Option<u8>,
    request: ControlRequest,
    by: &str,
) -> Result<Outcome, OfflineError> {
    let settings = config.settings(Some(port), None);
    let folder = state_folder(config);
    let opened = open(port, &port_options(&settings)).map_err(RunError::from)?;
    let mut link = Link::new(opened, Box::new(SystemClock));
    let mut hit = StateFile::new(&folder, &format!("port-{}", port_name(port)));
    let port_lost = |error: LinkError| OfflineError::Run(RunError::PortGone(format!("{port}: {error}")));
    let found = search(&mut link, &scope(port, &settings, last_hit(&mut hit))).map_err(|error| match error {
        ProbeError::NotFound(nothing_found) => OfflineError::Run(RunError::NothingFound(nothing_found.to_string())),
        ProbeError::Port(error) => port_lost(error),
    })?;
    let found = choose(found, port, address)?;
    let identity = identity::identify(port, found.candidate.driver, &found.reading, &identity::lock_folder());
    let settings = config.settings(Some(port), Some(&identity.id));
    let (mut file, mut persisted) = load_persisted(&folder, &identity);
    (persisted.port, persisted.address) = (port.to_owned(), persisted.address.or(address));
    match request {
        ControlRequest::Command(command) => {
            if !settings.commands && !persisted.releases(command) {
                return Ok(Outcome::Off);
            }
            if found.overheard {
                return Ok(Outcome::Occupied);
            }
            found.candidate.prepare(&mut link).map_err(port_lost)?;
            let mut protocol = found.candidate.protocol();
            run_command(&mut link, protocol.as_mut(), found.reading, command, (&mut file, &mut persisted), by).map_err(port_lost)
        }
        ControlRequest::Override(_) if !settings.commands => Ok(Outcome::Off),
        ControlRequest::Override(Override::ChargeTo100 | Override::Balance) => Err(OfflineError::NeedsDriver),
        ControlRequest::Override(wanted) => {
            persisted.overrides.set(wanted, by, now());
            save(&mut file, &persisted);
            Ok(Outcome::InForce)
        }
    }
}

fn run_command(
    link: &mut Link,
    protocol: &mut dyn Protocol,
    mut known: Reading,
    command: Command,
    (file, persisted): (&mut StateFile, &mut PersistedCommands),
    by: &str,
) -> Result<Outcome, LinkError> {
    if persisted.under_way {
        // The last command was interrupted.
        link.cleanup(protocol)?;
    }
    // On disk before the BMS receives it: this process may be killed before it learns the outcome.
    persisted.begin(command, by, now().unix);
    save(file, persisted);
    let outcome = link.command(protocol, command, &mut known, now().unix)?;
    persisted.end(command, outcome, by, now().unix);
    save(file, persisted);
    Ok(outcome)
}

fn choose(mut found: Vec<Found>, port: &str, address: Option<u8>) -> Result<Found, OfflineError> {
    let at = |wanted: u8| move |found: &Found| found.reading.address == Some(wanted);
    let index = match (address, found.len()) {
        (Some(wanted), _) => found.iter().position(at(wanted)),
        (None, 1) => Some(0),
        (None, _) => None,
    };
    match index {
        // The index was just found.
        Some(index) => Ok(found.swap_remove(index)),
        None => {
            let addresses: Vec<String> = found.iter().filter_map(|found| found.reading.address).map(|a| a.to_string()).collect();
            Err(OfflineError::Several { port: port.to_owned(), addresses: addresses.join(" or ") })
        }
    }
}

fn load_persisted(folder: &Path, identity: &Identity) -> (StateFile, PersistedCommands) {
    let mut file = PersistedCommands::file(folder, &identity.id);
    let persisted = PersistedCommands::load(&mut file).unwrap_or_else(|error| {
        log::warn!("{error}");
        PersistedCommands::default()
    });
    (file, persisted)
}

fn save(file: &mut StateFile, persisted: &PersistedCommands) {
    if let Err(error) = file.save(persisted, now().at) {
        log::warn!("{error}");
    }
}
