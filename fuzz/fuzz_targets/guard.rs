//! Readings with times through guard, SoC, charge control and the table of D-Bus items: whatever a BMS sends with a valid
//! checksum, the output keeps to docs/safety-rules.md.
//!
//! The first bytes choose settings; then come steps, each a time and either a reading with some fields changed or none at all.
#![no_main]

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::guard::{FrozenBms, Guard};
use dbus_bms::battery::soc;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::dbus::{Context, Items, Value};
use dbus_bms::model::{Alarm, AlarmName, Chemistry, Freshness, Level, LinkStats, Reading, Snapshot};
use held::draw::Draw;
use held::limits::{assert_sound, good_reading};
use libfuzzer_sys::fuzz_target;
use std::collections::VecDeque;
use std::time::Duration;

/// An accepted value that was not confirmed for this time is unknown (src/battery/guard/mod.rs).
const STANDS_FOR: Duration = Duration::from_secs(10);

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::new(input);
    held::heap::bounded(8 << 20, || {
        let mut course = Course::new(&mut draw);
        for _ in 0..48 {
            if draw.is_empty() {
                break;
            }
            course.step(&mut draw);
        }
    });
});

/// One battery over time, and independent data about it.
struct Course {
    config: Config,
    battery: Battery,
    /// A guard with the same input as the battery's own, to see which values are held.
    guard: Guard,
    /// As the battery's own.
    frozen: FrozenBms,
    items: Option<(Context, Items)>,
    at: Moment,
    unix: Option<u64>,
    reading: Reading,
    /// Recent values of the BMS: voltage, SoC.
    said: VecDeque<(Moment, Option<Volts>, Option<Percent>)>,
    last: Option<Snapshot>,
    /// The last reported alarms.
    alarms: Vec<Alarm>,
    /// The last published voltage.
    known: Option<Volts>,
    own_soc: bool,
}

impl Course {
    fn new(draw: &mut Draw) -> Self {
        let choice = draw.byte();
        let mut config = Config::default();
        match choice % 8 {
            0..=2 => {}
            3 => (config.max_charge_current, config.max_discharge_current) = (Some(Amps::new(150.0)), Some(Amps::new(200.0))),
            4 => (config.min_charge_current, config.max_charge_current) = (Amps::new(10.0), Some(Amps::new(3.0))),
            5 => (config.chemistry, config.max_cell_voltage) = (Some(Chemistry::Nmc), Some(Volts::new(4.2))),
            6 => (config.cells, config.capacity) = (Some(16), Some(AmpHours::new(280.0))),
            _ => {
                config.silence = dbus_bms::battery::charge::Silence::STRICT;
                config.voltage_drop = Volts::new(0.5);
            }
        }
        let mut own = soc::Config::default();
        if choice & 64 != 0 {
            own.source = soc::Source::Counted;
            own.levels = vec![20, 90];
        }
        if choice & 128 != 0 {
            (own.hold_below_full, own.caps) = (true, Some(vec![(2.9, 5.0), (3.2, 100.0)]));
        }
        let own_soc = own.is_own();
        let battery = Battery::new(config.clone(), PersistedState::default()).with_soc(own);
        let (guard, items, said, last, known) = (Guard::default(), None, VecDeque::new(), None, None);
        Self {
            config,
            battery,
            guard,
            frozen: FrozenBms::default(),
            items,
            at: Moment::from_secs(100.0),
            unix: None,
            reading: good_reading(),
            said,
            last,
            known,
            alarms: Vec::new(),
            own_soc,
        }
    }

