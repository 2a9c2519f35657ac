//! Draws choices from the bytes of an input. At its end all of them return zeros, so that every input is complete.

use std::time::Duration;

/// The rest of an input.
#[derive(Debug, Clone, Default)]
pub struct Draw {
    bytes: Vec<u8>,
    at: usize,
}

impl Draw {
    /// From the start of an input.
    pub fn new(input: &[u8]) -> Self {
        Self { bytes: input.to_vec(), at: 0 }
    }

    /// No bytes are left.
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// Up to `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        let from = self.at.min(self.bytes.len());
        let to = from.saturating_add(n).min(self.bytes.len());
        self.at = to;
        self.bytes[from..to].to_vec()
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }

    /// One of these.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Any bit pattern of a number, NaN and infinity included.
    pub fn bits(&mut self) -> f64 {
        let mut bits = [0; 8];
        bits.fill_with(|| self.byte());
        f64::from_bits(u64::from_le_bytes(bits))
    }

    /// A value of a field of a reading: mostly close to `usual`, often at the ends of `range` or just beyond, sometimes anything.
    pub fn number(&mut self, usual: f64, range: (f64, f64)) -> f64 {
        let (low, high) = range;
        match self.byte() {
            0..=63 => usual,
            kind @ 64..=127 => {
                usual + f64::from(self.byte().cast_signed()) / 127.0 * (high - low) * if kind & 1 == 0 { 0.01 } else { 0.2 }
            }
            128..=191 => low + f64::from(u16::from_le_bytes([self.byte(), self.byte()])) / 65535.0 * (high - low),
            192..=199 => low,
            200..=207 => high,
            208..=211 => low - 1e-6 * low.abs().max(1.0),
            212..=215 => high + 1e-6 * high.abs().max(1.0),
            216..=223 => 0.0,
            224..=227 => -usual,
            228..=231 => f64::NAN,
            232..=235 => f64::INFINITY,
            236..=239 => f64::NEG_INFINITY,
            240..=243 => f64::MAX,
            244..=247 => f64::from(i16::from_le_bytes([self.byte(), self.byte()])),
            _ => self.bits(),
        }
    }

    /// A time: usual intervals, the stages of silence, and those of a suspended computer.
    pub fn time(&mut self) -> Duration {
        const TIMES: [u64; 16] =
            [1000, 1000, 200, 0, 1, 500, 2000, 5000, 10_000, 10_001, 30_000, 31_000, 60_000, 300_000, 3_600_000, 86_400_000];
        match self.byte() {
            choice @ 0..=127 => Duration::from_millis(TIMES[usize::from(choice) % TIMES.len()]),
            _ => Duration::from_millis(u64::from(u16::from_le_bytes([self.byte(), self.byte()]))),
        }
    }
}
