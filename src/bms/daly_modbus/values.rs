//! Meaning of the registers.

use super::alarms;
use super::registers::{D2, Map, P81, P81_BOARD_TEMPERATURE, P81_PROTECTIONS};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::bms::bytes::{set_bits, show_cells, text, unless};
use crate::bms::daly::alarms::failures;
use crate::bms::modbus;
use crate::model::{Chemistry, Reading};
use std::ops::Range;

/// The registers of one reply.
pub(super) struct Registers<'a>(pub(super) modbus::Registers<'a>);

impl Registers<'_> {
    /// The register, if it is in this reply and fitted.
    pub(super) fn word(&self, register: u16) -> Option<u16> {
        unless(&[0xFFFF], self.0.u16(register)?)
    }

    pub(super) fn words(&self, registers: Range<u16>) -> impl Iterator<Item = Option<u16>> {
        registers.map(|register| self.word(register))
    }

    /// Values of both families.
    fn live(&self, map: &Map, into: &mut Reading) {
        let set = |field: &mut Option<bool>, register| *field = self.word(register).map(|word| word != 0).or(*field);
        set(&mut into.fets.charge, map.charge_fet);
        set(&mut into.fets.discharge, map.discharge_fet);
        into.voltage = self.word(map.voltage).map(Volts::deci).or(into.voltage);
        into.current = self.current(map).or(into.current);
        into.soc = self.word(map.soc).map(Percent::deci).or(into.soc);
        into.remaining = self.word(map.remaining).map(AmpHours::deci).or(into.remaining);
        into.power = self.word(map.power).map(|watts| Watts::new(f64::from(watts))).or(into.power); // the magnitude only
        into.cycles = self.word(map.cycles).map(u32::from).or(into.cycles);
        // 0 is off, 1 passive, 2 active; a recorded p81 board reports 7.
        into.balancing.active =
            self.word(map.balancer).filter(|state| *state <= 2).map(|state| state != 0).or(into.balancing.active);
        into.temperatures.mos = self.word(map.mos_temperature).and_then(celsius).or(into.temperatures.mos);
        if let Some(count) = self.word(map.cell_count).filter(|count| (1..=map.cells).contains(count)) {
            into.cell_count = u8::try_from(count).ok();
            show_cells(self.words(0..count).map(|cell| cell.map(Volts::milli)), into);
        }
        if let Some(sensors) = self.word(map.sensor_count) {
            let fitted = self.words(map.temperatures.clone()).take(usize::from(sensors)).flatten();
            into.temperatures.sensors = Some(fitted.filter_map(celsius).collect());
        }
        self.balancing(map, into);
        into.heating = map.heater.and_then(|register| self.word(register)).map(|on| on != 0).or(into.heating);
        self.version(map, into);
    }

    fn version(&self, map: &Map, into: &mut Reading) {
        let texts = self.0.first.eq(&map.version.read.first).then_some(self.0.data);
        if let Some((software, hardware)) = texts.and_then(|data| data.split_at_checked(map.software)) {
            let hardware = hardware.get(..map.software.min(hardware.len()));
            (into.device.sw_version, into.device.hw_version) = (text(software), hardware.and_then(text));
        }
    }

    /// Positive charges.
    fn current(&self, map: &Map) -> Option<Amps> {
        // 0 would be -3000 A: a board that has measured nothing.
        let current = f64::from(unless(&[0], self.word(map.current)?)?) - 30000.0;
        Some(Amps::deci(match self.word(map.state) {
            Some(1) => current.abs(),
            Some(2) if current > 0.0 => -current,
            _ => current,
        }))
    }

    /// The cells being balanced, if the bits agree with the balancer's state and the number of cells.
    fn balancing(&self, map: &Map, into: &mut Reading) {
        let Some(words) = self.words(map.balancing.clone()).collect::<Option<Vec<_>>>() else { return };
        let numbered = words.into_iter().zip([0u8, 16, 32]);
        let bits = numbered.map(|(word, before)| (set_bits(u32::from(word)), before));
        let cells: Vec<u8> = bits.flat_map(|(bits, before)| bits.into_iter().map(move |bit| bit.saturating_add(before))).collect();
        let real = cells.iter().all(|cell| into.cell_count.is_some_and(|count| *cell <= count));
        if real && into.balancing.active == Some(!cells.is_empty()) {
            into.balancing.cells = Some(cells);
        }
    }

    pub(super) fn d2(&self, into: &mut Reading) {
        self.live(&D2, into);
        if let Some(words) = self.words(0x3A..0x3E).collect::<Option<Vec<_>>>() {
            // The bits of command 98 in the same order, two bytes per register, low byte first.
            let bytes: Vec<u8> = words.into_iter().flat_map(u16::to_le_bytes).collect();
            failures(&bytes, into);
        }
        let settings = &mut into.settings;
        let word = |register| unless(&[0], self.word(register)?);
        let amps = |register| word(register).map(|raw| Amps::deci((f64::from(raw) - 30000.0).abs()));
        if let Some(rated) = word(0x80) {
            into.capacity = Some(AmpHours::deci(rated));
            settings.chemistry = self.word(0x89).and_then(chemistry);
            settings.cell_ovp = word(0x8C).map(Volts::milli);
            settings.cell_uvp = word(0x8E).map(Volts::milli);
            settings.pack_ovp = word(0x90).map(Volts::deci);
            settings.pack_uvp = word(0x92).map(Volts::deci);
            settings.charge_ocp = amps(0x94);
            settings.discharge_ocp = amps(0x96);
        }
    }

    pub(super) fn p81(&self, into: &mut Reading) {
        self.live(&P81, into);
        // Rated capacity in mAh, twice; the register map has it elsewhere, but the recording and the remaining capacity confirm
        // this place.
        let rated = |at: u16| Some(u32::from(self.word(at)?) << 16 | u32::from(self.word(at.checked_add(1)?)?));
        if let (Some(rated), Some(again)) = (rated(0x109), rated(0x10B))
            && rated == again
            && rated > 0
        {
            into.capacity = Some(AmpHours::milli(rated));
        }
        self.p81_protections(into);
        into.temperatures.board = self.word(P81_BOARD_TEMPERATURE).and_then(celsius).or(into.temperatures.board);
        alarms::failures(self, into);
    }
}

