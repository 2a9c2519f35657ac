//! Charging phases: bulk → absorption → float → bulk, with an occasional charge to a higher voltage for balancing.
//!
//! Bulk charges up to the charge voltage. Absorption holds it until the cells are level or hardly any current flows, for a limited
//! time, so that an imbalanced battery reaches float, too. Float lowers the voltage slowly, because some inverters discharge
//! without limit when CVL suddenly drops below the pack voltage.

use super::at_voltage::{AtVoltage, VoltageStep};
use super::chemistry::ChemistryPreset;
use super::time_since::TimeSince;
use super::{ChargeInputs, Config};
use crate::base::units::{AmpHours, Amps, Moment, Volts, at_least_zero};
use crate::model::Mode;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Conditions of the phases. `None` = the chemistry's preset.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseConfig {
    /// Absorption and float; false holds the charge voltage indefinitely.
    pub enabled: bool,
    /// Cell voltage in float.
    pub float_cell_voltage: Option<Volts>,
    /// Total time at the charge voltage in one charge before float; interruptions neither add to it nor reset it.
    pub absorption: Duration,
    /// Maximum time at the charge voltage, whatever the state of the cells.
    pub longest_absorption: Duration,
    /// Maximum difference between the highest and the lowest cell to count as level, V.
    pub level_spread: f64,
    /// Current below which the battery counts as full, as a fraction of the capacity per hour.
    pub tail_c: f64,
    /// Float ends below this SoC, %.
    pub rebulk_soc: f64,
    /// Rate at which CVL falls to the float voltage, V/s for the whole battery.
    pub float_ramp: f64,
    /// CVL does not go below the present pack voltage on the way to float or because of a high cell.
    pub float_follows_pack: bool,
    /// With [`Self::float_follows_pack`]: distance above the pack voltage, V for the whole battery.
    pub follow_margin: Volts,
    /// Reduce the charge current limit in float once the pack is at its float voltage. Not for a member of a bank, whose other
    /// batteries may still be charging.
    pub eases_float_current: bool,
    /// Days between balancing charges; `None` = never.
    pub balance_every_days: Option<f64>,
    /// Cell voltage of a balancing charge.
    pub balance_cell_voltage: Option<Volts>,
}

impl Default for PhaseConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            float_cell_voltage: None,
            absorption: Duration::from_secs(900),
            longest_absorption: Duration::from_secs(3600),
            level_spread: 0.010,
            tail_c: 0.02,
            rebulk_soc: 80.0,
            float_ramp: 0.002,
            float_follows_pack: false,
            follow_margin: Volts::ZERO,
            eases_float_current: true,
            balance_every_days: None,
            balance_cell_voltage: None,
        }
    }
}

impl PhaseConfig {
    /// Lower bound of CVL with the pack at `pack` V, if CVL follows the pack.
    pub(crate) fn follows(&self, pack: f64) -> Option<f64> {
        self.float_follows_pack.then(|| pack + self.follow_margin.get())
    }
}

/// Charging phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    #[default]
    Bulk,
    Absorption,
    Float,
}

/// State of the phases; it survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    phase: Phase,
    /// Seconds in this phase.
    in_phase_s: f64,
    /// Time at the charge voltage in this charge.
    #[serde(flatten)]
    at_voltage: AtVoltage,
    /// Consecutive seconds with a low mean cell.
    low_s: f64,
    /// CVL on its way to float.
    float_cvl: Option<f64>,
    /// SoC at the start of float.
    soc_at_float: Option<f64>,
    /// The present charge is a balancing charge.
    balancing: bool,
    /// The owner began it before it was due.
    by_hand: bool,
    /// Time since the last balancing charge, or since counting began.
    #[serde(flatten)]
    waited: TimeSince,
    /// Usual charge voltage in the previous step, V; `None` after a restart.
    #[serde(skip)]
    usual_before: Option<f64>,
}

/// Result of a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub cvl: f64,
    /// Cell voltage limit.
    pub cell: f64,
    /// How much higher than usual this charge goes per cell, V.
    pub lift: f64,
    pub mode: Mode,
    pub why: &'static str,
    /// The battery has just become full.
    pub full: bool,
}

