//! `demo`: a simulated battery, the driver and a look at both, on any computer: no root, no hardware, no installed D-Bus.
//!
//! The parts are the real ones: the simulator answers on a pseudo terminal, the driver reads it and serves it on a D-Bus of its
//! own, and the view is one more reader of the driver's snapshots.

mod bus;
mod view;

pub use bus::BusError;

use crate::cli::output::Show;
use crate::config::{Config, ConfigError, Written};
use crate::house::House;
use crate::model::Snapshot;
use crate::run::{self, RunError};
use crate::runtime;
use crate::sim::{SimulateOptions, simulate};
use bus::PrivateBus;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use thiserror::Error;
use tokio::sync::watch;
use view::View;

/// Why there is no demo.
#[derive(Debug, Error)]
pub enum DemoError {
    /// No folder for the pseudo terminal, the socket and the state.
    #[error("cannot use {path}: {source}; set TMPDIR to a folder that can be written")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// No D-Bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The driver ended.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A setting was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No thread or event loop.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Everything that the demo puts on the disk; gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("dbus-bms-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| DemoError::Folder { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// [`DemoError`]
pub fn demo(show: Show) -> Result<(), DemoError> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let folder = Folder::new()?;
    let bus = PrivateBus::start(&folder.0)?;
    let port = folder.0.join("ttyDEMO");
    let options = SimulateOptions { bms: "jbd".to_owned(), link: port.clone(), pace: true, seed: 7, ..SimulateOptions::default() };
    runtime::spawn("simulator", move || {
        if let Err(error) = simulate(&options, &STOP) {
            log::error!("{error}");
        }
    })?;
    wait_for(&port)?;
    let config = config(&bus, &folder.0)?;
    match show {
        // Log lines would tear the screen.
        Show::Table { .. } => log::set_max_level(log::LevelFilter::Warn),
        Show::Json => log::info!("D-Bus at {bus}"),
    }
    let name = port.to_string_lossy().into_owned();
    let view = View::new(show, bus.to_string(), name.clone());
    let ended = runtime::block_on(run::serve(config, &[name], House::default(), |_, snapshots| {
        tokio::spawn(watch_it(view.clone(), snapshots));
    }))?;
    STOP.store(true, std::sync::atomic::Ordering::Relaxed);
    Ok(ended?)
}

/// The simulator's thread makes the link within a moment.
fn wait_for(port: &Path) -> Result<(), DemoError> {
    let tries = std::iter::repeat_with(runtime::nap).take(200);
    for () in tries {
        if port.exists() {
            return Ok(());
        }
    }
    Err(DemoError::System(io::Error::other("the simulated battery did not start")))
}

fn config(bus: &PrivateBus, folder: &Path) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    config.set("demo", "bms", Written::texts(["jbd"]))?;
    config.set("demo", "name", Written::Text("Demo battery".to_owned()))?;
    config.set("demo", "dbus.bus", Written::Text(bus.address().to_owned()))?;
    config.set("demo", "state.folder", Written::Text(folder.join("state").to_string_lossy().into_owned()))?;
    Ok(config)
}

/// Shows every snapshot until the battery leaves.
async fn watch_it(view: View, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if view.draw(&snapshot, &mut io::stdout()).and_then(|()| io::stdout().flush()).is_err() {
            return;
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}
