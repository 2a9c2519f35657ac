//! One battery on one line with faults, in simulated time: the driver's own loop, guard and charge control, and a count of errors.

use crate::hang;
use crate::heard::HeardPort;
use crate::is_broadcast;
use crate::optional::{self, Optional};
use crate::oracle::{Truth, Wrong};
use crate::twin::Twin;
use crate::world::{EVERY, Events, World};
use dbus_bms::base::time::Clock;
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{Moment, Volts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::bms::Driver;
use dbus_bms::link::{OpenError, Port};
use dbus_bms::model::{Freshness, LinkStats, Reading, Snapshot};
use dbus_bms::probe::Scope;
use dbus_bms::recording::replay_port::{ReplayPort, SimClock};
use dbus_bms::service::port_worker::{PortEvent, PortWorker, is_overtaken};
use dbus_bms::sim::fault::{Faults, Injector};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::random::Random;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Board, Unit};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Results of a trial.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) readings: u64,
    pub(crate) damaged: u64,
    /// Number of searches that did not find the battery.
    pub(crate) not_found: u64,
    /// Readings with a wrong value that passed the line and reached the guard.
    pub(crate) passed: u64,
    /// Snapshots that published a wrong value: within the change possible in a second, and beyond.
    pub(crate) plausible: u64,
    pub(crate) far: u64,
    /// … the longest sequence of such snapshots.
    pub(crate) longest_wrong: u64,
    /// Alarms without a cause, including the cable alarm.
    pub(crate) alarms: u64,
    /// Maximum time between readings without an excuse.
    pub(crate) gap: Duration,
    /// Maximum time from the end of an excuse, and of the replies delayed by it, to the next reading.
    pub(crate) recovery: Duration,
    /// Limits above those for the true values.
    pub(crate) bold: u64,
    /// Charge limits below half of those for the true values.
    pub(crate) shy: u64,
    /// Examples, for debugging.
    pub(crate) examples: BTreeMap<String, u64>,
}

/// One trial.
pub(crate) struct Trial {
    pub(crate) driver: &'static Driver,
    pub(crate) board: &'static Board,
    pub(crate) faults: &'static str,
    pub(crate) events: Events,
    pub(crate) length: Duration,
    pub(crate) seed: u64,
}

impl Trial {
    /// Runs the driver and counts.
    pub(crate) fn run(&self) -> Findings {
        let clock = SimClock::default();
        let mut truth = Truth::new(self.driver, self.board);
        let (unit, config) = self.battery(&truth);
        truth.note(&unit, clock.now());
        let address = self.driver.addresses.first().copied();
        let world = Arc::new(Mutex::new(World {
            board: (self.board.new)(),
            units: [unit],
            injector: Injector::new(Faults::parse(self.faults).unwrap(), self.seed),
            random: Random::new(self.seed),
            events: self.events,
            truth,
            last: clock.now(),
            held: Vec::new(),
            late_until: clock.now(),
            answers: self.events.hangs.then(hang::Answers::default),
            optional: self.events.unanswered_pct.map(|pct| Optional::new(self.driver, address, f64::from(pct), self.seed)),
        }));
        let mut watch = Watch::new(self.events, config, Arc::clone(&world), clock.clone());
        let end = Moment::new(self.length);
        // A search that fails because of the noise is restarted.
        while clock.now() < end {
            let worker = PortWorker {
                open: opener(Arc::clone(&world), clock.clone(), self.events.gone, is_broadcast(self.driver)),
                scope: Scope { drivers: vec![self.driver], can: self.driver.lines[0].is_can(), ..Scope::default() },
                interval: Duration::from_secs(1),
                persistent: true,
                active_fill: false,
                commands: None,
                searches_again: false,
            };
            worker.run(&clock, |event| {
                watch.on_port(event);
                clock.now() < end
            });
        }
        watch.findings()
    }

    /// The battery, its events, and its owner's settings.
    fn battery(&self, truth: &Truth) -> (Unit, Config) {
        let unit = |pack: PackConfig, scenario: &str| {
            let scenario = Scenario::parse("scenario", scenario, pack.cells).unwrap();
            let address = self.driver.addresses.first().copied().unwrap_or(1);
            Unit::new(address, &PackConfig { seed: self.seed, ..pack }, scenario)
        };
        let usual = |scenario| (unit(self.board.pack(), scenario), Config::default());
        match self.events {
            Events { hangs: true, .. } => usual(hang::SCENARIO),
            Events { unanswered_pct: Some(_), .. } => {
                let (pack, config) = optional::demanding(&truth.undisturbed(&usual("").0), self.board.pack());
                (unit(pack, optional::SCENARIO), config)
            }
            _ => usual(""),
        }
    }
}