/// Reason of the charge current limit in float.
pub(crate) const FULL: &str = "full: no more than holds the float voltage";
/// CCL is reduced from this far below the float voltage on, as a fraction of it: 40 mV of 3.375 V per cell. With a much steeper
/// reduction, a charger that reacts late would oscillate around the float voltage.
const FLOAT_TAPER_FROM: f64 = 0.012;
/// Current that holds a battery at its float voltage, A: the consumption of its BMS. Not 0, which would mean that charging is
/// forbidden.
const FLOAT_HOLDING_CURRENT: Amps = Amps::new(0.5);

/// Fraction of the charge current, 0 to 1, that is allowed in float with the pack at `pack`. Systems that follow CCL instead of CVL
/// would otherwise charge a full battery with all of it.
pub(crate) fn share_in_float(pack: Volts, float: Volts) -> f64 {
    let below = (float.get() - pack.get()) / (FLOAT_TAPER_FROM * float.get()).max(f64::MIN_POSITIVE);
    below.clamp(0.0, 1.0)
}

/// This `share` of `most`, but at least the current that holds the float voltage.
pub(crate) fn offered_in_float(most: Amps, share: f64) -> Amps {
    (most * share).max(FLOAT_HOLDING_CURRENT).min(most)
}

/// Tolerance for "at the charge voltage", V per cell.
const AT_VOLTAGE_TOLERANCE: f64 = 0.010;
/// Maximum distance of CVL below the pack on the way to float, V per cell.
const MAX_BELOW_PACK: f64 = 0.02;
/// Consecutive seconds at the voltage that confirm absorption.
const ABSORPTION_CONFIRM_S: f64 = 10.0;
/// After this time below the voltage, absorption returns to bulk.
const VOLTAGE_LOST_S: f64 = 120.0;
/// Minimum duration of float.
const MIN_FLOAT_S: f64 = 300.0;
/// How long the mean cell must stay low before float ends if the SoC is unknown.
const REBULK_LOW_S: f64 = 600.0;
const DAY_S: f64 = 86_400.0;

/// Inputs of a step of the phases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    pub config: &'a Config,
    pub chemistry: &'a ChemistryPreset,
    pub inputs: &'a ChargeInputs,
    /// Cells in series.
    pub cells: f64,
    /// Maximum cell voltage with a margin to the BMS's protection, V.
    pub cap: f64,
    /// CVL in force, without the voltage drop to the charger, V.
    pub in_force: Option<f64>,
    /// CCL in force, A.
    pub ccl_in_force: Option<f64>,
    /// Time covered by continuous data since the previous step.
    pub dt: Duration,
    /// Time of the step.
    pub at: Moment,
}

impl Situation<'_> {
    /// Usual charge voltage per cell.
    pub(super) fn usual(&self) -> f64 {
        let Self { config, chemistry, .. } = self;
        let wanted = config.cell_voltage(chemistry).map_or(chemistry.max_cell, |cell| cell.get());
        wanted.min(chemistry.highest_cell - 0.10).min(self.cap)
    }

    /// Voltage per cell of a balancing charge.
    fn balance(&self) -> f64 {
        let Self { config, chemistry, .. } = self;
        let wanted = config.phases.balance_cell_voltage.map_or(chemistry.balance_cell, |cell| cell.get());
        wanted.min(chemistry.highest_cell - 0.10).min(self.cap).max(self.usual())
    }

    /// Float voltage per cell.
    pub(super) fn float(&self) -> f64 {
        let Self { config, chemistry, .. } = self;
        config.float_voltage(chemistry).get().min(self.usual())
    }

    /// The highest cell has reached the charge voltage: from here on voltage or cells limit the current.
    fn at_voltage(&self, high: f64) -> bool {
        self.inputs.high_cell.is_some_and(|cell| cell.get() >= high - AT_VOLTAGE_TOLERANCE)
    }

    fn capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.inputs.capacity)
    }

    /// Hardly any current flows although more is allowed.
    fn is_tail(&self) -> bool {
        let capacity = self.capacity().map(|capacity| capacity.get());
        let (Some(current), Some(ah)) = (self.inputs.current.map(|current| current.get()), capacity) else { return false };
        current <= self.config.phases.tail_c * ah && self.ccl_in_force.is_some_and(|ccl| ccl >= 1.5 * current + 1.0)
    }

    /// Difference of the cells, if it is known.
    fn spread(&self) -> Option<f64> {
        (!self.inputs.mean_only).then_some(())?;
        Some(self.inputs.high_cell?.get() - self.inputs.low_cell?.get())
    }

    fn mean_cell(&self) -> Option<f64> {
        let cells = &self.inputs.cells;
        (!cells.is_empty()).then(|| cells.iter().map(|cell| cell.get()).sum::<f64>() / cells.len() as f64)
    }
}

