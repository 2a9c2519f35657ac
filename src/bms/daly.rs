//! Daly, `A5` frames of 13 bytes both ways: 9600 8N1.
//!
//! ```text
//! request  A5 host cmd 08 00…00  sum    host 40 asks board 1, 3F+n board n, 80 is a second host (Bluetooth)
//! reply    A5 from cmd 08 d0…d7  sum    from = host - 3F: 01..10, and 41 (or 01) for host 80
//! sum      of the twelve bytes before it, modulo 256
//!
//! 50  u32 rated capacity mAh, …             94  u8 cells, u8 sensors, …, u16 cycles at d5
//! 53  …, year-2000, month, day at d2..d4    95  u8 frame number, 3 × u16 cell mV; several frames
//! 57  u8 frame number, 7 text; 5 frames     96  u8 frame number, 7 × u8 °C + 40; several frames
//! 90  u16 pack 0.1 V, …, u16 current        97  balancing, bit 0 of d0 is cell 1
//!     0.1 A + 30000 at d4, u16 SoC 0.1 %    98  failure bits d0..d6, fault code d7
//! 93  u8 state (0 idle 1 charging 2 discharging), u8 charge FET, u8 discharge FET, …, u32 remaining mAh
//! ```
//! * A sleeping board returns the request: the host's address in a "reply" shows it. It is never a reply (nor -3000 A).
//! * Older firmware counts discharge as positive, newer charge: 93 tells the direction of the magnitude in 90.
//! * Frames are numbered from 1 in recordings and from 0 in the document; some boards always send 10 or 16 of them. Bytes that
//!   are not used repeat older answers: only the counts of 94 tell where cells and sensors end.
//!
//! Source: Daly "UART/485 communications protocol" V1.2, mr-manuel/venus-os_dbus-serialbattery, syssi/esphome-daly-bms, and the
//! recordings in `tests/vectors/daly`. Values are big endian.

mod commands;
pub(crate) mod failures;
mod parts;

use super::asking::Asking;
use super::bytes::{Reader, set_bits, show_cells, skip_to, sum8, text, unless};
use super::orders::Orders;
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{Command, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};
use failures::failures;
use parts::Parts;
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry. A battery's address is its board number, 1 to 16; 65 is board 1 as host 80 reaches it (0x41).
pub const DRIVER: Driver = Driver {
    name: "daly",
    label: "Daly",
    boards: "Daly smart BMS with UART or RS485 (A5 protocol)",
    lines: &[Line { baud: 9600 }],
    lines_only: false,
    addresses: &[1, SECOND_HOST],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    new: |address| Box::new(Daly { address, ..Daly::default() }),
};

/// The address at which host 80 reaches a board.
const SECOND_HOST: u8 = 0x41;
/// What the host's address is above the board's.
const HOST: u8 = 0x3F;
const FRAME: usize = 13;

/// A command of the protocol, and whether a reading needs its answer.
struct Read {
    command: u8,
    what: &'static str,
    required: bool,
}

const fn read(command: u8, what: &'static str, required: bool) -> Read {
    Read { command, what, required }
}

const COUNTS: Read = read(0x94, "counts", true);
const PACK: Read = read(0x90, "pack values", true);
const STATE: Read = read(0x93, "state", true);
const FAILURES: Read = read(0x98, "failures", false);
const TEMPERATURES: Read = read(0x96, "temperatures", false);
const BALANCING: Read = read(0x97, "balancing", false);
const CELLS: Read = read(0x95, "cell voltages", true);
const CAPACITY: Read = read(0x50, "rated capacity", false);

type IsKnown = fn(&Reading) -> bool;

/// Names that never change: asked for until they are known, one of them per reading.
const FIXED: [(Read, IsKnown); 2] = [
    (read(0x53, "production date", false), |known| known.production_date.is_some()),
    (read(0x57, "battery code", false), |known| known.serial_number.is_some()),
];
/// Many boards do not answer some of them: three rounds are enough.
const FIXED_TRIES: usize = 3 * FIXED.len();

/// A sensor that is not fitted: some boards say the lowest value for it (-40 °C), others the highest.
const NO_SENSOR: [u8; 2] = [0x00, 0xFF];
/// Most sensors that a board can have; a larger count is none.
const MAX_SENSORS: u8 = 16;

/// Commands with a known answer. A sum of one byte is weak: a frame must have one of them, the length 08 and a board's address.
const COMMANDS: [u8; 12] = [0x50, 0x53, 0x57, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98];

/// What belongs together although it comes in several frames.
#[derive(Debug, Default)]
struct Daly {
    /// `None` takes every board's replies, and asks board 1.
    address: Option<u8>,
    fixed_asked: usize,
    capacity: Asking,
    /// A reading had temperatures.
    temperatures_known: bool,
    /// Current of 90 as older firmware counts it, until 93 tells the direction; and the other way round.
    current: Option<Amps>,
    state: Option<u8>,
    sensors: Option<u8>,
    cells: Parts,
    temperatures: Parts,
    code: Parts,
}

