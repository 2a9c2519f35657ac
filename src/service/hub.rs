//! `hub`: one process that shows the batteries of all others. On a GX each serial port has a process of its own, but dashboard,
//! MQTT and Domoticz have to show all of them.
//!
//! ```text
//! batteries and banks on D-Bus ──read once a second──▶ BatteryRegistry ──▶ outputs
//! ```
//! A battery that leaves the bus leaves the registry; the data of one that does not answer ages here as in its own process. The
//! batteries of other drivers are ignored.

use super::{RunError, grid_power, outputs, partner};
use crate::base::episode::Once;
use crate::base::runtime::{self, StopSignals, now};
use crate::base::units::Moment;
use crate::base::watchdog::{self, Watchdog};
use crate::battery::charge;
use crate::config::{Config, Paths, Settings};
use crate::control::{CommandHandle, PendingRequest};
use crate::dbus::{self, BUS_POLICY, BusAddress, BusReader, DbusError, ViewReply};
use crate::model::{Freshness, Outcome};
use crate::output::api::View;
use crate::output::registry::BatteryRegistry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Read interval of a battery.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Check interval of a battery of another driver: this driver may take over its port.
const FOREIGN_POLL_INTERVAL: Duration = Duration::from_secs(20);
/// Scan interval of the services on the bus.
const SCAN_INTERVAL: Duration = Duration::from_secs(2);
/// Retry interval of the bus.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);

/// Serves until a signal; returns at once if no output is configured.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: &Config) -> Result<(), RunError> {
    let settings = config.settings(None, None);
    if !outputs::any(&settings) {
        log::info!(
            "nothing to serve: set `web.enabled`, `mqtt.enabled`, `domoticz.url`, `conext.host`, `conext.can` or a relay of [generator]"
        );
        return Ok(());
    }
    runtime::block_on(serve(config, settings))?
}

async fn serve(config: &Config, settings: Settings) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let address = BusAddress::from_env(settings.dbus.bus.as_deref())?;
    let folder = settings.state_folder.clone().unwrap_or_else(|| Paths::detect().state);
    let registry = BatteryRegistry::default();
    let outputs = outputs::start(config, &registry, &folder, "hub");
    // Only shown here: the rules are those of the batteries' processes. The sources end when these are dropped.
    let _grid = grid_power::listen(&settings, &address, registry.devices());
    let _partner = partner::listen(&settings, &address, registry.devices(), true);
    let silence = settings.charge.silence;
    let following = async {
        let mut logged = Once::default();
        loop {
            let error = match BusReader::connect(&address).await {
                Ok(bus) => {
                    logged.reset();
                    let error = follow_all(&bus, &address, &registry, silence).await;
                    registry.clear();
                    error
                }
                Err(error) => error,
            };
            if logged.first() {
                log::warn!("{error}; retrying");
            }
            runtime::sleep_until(now().at.after(RECONNECT_INTERVAL)).await;
        }
    };
    let watchdog = Arc::new(Watchdog::default());
    runtime::start(Arc::clone(&watchdog))?;
    let turns = watchdog.watch("the loop of the hub", watchdog::EVENT_LOOP);
    let turning = async {
        loop {
            turns.count();
            runtime::sleep_until(now().at.after(watchdog::TICK)).await;
        }
    };
    tokio::select! {
        () = following => {}
        () = turning => {}
        signal = signals.recv() => log::info!("stopping: {signal}"),
    }
    outputs.shut_down().await;
    Ok(())
}

