//! `demo`: simulated batteries, the driver, its dashboard and a live view, on any computer without root, hardware or D-Bus.
//!
//! All parts are the real ones: the simulator answers on a pseudo terminal, the driver reads it and serves it on a private D-Bus,
//! and the live view shows the driver's snapshots.

mod bus;
mod past;
mod screen;

pub use bus::BusError;

use crate::base::runtime;
use crate::config::{Config, ConfigError, RawValue};
use crate::model::Snapshot;
use crate::output::registry::BatteryRegistry;
use crate::service::{self, RunError};
use crate::sim::{SimulateOptions, simulate};
use crate::terminal::output::Show;
use bus::PrivateBus;
use screen::DemoScreen;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use thiserror::Error;
use tokio::sync::watch;

/// Why the demo failed.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The folder for pseudo terminal, socket and state cannot be used.
    #[error("cannot use {path}: {source}; set TMPDIR to a writable folder")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Error of the operating system.
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
    #[error("cannot start: {0}; try again with `--log debug`, and restart the device if it persists")]
    System(#[from] io::Error),
}

/// The demo's files; removed on drop.
struct TempFolder(PathBuf);

impl TempFolder {
    fn new() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("dbus-bms-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| DemoError::Folder { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for TempFolder {
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
    let folder = TempFolder::new()?;
    let bus = PrivateBus::start(&folder.0)?;
    let scenario = folder.0.join("scenario.toml");
    std::fs::write(&scenario, SCENARIO).map_err(|source| DemoError::Folder { path: scenario.clone(), source })?;
    let ports = [folder.0.join(FIRST), folder.0.join(SECOND)];
    let [first, second] = ports.clone();
    let battery = SimulateOptions { pace: true, ..SimulateOptions::default() };
    let batteries = [
        SimulateOptions { bms: "jbd".to_owned(), link: first, seed: 7, ..battery.clone() },
        SimulateOptions { bms: "jk".to_owned(), link: second, seed: 11, scenario: Some(scenario), ..battery },
    ];
    for options in batteries {
        runtime::spawn("simulator", move || {
            if let Err(error) = simulate(&options, &STOP) {
                log::error!("{error}");
            }
        })?;
    }
    for port in &ports {
        wait_for(port)?;
    }
    let state = folder.0.join("state");
    let past = [(format!("jbd_{FIRST}"), 1.0), (format!("jk_{SECOND}"), 1.0), (format!("bank_{BANK}"), 2.0)];
    if let Some(unix) = runtime::now().unix {
        let past = past.each_ref().map(|(id, size)| (id.as_str(), *size));
        past::write(&state, &past, unix).map_err(|source| DemoError::Folder { path: state, source })?;
    }
    let page = free_address();
    let config = config(&bus, &folder.0, page)?;
    match show {
        // Log lines would disturb the screen.
        Show::Table { .. } => log::set_max_level(log::LevelFilter::Warn),
        Show::Json => log::info!("D-Bus at {bus}; open http://{page}/"),
    }
    let ports = ports.map(|port| port.to_string_lossy().into_owned());
    let [first, _] = &ports;
    let screen = DemoScreen::new(show, bus.to_string(), first.clone(), page);
    let registry = BatteryRegistry::default();
    let ended = runtime::block_on(service::serve(config, &ports, Some(registry), |label, snapshots| {
        if label == first {
            tokio::spawn(watch_it(screen.clone(), snapshots));
        }
    }))?;
    STOP.store(true, std::sync::atomic::Ordering::Relaxed);
    Ok(ended?)
}

const CONFIG: &str = "\
member_of_bank = true

[bank]
in_run = true
name = \"demo\"

[web]
enabled = true

[port.ttyDEMO]
bms = [\"jbd\"]
name = \"Demo battery\"

[port.ttyDEMO2]
bms = [\"jk\"]
name = \"Second battery\"
";

/// Name of the bank in [`CONFIG`].
const BANK: &str = "demo";
const FIRST: &str = "ttyDEMO";
const SECOND: &str = "ttyDEMO2";

/// Events of the second battery, to show on the page.
const SCENARIO: &str = "\
repeat_s = 240

[[step]]
t = 60
temperature_c = -4.0
alarms = [\"low_charge_temperature\"]

[[step]]
t = 100
temperature_c = 21.7
alarms = []
";

/// Address of the dashboard: the usual port, or the next free one.
fn free_address() -> SocketAddr {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    (8080..8180).map(at).find(|address| TcpListener::bind(address).is_ok()).unwrap_or(at(8080))
}

/// Waits for the simulator's thread to create the link.
fn wait_for(port: &Path) -> Result<(), DemoError> {
    let tries = std::iter::repeat_with(runtime::wait_briefly).take(200);
    for () in tries {
        if port.exists() {
            return Ok(());
        }
    }
    Err(DemoError::System(io::Error::other("the simulated battery did not start")))
}

fn config(bus: &PrivateBus, folder: &Path, page: SocketAddr) -> Result<Config, ConfigError> {
    let mut config = Config::parse("demo", CONFIG)?;
    config.set("demo", "web.listen", RawValue::Text(page.to_string()))?;
    config.set("demo", "dbus.bus", RawValue::Text(bus.address().to_owned()))?;
    config.set("demo", "state.folder", RawValue::Text(folder.join("state").to_string_lossy().into_owned()))?;
    Ok(config)
}

/// Shows every snapshot until the battery disappears.
async fn watch_it(screen: DemoScreen, mut snapshots: watch::Receiver<Arc<Snapshot>>) {
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        if screen.draw(&snapshot, &mut io::stdout()).and_then(|()| io::stdout().flush()).is_err() {
            return;
        }
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}
