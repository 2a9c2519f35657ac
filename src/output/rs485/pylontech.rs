//! Pylontech batteries over RS485, for Voltronic/Axpert ("PYL"), SRNE, Deye ("Lithium 12") and others: V2.8 and V3.3 per battery,
//! V3.5 for the system. The frames are those of `bms/ascii.rs`; VER of a request is repeated and otherwise ignored.
//!
//! ```text
//! 42  values        flag, number, u8 cells, u16 mV each, u8 temperatures, u16 0.1 K + 2731 each (the first is the board), i16 current
//!                   0.1 A, u16 mV, u16 remaining mAh, items, u16 total mAh, u16 cycles; above 65 Ah FFFF in both and 3 + 3 bytes behind
//! 44  alarms        flag, number, a code for each cell and temperature (1 low, 2 high), for charge current, voltage, discharge
//!                   current, 6 status bytes
//! 92  limits        number, CVL mV, lowest voltage mV, CCL 0.1 A, DCL 0.1 A negative, status
//! 51, 93, 96        names, serial number, firmware      4F  version
//! 61  system        values of the whole battery, 49 bytes      62  its alarms, 4 bytes      63  limits as 92, DCL positive
//! status            bit 7 may charge, 6 may discharge, 5 and 4 force charge, 3 full charge
//! ```
//! The system protocol is known from recordings and programs only; currents of 63 are in 0.1 A (with 0.01 A a Deye shows ten times too
//! much). A Voltronic takes nothing but limits and status of 92, so an alarm takes the permission away. Source: Pylontech
//! "RS485-protocol-pylon-low-voltage" V3.3; recordings of US stacks and a JK board (tests/rs485/vectors).

use super::Protocol;
use super::words::{at_least, at_most, at_most_current, bits, deci_kelvin, percent, signed, unsigned, with_alarms};
use crate::base::units::Celsius;
use crate::bms::Framing;
use crate::bms::ascii::{Header, RequestFault, request, request_framing};
use crate::output::can::pylontech::requests;
use crate::output::can::{CellNumber, InverterData, Item};

/// The protocol.
pub(super) static PROTOCOL: Protocol =
    Protocol { name: "pylontech", label: "Pylontech over RS485", baud: 9600, address: 2, framing, answer, asks, says: None };

/// Longest request, bytes: INFO is one byte, some masters send a few more.
const MAX_REQUEST: usize = 40;
/// Device type of a battery.
const CID1: u8 = 0x46;
/// INFO of a request to all batteries.
const ALL: u8 = 0xFF;
/// Highest charge in two bytes, mAh; what is above goes into three.
const MAX_SHORT_MAH: u32 = 65_000;
/// Highest charge in three bytes, mAh.
const MAX_LONG_MAH: u32 = 0x00FF_FFFF;
/// Cells and sensors of a battery at most.
const MAX_CELLS: usize = 32;

/// Codes of a reply.
mod rtn {
    pub(super) const FINE: u8 = 0;
    pub(super) const CHECKSUM: u8 = 2;
    pub(super) const LENGTH: u8 = 3;
    pub(super) const COMMAND: u8 = 4;
    pub(super) const ADDRESS: u8 = 0x90;
    /// In place of a command these are replies: an echo of our own, or of another battery.
    pub(super) const ALL: [u8; 9] = [0, 1, 2, 3, 4, 5, 6, 0x90, 0x91];
}

fn framing(buf: &[u8]) -> Framing {
    request_framing(buf, MAX_REQUEST)
}

/// The command, two hexadecimal digits behind `~`, version, address and device type.
fn asks(frame: &[u8]) -> String {
    frame.get(7..9).map(|digits| String::from_utf8_lossy(digits).into_owned()).unwrap_or_default()
}

