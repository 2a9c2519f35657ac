//! `scan-ble`: the Bluetooth devices in range, and how to use those that may be a BMS.

use super::Failure;
use super::options::ConfigFile;
use crate::bms::{Evidence, driver};
use crate::config::RawValue;
use crate::link::bluetooth::{SCHEME, ScannedDevice, scan};
use crate::service::bluetooth_options;
use crate::terminal::output::Show;
use crate::terminal::progress::{Extent, Progress};
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// List the Bluetooth devices in range, and which BMS they may be
#[derive(Debug, Clone, Args)]
pub struct ScanBleArgs {
    /// Duration of the scan, s
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub seconds: u64,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
    /// D-Bus that BlueZ is on [default: system]
    #[arg(long, value_name = "system|ADDRESS")]
    pub bus: Option<String>,
    /// Print one JSON object per device
    #[arg(long)]
    pub json: bool,
}

/// A device as JSON; scripts rely on these keys.
#[derive(Serialize)]
struct Row<'a> {
    address: &'a str,
    port: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rssi_dbm: Option<i16>,
    connected: bool,
    /// Families that it may be; empty if it is no known BMS.
    bms: &'a [&'static str],
    recognised: bool,
    /// For the configuration, if it may be a BMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
}

impl<'a> From<&'a ScannedDevice> for Row<'a> {
    fn from(heard: &'a ScannedDevice) -> Self {
        Self {
            address: &heard.address,
            port: format!("{SCHEME}{}", heard.address),
            name: heard.name.as_deref(),
            rssi_dbm: heard.rssi,
            connected: heard.connected,
            bms: &heard.families,
            recognised: heard.recognised,
            config: config(heard),
        }
    }
}

/// The lines for the configuration. A family that is untested has to be named.
fn config(heard: &ScannedDevice) -> Option<String> {
    let first = heard.families.first()?;
    let ports = format!("ports = [\"{SCHEME}{}\"]", heard.address);
    let untested = driver(first).is_some_and(|driver| driver.evidence == Evidence::Untested);
    Some(if untested { format!("{ports}\nbms = [\"{first}\"]") } else { ports })
}

impl ScanBleArgs {
    /// Scans and lists.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Bluetooth`]
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let mut config = self.file.load()?;
        if let Some(bus) = &self.bus {
            config.set("--bus", "dbus.bus", RawValue::Text(bus.clone()))?;
        }
        let options = bluetooth_options(&config.settings(None, None));
        let progress = Progress::start("scanning", Extent::Seconds(self.seconds));
        let all = scan(&options, Duration::from_secs(self.seconds));
        drop(progress);
        let all = all?;
        for heard in &all {
            match show {
                Show::Json => writeln!(out, "{}", serde_json::to_string(&Row::from(heard)).map_err(std::io::Error::from)?)?,
                Show::Table { .. } => write_device(out, heard)?,
            }
        }
        if let Show::Table { .. } = show {
            let boards = all.iter().filter(|heard| !heard.families.is_empty()).count();
            writeln!(out, "{} devices in {} s, {boards} of them may be a BMS. {ADVICE}", all.len(), self.seconds)?;
        }
        Ok(())
    }
}

const ADVICE: &str = "A BMS that is connected to a phone is not heard: close its app.";

fn write_device(out: &mut dyn Write, heard: &ScannedDevice) -> std::io::Result<()> {
    let signal = match (heard.rssi, heard.connected) {
        (Some(rssi), _) => format!("{rssi} dBm"),
        (None, true) => "connected".to_owned(),
        (None, false) => "-".to_owned(),
    };
    let name = heard.name.as_deref().unwrap_or("-");
    let families = match heard.recognised {
        _ if heard.families.is_empty() => "-".to_owned(),
        true => heard.families.join(", "),
        false => format!("perhaps {}", heard.families.join(", ")),
    };
    writeln!(out, "{}  {signal:>9}  {name:24}  {families}", heard.address)?;
    for line in config(heard).iter().flat_map(|config| config.lines()) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}
