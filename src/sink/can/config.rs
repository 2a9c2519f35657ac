//! The settings of the CAN output.

use super::{PROFILES, Profile};
use crate::units::Percent;
use std::time::Duration;

/// What goes to an inverter, over which interface and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The CAN interface (`can0`); `None` = no output over CAN.
    pub interface: Option<String>,
    /// What the inverter expects.
    pub profile: &'static Profile,
    /// Name of the maker, up to 8 ASCII characters; `None` = the profile's.
    pub manufacturer: Option<String>,
    /// Modules of the battery; `None` = 1.
    pub module_count: Option<u8>,
    /// What becomes of the battery's alarms.
    pub alarms: AlarmPolicy,
    /// The sign of the current in the SMA profile.
    pub sma_current_sign: CurrentSign,
    /// State of charge at which the inverter is asked to charge from the grid; `None` = never.
    pub force_charge_soc: Option<Percent>,
    /// Days without a full charge after which the inverter is asked for one; `None` = never.
    pub full_charge_after_days: Option<u16>,
    /// Age of the data at which all limits are 0 and requests off (three reading periods where that is longer).
    pub off_after: Duration,
    /// Age of the data at which nothing is sent any more.
    pub quiet_after: Duration,
    /// Bring the interface up when it is down.
    pub bring_up: bool,
    /// Bit rate for that.
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

/// What becomes of the battery's alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlarmPolicy {
    /// Alarms are sent as alarms; most inverters then stop.
    #[default]
    Alarms,
    /// Alarms are sent as warnings; inverters show them and go on. Limits and the BMS still protect.
    Warnings,
}

/// The sign of the current in SMA's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CurrentSign {
    /// Positive charges, as in all other profiles.
    #[default]
    Charge,
    /// Negative charges, as the JK to Sunny Island translator sends it.
    Seed,
}
