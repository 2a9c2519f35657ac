//! Decodes frames as an inverter would.
//!
//! The ids of all profiles are compatible, so that no profile has to be selected. Where two makers put different content into the
//! same id, the content tells them apart; frames that depend on it are decoded again once it is known.

mod growatt;
mod marks;
mod others;
mod plausible;

use super::details::CellNumber;
use super::inverter::Inverter;
use super::inverter_data::InverterData;
use super::pylontech;
use super::sma;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::can::{BusError, Frame, Record, signed_word, word};
use marks::Marks;
use serde::Serialize;
use std::ops::RangeInclusive;

/// Most notes: a long trace repeats the same ones.
const MAX_NOTES: usize = 32;
/// Cell voltages, mV.
const CELL_MV: RangeInclusive<u16> = 1000..=4600;
/// Highest difference between a state of charge and its finer value, 0.01 %.
const FINER_WITHIN: u16 = 150;

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

/// Decodes frame by frame.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    understood: Understood,
    /// Number of known frames.
    frames: usize,
    marks: Marks,
    /// The last frames whose meaning depends on [`Marks`].
    ambiguous: [Option<Frame>; AMBIGUOUS.len()],
}

/// Ids whose meaning depends on the maker.
const AMBIGUOUS: [u16; 4] = [0x355, 0x356, 0x359, 0x35C];

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
        self.marks.profile(self.understood.battery.identity.manufacturer.as_deref().unwrap_or_default())
    }

    /// Decodes a frame with an 11-bit id; false if it is unknown.
    pub fn receive(&mut self, frame: &Frame) -> bool {
        self.receive_record(&Record::from(*frame))
    }

    /// Decodes a frame; false if it is unknown.
    pub fn receive_record(&mut self, record: &Record) -> bool {
        let known = match record.frame() {
            Some(frame) => {
                if let Some(kept) = AMBIGUOUS.iter().position(|id| *id == frame.id()).and_then(|i| self.ambiguous.get_mut(i)) {
                    *kept = Some(frame);
                }
                let before = self.marks;
                let known = self.frame(&frame);
                if self.marks.luxpower != before.luxpower {
                    self.decode_again();
                }
                known
            }
            None => self.extended(record),
        };
        let known = Inverter::receive(&mut self.understood.inverter, record) || known;
        self.frames = self.frames.saturating_add(usize::from(known));
        known
    }

    /// Records an error frame of the controller.
    pub fn receive_error(&mut self, error: BusError) {
        if !matches!(error, BusError::Restarted | BusError::Other) {
            self.note(error.to_string());
        }
    }

    fn frame(&mut self, frame: &Frame) -> bool {
        if self.is_afore(frame) {
            return true;
        }
        self.battery(frame) || self.victron(frame) || self.growatt(frame) || self.other_maker(frame)
    }

    fn decode_again(&mut self) {
        for frame in self.ambiguous.into_iter().flatten() {
            self.battery(&frame);
        }
    }

    /// The frames that most batteries send.
    fn battery(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        let data = &mut self.understood.battery;
        match frame.id() {
            0x351 => self.limits(bytes),
            // Discover's; Afore's was taken before.
            0x354 => {
                let amp_hours = |index: usize| word(bytes, index).map(|raw| AmpHours::new(raw.into()));
                (data.charge.capacity, data.charge.remaining) = (amp_hours(0), amp_hours(1));
                self.marks.capacities = true;
            }
            0x355 => self.charge(bytes),
            0x356 => self.measured(bytes),
            0x359 => self.protections(bytes),
            0x35A => {
                let (alarms, warnings) = bytes.split_at(bytes.len().min(4));
                let ((alarms, alarms_ok), (warnings, warnings_ok)) = (sma::understood(alarms), sma::understood(warnings));
                (data.active.alarms, data.active.alarms_ok) = (Some(alarms), Some(alarms_ok));
                (data.active.warnings, data.active.warnings_ok) = (Some(warnings), Some(warnings_ok));
                self.marks.pairs = true;
            }
            0x35B => {}
            0x35C => self.requests(bytes),
            0x35E => data.identity.manufacturer = text(bytes),
            0x35F => {
                data.identity.product_or_type_u16 = word(bytes, 0);
                data.identity.fw_bytes_2_3 = bytes.get(2..4).map(crate::base::hex::encode);
                data.charge.capacity = word(bytes, 2).map(|capacity| AmpHours::new(capacity.into()));
                data.identity.hw_or_mfr_u16 = word(bytes, 3);
                if word(bytes, 2) == Some(0) {
                    self.note("0x35F: the capacity is 0 Ah".to_owned());
                }
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
        self.check_limits("0x351");
        if bytes.len() < 6 {
            self.note(format!("0x351 has {} bytes, no room for both current limits", bytes.len()));
        }
        self.scale_voltage();
    }

    /// 0x355: behind the whole per cent a finer value, or LuxPower's highest and lowest cell.
    fn charge(&mut self, bytes: &[u8]) {
        let data = &mut self.understood.battery;
        let [soc, soh, third, fourth] = [0, 1, 2, 3].map(|index| word(bytes, index));
        data.state.soc = soc.map(|soc| Percent::new(soc.into()));
        data.state.soh = soh.map(|soh| Percent::new(soh.into()));
        let given_third = third.filter(|third| ![0, u16::MAX].contains(third));
        let finer = given_third.filter(|fine| soc.is_some_and(|soc| soc.saturating_mul(100).abs_diff(*fine) <= FINER_WITHIN));
        let cells = third.zip(fourth).filter(|(highest, lowest)| are_cells(*highest, *lowest));
        data.state.soc_hires = None;
        if !self.marks.capacities {
            data.charge.remaining = None;
        }
        match (finer, cells) {
            (None, Some(cells)) => {
                self.marks.luxpower = true;
                self.extreme_cells(cells);
            }
            (Some(_), Some(cells)) if self.marks.luxpower => self.extreme_cells(cells),
            (Some(fine), _) => {
                data.state.soc_hires = Some(Percent::centi(fine));
                // As YamBMS sends it to a Sofar.
                data.charge.remaining = fourth.filter(|left| ![0, u16::MAX].contains(left)).map(AmpHours::deci);
            }
            (None, None) => {
                if let Some(other) = given_third {
                    self.note(format!("0x355: {:.2} % after the state of charge contradicts it", f64::from(other) / 100.0));
                }
            }
        }
        self.percents("0x355");
    }

    fn extreme_cells(&mut self, (highest, lowest): (u16, u16)) {
        let data = &mut self.understood.battery;
        (data.extremes.max_cell_mv, data.extremes.min_cell_mv) = (Some(highest), Some(lowest));
    }

    /// 0x356: behind the temperature LuxPower's coldest sensor, or a Sofar's cycles.
    fn measured(&mut self, bytes: &[u8]) {
        let data = &mut self.understood.battery;
        data.state.voltage = given(signed_word(bytes, 0)).map(Volts::centi);
        data.state.current = given(signed_word(bytes, 1)).map(Amps::deci);
        let [third, fourth] = [2, 3].map(|index| given(signed_word(bytes, index)));
        if self.marks.luxpower {
            (data.state.temperature, data.details.cycles) = (None, None);
            let (hottest, coldest) = (self.temperature("0x356", third), self.temperature("0x356", fourth));
            let details = &mut self.understood.battery.details;
            (details.max_cell_temperature, details.min_cell_temperature) = (hottest, coldest);
            if let Some(frame) = self.ambiguous.last().copied().flatten() {
                self.cycles(frame.bytes());
            }
        } else {
            data.details.cycles = word(bytes, 3).filter(|cycles| ![0, u16::MAX].contains(cycles)).map(u32::from);
            self.understood.battery.state.temperature = self.temperature("0x356", third);
        }
        self.scale_voltage();
    }

    /// LuxPower's 0x35C.
    fn cycles(&mut self, bytes: &[u8]) {
        self.understood.battery.details.cycles = word(bytes, 1).map(u32::from);
    }

    fn protections(&mut self, bytes: &[u8]) {
        let (alarms, warnings, unknown) = pylontech::understood(bytes);
        let data = &mut self.understood.battery;
        (data.active.alarms, data.active.warnings) = (Some(alarms), Some(warnings));
        data.modules.module_count = bytes.get(4).copied();
        let tail = bytes.get(5..7).unwrap_or_default();
        let is_text = tail.iter().all(|byte| *byte == 0 || byte.is_ascii_uppercase());
        if !is_text {
            self.marks.luxpower = true;
        }
        data.modules.tail_pn = (is_text && !tail.is_empty()).then(|| crate::base::hex::encode(tail));
        if self.marks.luxpower
            && let &[low, high] = tail
        {
            data.charge.capacity = Some(AmpHours::new(u16::from_le_bytes([low, high]).into()));
            data.modules.tail_pn = None;
        }
        data.details.online_mask = bytes.get(7).copied().filter(|mask| *mask != 0);
        self.marks.pylontech = true;
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
        self.marks.pylontech = true;
        if self.marks.luxpower {
            self.cycles(bytes);
        }
    }

    /// The additional frames of Victron, some of which Pylontech's second set has, too.
    fn victron(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        let data = &mut self.understood.battery;
        match frame.id() {
            0x360 => data.requests.force_charge_victron = bytes.first().map(|byte| *byte == 0xFF),
            0x370 if !is_text(bytes) => self.extremes(bytes),
            0x371 if !is_text(bytes) => self.numbers(bytes),
            0x370 => data.identity.bms_name_1 = text(bytes),
            0x371 => data.identity.bms_name_2 = text(bytes),
            0x372 | 0x373 if bytes.len() < 8 => {
                self.note(format!("0x{:03X} has {} bytes: Victron's has 8; ignored", frame.id(), bytes.len()));
            }
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
        match frame.id() {
            // Other makers use these, too.
            0x360 | 0x379 => {}
            0x372..=0x377 => self.marks.cells = true,
            0x370 | 0x371 if !is_text(bytes) => {}
            _ => self.marks.victron = true,
        }
        true
    }

    /// 0x370 in numbers, as Pylontech's second set and Shoto have it, and Seplos under 0x070.
    fn extremes(&mut self, bytes: &[u8]) {
        let id = "0x370";
        let [hottest, coldest] = [0, 1].map(|index| signed_word(bytes, index));
        let hottest = self.temperature(id, hottest);
        let coldest = self.temperature(id, coldest);
        let data = &mut self.understood.battery;
        (data.details.max_cell_temperature, data.details.min_cell_temperature) = (hottest, coldest);
        (data.extremes.max_cell_mv, data.extremes.min_cell_mv) = (word(bytes, 2).map(milli), word(bytes, 3).map(milli));
    }

    /// 0x371 in numbers: those of the extremes, or the limits on the grid of a Deye PCS.
    fn numbers(&mut self, bytes: &[u8]) {
        let details = &mut self.understood.battery.details;
        let numbers = [0, 1, 2, 3].map(|index| word(bytes, index).and_then(CellNumber::of_word));
        // Cells have small numbers, and limits are behind by zeros.
        if numbers.iter().all(|number| number.is_some_and(|number| number.in_module().1 <= 100)) {
            [details.max_cell_t_number, details.min_cell_t_number, details.max_cell_v_number, details.min_cell_v_number] = numbers;
        } else {
            details.charge_limit_on_grid = given(signed_word(bytes, 0)).map(Amps::deci);
            details.discharge_limit_on_grid = given(signed_word(bytes, 1)).map(Amps::deci);
        }
    }

    fn note(&mut self, text: String) {
        if !self.understood.notes.contains(&text) && self.understood.notes.len() < MAX_NOTES {
            self.understood.notes.push(text);
        }
    }
}

/// A signed word, unless it is SMA's "invalid".
pub(super) fn given(word: Option<i16>) -> Option<i16> {
    word.filter(|word| *word != i16::MIN)
}

/// Whether these are the highest and the lowest cell of a battery, mV.
fn are_cells(highest: u16, lowest: u16) -> bool {
    CELL_MV.contains(&highest) && CELL_MV.contains(&lowest) && lowest <= highest
}

/// A cell voltage in mV; some senders have 10 mV.
fn milli(raw: u16) -> u16 {
    if raw < 1000 { raw.saturating_mul(10) } else { raw }
}

/// Whether this is a text: printable characters, filled up with zeros.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().skip_while(|byte| is_printable(**byte)).all(|byte| *byte == 0)
}

/// Text up to the first byte that is not printable, without blanks at its end: some makers put numbers behind the name.
fn text(bytes: &[u8]) -> Option<String> {
    let text: String = bytes.iter().take_while(|byte| is_printable(**byte)).map(|byte| char::from(*byte)).collect();
    let text = text.trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Keeps escape codes from the battery off the terminal.
fn is_printable(byte: u8) -> bool {
    (0x20..0x7F).contains(&byte)
}

/// A temperature in 0.1 °C.
fn celsius(raw: i16) -> Celsius {
    Celsius::deci(raw)
}
