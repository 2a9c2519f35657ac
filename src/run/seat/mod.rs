//! One battery's place in `run`: its state, its log and its service.

mod kept;
mod report;
mod service;

pub(super) use kept::{last_hit, remember_hit};

use super::commander::{Commander, Place};
use super::identity::{self, Identity};
use super::inverter::Inverter;
use super::poller::PortOrder;
use crate::bank::Member;
use crate::battery::{Battery, Now};
use crate::commands::{Abilities, Order};
use crate::config::Config;
use crate::house::House;
use crate::link::PollError;
use crate::migrate::heir::Heir;
use crate::model::{Freshness, LinkStats, Outcome, Reading, Snapshot};
use crate::probe::Found;
use crate::runtime;
use crate::sink::can;
use crate::sink::dbus::{LiveValues, service_name};
use crate::soc;
use crate::state::StateFile;
use crate::units::{Moment, Watts};
use crate::view::ReadAt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use kept::Kept;
use report::describe;
use service::connection;

/// One battery of the port.
pub(super) struct Seat {
    label: String,
    identity: Identity,
    battery: Battery,
    /// What the file says, and the port that it says it of.
    config: (Config, String),
    /// What the settings of the GX say on top.
    live: LiveValues,
    file: StateFile,
    state_folder: PathBuf,
    /// The battery as dbus-serialbattery could have told it.
    heir: Heir,
    kept: Kept,
    line: LinkStats,
    freshness: Freshness,
    trouble: Option<Trouble>,
    control: bool,
    /// The bank that it leaves its limits to.
    member_of: Option<String>,
    /// That bank is part of this process, so that nobody has to stand in for it.
    bank_is_here: bool,
    soc: soc::Config,
    /// When time is to pass for this battery if no reading comes.
    due: Moment,
    said_limits: Option<([&'static str; 3], Moment)>,
    said_incomplete: bool,
    custom_name: String,
    connection: String,
    product: &'static str,
    service: String,
    snapshots: Option<watch::Sender<Arc<Snapshot>>>,
    task: Option<JoinHandle<()>>,
    can: can::Config,
    inverter: Option<Inverter>,
    house: House,
    read_at: ReadAt,
    commander: Commander,
}

/// An episode of failed polls.
struct Trouble {
    since: Moment,
    polls: u32,
    said: bool,
}

impl Seat {
    pub(super) fn new(
        config: &Config,
        port: (&str, &std::sync::mpsc::Sender<PortOrder>),
        (several, number): (bool, usize),
        found: &Found,
        state_folder: &Path,
        house: House,
    ) -> Self {
        let (port, orders) = port;
        let driver = found.candidate.driver;
        let identity = identity::identify(port, driver, &found.reading, &identity::lock_folder());
        let settings = config.settings(Some(port), Some(&identity.id));
        let mut file = StateFile::new(state_folder, &identity.id);
        let kept: Kept = file.load().unwrap_or_else(|error| {
            log::warn!("{error}");
            Kept::default()
        });
        let address = several.then_some(found.reading.address).flatten();
        let label = address.map_or_else(|| port.to_owned(), |address| format!("{port} address {address}"));
        log::info!("connected: {} on {label} ({})", describe(&found.reading, driver.label), identity.id);
        let bank_is_here = settings.bank.in_run;
        let able = Abilities::of(found.candidate.protocol().as_ref(), &found.reading);
        let place = Place { port, number, address };
        let commander =
            Commander::new(&label, settings.commands, able, orders.clone(), &place, (state_folder, &identity.id), runtime::now());
        let custom_name = settings.name.clone().or_else(|| kept.custom_name.clone()).unwrap_or_default();
        Self {
            label,
            identity,
            battery: Battery::new(settings.charge.clone(), kept.battery.clone()).with_soc(settings.soc.clone()),
            config: (config.clone(), port.to_owned()),
            live: LiveValues::default(),
            file,
            state_folder: state_folder.to_owned(),
            heir: Heir::new(port, several, &found.reading),
            kept,
            line: LinkStats::default(),
            freshness: Freshness::Fresh,
            trouble: None,
            control: settings.control,
            member_of: (settings.member_of_bank && settings.control).then_some(settings.bank.name),
            bank_is_here,
            soc: settings.soc,
            due: runtime::now().at,
            said_limits: None,
            said_incomplete: false,
            custom_name,
            connection: connection(port),
            product: driver.label,
            service: service_name(port, address),
            snapshots: None,
            task: None,
            can: settings.can,
            inverter: None,
            house,
            read_at: ReadAt::default(),
            commander,
        }
    }

    /// Takes in a reading.
    pub(super) fn read(&mut self, reading: Reading, line: LinkStats, now: Now) {
        self.line += line;
        if let Some(trouble) = self.trouble.take()
            && trouble.said
        {
            let seconds = now.at.since(trouble.since).as_secs();
            log::info!("{} answers again after {seconds} s ({} readings missed)", self.label, trouble.polls);
        }
        self.commander.look(&reading, now);
        self.commander.apply(&mut self.battery, now);
        let snapshot = self.battery.read(reading, self.line, now);
        self.publish(snapshot, now);
    }

    /// Notes that a poll failed; the age of the data does the rest.
    pub(super) fn missed(&mut self, error: &PollError, line: LinkStats, now: Now) {
        self.line += line;
        let trouble = self.trouble.get_or_insert(Trouble { since: now.at, polls: 0, said: false });
        trouble.polls += 1;
        // One lost reading is no news; the second in a row is, once.
        if trouble.polls == 2 && !trouble.said {
            trouble.said = true;
            log::warn!("{}: {error}", self.label);
        }
    }

    /// Notes that the port itself failed, which has been said for all its batteries.
    pub(super) fn port_trouble(&mut self, now: Now) {
        let trouble = self.trouble.get_or_insert(Trouble { since: now.at, polls: 0, said: true });
        trouble.polls += 1;
        trouble.said = true;
        self.commander.broken_off(now);
    }

    /// When [`tick`](Self::tick) is to be called if no reading comes before.
    pub(super) fn due(&self) -> Moment {
        self.due
    }

    /// Takes in the power at the grid connection.
    pub(super) fn grid_power(&mut self, power: Watts, now: Now) {
        self.battery.grid_power(power, now.at);
    }

    /// Lets time pass without a reading.
    pub(super) fn tick(&mut self, now: Now) {
        self.commander.apply(&mut self.battery, now);
        let snapshot = self.battery.tick(self.line, now);
        self.publish(snapshot, now);
    }

    /// Takes in what somebody wants of the battery.
    pub(super) fn order(&mut self, order: Order, now: Now) {
        self.commander.order(order, &mut self.battery, now);
        // A limit for a while counts at once.
        self.tick(now);
    }

    /// The port says what became of a command.
    pub(super) fn obeyed(&mut self, outcome: Outcome, now: Now) {
        self.commander.obeyed(outcome, now);
    }

    /// What a command that was broken off may have left is put right.
    pub(super) fn tidied(&mut self, now: Now) {
        self.commander.tidied(now);
    }

    fn publish(&mut self, mut snapshot: Snapshot, now: Now) {
        self.commander.complete(&mut snapshot, now);
        self.due = self.battery.next_tick(now.at);
        for notice in self.battery.take_notices() {
            log::info!("{}: {notice}", self.label);
        }
        self.report_freshness(snapshot.freshness);
        self.report_limits(&snapshot, now.at);
        self.keep(now, false);
        self.read_at.take(&snapshot, now.at);
        if self.snapshots.is_some() || snapshot.reading.is_complete() {
            self.tell_house(&snapshot, now.at);
        }
        if let Some(snapshots) = &self.snapshots {
            snapshots.send_replace(Arc::new(snapshot));
        } else if snapshot.reading.is_complete() {
            self.snapshots = Some(watch::Sender::new(Arc::new(snapshot)));
        } else if !std::mem::replace(&mut self.said_incomplete, true) {
            log::warn!(
                "{}: not on D-Bus before a reading has voltage, current, state of charge and all cells; `dbus-bms read` shows what is missing",
                self.label
            );
        }
    }

    /// As a member of the bank; `None` if it is none.
    pub(super) fn as_member(&self) -> Option<Member> {
        self.member_of.as_ref()?;
        let name = if self.custom_name.trim().is_empty() { &self.label } else { &self.custom_name };
        let snapshot = self.snapshots.as_ref().map(|snapshots| snapshots.borrow().clone());
        let member = snapshot.map(|snapshot| Member::local(&self.identity.id, snapshot));
        let unknown = Member { snapshot: None, ..Member::default() };
        Some(Member { name: self.identity.id.clone(), label: name.clone(), ..member.unwrap_or(unknown) })
    }

    /// Saves what is to survive a restart, if it is time for that.
    pub(super) fn keep(&mut self, now: Now, at_once: bool) {
        self.kept.battery = self.battery.saved();
        let result = if at_once {
            self.file.save(&self.kept, now.at)
        } else {
            self.file.save_if_due(&self.kept, self.battery.counted_soc(), now.at)
        };
        if let Err(error) = result {
            log::warn!("{error}");
        }
    }

    /// Limits off, values unknown: the last that the bus hears.
    pub(super) fn stop(&mut self, why: &'static str, now: Now) {
        let last = self.battery.stop(why, now);
        self.tell_house(&last, now.at);
        if let Some(snapshots) = self.snapshots.take() {
            snapshots.send_replace(Arc::new(last));
        }
    }
}