fn answer(frame: &[u8], address: u8, data: &InverterData) -> Option<Vec<u8>> {
    let (header, outcome) = request(frame)?;
    // The first digit is the group: requests to 12 are seen, and only replies from 02 are taken (SRNE).
    let is_ours = header.cid1 == CID1 && header.address & 0x0F == address & 0x0F;
    if !is_ours || rtn::ALL.contains(&header.cid2) {
        return None;
    }
    let (code, info) = match outcome {
        Ok(info) => match content(header.cid2, &info, address, data) {
            Content::Reply(info) => (rtn::FINE, info),
            Content::Refused(code) => (code, Vec::new()),
            Content::Unknown => return None,
        },
        Err(RequestFault::Checksum) => (rtn::CHECKSUM, Vec::new()),
        Err(RequestFault::Length) => (rtn::LENGTH, Vec::new()),
    };
    Some(Header { version: header.version, address, cid1: CID1, cid2: code }.frame(&info))
}

/// INFO of a reply.
enum Content {
    Reply(Vec<u8>),
    Refused(u8),
    /// The data is not known at present: no reply.
    Unknown,
}

fn content(command: u8, info: &[u8], address: u8, data: &InverterData) -> Content {
    let numbered = matches!(command, 0x42 | 0x44 | 0x92 | 0x93 | 0x96);
    if numbered && info.first().is_some_and(|number| *number != ALL && number & 0x0F != address & 0x0F) {
        return Content::Refused(rtn::ADDRESS);
    }
    let number = info.first().copied().filter(|number| *number != ALL).unwrap_or(address);
    let allowed = with_alarms(data);
    let reply = match command {
        0x42 => values(number, data),
        0x44 => states(number, data),
        0x4F => Some(Vec::new()),
        0x51 => Some(names(data)),
        0x61 => System::of(data).map(|system| system.encode()),
        0x62 => Some(alarms(data).to_vec()),
        0x63 => limits(&allowed, 1),
        0x92 => limits(&allowed, -1).map(|limits| [&[number], limits.as_slice()].concat()),
        0x93 => Some([&[number], field::<16>(data.identity.serial_number.as_deref().unwrap_or_default()).as_slice()].concat()),
        0x96 => Some([&[number], VERSION.as_slice()].concat()),
        _ => return Content::Refused(rtn::COMMAND),
    };
    reply.map_or(Content::Unknown, Content::Reply)
}

/// The maker's and the main version.
const VERSION: [u8; 5] = [0, 1, 0, 1, 0];

/// CVL, lowest voltage, both currents and the status, of 92 and 63.
fn limits(data: &InverterData, discharge_sign: i16) -> Option<Vec<u8>> {
    // 0 V would be a command.
    let charge_voltage = data.limits.charge_voltage?;
    let discharge = i16::try_from(at_most_current(data.discharge_amps(), 10.0)).unwrap_or(0).wrapping_mul(discharge_sign);
    let words = [
        at_most(charge_voltage.get(), 1000.0),
        data.limits.discharge_voltage.map_or(0, |low| at_least(low.get(), 1000.0)),
        at_most_current(data.charge_amps(), 10.0),
    ];
    let words = [words.map(u16::to_be_bytes).as_flattened(), &discharge.to_be_bytes()].concat();
    Some([words.as_slice(), &[requests(data)]].concat())
}

/// All cells, or of a bank the lowest and the highest one.
fn cells(data: &InverterData) -> Vec<u16> {
    let extremes = || [data.extremes.min_cell_mv, data.extremes.max_cell_mv].into_iter().flatten().collect();
    let mut cells = data.details.cells_mv.clone().unwrap_or_else(extremes);
    cells.truncate(MAX_CELLS);
    cells
}

/// The board, then the sensors.
fn temperatures(data: &InverterData) -> Vec<Celsius> {
    let details = &data.details;
    let board = details.board_temperature.or(details.mos_temperature).or(data.state.temperature);
    let sensors = details.temperatures.iter().flatten().copied();
    board.into_iter().chain(sensors).take(MAX_CELLS).collect()
}

fn count(list: &[impl Sized]) -> u8 {
    u8::try_from(list.len()).unwrap_or(u8::MAX)
}

