//! Growatt's frames, with the high byte first.

use super::{Decoder, text};
use crate::base::units::{AmpHours, Amps, Percent, Volts};
use crate::bms::can::Frame;
use crate::output::can::details::CellNumber;
use crate::output::can::growatt::{StatusWord, understood};

impl Decoder {
    /// False for a frame of another protocol.
    pub(super) fn growatt(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        let data = &mut self.understood.battery;
        let word = |index: usize| bytes.as_chunks().0.get(index).copied().map(u16::from_be_bytes);
        let signed = |index: usize| bytes.as_chunks().0.get(index).copied().map(i16::from_be_bytes);
        match frame.id() {
            0x311 => {
                data.limits.charge_voltage = word(0).map(Volts::deci);
                data.limits.charge_current_limit = signed(1).map(Amps::deci);
                data.limits.discharge_current_limit = signed(2).map(Amps::deci);
                if let Some(status) = word(3) {
                    self.status(status);
                }
                self.check_limits("0x311");
                self.marks.growatt = true;
            }
            0x312 => {
                let [protections, warnings] = [bytes.get(..2), bytes.get(2..4)].map(Option::unwrap_or_default);
                (data.active.alarms, data.active.warnings) = (Some(understood(protections)), Some(understood(warnings)));
                data.modules.module_count = bytes.get(4).copied();
                data.identity.manufacturer = bytes.get(5..7).and_then(text);
                data.details.cell_count = bytes.get(7).copied();
            }
            0x313 => {
                data.state.voltage = signed(0).map(Volts::centi);
                data.state.current = signed(1).map(Amps::deci);
                data.state.soc = bytes.get(6).map(|percent| Percent::new((*percent).into()));
                // Its highest bit is a flag.
                data.state.soh = bytes.get(7).map(|percent| Percent::new((percent & 0x7F).into()));
                let hottest = self.temperature("0x313", signed(2));
                self.understood.battery.details.max_cell_temperature = hottest;
                self.percents("0x313");
            }
            0x314 => {
                data.charge.remaining = word(0).map(AmpHours::centi);
                data.charge.installed_capacity = word(1).map(AmpHours::centi);
                data.details.cycles = word(3).map(u32::from);
            }
            0x315..=0x318 => {
                let cells = data.details.cells_mv.get_or_insert_default();
                let first = usize::from(frame.id().saturating_sub(0x315)).saturating_mul(4);
                if cells.len() < first.saturating_add(4) {
                    cells.resize(first.saturating_add(4), 0);
                }
                cells.iter_mut().skip(first).zip((0..4).filter_map(word)).for_each(|(cell, sent)| *cell = sent);
            }
            0x319 => {
                let bit = |bit: u8| bytes.first().map(|byte| byte & 1 << bit != 0);
                (data.requests.charge_enable, data.requests.discharge_enable) = (bit(7), bit(6));
                data.requests.force_charge_1 = bit(5);
                let cell = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes);
                (data.extremes.max_cell_mv, data.extremes.min_cell_mv) = (cell(1), cell(3));
                let number = |at: usize| bytes.get(at).filter(|number| **number > 0).map(|number| CellNumber::Of((*number).into()));
                (data.details.max_cell_v_number, data.details.min_cell_v_number) = (number(5), number(6));
                if let Some(pack) = bytes.get(7).filter(|pack| **pack > 0) {
                    self.note(format!("0x319: pack {pack} is faulty"));
                }
            }
            0x320 => data.identity.manufacturer = bytes.get(..2).and_then(text),
            0x321 => {}
            _ => return false,
        }
        true
    }

    fn status(&mut self, word: u16) {
        let status = StatusWord(word);
        let data = &mut self.understood.battery;
        let (charge, discharge) = status.switches();
        (data.requests.charge_enable, data.requests.discharge_enable) = (Some(charge), Some(discharge));
        let details = &mut data.details;
        details.activity = status.activity();
        details.inverter_activity = if word >> 10 & 3 == 0 { None } else { StatusWord(word >> 10).activity() };
        details.balancing = Some(status.is_balancing());
        details.error_valid = Some(status.has_error());
        details.sleep = Some(status.is_sleeping());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_come_later_do_not_push_the_others_out() {
        let mut decoder = Decoder::default();
        decoder.receive(&Frame::new(0x316, &[0x0C, 0xE7, 0x0C, 0xE2, 0, 0, 0, 0]));
        decoder.receive(&Frame::new(0x315, &[0x0C, 0xE5, 0x0C, 0xE6, 0x0C, 0xE4, 0x0C, 0xE3]));
        let cells = decoder.understood().battery.details.cells_mv.clone();
        assert_eq!(cells, Some(vec![3301, 3302, 3300, 3299, 3303, 3298, 0, 0]));
    }
}