    fn step(&mut self, draw: &mut Draw) {
        let what = draw.byte();
        let wait = draw.time();
        self.at = self.at.after(wait);
        if what & 0x30 == 0x30 {
            // The wall clock is set, or jumps.
            self.unix = draw.flag().then(|| u64::from(u32::from_le_bytes([draw.byte(), draw.byte(), draw.byte(), draw.byte()])));
        }
        let now = Now { at: self.at, unix: self.unix };
        if what & 0x0F == 15 {
            let snapshot = self.battery.tick(LinkStats::default(), now);
            if self.battery.age(self.at).is_some() {
                self.silent(&snapshot);
                self.published(snapshot);
            }
            return;
        }
        if what & 0xC0 == 0 {
            self.reading = good_reading();
        }
        for _ in 0..(what & 0x07) {
            change(&mut self.reading, draw);
        }
        let reading = self.reading.clone();
        if self.frozen.is_frozen(&reading, self.config.capacity.or(reading.capacity), self.at) {
            // A BMS with identical values under load is silent.
            let snapshot = self.battery.read(reading, LinkStats::default(), now);
            self.silent(&snapshot);
            self.published(snapshot);
            return;
        }
        self.said.push_back((self.at, reading.voltage, reading.soc));
        let judged = self.guard.check(Reading { soh: soc::health::state_of_health(&reading), ..reading.clone() }, self.at);
        let snapshot = self.battery.read(reading, LinkStats::default(), now);
        // A permanently impossible value is held, too, but missing and not doubtful: the inputs distinguish the two.
        self.fresh(&snapshot, &judged.reading, judged.inputs.in_doubt);
        self.published(snapshot);
    }

    /// After a reading.
    fn fresh(&mut self, snapshot: &Snapshot, judged: &Reading, in_doubt: bool) {
        let reading = &snapshot.reading;
        assert_eq!(snapshot.freshness, Freshness::Fresh);
        assert_eq!((reading.voltage, &reading.cells), (judged.voltage, &judged.cells), "one guard like the other");
        self.said.retain(|(at, _, _)| self.at.since(*at) <= STANDS_FOR);
        let voltage_was_said = |voltage: Volts| self.said.iter().any(|(_, said, _)| *said == Some(voltage));
        // A board that counts slightly beyond full is full.
        let shown = |said: Percent| if (100.0..=110.0).contains(&said.get()) { Percent::new(100.0) } else { said };
        let soc_was_said = |soc: Percent| self.said.iter().any(|(_, _, said)| said.map(shown) == Some(soc));
        assert!(reading.voltage.is_none_or(voltage_was_said), "{:?} was never said", reading.voltage);
        assert!(self.own_soc || reading.soc.is_none_or(soc_was_said), "{:?} was never said", reading.soc);

        let [ccl, dcl] = [snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get()];
        let said = &self.reading;
        assert!(said.fets.charge != Some(false) || ccl == 0.0, "the BMS forbids charging: {:?}", snapshot.limits);
        assert!(said.fets.discharge != Some(false) || dcl == 0.0, "the BMS forbids discharging: {:?}", snapshot.limits);
        // Limits are rounded down, ignoring float noise.
        let most = |limit: Option<Amps>| limit.map_or(f64::INFINITY, |limit| limit.get().max(0.0) + 1e-6);
        assert!(ccl <= most(said.settings.charge_limit) && dcl <= most(said.settings.discharge_limit), "{:?}", snapshot.limits);
        let protects = |ocp: Option<Amps>| {
            let ten_c = self.config.capacity.or(reading.capacity).map_or(f64::INFINITY, |ah| ah.get() * 10.0);
            ocp.map(Amps::get).filter(|ocp| *ocp > 0.0 && *ocp <= ten_c).map_or(f64::INFINITY, |ocp| ocp * 0.9)
        };
        if !in_doubt {
            assert!(ccl <= protects(reading.settings.charge_ocp) + 1e-6, "{:?}", snapshot.limits);
            assert!(dcl <= protects(reading.settings.discharge_ocp) + 1e-6, "{:?}", snapshot.limits);
            let broken = reading.cells.iter().any(|cell| cell.get() < 0.5);
            assert!(!broken || (ccl == 0.0 && dcl == 0.0), "a sense wire is broken: {:?}", snapshot.limits);
        }
        if in_doubt {
            self.no_rise(snapshot, "a value is in doubt");
        }
        // An alarm is raised when a second consecutive reading confirms it, at the lower level of both.
        let before = self.alarms.iter();
        let agreed = said.alarms.iter().flatten().filter_map(|alarm| {
            let earlier = before.clone().find(|earlier| earlier.name == alarm.name)?;
            Some(Alarm { name: alarm.name, level: alarm.level.min(earlier.level) })
        });
        for alarm in agreed {
            // The BMS's own alarm refers to an SoC that the owner has replaced.
            if alarm.name == AlarmName::LowSoc && self.own_soc {
                continue;
            }
            assert!(
                snapshot.alarms.iter().any(|shown| shown.name == alarm.name && shown.level >= alarm.level),
                "{alarm:?} is held"
            );
        }
        if let Some(alarms) = &said.alarms {
            self.alarms.clone_from(alarms);
        }
        assert_eq!((reading.fets.charge, reading.fets.discharge), (said.fets.charge, said.fets.discharge));
    }

