//! A bank with members whose data is set by the test.

use dbus_bms::bank::{Bank, Config, Layout, Member, Switched};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts, Watts};
use dbus_bms::model::{
    Alarm, Derived, Fets, Freshness, History, JK_CAN_DIRECTION, Limit, Limits, MemberInfo, Mode, OpenValue, Reading, Snapshot,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Data of a member; initially a plain half-full 280 Ah pack at rest.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    pub(crate) voltage: f64,
    pub(crate) current: f64,
    /// The direction of the current is not known.
    pub(crate) undirected: bool,
    pub(crate) soc: f64,
    pub(crate) capacity: Option<f64>,
    pub(crate) tells_remaining: bool,
    pub(crate) cells: (f64, f64),
    pub(crate) temperatures: (f64, f64),
    pub(crate) cvl: f64,
    pub(crate) ccl: f64,
    pub(crate) dcl: f64,
    pub(crate) ceiling: Option<f64>,
    pub(crate) float: Option<f64>,
    pub(crate) mode: Mode,
    pub(crate) fets: (Option<bool>, Option<bool>),
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) freshness: Freshness,
    pub(crate) there: bool,
    pub(crate) leaving: bool,
    pub(crate) switched: Switched,
    /// The member publishes limits.
    pub(crate) limits: bool,
    pub(crate) readings: u16,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            voltage: 53.0,
            current: 0.0,
            undirected: false,
            soc: 50.0,
            capacity: Some(280.0),
            tells_remaining: true,
            cells: (3.30, 3.32),
            temperatures: (20.0, 25.0),
            cvl: 55.2,
            ccl: 100.0,
            dcl: 120.0,
            ceiling: Some(55.2),
            float: Some(54.0),
            mode: Mode::Bulk,
            fets: (Some(true), Some(true)),
            alarms: Vec::new(),
            freshness: Freshness::Fresh,
            there: true,
            leaving: false,
            switched: Switched::No,
            limits: true,
            readings: 0,
        }
    }
}

impl Says {
    pub(crate) fn member(&self, name: &str) -> Member {
        let why = "its rule";
        let mut reading = Reading {
            voltage: Some(Volts::new(self.voltage)),
            current: Some(Amps::new(self.current)).filter(|_| !self.undirected),
            power: Some(Watts::new(self.voltage * self.current)).filter(|_| !self.undirected),
            soc: Some(Percent::new(self.soc)),
            remaining: self.capacity.filter(|_| self.tells_remaining).map(|capacity| AmpHours::new(capacity * self.soc / 100.0)),
            capacity: self.capacity.map(AmpHours::new),
            fets: Fets { charge: self.fets.0, discharge: self.fets.1, ..Fets::default() },
            alarms: Some(self.alarms.clone()),
            ..Reading::new("jk", None)
        };
        if self.undirected {
            let answers = [self.current, -self.current].map(|amps| OpenValue::Current(Amps::new(amps)));
            reading.leave_open(&JK_CAN_DIRECTION, answers);
        }
        let snapshot = Snapshot {
            reading,
            derived: Derived {
                min_cell: Some((Volts::new(self.cells.0), 3)),
                max_cell: Some((Volts::new(self.cells.1), 7)),
                temperature: Some(Celsius::new((self.temperatures.0 + self.temperatures.1) / 2.0)),
                min_temperature: Some((Celsius::new(self.temperatures.0), 1)),
                max_temperature: Some((Celsius::new(self.temperatures.1), 2)),
                ..Derived::default()
            },
            alarms: self.alarms.clone(),
            freshness: self.freshness,
            cell_count: Some(16),
            limits: Limits {
                cvl: Limit { value: Volts::new(self.cvl), why },
                ccl: Limit { value: Amps::new(self.ccl), why },
                dcl: Limit { value: Amps::new(self.dcl), why },
                low_voltage: Volts::new(46.4),
                mode: self.mode,
            },
            member_info: MemberInfo {
                readings: self.readings,
                ceiling: self.ceiling.map(Volts::new),
                float: self.float.map(Volts::new),
            },
            ..Snapshot::default()
        };
        let mut member = Member { leaving: self.leaving, switched: self.switched, ..Member::local(name, Arc::new(snapshot)) };
        if !self.there || !self.limits {
            member.snapshot = None;
        }
        member
    }
}

/// A bank over time.
pub(crate) struct Rig {
    pub(crate) bank: Bank,
    pub(crate) members: BTreeMap<&'static str, Says>,
    pub(crate) seconds: f64,
    pub(crate) last: Option<Snapshot>,
}

impl Rig {
    pub(crate) fn new(config: Config, names: &[&'static str]) -> Self {
        let members = names.iter().map(|name| (*name, Says::default())).collect();
        Self { bank: Bank::new(config, History::default()), members, seconds: 1000.0, last: None }
    }

    pub(crate) fn parallel(names: &[&'static str]) -> Self {
        Self::new(Config::default(), names)
    }

    pub(crate) fn series(names: &[&'static str]) -> Self {
        Self::new(Config { layout: Layout::Series, ..Config::default() }, names)
    }

    pub(crate) fn says(&mut self, name: &'static str) -> &mut Says {
        self.members.get_mut(name).unwrap()
    }

    pub(crate) fn list(&self) -> Vec<Member> {
        self.members.iter().map(|(name, says)| says.member(name)).collect()
    }

    /// One step after `seconds`, with a new reading of each member.
    pub(crate) fn step(&mut self, seconds: f64) -> &Snapshot {
        for says in self.members.values_mut().filter(|says| says.freshness == Freshness::Fresh && says.there) {
            says.readings = says.readings.wrapping_add(1);
        }
        self.step_without_readings(seconds)
    }

    pub(crate) fn step_without_readings(&mut self, seconds: f64) -> &Snapshot {
        self.seconds += seconds;
        let now = Now { at: Moment::from_secs(self.seconds), unix: Some(1_800_000_000 + self.seconds as u64) };
        let snapshot = self.bank.step(&self.list(), now);
        check(&snapshot);
        self.last.insert(snapshot)
    }

    /// One step per second.
    pub(crate) fn run(&mut self, seconds: u32) -> &Snapshot {
        for _ in 0..seconds {
            self.step(1.0);
        }
        self.last.as_ref().unwrap()
    }

    pub(crate) fn ccl(&self) -> f64 {
        self.last.as_ref().unwrap().limits.ccl.value.get()
    }

    pub(crate) fn dcl(&self) -> f64 {
        self.last.as_ref().unwrap().limits.dcl.value.get()
    }

    pub(crate) fn cvl(&self) -> f64 {
        self.last.as_ref().unwrap().limits.cvl.value.get()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.last.as_ref().unwrap().limits.mode
    }

    /// Reasons of CVL, CCL and DCL.
    pub(crate) fn why(&self) -> [String; 3] {
        let reasons = &self.last.as_ref().unwrap().bank_summary.as_ref().unwrap().reasons;
        [reasons.cvl.to_string(), reasons.ccl.to_string(), reasons.dcl.to_string()]
    }
}

/// Holds for every snapshot.
pub(crate) fn check(snapshot: &Snapshot) {
    let Limits { cvl, ccl, dcl, low_voltage, .. } = snapshot.limits;
    for value in [cvl.value.get(), ccl.value.get(), dcl.value.get(), low_voltage.get()] {
        assert!(value.is_finite() && value >= 0.0, "{:?}", snapshot.limits);
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