/// Opens a new port to the same simulation.
fn opener(
    world: Arc<Mutex<World>>,
    clock: SimClock,
    gone: Option<Duration>,
    is_broadcast: bool,
) -> dbus_bms::service::port_worker::Opener {
    Box::new(move || {
        let now = clock.now();
        if Events::in_event(gone, now) {
            return Err(OpenError::Missing { name: "script".into() });
        }
        let events = now.since_origin().as_secs() / EVERY.as_secs();
        let next = Moment::new(EVERY * u32::try_from(events + 1).unwrap());
        let (world, time) = (Arc::clone(&world), clock.clone());
        if is_broadcast {
            return Ok(Box::new(HeardPort { world, clock: time, arrived: VecDeque::new(), gone: gone.map(|_| next) }));
        }
        lock(&world).held_for(now);
        let held = lock(&world).held.clone();
        let port = ReplayPort::new(&clock, move |sent, line| lock(&world).hear(sent, line, time.now()));
        let port = held.iter().fold(port, |port, (at, bytes)| port.at(*at, bytes));
        let port: Box<dyn Port> = Box::new(if gone.is_some() { port.vanishing(next) } else { port });
        Ok(port)
    })
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap()
}

/// The program's side: the battery under test, and one that receives the true values at the same times.
struct Watch {
    battery: Option<(Battery, Twin)>,
    events: Events,
    config: Config,
    world: Arc<Mutex<World>>,
    clock: SimClock,
    stats: LinkStats,
    read_at: Moment,
    ticked: Moment,
    wrong_in_row: u64,
    /// The last undisturbed values before the BMS hung.
    last_true: Reading,
    /// Limits and pack voltage before the hang was detected.
    before: ([f64; 3], f64),
    /// The BMS has hung, and its values have not recovered yet.
    hung: bool,
    random: Random,
    found: Findings,
}

impl Watch {
    fn new(events: Events, config: Config, world: Arc<Mutex<World>>, clock: SimClock) -> Self {
        let (read_at, ticked) = (clock.now(), clock.now());
        let (stats, found, random) = (LinkStats::default(), Findings::default(), Random::new(7));
        let (battery, wrong_in_row, hung) = (None, 0, false);
        let (last_true, before) = (Reading::default(), ([0.0; 3], 0.0));
        Self { battery, events, config, world, clock, stats, read_at, ticked, wrong_in_row, last_true, before, hung, random, found }
    }

    fn on_port(&mut self, event: PortEvent) {
        match event {
            PortEvent::Found(found) => {
                let new = || Battery::new(self.config.clone(), PersistedState::default());
                let twin = Twin::new(new(), (self.events.unanswered_pct == Some(100)).then(new));
                self.battery = Some((new(), twin));
                self.read_at = self.clock.now();
                self.read(found.into_iter().next().unwrap().reading, LinkStats::default());
            }
            PortEvent::Reading { at, line, .. } if is_overtaken(at, self.clock.now()) => {
                self.stats += line;
                self.tick();
            }
            PortEvent::Reading { reading, line, .. } => self.read(*reading, line),
            PortEvent::Missed { line, .. } => {
                self.stats += line;
                self.tick();
            }
            PortEvent::NotFound(_) => self.found.not_found += 1,
            PortEvent::Closed(_) | PortEvent::Broken(_) | PortEvent::CommandDone { .. } | PortEvent::CleanedUp { .. } => {
                self.tick()
            }
        }
        if Events::in_event(self.events.suspended, self.clock.now()) {
            self.clock.sleep(self.events.suspended.unwrap_or_default());
        }
    }

    fn now(&mut self) -> Now {
        let at = self.clock.now();
        let jump = if self.events.wall_clock { self.random.below(100_000_000) as u64 } else { 0 };
        Now { at, unix: Some(1_800_000_000 + at.since_origin().as_secs() - jump) }
    }

    fn read(&mut self, reading: Reading, line: LinkStats) {
        self.tick();
        let now = self.now();
        self.stats += line;
        self.found.readings += 1;
        self.time(now.at);
        let (wrong, truth) = {
            let mut world = lock(&self.world);
            world.advance(now.at);
            (world.truth.judge_reading(&reading, now.at), world.truth.undisturbed(&world.units[0]))
        };
        self.found.passed += u64::from(!wrong.is_empty());
        let stats = self.stats;
        if !self.hangs(now.at) {
            self.last_true = truth;
        }
        let (battery, twin) = self.battery.as_mut().unwrap();
        let allowed = twin.read(self.last_true.clone(), now);
        let snapshot = battery.read(reading, stats, now);
        self.judge(&snapshot, &allowed, now.at);
    }

