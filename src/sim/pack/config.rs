//! Parameters of a simulated pack.

/// Parameters of a pack. The default is a 16-cell LFP pack of 280 Ah at 62 %.
#[derive(Debug, Clone, PartialEq)]
pub struct PackConfig {
    /// Cells in series, 1 to 32.
    pub cells: usize,
    /// Nominal capacity, Ah.
    pub capacity_ah: f64,
    /// State of charge at the start, 0 to 100 %.
    pub soc_pct: f64,
    /// Temperature around the pack, °C.
    pub temperature_c: f64,
    /// Maximum deviation of a cell's charge from the mean, % of the capacity. Capacities differ by twice as much.
    pub imbalance_pct: f64,
    /// The cells are equal when full, as after balancing, instead of at the present charge.
    pub top_balanced: bool,
    /// Resistance of the cells relative to the usual one.
    pub resistance: f64,
    /// Maximum deviation of a cell's resistance from it, as a fraction.
    pub resistance_spread: f64,
    /// A cell weaker than the others.
    pub weak: Option<WeakCell>,
    /// Maximum error of a measured cell voltage, V.
    pub noise_v: f64,
    /// Chooses the imbalance and the measurement noise.
    pub seed: u64,
}

/// A worn cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeakCell {
    /// Cell number, counted from 1.
    pub number: usize,
    /// Capacity relative to that of the others.
    pub capacity: f64,
    /// Resistance relative to that of the others.
    pub resistance: f64,
}

impl Default for PackConfig {
    fn default() -> Self {
        Self {
            cells: 16,
            capacity_ah: 280.0,
            soc_pct: 62.0,
            temperature_c: 22.0,
            imbalance_pct: 0.5,
            top_balanced: false,
            resistance: 1.0,
            resistance_spread: 0.1,
            weak: None,
            noise_v: 0.001_5,
            seed: 1,
        }
    }
}
