//! One battery's place in `run`: its state, its log and its service.

use super::commander::{Commander, Place};
use super::identity::{self, Identity};
use super::inverter::{Inverter, Limits};
use super::live;
use super::poller::PortOrder;
use super::serving::{Bus, SeatEvent, keep_serving};
use crate::bank::Member;
use crate::battery::{Battery, Now, Saved};
use crate::bms::{DRIVERS, Line};
use crate::commands::{Abilities, Door, Order};
use crate::config::Config;
use crate::house::House;
use crate::link::PollError;
use crate::migrate::heir::Heir;
use crate::model::{Freshness, LinkStats, Outcome, Reading, Snapshot};
use crate::probe::{Candidate, Found};
use crate::runtime;
use crate::sink::can;
use crate::sink::dbus::{self, Context, DeviceId, Inheritance, LiveValues, service_name};
use crate::soc;
use crate::state::StateFile;
use crate::units::{Moment, Watts};
use crate::view::{About, ReadAt, View, bank_id};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Least time between two lines about who sets the limits.
const LIMITS_PAUSE: Duration = Duration::from_secs(60);

/// What is kept of a battery over restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(flatten)]
    battery: Saved,
    /// DeviceInstance the last time.
    instance: Option<u16>,
    /// The owner's name for it.
    custom_name: Option<String>,
}

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

    /// Lets the other sinks see the battery.
    fn tell_house(&self, snapshot: &Snapshot, now: Moment) {
        if self.house.is_watched() {
            let about = About {
                id: DeviceId::new(&self.identity.id).to_string(),
                custom_name: self.custom_name.clone(),
                service: Some(self.service.clone()),
                connection: self.connection.clone(),
                product: format!("{} BMS", self.product),
                instance: self.kept.instance,
                bank: self.member_of.as_deref().map(bank_id),
                control: self.control,
                commands: self.commander.offers(),
            };
            self.house.put(View::new(
                &about,
                snapshot,
                self.read_at.age(now),
                self.inverter.as_ref().map(|inverter| inverter.reporter().view()),
            ));
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

    fn report_freshness(&mut self, freshness: Freshness) {
        if freshness == self.freshness {
            return;
        }
        match freshness {
            Freshness::Fresh => log::info!("{}: data is fresh again, limits return slowly", self.label),
            Freshness::Stale => log::warn!(
                "{}: no data from the BMS; values are unknown now and charging fades out. Check cable and BMS",
                self.label
            ),
            Freshness::Silent => log::warn!("{}: still no data; cable warning, discharging is cut down", self.label),
            Freshness::Lost => {
                log::error!("{}: battery lost; cable alarm, no charging, no discharging. Check cable and BMS", self.label)
            }
        }
        self.freshness = freshness;
    }

    /// A line whenever another rule sets a limit; when only observing, this is where the limits can be seen.
    fn report_limits(&mut self, snapshot: &Snapshot, now: Moment) {
        let limits = &snapshot.limits;
        let why = [limits.cvl.why, limits.ccl.why, limits.dcl.why];
        // Two rules that are close take turns with every reading.
        if self.said_limits.is_some_and(|(said, at)| said == why || now.since(at) < LIMITS_PAUSE) {
            return;
        }
        self.said_limits = Some((why, now));
        let level = if self.control { log::Level::Debug } else { log::Level::Info };
        let would = if self.control { "" } else { "would be " };
        log::log!(
            level,
            "{}: limits {would}CVL {:.2} ({}), CCL {:.1} ({}), DCL {:.1} ({})",
            self.label,
            limits.cvl.value,
            limits.cvl.why,
            limits.ccl.value,
            limits.ccl.why,
            limits.dcl.value,
            limits.dcl.why
        );
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

    /// Starts the battery's service as soon as there is a complete reading to show.
    pub(super) fn serve(
        &mut self,
        number: usize,
        bus: &Bus,
        tell: &mpsc::Sender<(usize, SeatEvent)>,
        orders: &mpsc::Sender<(usize, Order)>,
        shown: &mut impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
    ) {
        if self.task.is_some() {
            return;
        }
        let Some(snapshots) = &self.snapshots else { return };
        shown(&self.label, snapshots.subscribe());
        let limits = match (self.control, &self.member_of) {
            (false, _) => Limits::Observed,
            (true, Some(_)) => Limits::OfAPart,
            (true, None) => Limits::OfAll,
        };
        self.inverter = Inverter::start(&self.label, &self.can, limits, snapshots.subscribe());
        let door = Door::new(number, orders.clone());
        self.house.open_door(DeviceId::new(&self.identity.id).to_string(), door.clone());
        let (receiver, service) = (snapshots.subscribe(), self.service_on_bus(door));
        self.task = Some(tokio::spawn(keep_serving(bus.clone(), service, receiver, number, tell.clone())));
    }

    fn service_on_bus(&self, door: Door) -> dbus::Battery {
        let reading = self.battery.reading();
        dbus::Battery {
            live: true,
            name: self.service.clone(),
            device: DeviceId::new(&self.identity.id),
            remembered: self.kept.instance,
            inheritance: Some(Inheritance { heir: self.heir.clone(), folder: self.state_folder.clone() }),
            door: Some(door),
            can: self.inverter.as_ref().map(|inverter| inverter.reporter().clone()),
            context: Context {
                process_name: env!("CARGO_PKG_NAME").to_owned(),
                process_version: env!("CARGO_PKG_VERSION").to_owned(),
                connection: self.connection.clone(),
                product_name: format!("{} BMS", self.product),
                manufacturer: Some(self.product.to_owned()),
                family: Some(self.product.to_owned()),
                serial: reading.serial_number.clone().or_else(|| Some(self.identity.id.clone())),
                custom_name: self.custom_name.clone(),
                device_instance: self.kept.instance.unwrap_or(1),
                control: self.control && !(self.bank_is_here && self.member_of.is_some()),
                cells: reading.cells.len(),
                own_soc: self.soc.is_own(),
                counted_soc: self.soc.source == soc::Source::Counted,
                soc_levels: self.soc.levels.clone(),
                member_of: self.member_of.clone().filter(|_| !self.bank_is_here),
                commands: self.commander.offers(),
                ..Context::default()
            },
        }
    }

    /// What the service said.
    pub(super) fn on_event(&mut self, event: SeatEvent, now: Now) {
        match event {
            SeatEvent::Dbus(dbus::Event::Registered(instance)) => self.kept.instance = Some(instance),
            SeatEvent::Dbus(dbus::Event::CustomName(name)) => {
                self.custom_name.clone_from(&name);
                self.kept.custom_name = Some(name);
            }
            SeatEvent::Dbus(dbus::Event::ClearHistory) => {
                log::info!("{}: history cleared, as asked over D-Bus", self.label);
                self.battery.clear_history();
            }
            SeatEvent::Dbus(dbus::Event::Counters(counters)) => self.battery.add_counters(&counters),
            SeatEvent::Dbus(dbus::Event::Live(values)) => return self.take_live(values, now),
            SeatEvent::Ended(_) => return,
        }
        self.keep(now, true);
    }

    /// Goes on with what the owner has set on the GX.
    fn take_live(&mut self, values: LiveValues, now: Now) {
        if self.live == values {
            return;
        }
        self.live = values;
        let (file, port) = &self.config;
        let (settings, differing) = live::in_force(file, port, &self.identity.id, &values);
        for setting in &differing {
            let level = if setting.refused.is_none() { log::Level::Info } else { log::Level::Warn };
            log::log!(level, "{}: {}; {}", self.label, setting.text(), setting.remedy());
        }
        if differing.is_empty() {
            log::info!("{}: the settings are those of the configuration", self.label);
        }
        self.commander.show_gx(differing);
        self.soc = settings.soc.clone();
        self.battery.reconfigure(settings.charge.clone(), settings.soc);
        self.tick(now);
    }

    /// Limits off, values unknown: the last that the bus hears.
    pub(super) fn stop(&mut self, why: &'static str, now: Now) {
        let last = self.battery.stop(why, now);
        self.tell_house(&last, now.at);
        if let Some(snapshots) = self.snapshots.take() {
            snapshots.send_replace(Arc::new(last));
        }
    }

    /// Waits until the service has left the bus, and the inverter was told.
    pub(super) async fn left(&mut self) {
        if let Some(inverter) = &mut self.inverter {
            inverter.left().await;
        }
        if let Some(task) = &mut self.task
            && let Err(error) = task.await
        {
            log::error!("{}: the D-Bus service broke down: {error}", self.label);
        }
    }
}

/// `Serial ttyUSB0`, `TCP 10.0.0.5:23`.
fn connection(port: &str) -> String {
    match port.strip_prefix("tcp://") {
        Some(server) => format!("TCP {server}"),
        None => format!("Serial {}", port.rsplit('/').next().unwrap_or(port)),
    }
}

/// `LLT / JBD JBD-SP04S034, 4 cells, 280 Ah`.
fn describe(reading: &Reading, label: &str) -> String {
    let model = reading.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
    let capacity = reading.capacity.map(|capacity| format!(", {capacity}")).unwrap_or_default();
    format!("{label}{model}, {} cells{capacity}", reading.cells.len())
}

/// The last hit on a port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Hit {
    bms: String,
    baud: u32,
    address: Option<u8>,
}

/// What answered on the port the last time.
pub(super) fn last_hit(file: &mut StateFile) -> Option<Candidate> {
    let hit: Hit = file.load().ok()?;
    let driver = DRIVERS.iter().copied().find(|driver| driver.name == hit.bms)?;
    Some(Candidate { driver, line: Line { baud: hit.baud }, address: hit.address })
}

/// Remembers what answered, so that it is tried first the next time.
pub(super) fn remember_hit(file: &mut StateFile, found: &Found, now: Moment) {
    let Candidate { driver, line, address } = found.candidate;
    let hit = Hit { bms: driver.name.to_owned(), baud: line.baud, address };
    if let Err(error) = file.save(&hit, now) {
        log::warn!("{error}");
    }
}