    /// Maximum gap and recovery time.
    fn time(&mut self, now: Moment) {
        let (age, excuse) = (now.since(self.read_at), self.events.excuse());
        if excuse.is_zero() || age < excuse {
            self.found.gap = self.found.gap.max(age);
        } else {
            let late_until = lock(&self.world).late_until;
            self.found.recovery = self.found.recovery.max((age - excuse).min(now.since(late_until)));
        }
        self.read_at = now;
    }

    /// Advances the battery's own time up to now, as the program's loop does.
    fn tick(&mut self) {
        let now = self.now();
        let asleep = self.events.suspended.is_some_and(|time| now.at.since(self.ticked) >= time);
        while let Some((battery, twin)) = &mut self.battery {
            let due = battery.next_tick(self.ticked);
            if due > now.at || asleep {
                break;
            }
            self.ticked = due;
            let moment = Now { at: due, ..now };
            let snapshot = battery.tick(self.stats, moment);
            let allowed = twin.tick(moment);
            self.judge(&snapshot, &allowed, due);
        }
        self.ticked = now.at;
    }

    fn judge(&mut self, snapshot: &Snapshot, allowed: &Snapshot, now: Moment) {
        if let Some(since) = hang::since(now).filter(|_| self.events.hangs) {
            return self.judge_hung(snapshot, allowed, since, now);
        }
        if self.hung && snapshot.freshness == Freshness::Fresh {
            self.found.recovery = self.found.recovery.max(hang::over(now).unwrap_or_default());
            self.hung = false;
        }
        self.count_wrong(snapshot, now);
        if snapshot.cable.is_some() && !self.hung && self.events.excuse() < Duration::from_secs(60) {
            self.false_alarm("cable alarm");
        }
        let mut allowed = limits(allowed);
        // Without data the charge voltage is the last pack voltage, here the last one received over the line.
        allowed[0] += if snapshot.freshness == Freshness::Fresh { 0.1 } else { 0.5 };
        self.compare(snapshot, allowed);
    }

    /// While the BMS hangs. Undetectable errors are not counted: until detection the repeated values count for the limits.
    fn judge_hung(&mut self, snapshot: &Snapshot, allowed: &Snapshot, since: Duration, now: Moment) {
        if hang::is_known(since) {
            self.hung = true;
            self.count_wrong(snapshot, now);
        } else {
            self.before = (limits(allowed), self.last_true.voltage.map_or(0.0, Volts::get));
        }
        // Coarse values may have stood still before, for the twin as well.
        if !hang::is_right(snapshot, since) && snapshot.cable != allowed.cable {
            self.false_alarm("cable alarm, or none");
        }
        let (before, voltage) = self.before;
        let mut allowed = hang::allowed(before, voltage, since);
        allowed[0] += 0.1;
        self.compare(snapshot, allowed);
    }

    fn hangs(&self, now: Moment) -> bool {
        self.events.hangs && hang::since(now).is_some()
    }

    fn count_wrong(&mut self, snapshot: &Snapshot, now: Moment) {
        let wrong = lock(&self.world).truth.judge_snapshot(snapshot, now);
        let far = wrong.iter().filter(|(_, wrong)| *wrong == Wrong::Far).count();
        let alarms = wrong.iter().filter(|(what, _)| what.starts_with("alarm")).count();
        self.wrong_in_row = if wrong.is_empty() { 0 } else { self.wrong_in_row + 1 };
        self.found.longest_wrong = self.found.longest_wrong.max(self.wrong_in_row);
        self.found.alarms += alarms as u64;
        self.found.far += u64::from(far > alarms);
        self.found.plausible += u64::from(far == 0 && !wrong.is_empty());
        for (what, how) in wrong {
            *self.found.examples.entry(format!("{what} {how:?}")).or_default() += 1;
        }
    }

    fn false_alarm(&mut self, what: &str) {
        self.found.alarms += 1;
        *self.found.examples.entry(what.into()).or_default() += 1;
    }

    /// Limits are finite, and never above `allowed`.
    fn compare(&mut self, snapshot: &Snapshot, allowed: [f64; 3]) {
        let said = limits(snapshot);
        self.found.shy += u64::from(said[1] < allowed[1] * 0.5);
        let bold = said.iter().zip(allowed).any(|(said, allowed)| !said.is_finite() || *said < 0.0 || *said > allowed + 0.02);
        if bold {
            self.found.bold += 1;
            *self.found.examples.entry(format!("limits {said:?} over {allowed:?}")).or_default() += 1;
        }
        assert!(snapshot.freshness != Freshness::Lost || said[1] + said[2] == 0.0);
    }

    fn findings(mut self) -> Findings {
        self.found.damaged = lock(&self.world).injector.damaged;
        self.found
    }
}

/// CVL, CCL and DCL.
fn limits(snapshot: &Snapshot) -> [f64; 3] {
    let limits = &snapshot.limits;
    [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()]
}