impl Protocol for Daly {
    fn identify(&self) -> Request {
        self.request(&PACK)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        (self.current, self.state) = (None, None);
        self.restart();
        self.temperatures_known |= known.temperatures.is_some();
        let mut plan: Vec<Request> = [COUNTS, PACK, STATE, FAILURES, TEMPERATURES].iter().map(|read| self.request(read)).collect();
        // Limits depend on it: a reply that is lost at the start must not leave it unknown for ever.
        if known.capacity.is_none() && self.capacity.is_due() {
            plan.push(self.request(&CAPACITY));
        }
        // The first reading is to come soon; these can wait for the second.
        if known.cell_count.is_some() {
            plan.extend(self.next_fixed(known));
            plan.push(self.request(&BALANCING));
        }
        // Boards that always send 16 frames talk on after the last cell: nothing is asked after that.
        plan.push(self.request(&CELLS));
        plan
    }

    fn restart(&mut self) {
        [&mut self.cells, &mut self.temperatures, &mut self.code].into_iter().for_each(Parts::restart);
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        if !self.is_header(buf) {
            return skip_to(0xA5, buf);
        }
        let Some(frame @ [body @ .., sum]) = buf.first_chunk::<FRAME>() else { return Framing::Incomplete };
        // A header inside: bytes were lost, and the sum may fit by chance.
        let cut = frame.windows(4).skip(1).any(|bytes| self.is_header(bytes));
        if cut || sum8(body) != *sum || self.is_request(frame) { skip_to(0xA5, buf) } else { Framing::Frame(0..FRAME) }
    }

    fn encode(&self, command: Command, _: &Reading, unix: Option<u64>, _: bool) -> Option<Orders> {
        commands::encode(command, commands::host(self.address), unix, [self.request(&STATE), self.request(&PACK)])
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.get(1).copied()
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let mut r = Reader::new(frame);
        r.skip(1, "start")?;
        let (board, command) = (r.u8("address")?, r.u8("command")?);
        r.skip(1, "length")?;
        if let Asked::Request(request) = asked {
            check(request, board, command)?;
        }
        match command {
            0x50 => {
                into.capacity = unless(&[0, u32::MAX], r.u32_be("rated capacity")?).map(AmpHours::milli);
                into.awaited.capacity = false;
                self.capacity.answered();
            }
            0x53 => into.production_date = date(r.bytes(5, "production date")?),
            0x57 => return self.battery_code(&mut r, into),
            0x90 => self.pack(&mut r, into)?,
            0x93 => self.fets(&mut r, into)?,
            0x94 => self.counts(&mut r, into)?,
            0x95 => {
                self.cells.add(&mut r)?;
                return Ok(self.show_cells(into));
            }
            0x96 => {
                self.temperatures.add(&mut r)?;
                return Ok(self.show_temperatures(into));
            }
            0x97 => balancing(&mut r, into)?,
            0x98 => failures(r.bytes(8, "failures")?, into),
            _ => {} // 91 and 92: extremes of what 95 and 96 tell
        }
        Ok(Progress::Done)
    }
}

impl Daly {
    /// Whether `bytes` may begin a reply, as far as they go. The host's addresses are none of a board.
    fn is_header(&self, bytes: &[u8]) -> bool {
        let second_host = matches!(self.address, None | Some(SECOND_HOST));
        bytes.iter().zip(0..4).all(|(byte, at)| match at {
            0 => *byte == 0xA5,
            1 => matches!(*byte, 1..=16) || (second_host && *byte == SECOND_HOST),
            2 => COMMANDS.contains(byte),
            _ => *byte == 8,
        })
    }

    /// 41 is also the address in requests to board 2, whose data is a fill byte.
    fn is_request(&self, frame: &[u8; FRAME]) -> bool {
        let [_, from, _, _, data @ .., _] = frame;
        self.address.is_none() && *from == SECOND_HOST && (*data == [0; 8] || *data == [0xAA; 8])
    }

    fn request(&self, read: &Read) -> Request {
        let mut bytes = vec![0xA5, self.address.unwrap_or(1).wrapping_add(HOST), read.command, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.push(sum8(&bytes));
        let timeout = Duration::from_millis(if read.required { 500 } else { 300 });
        Request { what: read.what, bytes: Cow::Owned(bytes), timeout, required: read.required }
    }

    fn next_fixed(&mut self, known: &Reading) -> Option<Request> {
        while self.fixed_asked < FIXED_TRIES {
            let next = FIXED.iter().cycle().nth(self.fixed_asked);
            self.fixed_asked = self.fixed_asked.saturating_add(1);
            if let Some((read, is_known)) = next
                && !is_known(known)
            {
                return Some(self.request(read));
            }
        }
        None
    }

    fn pack(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::deci);
        r.skip(2, "gathered voltage")?;
        // 0 would be -3000 A: a board that has measured nothing.
        self.current = unless(&[0, 0xFFFF], r.u16_be("current")?).map(|raw| Amps::deci(30000.0 - f64::from(raw)));
        into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(Percent::deci);
        into.current = self.directed();
        self.capacity.heard();
        into.awaited.capacity = into.capacity.is_none() && self.capacity.is_awaited();
        Ok(())
    }

