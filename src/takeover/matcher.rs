//! Finds the entry of dbus-serialbattery for a battery of this driver. Pure; never guesses between two entries.
//!
//! That driver identifies a battery by (v1.0.20231128 to July 2026; every character except letters and digits becomes `_`):
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
use crate::base::units::Volts;
use crate::model::Reading;
use std::collections::BTreeSet;

/// A battery of this driver, with its possible identifiers in that driver.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matcher {
    /// Identifiers that only this battery has.
    own: BTreeSet<String>,
    /// Identifiers that another battery of the same model may share.
    shared: BTreeSet<String>,
    /// Last part of the port's path: `ttyUSB0`.
    port: String,
    /// Bus address as written by that driver; `None` if the battery does not share its port.
    addresses: Option<[String; 2]>,
    /// That driver supports this BMS.
    readable: bool,
    capacity: Option<f64>,
    voltage: Option<f64>,
}

/// Result of the search.
#[derive(Debug, Clone, PartialEq)]
pub enum Match<'a> {
    /// There is no entry for this battery.
    None,
    /// The entry of this battery, with the reason.
    Found(&'a Entry, &'static str),
    /// Several candidates; the owner must choose.
    Ambiguous(Vec<&'a Entry>),
}

impl Matcher {
    /// The battery of a reading; `several` means that the port is shared.
    pub fn new(port: &str, several: bool, reading: &Reading) -> Self {
        let capacity = reading.capacity.map(|capacity| capacity.get());
        let (own, shared) = identifiers(reading, capacity);
        let clean = |names: Vec<String>| names.iter().map(|name| as_identifier(name)).filter(|name| !name.is_empty()).collect();
        let address = reading.address.filter(|_| several).map(|address| {
            // Request addresses of Daly boards start at 40h, board numbers at 1.
            let asked = if reading.bms.starts_with("daly") { address.wrapping_add(0x3F) } else { address };
            [format!("0x{address:02x}"), format!("0x{asked:02x}")]
        });
        Self {
            own: clean(own),
            shared: clean(shared),
            port: port.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
            addresses: address,
            readable: !["topbms", "pylontech"].contains(&reading.bms),
            capacity,
            voltage: reading.voltage.map(Volts::get),
        }
    }

    /// The entry of this battery among `entries`. `alone`: this driver has no other battery.
    pub fn choose<'a>(&self, entries: &'a [Entry], alone: bool) -> Match<'a> {
        let free: Vec<&Entry> = entries.iter().filter(|entry| self.readable && !entry.taken_over).collect();
        let own = free.iter().copied().filter(|entry| self.own.contains(&entry.identifier)).collect();
        if let Some(choice) = last_used(own, "the BMS has the same identifier") {
            return choice;
        }
        let shared: Vec<&Entry> = free
            .iter()
            .copied()
            .filter(|entry| self.shared.contains(&entry.identifier) || self.is_my_port(entry))
            .filter(|entry| self.is_plausible(entry))
            .collect();
        if let Some(choice) = last_used(shared, "version and capacity, or the port, are the same") {
            return choice;
        }
        let others: Vec<&Entry> = free.into_iter().filter(|entry| !is_other_connection(&entry.identifier)).collect();
        match others.as_slice() {
            [only] if alone && self.addresses.is_none() && self.is_plausible(only) => {
                Match::Found(only, "there is one battery and one entry")
            }
            [] => Match::None,
            _ => Match::Ambiguous(others),
        }
    }

    /// Whether the last part of a service's name, `ttyUSB0` or `ttyUSB0__2`, belongs to this port.
    pub fn is_on_port(&self, place: &str) -> bool {
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

    /// Nothing in the entry contradicts this battery: neither the capacity in its identifier nor the recorded voltages.
    fn is_plausible(&self, entry: &Entry) -> bool {
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

/// Of several entries of one battery that driver continues with the one used last; so does this one, if that is known.
fn last_used<'a>(entries: Vec<&'a Entry>, why: &'static str) -> Option<Match<'a>> {
    let newest = entries.iter().filter_map(|entry| entry.last_seen).max();
    let mut last = entries.iter().filter(|entry| entry.last_seen == newest);
    match (entries.as_slice(), last.next(), last.next()) {
        ([], ..) => None,
        ([only], ..) => Some(Match::Found(only, why)),
        (_, Some(last), None) if newest.is_some() => Some(Match::Found(last, why)),
        _ => Some(Match::Ambiguous(entries)),
    }
}

/// Batteries on Bluetooth (identified by their address) and CAN never belong to this driver.
fn is_other_connection(identifier: &str) -> bool {
    let is_mac = identifier.len() == 12 && identifier.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    is_mac || ["can", "vecan", "vcan"].iter().any(|start| identifier.starts_with(start))
}

/// `…_280_0Ah`
fn capacity_in(identifier: &str) -> Option<f64> {
    let mut parts = identifier.strip_suffix("Ah")?.rsplit('_');
    let (tenths, whole) = (parts.next()?, parts.next()?);
    format!("{whole}.{tenths}").parse().ok()
}

/// Converts a text to an identifier as that driver does.
fn as_identifier(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// Names of this BMS in that driver: unique ones, and those that others of its model may share.
fn identifiers(reading: &Reading, capacity: Option<f64>) -> (Vec<String>, Vec<String>) {
    let label = reading.label.as_deref();
    // The number as Python prints it: 280.0.
    let ah = capacity.map(|capacity| format!("{capacity:?}Ah"));
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let joined = |text: &str| text.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_");
    match reading.bms {
        "jk" => {
            // If the text is the factory default, only the model is left.
            let name = label.map(joined).unwrap_or_default();
            if reading.device.model.as_deref().is_some_and(|model| joined(model) == name) {
                (Vec::new(), vec![name])
            } else {
                (vec![name], Vec::new())
            }
        }
        "jk-pb" => {
            let serial = reading.device.serial_number.as_deref().unwrap_or_default();
            let first = |count: usize| format!("{serial:_<count$}").chars().take(count).collect::<String>();
            let serials = if serial.is_empty() { Vec::new() } else { vec![first(10), first(11), serial.to_owned()] };
            let name = label.map(|name| name.chars().take(15).collect::<String>().trim().to_owned());
            // New boards have their model as the name.
            let (own, shared): (Vec<_>, Vec<_>) = name.into_iter().partition(|name| reading.device.model.as_deref() != Some(name));
            (own.into_iter().chain(serials).collect(), shared)
        }
        "daly" | "daly-modbus" => {
            let code = reading.device.serial_number.as_deref().map(joined);
            let date =
                reading.device.production_date.as_ref().map(|date| plain(date.as_written())).unwrap_or_else(|| "None".to_owned());
            let dated = capacity.map(|capacity| format!("{date}_{:.0}", capacity.trunc()));
            match code {
                Some(code) => (vec![code], Vec::new()),
                None => (Vec::new(), dated.into_iter().collect()),
            }
        }
        "jbd" => {
            let version = reading.device.sw_version.as_deref().and_then(|version| version.parse::<f64>().ok());
            let name = version.zip(ah).map(|(version, ah)| format!("{}_{ah}", plain(&format!("{version:?}"))));
            (Vec::new(), name.into_iter().collect())
        }
        "ant" | "ant-old" => (Vec::new(), ah.map(|ah| format!("ANTBMS{}S_{ah}", reading.cells.len())).into_iter().collect()),
        _ => (Vec::new(), Vec::new()),
    }
}
