//! The settings of the CAN output.

use super::{PROFILES, Profile};
use crate::base::units::Percent;
use std::time::Duration;

/// Interface, protocol and content of the CAN output.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The CAN interface (`can0`); `None` = no CAN output.
    pub interface: Option<String>,
    /// Protocol of the inverter.
    pub profile: &'static Profile,
    /// Manufacturer name, up to 8 ASCII characters; `None` = the profile's.
    pub manufacturer: Option<String>,
    /// Modules of the battery; `None` = 1.
    pub module_count: Option<u8>,
    /// How to send the battery's alarms.
    pub alarms: AlarmPolicy,
    /// Fill all frames up to 8 bytes.
    pub pad: bool,
    /// The sign of the current in the SMA profile.
    pub sma_current_sign: CurrentSign,
    /// State of charge at which the inverter is asked to charge from the grid; `None` = never.
    pub force_charge_soc: Option<Percent>,
    /// Days without a full charge after which the inverter is asked for one; `None` = never.
    pub full_charge_after_days: Option<u16>,
    /// Age of the data at which limits are 0 and requests off (at least three reading periods).
    pub off_after: Duration,
    /// Age of the data at which transmission stops.
    pub quiet_after: Duration,
    /// Bring the interface up if it is down.
    pub bring_up: bool,
    /// Bit rate for `bring_up`.
    pub bitrate: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interface: None,
            profile: PROFILES[0],
            manufacturer: None,
            module_count: None,
            alarms: AlarmPolicy::default(),
            pad: false,
            sma_current_sign: CurrentSign::default(),
            force_charge_soc: Some(Percent::new(9.0)),
            full_charge_after_days: Some(30),
            off_after: Duration::from_secs(10),
            quiet_after: Duration::from_secs(30),
            bring_up: false,
            bitrate: 500_000,
        }
    }
}

/// How to send the battery's alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlarmPolicy {
    /// As alarms, on which most inverters stop.
    #[default]
    Alarms,
    /// As warnings, which inverters only show. Limits and the BMS still protect the battery.
    Warnings,
}

/// The sign of the current in SMA's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CurrentSign {
    /// Positive charges, as in all other profiles.
    #[default]
    Charge,
    /// Positive discharges, as sent by the JK to Sunny Island translator.
    DischargePositive,
}
