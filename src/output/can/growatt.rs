//! Growatt low-voltage batteries ("L51" in SPF and SPH inverters), protocol V1.04; the high byte comes first.
//!
//! ```text
//! 311  CVL 0.1 V | CCL 0.1 A | DCL 0.1 A | status
//! 312  protections, 2 bytes | warnings, 2 bytes | packs | maker, 2 letters | cells
//! 313  voltage 0.01 V | current 0.1 A, + charges | hottest sensor 0.1 °C | u8 SoC | u8 SoH
//! 314  remaining charge, capacity 0.01 Ah (655.35 Ah at most) | highest minus lowest cell mV | cycles
//! 315 … 318  cells 1 to 16 mV, of a single battery only
//! 319  bit 7 may charge, 6 may discharge, 5 charge from the grid | highest, lowest cell mV | their numbers | faulty pack
//! 320  maker, 2 letters | hardware, software 1 to 9 | date                 321  update, 0
//! ```
//! 500 kbit/s. The inverter polls each second with 301; a real ARK sends every 500 ms whether it is asked or not, and so does this
//! profile. Source: Growatt "BMS CAN-Bus-protocol low voltage" Rev 04; 311 and 313 as in frames of an ARK 2.5L on an SPF 5000 ES
//! (edibg/growattArkCAN).

use super::item::{Item, add};
use super::wire::{at_most_current, at_most_unsigned, signed, unsigned, whole_percent};
use super::{Config, Frame, InverterData, Profile};
use crate::base::units::Amps;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "growatt",
    label: "Growatt low voltage, protocol V1.04 (L51)",
    manufacturer: "PY",
    period: Duration::from_millis(500),
    spacing: Duration::from_millis(20),
    frames,
};

/// Cells that the frames have room for.
const MAX_CELLS: usize = 16;

/// What a battery does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatteryActivity {
    /// Its MOSFETs are being switched on.
    SoftStart,
    /// No current flows.
    Standby,
    /// It is being charged.
    Charge,
    /// It is being discharged.
    Discharge,
}

impl BatteryActivity {
    const ALL: [Self; 4] = [Self::SoftStart, Self::Standby, Self::Charge, Self::Discharge];

    /// As the current tells.
    pub(crate) fn of(current: Amps) -> Self {
        match current.get() {
            amps if amps > 0.0 => Self::Charge,
            amps if amps < 0.0 => Self::Discharge,
            _ => Self::Standby,
        }
    }

    /// The number in a status word.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::SoftStart => 0,
            Self::Standby => 1,
            Self::Charge => 2,
            Self::Discharge => 3,
        }
    }

    fn of_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|activity| activity.code() == code & 3)
    }
}

/// Bit of each item among the protections, counted through both bytes; its warning is two bytes later.
const BITS: &[(Item, u8)] = &[
    (Item::LowVoltage, 3),
    (Item::HighVoltage, 4),
    (Item::ShortCircuit, 5),
    (Item::HighChargeCurrent, 6),
    (Item::HighDischargeCurrent, 7),
    (Item::BmsInternal, 11),
    (Item::Contactor, 11),
    (Item::General, 11),
    (Item::LowChargeTemperature, 12),
    (Item::LowTemperature, 13),
    (Item::HighChargeTemperature, 14),
    (Item::HighTemperature, 15),
];

/// Further bits that a battery may set.
const OTHER_BITS: &[(Item, u8)] =
    &[(Item::BmsInternal, 0), (Item::LowVoltage, 1), (Item::HighVoltage, 2), (Item::CellImbalance, 10)];

/// Bit of a difference between the cells, which stops nothing and is only a warning.
const IMBALANCE: u8 = 10;

/// Bits of the status word.
const ERROR: u16 = 1 << 2;
const BALANCING: u16 = 1 << 3;
const SLEEPING: u16 = 1 << 4;
const DISCHARGE_ON: u16 = 1 << 5;
const CHARGE_ON: u16 = 1 << 6;

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(11);
    frames.extend(limits(data));
    let [a, b] = maker(data);
    let [c, d] = alarms(|item| data.alarm(item));
    let imbalance = data.alarm(Item::CellImbalance) || data.warning(Item::CellImbalance);
    let [e, f] = alarms(|item| data.warning(item));
    let packs = data.modules.module_count.unwrap_or(1);
    let f = f | if imbalance { 1 << (IMBALANCE - 8) } else { 0 };
    frames.push(Frame::new(0x312, &[c, d, e, f, packs, a, b, data.details.cell_count.unwrap_or(0)]));
    frames.extend(measured(data));
    frames.extend(charge(data));
    if packs == 1 {
        let cells = data.details.cells_mv.as_deref().unwrap_or_default();
        let (fours, rest) = cells.as_chunks::<4>();
        let groups = fours.iter().map(<[u16; 4]>::as_slice).chain(Some(rest).filter(|rest| !rest.is_empty()));
        frames.extend(groups.take(MAX_CELLS / 4).zip(0x315u16..).map(|(four, id)| {
            let mut words = [[0; 2]; 4];
            words.iter_mut().zip(four).for_each(|(word, cell)| *word = cell.to_be_bytes());
            Frame::new(id, words.as_flattened())
        }));
    }
    frames.push(extremes(data));
    frames.push(Frame::new(0x320, &[a, b, 1, 1, 0, 0, 0, 0]));
    frames.push(Frame::new(0x321, &[0; 8]));
    frames
}

/// A word with the high byte first.
fn turned([low, high]: [u8; 2]) -> [u8; 2] {
    [high, low]
}

