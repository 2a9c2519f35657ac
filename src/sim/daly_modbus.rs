//! Simulated Daly Modbus boards: one at D2, or several at 80 plus their number, which have the same values at other registers; the
//! registers are described in [`crate::bms::daly_modbus`].
//!
//! They reply to reads of the live values (0 to 4F) and of the settings (80 to A8), accept the FET switches A5 and A6 and the SoC
//! A7, and refuse all other registers with an exception.

use super::encode::bits;
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::crc16_modbus;
use crate::bms::daly::alarms::BITS;
use crate::bms::daly_modbus;
use crate::model::AlarmName;
use std::time::Duration;

const ADDRESS: u8 = 0xD2;
/// Offset of a board's number in requests, and in replies.
const ASKED: u8 = 0x80;
const ANSWERED: u8 = 0x50;
const REQUEST: usize = 8;
const LIVE_REGISTERS: usize = 0x50;
const SETTINGS: usize = 0x80;
/// Software and hardware as texts of 32 bytes each.
const VERSION: usize = 0xA9;
const VERSION_WORDS: usize = 32;
const SETTINGS_END: usize = 0xA9;

/// State of the board.
#[derive(Debug, Default)]
pub struct DalyModbus {
    buffer: RequestBuffer,
    writes: usize,
}

impl DalyModbus {
    /// The reply after the address; an exception if empty.
    fn serve(function: u8, register: u16, value: u16, unit: &mut Unit) -> Vec<u8> {
        let served = match (function, register) {
            (3, _) => read(usize::from(register), usize::from(value), unit),
            (_, 0xA5..=0xA7) => {
                let taken = unit.pack.execute(|pack| match register {
                    0xA5 => pack.charge_off = value == 0,
                    0xA6 => pack.discharge_off = value == 0,
                    _ => pack.correct_soc(f64::from(value) / 10.0),
                });
                taken.then(|| [&[6], register.to_be_bytes().as_slice(), &value.to_be_bytes()].concat())
            }
            _ => None,
        };
        served.unwrap_or_else(|| vec![function | 0x80, 2])
    }
}

