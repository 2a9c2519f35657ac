//! Schneider's Xanbus, listened to on a CAN interface: devices of the house from what they tell each other. Nothing is sent.

use crate::base::episode::Episode;
use crate::base::runtime::{self, SystemClock, now};
use crate::base::stop::Stop;
use crate::base::time::Clock;
use crate::bms::can::Record;
use crate::conext::device_id;
use crate::conext::xanbus::{Heard, Network, TIMEOUT};
use crate::config::Settings;
use crate::link::{self, PortOptions};
use crate::model::DeviceInfo;
use crate::output::devices::DeviceHandle;
use crate::output::registry::BatteryRegistry;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Interval of publishing.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// Retry interval of the interface.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Longest wait for frames, so that the end of the task is noticed.
const WAIT: Duration = Duration::from_secs(1);
/// Frames taken at once.
const BATCH: usize = 32;

/// Starts listening, if an interface is configured.
pub(super) fn start(settings: &Settings, registry: &BatteryRegistry, stop: Stop) -> Option<JoinHandle<()>> {
    let interface = settings.conext.can.clone()?;
    let (sender, frames) = mpsc::channel(16);
    let name = format!("can://{interface}");
    if let Err(error) = runtime::spawn("xanbus", move || listen(&name, &sender)) {
        log::error!("Xanbus: cannot start a thread: {error}; restart the driver");
        return None;
    }
    let with_modbus = settings.conext.host.is_some();
    let bus = Bus { interface, with_modbus, registry: registry.clone(), network: Network::default(), handles: BTreeMap::new() };
    Some(tokio::spawn(bus.run(frames, stop)))
}

/// Receives frames until nobody takes them any more.
fn listen(name: &str, frames: &mpsc::Sender<Vec<Record>>) {
    let mut failures: Episode<String> = Episode::default();
    while !frames.is_closed() {
        let error = match link::open(name, &PortOptions::default()) {
            Ok(mut port) => {
                let mut bytes = [0; BATCH * Record::LEN];
                loop {
                    match port.receive(&mut bytes, WAIT) {
                        Ok(length) => {
                            let heard = bytes.get(..length).unwrap_or_default();
                            let records: Vec<Record> =
                                heard.as_chunks::<{ Record::LEN }>().0.iter().filter_map(|bytes| Record::parse(bytes)).collect();
                            if !records.is_empty() && failures.ended(SystemClock.now()).is_some_and(|ended| ended.logged) {
                                log::info!("Xanbus: {name} is heard again");
                            }
                            if frames.is_closed() || (!records.is_empty() && frames.blocking_send(records).is_err()) {
                                return;
                            }
                        }
                        Err(error) => break error.to_string(),
                    }
                }
            }
            Err(error) => error.to_string(),
        };
        failures.failed(SystemClock.now());
        if failures.is_news(error.clone()) {
            log::warn!("Xanbus: {error}; retrying. Check that the interface runs at 250 kbit/s");
        }
        SystemClock.sleep(RETRY_INTERVAL);
    }
}

struct Bus {
    interface: String,
    /// The same devices are read over Modbus TCP, too, and have the ids by serial number there.
    with_modbus: bool,
    registry: BatteryRegistry,
    network: Network,
    /// By source address, with the id under which it is shown.
    handles: BTreeMap<u8, (String, DeviceHandle)>,
}

impl Bus {
    async fn run(mut self, mut frames: mpsc::Receiver<Vec<Record>>, mut stop: Stop) {
        let mut due = now().at.after(PUBLISH_INTERVAL);
        loop {
            tokio::select! {
                heard = frames.recv() => match heard {
                    Some(records) => {
                        let at = now().at;
                        records.iter().for_each(|record| self.network.take(record, at));
                    }
                    None => return,
                },
                () = runtime::sleep_until(due) => {}
                () = stop.asked() => return,
            }
            if now().at >= due {
                due = now().at.after(PUBLISH_INTERVAL);
                self.publish();
            }
        }
    }

    fn publish(&mut self) {
        let at = now().at;
        for device in self.network.devices(at) {
            let id = self.id(&device);
            if self.handles.get(&device.source).is_none_or(|(shown, _)| *shown != id) {
                let info = DeviceInfo {
                    id: id.clone(),
                    kind: device.family.kind(),
                    name: format!("{} (Xanbus {:02X})", device.family.name(), device.source),
                    connection: format!("Xanbus on {}, address {:02X}", self.interface, device.source),
                    timeout: TIMEOUT,
                };
                log::info!("Xanbus: {} is shown as {id}", info.name);
                self.handles.insert(device.source, (id, self.registry.devices().add(info)));
            }
            if let Some((_, handle)) = self.handles.get(&device.source).filter(|_| !device.values.is_empty()) {
                handle.publish(device.values, at);
            }
        }
    }

    fn id(&self, device: &Heard) -> String {
        match device.serial.as_deref().filter(|_| !self.with_modbus) {
            Some(serial) => device_id(device.family, Some(serial), 0),
            None => device_id(device.family, Some(&format!("{}x{:02x}", self.interface, device.source)), 0),
        }
    }
}
