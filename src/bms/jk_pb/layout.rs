//! The layouts of settings and live frames. Header, type, length and sum are the same in all of them.
//!
//! ```text
//! live frame   cells    mask  mean  MOSFETs  pack  current  sensors  alarms   SoC   FETs   behind the last field
//! 32 cells     u16@6    @70   @74   @144     @150  @158     @162     u32@166  @173  @198   further values up to 298
//! 24 cells     u16@6    @54   @58   @134     @118  @126     @130     u16@136  @141  @166   0 from 218 on
//! floats       f32@6    no pack voltage, current, SoC or temperature
//! ```
//! Firmware before 11 has space for 24 cells: from the mask to the resistances all fields are 16 bytes earlier, behind them 32. Floats
//! are sent by balancers of hardware 3 and by others (JK-B5A24S with firmware 8.0.3M): the version does not tell them. Sources:
//! syssi/esphome-jk-bms (jk_bms_ble.cpp, and recordings in docs with firmware 7.10, 8.06 and 10.07), patman15/aiobmsble
//! (test_jikong_bms.py).

use super::frames::{Kind, at, kind};
use crate::bms::bytes::text;

/// Space for cells in a live frame; the settings are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Firmware before 11.
    Cells24,
    /// Firmware 11 and later.
    Cells32,
}

const FLOATS: &str = "the layout of JK hardware 3 (values as floats, without current and SoC)";
const OPEN_24: &str = "the 24-cell layout of JK firmware before 11, with a sum of cells that is not the pack voltage";
const UNKNOWN: &str = "a layout of neither 24 nor 32 cells, or a sum of cells that is not the pack voltage";
const CONTRADICTION: &str = "another layout than boards with this firmware have";

/// What the values of a live frame show.
enum Evidence {
    /// The sum of the cells is the pack voltage in this layout only.
    Sum(Layout),
    /// The sum is wrong in both (a broken wire, a pack voltage that is not calibrated), but other fields show this layout.
    Fields(Layout),
    /// Neither, as on an old board without cells.
    Nothing,
    /// Both.
    Unclear,
}

impl Layout {
    /// The layout of a live frame, from the `firmware` in the device frame if known, and from the values.
    ///
    /// # Errors
    /// Name of a layout that is not supported.
    pub(super) fn of(frame: &[u8], firmware: Option<&str>) -> Result<Self, &'static str> {
        if has_floats(frame) {
            return Err(FLOATS);
        }
        let known = firmware.and_then(major).map(|major| if major < 11 { Self::Cells24 } else { Self::Cells32 });
        match (evidence(frame), known) {
            (Evidence::Sum(layout) | Evidence::Fields(layout), Some(known)) if layout != known => Err(CONTRADICTION),
            (Evidence::Sum(layout) | Evidence::Fields(layout @ Self::Cells32), _) => Ok(layout),
            (Evidence::Fields(Self::Cells24) | Evidence::Nothing, Some(Self::Cells24)) => Ok(Self::Cells24),
            (Evidence::Fields(Self::Cells24), _) => Err(OPEN_24),
            (Evidence::Nothing | Evidence::Unclear, _) => Err(UNKNOWN),
        }
    }

    /// Number of cells there is space for.
    pub(super) fn cells(self) -> u32 {
        match self {
            Self::Cells24 => 24,
            Self::Cells32 => 32,
        }
    }

    /// Offset of a field from the mask to the resistances that is at `offset` in the layout of 32 cells.
    pub(super) fn near(self, offset: usize) -> usize {
        offset.saturating_sub(if self == Self::Cells24 { 16 } else { 0 })
    }

    /// Offset of a field behind the resistances that is at `offset` in the layout of 32 cells.
    pub(super) fn far(self, offset: usize) -> usize {
        offset.saturating_sub(if self == Self::Cells24 { 32 } else { 0 })
    }

    /// Voltages of the fitted cells, mV.
    pub(super) fn fitted(self, frame: &[u8]) -> impl Iterator<Item = u16> {
        let mask = word(frame, self.near(70));
        let mut cells = at(frame, 6);
        (0..self.cells()).filter_map(move |cell| {
            let millivolts = cells.u16_le("cell voltages").ok()?;
            ((mask >> cell) & 1 == 1).then_some(millivolts)
        })
    }

    fn sum_is_pack_voltage(self, frame: &[u8]) -> bool {
        let sum: u32 = self.fitted(frame).map(u32::from).sum();
        let pack = word(frame, self.far(150));
        self.has_cells(frame) && sum > 0 && sum.abs_diff(pack) <= pack / 100
    }

    /// The mask has consecutive cells from the first on, and no others.
    fn has_cells(self, frame: &[u8]) -> bool {
        let mask = word(frame, self.near(70));
        let fits = mask.checked_shr(self.cells()).unwrap_or(0) == 0;
        fits && mask > 0 && mask & mask.wrapping_add(1) == 0
    }

    /// The mean cell in the frame is that of the cells, with or without those at 0 V.
    fn mean_is_right(self, frame: &[u8]) -> bool {
        let reported = u32::from(at(frame, self.near(74)).u16_le("mean cell").unwrap_or(0));
        let sum: u32 = self.fitted(frame).map(u32::from).sum();
        let agrees = |count: u32| sum.checked_div(count).is_some_and(|mean| mean > 0 && mean.abs_diff(reported) <= mean / 50);
        let count = |cells: usize| agrees(u32::try_from(cells).unwrap_or(0));
        count(self.fitted(frame).count()) || count(self.fitted(frame).filter(|cell| *cell > 0).count())
    }
}

