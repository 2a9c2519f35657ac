//! What an inverter sends to the battery: its presence, a Sunny Island's measurements, and a request to shut down.

use super::decode::given;
use crate::base::units::{Amps, Celsius, Percent, Volts};
use crate::bms::can::{Record, signed_word, word};
use serde::Serialize;
use std::ops::RangeInclusive;

/// Battery voltage of a Sunny Island, 0.1 V: anything else in 0x305 is a counter or a text of another maker.
const VOLTAGES: RangeInclusive<u16> = 200..=700;
/// Its highest current, 0.1 A.
const MAX_CURRENT: u16 = 15_000;
/// What a Growatt inverter sends each second.
const GROWATT_POLL: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];

/// Data of an inverter. With Pylontech's and Victron's protocols only its presence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Inverter {
    /// 0x305, of 11 or 29 bits, was received, or the poll of the protocol.
    pub heartbeat: bool,
    /// It asks the battery to shut down (LuxPower); not obeyed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remote_shutdown_request: bool,
    /// Battery voltage as the Sunny Island measures it.
    #[serde(rename = "voltage_v", skip_serializing_if = "Option::is_none")]
    pub voltage: Option<Volts>,
    /// Battery current as the Sunny Island measures it, with its sign changed: positive charges.
    #[serde(rename = "current_a", skip_serializing_if = "Option::is_none")]
    pub current: Option<Amps>,
    /// Battery temperature that it uses.
    #[serde(rename = "temperature_c", skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Celsius>,
    /// State of charge that it uses.
    #[serde(rename = "soc_pct", skip_serializing_if = "Option::is_none")]
    pub soc: Option<Percent>,
    /// Its charge voltage.
    #[serde(rename = "charge_voltage_v", skip_serializing_if = "Option::is_none")]
    pub charge_voltage: Option<Volts>,
    /// Its state: 1 operating, 3 warning, 4 failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<u8>,
    /// Its error number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
}

impl Inverter {
    /// Adds a frame to what is known; false if it is none of an inverter.
    pub(super) fn receive(inverter: &mut Option<Self>, record: &Record) -> bool {
        let bytes = record.data();
        // A Schneider gateway acknowledges with an id of 29 bits.
        let id = record.id() & !Record::EXTENDED;
        let is_extended = id != record.id();
        let known = match (id, is_extended) {
            (0x305, _) | (0x306 | 0x307, false) => true,
            (0x301, false) => bytes == GROWATT_POLL,
            (0x300, false) => is_shutdown(bytes),
            _ => false,
        };
        if !known {
            return false;
        }
        let inverter = inverter.get_or_insert_default();
        match id {
            0x301 => inverter.heartbeat = true,
            0x300 => inverter.remote_shutdown_request = true,
            0x305 => {
                inverter.heartbeat = true;
                if !is_extended {
                    inverter.measured(bytes);
                }
            }
            0x306 if bytes.iter().any(|byte| *byte != 0) => {
                inverter.state = bytes.get(3).copied();
                inverter.error = word(bytes, 2);
                inverter.charge_voltage = word(bytes, 3).map(Volts::deci);
            }
            _ => {}
        }
        true
    }

    /// 0x305 of a Sunny Island. Others send zeros, a counter, or their maker's name.
    fn measured(&mut self, bytes: &[u8]) {
        let Some(volts) = word(bytes, 0).filter(|volts| VOLTAGES.contains(volts)) else { return };
        let current = signed_word(bytes, 1);
        if current.is_some_and(|current| current != i16::MIN && current.unsigned_abs() > MAX_CURRENT) {
            return;
        }
        self.voltage = Some(Volts::deci(volts));
        self.current = given(current).map(|current| Amps::deci(-f64::from(current)));
        self.temperature = given(signed_word(bytes, 2)).map(Celsius::deci);
        self.soc = given(signed_word(bytes, 3)).map(Percent::deci);
    }
}

/// LuxPower's request to shut down. On a Sunny Island's bus 0x300 is a power, so nothing else may be set.
fn is_shutdown(bytes: &[u8]) -> bool {
    matches!(bytes, [1, rest @ ..] if rest.iter().all(|byte| *byte == 0))
}
