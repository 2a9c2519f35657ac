//! A battery on D-Bus, converted from its items to a snapshot. Pure; [`crate::dbus::client::remote_batteries`] receives the items.
//!
//! Batteries of this driver provide more than others (`/Bank/…`): the maximum voltage that is safe for their cells, and a sign of
//! life. Of others the limits are taken as they are; only if such a battery reports float, its lower voltage does not count as
//! required for safety.

use crate::bank::Member;
use crate::base::printable::MAX_NAME;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::battery::charge;
use crate::dbus::value::Value;
use crate::model::{
    Alarm, AlarmName, Balancing, BmsSettings, Derived, Fets, Freshness, Level, Limit, Limits, MemberInfo, Mode, Reading, Reasons,
    Snapshot, Temperatures,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Alarm for each path below `/Alarms` of another battery.
const ALARM_PATHS: &[(&str, AlarmName)] = &[
    ("LowVoltage", AlarmName::LowVoltage),
    ("HighVoltage", AlarmName::HighVoltage),
    ("LowCellVoltage", AlarmName::CellLowVoltage),
    ("HighCellVoltage", AlarmName::CellHighVoltage),
    ("LowSoc", AlarmName::LowSoc),
    ("HighChargeCurrent", AlarmName::HighChargeCurrent),
    ("HighDischargeCurrent", AlarmName::HighDischargeCurrent),
    ("CellImbalance", AlarmName::CellImbalance),
    ("InternalFailure", AlarmName::BmsInternal),
    ("HighChargeTemperature", AlarmName::HighChargeTemperature),
    ("LowChargeTemperature", AlarmName::LowChargeTemperature),
    ("HighTemperature", AlarmName::HighTemperature),
    ("LowTemperature", AlarmName::LowTemperature),
    ("HighInternalTemperature", AlarmName::HighMosTemperature),
    ("BatteryTemperatureSensor", AlarmName::SensorFault),
    ("Contactor", AlarmName::Contactor),
];

/// Items by full path.
pub(crate) type RemoteItems = BTreeMap<String, Value<'static>>;

/// A battery on the bus with its last values.
#[derive(Debug, Clone, Default)]
pub struct RemoteBattery {
    /// Its service.
    pub service: String,
    items: RemoteItems,
    /// CVL of another driver's battery before float.
    charge_cvl: Option<f64>,
    /// Counts signs of life of a battery that does not count its readings.
    alive: u16,
}

impl RemoteBattery {
    /// A battery without known values.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), ..Self::default() }
    }

    /// Applies changed items.
    pub(crate) fn update(&mut self, items: RemoteItems) {
        self.items.extend(items);
        if !self.is_floating() {
            self.charge_cvl = self.number("/Info/MaxChargeVoltage").or(self.charge_cvl);
        }
    }

    /// Records a sign of life.
    pub(crate) fn mark_alive(&mut self) {
        self.alive = self.alive.wrapping_add(1);
    }

    /// The bank that it belongs to; batteries of other drivers do not report one.
    pub fn bank(&self) -> Option<&str> {
        self.text("/Bank/Name")
    }

    /// It publishes limits for the whole system.
    pub fn publishes_limits(&self) -> bool {
        self.number("/Info/MaxChargeVoltage").is_some()
    }

    /// It reports its data as valid.
    pub fn has_good_data(&self) -> bool {
        match self.text("/Bank/State") {
            Some(state) => state == "fresh",
            None => self.integer("/Connected") == Some(1) && self.number("/Dc/0/Voltage").is_some(),
        }
    }

    /// The silence stage that it reports.
    pub fn reported_freshness(&self) -> Freshness {
        match self.text("/Bank/State") {
            _ if self.has_good_data() => Freshness::Fresh,
            Some("stale") => Freshness::Stale,
            Some("silent") => Freshness::Silent,
            _ => Freshness::Lost,
        }
    }

    /// Number of readings, to distinguish a resting battery from a silent one.
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

    /// Its custom name, else the end of its service name.
    pub fn label(&self) -> &str {
        let end = self.service.rsplit('.').next().unwrap_or(&self.service);
        let name = self.text("/CustomName").map(str::trim).filter(|name| !name.is_empty()).unwrap_or(end);
        name.char_indices().nth(MAX_NAME).map_or(name, |(end, _)| name.get(..end).unwrap_or_default())
    }

    /// Its driver is being stopped.
    pub fn is_leaving(&self) -> bool {
        let reason = self.text("/Info/ChargeLimitation").unwrap_or_default();
        !self.has_good_data() && [charge::STOPPED, charge::ENDED].contains(&reason)
    }

    /// As a member of a bank; without a snapshot if it provides no limits.
    pub fn member(&self, freshness: Freshness) -> Member {
        Member {
            name: self.service.clone(),
            label: self.label().to_owned(),
            snapshot: self.snapshot(freshness).map(Arc::new),
            reasons: self.reasons(),
            leaving: self.is_leaving(),
            ..Member::default()
        }
    }

    /// Its values; `None` if limits are missing or invalid.
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
            cable: self.alarm_level("BmsCable"),
            freshness,
            cell_count,
            member_info: self.member_info(limits.cvl.value),
            limits,
            ..Snapshot::default()
        })
    }

    fn reading(&self) -> Reading {
        let flag = |path: &str| self.integer(path).map(|flag| flag != 0);
        // Other drivers set this to 0 even while the switch is closed and only the limit is 0.
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
            temperatures: Temperatures { mos: self.number("/System/MOSTemperature").map(Celsius::new), ..Temperatures::default() },
            fets: Fets { charge: switch("/Io/AllowToCharge"), discharge: switch("/Io/AllowToDischarge"), ..Fets::default() },
            balancing: Balancing { active: flag("/Balancing"), allowed: flag("/Io/AllowToBalance"), ..Balancing::default() },
            heating: flag("/Heating"),
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

    /// The number in `C7`, 0 without one.
    fn place(&self, path: &str) -> usize {
        let digits = self.text(path).map(|text| text.trim_start_matches(|c: char| !c.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The limits, for a bank of this driver or for the whole system. A negative one counts as 0.
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

    fn member_info(&self, cvl: Volts) -> MemberInfo {
        let (ceiling, float) = match (self.bank(), self.is_floating()) {
            (Some(_), _) => (self.number("/Bank/ChargeVoltageCeiling"), self.number("/Bank/FloatVoltage")),
            (None, true) => (self.charge_cvl.map(|before| before.max(cvl.get())), Some(cvl.get())),
            (None, false) => (None, None),
        };
        MemberInfo { readings: self.readings(), ceiling: ceiling.map(Volts::new), float: float.map(Volts::new) }
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

    /// In float, and not because of a high cell.
    fn is_floating(&self) -> bool {
        let phase = self.text("/Info/ChargeMode").unwrap_or_default();
        phase.starts_with("Float") && !phase.contains("OVP")
    }

    fn reasons(&self) -> Reasons {
        let text = |path: &str| self.text(path).filter(|text| !text.is_empty()).unwrap_or("its own limit").to_owned();
        let mode = text("/Info/ChargeMode");
        let cvl = mode.split_once(": ").map_or(mode.as_str(), |(_, why)| why).to_owned();
        Reasons { cvl: cvl.into(), ccl: text("/Info/ChargeLimitation").into(), dcl: text("/Info/DischargeLimitation").into() }
    }

    /// `None` if it has no alarm items.
    fn alarms(&self) -> Option<Vec<Alarm>> {
        let mut known = false;
        let mut found = Vec::new();
        for (path, name) in ALARM_PATHS {
            known |= self.integer(&format!("/Alarms/{path}")).is_some();
            found.extend(self.alarm_level(path).map(|level| Alarm { name: *name, level }));
        }
        known.then_some(found)
    }

    fn alarm_level(&self, path: &str) -> Option<Level> {
        match self.integer(&format!("/Alarms/{path}"))? {
            1 => Some(Level::Warning),
            2 => Some(Level::Alarm),
            _ => None,
        }
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
            // Counts and states are within this range; a fraction is dropped.
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
