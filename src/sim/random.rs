//! A small deterministic generator (SplitMix64): the same seed gives the same noise and faults on every machine.

/// Random numbers from a seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniformly distributed in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        // A double has 53 bits of precision.
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        low + (high - low) * unit
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: f64) -> bool {
        self.between(0.0, 100.0) < percent
    }

    /// A whole number in `0..count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() % (count.max(1) as u64)).unwrap_or_default()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        let [.., high] = self.bits().to_le_bytes();
        high
    }
}
