//! Frames of other makers' protocols, most of which this program does not send.

use super::{Decoder, celsius, milli, text};
use crate::base::units::{AmpHours, Amps, Percent, Volts};
use crate::bms::can::{Frame, Record, signed_word, word};
use crate::output::can::details::CellNumber;
use crate::output::can::inverter_data::InverterData;
use crate::output::can::item::{Item, add};

/// Bits of Pytes' 0x403, of both words together: those that stop the battery, and those that warn. Source: the reader of
/// OpenDTU-OnBattery.
const PYTES_ALARMS: &[(u32, Item)] = &[
    (0, Item::HighVoltage),
    (4, Item::LowVoltage),
    (8, Item::HighTemperature),
    (12, Item::LowTemperature),
    (17, Item::HighDischargeCurrent),
    (18, Item::HighDischargeCurrent),
    (19, Item::HighChargeCurrent),
    (20, Item::HighChargeCurrent),
];
const PYTES_WARNINGS: &[(u32, Item)] = &[
    (1, Item::HighVoltage),
    (3, Item::LowVoltage),
    (9, Item::HighTemperature),
    (11, Item::LowTemperature),
    (21, Item::HighDischargeCurrent),
    (22, Item::HighChargeCurrent),
];
/// Bits of warnings and faults in Schneider's 0x325. Source: Battery-Emulator.
const SCHNEIDER: &[(u32, Item)] = &[
    (0, Item::HighChargeCurrent),
    (1, Item::HighDischargeCurrent),
    (2, Item::HighTemperature),
    (3, Item::LowTemperature),
    (4, Item::HighVoltage),
    (5, Item::LowVoltage),
    (6, Item::CellImbalance),
    (7, Item::BmsInternal),
    (8, Item::General),
];

/// The items whose bits are set.
fn raised(bits: u32, table: &[(u32, Item)]) -> Vec<Item> {
    let mut items = Vec::new();
    table.iter().filter(|(bit, _)| bits >> bit & 1 == 1).for_each(|(_, item)| add(&mut items, *item));
    items
}

impl Decoder {
    /// Afore's frames have Pylontech's ids with other content; 0x350 and 0x352 are only there. True for one of its frames.
    pub(super) fn is_afore(&mut self, frame: &Frame) -> bool {
        if [0x350, 0x352].contains(&frame.id()) && !self.marks.afore {
            self.marks.afore = true;
            self.understood.battery = InverterData::default();
            self.note("0x350, 0x352: the protocol of Afore, which is not decoded; its ids are those of others".to_owned());
        }
        self.marks.afore && (0x350..=0x35F).contains(&frame.id())
    }

    /// Deye PCS, Seplos and Pytes.
    pub(super) fn other_maker(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        match frame.id() {
            0x070 => self.extremes(bytes),
            0x361 => {
                // The same four values, in another order.
                let mut turned = [0; 8];
                turned.iter_mut().zip(bytes.iter().cycle().skip(4)).for_each(|(to, from)| *to = *from);
                self.extremes(&turned);
            }
            0x363 => {}
            0x364 => {
                let count = |index: usize| bytes.get(index).copied();
                let data = &mut self.understood.battery;
                data.modules.online = count(0).map(u16::from);
                data.modules.blocking_charge = count(1).map(u16::from);
                data.modules.blocking_discharge = count(2).map(u16::from);
                data.modules.offline = count(3).map(u16::from);
                data.details.modules_total = count(4);
            }
            0x400..=0x41E => return self.pytes(frame),
            _ => return false,
        }
        true
    }

