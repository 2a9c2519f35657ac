//! Another battery on D-Bus as a snapshot: what its items say, read back. Pure; [`super::peers`] listens.
//!
//! Batteries of this driver tell more than others (`/Bank/…`): the voltage that the safety of their cells allows, and that they
//! are alive. Of others the limits are taken as they are; only where such a battery says itself that it is in float does its
//! lower voltage not count as one that safety asks for.

use super::alarms;
use super::value::Value;
use crate::bank::Member;
use crate::charge;
use crate::model::{
    Alarm, BmsSettings, Derived, Freshness, History, Level, Limit, Limits, LineState, LinkStats, Mode, Part, Reading, Reasons,
    Snapshot,
};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Items by their full path.
pub(crate) type PeerItems = BTreeMap<String, Value<'static>>;

/// A battery on the bus and what it said last.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Its service.
    pub service: String,
    items: PeerItems,
    /// CVL of a foreign battery before it went to float.
    charge_cvl: Option<f64>,
    /// Counts signs of life of a battery that does not count its readings itself.
    alive: u16,
}

impl Peer {
    /// A battery with nothing known of it.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), ..Self::default() }
    }

    /// Takes over changed items.
    pub(crate) fn update(&mut self, items: PeerItems) {
        self.items.extend(items);
        if !self.floats() {
            self.charge_cvl = self.number("/Info/MaxChargeVoltage").or(self.charge_cvl);
        }
    }

    /// It gave a sign of life.
    pub(crate) fn lives(&mut self) {
        self.alive = self.alive.wrapping_add(1);
    }

    /// The bank it says to belong to; batteries of other drivers say nothing.
    pub fn bank(&self) -> Option<&str> {
        self.text("/Bank/Name")
    }

    /// It publishes limits to everybody.
    pub fn controls(&self) -> bool {
        self.number("/Info/MaxChargeVoltage").is_some()
    }

    /// It says itself that its data is good.
    pub fn is_well(&self) -> bool {
        match self.text("/Bank/State") {
            Some(state) => state == "fresh",
            None => self.integer("/Connected") == Some(1) && self.number("/Dc/0/Voltage").is_some(),
        }
    }

    /// How far the silence is by its own account.
    pub fn stage(&self) -> Freshness {
        match self.text("/Bank/State") {
            _ if self.is_well() => Freshness::Fresh,
            Some("stale") => Freshness::Stale,
            Some("silent") => Freshness::Silent,
            _ => Freshness::Lost,
        }
    }

    /// Counts readings, so that a resting battery can be told from a silent one.
    pub fn readings(&self) -> u16 {
        let counted = self.integer("/Bank/Readings").and_then(|count| u16::try_from(count).ok());
        counted.unwrap_or(self.alive)
    }

    /// Current in A, while known.
    pub fn current(&self) -> Option<f64> {
        self.number("/Dc/0/Current")
    }

    /// `/DeviceInstance`.
    pub fn instance(&self) -> Option<i32> {
        self.integer("/DeviceInstance")
    }

    /// What the owner calls it, else the end of its service name.
    pub fn label(&self) -> &str {
        let end = self.service.rsplit('.').next().unwrap_or(&self.service);
        self.text("/CustomName").filter(|name| !name.trim().is_empty()).unwrap_or(end)
    }

    /// It said goodbye: its driver was stopped.
    pub fn is_leaving(&self) -> bool {
        let reason = self.text("/Info/ChargeLimitation").unwrap_or_default();
        !self.is_well() && [charge::STOPPED, charge::ENDED].contains(&reason)
    }

    /// As a member of a bank; without a snapshot where it gives no limits.
    pub fn member(&self, freshness: Freshness) -> Member {
        Member {
            name: self.service.clone(),
            label: self.label().to_owned(),
            snapshot: self.snapshot(freshness).map(Arc::new),
            reasons: self.reasons(),
            leaving: self.is_leaving(),
        }
    }

    /// What it says; `None` where limits are missing or are none.
    fn snapshot(&self, freshness: Freshness) -> Option<Snapshot> {
        let limits = self.limits()?;
        let cell_count = self.integer("/System/NrOfCellsPerBattery").and_then(|count| u8::try_from(count).ok());
        let mut reading = self.reading();
        let alarms = self.alarms();
        reading.alarms.clone_from(&alarms);
        Some(Snapshot {
            reading,
            derived: self.derived(),
            alarms: alarms.unwrap_or_default(),
            cable: None,
            freshness,
            history: History::default(),
            since_full: None,
            link: LinkStats::default(),
            line: LineState::default(),
            replies: Default::default(),
            cell_count,
            part: self.part(limits.cvl.value),
            limits,
            modules: None,
            owner: Default::default(),
        })
    }

    fn reading(&self) -> Reading {
        let flag = |path: &str| self.integer(path).map(|flag| flag != 0);
        // Others set this to 0 also while the switch is closed and only the limit is 0.
        let switch = |path: &str| flag(path).filter(|_| self.bank().is_some());
        Reading {
            voltage: self.number("/Dc/0/Voltage").map(Volts::new),
            current: self.current().map(Amps::new),
            power: self.number("/Dc/0/Power").map(Watts::new),
            soc: self.number("/Soc").map(Percent::new),
            soh: self.number("/Soh").map(Percent::new),
            remaining: self.number("/Capacity").map(AmpHours::new),
            capacity: self.number("/InstalledCapacity").map(AmpHours::new),
            cycles: self.integer("/History/ChargeCycles").and_then(|cycles| u32::try_from(cycles).ok()),
            mos_temperature: self.number("/System/MOSTemperature").map(Celsius::new),
            charge_fet: switch("/Io/AllowToCharge"),
            discharge_fet: switch("/Io/AllowToDischarge"),
            balancing: flag("/Balancing"),
            balance_allowed: flag("/Io/AllowToBalance"),
            settings: BmsSettings::default(),
            ..Reading::new("dbus", None)
        }
    }

    fn derived(&self) -> Derived {
        let volts = |path: &str, place: &str| Some((Volts::new(self.number(path)?), self.place(place)));
        let heat = |path: &str, place: &str| Some((Celsius::new(self.number(path)?), self.place(place)));
        Derived {
            min_cell: volts("/System/MinCellVoltage", "/System/MinVoltageCellId"),
            max_cell: volts("/System/MaxCellVoltage", "/System/MaxVoltageCellId"),
            temperature: self.number("/Dc/0/Temperature").map(Celsius::new),
            min_temperature: heat("/System/MinCellTemperature", "/System/MinTemperatureCellId"),
            max_temperature: heat("/System/MaxCellTemperature", "/System/MaxTemperatureCellId"),
            ..Derived::default()
        }
    }

    /// The number in `C7`, 0 where there is none.
    fn place(&self, path: &str) -> usize {
        let digits = self.text(path).map(|text| text.trim_start_matches(|c: char| !c.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The limits: to a bank of ours, or to everybody. A negative one is 0.
    fn limits(&self) -> Option<Limits> {
        let node = if self.bank().is_some() { "/Bank" } else { "/Info" };
        let number = |name: &str| self.number(&format!("{node}/{name}")).map(|value| value.max(0.0));
        let why = "as the battery says";
        Some(Limits {
            cvl: Limit { value: Volts::new(number("MaxChargeVoltage")?), why },
            ccl: Limit { value: Amps::new(number("MaxChargeCurrent")?), why },
            dcl: Limit { value: Amps::new(number("MaxDischargeCurrent")?), why },
            low_voltage: Volts::new(self.number("/Info/BatteryLowVoltage").unwrap_or_default()),
            mode: self.mode(),
        })
    }

    fn part(&self, cvl: Volts) -> Part {
        let (ceiling, float) = match (self.bank(), self.floats()) {
            (Some(_), _) => (self.number("/Bank/ChargeVoltageCeiling"), self.number("/Bank/FloatVoltage")),
            (None, true) => (self.charge_cvl.map(|before| before.max(cvl.get())), Some(cvl.get())),
            (None, false) => (None, None),
        };
        Part { readings: self.readings(), ceiling: ceiling.map(Volts::new), float: float.map(Volts::new) }
    }

    fn mode(&self) -> Mode {
        let phase = self.text("/Bank/Phase").or(self.text("/Info/ChargeMode")).unwrap_or_default();
        match phase {
            _ if phase.starts_with("Float") => Mode::Float,
            _ if phase.starts_with("Absorption") => Mode::Absorption,
            _ if phase.starts_with("Hold") => Mode::Hold,
            _ => Mode::Bulk,
        }
    }

    /// In float, and not because a cell is too high.
    fn floats(&self) -> bool {
        let phase = self.text("/Info/ChargeMode").unwrap_or_default();
        phase.starts_with("Float") && !phase.contains("OVP")
    }

    fn reasons(&self) -> Reasons {
        let text = |path: &str| self.text(path).filter(|text| !text.is_empty()).unwrap_or("its own limit").to_owned();
        let mode = text("/Info/ChargeMode");
        let cvl = mode.split_once(": ").map_or(mode.as_str(), |(_, why)| why).to_owned();
        Reasons { cvl: cvl.into(), ccl: text("/Info/ChargeLimitation").into(), dcl: text("/Info/DischargeLimitation").into() }
    }

    /// `None` where it knows of no alarm at all.
    fn alarms(&self) -> Option<Vec<Alarm>> {
        let mut known = false;
        let mut found = Vec::new();
        for (path, name) in alarms::NAMES {
            let level = self.integer(&format!("/Alarms/{path}"));
            known |= level.is_some();
            let level = match level {
                Some(1) => Level::Warning,
                Some(2) => Level::Alarm,
                _ => continue,
            };
            found.push(Alarm { name: *name, level });
        }
        known.then_some(found)
    }

    fn number(&self, path: &str) -> Option<f64> {
        match self.items.get(path)? {
            Value::Double(value) => Some(*value).filter(|value| value.is_finite()),
            Value::Int(value) => Some(f64::from(*value)),
            _ => None,
        }
    }

    fn integer(&self, path: &str) -> Option<i32> {
        match self.items.get(path)? {
            Value::Int(value) => Some(*value),
            // No count or state is beyond the range; a fraction is dropped.
            Value::Double(value) if value.abs() < f64::from(i32::MAX) => Some(*value as i32),
            _ => None,
        }
    }

    fn text(&self, path: &str) -> Option<&str> {
        match self.items.get(path)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}
