//! What is usual for LFP cells: the ends of the open-circuit voltage curve, resistances, and their dependence on temperature.
//!
//! Source: the simulation study in `docs/health.md`, on the points of the common LFP curve at 25 °C with 8 mV of hysteresis.

/// Capacity of the cell whose resistance is [`USUAL_RESISTANCE`], Ah.
const USUAL_CAPACITY: f64 = 280.0;
/// Fast resistance of a 280 Ah cell with its share of the busbars, ohm.
const USUAL_RESISTANCE: f64 = 0.45e-3;
/// Slow part of the resistance (what a minute adds) over the fast one.
pub(super) const SLOW_SHARE: f64 = 0.6;
/// The part with a time constant of 20 minutes over the fast one.
pub(super) const SLOWEST_SHARE: f64 = 0.75;
/// Hysteresis: the curve lies this much higher while charging and lower while discharging, V.
pub(super) const HYSTERESIS: f64 = 0.008;
/// Charge that turns the hysteresis round, share of the capacity.
pub(super) const HYSTERESIS_CHARGE: f64 = 0.03;
/// Voltage without hysteresis between 70 and 90 % SoC, where it hardly depends on the SoC, V.
pub(super) const PLATEAU: f64 = 3.335;

/// Number of levels at the top.
pub(super) const TOP_LEVELS: usize = 5;
/// Number of levels at the bottom.
pub(super) const BOTTOM_LEVELS: usize = 5;

/// A voltage that a cell passes while it is being charged.
#[derive(Debug, Clone, Copy)]
pub(super) struct TopLevel {
    /// V, without what current does.
    pub(super) voltage: f64,
    /// SoC there, 0 to 1.
    pub(super) soc: f64,
    /// Weight in a cell's charge offset.
    pub(super) weight: f64,
}

/// A voltage that a cell passes while it is being discharged.
#[derive(Debug, Clone, Copy)]
pub(super) struct BottomLevel {
    /// V, without what current does.
    pub(super) voltage: f64,
    /// SoC there, 0 to 1.
    pub(super) soc: f64,
    /// What 4 mV are there, share of the capacity.
    pub(super) doubt: f64,
}

const fn top(voltage: f64, soc: f64, weight: f64) -> TopLevel {
    TopLevel { voltage, soc, weight }
}

const fn bottom(voltage: f64, soc: f64, doubt: f64) -> BottomLevel {
    BottomLevel { voltage, soc, doubt }
}

/// The levels at the top, lowest first.
pub(super) const TOP: [TopLevel; TOP_LEVELS] =
    [top(3.375, 0.9708, 0.5), top(3.390, 0.9768, 0.8), top(3.405, 0.9815, 1.0), top(3.425, 0.9855, 1.0), top(3.450, 0.9903, 0.9)];

/// The levels at the bottom, highest first.
pub(super) const BOTTOM: [BottomLevel; BOTTOM_LEVELS] = [
    bottom(3.240, 0.1850, 0.0120),
    bottom(3.200, 0.1100, 0.0085),
    bottom(3.150, 0.0750, 0.0040),
    bottom(3.080, 0.0460, 0.0030),
    bottom(3.000, 0.0290, 0.0025),
];

/// Highest SoC of a cell that stays below a voltage (V) while the median cell is at the top.
pub(super) const LATE: [(f64, f64); 3] = [(3.333, 0.900), (3.340, 0.935), (3.347, 0.955)];

/// Fast resistance that is usual for a cell of this capacity (Ah) at 25 °C, ohm.
pub(super) fn usual_resistance(capacity: f64) -> f64 {
    USUAL_RESISTANCE * USUAL_CAPACITY / capacity
}

/// Fast resistance at a temperature (°C) over that at 25 °C.
pub(super) fn fast_at(temperature: f64) -> f64 {
    (-0.025 * (temperature.clamp(-5.0, 45.0) - 25.0)).exp()
}

/// Slow resistance at a temperature (°C) over that at 25 °C.
pub(super) fn slow_at(temperature: f64) -> f64 {
    (-0.038 * (temperature.clamp(-5.0, 45.0) - 25.0)).exp()
}
