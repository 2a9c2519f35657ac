//! A simulated JK board on its UART port; the frames are described in [`crate::bms::jk`].
//!
//! It answers reads of one register (03) and of all (06), takes the MOS switches AB and AC and the balancer 9D (02), and says
//! nothing to a password (05).

use super::battery::Shown;
use super::encode::bits;
use super::requests::{Inbox, Sight};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bytes::sum16;
use crate::bms::jk::{ALARMS, DRIVER};
use crate::model::AlarmName;
use std::time::Duration;

/// Length of the longest request that is understood: a write of four bytes.
const MAX_LENGTH: usize = 0x18;

/// The board's memory.
#[derive(Debug, Default)]
pub struct Jk {
    first_firmware: bool,
    inbox: Inbox,
    writes: usize,
}

/// One understood request.
struct Asked {
    command: u8,
    register: u8,
    data: Vec<u8>,
}

impl Jk {
    /// A board; `first_firmware` (2020) has no registers BA and C0 and codes the current differently.
    pub fn new(first_firmware: bool) -> Self {
        Self { first_firmware, ..Self::default() }
    }

    /// The registers of the answer; `None` where the board stays silent.
    fn serve(&mut self, asked: &Asked, unit: &mut Unit) -> Option<Vec<u8>> {
        let all = registers(unit, self.first_firmware);
        let joined = |wanted: u8| all.iter().filter(move |(id, _)| wanted == 0 || *id == wanted);
        match (asked.command, asked.register, asked.data.as_slice()) {
            (0x06, _, _) => Some(encode(joined(0))),
            (0x03, id, _) => Some(encode(joined(id))).filter(|answer| !answer.is_empty()),
            (0x02, id @ (0xAB | 0xAC | 0x9D), [on]) => {
                let taken = unit.pack.obey(|pack| match id {
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

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.inbox.put(input);
        let mut replies = Vec::new();
        while let Some(asked) = self.inbox.take(look) {
            self.writes = self.writes.saturating_add(usize::from(asked.command == 0x02));
            let Some(unit) = units.first_mut().filter(|unit| !unit.pack.silent) else { continue };
            if let Some(answer) = self.serve(&asked, unit) {
                replies.push(Reply { after: Duration::ZERO, bytes: frame(asked.command, &answer) });
            }
        }
        replies
    }

    fn quiet(&mut self) {
        self.inbox.clear();
    }

    fn writes(&self) -> usize {
        self.writes
    }
}

/// Start in two bytes, and the length behind them.
fn look(bytes: &[u8]) -> Sight<Asked> {
    let &[first, second, high, low] = match bytes.first_chunk::<4>() {
        Some(head) => head,
        None if bytes.first() == Some(&0x4E) => return Sight::Begun,
        None => return Sight::Nothing,
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if [first, second] != [0x4E, 0x57] || !(0x13..=MAX_LENGTH).contains(&length) {
        return Sight::Nothing;
    }
    let end = length.saturating_add(2);
    match bytes.get(..end) {
        None => Sight::Begun,
        Some(frame) => understand(frame).map_or(Sight::Nothing, |asked| Sight::Whole(asked, end)),
    }
}

/// A request has the kind 0, a right sum and at least a register.
fn understand(frame: &[u8]) -> Option<Asked> {
    let (summed, check) = frame.split_last_chunk::<4>()?;
    let command = *summed.get(8)?;
    let request = summed.get(10) == Some(&0) && summed.last() == Some(&0x68);
    let body = summed.get(11..summed.len().checked_sub(5)?)?;
    let (register, data) = body.split_first()?;
    let right = request && u32::from_be_bytes(*check) == u32::from(sum16(summed));
    right.then(|| Asked { command, register: *register, data: data.to_vec() })
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

/// Everything that the board tells, in its order.
fn registers(unit: &Unit, first_firmware: bool) -> Vec<(u8, Vec<u8>)> {
    let shown = unit.pack.shown();
    let mut all = measured(shown, first_firmware);
    all.extend(SETTINGS.map(|(id, value)| (id, value.to_be_bytes().to_vec())));
    let cells = u8::try_from(shown.cells_v.len()).unwrap_or(u8::MAX);
    all.extend([(0x9D, vec![u8::from(!unit.pack.balance_off)]), (0xA9, vec![cells])]);
    let capacity = (shown.capacity_ah.round() as u32).to_be_bytes().to_vec();
    all.extend([(0xAA, capacity.clone()), (0xAB, vec![u8::from(!unit.pack.charge_off)])]);
    all.extend([(0xAC, vec![u8::from(!unit.pack.discharge_off)]), (0xAF, vec![0])]);
    all.extend([(0xB2, b"simulated\0".to_vec()), (0xB4, b"Input Us".to_vec()), (0xB5, b"2311".to_vec())]);
    if first_firmware {
        all.push((0xB7, b"NW_1_0_0_200428".to_vec()));
    } else {
        all.extend([(0xB7, b"11.XW_S11.26___".to_vec()), (0xB9, capacity)]);
        all.extend([(0xBA, b"Input UserdaJK_B2A20S20P".to_vec()), (0xC0, vec![1])]);
    }
    all
}

fn measured(shown: &Shown, first_firmware: bool) -> Vec<(u8, Vec<u8>)> {
    let mut cells = vec![u8::try_from(shown.cells_v.len().saturating_mul(3)).unwrap_or(u8::MAX)];
    for (number, volts) in (1u8..).zip(&shown.cells_v) {
        let [high, low] = ((volts * 1000.0).round() as u16).to_be_bytes();
        cells.extend([number, high, low]);
    }
    let word = |id: u8, value: f64| (id, (value.round() as u16).to_be_bytes().to_vec());
    let [first, second] = shown.temperatures_c.map(temperature);
    let state = [shown.charge_fet, shown.discharge_fet, shown.balancing.contains(&true), true];
    vec![
        (0x79, cells),
        word(0x80, temperature(shown.mos_c)),
        word(0x81, first),
        word(0x82, second),
        word(0x83, shown.voltage_v * 100.0),
        (0x84, current(shown.current_a, first_firmware).to_be_bytes().to_vec()),
        (0x85, vec![shown.soc_pct.round() as u8]),
        (0x86, vec![2]),
        word(0x87, f64::from(shown.cycles)),
        word(0x8A, shown.cells_v.len() as f64),
        (0x8B, alarms(&shown.alarms).to_be_bytes().to_vec()),
        (0x8C, (bits(state) as u16).to_be_bytes().to_vec()),
    ]
}

/// Two-byte settings of a board for 16 LFP cells, as the simulated protections have them.
const SETTINGS: [(u8, u16); 6] = [(0x8E, 5840), (0x8F, 4000), (0x90, 3650), (0x93, 2500), (0x97, 200), (0x99, 150)];

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

/// What the board has no bit for it tells with its next wider one.
fn alarms(active: &[AlarmName]) -> u16 {
    let bit = |name: AlarmName| (0..16u16).zip(&ALARMS).find(|(_, (known, _))| *known == name).map(|(bit, _)| 1 << bit);
    let told = active.iter().map(|name| match name {
        AlarmName::HighChargeTemperature => AlarmName::HighTemperature,
        AlarmName::LowChargeTemperature => AlarmName::LowTemperature,
        AlarmName::ShortCircuit => AlarmName::HighDischargeCurrent,
        name => *name,
    });
    told.fold(0, |word, name| word | bit(name).or(bit(AlarmName::BmsInternal)).unwrap_or(0))
}
