//! Eco-Worthy and others with its Bluetooth module: two pages that the battery sends by itself. Nothing is ever sent to it.
//!
//! ```text
//! version 1  A1|A2 …10 bytes…           01 03 len data… crc     high byte first, crc of Modbus with the low byte first
//! version 2  …6 bytes… A1|A2 …2 bytes…  08 03 len data… crc     the six are the begin of its address
//! page A1    data 2 u16 SoC % · 4 u16 SoH % · 6 u16 10 mV · 8 i16 current, + charges: 10 mA in version 1, 100 mA in version 2 ·
//!            12 u16 10 mAh capacity · 37 u16 problems
//! page A2    data 0 u16 cells · 2 sixteen or more cells, u16 mV, FFFF = none · 66 u16 sensors · 68 i16 0.1 °C, FC18 = none
//! ```
//! Source: patman15/aiobmsble (`ecoworthy_bms.py` and the frames in its test); the meaning of the problem bits is not known.

use super::bytes::{Reader, crc_frame, show_cells, unless};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::{AlarmName, Level, Reading};
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "ecoworthy",
    label: "Eco-Worthy",
    boards: "Eco-Worthy and DCHouse batteries with Bluetooth (pages A1 and A2)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Untested,
    transports: &[Transport::Bluetooth],
    new: |_| Box::new(EcoWorthy::default()),
};

/// Both pages, which the battery sends by itself.
const PAGES: Request = Request::only_listen("its pages", Duration::from_secs(5));

const STATE: u8 = 0xA1;
const CELLS: u8 = 0xA2;
/// Places for cells in a page, and where the number of sensors is.
const CELL_PLACES: usize = 32;
const SENSOR_PLACES: u16 = 8;

/// A layout: offset of the page's number, and the bytes between that and the data, of which the last is their length.
struct Version {
    page: usize,
    data: usize,
    /// Amps per step.
    scale: f64,
}

const VERSIONS: [Version; 2] = [Version { page: 0, data: 14, scale: 0.01 }, Version { page: 6, data: 12, scale: 0.1 }];

/// Length of the data of a page.
fn length_of(page: u8) -> Option<usize> {
    match page {
        STATE => Some(68),
        CELLS => Some(86),
        _ => None,
    }
}

impl Version {
    /// The frame at the start of `buf` in this layout; `Skip` if it cannot be one.
    fn framing(&self, buf: &[u8]) -> Framing {
        let Some(page) = buf.get(self.page) else { return Framing::Incomplete };
        let Some(length) = length_of(*page) else { return Framing::Skip(1) };
        match buf.get(self.data.saturating_sub(2)..self.data) {
            None if buf.len() < self.data => Framing::Incomplete,
            Some([3, stated]) if usize::from(*stated) == length => {
                crc_frame(buf, self.data.saturating_add(length).saturating_add(2))
            }
            _ => Framing::Skip(1),
        }
    }
}

/// Decoder state: which page is still missing.
#[derive(Debug, Default)]
struct EcoWorthy {
    state: bool,
    cells: bool,
}

impl Codec for EcoWorthy {
    fn framing(&self, buf: &[u8]) -> Framing {
        let mut incomplete = false;
        for version in &VERSIONS {
            match version.framing(buf) {
                Framing::Frame(range) => return Framing::Frame(range),
                Framing::Incomplete => incomplete = true,
                Framing::Skip(_) => {}
            }
        }
        if incomplete { Framing::Incomplete } else { Framing::Skip(1) }
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        if let Expected::Request(request) = expected
            && !request.bytes.is_empty()
        {
            return Err(DecodeError::Foreign { what: "a page that nobody asked for" });
        }
        let version = VERSIONS.iter().find(|version| matches!(version.framing(frame), Framing::Frame(_)));
        let version = version.ok_or(DecodeError::Foreign { what: "no page" })?;
        let data = frame.get(version.data..).unwrap_or_default();
        match frame.get(version.page) {
            Some(&STATE) => {
                state(data, version.scale, into)?;
                self.state = true;
            }
            _ => {
                cells(data, into)?;
                self.cells = true;
            }
        }
        if !(self.state && self.cells) {
            return Ok(Progress::More);
        }
        self.reset();
        Ok(Progress::Done)
    }

    fn reset(&mut self) {
        (self.state, self.cells) = (false, false);
    }
}

fn state(data: &[u8], scale: f64, into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(data);
    r.skip(2, "cycles")?;
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.soh = unless(&[0xFFFF], r.u16_be("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    into.voltage = unless(&[0, 0xFFFF], r.u16_be("voltage")?).map(Volts::centi);
    let current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?);
    into.current = current.map(|raw| Amps::new(f64::from(raw) * scale).rounded(2));
    r.skip(2, "state")?;
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("capacity")?).map(AmpHours::centi);
    into.remaining = match (into.capacity, into.soc) {
        (Some(capacity), Some(soc)) => Some(AmpHours::new(capacity.get() * soc.get() / 100.0).rounded(2)),
        _ => None,
    };
    r.skip(23, "counters")?;
    let problems = r.u16_be("problems")?;
    into.alarms = Some(Vec::new());
    if problems != 0 {
        into.raise(AlarmName::BmsInternal, Level::Alarm);
        into.note(format!("problem bits {problems:04x} (meaning not documented)"));
    }
    Ok(())
}

fn cells(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(data);
    let count = usize::from(r.u16_be("cells")?);
    let places = r.bytes(2 * CELL_PLACES, "cell voltages")?.as_chunks().0.iter().copied().map(u16::from_be_bytes);
    if !(1..=CELL_PLACES).contains(&count) {
        return Err(DecodeError::Layout { what: "a page with a number of cells that it has no space for" });
    }
    into.cell_count = u8::try_from(count).ok();
    show_cells(places.take(count).map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    let sensors = r.u16_be("sensors")?.min(SENSOR_PLACES);
    let mut temperatures = Vec::new();
    for _ in 0..sensors {
        let raw = r.i16_be("temperature")?;
        // -100.0 °C
        temperatures.extend(unless(&[-1000], raw).map(|raw| Celsius::new(f64::from(raw) / 10.0)));
    }
    into.temperatures.sensors = Some(temperatures);
    Ok(())
}

impl Protocol for EcoWorthy {
    fn identify(&self) -> Request {
        PAGES
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![PAGES]
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}
