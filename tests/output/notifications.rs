//! How often the GX notifies its owner: a re-enactment of venus-platform's rules on what batteries and their bank publish.
//!
//! The rules (victronenergy/venus-platform, alarm_monitor.cpp and alarm_item.cpp, read at 8d6a52e): each alarm path of a battery, and
//! `/ErrorCode`, is watched by itself. Whenever its value changes, its notification ends; a new one is raised if the value is valid and
//! not 0. So each path that is not 0 notifies, and one that becomes invalid and returns notifies again.

use crate::support::snapshot;

use dbus_bms::bank::{Bank, Config, Layout, Member};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::dbus::{Context, Items, Value};
use dbus_bms::model::{Alarm, AlarmName, Freshness, History, Level, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The paths that venus-platform watches, of those that may be ours.
fn is_watched(path: &str) -> bool {
    path.starts_with("/Alarms/") || path == "/ErrorCode"
}

/// A service, and how often each of its paths notified.
struct Service {
    context: Context,
    items: Items,
    seen: BTreeMap<String, i32>,
    notifications: BTreeMap<String, u32>,
}

impl Service {
    fn new(context: Context, first: &Snapshot) -> Self {
        let items = Items::new(&context, first);
        let mut service = Self { context, items, seen: BTreeMap::new(), notifications: BTreeMap::new() };
        service.look();
        service
    }

    fn publish(&mut self, snapshot: &Snapshot) {
        self.items.update(&self.context, snapshot, &mut Vec::new());
        self.look();
    }

    fn look(&mut self) {
        for number in 0..self.items.len() {
            let (path, value) = self.items.get(number).unwrap();
            if !is_watched(path) {
                continue;
            }
            let level = match value {
                Value::Int(level) => *level,
                Value::Invalid => 0,
                value => panic!("{path} is {value:?}"),
            };
            if self.seen.insert(path.to_owned(), level).unwrap_or(0) != level && level != 0 {
                *self.notifications.entry(path.to_owned()).or_default() += 1;
            }
        }
    }

    /// The paths that notified, once for each time.
    fn rang(&self) -> Vec<&str> {
        self.notifications.iter().flat_map(|(path, times)| std::iter::repeat_n(path.as_str(), *times as usize)).collect()
    }

    fn value(&self, path: &str) -> Value<'static> {
        self.items.get(self.items.find(path).unwrap()).unwrap().1.clone()
    }
}

/// Two batteries and their bank, each a service.
struct Site {
    batteries: [Service; 2],
    bank: Bank,
    bank_service: Service,
    seconds: f64,
    readings: u16,
}

impl Site {
    fn new(layout: Layout) -> Self {
        let mut bank = Bank::new(Config { layout, ..Config::default() }, History::default());
        let healthy = [snapshot::discharging(), snapshot::discharging()];
        let first = step(&mut bank, &healthy, 0.0);
        let context = Context { is_bank: true, ..snapshot::context() };
        Self {
            batteries: healthy.each_ref().map(|snapshot| Service::new(snapshot::context(), snapshot)),
            bank,
            bank_service: Service::new(context, &first),
            seconds: 0.0,
            readings: 0,
        }
    }

    /// What the batteries are for a number of seconds.
    fn run(&mut self, seconds: u32, batteries: &[Snapshot; 2]) {
        for _ in 0..seconds {
            self.seconds += 1.0;
            self.readings += 1;
            let mut now = batteries.clone();
            for (service, snapshot) in self.batteries.iter_mut().zip(&mut now) {
                if snapshot.freshness == Freshness::Fresh {
                    snapshot.member_info.readings = self.readings;
                }
                service.publish(snapshot);
            }
            let bank = step(&mut self.bank, &now, self.seconds);
            self.bank_service.publish(&bank);
        }
    }

    /// The notifications of both batteries and of the bank.
    fn rang(&self) -> [Vec<&str>; 3] {
        [self.batteries[0].rang(), self.batteries[1].rang(), self.bank_service.rang()]
    }
}

