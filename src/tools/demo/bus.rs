//! A private D-Bus: the computer's dbus-daemon if installed, else the embedded one.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use thiserror::Error;

/// Why the bus could not be started.
#[derive(Debug, Error)]
pub enum BusError {
    /// The installed daemon failed to start.
    #[error("dbus-daemon is installed but failed to start: {0}; run `dbus-daemon --session` to see why")]
    Daemon(io::Error),
    /// No daemon is installed, and this build has none embedded.
    #[cfg(not(feature = "embedded-bus"))]
    #[error(
        "no dbus-daemon is installed and this build has none embedded: build with `--features embedded-bus`, or install `dbus`"
    )]
    None,
    /// The bus inside this program does not start.
    #[cfg(feature = "embedded-bus")]
    #[error("the embedded D-Bus failed to start: {0}; install `dbus`, and please report this")]
    Embedded(String),
}

/// A running bus; it ends with this value.
pub(super) struct PrivateBus {
    address: String,
    daemon: Option<Child>,
}

impl PrivateBus {
    pub(super) fn start(folder: &Path) -> Result<Self, BusError> {
        match daemon(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => embedded(folder),
            started => started.map_err(BusError::Daemon),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for PrivateBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.daemon.is_some() { "this computer's dbus-daemon" } else { "the bus inside this program" };
        write!(f, "{} ({which})", self.address)
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A session bus used by the demo only.
fn daemon(folder: &Path) -> io::Result<PrivateBus> {
    let address = format!("--address=unix:path={}", folder.join("bus").display());
    let mut daemon = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--nopidfile", "--print-address", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal must reach the demo only, which ends the bus last.
        .process_group(0)
        .spawn()?;
    let mut line = String::new();
    if let Some(out) = daemon.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let address = line.split(',').next().unwrap_or_default().trim().to_owned();
    if address.is_empty() {
        let _ = daemon.wait();
        return Err(io::Error::other("it prints no address"));
    }
    Ok(PrivateBus { address, daemon: Some(daemon) })
}

#[cfg(feature = "embedded-bus")]
fn embedded(folder: &Path) -> Result<PrivateBus, BusError> {
    let address = format!("unix:path={}", folder.join("bus").display());
    let (tell, started) = std::sync::mpsc::channel();
    let listen_on = address.clone();
    let serve = move || {
        zruntime::block_on(async {
            match busd::bus::Bus::for_address(Some(&listen_on)).await {
                Ok(mut bus) => {
                    let _ = tell.send(Ok(()));
                    if let Err(error) = bus.run().await {
                        log::error!("the embedded D-Bus stopped: {error}; please report this");
                    }
                }
                Err(error) => {
                    let _ = tell.send(Err(error.to_string()));
                }
            }
        });
    };
    crate::base::runtime::spawn("bus", serve).map_err(|error| BusError::Embedded(error.to_string()))?;
    match started.recv() {
        Ok(Ok(())) => Ok(PrivateBus { address, daemon: None }),
        Ok(Err(error)) => Err(BusError::Embedded(error)),
        Err(error) => Err(BusError::Embedded(error.to_string())),
    }
}

#[cfg(not(feature = "embedded-bus"))]
fn embedded(_: &Path) -> Result<PrivateBus, BusError> {
    Err(BusError::None)
}
