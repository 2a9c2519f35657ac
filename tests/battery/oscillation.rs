//! The oscillation guard in a closed loop: two inverters at one grid connection, both regulating its power to zero; ours reacts too
//! strongly to a delayed measurement. `UPDATE_PICTURES=1` draws it into docs/pictures.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts, Watts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Fets, LinkStats, Reading, Temperatures};
use dbus_bms::tools::chart::{Axis, Chart, Colour, Curve, Panel};
use proptest::prelude::*;

const SECONDS: u32 = 600;
const VOLTS: f64 = 52.8;

/// Reading of a battery at `volts` per cell.
fn reading(volts: f64, amps: f64, soc: f64, celsius: f64) -> Reading {
    Reading {
        voltage: Some(Volts::new(volts * 16.0)),
        current: Some(Amps::new(amps).rounded(2)),
        soc: Some(Percent::new(soc)),
        capacity: Some(AmpHours::new(280.0)),
        cell_count: Some(16),
        cells: vec![Volts::new(volts); 16],
        temperatures: Temperatures { sensors: Some(vec![Celsius::new(celsius)]), ..Temperatures::default() },
        fets: Fets { charge: Some(true), discharge: Some(true), ..Fets::default() },
        ..Reading::new("simulated", None)
    }
}

/// Our battery's current over ten minutes, second by second, with or without a meter for the guard.
fn currents(guarded: bool) -> Vec<f64> {
    let mut battery = Battery::new(Config::default(), PersistedState::default());
    // Battery power of both inverters, positive charges; their measurements are two seconds old.
    let (mut ours, mut other, mut seen, mut all) = (0.0f64, 0.0f64, [0.0f64; 3], Vec::new());
    for second in 0..SECONDS {
        let now = Now { at: Moment::from_secs(f64::from(second)), unix: None };
        // A kettle starts it.
        let load = if second > 30 { 1500.0 } else { 300.0 };
        let grid = load + ours + other;
        seen = [grid, seen[0], seen[1]];
        if guarded {
            battery.grid_power(Watts::new(grid), now.at);
        }
        let reading = reading(VOLTS / 16.0, ours / VOLTS, 60.0, 25.0);
        let limits = battery.read(reading, LinkStats::default(), now).limits;
        other = (other - 0.1 * seen[2]).clamp(-3000.0, 3000.0);
        ours = (ours - 0.6 * seen[2]).clamp(-limits.dcl.value.get() * VOLTS, limits.ccl.value.get() * VOLTS);
        all.push(ours / VOLTS);
    }
    all
}

/// Mean deviation from the mean.
fn swing(currents: &[f64]) -> f64 {
    let mean = currents.iter().sum::<f64>() / currents.len() as f64;
    currents.iter().map(|current| (current - mean).abs()).sum::<f64>() / currents.len() as f64
}

#[test]
fn two_inverters_that_fight_are_calmed() {
    let [without, with] = [false, true].map(currents);
    let (wild, calm) = (swing(&without[300..]), swing(&with[300..]));
    println!("mean swing of our current in the last five minutes: {wild:.1} A without, {calm:.1} A with the guard");
    assert!(wild > 20.0, "without the guard they fight: {wild}");
    assert!(calm < wild / 4.0, "{calm} A with, {wild} A without");
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        let line = |label, colour, values: &[f64]| {
            Curve::new(label, colour, (0u32..).map(f64::from).zip(values.iter().copied()).collect())
        };
        let panel = |title, line| Panel::new(title, Axis::between("s", 0.0, f64::from(SECONDS)), vec![line]);
        let chart = Chart {
            title: "Two inverters that fight".into(),
            note: "simulated; ours sees the grid power two seconds late and reacts too strongly".into(),
            panels: vec![
                panel("Without the guard, A", line("our battery's current", Colour::Orange, &without)),
                panel("With the guard, A", line("our battery's current", Colour::Blue, &with)),
            ],
        };
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures/oscillation.svg"), chart.to_svg()).unwrap();
    }
}

/// A period: seconds, cell voltage, current, SoC, temperature, grid power, and whether the power oscillates around it.
fn stretch() -> impl Strategy<Value = (u8, f64, f64, f64, f64, f64, bool)> {
    (1..40u8, 2.7..3.62f64, -80.0..80.0f64, 0.0..100.0f64, -10.0..55.0f64, -3000.0..3000.0f64, any::<bool>())
}

proptest! {
    #[test]
    fn the_guard_never_raises_a_limit(stretches in proptest::collection::vec(stretch(), 1..20), pause in 0..3u32) {
        let mut batteries = [false, true].map(|guarded| (guarded, Battery::new(Config::default(), PersistedState::default())));
        let (mut at, mut cuts) = (0.0, 0);
        for (seconds, volts, amps, soc, celsius, power, swings) in stretches {
            for second in 0..seconds {
                at += if second == 0 { f64::from(1 + 20 * pause) } else { 1.0 };
                let now = Now { at: Moment::from_secs(at), unix: None };
                let grid = if swings && second % 2 == 0 { -power } else { power };
                let [without, with] = batteries.each_mut().map(|(guarded, battery)| {
                    if *guarded {
                        battery.grid_power(Watts::new(grid), now.at);
                    }
                    battery.read(reading(volts, amps, soc, celsius), LinkStats::default(), now).limits
                });
                cuts += u32::from(with.ccl.value < without.ccl.value);
                prop_assert!(with.ccl.value <= without.ccl.value, "CCL {} with, {} without at {at} s", with.ccl.value, without.ccl.value);
                prop_assert!(with.dcl.value <= without.dcl.value, "DCL {} with, {} without at {at} s", with.dcl.value, without.dcl.value);
                prop_assert!(with.cvl.value == without.cvl.value, "CVL {} with, {} without at {at} s", with.cvl.value, without.cvl.value);
            }
        }
        // Otherwise the test would prove nothing.
        prop_assume!(cuts > 0);
    }
}