fn values(number: u8, data: &InverterData) -> Option<Vec<u8>> {
    let (cells, temperatures) = (cells(data), temperatures(data));
    let mut bytes = vec![0, number, count(&cells)];
    bytes.extend(cells.iter().flat_map(|cell| cell.to_be_bytes()));
    bytes.push(count(&temperatures));
    bytes.extend(temperatures.iter().flat_map(|celsius| deci_kelvin(Some(*celsius)).to_be_bytes()));
    bytes.extend(signed(data.state.current?.get(), 10.0).to_be_bytes());
    bytes.extend(unsigned(data.state.voltage?.get(), 1000.0).to_be_bytes());
    let total = milli_amp_hours(data.charge.installed_capacity.or(data.charge.capacity).map_or(0.0, |capacity| capacity.get()));
    // The inverter computes the state of charge from both.
    let remaining = match (data.charge.remaining, data.state.soc) {
        (Some(left), _) => milli_amp_hours(left.get()),
        (None, Some(soc)) => (f64::from(total) * soc.get() / 100.0) as u32,
        (None, None) => return None,
    };
    let is_long = total > MAX_SHORT_MAH;
    let short = |charge: u32| if is_long { [0xFF; 2] } else { u16::try_from(charge).unwrap_or(u16::MAX).to_be_bytes() };
    bytes.extend(short(remaining));
    bytes.push(if is_long { 4 } else { 2 });
    bytes.extend(short(total));
    bytes.extend(data.details.cycles.map_or(0, |cycles| unsigned(cycles.into(), 1.0)).to_be_bytes());
    if is_long {
        bytes.extend([remaining, total].iter().flat_map(|charge| charge.to_be_bytes().into_iter().skip(1)));
    }
    Some(bytes)
}

fn milli_amp_hours(amp_hours: f64) -> u32 {
    ((amp_hours * 1000.0).round() as u32).min(MAX_LONG_MAH)
}

/// Codes of 44.
const LOW: u8 = 1;
const HIGH: u8 = 2;

fn states(number: u8, data: &InverterData) -> Option<Vec<u8>> {
    let is_active = |item: Item| data.alarm(item) || data.warning(item);
    let code = |low: &[Item], high: &[Item]| match () {
        () if high.iter().any(|item| is_active(*item)) => HIGH,
        () if low.iter().any(|item| is_active(*item)) => LOW,
        () => 0,
    };
    let amps = data.state.current?.get();
    let (cells, temperatures) = (cells(data), temperatures(data));
    let voltage = code(&[Item::LowVoltage], &[Item::HighVoltage]);
    let extreme = |code: u8| if code == HIGH { cells.iter().max() } else { cells.iter().min() };
    let mut bytes = vec![0, number, count(&cells)];
    bytes.extend(cells.iter().map(|cell| if voltage != 0 && Some(cell) == extreme(voltage) { voltage } else { 0 }));
    let heat = code(&[Item::LowTemperature, Item::LowChargeTemperature], &[Item::HighTemperature, Item::HighChargeTemperature]);
    bytes.push(count(&temperatures));
    bytes.extend(temperatures.iter().map(|_| heat));
    bytes.extend([code(&[], &[Item::HighChargeCurrent]), voltage, code(&[], &[Item::HighDischargeCurrent])]);
    let flag = |set: bool, bit: u8| if set { 1 << bit } else { 0u8 };
    let alarm = |item: Item, bit: u8| flag(data.alarm(item), bit);
    let allowed = with_alarms(data);
    let (charge, discharge) = (allowed.may_charge(), allowed.may_discharge());
    let soc = data.state.soc.map_or(0.0, |soc| soc.get());
    bytes.extend([
        alarm(Item::LowVoltage, 7)
            | alarm(Item::HighChargeTemperature, 6)
            | alarm(Item::HighTemperature, 5)
            | alarm(Item::HighDischargeCurrent, 4)
            | alarm(Item::ShortCircuit, 4)
            | alarm(Item::HighChargeCurrent, 2)
            | alarm(Item::HighVoltage, 0),
        flag(charge || discharge, 3) | flag(discharge, 2) | flag(charge, 1),
        flag(amps > 0.0, 7) | flag(amps < 0.0, 6) | flag(soc >= 100.0, 3),
        // Faulty cells; the document has two bytes, real packs send three.
        0,
        0,
        0,
    ]);
    Some(bytes)
}