fn step(bank: &mut Bank, batteries: &[Snapshot; 2], seconds: f64) -> Snapshot {
    let members: Vec<Member> =
        ["a", "b"].iter().zip(batteries).map(|(name, snapshot)| Member::local(*name, Arc::new(snapshot.clone()))).collect();
    bank.step(&members, Now { at: Moment::from_secs(1000.0 + seconds), unix: None })
}

fn with(names: &[AlarmName]) -> Snapshot {
    let mut snapshot = snapshot::discharging();
    snapshot.alarms = names.iter().map(|name| Alarm { name: *name, level: Level::Alarm }).collect();
    snapshot.reading.alarms = Some(snapshot.alarms.clone());
    snapshot
}

/// The battery while nothing was heard of it for a while: `stage` with the values of `before`.
fn silent(before: &Snapshot, stage: Freshness, cable: Option<Level>) -> Snapshot {
    let alarms = before.alarms.clone();
    Snapshot { alarms, freshness: stage, cable, ..snapshot::lost() }
}

const ALL: [AlarmName; 20] = [
    AlarmName::CellHighVoltage,
    AlarmName::CellLowVoltage,
    AlarmName::HighVoltage,
    AlarmName::LowVoltage,
    AlarmName::HighTemperature,
    AlarmName::LowTemperature,
    AlarmName::HighChargeTemperature,
    AlarmName::LowChargeTemperature,
    AlarmName::HighMosTemperature,
    AlarmName::HighChargeCurrent,
    AlarmName::HighDischargeCurrent,
    AlarmName::ShortCircuit,
    AlarmName::CellImbalance,
    AlarmName::LowSoc,
    AlarmName::BmsInternal,
    AlarmName::ChargeFetFault,
    AlarmName::DischargeFetFault,
    AlarmName::SensorFault,
    AlarmName::Communication,
    AlarmName::Contactor,
];

#[test]
fn one_event_notifies_once_in_each_battery_that_has_it() {
    let healthy = snapshot::discharging();
    for name in ALL {
        for layout in [Layout::Parallel, Layout::Series] {
            let mut site = Site::new(layout);
            site.run(3, &[with(&[name]), healthy.clone()]);
            let [a, b, bank] = site.rang();
            assert_eq!((a.len(), b.len(), bank.len()), (1, 0, 0), "{name:?}: {a:?}, bank {bank:?}");
            site.run(3, &[with(&[name]), with(&[name])]);
            assert_eq!(site.rang().map(|rang| rang.len()), [1, 1, 0], "{name:?}");
        }
    }
    let mut site = Site::new(Layout::Parallel);
    site.run(1, &[with(&[AlarmName::ShortCircuit]), healthy.clone()]);
    assert_eq!(site.rang()[0], ["/Alarms/HighDischargeCurrent"]);
    let mut site = Site::new(Layout::Parallel);
    site.run(1, &[with(&[AlarmName::SensorFault]), healthy]);
    assert_eq!(site.rang()[0], ["/Alarms/BatteryTemperatureSensor"]);
}

#[test]
fn a_gap_of_the_line_notifies_of_nothing() {
    for alarms in [&[][..], &[AlarmName::ShortCircuit, AlarmName::LowSoc][..]] {
        let (mut site, before) = (Site::new(Layout::Series), with(alarms));
        site.run(3, &[before.clone(), before.clone()]);
        for _ in 0..3 {
            let stale = silent(&before, Freshness::Stale, None);
            site.run(20, &[stale.clone(), before.clone()]);
            site.run(20, &[stale.clone(), stale]);
            // The first reading after it may come without alarms.
            let mut partial = before.clone();
            partial.reading.alarms = None;
            partial.alarms.clear();
            site.run(1, &[partial, before.clone()]);
            site.run(5, &[before.clone(), before.clone()]);
        }
        assert_eq!(site.rang().map(|rang| rang.len()), [alarms.len(), alarms.len(), 0], "{:?}", site.rang());
        // An alarm that has ended meanwhile is over, and one that comes again notifies again.
        site.run(3, &[with(&[]), with(&[])]);
        assert_eq!(site.batteries[0].value("/Alarms/LowSoc"), Value::Int(0));
        site.run(3, &[before.clone(), with(&[])]);
        assert_eq!(site.rang().map(|rang| rang.len()), [2 * alarms.len(), alarms.len(), 0]);
    }
}

