//! No charging means no voltage, too (safety rule 2).
//!
//! Venus OS gives solar chargers no current limit while it may feed into the grid, and some inverters ignore 0 A. Only the charge
//! voltage stops them: while no charge current is allowed, it is at most the present pack voltage.

use super::FALLBACK_CAPACITY_AH;
use super::chemistry::interpolate;
use super::proposed_limits::{ProposedLimits, RuleContext};
use super::steps;
use crate::base::units::{AmpHours, Amps, Volts};

/// Reason while a safety rule allows no charge current.
pub(crate) const CHARGE_FORBIDDEN: &str = "charging is forbidden: not above the pack voltage";
/// Reason while `charge_by_soc` allows no charge current.
const FULL_BY_SOC: &str = "charged as far as charge_by_soc allows: not above the pack voltage";

/// Charge current limits below this are published as 0, A.
const MIN_CHARGE_CURRENT: Amps = Amps::new(0.1);
/// A temperature limit ends the hold once it allows this fraction of the current again.
const RELEASE_SHARE: f64 = 0.05;
/// Charging resumes once the SoC is this far below the end of `charge_by_soc`, %.
const SOC_BAND: f64 = 2.0;
/// Assumed resistance: voltage per cell at a charge current of 1 C, V. As in the simulated 280 Ah cells, slightly less than after a
/// minute of charging; with a low estimate the held voltage still gets there within a few readings.
const VOLTS_PER_C: f64 = 0.15;
/// The held voltage ignores rises of the pack voltage below this, V per cell: following noise would only pull it down.
const PACK_NOISE: f64 = 0.001;

/// State of the held charge voltage.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Hold {
    by_temperature: bool,
    by_soc: bool,
    level: HeldVoltage,
}

impl Hold {
    /// Holds the voltage if the limits so far allow no charge current. `full` is the current without the input limits.
    pub(super) fn apply(&mut self, context: &RuleContext<'_>, full: Amps, proposed: &mut ProposedLimits) {
        let ccl = proposed.limits.ccl;
        let by_temperature = super::input_limits::BY_TEMPERATURE.contains(&ccl.why);
        self.by_temperature =
            by_temperature && (ccl.value < MIN_CHARGE_CURRENT || self.by_temperature && ccl.value < full * RELEASE_SHARE);
        self.by_soc = self.reached_by_soc(context);
        let why = match (ccl.value < MIN_CHARGE_CURRENT || self.by_temperature, self.by_soc) {
            (_, true) => FULL_BY_SOC,
            (true, false) => CHARGE_FORBIDDEN,
            (false, false) => {
                self.level = HeldVoltage::default();
                return;
            }
        };
        let Some(voltage) = context.inputs.cautious_voltage() else {
            // Any voltage might be above that of the pack.
            proposed.limit_cvl(Volts::ZERO, why);
            return;
        };
        let at = |cells: f64, lowest: f64| PackState { voltage, current: None, capacity: context.capacity(), cells, lowest };
        let state = match proposed.cell_count.map(f64::from) {
            Some(cells) => at(cells, context.chemistry.min_cell * cells),
            None => PackState::of_unknown_cells(at(0.0, 0.0)),
        };
        // Cell limits are handled by the over-voltage controller, which knows the overshoot.
        let by_cells = super::input_limits::BY_CELLS.contains(&ccl.why);
        let current = context.inputs.current.filter(|_| !by_cells);
        let level = self.level.advance(&PackState { current, ..state }, context.from.is_some());
        proposed.limit_cvl(level, why);
        proposed.follows_pack = true;
        // A pack that has switched charging off takes no current at any voltage, so the bank may charge its other packs higher.
        if context.inputs.charge_allowed != Some(false) {
            proposed.ceiling = proposed.ceiling.min(level);
        }
    }

    /// Whether `charge_by_soc` ended the charge and the SoC has not fallen by the hysteresis since.
    fn reached_by_soc(self, context: &RuleContext<'_>) -> bool {
        let curve =
            context.config.charge_by_soc.as_ref().filter(|_| context.config.preset != steps::LimitsPreset::SerialbatterySocSteps);
        let Some(curve) = curve else { return false };
        let ends = |soc: f64| interpolate(curve, soc) <= 0.0;
        context.inputs.high_soc.map_or(self.by_soc, |soc| ends(soc.get()) || self.by_soc && ends(soc.get() + SOC_BAND))
    }
}

/// State of a battery or bank that the held voltage depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackState {
    /// Pack voltage.
    pub voltage: Volts,
    /// Pack current, positive charges.
    pub current: Option<Amps>,
    pub capacity: Option<AmpHours>,
    /// Cells in series; an estimate is enough, because only the assumed resistance depends on it.
    pub cells: f64,
    /// Lower bound of the held voltage, V, unless the pack itself is lower.
    pub lowest: f64,
}

/// Usual voltage of a cell under charge, V: only to estimate the resistance of a pack whose number of cells is unknown.
pub(crate) const USUAL_CELL: f64 = 3.3;
/// Lower bound of the held voltage of such a pack, as a fraction of its voltage.
const LOWEST_OF_PACK: f64 = 0.9;

impl PackState {
    /// The same for a pack whose number of cells is unknown.
    fn of_unknown_cells(self) -> Self {
        let volts = self.voltage.get();
        Self { cells: volts / USUAL_CELL, lowest: volts * LOWEST_OF_PACK, ..self }
    }
}

/// A voltage at which no charge current flows: the pack voltage without the rise caused by the charge current.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct HeldVoltage(Option<f64>);

impl HeldVoltage {
    /// The voltage now. It falls at once; it follows the pack upwards only if it may rise.
    pub(crate) fn advance(&mut self, now: &PackState, may_rise: bool) -> Volts {
        let voltage = now.voltage.get();
        // A charger that is still charging raises the pack by this much; held at the raised voltage, it would keep its current.
        let charge = now.current.map_or(0.0, |current| current.get().max(0.0));
        let capacity = now.capacity.map(AmpHours::get).filter(|ah| *ah > 0.0).unwrap_or(FALLBACK_CAPACITY_AH);
        let lifted = VOLTS_PER_C * now.cells * charge / capacity;
        let at_rest = (voltage - lifted).max(now.lowest).min(voltage);
        let level = self.0.map_or(at_rest, |level| {
            let lowest = if may_rise { at_rest - PACK_NOISE * now.cells } else { level };
            level.max(lowest).min(at_rest)
        });
        self.0 = Some(level);
        Volts::new(level)
    }
}
