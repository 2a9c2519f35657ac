//! A simulated JK board on its UART port; the frames are described in [`crate::bms::jk`].
//!
//! It replies to reads of one register (03) and of all (06), accepts the MOS switches AB and AC and the balancer 9D (02), and
//! ignores a password (05).

use super::encode::bits;
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::sum16;
use crate::bms::jk::DRIVER;
use crate::bms::jk::alarms::ALARMS;
use crate::model::AlarmName;
use std::time::Duration;

/// Maximum length of a request: a write of four bytes.
const MAX_LENGTH: usize = 0x18;

/// State of the board.
#[derive(Debug, Default)]
pub struct Jk {
    first_firmware: bool,
    buffer: RequestBuffer,
    writes: usize,
}

/// A parsed request.
struct ParsedRequest {
    command: u8,
    register: u8,
    data: Vec<u8>,
}

impl Jk {
    /// Creates a board; `first_firmware` (2020) has no registers BA and C0 and encodes the current differently.
    pub fn new(first_firmware: bool) -> Self {
        Self { first_firmware, ..Self::default() }
    }

    /// Registers of the reply; `None` if the board stays silent.
    fn serve(&mut self, request: &ParsedRequest, unit: &mut Unit) -> Option<Vec<u8>> {
        let all = registers(unit, self.first_firmware);
        let joined = |wanted: u8| all.iter().filter(move |(id, _)| wanted == 0 || *id == wanted);
        match (request.command, request.register, request.data.as_slice()) {
            (0x06, _, _) => Some(encode(joined(0))),
            (0x03, id, _) => Some(encode(joined(id))).filter(|answer| !answer.is_empty()),
            (0x02, id @ (0xAB | 0xAC | 0x9D), [on]) => {
                let taken = unit.pack.execute(|pack| match id {
                    0xAB => pack.charge_off = *on == 0,
                    0xAC => pack.discharge_off = *on == 0,
                    _ => pack.balance_off = *on == 0,
                });
                taken.then(|| vec![id])
            }
            _ => None,
        }
    }
}

impl Responder for Jk {
    fn line(&self) -> Line {
        DRIVER.lines.first().copied().unwrap_or(Line { baud: 115_200 })
    }