#[test]
fn a_battery_that_is_silent_for_long_notifies_by_its_cable_alone() {
    let healthy = snapshot::discharging();
    let mut site = Site::new(Layout::Parallel);
    site.run(50, &[silent(&healthy, Freshness::Stale, None), healthy.clone()]);
    assert_eq!(site.rang().map(|rang| rang.len()), [0, 0, 0]);
    site.run(100, &[silent(&healthy, Freshness::Silent, Some(Level::Warning)), healthy.clone()]);
    assert_eq!(site.rang(), [vec!["/Alarms/BmsCable"], vec![], vec![]]);
    let lost = silent(&healthy, Freshness::Lost, Some(Level::Alarm));
    site.run(100, &[lost.clone(), healthy.clone()]);
    site.run(100, &[lost.clone(), lost]);
    assert_eq!(site.rang().map(|rang| rang.len()), [2, 1, 0], "a warning, then an alarm: {:?}", site.rang());
}

#[test]
fn a_bank_shows_the_alarms_of_its_batteries_as_modules() {
    let mut site = Site::new(Layout::Parallel);
    site.run(1, &[with(&[AlarmName::LowSoc]), snapshot::discharging()]);
    let value = |path: &str| site.bank_service.value(path);
    let text = |text: &'static str| Value::Text(text.into());
    assert_eq!([value("/Diagnostics/Module0/Id"), value("/Diagnostics/Module1/Id")], [text("a"), text("b")]);
    assert_eq!(value("/Diagnostics/Module0/Alarms/LowSoc"), Value::Int(2));
    assert_eq!(value("/Diagnostics/Module1/Alarms/LowSoc"), Value::Int(0));
    assert_eq!(value("/Diagnostics/Module2/Id"), Value::Invalid);
    assert_eq!(value("/Diagnostics/Module9/Alarms/BmsCable"), Value::Invalid);
    assert_eq!(value("/Alarms/LowSoc"), Value::Invalid, "not the bank's own");
    let numbers = ["/System/NrOfBatteries", "/System/BatteriesParallel", "/System/BatteriesSeries", "/Balancer/Status"];
    assert_eq!(numbers.map(value), [2, 2, 1, 2].map(Value::Int));
    let chain = Site::new(Layout::Series);
    assert_eq!(numbers.map(|path| chain.bank_service.value(path)), [2, 1, 2, 2].map(Value::Int));
    assert_eq!(chain.bank_service.value("/Alarms/CellImbalance"), Value::Int(0), "a chain that drifts apart is the bank's own");
    assert!(site.batteries[0].items.find("/System/NrOfBatteries").is_none(), "a battery is no bank");
}

#[test]
fn a_chain_that_drifts_apart_notifies_once_also_over_a_gap() {
    let (mut site, healthy) = (Site::new(Layout::Series), snapshot::discharging());
    let mut high = healthy.clone();
    high.reading.voltage = Some(dbus_bms::base::units::Volts::new(60.0));
    site.run(3, &[high.clone(), healthy.clone()]);
    site.run(20, &[silent(&high, Freshness::Stale, None), healthy.clone()]);
    site.run(3, &[high, healthy.clone()]);
    assert_eq!(site.rang(), [vec![], vec![], vec!["/Alarms/CellImbalance"]]);
    site.run(3, &[healthy.clone(), healthy]);
    assert_eq!(site.bank_service.value("/Alarms/CellImbalance"), Value::Int(0));
}
