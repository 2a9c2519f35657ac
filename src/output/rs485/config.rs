//! The settings of the RS485 output. What it says of the battery is set for the CAN output (`can.alarms`, `can.module_count`, …).

use super::{PROTOCOLS, Protocol};

/// Port and protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The serial port of the inverter; `None` = no RS485 output.
    pub port: Option<String>,
    /// What the inverter asks in.
    pub protocol: &'static Protocol,
    /// Address of the battery; `None` = the protocol's.
    pub address: Option<u8>,
    /// Speed; `None` = the protocol's.
    pub baud: Option<u32>,
    /// The kernel controls the direction of the transceiver.
    pub kernel_direction: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { port: None, protocol: PROTOCOLS[0], address: None, baud: None, kernel_direction: false }
    }
}
