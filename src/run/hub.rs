//! `hub`: one process that shows the batteries of all others. On a GX each serial port has a process of its own, and the page, MQTT
//! and Domoticz are to show all of them.
//!
//! ```text
//! batteries and banks on D-Bus ──asked once a second──▶ House ──▶ sinks
//! ```
//! A battery that leaves the bus leaves the house; one that does not answer ages here as it would at home. Other drivers'
//! batteries are left alone.

use super::{RunError, sinks};
use crate::charge;
use crate::commands::{Door, Order};
use crate::config::{Config, Places, Settings};
use crate::house::House;
use crate::model::{Freshness, Outcome};
use crate::runtime::{self, StopSignals, now};
use crate::sink::dbus::{self, BusAddress, BusReader, DbusError, Told};
use crate::units::Moment;
use crate::view::View;
use crate::watchdog::{self, Watchdog};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Between two questions to a battery.
const SECOND: Duration = Duration::from_secs(1);
/// Between two questions to a battery of another driver: its port may come to us.
const FOREIGN: Duration = Duration::from_secs(20);
/// Between two looks who is there.
const LOOK: Duration = Duration::from_secs(2);
/// Between two tries to reach the bus.
const RETRY: Duration = Duration::from_secs(5);

/// Serves until a signal comes; ends at once when no sink is set.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: &Config) -> Result<(), RunError> {
    let settings = config.settings(None, None);
    if !sinks::any(&settings) {
        log::info!("nothing to serve: set `web.enabled`, `mqtt.enabled` or `domoticz.url`");
        return Ok(());
    }
    runtime::block_on(serve(config, settings))?
}

async fn serve(config: &Config, settings: Settings) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let address = BusAddress::from_env(settings.dbus.bus.as_deref())?;
    let folder = settings.state_folder.clone().unwrap_or_else(|| Places::here().state);
    let house = House::default();
    let sinks = sinks::start(config, &house, &folder);
    let silence = settings.charge.silence;
    let following = async {
        let mut said = false;
        loop {
            let error = match BusReader::connect(&address).await {
                Ok(bus) => {
                    said = false;
                    let error = follow_all(&bus, &address, &house, silence).await;
                    house.clear();
                    error
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut said, true) {
                log::warn!("{error}; trying again");
            }
            runtime::sleep_until(now().at.after(RETRY)).await;
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
    sinks.leave().await;
    Ok(())
}

/// Follows whoever is there until the bus is lost.
async fn follow_all(bus: &BusReader, address: &BusAddress, house: &House, silence: charge::Silence) -> DbusError {
    let mut followed: BTreeMap<String, Following> = BTreeMap::new();
    loop {
        let Some(names) = bus.services(&format!("{}*", crate::sink::dbus::BATTERY_PREFIX)).await else {
            return DbusError::Lost("it does not say who is there".to_owned());
        };
        // One that left is looked at anew when it is back: it may be another driver's then.
        followed.retain(|name, _| names.contains(name));
        for name in names {
            if !followed.contains_key(&name) {
                let door = door(address.clone(), name.clone());
                let following = tokio::spawn(follow(bus.clone(), name.clone(), house.clone(), silence, door));
                followed.extend([(name, Following(following))]);
            }
        }
        runtime::sleep_until(now().at.after(LOOK)).await;
    }
}

/// The way to a battery of another process; one wish after the other.
fn door(bus: BusAddress, service: String) -> Door {
    let (orders, mut ordered) = mpsc::channel::<(usize, Order)>(4);
    tokio::spawn(async move {
        while let Some((_, Order { wish, answer, .. })) = ordered.recv().await {
            let outcome = match dbus::ask(&bus, &service, wish).await {
                Ok((code, text)) => Outcome::told(code, &text),
                Err(error) => {
                    log::warn!("{error}");
                    Outcome::Unreachable
                }
            };
            // Who asked may have given up.
            let _ = answer.send(outcome);
        }
    });
    Door::new(0, orders)
}

/// The task that follows one battery; it ends with this value.
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a battery told last.
struct Last {
    view: View,
    at: Moment,
}

/// Asks one battery again and again, for ever.
async fn follow(bus: BusReader, name: String, house: House, silence: charge::Silence, door: Door) {
    let mut last: Option<Last> = None;
    // However this ends, the battery leaves the house.
    let mut lodger = Lodger { house, id: None };
    loop {
        let asked_at = now().at;
        match bus.view(&name).await {
            Ok(Told::View(view)) => {
                if lodger.id.as_ref() != Some(&view.id) {
                    lodger.leave();
                    log::info!("{name} is shown as {}", view.id);
                    lodger.id = Some(view.id.clone());
                    lodger.house.open_door(view.id.clone(), door.clone());
                }
                if last.as_ref().is_none_or(|last| last.view != *view) {
                    lodger.house.put(View::clone(&view));
                }
                last = Some(Last { view: *view, at: asked_at });
            }
            Ok(Told::Nothing) => {
                if let Some(last) = &last {
                    age(last, &lodger.house, silence, now().at);
                }
            }
            // The name may be back before anybody has seen that it was gone, and be another's then.
            Ok(Told::Gone) | Err(_) => {
                lodger.leave();
                last = None;
            }
            Ok(Told::Foreign) => {
                lodger.leave();
                last = None;
                runtime::sleep_until(asked_at.after(FOREIGN)).await;
            }
        }
        runtime::sleep_until(asked_at.after(SECOND)).await;
    }
}

/// Shows a battery that does not answer by the age of what it said last.
fn age(last: &Last, house: &House, silence: charge::Silence, now: Moment) {
    let told = Duration::try_from_secs_f64(last.view.age_s.unwrap_or(0.0)).unwrap_or_default();
    let age = told.saturating_add(now.since(last.at));
    match silence.stage(age, Duration::ZERO) {
        Freshness::Fresh => {}
        stage => house.put(last.view.silenced(stage, Some(age))),
    }
}

/// A battery's place in the house.
struct Lodger {
    house: House,
    id: Option<String>,
}

impl Lodger {
    fn leave(&mut self) {
        if let Some(id) = self.id.take() {
            self.house.leave(&id);
        }
    }
}

impl Drop for Lodger {
    fn drop(&mut self) {
        self.leave();
    }
}
