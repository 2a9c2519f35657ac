//! One battery on one disturbed line, in simulated time: the driver's own loop, guard and charge control, and a count of what went wrong.

use crate::oracle::{Truth, Wrong};
use dbus_bms::battery::{Battery, Now, Saved};
use dbus_bms::bms::{Driver, Line};
use dbus_bms::charge::Config;
use dbus_bms::link::script::{ScriptPort, SimClock, Sound};
use dbus_bms::link::{Clock, OpenError, Port};
use dbus_bms::model::{Freshness, LinkStats, Reading, Snapshot};
use dbus_bms::probe::Scope;
use dbus_bms::run::poller::{Poller, PortEvent, is_overtaken};
use dbus_bms::sim::battery::PackConfig;
use dbus_bms::sim::fault::{Faults, Injector};
use dbus_bms::sim::random::Random;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Board, Responder, Unit};
use dbus_bms::units::Moment;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The pause before a board answers.
const LATENCY: Duration = Duration::from_millis(20);

/// Faults that are not in single replies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Events {
    /// Bytes come one by one, at the speed of the wire, and not in blocks.
    pub(crate) trickle: bool,
    /// Noise at any time, not only before replies.
    pub(crate) babble: bool,
    /// Every five minutes the BMS says nothing for so long.
    pub(crate) silence: Option<Duration>,
    /// Every five minutes the port is gone for so long.
    pub(crate) gone: Option<Duration>,
    /// Every five minutes the program sleeps for so long.
    pub(crate) suspended: Option<Duration>,
    /// The wall clock jumps about.
    pub(crate) wall_clock: bool,
}

/// From start to start of those.
const EVERY: Duration = Duration::from_secs(300);

impl Events {
    fn in_event(length: Option<Duration>, now: Moment) -> bool {
        let into = now.since_origin().as_millis() % EVERY.as_millis();
        length.is_some_and(|length| now.since_origin() >= EVERY && into < length.as_millis())
    }

    /// How long nobody can know anything at `now`: what comes then is no gap of ours.
    fn excuse(&self) -> Duration {
        [self.silence, self.gone, self.suspended].into_iter().flatten().max().unwrap_or_default()
    }
}

/// What a trial found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) readings: u64,
    pub(crate) damaged: u64,
    /// Searches that did not find the battery.
    pub(crate) not_found: u64,
    /// Readings with a wrong value that the line let through to the guard.
    pub(crate) passed: u64,
    /// Snapshots that published a wrong value, as far as a battery may change in a second and further.
    pub(crate) plausible: u64,
    pub(crate) far: u64,
    /// … the longest row of such snapshots.
    pub(crate) longest_wrong: u64,
    /// Alarms without cause, the cable alarm included.
    pub(crate) alarms: u64,
    /// Longest time between readings without an excuse.
    pub(crate) gap: Duration,
    /// Longest time from the end of an excuse to the next reading.
    pub(crate) recovery: Duration,
    /// Limits above those that the undisturbed truth allows.
    pub(crate) bold: u64,
    /// Examples, for the person who has to mend it.
    pub(crate) examples: BTreeMap<String, u64>,
}

/// The far end of the line.
struct World {
    board: Box<dyn Responder>,
    units: [Unit; 1],
    injector: Injector,
    random: Random,
    events: Events,
    truth: Truth,
    last: Moment,
}

impl World {
    fn advance(&mut self, now: Moment) {
        self.units[0].advance(now.since(self.last));
        self.last = now;
        self.units[0].pack.silent = Events::in_event(self.events.silence, now);
        self.truth.note(&self.units[0], now);
    }

    fn hear(&mut self, sent: &[u8], line: Line, now: Moment) -> Vec<Sound> {
        self.advance(now);
        if line.baud != self.board.line().baud {
            return Vec::new();
        }
        let nonsense = self.injector.nonsense(self.units[0].pack.shown());
        let truth = nonsense.map(|nonsense| self.units[0].pack.show(nonsense));
        let replies = self.board.answer(sent, &mut self.units);
        self.board.quiet();
        truth.map(|truth| self.units[0].pack.show(truth));
        let mut sounds = self.noise();
        let mut at = LATENCY + line.time_of(sent.len());
        let spoiled: Vec<_> = replies.into_iter().flat_map(|reply| self.injector.apply(reply)).collect();
        for reply in spoiled {
            at += reply.after;
            sounds.extend(self.on_wire(&reply.bytes, at, line));
            at += line.time_of(reply.bytes.len());
        }
        sounds
    }

    /// Blocks arrive like through a USB adapter; bare bytes like from a UART.
    fn on_wire(&self, bytes: &[u8], at: Duration, line: Line) -> Vec<Sound> {
        if self.events.trickle {
            return Sound { after: at, bytes: bytes.to_vec() }.trickle(line);
        }
        let block =
            |(index, block): (usize, &[u8])| Sound { after: at + line.time_of(index * 60 + block.len()), bytes: block.to_vec() };
        bytes.chunks(60).enumerate().map(block).collect()
    }