impl Registers<'_> {
    /// The protections, if they are in an order that only such values have.
    fn p81_protections(&self, into: &mut Reading) {
        let of = |number: u16| -> Option<[u16; 3]> {
            let first = P81_PROTECTIONS.checked_add(number)?;
            Some([self.word(first)?, self.word(first.checked_add(1)?)?, self.word(first.checked_add(2)?)?])
        };
        let (Some(cell_high), Some(cell_low), Some(pack_high), Some(pack_low)) = (of(0), of(4), of(8), of(12)) else { return };
        let is_high = |[warning, protection, release]: [u16; 3]| warning <= protection && release < protection;
        let is_low = |[warning, protection, release]: [u16; 3]| warning >= protection && release > protection;
        let in_order = [cell_high, pack_high].into_iter().all(is_high) && [cell_low, pack_low].into_iter().all(is_low);
        if !in_order || cell_low[1] == 0 || cell_high[1] <= cell_low[1] {
            return;
        }
        let settings = &mut into.settings;
        (settings.cell_ovp, settings.cell_uvp) = (Some(Volts::milli(cell_high[1])), Some(Volts::milli(cell_low[1])));
        (settings.pack_ovp, settings.pack_uvp) = (Some(Volts::deci(pack_high[1])), Some(Volts::deci(pack_low[1])));
        let amps = |register: u16| unless(&[0], self.word(register)?).map(|raw| Amps::deci((f64::from(raw) - 30000.0).abs()));
        // Charge is below 30000, discharge above.
        settings.charge_ocp = amps(0x141).filter(|_| self.word(0x141).is_some_and(|raw| raw < 30000));
        settings.discharge_ocp = amps(0x146).filter(|_| self.word(0x146).is_some_and(|raw| raw > 30000));
    }
}

/// Only the low byte counts; its lowest and its highest value mean a sensor that is not fitted.
fn celsius(raw: u16) -> Option<Celsius> {
    unless(&[0x00, 0xFF], raw & 0xFF).map(Celsius::offset_40)
}

fn chemistry(code: u16) -> Option<Chemistry> {
    [Chemistry::Lfp, Chemistry::Nmc, Chemistry::Lto].get(usize::from(code)).copied()
}