impl Responder for DalyModbus {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some((address, function, register, value)) = self.buffer.take(scan) {
            self.writes = self.writes.saturating_add(usize::from(function != 3));
            let unit = match &mut *units {
                [only] if address == ADDRESS => Some(only),
                units => units.iter_mut().find(|unit| unit.address | ASKED == address),
            };
            let Some(unit) = unit.filter(|unit| !unit.pack.silent) else { continue };
            let mut bytes = if address == ADDRESS {
                [&[ADDRESS][..], &Self::serve(function, register, value, unit)].concat()
            } else {
                let content = numbered(usize::from(register), usize::from(value), unit).filter(|_| function == 3);
                [&[unit.address | ANSWERED][..], &content.unwrap_or_else(|| vec![function | 0x80, 2])].concat()
            };
            bytes.extend(crc16_modbus(&bytes).to_le_bytes());
            replies.push(Reply { after: Duration::ZERO, bytes });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn writes(&self) -> usize {
        self.writes
    }
}

/// Address, function, register, and words or value.
fn scan(bytes: &[u8]) -> RequestScan<(u8, u8, u16, u16)> {
    of_length(
        bytes,
        |first| matches!(first, ADDRESS | 0x81..=0x90),
        |request: &[u8; REQUEST]| {
            let [summed @ .., crc_low, crc_high] = *request;
            let [address, function, high, low, value_high, value_low] = summed;
            let known = matches!(function, 3 | 6) && crc16_modbus(&summed).to_le_bytes() == [crc_low, crc_high];
            known.then(|| (address, function, u16::from_be_bytes([high, low]), u16::from_be_bytes([value_high, value_low])))
        },
    )
}

fn read(first: usize, words: usize, unit: &Unit) -> Option<Vec<u8>> {
    let end = first.checked_add(words)?;
    let reported = unit.pack.reported();
    let registers = match first {
        _ if end <= LIVE_REGISTERS => live(reported),
        VERSION if words == VERSION_WORDS => return reply(&version()),
        SETTINGS.. if end <= SETTINGS_END => settings(reported),
        _ => return None,
    };
    reply(registers.get(first..end)?)
}

fn reply(registers: &[u16]) -> Option<Vec<u8>> {
    let data: Vec<u8> = registers.iter().flat_map(|word| word.to_be_bytes()).collect();
    Some([&[3, u8::try_from(data.len()).ok()?], data.as_slice()].concat())
}

/// Registers of a board at 80 plus its number: live values, failures and capacity.
fn numbered(first: usize, words: usize, unit: &Unit) -> Option<Vec<u8>> {
    let reported = unit.pack.reported();
    let of_d2 = live(reported);
    let from = |register: usize, count: usize| of_d2.iter().copied().skip(register).take(count);
    let mut registers = Registers(vec![0; 0x190]);
    registers.put(0, from(0, 0x20));
    registers.put(0x30, from(0x20, 8));
    registers.put(0x38, from(0x28, 3));
    registers.put(0x3C, from(0x31, 2));
    registers.put(0x48, from(0x2F, 1));
    registers.put(0x4B, from(0x30, 1).chain(from(0x33, 2)));
    registers.put(0x4F, from(0x3E, 2));
    registers.put(0x52, from(0x35, 2));
    registers.put(0x58, from(0x39, 1));
    registers.put(0x5A, from(0x42, 1));
    let failures = bytes_of(&reported.alarms, &daly_modbus::alarms::BITS, Some(AlarmName::BmsInternal));
    registers.put(0x6D, failures.as_chunks().0.iter().copied().map(u16::from_le_bytes));
    let rated = ((reported.capacity_ah * 1000.0).round() as u32).to_be_bytes();
    let rated = rated.as_chunks::<2>().0.iter().copied().map(u16::from_be_bytes);
    registers.put(0x109, rated.clone().chain(rated));
    let cells = reported.cells_v.len() as u16;
    registers.put(0x130, [3600, 3650, 3500, 5000, 2700, 2500, 2800, 5000]);
    registers.put(0x138, [36 * cells, 73 * cells / 2, 35 * cells, 1000, 27 * cells, 25 * cells, 28 * cells, 1000]);
    registers.put(0x140, [28800, 28500, 1000, 28000, 1000, 31600, 32000, 1000]);
    let texts: Vec<u8> = b"41_000000_0000SIM".iter().copied().chain([0; 11]).chain(*b"SIM41_0000").chain([0; 4]).collect();
    registers.put(0x178, texts.as_chunks().0.iter().copied().map(u16::from_be_bytes));
    reply(registers.0.get(first..first.checked_add(words)?)?)
}

/// Registers from 0 on.
struct Registers(Vec<u16>);

impl Registers {
    fn put(&mut self, register: usize, words: impl IntoIterator<Item = u16>) {
        self.0.iter_mut().skip(register).zip(words).for_each(|(place, word)| *place = word);
    }
}

fn live(reported: &ReportedState) -> Vec<u16> {
    let mut registers = Registers(vec![0; LIVE_REGISTERS]);
    let millivolts = || reported.cells_v.iter().map(|volts| (volts * 1000.0).round() as u16);
    let deci = |value: f64| (value * 10.0).round() as u16;
    registers.put(0, millivolts().take(32));
    registers.put(0x20, reported.temperatures_c.map(temperature));
    let (highest, lowest) = (millivolts().max().unwrap_or(0), millivolts().min().unwrap_or(0));
    registers.put(0x28, [deci(reported.voltage_v), deci(reported.current_a + 3000.0), deci(reported.soc_pct), highest, lowest]);
    let current = (reported.current_a * 10.0).round();
    registers.put(0x2F, [if current > 0.0 { 1 } else { 2 * u16::from(current < 0.0) }, deci(reported.remaining_ah)]);
    let balancing = bits(reported.balancing.iter().copied());
    registers.put(0x31, [reported.cells_v.len() as u16, 2, reported.cycles as u16, u16::from(balancing != 0)]);
    registers.put(0x35, [u16::from(reported.charge_fet), u16::from(reported.discharge_fet)]);
    registers.put(0x38, [highest.saturating_sub(lowest), (reported.voltage_v * reported.current_a).abs().round() as u16]);
    let failures = [bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal)), vec![0]].concat();
    registers.put(0x3A, failures.as_chunks().0.iter().copied().map(u16::from_le_bytes));
    registers.put(0x3E, [balancing as u16, (balancing >> 16) as u16, 30000, 0, temperature(reported.mos_c), 0xFFFF, 0xFFFF]);
    registers.0
}

/// Settings with the values of the simulated protections.
fn settings(reported: &ReportedState) -> Vec<u16> {
    let mut registers = Registers(vec![0; SETTINGS_END]);
    registers.put(SETTINGS, [(reported.capacity_ah * 10.0).round() as u16, 3200]);
    registers.put(0x8C, [3650]);
    registers.put(0x8E, [2500]);
    // Charge is negative here, as in the recording.
    registers.put(0x94, [28500]);
    registers.put(0x96, [32000]);
    registers.0
}

fn version() -> Vec<u16> {
    let text = |text: &[u8]| text.iter().copied().chain(std::iter::repeat(0)).take(VERSION_WORDS).collect::<Vec<u8>>();
    let bytes = [text(b"401012"), text(b"BMS")].concat();
    bytes.as_chunks().0.iter().copied().map(u16::from_be_bytes).collect()
}

fn temperature(celsius: f64) -> u16 {
    (celsius + 40.0).round() as u16
}