fn limits(data: &InverterData) -> Option<Frame> {
    let words = [
        at_most_unsigned(data.limits.charge_voltage?.get(), 10.0),
        at_most_current(data.charge_amps(), 10.0),
        at_most_current(data.discharge_amps(), 10.0),
        status(data).to_le_bytes(),
    ]
    .map(turned);
    Some(Frame::new(0x311, words.as_flattened()))
}

/// The status word, which the RS485 protocol has as well.
pub(crate) fn status(data: &InverterData) -> u16 {
    let measured = data.state.current.map(BatteryActivity::of);
    let activity = measured.or(data.details.activity).unwrap_or(BatteryActivity::Standby);
    let flags = [
        (data.active.alarms.as_ref().is_some_and(|alarms| !alarms.is_empty()), ERROR),
        (data.details.balancing == Some(true), BALANCING),
        (data.may_discharge(), DISCHARGE_ON),
        (data.may_charge(), CHARGE_ON),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).fold(0, |word, (_, flag)| word | flag);
    // The inverter's own state is for display; none without a measured current.
    activity.code() | flags | measured.map_or(0, BatteryActivity::code) << 10
}

/// Two letters of the manufacturer's name.
fn maker(data: &InverterData) -> [u8; 2] {
    let name = data.identity.manufacturer.as_deref().unwrap_or(PROFILE.manufacturer);
    let mut letters = name.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase());
    [letters.next().unwrap_or(b' '), letters.next().unwrap_or(b' ')]
}

fn alarms(is_active: impl Fn(Item) -> bool) -> [u8; 2] {
    BITS.iter().filter(|(item, _)| is_active(*item)).fold(0u16, |word, (_, bit)| word | 1 << bit).to_le_bytes()
}

/// 0x313; not sent if voltage or current is unknown, because it has no mark for that.
fn measured(data: &InverterData) -> Option<Frame> {
    let hottest = data.details.max_cell_temperature.or(data.state.temperature);
    let [high, low] = turned(unsigned(data.state.voltage?.get().min(f64::from(i16::MAX) / 100.0), 100.0));
    let [a, b] = turned(signed(data.state.current?.get(), 10.0));
    let [c, d] = turned(hottest.map_or([0; 2], |hottest| signed(hottest.get(), 10.0)));
    let [soc, _] = whole_percent(data.state.soc?.get());
    let [soh, _] = data.state.soh.map_or([100, 0], |soh| whole_percent(soh.get()));
    Some(Frame::new(0x313, &[high, low, a, b, c, d, soc, soh]))
}

/// 0x314; a charge is never sent as more than it is.
fn charge(data: &InverterData) -> Option<Frame> {
    let charge = &data.charge;
    let delta = data.extremes.max_cell_mv.zip(data.extremes.min_cell_mv).map_or(0, |(high, low)| high.saturating_sub(low));
    let words = [
        at_most_unsigned(charge.remaining?.get(), 100.0),
        at_most_unsigned(charge.installed_capacity.or(charge.capacity)?.get(), 100.0),
        delta.to_le_bytes(),
        data.details.cycles.map_or([0; 2], |cycles| unsigned(cycles.into(), 1.0)),
    ]
    .map(turned);
    Some(Frame::new(0x314, words.as_flattened()))
}

fn extremes(data: &InverterData) -> Frame {
    let (requests, details) = (&data.requests, &data.details);
    let may_charge = data.may_charge();
    let forced = requests.force_charge_1 == Some(true) || requests.force_charge_2 == Some(true);
    let flags = [(may_charge, 7), (data.may_discharge(), 6), (may_charge && forced, 5)];
    let flags = flags.iter().filter(|(set, _)| *set).fold(0u8, |byte, (_, bit)| byte | 1 << bit);
    let [a, b] = data.extremes.max_cell_mv.unwrap_or(0).to_be_bytes();
    let [c, d] = data.extremes.min_cell_mv.unwrap_or(0).to_be_bytes();
    let [highest, lowest] =
        [details.max_cell_v_number, details.min_cell_v_number].map(|number| number.map_or(0, |number| number.in_module().1));
    Frame::new(0x319, &[flags, a, b, c, d, highest, lowest, 0])
}

/// Active items in two bytes of protections or warnings.
pub(super) fn understood(bytes: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    let word = u16::from_le_bytes([bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0)]);
    for bit in (0..16u8).filter(|bit| word & 1 << bit != 0) {
        // Of items that share a bit the first one.
        if let Some((item, _)) = BITS.iter().chain(OTHER_BITS).find(|(_, its)| *its == bit) {
            add(&mut items, *item);
        }
    }
    items
}

/// What a status word says.
pub(super) struct StatusWord(pub(super) u16);

impl StatusWord {
    /// What the battery does.
    pub(super) fn activity(&self) -> Option<BatteryActivity> {
        BatteryActivity::of_code(self.0)
    }

    /// Its cells are being balanced.
    pub(super) fn is_balancing(&self) -> bool {
        self.0 & BALANCING != 0
    }

    /// It reports an error.
    pub(super) fn has_error(&self) -> bool {
        self.0 & ERROR != 0
    }

    /// It sleeps.
    pub(super) fn is_sleeping(&self) -> bool {
        self.0 & SLEEPING != 0
    }

    /// It may be charged, and discharged.
    pub(super) fn switches(&self) -> (bool, bool) {
        (self.0 & CHARGE_ON != 0, self.0 & DISCHARGE_ON != 0)
    }
}
