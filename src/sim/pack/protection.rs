//! Protections of a simulated BMS: when a limit is exceeded for a while, FETs open; they recover at a second limit.

use super::reported::ReportedState;
use crate::model::AlarmName;

/// Inputs of the protections.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProtectionInputs {
    highest_v: f64,
    lowest_v: f64,
    mean_v: f64,
    hottest_c: f64,
    coldest_c: f64,
    current_a: f64,
}

impl ProtectionInputs {
    pub(super) fn of(reported: &ReportedState) -> Self {
        let cells = reported.cells_v.iter().copied();
        let temperatures = reported.temperatures_c.iter().copied();
        Self {
            highest_v: cells.clone().fold(f64::NEG_INFINITY, f64::max),
            lowest_v: cells.fold(f64::INFINITY, f64::min),
            mean_v: reported.voltage_v / reported.cells_v.len().max(1) as f64,
            hottest_c: temperatures.clone().fold(f64::NEG_INFINITY, f64::max),
            coldest_c: temperatures.fold(f64::INFINITY, f64::min),
            current_a: reported.current_a,
        }
    }
}

/// FETs opened by a protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenedFets {
    Charge,
    Discharge,
    Both,
}

struct Rule {
    alarm: AlarmName,
    /// The value that must not exceed `trips`; values with a minimum are negated.
    value: fn(&ProtectionInputs) -> f64,
    trips: f64,
    /// Recovers at or below this value …
    releases: f64,
    /// … after this many consecutive seconds.
    recovery_s: f64,
    /// Time for which `trips` must be exceeded, s.
    delay_s: f64,
    opens: OpenedFets,
}

const fn rule(alarm: AlarmName, value: fn(&ProtectionInputs) -> f64, trips: f64, releases: f64, opens: OpenedFets) -> Rule {
    Rule { alarm, value, trips, releases, recovery_s: 2.0, delay_s: 2.0, opens }
}

/// Over-current: once it has acted no current flows, so only time can release it.
const fn current(alarm: AlarmName, value: fn(&ProtectionInputs) -> f64, trips: f64, delay_s: f64, opens: OpenedFets) -> Rule {
    Rule { alarm, value, trips, releases: 1.0, recovery_s: 32.0, delay_s, opens }
}

/// Usual settings of LFP boards.
const RULES: [Rule; 11] = [
    rule(AlarmName::CellHighVoltage, |s| s.highest_v, 3.65, 3.50, OpenedFets::Charge),
    rule(AlarmName::CellLowVoltage, |s| -s.lowest_v, -2.50, -2.80, OpenedFets::Discharge),
    rule(AlarmName::HighVoltage, |s| s.mean_v, 3.65, 3.45, OpenedFets::Charge),
    rule(AlarmName::LowVoltage, |s| -s.mean_v, -2.50, -2.85, OpenedFets::Discharge),
    rule(AlarmName::HighChargeTemperature, |s| s.hottest_c, 60.0, 55.0, OpenedFets::Charge),
    rule(AlarmName::LowChargeTemperature, |s| -s.coldest_c, 0.0, -3.0, OpenedFets::Charge),
    rule(AlarmName::HighTemperature, |s| s.hottest_c, 65.0, 60.0, OpenedFets::Discharge),
    rule(AlarmName::LowTemperature, |s| -s.coldest_c, 20.0, 15.0, OpenedFets::Discharge),
    current(AlarmName::HighChargeCurrent, |s| s.current_a, 150.0, 5.0, OpenedFets::Charge),
    current(AlarmName::HighDischargeCurrent, |s| -s.current_a, 200.0, 5.0, OpenedFets::Discharge),
    current(AlarmName::ShortCircuit, |s| s.current_a.abs(), 500.0, 0.0, OpenedFets::Both),
];

/// State of one protection: whether it has acted, and for how long the opposite has been true.
#[derive(Debug, Clone, Copy, Default)]
struct RuleState {
    acted: bool,
    for_s: f64,
}

/// All protections of a BMS.
#[derive(Debug, Clone, Default)]
pub(super) struct Protections([RuleState; RULES.len()]);

impl Protections {
    /// Evaluates the pack after `dt` seconds.
    pub(super) fn step(&mut self, inputs: &ProtectionInputs, dt: f64) {
        for (rule, state) in RULES.iter().zip(&mut self.0) {
            let value = (rule.value)(inputs);
            let (changing, after) =
                if state.acted { (value <= rule.releases, rule.recovery_s) } else { (value > rule.trips, rule.delay_s) };
            state.for_s = if changing { state.for_s + dt } else { 0.0 };
            if changing && state.for_s >= after {
                *state = RuleState { acted: !state.acted, for_s: 0.0 };
            }
        }
    }

    /// The protections that have acted.
    pub(super) fn active(&self) -> impl Iterator<Item = AlarmName> {
        self.acted().map(|rule| rule.alarm)
    }

    pub(super) fn block_charge(&self) -> bool {
        self.acted().any(|rule| rule.opens != OpenedFets::Discharge)
    }

    pub(super) fn block_discharge(&self) -> bool {
        self.acted().any(|rule| rule.opens != OpenedFets::Charge)
    }

    fn acted(&self) -> impl Iterator<Item = &'static Rule> {
        RULES.iter().zip(&self.0).filter(|(_, state)| state.acted).map(|(rule, _)| rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(current_a: f64, coldest_c: f64) -> ProtectionInputs {
        ProtectionInputs { highest_v: 3.3, lowest_v: 3.3, mean_v: 3.3, hottest_c: 25.0, coldest_c, current_a }
    }

    #[test]
    fn over_current_acts_after_its_delay_and_recovers_by_time() {
        let mut protections = Protections::default();
        protections.step(&at(-210.0, 20.0), 4.0);
        assert!(!protections.block_discharge());
        protections.step(&at(-210.0, 20.0), 1.0);
        assert!(protections.block_discharge() && !protections.block_charge());
        protections.step(&at(0.0, 20.0), 31.0);
        assert!(protections.block_discharge());
        protections.step(&at(0.0, 20.0), 1.0);
        assert!(!protections.block_discharge());
    }

    #[test]
    fn frost_stops_charging_until_it_is_three_degrees() {
        let mut protections = Protections::default();
        let mut after = |coldest| {
            protections.step(&at(0.0, coldest), 10.0);
            protections.active().collect::<Vec<_>>()
        };
        assert_eq!(after(-0.5), [AlarmName::LowChargeTemperature]);
        assert_eq!(after(2.0), [AlarmName::LowChargeTemperature]);
        assert_eq!(after(3.5), []);
    }
}