fn evidence(frame: &[u8]) -> Evidence {
    let [old, new] = [Layout::Cells24, Layout::Cells32];
    let is_old = old.has_cells(frame);
    // Only newer boards have values there, also those without cells.
    let goes_on = frame.get(218..299).is_some_and(|end| end.iter().any(|byte| *byte != 0));
    match (old.sum_is_pack_voltage(frame), new.sum_is_pack_voltage(frame)) {
        (true, false) => Evidence::Sum(old),
        // Cells 25 and 26 look like a mask at certain voltages.
        (false, true) if goes_on || !is_old => Evidence::Sum(new),
        (false, false) if is_old && !goes_on => Evidence::Fields(old),
        (false, false) if !is_old && (goes_on || new.has_cells(frame) && new.mean_is_right(frame)) => Evidence::Fields(new),
        (false, false) if !is_old => Evidence::Nothing,
        _ => Evidence::Unclear,
    }
}

/// Name of the layout of a settings frame that is not supported: floats, the first of which is 1.0 in every recording.
pub(super) fn other_settings(frame: &[u8]) -> Option<&'static str> {
    is_voltage_as_float(word(frame, 6)).then_some(FLOATS)
}

/// The settings frame contains the board's address: in the layout of 24 cells everything behind the resistances is 0.
pub(super) fn has_address(settings: &[u8]) -> bool {
    settings.get(254..299).is_some_and(|end| end.iter().any(|byte| *byte != 0))
}

/// The frame is certainly one of an old board: these have no RS485 with triggers, only Bluetooth, where nothing is acknowledged.
pub(super) fn is_never_acknowledged(frame: &[u8]) -> bool {
    match kind(frame) {
        Some((Kind::Live, _)) => matches!(evidence(frame), Evidence::Sum(Layout::Cells24)),
        Some((Kind::Settings, _)) => !has_address(frame),
        Some((Kind::Device, _)) => firmware(frame).as_deref().and_then(major).is_some_and(|major| major < 11),
        None => false,
    }
}

/// Firmware version in a device frame.
pub(super) fn firmware(device: &[u8]) -> Option<String> {
    text(at(device, 30).bytes(8, "software version").ok()?)
}

/// One of the first twelve words is the voltage of a cell as a float. As two cells in millivolts the second would have 16 V.
fn has_floats(frame: &[u8]) -> bool {
    let (words, _) = frame.get(6..54).unwrap_or_default().as_chunks();
    words.iter().any(|bytes| is_voltage_as_float(u32::from_le_bytes(*bytes)))
}

fn is_voltage_as_float(word: u32) -> bool {
    (0.5..=5.0).contains(&f32::from_bits(word))
}

/// 0 beyond the end.
fn word(frame: &[u8], offset: usize) -> u32 {
    at(frame, offset).u32_le("layout").unwrap_or(0)
}

/// `10.07` is 10, as is `V10.X`.
fn major(firmware: &str) -> Option<u32> {
    let digits = firmware.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