    /// Without a reading.
    fn silent(&self, snapshot: &Snapshot) {
        self.no_rise(snapshot, "no reading came");
        let silence = &self.config.silence;
        let age = self.battery.age(self.at).unwrap_or(Duration::MAX);
        if age > silence.values_after().max(Duration::from_secs(60)) {
            let reading = &snapshot.reading;
            assert!(reading.voltage.is_none() && reading.soc.is_none() && reading.cells.is_empty() && reading.current.is_none());
            assert!(snapshot.derived.max_cell.is_none() && snapshot.derived.current_avg.is_none());
        }
        // Three reading periods of at most 20 s count as fresh if they are longer than the stage.
        let stage = |stage: Duration| age >= stage.max(Duration::from_secs(60) + silence.charge_fade);
        assert!(
            !stage(silence.values_after() + silence.charge_fade) || snapshot.limits.ccl.value == Amps::ZERO,
            "{age:?}: {:?}",
            snapshot.limits
        );
        assert!(!stage(silence.cable_alarm_after()) || snapshot.limits.dcl.value == Amps::ZERO, "{age:?}: {:?}", snapshot.limits);
        assert!(!stage(silence.cable_alarm_after()) || snapshot.cable == Some(Level::Alarm), "{age:?}");
        assert!(self.battery.next_tick(self.at) > self.at);
    }

    fn no_rise(&self, snapshot: &Snapshot, why: &str) {
        let Some(last) = &self.last else { return };
        let (now, before) = (&snapshot.limits, &last.limits);
        let risen = now.cvl.value > before.cvl.value || now.ccl.value > before.ccl.value || now.dcl.value > before.dcl.value;
        assert!(!risen, "{why}: {before:?} became {now:?}");
    }

    /// For everything that is published.
    fn published(&mut self, snapshot: Snapshot) {
        let reading = &snapshot.reading;
        let within = |value: Option<f64>, low: f64, high: f64| value.is_none_or(|value| (low..=high).contains(&value));
        assert!(within(reading.voltage.map(f64::from), 1.0, 1000.0), "{reading:?}");
        assert!(within(reading.current.map(f64::from), -3000.0, 3000.0), "{reading:?}");
        assert!(within(reading.soc.map(f64::from), 0.0, 100.0) && within(reading.soh.map(f64::from), 0.0, 100.0), "{reading:?}");
        assert!(within(reading.temperatures.mos.map(f64::from), -60.0, 180.0), "{reading:?}");
        assert!(within(reading.capacity.map(f64::from), 0.0, 100_000.0), "{reading:?}");
        assert!(within(reading.remaining.map(f64::from), 0.0, 100_000.0), "{reading:?}");
        assert!(reading.cells.iter().all(|cell| cell.get() == 0.0 || (0.5..=5.0).contains(&cell.get())), "{reading:?}");
        assert!(reading.temperatures.sensors.iter().flatten().all(|sensor| (-60.0..=120.0).contains(&sensor.get())), "{reading:?}");
        // Without a voltage the last known one applies, or a doubtful one.
        let standing = self.said.iter().filter_map(|(_, voltage, _)| *voltage).filter(|voltage| voltage.get().is_finite());
        self.known = reading.voltage.or(self.known);
        let standing = standing.chain(self.last.iter().map(|last| last.limits.cvl.value)).chain(self.known);
        // A missing cell is estimated from the others.
        let real: Vec<f64> = reading.cells.iter().map(|cell| cell.get()).filter(|cell| *cell > 0.5).collect();
        let sum = Volts::new(real.iter().sum::<f64>() / real.len().max(1) as f64 * reading.cells.len() as f64);
        assert_sound(&snapshot.limits, &self.config, Some(standing.fold(sum, Volts::max)), snapshot.cell_count);

        let (context, items) = self.items.get_or_insert_with(|| {
            let context = Context { cells: 16, own_soc: true, counted_soc: true, soc_levels: vec![20, 90], ..Context::default() };
            let items = Items::new(&context, &snapshot);
            (context, items)
        });
        let mut changed = Vec::new();
        items.update(context, &snapshot, &mut changed);
        for (path, value) in (0..items.len()).filter_map(|number| items.get(number)) {
            assert!(!matches!(value, Value::Double(x) if !x.is_finite()), "{path} = {value:?}");
            assert!(!matches!(value, Value::Invalid) || !path.starts_with("/Info/Max"), "{path} is unknown");
        }
        let history = &snapshot.history;
        assert!(
            [history.total_drawn_ah, history.charged_kwh, history.discharged_kwh].iter().all(|sum| sum.is_finite()),
            "{history:?}"
        );
        self.last = Some(snapshot);
    }
}

