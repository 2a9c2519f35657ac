//! Packs that speak in frames of [`super::ascii`]: a family is a table of its requests, with a decoder for the INFO of each reply.
//!
//! ```text
//! request  ~ VER adr CID1 command LENGTH INFO CHKSUM CR     INFO: nothing, the address again, or fixed bytes
//! reply    ~ VER adr CID1 rtn     LENGTH INFO CHKSUM CR     rtn 00: INFO answers the command; anything else: refused
//! ```
//! Header, length and checksum are the same for several families. Which one a reply belongs to, its content decides: a decoder
//! accepts only INFO whose counts fit its length to the byte.

use super::ascii::{self, Header};
use super::asking::{Asked, When};
use super::bytes::{Reader, show_cells, u16s_be, unless};
use super::{Codec, DecodeError, Expected, Framing, Progress, Protocol, Request, Sniff};
use crate::base::units::{AmpHours, Percent, Volts, round};
use crate::model::{
    AlarmName::{self, BmsInternal},
    Level, Reading,
};
use std::borrow::Cow;
use std::time::Duration;

/// What a family has beyond the frame.
#[derive(Debug)]
pub(super) struct Family {
    /// VER of requests and replies.
    pub version: u8,
    /// CID1 of requests and replies.
    pub cid1: u8,
    /// The requests of a reading; the first one identifies the family, and every reading needs its reply.
    pub blocks: &'static [Block],
    /// Time for a reply.
    pub timeout: Duration,
    /// Number of the pack that sent a reply, from its header and INFO.
    pub pack: fn(Header, &[u8]) -> u8,
    /// INFO of each pack in a reply with the values of several; empty for any other.
    pub packs: fn(&[u8]) -> Vec<Vec<u8>>,
}

/// A request, and the meaning of its reply.
#[derive(Debug)]
pub(super) struct Block {
    pub what: &'static str,
    /// CID2 of the request.
    pub command: u8,
    pub info: RequestInfo,
    pub when: When,
    /// Decodes INFO; it must decline that of any other command, as recordings do not always contain the request.
    pub decode: fn(&[u8], &mut Reading) -> Result<(), DecodeError>,
}

/// INFO of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum RequestInfo {
    Nothing,
    Address,
}

/// Length of a request without INFO.
const EMPTY_REQUEST: usize = 18;
/// A request for all packs has this in place of the address in INFO.
const ALL_PACKS: u8 = 0xFF;
/// Bytes of INFO in the longest reply, of sixteen packs; LENGTH can express no more.
const MAX_INFO: usize = 0xFFF / 2;
/// Cells and sensors of the largest packs, with a reserve.
const MAX_CELLS: usize = 32;
const MAX_SENSORS: usize = 16;

/// Sensors that are not fitted: 8000 is documented for PACE, the others are -273 °C and beyond any.
pub(super) const NO_SENSOR: [u16; 3] = [0x0000, 0x8000, 0xFFFF];

/// Decoder state: the address, and which requests were answered.
#[derive(Debug)]
pub(super) struct AsciiPack {
    family: &'static Family,
    address: u8,
    asked: Asked,
    /// A master answers for this pack: what no number in INFO asks for would be the master's own.
    behind_master: bool,
}

impl AsciiPack {
    pub(super) fn new(family: &'static Family, address: u8) -> Self {
        let asked = Asked::new(address, family.blocks.iter().map(|block| block.when));
        Self { family, address, asked, behind_master: false }
    }

    fn is_wanted(&self) -> impl Fn(usize) -> bool + use<> {
        let (family, behind_master) = (self.family, self.behind_master);
        move |number| {
            let numbered = family.blocks.get(number).is_some_and(|block| matches!(block.info, RequestInfo::Address));
            numbered || !behind_master
        }
    }

    fn request(&self, block: &Block) -> Request {
        let info: &[u8] = match block.info {
            RequestInfo::Nothing => &[],
            RequestInfo::Address => &[self.address],
        };
        let header = Header { version: self.family.version, address: self.address, cid1: self.family.cid1, cid2: block.command };
        let required = matches!(block.when, When::Always);
        Request { what: block.what, bytes: Cow::Owned(header.frame(info)), timeout: self.family.timeout, required }
    }

