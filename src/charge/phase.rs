//! Phases of charging: bulk → absorption → float → bulk, and now and then a charge to a higher voltage that balances the cells.
//!
//! Bulk charges up to the charge voltage. Absorption holds it until the cells are level or hardly any current flows, but never
//! longer than a set time: an imbalanced battery reaches float, too. Float lets the voltage down slowly, because some inverters
//! discharge without limit when the limit drops below the pack's voltage at once.

use super::chemistry::Preset;
use super::{Config, Facts};
use crate::model::Mode;
use crate::units::Volts;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When phases begin and end. `None` = the chemistry's preset.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseConfig {
    /// Absorption and float; false keeps the charge voltage for ever.
    pub enabled: bool,
    /// Cell voltage in float.
    pub float_cell_voltage: Option<Volts>,
    /// Time at the charge voltage before float.
    pub absorption: Duration,
    /// Longest time at the charge voltage, whatever the cells look like.
    pub longest_absorption: Duration,
    /// Difference between the highest and the lowest cell that counts as level, V.
    pub level_spread: f64,
    /// Current that counts as full, in parts of the capacity per hour.
    pub tail_c: f64,
    /// Under this state of charge, %, float ends.
    pub rebulk_soc: f64,
    /// Fall of the voltage limit on the way to float, V/s for the whole battery.
    pub float_ramp: f64,
    /// On the way to float never below the present pack voltage.
    pub float_follows_pack: bool,
    /// Days between charges that balance; `None` = never.
    pub balance_every_days: Option<f64>,
    /// Cell voltage of such a charge.
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
            balance_every_days: None,
            balance_cell_voltage: None,
        }
    }
}

/// How far charging is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    #[default]
    Bulk,
    Absorption,
    Float,
}

/// What the phases remember; it survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    phase: Phase,
    /// Seconds in this phase.
    in_phase_s: f64,
    /// Seconds at the charge voltage (bulk: in a row; absorption: in all).
    at_voltage_s: f64,
    /// Seconds in a row in which the phase's ground was missing.
    astray_s: f64,
    /// The voltage limit on its way to float.
    float_cvl: Option<f64>,
    /// SoC when float began.
    soc_at_float: Option<f64>,
    /// The present charge balances.
    balancing: bool,
    /// When the last balancing charge ended, or counting began; seconds since 1970.
    balanced_unix: Option<u64>,
}

/// What a phase asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub cvl: f64,
    /// Cell voltage at which a cell is as high as it may be.
    pub cell: f64,
    /// How much higher than usual this charge goes per cell, V.
    pub lift: f64,
    pub mode: Mode,
    pub why: &'static str,
    /// The battery has just become full.
    pub full: bool,
}

/// How close to the charge voltage is at the charge voltage, V per cell.
const NEAR: f64 = 0.010;
/// On the way to float the limit stays so close to the pack, V per cell.
const BELOW_PACK: f64 = 0.02;
/// Time in a row that makes it certain.
const CERTAIN_S: f64 = 10.0;
/// Absorption ends without float when the voltage is lost for so long.
const LOST_S: f64 = 120.0;
/// Float lasts at least so long.
const DWELL_S: f64 = 300.0;
/// So long must the mean cell be low to end float without an SoC.
const LOW_S: f64 = 600.0;
const DAY_S: f64 = 86_400.0;

/// Everything that a step of the phases looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    pub config: &'a Config,
    pub chemistry: &'a Preset,
    pub facts: &'a Facts,
    /// Cells in series.
    pub cells: f64,
    /// Most per cell that the BMS's protection leaves room for, V.
    pub cap: f64,
    /// The voltage limit in force, without the loss on the way to the charger, V.
    pub in_force: Option<f64>,
    /// The charge current limit in force, A.
    pub ccl_in_force: Option<f64>,
    /// Time for which data kept coming since the last step.
    pub dt: Duration,
}

impl Situation<'_> {
    /// The usual charge voltage per cell.
    fn usual(&self) -> f64 {
        let Self { config, chemistry, .. } = self;
        let wanted = config.max_cell_voltage.map_or(chemistry.max_cell, |cell| cell.get());
        wanted.min(chemistry.highest_cell - 0.10).min(self.cap)
    }

    /// The voltage per cell of a charge that balances.
    fn balance(&self) -> f64 {
        let Self { config, chemistry, .. } = self;
        let wanted = config.phases.balance_cell_voltage.map_or(chemistry.balance_cell, |cell| cell.get());
        wanted.min(chemistry.highest_cell - 0.10).min(self.cap).max(self.usual())
    }

    /// The float voltage per cell.
    pub(super) fn float(&self) -> f64 {
        let Self { config, chemistry, .. } = self;
        config.phases.float_cell_voltage.map_or(chemistry.float_cell, |cell| cell.get()).min(self.usual())
    }

    /// The highest cell stands at the top: from here on the voltage or the cells decide how much current flows.
    fn at_voltage(&self, high: f64) -> bool {
        self.facts.high_cell.is_some_and(|cell| cell.get() >= high - NEAR)
    }

    /// Hardly any current flows although more is allowed.
    fn is_tail(&self) -> bool {
        let capacity = self.config.capacity.or(self.facts.capacity).map(|capacity| capacity.get());
        let (Some(current), Some(ah)) = (self.facts.current.map(|current| current.get()), capacity) else { return false };
        current <= self.config.phases.tail_c * ah && self.ccl_in_force.is_some_and(|ccl| ccl >= 1.5 * current + 1.0)
    }

    fn spread(&self) -> Option<f64> {
        Some(self.facts.high_cell?.get() - self.facts.low_cell?.get())
    }

    fn mean_cell(&self) -> Option<f64> {
        let cells = &self.facts.cells;
        (!cells.is_empty()).then(|| cells.iter().map(|cell| cell.get()).sum::<f64>() / cells.len() as f64)
    }
}