impl Phases {
    /// The state after a restart, without impossible values: a file may contain anything.
    pub(super) fn restored(self) -> Self {
        Self {
            in_phase_s: at_least_zero(self.in_phase_s),
            low_s: at_least_zero(self.low_s),
            at_voltage: self.at_voltage.restored(),
            float_cvl: self.float_cvl.filter(|cvl| cvl.is_finite() && *cvl > 0.0),
            soc_at_float: self.soc_at_float.filter(|soc| (0.0..=100.0).contains(soc)),
            waited: self.waited.restored(),
            // Any value is possible.
            phase: self.phase,
            balancing: self.balancing,
            by_hand: self.by_hand,
            usual_before: self.usual_before,
        }
    }

    /// Starts a charge from float. A charge in progress continues.
    pub(crate) fn begin_charge(&mut self) {
        if self.phase == Phase::Float {
            self.begin();
        }
    }

    /// Starts a balancing charge before it is due, from any phase. Without `balance_every_days` it ends with the next step.
    pub(crate) fn balance_by_hand(&mut self) {
        if !self.balancing {
            self.begin_balancing();
            self.by_hand = true;
        }
    }

    /// Ends a balancing charge that was begun by hand; the charge goes on to the usual voltage.
    pub(crate) fn end_balancing_by_hand(&mut self) {
        if std::mem::take(&mut self.by_hand) {
            self.balancing = false;
        }
    }

    fn begin_balancing(&mut self) {
        self.begin();
        self.balancing = true;
    }

    /// Starts a new charge; nothing of the previous one counts.
    fn begin(&mut self) {
        let Self { balancing, waited, usual_before, .. } = *self;
        *self = Self { balancing, waited, usual_before, ..Self::default() };
    }

    /// Advances by one step and returns the target.
    pub(super) fn advance(&mut self, now: &Situation<'_>) -> Target {
        let (usual, seconds) = (now.usual(), now.dt.as_secs_f64());
        if !now.config.phases.enabled {
            let (mode, why) = (Mode::Bulk, "charge voltage, kept for ever as configured");
            return Target { cvl: usual * now.cells, cell: usual, lift: 0.0, mode, why, full: false };
        }
        self.plan_balancing(now);
        self.lower(usual * now.cells);
        let high = if self.balancing { now.balance() } else { usual };
        let before = self.phase;
        self.in_phase_s += seconds;
        let low = now.mean_cell().is_some_and(|mean| mean < now.chemistry.rebulk_cell);
        self.low_s = if low { self.low_s + seconds } else { 0.0 };
        match self.phase {
            Phase::Bulk | Phase::Absorption => self.charge(now, high, seconds),
            Phase::Float => self.float(now),
        }
        let full = self.phase == Phase::Float && before != Phase::Float;
        if full {
            self.at_voltage = AtVoltage::default();
            self.float_cvl = Some(now.in_force.map_or(high * now.cells, |in_force| in_force.min(high * now.cells)));
            self.soc_at_float = now.inputs.low_soc.map(|soc| soc.get());
            if self.balancing {
                (self.balancing, self.by_hand) = (false, false);
                self.waited.restart();
            }
        }
        if self.phase != before {
            (self.in_phase_s, self.low_s) = (0.0, 0.0);
        }
        if self.phase == Phase::Float { self.float_target(now, seconds, full) } else { self.charge_target(now, high, usual) }
    }

