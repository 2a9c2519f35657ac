//! Which entry of dbus-serialbattery is a battery's of ours? Pure, and never a guess between two.
//!
//! That driver tells a battery by (v1.0.20231128 to July 2026; each other character than a letter or digit becomes `_`):
//!
//! | BMS | identifier |
//! |---|---|
//! | JK | the 24 characters of register BA without `Input Userda`, spaces as one `_` |
//! | JK PB | the device name; until 2.0 the first 10 or 11 characters of the serial number |
//! | Daly | the battery code, else production date and capacity: `20230115_280` |
//! | JBD | firmware version and capacity: `21_280_0Ah` for 2.1 |
//! | ANT | `ANTBMS16S_280_0Ah` |
//! | any, if its owner chose so | the port: `ttyUSB0__0x01`, until 2.0 `_dev_ttyUSB0` |
//! | any until mid-2023 | the port; no identifier is stored |

use super::entries::Entry;
use crate::model::Reading;
use crate::units::Volts;
use std::collections::BTreeSet;

/// A battery of ours, as far as that driver could have told it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heir {
    /// Identifiers that only this battery has.
    own: BTreeSet<String>,
    /// Identifiers that another one of the same make may have as well.
    shared: BTreeSet<String>,
    /// Last part of the port's path: `ttyUSB0`.
    port: String,
    /// Bus address as that driver writes it; `None` where the battery has the port for itself.
    addresses: Option<[String; 2]>,
    /// That driver can read such a BMS at all.
    readable: bool,
    capacity: Option<f64>,
    voltage: Option<f64>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice<'a> {
    /// That driver has left nothing for this battery.
    Nothing,
    /// This entry is this battery's, for this reason.
    Take(&'a Entry, &'static str),
    /// Each of these may be it; the owner must say.
    Unclear(Vec<&'a Entry>),
}

impl Heir {
    /// The battery behind a reading; `several` says that the port is shared.
    pub fn new(port: &str, several: bool, reading: &Reading) -> Self {
        let capacity = reading.capacity.map(|capacity| capacity.get());
        let (own, shared) = identifiers(reading, capacity);
        let clean = |names: Vec<String>| names.iter().map(|name| word(name)).filter(|name| !name.is_empty()).collect();
        let address = reading.address.filter(|_| several).map(|address| {
            // Daly boards are asked from 40h on, and count from 1.
            let asked = if reading.bms.starts_with("daly") { address.wrapping_add(0x3F) } else { address };
            [format!("0x{address:02x}"), format!("0x{asked:02x}")]
        });
        Self {
            own: clean(own),
            shared: clean(shared),
            port: port.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
            addresses: address,
            readable: reading.bms != "topbms",
            capacity,
            voltage: reading.voltage.map(Volts::get),
        }
    }

    /// Which of `entries` is this battery's? `alone`: there is no other battery of ours.
    pub fn choose<'a>(&self, entries: &'a [Entry], alone: bool) -> Choice<'a> {
        let free: Vec<&Entry> = entries.iter().filter(|entry| self.readable && !entry.parked).collect();
        let own = free.iter().copied().filter(|entry| self.own.contains(&entry.identifier)).collect();
        if let Some(choice) = last_used(own, "the BMS has the same identifier") {
            return choice;
        }
        let shared: Vec<&Entry> = free
            .iter()
            .copied()
            .filter(|entry| self.shared.contains(&entry.identifier) || self.is_my_port(entry))
            .filter(|entry| self.fits(entry))
            .collect();
        if let Some(choice) = last_used(shared, "version and capacity, or the port, are the same") {
            return choice;
        }
        let others: Vec<&Entry> = free.into_iter().filter(|entry| !is_elsewhere(&entry.identifier)).collect();
        match others.as_slice() {
            [only] if alone && self.addresses.is_none() && self.fits(only) => {
                Choice::Take(only, "there is one battery and one entry")
            }
            [] => Choice::Nothing,
            _ => Choice::Unclear(others),
        }
    }

    /// Whether the last part of a service's name, `ttyUSB0` or `ttyUSB0__2`, is of this port.
    pub fn is_on(&self, place: &str) -> bool {
        !self.port.is_empty()
            && (place == self.port || place.strip_prefix(self.port.as_str()).is_some_and(|rest| rest.starts_with("__")))
    }

    /// `ttyUSB0`, `ttyUSB0__0x01`, `_dev_ttyUSB0`, `_dev_ttyUSB0__0x01`.
    fn is_my_port(&self, entry: &Entry) -> bool {
        let place = entry.identifier.strip_prefix("_dev_").unwrap_or(&entry.identifier);
        let Some(rest) = place.strip_prefix(self.port.as_str()).filter(|_| !self.port.is_empty()) else { return false };
        match (&self.addresses, rest.strip_prefix("__")) {
            (None, None) => rest.is_empty(),
            (None, Some(address)) => address.starts_with("0x"),
            (Some(addresses), Some(address)) => addresses.iter().any(|known| known == address),
            (Some(_), None) => false,
        }
    }

    /// Nothing in the entry speaks against this battery: a capacity in its identifier, the voltages that were seen.
    fn fits(&self, entry: &Entry) -> bool {
        let counted = &entry.counters;
        let seen = |limit: Option<f64>, beyond: fn(f64, f64) -> bool| {
            !self.voltage.zip(limit).is_some_and(|(voltage, limit)| beyond(voltage, limit))
        };
        let capacity = capacity_in(&entry.identifier).zip(self.capacity).is_none_or(|(there, here)| (there - here).abs() < 1.0);
        capacity
            && seen(counted.maximum_voltage, |voltage, most| voltage > most * 1.25)
            && seen(counted.minimum_voltage, |voltage, least| voltage < least * 0.75)
    }
}

