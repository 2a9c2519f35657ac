//! Daly boards that speak Modbus RTU (H, K, M, S series and newer): 9600 8N1, function 03, big endian.
//!
//! ```text
//! request  addr 03 reg reg 00 words crc crc     D2 for D2 boards; 80+n for board n of the others ("p81")
//! reply    from 03 bytes data…      crc crc     D2, or 50+n; the CRC is Modbus's, low byte first
//! refusal  from 83 code             crc crc
//! ```
//! A reply does not say which registers it holds: only the request does. FFFF is a register that is not fitted, 00FF and 0000 a
//! sensor that is not. Both families have the same values at different places, see `D2` and `P81`. Register C9 holds the password and is never read; nor are
//! the settings of p81 boards, which hold it too.
//!
//! The vendor's document counts charge as negative, the recordings as positive: where the state register says charging or
//! discharging, it decides. Balancing bits and MOS temperature stand in registers that the document calls reserved: they are
//! believed as far as they agree with the rest.
//!
//! Source: syssi/esphome-daly-bms (docs/dalyModbusProtocol.xlsx, docs/protocol-register-map.md), for the p81 boards
//! patagonaa/esphome-daly-hkms-bms as well, and the recordings in `tests/vectors/daly-modbus`.

mod commands;
pub(crate) mod failures;