    fn is_own(&self, header: &Header) -> bool {
        (header.version, header.cid1) == (self.family.version, self.family.cid1)
    }

    /// The command of the request that a reply from `pack` answers; `None` if no request is known.
    fn asked(&self, expected: Expected<'_>, pack: u8) -> Result<Option<u8>, DecodeError> {
        let Expected::Request(request) = expected else { return Ok(None) };
        let header = Header::of(&request.bytes).filter(|header| self.is_own(header));
        let header = header.ok_or(DecodeError::Foreign { what: "the request of another family" })?;
        let for_all = ascii::info(&request.bytes).is_ok_and(|info| info == [ALL_PACKS]);
        if for_all || header.address == pack { Ok(Some(header.cid2)) } else { Err(DecodeError::Foreign { what: "another pack" }) }
    }
}

impl Codec for AsciiPack {
    fn framing(&self, buf: &[u8]) -> Framing {
        ascii::framing(buf, MAX_INFO, |header| is_command(header.cid2))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        let header = Header::of(frame)?;
        Some((self.family.pack)(header, &ascii::info(frame).unwrap_or_default()))
    }

    fn packs(&self, frame: &[u8]) -> Vec<Vec<u8>> {
        let (Some(header), Ok(info)) = (Header::of(frame), ascii::info(frame)) else { return Vec::new() };
        let of_several = self.is_own(&header) && header.cid2 == 0;
        let packs = if of_several { (self.family.packs)(&info) } else { Vec::new() };
        let numbered = packs.iter().zip(header.address..);
        numbered.map(|(info, address)| Header { address, ..header }.frame(info)).collect()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let header = Header::of(frame).ok_or(DecodeError::Short { field: "header" })?;
        if !self.is_own(&header) {
            return Err(DecodeError::Foreign { what: "VER or CID1 of another family with this frame" });
        }
        let info = ascii::info(frame)?;
        let pack = (self.family.pack)(header, &info);
        let asked = self.asked(expected, pack)?;
        if header.cid2 != 0 {
            if let Some(refused) = self.family.blocks.iter().position(|block| asked == Some(block.command)) {
                self.asked.refused(refused);
            }
            return Err(DecodeError::Refused { code: header.cid2 });
        }
        let blocks = self.family.blocks.iter().enumerate();
        for (index, block) in blocks.filter(|(_, block)| asked.is_none_or(|command| command == block.command)) {
            let mut merged = into.clone();
            if (block.decode)(&info, &mut merged).is_ok() {
                *into = merged;
                self.asked.answered(index);
                self.behind_master = pack != header.address;
                into.awaited.settings = self.asked.awaits_limits(into, self.is_wanted());
                return Ok(Progress::Done);
            }
        }
        // A battery that answers with valid checks and another content, or with none, is another family.
        Err(UNFIT)
    }
}

impl Protocol for AsciiPack {
    fn identify(&self) -> Request {
        self.family.blocks.first().map_or_else(|| Request::only_listen("values", Duration::ZERO), |block| self.request(block))
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let is_wanted = self.is_wanted();
        let due = self.asked.due(known, is_wanted);
        due.into_iter().filter_map(|index| self.family.blocks.get(index)).map(|block| self.request(block)).collect()
    }

    fn sniff(&self) -> Option<&dyn Sniff> {
        Some(self)
    }
}

impl Sniff for AsciiPack {
    /// Masters of packs in parallel poll the others: PACE with 90 (`~25aa46900000…`, as written here), Seplos with 5A. Nobody may
    /// send on such a line.
    fn request_target(&self, buf: &[u8]) -> Option<u8> {
        let request = buf.first_chunk::<EMPTY_REQUEST>()?;
        let text = std::str::from_utf8(request).ok()?.strip_prefix('~')?.strip_suffix('\r')?;
        let upper = text.to_ascii_uppercase();
        let is_master = text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && upper.get(8..12) == Some("0000")
            && matches!((upper.get(..2), upper.get(4..8)), (Some("25"), Some("4690")) | (Some("20"), Some("465A")));
        if is_master { u8::from_str_radix(text.get(2..4)?, 16).ok() } else { None }
    }
}

/// A command in place of RTN: a request, an echo of one, or the reply of a Seplos pack to its master (5A).
fn is_command(cid2: u8) -> bool {
    matches!(cid2, 0x40..=0x8F | 0x92..=0xDF)
}

