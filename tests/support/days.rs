//! Days of the simulated installation, judged by what their scenario expects.

use dbus_bms::sim::plant::control::{Control, PRESETS};
use dbus_bms::sim::plant::expectation::Aspect;
use dbus_bms::sim::plant::run::run;
use dbus_bms::sim::plant::scenarios::scenario;
use std::fmt::Write as _;

/// The default settings with 100 A.
pub(crate) fn defaults() -> Control {
    Control::rules((PRESETS[0].config)())
}

/// What was not as expected of these aspects, one line per installation.
pub(crate) fn misses(name: &str, aspects: &[Aspect], seeds: std::ops::RangeInclusive<u64>) -> String {
    let scenario = scenario(name).unwrap();
    let mut lines = String::new();
    for seed in seeds {
        let setup = scenario.varied(defaults(), seed);
        let figures = run(&setup, |_| {});
        let verdict = scenario.expect.judge(&setup, &figures);
        let missed: Vec<_> = verdict.misses.iter().filter(|aspect| aspects.contains(aspect)).collect();
        if !missed.is_empty() {
            let (high, low, turns) = (figures.highest_cell_v, figures.lowest_cell_v, figures.ccl_reversals);
            let share = 100.0 * verdict.share;
            writeln!(lines, "installation {seed}: {missed:?}: {low:.3} to {high:.3} V, {share:.1} %, {turns} turns").unwrap();
        }
    }
    lines
}