impl Phases {
    /// Charges up from here, whatever phase there was.
    pub(crate) fn begin_charge(&mut self) {
        if self.phase != Phase::Bulk {
            let Self { balancing, balanced_unix, .. } = *self;
            *self = Self { balancing, balanced_unix, ..Self::default() };
        }
    }

    /// Moves on and says what is asked for.
    pub(super) fn advance(&mut self, now: &Situation<'_>) -> Target {
        let (usual, seconds) = (now.usual(), now.dt.as_secs_f64());
        if !now.config.phases.enabled {
            let (mode, why) = (Mode::Bulk, "charge voltage, kept for ever as configured");
            return Target { cvl: usual * now.cells, cell: usual, lift: 0.0, mode, why, full: false };
        }
        self.plan_balancing(&now.config.phases, now.facts.unix);
        let high = if self.balancing { now.balance() } else { usual };
        let before = self.phase;
        self.in_phase_s += seconds;
        match self.phase {
            Phase::Bulk => self.bulk(now, high, seconds),
            Phase::Absorption => self.absorption(now, high, seconds),
            Phase::Float => self.float(now, seconds),
        }
        let full = self.phase == Phase::Float && before != Phase::Float;
        if full {
            self.float_cvl = Some(now.in_force.unwrap_or(high * now.cells));
            self.soc_at_float = now.facts.low_soc.map(|soc| soc.get());
            if self.balancing {
                (self.balancing, self.balanced_unix) = (false, now.facts.unix.or(self.balanced_unix));
            }
        }
        if self.phase != before {
            (self.in_phase_s, self.at_voltage_s, self.astray_s) = (0.0, 0.0, 0.0);
        }
        if self.phase == Phase::Float { self.float_target(now, seconds, full) } else { self.charge_target(now, high, usual) }
    }

    /// A balancing charge is due so many days after the last, counted from the first day the clock was known.
    fn plan_balancing(&mut self, phases: &PhaseConfig, unix: Option<u64>) {
        let Some(days) = phases.balance_every_days else {
            // Nobody asks for it any more.
            self.balancing = false;
            return;
        };
        let Some(now) = unix else { return };
        let since = *self.balanced_unix.get_or_insert(now);
        if !self.balancing && now.saturating_sub(since) as f64 >= days * DAY_S {
            self.balancing = true;
            self.phase = Phase::Bulk;
        }
    }

    fn bulk(&mut self, now: &Situation<'_>, high: f64, seconds: f64) {
        self.at_voltage_s = if now.at_voltage(high) { self.at_voltage_s + seconds } else { 0.0 };
        if self.at_voltage_s >= CERTAIN_S {
            self.phase = Phase::Absorption;
        }
    }

    fn absorption(&mut self, now: &Situation<'_>, high: f64, seconds: f64) {
        if now.at_voltage(high) {
            self.at_voltage_s += seconds;
            self.astray_s = 0.0;
        } else {
            self.astray_s += seconds;
        }
        let phases = &now.config.phases;
        let level = now.spread().is_some_and(|spread| spread <= phases.level_spread);
        let long_enough = self.at_voltage_s >= phases.absorption.as_secs_f64();
        let too_long = self.at_voltage_s >= phases.longest_absorption.as_secs_f64();
        if (long_enough && (level || now.is_tail())) || too_long {
            self.phase = Phase::Float;
        } else if self.astray_s >= LOST_S {
            self.phase = Phase::Bulk;
        }
    }

    fn float(&mut self, now: &Situation<'_>, seconds: f64) {
        let low = now.mean_cell().is_some_and(|mean| mean < now.chemistry.rebulk_cell);
        self.astray_s = if low { self.astray_s + seconds } else { 0.0 };
        // An SoC that was low already when the battery was full is wrong: it has to fall before it counts.
        let fallen = |soc: f64| self.soc_at_float.is_none_or(|at_float| soc <= at_float - 2.0);
        let soc = now.facts.low_soc.map(|soc| soc.get());
        let drawn = soc.is_some_and(|soc| soc < now.config.phases.rebulk_soc && fallen(soc));
        if self.in_phase_s >= DWELL_S && (drawn || self.astray_s >= LOW_S) {
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

    /// Lets the voltage down to float, slowly or along with the pack.
    fn float_target(&mut self, now: &Situation<'_>, seconds: f64, full: bool) -> Target {
        let float = now.float() * now.cells;
        // What is remembered may be of more cells, or from a damaged file.
        let from = self.float_cvl.unwrap_or(float).min(now.balance() * now.cells);
        let pack = now.facts.cautious_voltage().map_or(0.0, |voltage| voltage.get());
        let below = if now.config.phases.float_follows_pack { 0.0 } else { BELOW_PACK * now.cells };
        let cvl = (from - now.config.phases.float_ramp * seconds).max(pack - below).min(from).max(float);
        self.float_cvl = Some(cvl);
        let why = if cvl > float { "on the way down to float" } else { "float voltage" };
        Target { cvl, cell: now.usual(), lift: 0.0, mode: Mode::Float, why, full }
    }
}
