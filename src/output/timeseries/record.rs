//! File format of bins and days: records of fixed size, each with its time and a checksum, at a position derived from the time.
//!
//! ```text
//! "dbus-bms history 1\n" and zeros, 32 bytes | 366 days of 16 bytes | 2976 quarters of 40 bytes      all little-endian
//! ```
//! A record truncated by a power cut fails its check and becomes a gap, without other consequences.

use super::bin::Bin;
use crate::bms::bytes::crc16_modbus as check;

/// Start of the file.
pub(super) const HEAD: [u8; 32] = *b"dbus-bms history 1\n\0\0\0\0\0\0\0\0\0\0\0\0\0";
const DAY: usize = 16;
const QUARTER: usize = 40;

/// Number of days and quarters kept.
pub const DAYS: u32 = 366;
/// 31 days.
pub const QUARTERS: u32 = 31 * 96;

/// Size of the whole file, bytes.
pub(super) const SIZE: usize = HEAD.len() + DAYS as usize * DAY + QUARTERS as usize * QUARTER;

/// Energy of a day, 0.01 Wh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Charged.
    pub charged: u32,
    /// Discharged.
    pub discharged: u32,
}

/// A part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Position, bytes.
    pub at: u64,
    /// Content.
    pub bytes: Vec<u8>,
}

fn sealed(at: usize, mut bytes: Vec<u8>) -> Piece {
    let sum = check(&bytes);
    bytes.extend(sum.to_le_bytes());
    Piece { at: at as u64, bytes }
}

fn day_at(day: u32) -> usize {
    HEAD.len().saturating_add((day % DAYS) as usize * DAY)
}

fn quarter_at(quarter: u32) -> usize {
    (HEAD.len() + DAYS as usize * DAY).saturating_add((quarter % QUARTERS) as usize * QUARTER)
}

/// The record of a day, counted from 1970.
pub(super) fn write_day(number: u32, Day { charged, discharged }: Day) -> Piece {
    let mut bytes = Vec::with_capacity(DAY);
    for field in [number, charged, discharged] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([0; 2]);
    sealed(day_at(number), bytes)
}

/// The record of a quarter of an hour, counted from 1970.
pub(super) fn write_quarter(number: u32, bin: &Bin) -> Piece {
    #[rustfmt::skip]
    let Bin {
        soc, voltage, cell_min, cell_max, delta, cvl, ccl, dcl, temperature_min, temperature_max, charged, discharged, covered,
    } = *bin;
    let mut bytes = Vec::with_capacity(QUARTER);
    for field in [number, charged, discharged] {
        bytes.extend(field.to_le_bytes());
    }
    for field in [soc, voltage, cell_min, cell_max, delta, cvl, ccl, dcl, covered] {
        bytes.extend(field.to_le_bytes());
    }
    for field in [temperature_min, temperature_max] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([0; 4]);
    sealed(quarter_at(number), bytes)
}

/// Fields of a record, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
    fn long(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
}

/// The fields of a valid record.
fn opened(file: &[u8], at: usize, length: usize) -> Option<Fields<'_>> {
    let record = file.get(at..at.checked_add(length)?)?;
    let (fields, sum) = record.split_last_chunk::<2>()?;
    // Zeros: never written.
    (check(fields) == u16::from_le_bytes(*sum) && fields.iter().any(|byte| *byte != 0)).then_some(Fields(fields))
}

/// A value of a day or quarter, counted from 1970.
type Numbered<T> = (u32, T);

/// All valid records of a file.
pub(super) fn read(file: &[u8]) -> (Vec<Numbered<Day>>, Vec<Numbered<Bin>>) {
    if !file.starts_with(&HEAD) {
        return (Vec::new(), Vec::new());
    }
    let day = |place: u32| {
        let mut fields = opened(file, day_at(place), DAY)?;
        let number = fields.long()?;
        let day = Day { charged: fields.long()?, discharged: fields.long()? };
        (number % DAYS == place).then_some((number, day))
    };
    let quarter = |place: u32| {
        let mut fields = opened(file, quarter_at(place), QUARTER)?;
        let number = fields.long()?;
        let bin = Bin {
            charged: fields.long()?,
            discharged: fields.long()?,
            soc: fields.short()?,
            voltage: fields.short()?,
            cell_min: fields.short()?,
            cell_max: fields.short()?,
            delta: fields.short()?,
            cvl: fields.short()?,
            ccl: fields.short()?,
            dcl: fields.short()?,
            covered: fields.short()?,
            temperature_min: fields.take().map(i16::from_le_bytes)?,
            temperature_max: fields.take().map(i16::from_le_bytes)?,
        };
        (number % QUARTERS == place).then_some((number, bin))
    };
    ((0..DAYS).filter_map(day).collect(), (0..QUARTERS).filter_map(quarter).collect())
}