fn names(data: &InverterData) -> Vec<u8> {
    let identity = &data.identity;
    let name = identity.product_name.as_deref().or(identity.bms_name_1.as_deref()).unwrap_or("battery");
    [field::<10>(name).as_slice(), &[1, 0], &field::<20>(identity.manufacturer.as_deref().unwrap_or("PYLON"))].concat()
}

/// Text of a fixed length, filled up with zeros.
fn field<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let printable = text.bytes().map(|byte| if (0x20..0x7F).contains(&byte) { byte } else { b'?' });
    bytes.iter_mut().zip(printable).for_each(|(to, from)| *to = from);
    bytes
}

/// Values of 61.
struct System {
    voltage: f64,
    current: f64,
    soc: f64,
    cycles: [u32; 2],
    soh: [f64; 2],
    highest_cell: (u16, u16),
    lowest_cell: (u16, u16),
    cells: Spread,
    mos: Spread,
    board: Spread,
}

/// Temperatures, and the numbers of the hottest and the coldest sensor.
struct Spread {
    average: Option<Celsius>,
    hottest: (Option<Celsius>, u16),
    coldest: (Option<Celsius>, u16),
}

impl Spread {
    fn of_one(value: Option<Celsius>) -> Self {
        Self { average: value, hottest: (value, 0), coldest: (value, 0) }
    }

    fn words(&self) -> [u16; 5] {
        [deci_kelvin(self.average), deci_kelvin(self.hottest.0), self.hottest.1, deci_kelvin(self.coldest.0), self.coldest.1]
    }
}