    fn addressed(&self) -> bool {
        false
    }

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        Some(nearest(alarm))
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some(request) = self.buffer.take(scan) {
            self.writes = self.writes.saturating_add(usize::from(request.command == 0x02));
            let Some(unit) = units.first_mut().filter(|unit| !unit.pack.silent) else { continue };
            if let Some(answer) = self.serve(&request, unit) {
                replies.push(Reply { after: Duration::ZERO, bytes: frame(request.command, &answer) });
            }
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

/// Two start bytes, then the length.
fn scan(bytes: &[u8]) -> RequestScan<ParsedRequest> {
    let &[first, second, high, low] = match bytes.first_chunk::<4>() {
        Some(head) => head,
        None if bytes.first() == Some(&0x4E) => return RequestScan::Incomplete,
        None => return RequestScan::NoRequest,
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if [first, second] != [0x4E, 0x57] || !(0x13..=MAX_LENGTH).contains(&length) {
        return RequestScan::NoRequest;
    }
    let end = length.saturating_add(2);
    match bytes.get(..end) {
        None => RequestScan::Incomplete,
        Some(frame) => understand(frame).map_or(RequestScan::NoRequest, |request| RequestScan::Complete(request, end)),
    }
}

/// A request has kind 0, a correct sum and at least one register.
fn understand(frame: &[u8]) -> Option<ParsedRequest> {
    let (summed, check) = frame.split_last_chunk::<4>()?;
    let command = *summed.get(8)?;
    let request = summed.get(10) == Some(&0) && summed.last() == Some(&0x68);
    let body = summed.get(11..summed.len().checked_sub(5)?)?;
    let (register, data) = body.split_first()?;
    let right = request && u32::from_be_bytes(*check) == u32::from(sum16(summed));
    right.then(|| ParsedRequest { command, register: *register, data: data.to_vec() })
}

fn frame(command: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x4E, 0x57];
    frame.extend(u16::try_from(body.len().saturating_add(18)).unwrap_or(u16::MAX).to_be_bytes());
    frame.extend([0, 0, 0, 0, command, 0, 1]);
    frame.extend_from_slice(body);
    frame.extend([0, 0, 0, 0, 0x68]);
    let sum = sum16(&frame);
    frame.extend(u32::from(sum).to_be_bytes());
    frame
}

fn encode<'a>(registers: impl Iterator<Item = &'a (u8, Vec<u8>)>) -> Vec<u8> {
    registers.flat_map(|(id, value)| [*id].into_iter().chain(value.iter().copied())).collect()
}

/// All registers of the board, in the order and number of a recorded reply.
fn registers(unit: &Unit, first_firmware: bool) -> Vec<(u8, Vec<u8>)> {
    let reported = unit.pack.reported();
    let mut all = measured(reported, first_firmware);
    all.extend(SETTINGS.map(|(id, value)| (id, value.to_be_bytes().to_vec())));
    all.push((0x9D, vec![u8::from(!unit.pack.balance_off)]));
    all.extend(TEMPERATURE_SETTINGS.map(|(id, value)| (id, value.to_be_bytes().to_vec())));
    let cells = u8::try_from(reported.cells_v.len()).unwrap_or(u8::MAX);
    let capacity = (reported.capacity_ah.round() as u32).to_be_bytes().to_vec();
    all.extend([(0xA9, vec![cells]), (0xAA, capacity.clone()), (0xAB, vec![u8::from(!unit.pack.charge_off)])]);
    // Then calibration of the current, address, chemistry, delay of the sleep, and the SoC of its alarm.
    all.extend([(0xAC, vec![u8::from(!unit.pack.discharge_off)]), (0xAD, vec![4, 24]), (0xAE, vec![1]), (0xAF, vec![0])]);
    all.extend([(0xB0, vec![0, 10]), (0xB1, vec![20]), (0xB2, b"simulated\0".to_vec()), (0xB3, vec![0])]);
    all.extend([(0xB4, b"Input Us".to_vec()), (0xB5, b"2311".to_vec()), (0xB6, vec![0, 0, 1, 0])]);
    if first_firmware {
        all.push((0xB7, b"NW_1_0_0_200428".to_vec()));
    } else {
        all.extend([(0xB7, b"11.XW_S11.26___".to_vec()), (0xB8, vec![0]), (0xB9, capacity)]);
        all.extend([(0xBA, b"Input UserdaJK_B2A20S20P".to_vec()), (0xC0, vec![1])]);
    }
    all
}

fn measured(reported: &ReportedState, first_firmware: bool) -> Vec<(u8, Vec<u8>)> {
    let mut cells = vec![u8::try_from(reported.cells_v.len().saturating_mul(3)).unwrap_or(u8::MAX)];
    for (number, volts) in (1u8..).zip(&reported.cells_v) {
        let [high, low] = ((volts * 1000.0).round() as u16).to_be_bytes();
        cells.extend([number, high, low]);
    }
    let word = |id: u8, value: f64| (id, (value.round() as u16).to_be_bytes().to_vec());
    let [first, second] = reported.temperatures_c.map(temperature);
    let state = [reported.charge_fet, reported.discharge_fet, reported.balancing.contains(&true), true];
    vec![
        (0x79, cells),
        word(0x80, temperature(reported.mos_c)),
        word(0x81, first),
        word(0x82, second),
        word(0x83, reported.voltage_v * 100.0),
        (0x84, current(reported.current_a, first_firmware).to_be_bytes().to_vec()),
        (0x85, vec![reported.soc_pct.round() as u8]),
        (0x86, vec![2]),
        word(0x87, f64::from(reported.cycles)),
        (0x89, vec![0; 4]),
        word(0x8A, reported.cells_v.len() as f64),
        (0x8B, alarms(&reported.alarms).to_be_bytes().to_vec()),
        (0x8C, (bits(state) as u16).to_be_bytes().to_vec()),
    ]
}

/// Settings of a board for 16 LFP cells, with the values of the simulated protections.
const SETTINGS: [(u8, u16); 15] = [
    (0x8E, 5840),
    (0x8F, 4000),
    (0x90, 3650),
    (0x91, 3450),
    (0x92, 5),
    (0x93, 2500),
    (0x94, 2700),
    (0x95, 5),
    (0x96, 300),
    (0x97, 200),
    (0x98, 30),
    (0x99, 150),
    (0x9A, 30),
    (0x9B, 3300),
    (0x9C, 10),
];

/// MOSFETs, box, charging and discharging hot and cold.
const TEMPERATURE_SETTINGS: [(u8, i16); 11] = [
    (0x9E, 90),
    (0x9F, 70),
    (0xA0, 100),
    (0xA1, 100),
    (0xA2, 20),
    (0xA3, 60),
    (0xA4, 65),
    (0xA5, 0),
    (0xA6, 5),
    (0xA7, -20),
    (0xA8, -10),
];

fn temperature(celsius: f64) -> f64 {
    let celsius = celsius.round();
    if celsius < 0.0 { 100.0 - celsius } else { celsius }
}

fn current(amps: f64, first_firmware: bool) -> u16 {
    let centi = (amps * 100.0).round();
    match (first_firmware, centi > 0.0) {
        (true, _) => (10_000.0 - centi) as u16,
        (false, true) => centi.min(32_767.0) as u16 | 0x8000,
        (false, false) => (-centi).min(32_767.0) as u16,
    }
}

/// An alarm without a bit of its own uses the next more general one.
fn nearest(alarm: AlarmName) -> AlarmName {
    match alarm {
        AlarmName::HighChargeTemperature => AlarmName::HighTemperature,
        AlarmName::LowChargeTemperature => AlarmName::LowTemperature,
        AlarmName::ShortCircuit => AlarmName::HighDischargeCurrent,
        alarm => alarm,
    }
}

fn alarms(active: &[AlarmName]) -> u16 {
    let shown: Vec<AlarmName> = active.iter().copied().map(nearest).collect();
    let bytes = bytes_of(&shown, &ALARMS, Some(AlarmName::BmsInternal));
    u16::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}