/// INFO of another command, or of another family.
pub(super) const UNFIT: DecodeError = DecodeError::Foreign { what: "counts that do not fit the length" };

/// Largest flag: changes of alarms (01) and switches (10) that were not read.
pub(super) const MAX_FLAG: u8 = 0x11;

/// For a family whose header has the pack's number.
pub(super) fn pack_of_header(header: Header, _: &[u8]) -> u8 {
    header.address
}

/// For a family whose replies have one pack each.
pub(super) fn one_pack(_: &[u8]) -> Vec<Vec<u8>> {
    Vec::new()
}

/// A number of entries, 1 to `most`.
fn count(r: &mut Reader<'_>, most: usize, field: &'static str) -> Result<usize, DecodeError> {
    Some(usize::from(r.u8(field)?)).filter(|count| (1..=most).contains(count)).ok_or(UNFIT)
}

/// `u8 n, n × u16 mV`.
pub(super) fn cells(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let cells = count(r, MAX_CELLS, "cell count")?;
    into.cell_count = u8::try_from(cells).ok();
    let cells = u16s_be(r.bytes(cells.saturating_mul(2), "cell voltages")?);
    show_cells(cells.map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    Ok(())
}

/// `u8 n, n × u16`: the raw temperatures.
pub(super) fn sensors(r: &mut Reader<'_>) -> Result<Vec<u16>, DecodeError> {
    let sensors = count(r, MAX_SENSORS, "sensor count")?;
    Ok(u16s_be(r.bytes(sensors.saturating_mul(2), "temperatures")?).collect())
}

/// The flag, and the number of the pack, its group or all packs, with which INFO begins.
pub(super) fn head(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let flag = r.u8("flag")?;
    r.skip(1, "pack number")?;
    if flag <= MAX_FLAG { Ok(()) } else { Err(UNFIT) }
}

/// The codes of cells and sensors with which a reply with alarms begins: `u8 n, n codes` of each.
pub(super) fn alarm_codes(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.alarms = Some(Vec::new());
    let cells = count(r, MAX_CELLS, "cell count")?;
    into.cell_count = u8::try_from(cells).ok();
    codes(r.bytes(cells, "cell codes")?, AlarmName::CellLowVoltage, AlarmName::CellHighVoltage, into)?;
    let sensors = count(r, MAX_SENSORS, "sensor count")?;
    codes(r.bytes(sensors, "temperature codes")?, AlarmName::LowTemperature, AlarmName::HighTemperature, into)
}

/// The codes of charge current, pack voltage and discharge current.
pub(super) fn pack_codes(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    code(r, "charge current code", AlarmName::HighChargeCurrent, AlarmName::HighChargeCurrent, into)?;
    code(r, "voltage code", AlarmName::LowVoltage, AlarmName::HighVoltage, into)?;
    code(r, "discharge current code", AlarmName::HighDischargeCurrent, AlarmName::HighDischargeCurrent, into)
}

/// As [`codes`] for the next byte.
pub(super) fn code(
    r: &mut Reader<'_>,
    field: &'static str,
    low: AlarmName,
    high: AlarmName,
    into: &mut Reading,
) -> Result<(), DecodeError> {
    codes(r.bytes(1, field)?, low, high, into)
}

/// 00 fine, 01 low, 02 high, 80 to EF set by the maker, F0 another fault; any other code means that this is not such a reply.
fn codes(codes: &[u8], low: AlarmName, high: AlarmName, into: &mut Reading) -> Result<(), DecodeError> {
    for code in codes {
        match code {
            0x00 => {}
            0x01 => into.raise(low, Level::Warning),
            0x02 => into.raise(high, Level::Warning),
            0x80..=0xEF => into.note("an alarm code of the maker without a documented meaning"),
            0xF0 => into.raise(BmsInternal, Level::Warning),
            _ => return Err(UNFIT),
        }
    }
    Ok(())
}

/// SoC of a pack that does not send it.
pub(super) fn soc_of(remaining: Option<AmpHours>, full: Option<AmpHours>) -> Option<Percent> {
    let (remaining, full) = (remaining?.get(), full?.get());
    (full > 0.0).then(|| Percent::new(round((100.0 * remaining / full).min(100.0), 1)))
}
