//! Looks for devices for a while.

use super::BluetoothOptions;
use super::bluez::{ADAPTER, Bluez, Objects, Properties, short_uuid};
use super::connect::adapters;
use super::error::BluetoothError;
use crate::base::printable::printable_name;
use crate::base::runtime::{LocalRuntime, pause};
use crate::bms::bluetooth::BOARDS;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use zbus::Variant;

/// Interval of looking at what was heard.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Time for everything but the scan itself.
const SCAN_OVERTIME: Duration = Duration::from_secs(20);

/// A device that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedDevice {
    /// Its address.
    pub address: String,
    /// The name that it advertises.
    pub name: Option<String>,
    /// Signal strength in dBm; -90 is hardly enough.
    pub rssi: Option<i16>,
    /// This computer is connected to it, so that it is not heard any more.
    pub connected: bool,
    /// The families that it may be.
    pub families: Vec<&'static str>,
    /// They are certain enough: by name or manufacturer, not only by a service that other devices have, too.
    pub recognised: bool,
}

/// Scans for `time` and returns what was heard: boards that are recognised first, then by signal strength.
///
/// # Errors
/// One sentence for each reason that an owner can fix.
pub fn scan(options: &BluetoothOptions, time: Duration) -> Result<Vec<ScannedDevice>, BluetoothError> {
    let runtime = LocalRuntime::new().map_err(|error| BluetoothError::NoBluez(error.to_string()))?;
    let limit = time.saturating_add(SCAN_OVERTIME);
    let all = runtime.within(limit, listen(options, time));
    let mut all = all.unwrap_or_else(|| Err(BluetoothError::NoBluez("no answer".to_owned())))?;
    all.sort_by_key(|heard| (!heard.recognised, heard.families.is_empty(), std::cmp::Reverse(heard.rssi)));
    Ok(all)
}

async fn listen(options: &BluetoothOptions, time: Duration) -> Result<Vec<ScannedDevice>, BluetoothError> {
    let bluez = Bluez::connect(&options.bus).await?;
    let adapters = adapters(&bluez.objects().await?, options.adapter.as_deref())?;
    let mut heard: BTreeMap<String, ScannedDevice> = BTreeMap::new();
    let collect = |objects: &Objects| {
        let devices = adapters.iter().flat_map(|adapter| objects.devices(adapter));
        heard.extend(devices.filter_map(|(_, facts)| device(facts)).map(|device| (device.address.clone(), device)));
        None::<()>
    };
    until(&bluez, &adapters, time, collect).await?;
    Ok(heard.into_values().collect())
}

/// A device with a signal; BlueZ also knows others from earlier.
fn device(facts: &Properties) -> Option<ScannedDevice> {
    let (rssi, connected) = (facts.number("RSSI"), facts.flag("Connected"));
    if rssi.is_none() && !connected {
        return None;
    }
    let name = facts.text("Name").map(printable_name).filter(|name| !name.is_empty());
    let manufacturers = facts.keys("ManufacturerData");
    let services: Vec<u16> = facts.texts("UUIDs").iter().filter_map(|uuid| short_uuid(uuid)).collect();
    let by_name = || BOARDS.iter().filter(|board| board.recognises(name.as_deref(), &manufacturers));
    let by_service = BOARDS.iter().filter(|board| services.contains(&board.service));
    let recognised = by_name().next().is_some();
    let families = match recognised {
        true => by_name().map(|board| board.driver.name).collect(),
        false => by_service.map(|board| board.driver.name).collect(),
    };
    Some(ScannedDevice { address: facts.text("Address")?.to_owned(), name, rssi, connected, families, recognised })
}

/// Scans for low-energy devices for at most `time`, until `found` returns something. A scan that another program has started serves
/// as well.
pub(super) async fn until<T>(
    bluez: &Bluez,
    adapters: &[String],
    time: Duration,
    mut found: impl FnMut(&Objects) -> Option<T>,
) -> Result<Option<T>, BluetoothError> {
    let mut started = Vec::new();
    for adapter in adapters {
        let object = (adapter.as_str(), ADAPTER);
        let filter = HashMap::from([("Transport", Variant::from("le"))]);
        if let Err(error) = bluez.call(object, "SetDiscoveryFilter", &filter).await {
            log::debug!("{adapter}: no filter for the scan: {}", error.text);
        }
        match bluez.call(object, "StartDiscovery", &()).await {
            Ok(_) => started.push(object),
            Err(error) if error.is("InProgress") => log::debug!("{adapter}: another program is scanning"),
            Err(error) => log::info!("{adapter}: cannot scan: {}", error.text),
        }
    }
    let looked = async {
        loop {
            if let Some(found) = found(&bluez.objects().await?) {
                return Ok(found);
            }
            pause(LOOK_INTERVAL).await;
        }
    };
    let result = tokio::time::timeout(time, looked).await;
    for object in started {
        if let Err(error) = bluez.call(object, "StopDiscovery", &()).await {
            log::debug!("{}: the scan was not stopped: {}", object.0, error.text);
        }
    }
    result.ok().transpose()
}