/// Changes one field: usually slightly, sometimes beyond all bounds, or removes it.
fn change(reading: &mut Reading, draw: &mut Draw) {
    let field = draw.byte();
    let there = field < 240;
    let settings = &mut reading.settings;
    match field % 24 {
        0 => reading.voltage = there.then(|| Volts::new(draw.number(52.96, (1.0, 1000.0)))),
        1 => reading.current = there.then(|| Amps::new(draw.number(-12.5, (-3000.0, 3000.0)))),
        2 => reading.soc = there.then(|| Percent::new(draw.number(62.0, (0.0, 100.0)))),
        3 => reading.soh = there.then(|| Percent::new(draw.number(98.0, (0.0, 100.0)))),
        4 => reading.remaining = there.then(|| AmpHours::new(draw.number(173.6, (0.0, 1000.0)))),
        5 => {
            reading.capacity = there.then(|| AmpHours::new(draw.number(280.0, (0.0, 1000.0))));
            reading.awaited.capacity = !there;
        }
        6 => reading.cell_count = there.then(|| draw.byte()),
        7 => {
            let count = *draw.one_of(&[16, 15, 17, 4, 0, 1, 32, 255]);
            reading.cells = vec![Volts::new(draw.number(3.31, (0.5, 5.0))); count];
            reading.cells_complete = (draw.byte() >= 240).then_some(false);
        }
        8..=11 => {
            let (at, value) = (draw.below(reading.cells.len()), draw.number(3.31, (0.5, 5.0)));
            reading.cells.get_mut(at).into_iter().for_each(|cell| *cell = Volts::new(value));
        }
        12 => {
            // All of them, and the voltage with them: the effect of a load or a charger.
            let cell = draw.number(3.31, (2.5, 3.7));
            reading.cells.fill(Volts::new(cell));
            reading.voltage = Some(Volts::new(cell * reading.cells.len() as f64));
        }
        13 => {
            let sensors = draw.below(5);
            reading.awaited.temperatures = !there;
            reading.temperatures.sensors = there.then(|| (0..sensors).map(|_| Celsius::new(draw.number(22.0, (-60.0, 120.0)))).collect());
        }
        14 => reading.temperatures.mos = there.then(|| Celsius::new(draw.number(30.0, (-60.0, 180.0)))),
        15 => reading.fets.charge = there.then(|| draw.flag()),
        16 => reading.fets.discharge = there.then(|| draw.flag()),
        17 => {
            let (name, level) =
                (*draw.one_of(&[AlarmName::CellHighVoltage, AlarmName::LowVoltage, AlarmName::LowSoc]), draw.flag());
            reading.raise(name, if level { Level::Alarm } else { Level::Warning });
        }
        18 => settings.charge_limit = there.then(|| Amps::new(draw.number(40.0, (0.0, 500.0)))),
        19 => settings.discharge_limit = there.then(|| Amps::new(draw.number(40.0, (0.0, 500.0)))),
        20 => {
            settings.charge_ocp = there.then(|| Amps::new(draw.number(100.0, (0.0, 3000.0))));
            reading.awaited.settings = !there;
        }
        21 => settings.discharge_ocp = there.then(|| Amps::new(draw.number(100.0, (0.0, 3000.0)))),
        22 => settings.cell_ovp = there.then(|| Volts::new(draw.number(3.65, (1.0, 5.0)))),
        _ => reading.full_charge = there.then(|| AmpHours::new(draw.number(260.0, (0.0, 1000.0)))),
    }
}