use super::asking::Asking;
use super::bytes::{Reader, crc16_modbus, set_bits, show_cells, text, u16s_be, unless};
use super::daly::failures::failures;
use super::orders::Orders;
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{Chemistry, Command, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

/// The registry entry. A battery's address is 210 (D2), or the board number of the other family.
pub const DRIVER: Driver = Driver {
    name: "daly-modbus",
    label: "Daly Modbus",
    boards: "Daly smart BMS of the H, K, M and S series and newer (Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    lines_only: false,
    addresses: &[0xD2, 1],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    new: |address| Box::new(DalyModbus { host: host(address.unwrap_or(0xD2)), ..DalyModbus::default() }),
};

/// Registers to read: the first, how many, and whether a reading needs them.
#[derive(Debug)]
struct Block {
    what: &'static str,
    first: u16,
    words: u16,
    required: bool,
}

const fn block(what: &'static str, first: u16, words: u16, required: bool) -> Block {
    Block { what, first, words, required }
}

/// Where a family keeps its values.
#[derive(Debug)]
struct Map {
    /// Read in each reading, what is required first.
    live: &'static [Block],
    /// Read until it is known: the capacity, and at D2 the protections.
    fixed: Block,
    /// It holds the protections, too.
    has_protections: bool,
    /// Read until it is known: texts of software and hardware.
    version: Option<Block>,
    /// Cell voltages begin at 0 and end here.
    cells: u16,
    temperatures: Range<u16>,
    voltage: u16,
    current: u16,
    soc: u16,
    cell_count: u16,
    sensor_count: u16,
    state: u16,
    remaining: u16,
    power: u16,
    cycles: u16,
    balancer: u16,
    balancing: Range<u16>,
    charge_fet: u16,
    discharge_fet: u16,
    mos_temperature: u16,
}

/// Boards at D2. All read 62 words; what stands behind them only some have.
const D2: Map = Map {
    live: &[block("live values", 0, 0x3E, true), block("MOS temperature", 0x3E, 9, false)],
    fixed: block("settings", 0x80, 0x29, false),
    has_protections: true,
    version: Some(block("version", VERSION, 0x20, false)),
    cells: 0x20,
    temperatures: 0x20..0x28,
    voltage: 0x28,
    current: 0x29,
    soc: 0x2A,
    cell_count: 0x31,
    sensor_count: 0x32,
    state: 0x2F,
    remaining: 0x30,
    power: 0x39,
    cycles: 0x33,
    balancer: 0x34,
    balancing: 0x3E..0x40,
    charge_fet: 0x35,
    discharge_fet: 0x36,
    mos_temperature: 0x42,
};

/// Boards at 80+n.
const P81: Map = Map {
    live: &[block("cells and pack", 0, 0x40, true), block("state", 0x41, 0x3E, true)],
    fixed: block("capacity", 0x109, 4, false),
    has_protections: false,
    // It stands among the registers with the password.
    version: None,
    cells: 0x30,
    temperatures: 0x30..0x38,
    voltage: 0x38,
    current: 0x39,
    soc: 0x3A,
    cell_count: 0x3C,
    sensor_count: 0x3D,
    state: 0x48,
    remaining: 0x4B,
    power: 0x58,
    cycles: 0x4C,
    balancer: 0x4D,
    balancing: 0x4F..0x52,
    charge_fet: 0x52,
    discharge_fet: 0x53,
    mos_temperature: 0x5A,
};

/// Where the texts of a D2 board begin: 32 bytes of software, 32 of hardware.
const VERSION: u16 = 0xA9;

/// Replies whose registers are known without the request: first byte's family, length in bytes, first register.
const FULL: [(bool, usize, u16); 4] = [(true, 124, 0), (true, 160, 0), (false, 128, 0), (false, 124, 0x41)];

/// A board that does not answer an optional request so often is not asked for it again.
const TRIES: u8 = 3;

#[derive(Debug, Default)]
struct DalyModbus {
    host: u8,
    /// Full readings since an optional live block was heard.
    without: u8,
    fixed: Asking,
    version: Asking,
}

impl Protocol for DalyModbus {
    fn identify(&self) -> Request {
        let [first, ..] = self.map().live else { return self.request(&D2.fixed) };
        self.request(first)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let map = self.map();
        let wanted = |block: &&Block| block.required || self.without <= TRIES;
        let mut plan: Vec<Request> = map.live.iter().filter(wanted).map(|block| self.request(block)).collect();
        if known.capacity.is_none() && self.fixed.is_due() {
            plan.push(self.request(&map.fixed));
        }
        // The first reading is to come soon; this can wait for the second.
        if let Some(version) = &map.version
            && known.cell_count.is_some()
            && known.sw_version.is_none()
            && self.version.is_due_briefly()
        {
            plan.push(self.request(version));
        }
        plan
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let len = match buf {
            [] => return Framing::Incomplete,
            [from] if is_board(*from) => return Framing::Incomplete,
            [from, 0x03] if is_board(*from) => return Framing::Incomplete,
            [from, 0x03, bytes @ 2..=250, ..] if is_board(*from) && bytes % 2 == 0 => usize::from(*bytes).saturating_add(3),
            [from, 0x83, ..] if is_board(*from) => 3,
            _ => return skip(buf),
        };
        let end = len.saturating_add(2);
        let (Some(body), Some(crc)) = (buf.get(..len), buf.get(len..end)) else { return Framing::Incomplete };
        if crc16_modbus(body).to_le_bytes() == crc { Framing::Frame(0..end) } else { skip(buf) }
    }

    fn encode(&self, command: Command, _: &Reading, _: Option<u64>, _: bool) -> Option<Orders> {
        (self.host == 0xD2).then(|| commands::encode(command, self.identify()))?
    }

    fn is_weak(&self) -> bool {
        false
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().map(|from| if *from == 0xD2 { 0xD2 } else { from.wrapping_sub(0x50) })
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let mut r = Reader::new(frame);
        let (from, function) = (r.u8("address")?, r.u8("function")?);
        if let Asked::Request(request) = asked
            && request.bytes.first().map(|host| answers(*host)) != Some(from)
        {
            return Err(DecodeError::Foreign { what: "another board" });
        }
        if function != 3 {
            if matches!(asked, Asked::Request(request) if request.bytes == self.request(&self.map().fixed).bytes) {
                self.fixed.answered();
            }
            return Err(DecodeError::Refused { code: r.u8("exception code")? });
        }
        let len = usize::from(r.u8("length")?);
        let first = match asked {
            Asked::Request(request) => requested(&request.bytes, len)?,
            Asked::Anything => {
                let full = FULL.iter().find(|(d2, bytes, _)| *d2 == (from == 0xD2) && *bytes == len);
                full.map(|(_, _, first)| *first).ok_or(DecodeError::Foreign { what: "registers that only the request tells" })?
            }
        };
        let registers = Registers { first, data: r.bytes(len, "registers")? };
        if from == 0xD2 {
            registers.d2(into)
        } else {
            registers.p81(into)
        }
        self.heard(&registers, into);
        Ok(Progress::Done)
    }
}

impl DalyModbus {
    fn map(&self) -> &'static Map {
        if self.host == 0xD2 { &D2 } else { &P81 }
    }

    fn request(&self, block: &Block) -> Request {
        let [[first_high, first_low], [words_high, words_low]] = [block.first.to_be_bytes(), block.words.to_be_bytes()];
        let mut bytes = vec![self.host, 3, first_high, first_low, words_high, words_low];
        bytes.extend(crc16_modbus(&bytes).to_le_bytes());
        let timeout = Duration::from_millis(if block.required { 500 } else { 300 });
        Request { what: block.what, bytes: Cow::Owned(bytes), timeout, required: block.required }
    }

    /// Counts readings without the optional block, so that a board without these registers costs no waiting; and says what is
    /// still to come.
    fn heard(&mut self, registers: &Registers<'_>, into: &mut Reading) {
        let map = self.map();
        if registers.first == map.fixed.first {
            self.fixed.answered();
        } else if registers.first == 0 {
            self.fixed.heard();
            self.version.heard();
        }
        let awaited = into.capacity.is_none() && self.fixed.is_awaited();
        into.awaited.capacity = awaited;
        into.awaited.settings = awaited && map.has_protections;
        match registers.first {
            0 => self.without = self.without.saturating_add(1),
            _ if registers.word(self.map().mos_temperature).is_some() => self.without = 0,
            _ => {}
        }
    }
}

