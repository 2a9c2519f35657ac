//! Schneider Conext: inverters (XW), solar chargers (MPPT 60, 80), Battery Monitor and generator start (AGS) behind a gateway with
//! Modbus TCP. Pure: registers go in, values come out. Nothing here writes, except the generator mode of an AGS on request.
//!
//! ```text
//! part number (0x000A) ─▶ Family ─▶ its registers ─▶ blocks to read ─▶ values by quantity
//! ```
//! Devices differ in the registers that they answer: a missing one is left out and never fails its device ([`Survey`]).
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub mod quantities;
mod registers;
mod survey;
mod tables;
pub mod xanbus;

pub use registers::{Kind, Register, text};
pub use survey::{Step, Survey};
pub use tables::GENERATOR_MODE;

use crate::base::units::{Moment, round};
use crate::model::{DeviceKind, DeviceValue, HouseDevice, Quantity};
use serde_json::{Map, Value as Json, json};

/// First register and number of words of the part number.
pub const PART_NUMBER: (u16, u16) = (0x000A, 10);
/// The same of the serial number; an XW6848 answers exception 2 to it.
pub const SERIAL_NUMBER: (u16, u16) = (0x002B, 10);

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Inverter and charger.
    Xw,
    /// Solar charger without sensors at its modules.
    Mppt60,
    /// Solar charger.
    Mppt80,
    /// Shunt.
    BatteryMonitor,
    /// Automatic generator start.
    Ags,
    /// System control panel: it has no values of interest.
    Scp,
    /// Gateway.
    Gateway,
}

impl Family {
    /// The family of a part number; `None` if it is unknown.
    pub fn of_part(part: &str) -> Option<Self> {
        let part = part.trim();
        let starts = |start: &str| part.starts_with(start);
        Some(match () {
            () if starts("865-6848") => Self::Xw,
            () if starts("865-1030") => Self::Mppt60,
            () if starts("865-1032") => Self::Mppt80,
            () if starts("865-1080") => Self::BatteryMonitor,
            () if starts("865-1060") => Self::Ags,
            () if starts("865-1050") => Self::Scp,
            () if starts("865-0329") || starts("865-0330") || starts("865-0331") || starts("865-1058") => Self::Gateway,
            () => return None,
        })
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xw => "Conext XW",
            Self::Mppt60 => "Conext MPPT 60",
            Self::Mppt80 => "Conext MPPT 80",
            Self::BatteryMonitor => "Conext Battery Monitor",
            Self::Ags => "Conext AGS",
            Self::Scp => "Conext SCP",
            Self::Gateway => "Conext gateway",
        }
    }

    /// Its name in ids and in BerryBMS' messages.
    pub fn key(self) -> &'static str {
        match self {
            Self::Xw => "xw",
            Self::Mppt60 | Self::Mppt80 => "mppt",
            Self::BatteryMonitor => "battmon",
            Self::Ags => "ags",
            Self::Scp => "scp",
            Self::Gateway => "gateway",
        }
    }

    /// What it does.
    pub fn kind(self) -> DeviceKind {
        match self {
            Self::Xw => DeviceKind::Inverter,
            Self::Mppt60 | Self::Mppt80 => DeviceKind::Solar,
            Self::BatteryMonitor => DeviceKind::BatteryMonitor,
            Self::Ags => DeviceKind::Generator,
            Self::Scp | Self::Gateway => DeviceKind::Gateway,
        }
    }

    /// The registers that are read.
    pub fn registers(self) -> &'static [Register] {
        match self {
            Self::Xw => tables::XW,
            Self::Mppt60 | Self::Mppt80 => tables::MPPT,
            Self::BatteryMonitor => tables::BATTERY_MONITOR,
            Self::Ags => tables::AGS,
            Self::Gateway => tables::GATEWAY,
            Self::Scp => &[],
        }
    }

    /// Whether a value of the register means anything here.
    pub fn has(self, register: &Register) -> bool {
        // An MPPT 60 does not measure current and power of its modules: they would be shown as 0 W in the brightest sun.
        !(self == Self::Mppt60 && matches!(register.quantity.key, "pv_current_a" | "pv_power_w"))
    }

    /// All families.
    pub const ALL: [Self; 7] = [Self::Xw, Self::Mppt60, Self::Mppt80, Self::BatteryMonitor, Self::Ags, Self::Scp, Self::Gateway];
}

/// The id of a device: by its serial number, else by its unit.
pub fn device_id(family: Family, serial: Option<&str>, unit: u8) -> String {
    let own = serial.map_or_else(|| unit.to_string(), |serial| serial.chars().filter(char::is_ascii_alphanumeric).collect());
    format!("conext_{}_{own}", family.key())
}

/// A device as BerryBMS publishes it: its name there and its values, those that it has a name for. `None` for one that it does not
/// publish, or without known values.
pub fn berrybms(device: &HouseDevice, now: Moment) -> Option<(String, Map<String, Json>)> {
    let (key, serial) = device.info.id.strip_prefix("conext_")?.split_once('_')?;
    let family = Family::ALL.into_iter().find(|family| family.key() == key)?;
    if !matches!(family, Family::Xw | Family::Mppt60 | Family::Mppt80 | Family::BatteryMonitor) {
        return None;
    }
    let named = |quantity: &Quantity| {
        let mut registers = family.registers().iter().filter(|register| !register.berrybms.is_empty());
        registers.find(|register| register.quantity.key == quantity.key).map(|register| register.berrybms)
    };
    let values = device.values(now).filter_map(|(quantity, value)| {
        let Some(DeviceValue::Number(number)) = value else { return None };
        // Energies in kWh there.
        let number = if quantity.unit == "Wh" { round(number / 1000.0, 3) } else { *number };
        Some((named(quantity)?.to_owned(), json!(number)))
    });
    let values: Map<String, Json> = values.collect();
    (!values.is_empty()).then(|| (format!("{key}-{serial}"), values))
}
