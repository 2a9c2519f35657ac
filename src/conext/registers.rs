//! What a register holds: its words, and the value that they mean.

use crate::base::units::round;
use crate::model::{DeviceValue, Quantity};

/// How the words of a register are read. 32-bit numbers have their high word first; the highest value (of signed ones also the lowest)
/// stands for none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Unsigned, 16 bits, times this.
    U16(f64),
    /// Unsigned, 32 bits, times this.
    U32(f64),
    /// Signed, 32 bits, times this.
    S32(f64),
    /// Temperature in hundredths of a kelvin where 273 is 0 °C, 16 bits.
    Kelvin16,
    /// The same, 32 bits.
    Kelvin32,
    /// Zero or not.
    Flag,
    /// A state with a name.
    Word(&'static [(u16, &'static str)]),
}

/// A register of a device.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    /// Number of its first word as sent, from 0.
    pub at: u16,
    /// How it is read.
    pub kind: Kind,
    /// What it is.
    pub quantity: &'static Quantity,
    /// Its name in BerryBMS' messages; empty if it has none.
    pub berrybms: &'static str,
}

impl Register {
    /// Number of its words.
    pub const fn words(&self) -> u16 {
        match self.kind {
            Kind::U16(_) | Kind::Kelvin16 | Kind::Flag | Kind::Word(_) => 1,
            Kind::U32(_) | Kind::S32(_) | Kind::Kelvin32 => 2,
        }
    }

    /// The value in its words; `None` if it is unknown there.
    pub fn value(&self, words: &[u16]) -> Option<DeviceValue> {
        let scaled = |raw: f64, scale: f64| DeviceValue::Number(round(raw * scale, 3));
        let short = || words.first().copied().filter(|raw| *raw != u16::MAX);
        let long = || {
            let [high, low] = words.first_chunk().copied()?;
            Some((u32::from(high) << 16) | u32::from(low))
        };
        match self.kind {
            Kind::U16(scale) => short().map(|raw| scaled(f64::from(raw), scale)),
            Kind::U32(scale) => long().filter(|raw| *raw != u32::MAX).map(|raw| scaled(f64::from(raw), scale)),
            Kind::S32(scale) => {
                let signed = long().map(u32::cast_signed).filter(|raw| !matches!(*raw, i32::MIN | i32::MAX));
                signed.map(|raw| scaled(f64::from(raw), scale))
            }
            Kind::Kelvin16 => short().and_then(|raw| celsius(u32::from(raw))),
            Kind::Kelvin32 => long().and_then(celsius),
            Kind::Flag => short().map(|raw| DeviceValue::Flag(raw != 0)),
            Kind::Word(names) => {
                let raw = short()?;
                let name = names.iter().find(|(number, _)| *number == raw).map(|(_, name)| *name);
                Some(name.map_or_else(|| format!("state {raw}").into(), DeviceValue::from))
            }
        }
    }
}

/// From hundredths of a kelvin; `None` outside of what a sensor measures (no sensor is 0 or the highest value).
pub(super) fn celsius(raw: u32) -> Option<DeviceValue> {
    let celsius = round(f64::from(raw) / 100.0 - 273.0, 2);
    (-60.0..=150.0).contains(&celsius).then_some(DeviceValue::Number(celsius))
}

/// A text of two letters per word, up to the first zero; `None` if it is empty or not printable.
pub fn text(words: &[u16]) -> Option<String> {
    let bytes = words.iter().flat_map(|word| word.to_be_bytes()).take_while(|byte| *byte != 0);
    let text: Vec<u8> = bytes.collect();
    let text = String::from_utf8(text).ok()?.trim().to_owned();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')).then_some(text)
}
