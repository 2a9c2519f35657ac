//! Charging forbidden: the voltage says so, too (contract.md, "Safety rules").
//!
//! Venus OS gives solar chargers no current limit while it may feed into the grid, and some inverters go on at 0 A. What holds them
//! is the charge voltage: while no charge current is allowed, it stands at the present pack voltage at most.

use super::chemistry::interpolate;
use super::steps;
use super::verdict::{Given, Verdict};
use crate::units::{AmpHours, Amps, Volts};

/// Reason while a safety rule allows no charge current.
const FORBIDDEN: &str = "charging is forbidden: not above the pack voltage";
/// Reason while `charge_by_soc` allows none.
const FULL_BY_SOC: &str = "charged as far as charge_by_soc allows: not above the pack voltage";

/// Charging counts as forbidden by temperature until it allows this part of the current again.
const WARM_SHARE: f64 = 0.05;
/// The SoC has to fall by so much below the end of `charge_by_soc` before charging is invited again, %.
const SOC_BAND: f64 = 2.0;
/// Resistance that is reckoned with: voltage per cell at a charge current of 1 C, V. As in the simulated 280 Ah cells, a little less
/// than after a minute of charging; from an estimate that is too low the voltage still gets there in a few readings.
const VOLTS_PER_C: f64 = 0.15;
/// Movement of the pack voltage that the held voltage does not follow upwards, V per cell: noise would only pull it down.
const NOISE: f64 = 0.001;

/// What keeps the charge voltage at the pack's, step after step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Hold {
    by_temperature: bool,
    by_soc: bool,
    level: HeldVoltage,
}

impl Hold {
    /// Holds the voltage if the limits so far allow no charge current. `full` is what would be allowed without the inputs.
    pub(super) fn apply(&mut self, given: &Given<'_>, full: Amps, verdict: &mut Verdict) {
        let ccl = verdict.limits.ccl;
        let by_temperature = super::inputs::BY_TEMPERATURE.contains(&ccl.why);
        self.by_temperature = by_temperature && (ccl.value <= Amps::ZERO || self.by_temperature && ccl.value < full * WARM_SHARE);
        self.by_soc = self.reached_by_soc(given);
        let why = match (ccl.value <= Amps::ZERO || self.by_temperature, self.by_soc) {
            (_, true) => FULL_BY_SOC,
            (true, false) => FORBIDDEN,
            (false, false) => {
                self.level = HeldVoltage::default();
                return;
            }
        };
        let (Some(cells), Some(voltage)) = (verdict.cell_count.map(f64::from), given.facts.cautious_voltage()) else { return };
        // What the cells forbid is for the over-voltage controller, which knows by how much.
        let by_cells = super::inputs::BY_CELLS.contains(&ccl.why);
        let current = given.facts.current.filter(|_| !by_cells);
        let at = Present { voltage, current, capacity: given.capacity(), cells, lowest: given.chemistry.min_cell * cells };
        let level = self.level.advance(&at, given.from.is_some());
        verdict.limit_cvl(level, why);
        verdict.follows_pack = true;
        // A pack that has switched off takes nothing, whatever its bank's other packs are charged with.
        if given.facts.charge_allowed != Some(false) {
            verdict.ceiling = verdict.ceiling.min(level);
        }
    }

    /// Whether `charge_by_soc` ended the charge and the SoC has not fallen far since.
    fn reached_by_soc(self, given: &Given<'_>) -> bool {
        let curve = given.config.charge_by_soc.as_ref().filter(|_| given.config.preset != steps::Preset::SeedSocSteps);
        let Some(curve) = curve else { return false };
        let ends = |soc: f64| interpolate(curve, soc) <= 0.0;
        given.facts.high_soc.map_or(self.by_soc, |soc| ends(soc.get()) || self.by_soc && ends(soc.get() + SOC_BAND))
    }
}

/// A battery, or a bank, as far as the held voltage is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Present {
    /// Pack voltage.
    pub voltage: Volts,
    /// Pack current, positive charges.
    pub current: Option<Amps>,
    pub capacity: Option<AmpHours>,
    /// Cells in series.
    pub cells: f64,
    /// The voltage is not held lower than this, V, unless the pack itself is.
    pub lowest: f64,
}

/// A voltage that lets no charge current flow: that of the pack without the part that a charge current adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct HeldVoltage(Option<f64>);

impl HeldVoltage {
    /// The voltage now. It falls at once; upwards it follows the pack only where it may rise.
    pub(crate) fn advance(&mut self, now: &Present, may_rise: bool) -> Volts {
        let voltage = now.voltage.get();
        // A charger that still charges lifts the pack by this much, and would hold its current at the lifted voltage.
        let charge = now.current.map_or(0.0, |current| current.get().max(0.0));
        let capacity = now.capacity.map(AmpHours::get).filter(|ah| *ah > 0.0).unwrap_or(UNKNOWN_AH);
        let lifted = VOLTS_PER_C * now.cells * charge / capacity;
        let at_rest = (voltage - lifted).max(now.lowest).min(voltage);
        let level = self.0.map_or(at_rest, |level| {
            let lowest = if may_rise { at_rest - NOISE * now.cells } else { level };
            level.max(lowest).min(at_rest)
        });
        self.0 = Some(level);
        Volts::new(level)
    }
}

/// Reckoned with where the capacity is unknown, Ah.
const UNKNOWN_AH: f64 = 100.0;