    /// A balancing charge is due this many days after the last one, or after the setting was first seen.
    fn plan_balancing(&mut self, now: &Situation<'_>) {
        let Some(days) = now.config.phases.balance_every_days else {
            // No longer configured.
            (self.balancing, self.by_hand) = (false, false);
            return;
        };
        let waited_s = self.waited.advance(now.at, now.inputs.unix);
        if !self.balancing && waited_s >= days * DAY_S {
            // Time at the usual voltage does not count towards the higher one.
            self.begin_balancing();
        }
    }

    /// Applies a lowered charge voltage in float, too. CVL is above it only on the way down from a balancing charge, which is known
    /// to this process only.
    fn lower(&mut self, usual: f64) {
        if self.usual_before.replace(usual).is_none_or(|before| usual < before) {
            self.float_cvl = self.float_cvl.map(|cvl| cvl.min(usual));
        }
    }

    /// Bulk and absorption: accumulates the time at the voltage until the battery is full.
    fn charge(&mut self, now: &Situation<'_>, high: f64, seconds: f64) {
        let ChargeInputs { current, low_soc, in_doubt, .. } = *now.inputs;
        self.at_voltage.advance(VoltageStep {
            at_voltage: now.at_voltage(high),
            is_low: self.low_s >= REBULK_LOW_S,
            current,
            capacity: now.capacity(),
            soc: low_soc.filter(|_| !in_doubt),
            seconds,
        });
        let certain = self.at_voltage.in_a_row_s() >= ABSORPTION_CONFIRM_S;
        match self.phase {
            _ if certain && self.is_full(now) => self.phase = Phase::Float,
            Phase::Bulk if certain => self.phase = Phase::Absorption,
            Phase::Absorption if self.at_voltage.away_s() >= VOLTAGE_LOST_S => self.phase = Phase::Bulk,
            _ => {}
        }
    }

    /// The battery has been at the charge voltage for long enough.
    fn is_full(&self, now: &Situation<'_>) -> bool {
        let phases = &now.config.phases;
        let stood_s = self.at_voltage.in_all_s();
        let level = now.spread().is_some_and(|spread| spread <= phases.level_spread);
        let long_enough = stood_s >= phases.absorption.as_secs_f64() && (level || now.is_tail());
        long_enough || stood_s >= phases.longest_absorption.as_secs_f64()
    }

    fn float(&mut self, now: &Situation<'_>) {
        // An SoC that was low even when the battery became full is wrong: it must fall before it counts.
        let fallen = |soc: f64| self.soc_at_float.is_none_or(|at_float| soc <= at_float - 2.0);
        let soc = now.inputs.low_soc.map(|soc| soc.get());
        let drawn = soc.is_some_and(|soc| soc < now.config.phases.rebulk_soc && fallen(soc));
        if self.in_phase_s >= MIN_FLOAT_S && (drawn || self.low_s >= REBULK_LOW_S) {
            self.phase = Phase::Bulk;
        }
    }

    fn charge_target(&self, now: &Situation<'_>, high: f64, usual: f64) -> Target {
        let (mode, why) = match (self.phase, self.balancing) {
            (Phase::Absorption, false) => (Mode::Absorption, "charge voltage, held until the battery is full"),
            (Phase::Absorption, true) => (Mode::Absorption, "charge voltage of the balancing charge, held"),
            (_, false) => (Mode::Bulk, "charge voltage"),
            (_, true) => (Mode::Bulk, "charge voltage of the balancing charge"),
        };
        Target { cvl: high * now.cells, cell: high, lift: high - usual, mode, why, full: false }
    }

    /// Lowers the voltage to float, slowly or along with the pack.
    fn float_target(&mut self, now: &Situation<'_>, seconds: f64, full: bool) -> Target {
        let float = now.float() * now.cells;
        let from = self.float_cvl.unwrap_or(float).min(now.balance() * now.cells);
        let pack = now.inputs.cautious_voltage().map_or(0.0, |voltage| voltage.get());
        let lowest = now.config.phases.follows(pack).unwrap_or(pack - MAX_BELOW_PACK * now.cells);
        let cvl = (from - now.config.phases.float_ramp * seconds).max(lowest).min(from).max(float);
        self.float_cvl = Some(cvl);
        let why = if cvl > float { "on the way down to float" } else { "float voltage" };
        Target { cvl, cell: now.usual(), lift: 0.0, mode: Mode::Float, why, full }
    }
}