    fn noise(&mut self) -> Vec<Sound> {
        if !self.events.babble {
            return Vec::new();
        }
        let bursts = self.random.below(3);
        let burst = |random: &mut Random| {
            let bytes = (0..=random.below(5)).map(|_| random.byte()).collect();
            Sound { after: Duration::from_millis(random.below(900) as u64), bytes }
        };
        (0..bursts).map(|_| burst(&mut self.random)).collect()
    }
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
    /// Lets the driver work and counts.
    pub(crate) fn run(&self) -> Findings {
        let clock = SimClock::default();
        let mut unit = Unit::new(1, &PackConfig { seed: self.seed, ..PackConfig::default() }, Scenario::default());
        let mut truth = Truth::new(self.driver, self.board);
        truth.note(&unit, clock.now());
        unit.address = self.driver.addresses.first().copied().unwrap_or(1);
        let world = Arc::new(Mutex::new(World {
            board: (self.board.new)(),
            units: [unit],
            injector: Injector::new(Faults::parse(self.faults).unwrap(), self.seed),
            random: Random::new(self.seed),
            events: self.events,
            truth,
            last: clock.now(),
        }));
        let mut watch = Watch::new(self.events, Arc::clone(&world), clock.clone());
        let end = Moment::new(self.length);
        // Whoever finds nothing for all the noise is started again.
        while clock.now() < end {
            let poller = Poller {
                open: opener(Arc::clone(&world), clock.clone(), self.events.gone),
                scope: Scope { drivers: vec![self.driver], ..Scope::default() },
                interval: Duration::from_secs(1),
                persistent: true,
                active_fill: false,
                orders: None,
                hopeful: false,
            };
            poller.run(&clock, |event| {
                watch.on_port(event);
                clock.now() < end
            });
        }
        watch.findings()
    }
}

/// Opens a new port onto the same world.
fn opener(world: Arc<Mutex<World>>, clock: SimClock, gone: Option<Duration>) -> dbus_bms::run::poller::Opener {
    Box::new(move || {
        let now = clock.now();
        if Events::in_event(gone, now) {
            return Err(OpenError::Missing { name: "script".into() });
        }
        let (world, time) = (Arc::clone(&world), clock.clone());
        let port = ScriptPort::new(&clock, move |sent, line| lock(&world).hear(sent, line, time.now()));
        let events = now.since_origin().as_secs() / EVERY.as_secs();
        let next = Moment::new(EVERY * u32::try_from(events + 1).unwrap());
        let port: Box<dyn Port> = Box::new(if gone.is_some() { port.vanishing(next) } else { port });
        Ok(port)
    })
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap()
}

/// The program's side: the battery under test, and one that hears the undisturbed truth at the same times.
struct Watch {
    battery: Option<(Battery, Battery)>,
    events: Events,
    world: Arc<Mutex<World>>,
    clock: SimClock,
    stats: LinkStats,
    read_at: Moment,
    ticked: Moment,
    wrong_in_row: u64,
    random: Random,
    found: Findings,
}

impl Watch {
    fn new(events: Events, world: Arc<Mutex<World>>, clock: SimClock) -> Self {
        let (read_at, ticked) = (clock.now(), clock.now());
        let (stats, found, random) = (LinkStats::default(), Findings::default(), Random::new(7));
        Self { battery: None, events, world, clock, stats, read_at, ticked, wrong_in_row: 0, random, found }
    }

    fn on_port(&mut self, event: PortEvent) {
        match event {
            PortEvent::Found(found) => {
                let new = || Battery::new(Config::default(), Saved::default());
                self.battery = Some((new(), new()));
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
            PortEvent::Closed(_) | PortEvent::Broken(_) | PortEvent::Obeyed { .. } | PortEvent::Tidied { .. } => self.tick(),
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
        let (battery, twin) = self.battery.as_mut().unwrap();
        let snapshot = battery.read(reading, stats, now);
        let allowed = twin.read(truth, LinkStats::default(), now);
        self.judge(&snapshot, &allowed, now.at);
    }

    /// Longest gap and recovery.
    fn time(&mut self, now: Moment) {
        let (age, excuse) = (now.since(self.read_at), self.events.excuse());
        if excuse.is_zero() || age < excuse {
            self.found.gap = self.found.gap.max(age);
        } else {
            self.found.recovery = self.found.recovery.max(age - excuse);
        }
        self.read_at = now;
    }

    /// Lets the battery's own time pass up to now, as the program's loop does.
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
            let allowed = twin.tick(LinkStats::default(), moment);
            self.judge(&snapshot, &allowed, due);
        }
        self.ticked = now.at;
    }

    fn judge(&mut self, snapshot: &Snapshot, allowed: &Snapshot, now: Moment) {
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
        if snapshot.cable.is_some() && self.events.excuse() < Duration::from_secs(60) {
            self.found.alarms += 1;
            *self.found.examples.entry("cable alarm".into()).or_default() += 1;
        }
        self.compare(snapshot, allowed);
    }

    /// Limits are finite, and never above those that the truth allows.
    fn compare(&mut self, snapshot: &Snapshot, allowed: &Snapshot) {
        let of = |snapshot: &Snapshot| {
            let limits = &snapshot.limits;
            [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()]
        };
        let (said, mut allowed) = (of(snapshot), of(allowed));
        // Without data the charge voltage is the last pack voltage, here the last that came over the line.
        allowed[0] += if snapshot.freshness == Freshness::Fresh { 0.1 } else { 0.5 };
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
