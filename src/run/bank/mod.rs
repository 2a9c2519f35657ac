//! `bank`: listens to its members on D-Bus and serves them as one battery until stopped.
//!
//! ```text
//! members on D-Bus (peers) ──events──▶ members ──▶ Bank (pure) ──watch──▶ D-Bus service of the bank, inverter over CAN
//! ```
//! The bank is reckoned anew with each event. A limit that falls is published at once, everything else once a second.

mod local;
mod members;
mod pace;
mod seat;

pub(super) use local::{BANK, LocalBank};

use super::RunError;
use super::serving::{Bus, SeatEvent};
use crate::charge;
use crate::config::{Config, Places, Settings};
use crate::house::House;
use crate::runtime::{self, StopSignals, now};
use crate::sink::dbus::{BusAddress, DbusError, Peers};
use crate::units::Moment;
use crate::watchdog::{self, Turns, Watchdog};
use members::Members;
use seat::BankSeat;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the members that are there get to step back and to tell what they know, before the bank goes on the bus.
const GATHERING: Duration = Duration::from_millis(1500);
/// A member that does not step back in this time is not waited for.
const STEPPING_BACK: Duration = Duration::from_secs(5);
/// After so long without a member the owner is told how to name some.
const LOOKING: Duration = Duration::from_secs(10);
/// How long the service may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(1500);
/// Time between two tries to reach a bus that is not required.
const RETRY: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// Serves the bank until a signal comes.
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
    let folder = settings.state_folder.clone().unwrap_or_else(|| Places::here().state);
    let seat = BankSeat::new(settings.clone(), "batteries on D-Bus", &folder, House::default());
    let watchdog = Arc::new(Watchdog::default());
    runtime::start(Arc::clone(&watchdog))?;
    let turns = watchdog.watch("the loop of the bank", watchdog::EVENT_LOOP);
    let mut run = Run { settings, address, seat, turns };
    let mut said = false;
    let ended = loop {
        run.turns.count();
        let Err(error) = run.on_bus(&mut signals).await else { break Ok(()) };
        if run.settings.dbus.required {
            break Err(error.into());
        }
        run.seat.lose_all(now());
        if !std::mem::replace(&mut said, true) {
            log::warn!("{error}; trying again");
        }
        tokio::select! {
            () = runtime::sleep_until(now().at.after(RETRY)) => {}
            signal = signals.recv() => {
                log::info!("stopping: {signal}");
                break Ok(());
            }
        }
    };
    run.leave(if ended.is_ok() { charge::STOPPED } else { charge::ENDED }).await;
    ended
}

/// Everything that outlives a connection to the bus.
struct Run {
    settings: Settings,
    address: BusAddress,
    seat: BankSeat,
    turns: Turns,
}

impl Run {
    /// Serves as long as the bus lasts, or until a signal comes.
    async fn on_bus(&mut self, signals: &mut StopSignals) -> Result<(), DbusError> {
        let name = self.settings.bank.name.clone();
        let mut peers = Peers::listen(&self.address, &name).await?;
        let mut members = Members::new(&self.settings);
        let (tell, mut events) = mpsc::channel(16);
        let bus = Bus { address: self.address.clone(), required: true, settings: None };
        let (started, mut said_alone) = (now().at, false);
        log::info!("bank {name}: looking for its batteries on D-Bus");
        loop {
            self.turns.count();
            let wake = self.seat.due().unwrap_or_else(|| now().at.after(SECOND));
            tokio::select! {
                event = peers.next() => members.take(event?, now().at),
                Some((_, event)) = events.recv() => match event {
                    SeatEvent::Dbus(event) => self.seat.on_event(event),
                    SeatEvent::Ended(error) => return Err(error),
                },
                () = runtime::sleep_until(wake) => {}
                signal = signals.recv() => {
                    log::info!("stopping: {signal}");
                    return Ok(());
                }
            }
            let now = now();
            if self.seat.due().is_none() && !ready(&members, started, now.at) {
                if members.is_empty() && now.at.since(started) >= LOOKING && !std::mem::replace(&mut said_alone, true) {
                    log::warn!("bank {name}: none of its batteries is on D-Bus; set `member_of_bank = true` or `bank.members`");
                }
                continue;
            }
            if !self.seat.step(&members.list(now.at), now) {
                continue;
            }
            self.seat.serve(0, &bus, &tell);
            members.check_instance(self.seat.instance());
            for (member, charge, discharge) in members.news_of_shares(self.seat.shares(), now.at) {
                peers.tell_share(&member, charge, discharge).await?;
            }
            for member in members.due_heartbeat(now.at) {
                peers.tell_alive(&member).await?;
            }
        }
    }

    /// Takes the bank off the bus, with limits at 0 as its last word.
    async fn leave(&mut self, why: &'static str) {
        self.seat.stop(why, now());
        if tokio::time::timeout(GOODBYE, self.seat.left()).await.is_err() {
            log::warn!("D-Bus did not take the goodbye of the bank in time");
        }
        self.seat.keep(true);
    }
}

/// Whether the bank may go on the bus: a member has data, and none publishes limits beside it any more.
fn ready(members: &Members, started: Moment, now: Moment) -> bool {
    let waited = now.since(started);
    let quiet = members.all_stepped_back() || waited >= STEPPING_BACK;
    members.any_fresh(now) && quiet && waited >= GATHERING
}
