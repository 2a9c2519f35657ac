//! `demo`: simulated batteries, the driver, its web page and a look at all, on any computer: no root, no hardware, no installed
//! D-Bus.
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
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
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
    #[error("cannot start: {0}; try again with `--log debug`, and restart the device if it stays so")]
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
    let page = free_address();
    let config = config(&bus, &folder.0, page)?;
    match show {
        // Log lines would tear the screen.
        Show::Table { .. } => log::set_max_level(log::LevelFilter::Warn),
        Show::Json => log::info!("D-Bus at {bus}; open http://{page}/"),
    }
    let ports = ports.map(|port| port.to_string_lossy().into_owned());
    let [first, _] = &ports;
    let view = View::new(show, bus.to_string(), first.clone(), page);
    let house = House::default();
    let ended = runtime::block_on(run::serve(config, &ports, Some(house), |label, snapshots| {
        if label == first {
            tokio::spawn(watch_it(view.clone(), snapshots));
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

const FIRST: &str = "ttyDEMO";
const SECOND: &str = "ttyDEMO2";

/// What happens to the second battery: something to be seen on the page.
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

/// Where the page is: the usual port, or the next that nobody has.
fn free_address() -> SocketAddr {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    (8080..8180).map(at).find(|address| TcpListener::bind(address).is_ok()).unwrap_or(at(8080))
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

fn config(bus: &PrivateBus, folder: &Path, page: SocketAddr) -> Result<Config, ConfigError> {
    let mut config = Config::parse("demo", CONFIG)?;
    config.set("demo", "web.listen", Written::Text(page.to_string()))?;
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
