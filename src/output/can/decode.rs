//! Decodes frames as an inverter would.
//!
//! The ids of all profiles are compatible, so that no profile has to be selected.

use super::inverter_data::InverterData;
use super::pylontech;
use super::sma;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::can::{BusError, Frame, signed_word, word};
use serde::Serialize;

/// Everything received on a bus.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Understood {
    /// Data of the battery.
    #[serde(flatten)]
    pub battery: InverterData,
    /// Data of the inverter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inverter: Option<Inverter>,
    /// Problems of the frames, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Data of an inverter. With Pylontech's and Victron's protocols only its presence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Inverter {
    /// 0x305 was received.
    pub heartbeat: bool,
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

/// Decodes frame by frame.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    understood: Understood,
    /// Number of known frames.
    frames: usize,
    profile: Marks,
}

/// Features that distinguish profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Marks {
    pylontech: bool,
    victron: bool,
    pairs: bool,
}

impl Decoder {
    /// The data decoded so far.
    pub fn understood(&self) -> &Understood {
        &self.understood
    }

    /// Number of known frames.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Name of the profile that the battery's frames resemble.
    pub fn looks_like(&self) -> Option<&'static str> {
        let maker = self.understood.battery.identity.manufacturer.as_deref().unwrap_or_default();
        match self.profile {
            Marks { pylontech: true, .. } => Some("pylontech"),
            Marks { victron: true, .. } => Some("victron"),
            Marks { pairs: true, .. } if maker.starts_with("PYLON") => Some("pylontech-1.3"),
            Marks { pairs: true, .. } => Some("sma"),
            _ => None,
        }
    }

    /// Decodes a frame; false if it is unknown.
    pub fn receive(&mut self, frame: &Frame) -> bool {
        let known = self.battery(frame) || self.victron(frame) || self.inverter(frame);
        self.frames = self.frames.saturating_add(usize::from(known));
        known
    }

    /// Records an error frame of the controller.
    pub fn receive_error(&mut self, error: BusError) {
        if !matches!(error, BusError::Restarted | BusError::Other) {
            self.note(error.to_string());
        }
    }

    /// The frames that most batteries send.
    fn battery(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        let data = &mut self.understood.battery;
        match frame.id() {
            0x351 => self.limits(bytes),
            0x355 => {
                data.state.soc = word(bytes, 0).map(|soc| Percent::new(soc.into()));
                data.state.soh = word(bytes, 1).map(|soh| Percent::new(soh.into()));
                data.state.soc_hires = word(bytes, 2).filter(|fine| ![0, u16::MAX].contains(fine)).map(Percent::centi);
                self.percents();
            }
            0x356 => {
                data.state.voltage = given(signed_word(bytes, 0)).map(Volts::centi);
                data.state.current = given(signed_word(bytes, 1)).map(Amps::deci);
                data.state.temperature = given(signed_word(bytes, 2)).map(Celsius::deci);
            }
            0x359 => self.protections(bytes),
            0x35A => {
                let (alarms, warnings) = bytes.split_at(bytes.len().min(4));
                let ((alarms, alarms_ok), (warnings, warnings_ok)) = (sma::understood(alarms), sma::understood(warnings));
                (data.active.alarms, data.active.alarms_ok) = (Some(alarms), Some(alarms_ok));
                (data.active.warnings, data.active.warnings_ok) = (Some(warnings), Some(warnings_ok));
                self.profile.pairs = true;
            }
            0x35B => {}
            0x35C => self.requests(bytes),
            0x35E => data.identity.manufacturer = text(bytes),
            0x35F => {
                data.identity.product_or_type_u16 = word(bytes, 0);
                data.identity.fw_bytes_2_3 = bytes.get(2..4).map(crate::base::hex::encode);
                data.charge.capacity = word(bytes, 2).map(|capacity| AmpHours::new(capacity.into()));
                data.identity.hw_or_mfr_u16 = word(bytes, 3);
            }
            _ => return false,
        }
        true
    }

    fn limits(&mut self, bytes: &[u8]) {
        let data = &mut self.understood.battery;
        data.limits.charge_voltage = word(bytes, 0).filter(|volts| *volts != u16::MAX).map(Volts::deci);
        data.limits.charge_current_limit = given(signed_word(bytes, 1)).map(Amps::deci);
        data.limits.discharge_current_limit = given(signed_word(bytes, 2)).map(Amps::deci);
        data.limits.discharge_voltage = word(bytes, 3).filter(|volts| *volts != u16::MAX).map(Volts::deci);
        for (what, limit) in [("charge", data.limits.charge_current_limit), ("discharge", data.limits.discharge_current_limit)] {
            if let Some(limit) = limit.filter(|limit| *limit < Amps::ZERO) {
                self.note(format!(
                    "0x351: the {what} current limit is {limit}: limits are positive; inverters may take this for no limit or none"
                ));
            }
        }
        if bytes.len() < 6 {
            self.note(format!("0x351 has {} bytes, no room for both current limits", bytes.len()));
        }
    }

    fn percents(&mut self) {
        let data = &self.understood.battery;
        for (what, percent) in [("charge", data.state.soc), ("health", data.state.soh)] {
            if let Some(percent) = percent.filter(|percent| percent.get() > 100.0) {
                self.note(format!("0x355: a state of {what} of {percent} is impossible; the low byte comes first"));
            }
        }
    }

    fn protections(&mut self, bytes: &[u8]) {
        let (alarms, warnings, unknown) = pylontech::understood(bytes);
        let data = &mut self.understood.battery;
        (data.active.alarms, data.active.warnings) = (Some(alarms), Some(warnings));
        data.modules.module_count = bytes.get(4).copied();
        data.modules.tail_pn = bytes.get(5..7).map(crate::base::hex::encode);
        self.profile.pylontech = true;
        for (byte, bit) in unknown {
            self.note(format!("0x359: byte {byte} bit {bit} is set, which Pylontech's document gives no meaning"));
        }
    }

    fn requests(&mut self, bytes: &[u8]) {
        let Some(byte) = bytes.first() else { return };
        let bit = |bit: u8| Some(byte & (1 << bit) != 0);
        let data = &mut self.understood.battery;
        (data.requests.charge_enable, data.requests.discharge_enable) = (bit(7), bit(6));
        (data.requests.force_charge_1, data.requests.force_charge_2, data.requests.full_charge_request) = (bit(5), bit(4), bit(3));
        self.profile.pylontech = true;
    }

    /// The additional frames of Victron.
    fn victron(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        let data = &mut self.understood.battery;
        match frame.id() {
            0x360 => data.requests.force_charge_victron = bytes.first().map(|byte| *byte == 0xFF),
            0x370 => data.identity.bms_name_1 = text(bytes),
            0x371 => data.identity.bms_name_2 = text(bytes),
            0x372 => {
                (data.modules.online, data.modules.blocking_charge) = (word(bytes, 0), word(bytes, 1));
                (data.modules.blocking_discharge, data.modules.offline) = (word(bytes, 2), word(bytes, 3));
            }
            0x373 => {
                (data.extremes.min_cell_mv, data.extremes.max_cell_mv) = (word(bytes, 0), word(bytes, 1));
                let kelvin = |index| word(bytes, index).filter(|kelvin| *kelvin > 0);
                (data.extremes.min_cell_temp_k, data.extremes.max_cell_temp_k) = (kelvin(2), kelvin(3));
            }
            0x374 => data.extremes.min_cell_v_id = text(bytes),
            0x375 => data.extremes.max_cell_v_id = text(bytes),
            0x376 => data.extremes.min_cell_t_id = text(bytes),
            0x377 => data.extremes.max_cell_t_id = text(bytes),
            0x378 => {
                let long = |first| Some(f64::from(word(bytes, first)?) + 65_536.0 * f64::from(word(bytes, first + 1)?));
                data.charge.energy_charged_kwh = long(0).map(|raw| raw / 10.0);
                data.charge.energy_discharged_kwh = long(2).map(|raw| raw / 10.0);
            }
            0x379 => data.charge.installed_capacity = word(bytes, 0).map(|capacity| AmpHours::new(capacity.into())),
            0x380 => data.identity.serial_number = text(bytes),
            0x381 => {
                let rest = text(bytes).unwrap_or_default();
                let first: String = data.identity.serial_number.take().unwrap_or_default().chars().take(8).collect();
                data.identity.serial_number = Some(first + &rest);
            }
            0x382 => data.identity.product_name = text(bytes),
            _ => return false,
        }
        // Other makers use 0x360 and 0x379, too.
        self.profile.victron |= ![0x360, 0x379].contains(&frame.id());
        true
    }

    /// The frames of the inverter.
    fn inverter(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        if ![0x305, 0x306, 0x307].contains(&frame.id()) {
            return false;
        }
        let inverter = self.understood.inverter.get_or_insert_default();
        match frame.id() {
            0x305 => {
                inverter.heartbeat = true;
                // All but SMA's send zeros.
                if bytes.iter().any(|byte| *byte != 0) && word(bytes, 0).is_some_and(|volts| volts > 200) {
                    inverter.voltage = word(bytes, 0).map(Volts::deci);
                    inverter.current = given(signed_word(bytes, 1)).map(|current| Amps::deci(-f64::from(current)));
                    inverter.temperature = given(signed_word(bytes, 2)).map(Celsius::deci);
                    inverter.soc = given(signed_word(bytes, 3)).map(Percent::deci);
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

    fn note(&mut self, text: String) {
        // A long trace repeats the same notes.
        if !self.understood.notes.contains(&text) && self.understood.notes.len() < 32 {
            self.understood.notes.push(text);
        }
    }
}

/// A signed word, unless it is SMA's "invalid".
fn given(word: Option<i16>) -> Option<i16> {
    word.filter(|word| *word != i16::MIN)
}

/// Text without trailing zeros or blanks.
fn text(bytes: &[u8]) -> Option<String> {
    let text: String = bytes.iter().take_while(|byte| **byte != 0).map(|byte| printable(*byte)).collect();
    let text = text.trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Keeps escape codes from the battery off the terminal.
fn printable(byte: u8) -> char {
    if (0x20..0x7F).contains(&byte) { char::from(byte) } else { '?' }
}