/// The registers of one reply.
struct Registers<'a> {
    first: u16,
    data: &'a [u8],
}

impl Registers<'_> {
    /// The register, if it is in this reply and fitted.
    fn word(&self, register: u16) -> Option<u16> {
        let index = usize::from(register.checked_sub(self.first)?);
        unless(&[0xFFFF], u16s_be(self.data).nth(index)?)
    }

    fn words(&self, registers: Range<u16>) -> impl Iterator<Item = Option<u16>> {
        registers.map(|register| self.word(register))
    }

    /// What both families have.
    fn live(&self, map: &Map, into: &mut Reading) {
        let set = |field: &mut Option<bool>, register| *field = self.word(register).map(|word| word != 0).or(*field);
        set(&mut into.charge_fet, map.charge_fet);
        set(&mut into.discharge_fet, map.discharge_fet);
        into.voltage = self.word(map.voltage).map(Volts::deci).or(into.voltage);
        into.current = self.current(map).or(into.current);
        into.soc = self.word(map.soc).map(Percent::deci).or(into.soc);
        into.remaining = self.word(map.remaining).map(AmpHours::deci).or(into.remaining);
        into.power = self.word(map.power).map(|watts| Watts::new(f64::from(watts))).or(into.power); // the magnitude only
        into.cycles = self.word(map.cycles).map(u32::from).or(into.cycles);
        // 0 is off, 1 passive, 2 active; a recorded p81 board says 7.
        into.balancing = self.word(map.balancer).filter(|state| *state <= 2).map(|state| state != 0).or(into.balancing);
        into.mos_temperature = self.word(map.mos_temperature).and_then(celsius).or(into.mos_temperature);
        if let Some(count) = self.word(map.cell_count).filter(|count| (1..=map.cells).contains(count)) {
            into.cell_count = u8::try_from(count).ok();
            show_cells(self.words(0..count).map(|cell| cell.map(Volts::milli)), into);
        }
        if let Some(sensors) = self.word(map.sensor_count) {
            let fitted = self.words(map.temperatures.clone()).take(usize::from(sensors)).flatten();
            into.temperatures = Some(fitted.filter_map(celsius).collect());
        }
        self.balancing(map, into);
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

    /// Which cells are balanced, if the bits agree with the balancer's state and the number of cells.
    fn balancing(&self, map: &Map, into: &mut Reading) {
        let Some(words) = self.words(map.balancing.clone()).collect::<Option<Vec<_>>>() else { return };
        let numbered = words.into_iter().zip([0u8, 16, 32]);
        let bits = numbered.map(|(word, before)| (set_bits(u32::from(word)), before));
        let cells: Vec<u8> = bits.flat_map(|(bits, before)| bits.into_iter().map(move |bit| bit.saturating_add(before))).collect();
        let real = cells.iter().all(|cell| into.cell_count.is_some_and(|count| *cell <= count));
        if real && into.balancing == Some(!cells.is_empty()) {
            into.balancing_cells = Some(cells);
        }
    }

    fn d2(&self, into: &mut Reading) {
        self.live(&D2, into);
        if let Some(words) = self.words(0x3A..0x3E).collect::<Option<Vec<_>>>() {
            // The bits of command 98 in its order, two bytes per register, the first in the low one.
            let bytes: Vec<u8> = words.into_iter().flat_map(u16::to_le_bytes).collect();
            failures(&bytes, into);
        }
        if let Some(texts) = self.first.eq(&VERSION).then_some(self.data).and_then(|data| data.split_first_chunk::<32>()) {
            let (software, hardware) = texts;
            (into.sw_version, into.hw_version) = (text(software), hardware.get(..32).and_then(text));
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

    fn p81(&self, into: &mut Reading) {
        self.live(&P81, into);
        // Rated capacity in mAh, twice; the register map has it elsewhere, the recording and the remaining capacity here.
        let rated = |at: u16| Some(u32::from(self.word(at)?) << 16 | u32::from(self.word(at.checked_add(1)?)?));
        if let (Some(rated), Some(again)) = (rated(0x109), rated(0x10B))
            && rated == again
            && rated > 0
        {
            into.capacity = Some(AmpHours::milli(rated));
        }
        failures::failures(self, into);
    }
}

/// Only the low byte counts; its lowest and its highest value are a sensor that is not fitted.
fn celsius(raw: u16) -> Option<Celsius> {
    unless(&[0x00, 0xFF], raw & 0xFF).map(Celsius::offset_40)
}

fn chemistry(code: u16) -> Option<Chemistry> {
    [Chemistry::Lfp, Chemistry::Nmc, Chemistry::Lto].get(usize::from(code)).copied()
}

/// The address in requests: board numbers stand above 80.
fn host(address: u8) -> u8 {
    if matches!(address, 1..=16) { address | 0x80 } else { address }
}

/// The first byte of the answer to a request to `host`.
fn answers(host: u8) -> u8 {
    if matches!(host, 0x81..=0x90) { host.wrapping_sub(0x30) } else { host }
}

fn is_board(from: u8) -> bool {
    matches!(from, 0xD2 | 0x51..=0x60)
}

/// Passes over the first byte and all up to the next one that may begin a reply.
fn skip(buf: &[u8]) -> Framing {
    Framing::Skip(buf.iter().skip(1).take_while(|byte| !is_board(**byte)).count().saturating_add(1))
}

/// The first register that `request` asks for, if a reply of `len` bytes can answer it.
fn requested(request: &[u8], len: usize) -> Result<u16, DecodeError> {
    match request {
        [_, 3, high, low, words_high, words_low, ..] => {
            let words = usize::from(u16::from_be_bytes([*words_high, *words_low]));
            let fits = words.saturating_mul(2) == len;
            fits.then_some(u16::from_be_bytes([*high, *low])).ok_or(DecodeError::Foreign { what: "another number of registers" })
        }
        _ => Err(DecodeError::Foreign { what: "no read" }),
    }
}