    fn fets(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        self.state = Some(r.u8("state")?);
        into.charge_fet = unless(&[0xFF], r.u8("charge FET")?).map(|on| on != 0);
        into.discharge_fet = unless(&[0xFF], r.u8("discharge FET")?).map(|on| on != 0);
        r.skip(1, "life counter")?;
        into.remaining = unless(&[u32::MAX], r.u32_be("remaining capacity")?).map(AmpHours::milli);
        if self.current.is_some() {
            into.current = self.directed();
        }
        Ok(())
    }

    /// The current, as soon as its direction is known; each 90 is matched with one 93, never with an old one.
    fn directed(&mut self) -> Option<Amps> {
        let current = self.current?;
        let Some(state) = self.state.take() else { return Some(current).filter(|current| *current == Amps::ZERO) };
        self.current = None;
        match state {
            _ if current == Amps::ZERO => Some(current),
            // Too small for the board to call it a direction: most firmware counts as the older does.
            0 => Some(current),
            1 => Some(current.abs()),
            2 => Some(Amps::new(-current.abs().get())),
            _ => None,
        }
    }

    fn counts(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        into.cell_count = Some(r.u8("cell count")?).filter(|count| (1..=48).contains(count));
        self.sensors = Some(r.u8("sensor count")?).filter(|count| *count <= MAX_SENSORS);
        r.skip(3, "charger, load, inputs")?;
        into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
        into.awaited.temperatures = self.sensors.is_some_and(|count| count > 0) && !self.temperatures_known;
        self.show_cells(into);
        self.show_temperatures(into);
        Ok(())
    }

    /// Publishes the cells that are there without a gap before them.
    fn show_cells(&self, into: &mut Reading) -> Progress {
        let frames = self.cells.in_order();
        let cells = frames.flat_map(|&[a, b, c, d, e, f, _]| [[a, b], [c, d], [e, f]]).map(u16::from_be_bytes);
        let count = into.cell_count.map(usize::from);
        let cells: Vec<u16> = cells.take(count.unwrap_or(usize::MAX)).collect();
        if cells.is_empty() {
            return Progress::More;
        }
        show_cells(cells.iter().map(|raw| unless(&[0xFFFF], *raw).map(Volts::milli)), into);
        if count == Some(cells.len()) {
            return Progress::Done;
        }
        into.cells_complete = Some(false);
        Progress::More
    }

    fn show_temperatures(&self, into: &mut Reading) -> Progress {
        let Some(sensors) = self.sensors.map(usize::from) else { return Progress::Done };
        let frames = self.temperatures.in_order().flatten().copied();
        let announced: Vec<u8> = frames.take(sensors).collect();
        if announced.len() < sensors {
            return Progress::More;
        }
        let fitted = announced.into_iter().filter_map(|raw| unless(&NO_SENSOR, raw));
        into.temperatures = Some(fitted.map(Celsius::offset_40).collect());
        into.awaited.temperatures = false;
        Progress::Done
    }

    /// The code that users give a battery in the vendor's tool; spaces and zeros are none.
    fn battery_code(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<Progress, DecodeError> {
        self.code.add(r)?;
        let code: Vec<u8> = self.code.in_order().flatten().copied().collect();
        if code.len() < 35 && !code.contains(&0) {
            return Ok(Progress::More);
        }
        into.serial_number = text(&code).filter(|code| code.chars().any(|c| c.is_ascii_alphanumeric() && c != '0'));
        Ok(Progress::Done)
    }
}

fn check(request: &Request, board: u8, command: u8) -> Result<(), DecodeError> {
    let (host, expected) = (request.bytes.get(1).copied(), request.bytes.get(2));
    if expected != Some(&command) {
        return Err(DecodeError::Foreign { what: "another command" });
    }
    let answers = host.map(|host| host.wrapping_sub(HOST)) == Some(board) || (host, board) == (Some(0x80), 1);
    if answers { Ok(()) } else { Err(DecodeError::Foreign { what: "another board" }) }
}

fn balancing(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let low = r.u32_le("balancing 1-32")?;
    let high = u32::from(r.u16_le("balancing 33-48")?);
    into.balancing = Some(low != 0 || high != 0);
    let cells: Vec<u8> = set_bits(low).into_iter().chain(set_bits(high).into_iter().map(|bit| bit.saturating_add(32))).collect();
    // Another bit order (some drivers read the bytes backwards) shows as cells that are not there.
    let real = cells.iter().all(|cell| into.cell_count.is_none_or(|count| *cell <= count));
    into.balancing_cells = real.then_some(cells);
    Ok(())
}

fn date(data: &[u8]) -> Option<String> {
    let &[_, _, year, month, day] = data.first_chunk::<5>()?;
    (year < 100 && matches!(month, 1..=12) && matches!(day, 1..=31)).then(|| format!("20{year:02}-{month:02}-{day:02}"))
}
