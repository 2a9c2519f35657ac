//! `bank`: reads its members from D-Bus and serves them as one battery until stopped.
//!
//! ```text
//! members on D-Bus (dbus::client) ──events──▶ members ──▶ Bank (pure) ──watch──▶ D-Bus service of the bank, inverter over CAN
//! ```
//! The bank is recomputed with each event. A falling limit is published at once, everything else once a second.

mod local;
mod members;
mod publish_throttle;
mod task;

pub(super) use local::{LocalBank, claim};

use super::RunError;
use super::dbus_supervisor::{Bus, ServiceEvent};
use crate::base::episode::Once;
use crate::base::runtime::{self, StopSignals, now};
use crate::base::units::Moment;
use crate::base::watchdog::{self, Turns, Watchdog};
use crate::battery::charge;
use crate::config::{Config, Paths, Settings};
use crate::dbus::{BusAddress, DbusError, RemoteBatteries};
use crate::output::registry::BatteryRegistry;
use members::Members;
use std::sync::Arc;
use std::time::Duration;
use task::BankTask;
use tokio::sync::mpsc;

/// Time for the present members to withdraw their limits and send their data, before the bank goes on the bus.
const GATHERING_TIME: Duration = Duration::from_millis(1500);
/// Maximum wait for a member to withdraw its limits.
const STEP_BACK_TIMEOUT: Duration = Duration::from_secs(5);
/// After this time without a member the log explains how to name some.
const NO_MEMBER_WARNING_AFTER: Duration = Duration::from_secs(10);
/// Time limit for the service to leave the bus.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1500);
/// Retry interval for a bus that is not required.
const RECONNECT_INTERVAL: Duration = Duration::from_secs(5);
const STEP_INTERVAL: Duration = Duration::from_secs(1);

/// Serves the bank until a signal.
///
/// # Errors
/// [`RunError`]; the program's exit code follows from it.
pub fn run(config: &Config) -> Result<(), RunError> {
    let settings = config.settings(None, None);
    runtime::block_on(serve(settings))?
}

async fn serve(settings: Settings) -> Result<(), RunError> {
    let mut signals = StopSignals::new()?;
    let address = BusAddress::from_env(settings.dbus.bus.as_deref())?;
    let folder = settings.state_folder.clone().unwrap_or_else(|| Paths::detect().state);
    let task = BankTask::new(settings.clone(), "batteries on D-Bus", &folder, BatteryRegistry::default());
    let watchdog = Arc::new(Watchdog::default());
    runtime::start(Arc::clone(&watchdog))?;
    let turns = watchdog.watch("the loop of the bank", watchdog::EVENT_LOOP);
    let mut run = Run { settings, address, task, turns };
    let mut logged = Once::default();
    let ended = loop {
        run.turns.count();
        let Err(error) = run.on_bus(&mut signals).await else { break Ok(()) };
        if run.settings.dbus.required {
            break Err(error.into());
        }
        run.task.lose_all(now());
        if logged.first() {
            log::warn!("{error}; retrying");
        }
        tokio::select! {
            () = runtime::sleep_until(now().at.after(RECONNECT_INTERVAL)) => {}
            signal = signals.recv() => {
                log::info!("stopping: {signal}");
                break Ok(());
            }
        }
    };
    run.shut_down(if ended.is_ok() { charge::STOPPED } else { charge::ENDED }).await;
    ended
}

/// Everything that outlives a connection to the bus.
struct Run {
    settings: Settings,
    address: BusAddress,
    task: BankTask,
    turns: Turns,
}

impl Run {
    /// Serves until the bus is lost, or until a signal.
    async fn on_bus(&mut self, signals: &mut StopSignals) -> Result<(), DbusError> {
        let name = self.settings.bank.name.clone();
        let mut peers = RemoteBatteries::listen(&self.address, &name).await?;
        let mut members = Members::new(&self.settings);
        let (event_sender, mut events) = mpsc::channel(16);
        let bus = Bus { address: self.address.clone(), required: true, settings: None };
        let (started, mut logged_alone) = (now().at, Once::default());
        log::info!("bank {name}: looking for its batteries on D-Bus");
        loop {
            self.turns.count();
            let wake = self.task.due().unwrap_or_else(|| now().at.after(STEP_INTERVAL));
            tokio::select! {
                event = peers.next() => members.handle(event?, now().at),
                Some((_, event)) = events.recv() => match event {
                    ServiceEvent::Dbus(event) => self.task.on_event(event),
                    ServiceEvent::Ended(error) => return Err(error),
                },
                () = runtime::sleep_until(wake) => {}
                signal = signals.recv() => {
                    log::info!("stopping: {signal}");
                    return Ok(());
                }
            }
            let now = now();
            let complete =
                ready(&members, started, now.at) && !self.task.awaits_members(|name| members.is_fresh(name, now.at), now);
            if self.task.due().is_none() && !complete {
                if members.is_empty() && now.at.since(started) >= NO_MEMBER_WARNING_AFTER && logged_alone.first() {
                    log::warn!("bank {name}: none of its batteries are on D-Bus; set `member_of_bank = true` or `bank.members`");
                }
                continue;
            }
            if !self.task.step(&members.list(now.at), now) {
                continue;
            }
            self.task.serve(&bus, &event_sender);
            members.check_instance(self.task.instance());
            for (member, currents) in members.changed_shares(self.task.shares(), now.at) {
                peers.send_share(&member, currents).await?;
            }
            for member in members.due_heartbeat(now.at) {
                peers.send_heartbeat(&member).await?;
            }
        }
    }

    /// Takes the bank off the bus, with the last values of [`BankTask::stop`].
    async fn shut_down(&mut self, why: &'static str) {
        self.task.stop(why, now());
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.task.finished()).await.is_err() {
            log::warn!("D-Bus did not release the bank's name in time");
        }
        self.task.save_state(true);
    }
}

/// Whether the bank may go on the bus: a member has data, and none publishes limits beside it any more.
fn ready(members: &Members, started: Moment, now: Moment) -> bool {
    let waited = now.since(started);
    let quiet = members.all_stepped_back() || waited >= STEP_BACK_TIMEOUT;
    members.any_fresh(now) && quiet && waited >= GATHERING_TIME
}