/// Of several entries of one battery that driver goes on with the last one it used; so do we, if that can be told.
fn last_used<'a>(entries: Vec<&'a Entry>, why: &'static str) -> Option<Choice<'a>> {
    let newest = entries.iter().filter_map(|entry| entry.last_seen).max();
    let mut last = entries.iter().filter(|entry| entry.last_seen == newest);
    match (entries.as_slice(), last.next(), last.next()) {
        ([], ..) => None,
        ([only], ..) => Some(Choice::Take(only, why)),
        (_, Some(last), None) if newest.is_some() => Some(Choice::Take(last, why)),
        _ => Some(Choice::Unclear(entries)),
    }
}

/// Batteries on Bluetooth (by their address) and CAN are never ours.
fn is_elsewhere(identifier: &str) -> bool {
    let is_mac = identifier.len() == 12 && identifier.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    is_mac || ["can", "vecan", "vcan"].iter().any(|start| identifier.starts_with(start))
}

/// `…_280_0Ah`
fn capacity_in(identifier: &str) -> Option<f64> {
    let mut parts = identifier.strip_suffix("Ah")?.rsplit('_');
    let (tenths, whole) = (parts.next()?, parts.next()?);
    format!("{whole}.{tenths}").parse().ok()
}

/// As that driver makes a name of a text.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// What that driver would call this BMS: names of its own, and names that others of its make may have as well.
fn identifiers(reading: &Reading, capacity: Option<f64>) -> (Vec<String>, Vec<String>) {
    let label = reading.label.as_deref();
    // As Python writes the number: 280.0.
    let ah = capacity.map(|capacity| format!("{capacity:?}Ah"));
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let joined = |text: &str| text.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
    match reading.bms {
        "jk" => {
            // With the factory's text only the model is left.
            let name = label.map(joined).unwrap_or_default();
            if reading.model.as_deref().is_some_and(|model| joined(model) == name) {
                (Vec::new(), vec![name])
            } else {
                (vec![name], Vec::new())
            }
        }
        "jk-pb" => {
            let serial = reading.serial_number.as_deref().unwrap_or_default();
            let first = |count: usize| format!("{serial:_<count$}").chars().take(count).collect::<String>();
            let serials = if serial.is_empty() { Vec::new() } else { vec![first(10), first(11), serial.to_owned()] };
            let name = label.map(|name| name.chars().take(15).collect::<String>().trim().to_owned());
            // Boards come with their model as the name.
            let (own, shared): (Vec<_>, Vec<_>) = name.into_iter().partition(|name| reading.model.as_deref() != Some(name));
            (own.into_iter().chain(serials).collect(), shared)
        }
        "daly" | "daly-modbus" => {
            let code = reading.serial_number.as_deref().map(joined);
            let date = reading.production_date.as_deref().map(plain).unwrap_or_else(|| "None".to_owned());
            let dated = capacity.map(|capacity| format!("{date}_{:.0}", capacity.trunc()));
            match code {
                Some(code) => (vec![code], Vec::new()),
                None => (Vec::new(), dated.into_iter().collect()),
            }
        }
        "jbd" => {
            let version = reading.sw_version.as_deref().and_then(|version| version.parse::<f64>().ok());
            let name = version.zip(ah).map(|(version, ah)| format!("{}_{ah}", plain(&format!("{version:?}"))));
            (Vec::new(), name.into_iter().collect())
        }
        "ant" => (Vec::new(), ah.map(|ah| format!("ANTBMS{}S_{ah}", reading.cells.len())).into_iter().collect()),
        _ => (Vec::new(), Vec::new()),
    }
}