/// Follows all batteries until the bus is lost.
async fn follow_all(bus: &BusReader, address: &BusAddress, registry: &BatteryRegistry, silence: charge::Silence) -> DbusError {
    let mut followed: BTreeMap<String, Following> = BTreeMap::new();
    loop {
        let Some(names) = bus.services(&format!("{}*", crate::dbus::BATTERY_PREFIX)).await else {
            return DbusError::Lost("it does not say who is there".to_owned());
        };
        // A name that left is checked again when it is back: it may belong to another driver then.
        followed.retain(|name, _| names.contains(name));
        for name in names {
            if !followed.contains_key(&name) {
                let handle = handle(address.clone(), name.clone());
                let following = tokio::spawn(follow(bus.clone(), name.clone(), registry.clone(), silence, handle));
                followed.extend([(name, Following(following))]);
            }
        }
        runtime::sleep_until(now().at.after(SCAN_INTERVAL)).await;
    }
}

/// Sends requests to a battery of another process; one after the other.
fn handle(bus: BusAddress, service: String) -> CommandHandle {
    let (requests, mut received) = mpsc::channel::<(usize, PendingRequest)>(4);
    tokio::spawn(async move {
        while let Some((_, PendingRequest { request, answer, .. })) = received.recv().await {
            let reply = match dbus::ask(&bus, &service, request).await {
                Ok(reply) => reply,
                Err(error) => {
                    log::warn!("{error}");
                    Outcome::Unreachable.into()
                }
            };
            // The requester may have given up.
            let _ = answer.send(reply);
        }
    });
    CommandHandle::new(0, requests)
}

/// The task that follows one battery; it ends with this value.
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Last known state of a battery.
struct Last {
    view: View,
    at: Moment,
}

/// Reads one battery forever.
async fn follow(bus: BusReader, name: String, registry: BatteryRegistry, silence: charge::Silence, handle: CommandHandle) {
    let (mut last, mut was_denied): (Option<Last>, bool) = (None, false);
    // The battery is removed however this ends.
    let mut registration = Registration { registry, id: None };
    loop {
        let asked_at = now().at;
        match bus.view(&name).await {
            Ok(ViewReply::View(view)) => {
                if registration.id.as_ref() != Some(&view.identity.id) {
                    registration.end();
                    log::info!("{name} is shown as {}", view.identity.id);
                    registration.id = Some(view.identity.id.clone());
                    registration.registry.register_handle(view.identity.id.clone(), handle.clone());
                }
                if last.as_ref().is_none_or(|last| last.view != *view) {
                    registration.registry.publish(View::clone(&view));
                }
                last = Some(Last { view: *view, at: asked_at });
            }
            Ok(ViewReply::NoAnswer) => {
                if let Some(last) = &last {
                    age(last, &registration.registry, silence, now().at);
                }
            }
            // The name may be back before its loss was noticed, and belong to another battery.
            Ok(ViewReply::Gone) | Err(_) => {
                registration.end();
                last = None;
            }
            Ok(reply @ (ViewReply::Foreign | ViewReply::Denied)) => {
                let is_denied = matches!(reply, ViewReply::Denied);
                if is_denied && !std::mem::replace(&mut was_denied, is_denied) {
                    log::warn!("{name} is not shown: the bus refuses to let this program ask it; install {BUS_POLICY}");
                }
                registration.end();
                last = None;
                runtime::sleep_until(asked_at.after(FOREIGN_POLL_INTERVAL)).await;
            }
        }
        runtime::sleep_until(asked_at.after(POLL_INTERVAL)).await;
    }
}

/// Ages the last data of a battery that does not answer.
fn age(last: &Last, registry: &BatteryRegistry, silence: charge::Silence, now: Moment) {
    let age_then = Duration::try_from_secs_f64(last.view.state.age_s.unwrap_or(0.0)).unwrap_or_default();
    let age = age_then.saturating_add(now.since(last.at));
    match silence.stage(age, Duration::ZERO) {
        Freshness::Fresh => {}
        stage => registry.publish(last.view.silenced(stage, Some(age))),
    }
}

/// A battery in the registry; dropping it removes the battery.
struct Registration {
    registry: BatteryRegistry,
    id: Option<String>,
}

impl Registration {
    fn end(&mut self) {
        if let Some(id) = self.id.take() {
            self.registry.remove(&id);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.end();
    }
}
