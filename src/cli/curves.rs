//! The plot of `limits --plot`: CCL and DCL over cell voltage, temperature and SoC.
//!
//! Charge control itself computes each point, as for a battery just found, so the plot cannot differ from it.

use crate::base::time::Now;
use crate::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use crate::battery::charge::Config;
use crate::battery::charge::chemistry::preset;
use crate::battery::{Battery, PersistedState};
use crate::model::{Chemistry, Fets, Limits, LinkStats, Reading, Temperatures};
use crate::tools::chart::{Axis, Chart, Colour, Curve, Mark, Panel};

/// Points of a curve.
const POINTS: u32 = 600;
/// The plotted battery: 16 cells unless configured, and a usual capacity.
const CELLS: u8 = 16;
const CAPACITY_AH: f64 = 280.0;

/// A battery state in which only the varied input limits.
#[derive(Clone, Copy)]
struct State {
    cell_v: f64,
    temperature_c: f64,
    soc_pct: f64,
}

/// One curve: the name of its input, the range, and the state at a value.
struct Sweep {
    title: &'static str,
    input: &'static str,
    range: (f64, f64),
    at: fn(State, f64) -> State,
}

/// The effective curves of these settings.
pub(super) fn chart(config: &Config) -> Chart {
    let mut config = config.clone();
    let chemistry = *config.chemistry.get_or_insert(Chemistry::Lfp);
    let cells = *config.cells.get_or_insert(CELLS);
    let capacity = *config.capacity.get_or_insert(AmpHours::new(CAPACITY_AH));
    let limits = preset(chemistry);
    let middle = f64::midpoint(*limits.confirming_mean.start(), *limits.confirming_mean.end());
    let usual = State { cell_v: middle, temperature_c: 25.0, soc_pct: 60.0 };
    let sweeps = [
        Sweep {
            title: "Over the cell voltage, A",
            input: "cell voltage, V (charging: the highest cell, discharging: the lowest)",
            range: (limits.damage_cell - 0.1, limits.highest_cell),
            at: |state, cell_v| State { cell_v, ..state },
        },
        Sweep {
            title: "Over the temperature, A",
            input: "temperature, °C (the stricter of the coldest and the hottest sensor)",
            range: (-25.0, 65.0),
            at: |state, temperature_c| State { temperature_c, ..state },
        },
        Sweep {
            title: "Over the state of charge, A",
            input: "state of charge, %",
            range: (0.0, 100.0),
            at: |state, soc_pct| State { soc_pct, ..state },
        },
    ];
    let mut panels: Vec<Panel> = sweeps.iter().map(|sweep| panel(sweep, &config, usual)).collect();
    let charge_v = ask(&config, usual).cvl.value.get() / f64::from(cells);
    if let Some(first) = panels.first_mut() {
        first.x.step = Some(0.1);
        first.marks.push(Mark { label: format!("charge voltage {charge_v:.3} V"), at: charge_v });
    }
    Chart {
        title: "Charge and discharge current limits".into(),
        note: format!(
            "{cells} cells, {capacity:.0}, {}; lowest of all rules, at rest at {middle:.2} V, 25 °C, 60 %",
            name(chemistry)
        ),
        panels,
    }
}

fn name(chemistry: Chemistry) -> &'static str {
    match chemistry {
        Chemistry::Lfp => "LFP",
        Chemistry::Nmc => "NMC",
        Chemistry::Lto => "LTO",
        Chemistry::Sodium => "sodium-ion",
    }
}

fn panel(sweep: &Sweep, config: &Config, usual: State) -> Panel {
    let (low, high) = sweep.range;
    let inputs = (0..=POINTS).map(|index| low + (high - low) * f64::from(index) / f64::from(POINTS));
    let answers: Vec<(f64, Limits)> = inputs.map(|input| (input, ask(config, (sweep.at)(usual, input)))).collect();
    let line = |label, colour, value: fn(&Limits) -> Amps| {
        Curve::new(label, colour, answers.iter().map(|(input, limits)| (*input, value(limits).get())).collect())
    };
    let lines = vec![
        line("discharging (DCL)", Colour::Orange, |limits| limits.dcl.value),
        line("charging (CCL)", Colour::Blue, |limits| limits.ccl.value),
    ];
    let highest = lines.iter().flat_map(|line| &line.points).fold(1.0, |highest: f64, (_, amps)| highest.max(*amps));
    let mut panel = Panel::new(sweep.title, Axis::between(sweep.input, low, high), lines);
    // Room for the names of marks above the lines.
    panel.y = Axis::between("", 0.0, highest * 1.2);
    panel
}

/// The limits of a battery just found in this state.
fn ask(config: &Config, state: State) -> Limits {
    let cells = config.cells.unwrap_or(CELLS);
    let reading = Reading {
        voltage: Some(Volts::new(state.cell_v * f64::from(cells))),
        current: Some(Amps::ZERO),
        soc: Some(Percent::new(state.soc_pct)),
        capacity: config.capacity,
        cell_count: Some(cells),
        cells: vec![Volts::new(state.cell_v); usize::from(cells)],
        temperatures: Temperatures { sensors: Some(vec![Celsius::new(state.temperature_c)]), ..Temperatures::default() },
        fets: Fets { charge: Some(true), discharge: Some(true), ..Fets::default() },
        ..Reading::new("simulated", None)
    };
    let now = Now { at: Moment::default(), unix: None };
    Battery::new(config.clone(), PersistedState::default()).read(reading, LinkStats::default(), now).limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curves_show_what_charge_control_decides() {
        let chart = chart(&Config { max_charge_current: Some(Amps::new(80.0)), ..Config::default() });
        let [cells, temperature, soc] = chart.panels.as_slice() else { panic!("three panels") };
        let at = |panel: &Panel, line: usize, x: f64| {
            let points = &panel.lines[line].points;
            points.iter().min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs())).unwrap().1
        };
        let charging = 1;
        assert_eq!(at(cells, charging, 3.3), 80.0);
        assert_eq!(at(cells, charging, 3.7), 0.0);
        assert_eq!((at(temperature, charging, -10.0), at(temperature, charging, 25.0)), (0.0, 80.0));
        assert_eq!((at(soc, charging, 50.0), at(soc, 0, 50.0)), (80.0, 60.0));
        assert!(cells.marks.iter().any(|mark| (3.3..3.6).contains(&mark.at)), "{:?}", cells.marks);
    }

    #[test]
    fn every_chemistry_has_a_picture() {
        for chemistry in [Chemistry::Lfp, Chemistry::Nmc, Chemistry::Lto, Chemistry::Sodium] {
            let svg = chart(&Config { chemistry: Some(chemistry), ..Config::default() }).to_svg();
            assert!(svg.contains(name(chemistry)) && svg.contains("charging (CCL)"));
        }
    }
}