impl System {
    /// `None` if voltage, current or state of charge is unknown: there is no mark for that.
    fn of(data: &InverterData) -> Option<Self> {
        let (state, details) = (&data.state, &data.details);
        let number = |number: Option<CellNumber>| match number {
            None => 0,
            Some(CellNumber::Of(number)) => number,
            Some(CellNumber::InModule(module, cell)) => u16::from_be_bytes([module, cell]),
        };
        let (hottest, coldest) = (details.max_cell_temperature, details.min_cell_temperature);
        let cells = Spread {
            average: state.temperature,
            hottest: (hottest.or(state.temperature), number(details.max_cell_t_number)),
            coldest: (coldest.or(state.temperature), number(details.min_cell_t_number)),
        };
        let soh = state.soh.map_or(100.0, |soh| soh.get());
        Some(Self {
            voltage: state.voltage?.get(),
            current: state.current?.get(),
            soc: state.soc?.get(),
            cycles: [details.cycles.unwrap_or(0); 2],
            soh: [soh; 2],
            highest_cell: (data.extremes.max_cell_mv.unwrap_or(0), number(details.max_cell_v_number)),
            lowest_cell: (data.extremes.min_cell_mv.unwrap_or(0), number(details.min_cell_v_number)),
            cells,
            mos: Spread::of_one(details.mos_temperature.or(state.temperature)),
            board: Spread::of_one(details.board_temperature.or(state.temperature)),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let byte = |value: f64| percent(value).to_le_bytes().into_iter().take(1);
        let mut bytes = Vec::with_capacity(49);
        bytes.extend(unsigned(self.voltage, 1000.0).to_be_bytes());
        bytes.extend(signed(self.current, 100.0).to_be_bytes());
        bytes.extend(byte(self.soc));
        bytes.extend(self.cycles.iter().flat_map(|cycles| unsigned((*cycles).into(), 1.0).to_be_bytes()));
        bytes.extend(self.soh.iter().flat_map(|soh| byte(*soh)));
        let (highest, lowest) = (self.highest_cell, self.lowest_cell);
        let cells = [highest.0, highest.1, lowest.0, lowest.1];
        let temperatures = [self.cells.words(), self.mos.words(), self.board.words()];
        bytes.extend(cells.iter().chain(temperatures.as_flattened()).flat_map(|word| word.to_be_bytes()));
        bytes
    }
}

/// Warnings in two bytes; where an item does not tell a cell from the pack, both.
const WARNINGS: &[(Item, u16)] = &[
    (Item::HighVoltage, 0xA000),
    (Item::LowVoltage, 0x5000),
    (Item::HighTemperature, 0x0800),
    (Item::HighChargeTemperature, 0x0800),
    (Item::LowTemperature, 0x0400),
    (Item::LowChargeTemperature, 0x0400),
    (Item::CellImbalance, 0x0100),
    (Item::HighChargeCurrent, 0x0040),
    (Item::HighDischargeCurrent, 0x0020),
    (Item::ShortCircuit, 0x0020),
    (Item::BmsInternal, 0x0010),
    (Item::Contactor, 0x0010),
    (Item::General, 0x0010),
];

/// Protections in two bytes.
const PROTECTIONS: &[(Item, u16)] = &[
    (Item::HighVoltage, 0x2000),
    (Item::LowVoltage, 0x1000),
    (Item::HighTemperature, 0x0800),
    (Item::HighChargeTemperature, 0x0800),
    (Item::LowTemperature, 0x0400),
    (Item::LowChargeTemperature, 0x0400),
    (Item::HighChargeCurrent, 0x0040),
    (Item::HighDischargeCurrent, 0x0020),
    (Item::ShortCircuit, 0x0028),
    (Item::BmsInternal, 0x0008),
    (Item::Contactor, 0x0008),
    (Item::General, 0x0008),
];

/// 62. An imbalance stops nothing and is only a warning.
fn alarms(data: &InverterData) -> [u8; 4] {
    let imbalance = if data.alarm(Item::CellImbalance) { 0x0100 } else { 0 };
    let [a, b] = (bits(WARNINGS, |item| data.warning(item)) | imbalance).to_be_bytes();
    let [c, d] = bits(PROTECTIONS, |item| data.alarm(item)).to_be_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented replies of a system of two modules, whose means differ from their extremes.
    #[test]
    fn the_values_of_a_system_are_encoded_as_documented() {
        let celsius = |value: f64| Some(Celsius::new(value));
        let normal = System {
            voltage: 53.104,
            current: -24.1,
            soc: 57.0,
            cycles: [210, 214],
            soh: [98.0, 97.0],
            highest_cell: (3325, 0x0109),
            lowest_cell: (3310, 0x0204),
            cells: Spread { average: celsius(19.5), hottest: (celsius(21.0), 0x0101), coldest: (celsius(18.0), 0x0202) },
            mos: Spread { average: celsius(24.0), hottest: (celsius(25.0), 0x0100), coldest: (celsius(23.0), 0x0100) },
            board: Spread { average: celsius(22.0), hottest: (celsius(23.0), 0x0100), coldest: (celsius(21.0), 0x0100) },
        };
        let frame = |system: &System| {
            let header = Header { version: 0x20, address: 2, cid1: CID1, cid2: rtn::FINE };
            String::from_utf8(header.frame(&system.encode())).unwrap()
        };
        assert_eq!(
            frame(&normal),
            "~200246008062CF70F6963900D200D662610CFD01090CEE02040B6E0B7D01010B5F02020B9B0BA501000B9101000B870B9101000B7D0100E8A6\r"
        );
        let empty = System {
            voltage: 46.2,
            current: -900.0,
            soc: 3.0,
            highest_cell: (2930, 0x0109),
            lowest_cell: (2790, 0x0204),
            cells: Spread { coldest: (celsius(-11.5), 0x0202), ..normal.cells },
            ..normal
        };
        assert_eq!(
            frame(&empty),
            "~200246008062B47880010300D200D662610B7201090AE602040B6E0B7D01010A3802020B9B0BA501000B9101000B870B9101000B7D0100E920\r",
            "-327.67 A is the end of the word"
        );
    }
}
