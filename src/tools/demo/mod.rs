//! `demo`: simulated batteries, the driver, its dashboard and a live view, on any computer without root, hardware or D-Bus.
//!
//! All parts are the real ones: the simulator answers on a pseudo terminal, the driver reads it and serves it on a private D-Bus,
//! and the live view shows the driver's snapshots.

mod bus;
mod past;
mod screen;

pub use bus::BusError;

use crate::base::runtime;
use crate::bms::driver;
use crate::config::{Config, ConfigError, RawValue};
use crate::model::Snapshot;
use crate::output::api::bank_id;
use crate::output::registry::BatteryRegistry;
use crate::service::{self, RunError};
use crate::sim::pack::WeakCell;
use crate::sim::{self, SimulateOptions, simulate};
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
    /// No board of this name can be simulated on a pseudo terminal.
    #[error("the demo has no BMS {name:?}; use one of {known}")]
    Bms {
        /// The requested name.
        name: String,
        /// The known names.
        known: String,
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

/// A battery of the demo.
struct DemoBattery {
    bms: String,
    port: String,
    name: String,
}

impl DemoBattery {
    /// Its id in the API, for boards without a serial number.
    fn id(&self) -> String {
        format!("{}_{}", self.bms, self.port)
    }
}

/// Number of batteries, and the one of them with a weak cell, counted from 1.
const BATTERIES: usize = 4;
const WEAK: usize = 3;
/// The battery with the events of [`SCENARIO`].
const COLD: usize = 2;
/// That weak cell.
const WEAK_CELL: WeakCell = WeakCell { number: 11, capacity: 0.9, resistance: 4.0 };

/// The batteries of the demo, all with this BMS if one is given.
fn batteries(bms: Option<&str>) -> Result<Vec<DemoBattery>, DemoError> {
    if let Some(name) = bms {
        let usable = || {
            sim::names().filter(|name| driver(name).is_some() && sim::responder(name).is_some_and(|board| !board.line().is_can()))
        };
        if !usable().any(|known| known == name) {
            return Err(DemoError::Bms { name: name.to_owned(), known: usable().collect::<Vec<_>>().join(", ") });
        }
    }
    let battery = |number: usize| {
        let usual = if number.is_multiple_of(2) { "jk" } else { "jbd" };
        DemoBattery { bms: bms.unwrap_or(usual).to_owned(), port: format!("ttyDEMO{number}"), name: format!("Battery {number}") }
    };
    Ok((1..=BATTERIES).map(battery).collect())
}

/// Runs the demo until Ctrl-C; all batteries have this BMS if one is given.
///
/// # Errors
/// [`DemoError`]
pub fn demo(bms: Option<&str>, show: Show) -> Result<(), DemoError> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let batteries = batteries(bms)?;
    let folder = TempFolder::new()?;
    let bus = PrivateBus::start(&folder.0)?;
    let scenario = folder.0.join("scenario.toml");
    std::fs::write(&scenario, SCENARIO).map_err(|source| DemoError::Folder { path: scenario.clone(), source })?;
    for (number, battery) in (1..).zip(&batteries) {
        let options = SimulateOptions {
            bms: battery.bms.clone(),
            link: folder.0.join(&battery.port),
            pace: true,
            seed: 7 + 4 * number as u64,
            scenario: (number == COLD).then(|| scenario.clone()),
            weak: (number == WEAK).then_some(WEAK_CELL),
            ..SimulateOptions::default()
        };
        runtime::spawn("simulator", move || {
            if let Err(error) = simulate(&options, &STOP) {
                log::error!("{error}");
            }
        })?;
    }
    let ports: Vec<PathBuf> = batteries.iter().map(|battery| folder.0.join(&battery.port)).collect();
    for port in &ports {
        wait_for(port)?;
    }
    let state = folder.0.join("state");
    if let Some(unix) = runtime::now().unix {
        let of_battery = |(number, battery): (usize, &DemoBattery)| past::PastBattery {
            id: battery.id(),
            name: battery.name.clone(),
            weak_cell: u16::try_from(WEAK_CELL.number).ok().filter(|_| number == WEAK),
        };
        let past = (1..).zip(&batteries).map(of_battery).collect::<Vec<_>>();
        past::write(&state, &past, &bank_id(BANK), unix).map_err(|source| DemoError::Folder { path: state, source })?;
    }
    let page = free_address();
    let config = config(&batteries, &bus, &folder.0, page)?;
    match show {
        // Log lines would disturb the screen.
        Show::Table { .. } => log::set_max_level(log::LevelFilter::Warn),
        Show::Json => log::info!("D-Bus at {bus}; open http://{page}/, to command it with the token {TOKEN}"),
    }
    let ports: Vec<String> = ports.iter().map(|port| port.to_string_lossy().into_owned()).collect();
    let Some(first) = ports.first() else { return Ok(()) };
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

/// Allows commands from the page. Only this computer reaches it.
pub(super) const TOKEN: &str = "demo-demo-demo-demo";

const CONFIG: &str = "\
member_of_bank = true

[bank]
in_run = true
name = \"demo\"

[commands]
enabled = true

[web]
enabled = true
";

/// Name of the bank in [`CONFIG`].
const BANK: &str = "demo";

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

fn config(batteries: &[DemoBattery], bus: &PrivateBus, folder: &Path, page: SocketAddr) -> Result<Config, ConfigError> {
    let port =
        |battery: &DemoBattery| format!("\n[port.{}]\nbms = [\"{}\"]\nname = \"{}\"\n", battery.port, battery.bms, battery.name);
    let mut config = Config::parse("demo", &(CONFIG.to_owned() + &batteries.iter().map(port).collect::<String>()))?;
    config.set("demo", "web.listen", RawValue::Text(page.to_string()))?;
    config.set("demo", "web.token", RawValue::Text(TOKEN.to_owned()))?;
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