    /// Pytes' own protocol.
    fn pytes(&mut self, frame: &Frame) -> bool {
        let bytes = frame.bytes();
        let data = &mut self.understood.battery;
        match frame.id() {
            0x400 => {
                data.limits.charge_voltage = word(bytes, 0).map(Volts::deci);
                data.limits.charge_current_limit = signed_word(bytes, 1).map(Amps::deci);
                data.limits.discharge_current_limit = signed_word(bytes, 2).map(Amps::deci);
                data.limits.discharge_voltage = word(bytes, 3).map(Volts::deci);
                self.check_limits("0x400");
            }
            0x401 => {
                (data.extremes.max_cell_mv, data.extremes.min_cell_mv) = (word(bytes, 0).map(milli), word(bytes, 1).map(milli));
                data.details.max_cell_v_number = word(bytes, 2).map(CellNumber::Of);
                data.details.min_cell_v_number = word(bytes, 3).map(CellNumber::Of);
            }
            0x402 => {
                data.details.max_cell_temperature = signed_word(bytes, 0).map(celsius);
                data.details.min_cell_temperature = signed_word(bytes, 1).map(celsius);
            }
            0x403 => {
                let flags = long(bytes, 0).zip(long(bytes, 1)).map(|(first, second)| first | second);
                (data.active.alarms, data.active.warnings) =
                    (flags.map(|bits| raised(bits, PYTES_ALARMS)), flags.map(|bits| raised(bits, PYTES_WARNINGS)));
            }
            0x406 => {
                if long(bytes, 0).is_some_and(|bits| bits & 1 << 15 != 0) {
                    add(data.active.alarms.get_or_insert_default(), Item::BmsInternal);
                }
            }
            0x404 => {
                data.state.soc = word(bytes, 0).map(|percent| Percent::new(percent.into()));
                data.state.soh = word(bytes, 1).map(|percent| Percent::new(percent.into()));
                data.details.cycles = word(bytes, 3).map(u32::from);
                self.percents("0x404");
            }
            0x405 => {
                data.state.voltage = signed_word(bytes, 0).map(Volts::centi);
                data.state.current = signed_word(bytes, 1).map(Amps::deci);
                let raw = signed_word(bytes, 2);
                self.understood.battery.state.temperature = self.temperature("0x405", raw);
            }
            0x408 => {
                data.requests.charge_enable = bytes.first().map(|byte| *byte != 0);
                data.requests.discharge_enable = bytes.get(1).map(|byte| *byte != 0);
            }
            0x409 => {
                data.charge.capacity = long(bytes, 0).map(AmpHours::milli);
                data.charge.remaining = long(bytes, 1).map(AmpHours::milli);
            }
            0x40A => data.identity.manufacturer = text(bytes),
            0x41E => {
                data.charge.energy_charged_kwh = long(bytes, 0).map(|raw| f64::from(raw) / 10.0);
                data.charge.energy_discharged_kwh = long(bytes, 1).map(|raw| f64::from(raw) / 10.0);
            }
            _ => return false,
        }
        true
    }

    /// Schneider's "SE BMS v2", the only protocol with ids of 29 bits; the high byte comes first.
    pub(super) fn extended(&mut self, record: &Record) -> bool {
        let bytes = record.data();
        let data = &mut self.understood.battery;
        let high = |index: usize| bytes.as_chunks::<2>().0.get(index).copied().map(u16::from_be_bytes);
        let signed = |index: usize| bytes.as_chunks::<2>().0.get(index).copied().map(i16::from_be_bytes);
        let wide = |index: usize| bytes.as_chunks::<4>().0.get(index).copied().map(i32::from_be_bytes);
        match record.id() & !Record::EXTENDED {
            0x320 | 0x328 | 0x330..=0x332 => {}
            0x325 => {
                let [permits, warnings, faults] = [0, 1, 2].map(high);
                let bit = |bit: u16| permits.map(|bits| bits & 1 << 3 == 0 && bits & 1 << bit != 0);
                data.requests.force_charge_1 = permits.map(|bits| bits & 1 != 0);
                (data.requests.charge_enable, data.requests.discharge_enable) = (bit(1), bit(2));
                let items = |bits: u16| raised(bits.into(), SCHNEIDER);
                (data.active.warnings, data.active.alarms) = (warnings.map(items), faults.map(items));
            }
            0x321 => {
                data.limits.charge_voltage = wide(0).map(Volts::centi);
                data.limits.discharge_voltage = wide(1).map(Volts::centi);
                self.check_limits("0x321");
            }
            0x322 => {
                data.limits.charge_current_limit = wide(0).map(Amps::centi);
                data.limits.discharge_current_limit = wide(1).map(Amps::centi);
                self.check_limits("0x322");
            }
            0x323 => {
                data.state.voltage = wide(0).map(Volts::centi);
                data.state.current = wide(1).map(Amps::centi);
            }
            0x324 => {
                data.state.soc = high(1).map(Percent::deci);
                let raw = signed(0);
                self.understood.battery.state.temperature = self.temperature("0x324", raw);
            }
            0x326 => {
                data.details.cycles = high(1).map(u32::from);
                data.state.soh = high(2).map(|percent| Percent::new(percent.into()));
                data.charge.capacity = high(3).map(|capacity| AmpHours::new(capacity.into()));
            }
            0x327 => {
                data.details.max_cell_temperature = signed(0).map(celsius);
                data.details.min_cell_temperature = signed(1).map(celsius);
                (data.extremes.max_cell_mv, data.extremes.min_cell_mv) = (high(2), high(3));
            }
            0x333 => data.identity.manufacturer = text(bytes),
            _ => return false,
        }
        true
    }
}

fn long(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.as_chunks().0.get(index).copied().map(u32::from_le_bytes)
}
