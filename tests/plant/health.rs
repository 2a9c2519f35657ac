//! Goals of the estimates of health on simulated months, with seeds of their own. `cargo run --release --example health_table` shows
//! the same on many more batteries.

use dbus_bms::health::Health;
use dbus_bms::model::{Cause, CellEstimates, Estimate};
use dbus_bms::sim::months::{Fault, FaultKind, Installation, Months, Outcome, follow};

/// Time between two readings, s: the longest with which the cause of a resistance is told.
const PERIOD: f64 = 5.0;

fn installation(seed: u64) -> Installation {
    Installation { period_s: PERIOD, ..Installation::random(seed) }
}

/// Lets a fault of cell 5 begin and be found.
fn told(installation: Installation, kind: FaultKind, size: f64, [from_day, days]: [f64; 2], within: u32) -> Outcome {
    let fault = Fault { kind, cell: 4, size, from_day, days };
    let outcome = follow(&installation.with(fault), from_day as u32 + within, |_, _, _| {});
    println!("{outcome:?}");
    assert!(outcome.told.is_some(), "not found within {within} days");
    assert!(outcome.not_true.is_empty(), "found what is not there");
    outcome
}

/// Root mean square of the errors of an estimate, over the cells for which it is known; `None`: for no cell.
fn rms(health: &Health, get: fn(&CellEstimates) -> Option<Estimate>, error: impl Fn(usize, f64) -> f64) -> Option<f64> {
    let estimates = health.estimates();
    let known = estimates.cells.iter().enumerate().filter_map(|(k, cell)| get(cell).map(|estimate| error(k, estimate.value)));
    let squares: Vec<f64> = known.map(|error| error * error).collect();
    (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / squares.len() as f64).sqrt())
}

/// No finding in so many days, and errors within the goals.
fn healthy(installation: &Installation, days: u32) {
    let mut offset_known = false;
    let outcome = follow(installation, days, |day, months: &Months, health| {
        let truth = months.truth();
        let resistance = rms(health, |cell| cell.relative_resistance, |k, x| x / truth.relative_resistance[k] - 1.0);
        let offset = rms(health, |cell| cell.offset.filter(|_| !cell.is_late), |k, x| x - truth.offset_ah[k]);
        let leak = rms(health, |cell| cell.self_discharge.filter(|_| !cell.is_late), |k, x| x - truth.self_discharge_ah[k]);
        if day % 7 == 0 {
            println!("day {day}: {resistance:?}, {offset:?} Ah, {leak:?} Ah/day");
            assert!(resistance.unwrap() < if day == 7 { 0.025 } else { 0.03 }, "relative resistance on day {day}");
            assert!(offset.is_none_or(|ah| ah < 0.3), "charge offset on day {day}");
            assert!(leak.is_none_or(|ah| ah < 0.03), "self-discharge on day {day}");
        }
        offset_known |= offset.is_some();
    });
    assert!(outcome.not_true.is_empty() && outcome.also_true.is_empty(), "{outcome:?}");
    assert_eq!(offset_known, installation.cvl_v > 3.4, "a battery that never gets full tells no offset");
}

#[test]
fn a_healthy_battery_has_no_finding_and_its_cells_are_known() {
    healthy(&installation(101), 42);
}

#[test]
fn nothing_is_claimed_of_a_battery_that_never_gets_full() {
    healthy(&Installation { cvl_v: 3.36, ..installation(102) }, 21);
}

/// A balancer that the BMS does not tell of takes from the cells that are ahead; that is no self-discharge.
#[test]
fn untold_balancing_is_no_self_discharge() {
    let told = installation(103);
    let spread = Installation { offset_spread: 0.012, balancer: dbus_bms::sim::months::Balancer::Active(1.5), ..told };
    let outcome = follow(&Installation { tells_balancing: false, ..spread }, 24, |_, _, _| {});
    assert!(outcome.not_true.is_empty(), "{outcome:?}");
}

#[test]
fn a_connection_that_gets_worse_is_found_as_such() {
    let outcome = told(installation(111), FaultKind::Connection, 0.3e-3, [23.0, 10.0], 16);
    assert_eq!(outcome.cause, Some(Cause::Connection));
}

#[test]
fn a_cell_whose_resistance_rises_is_found_as_such() {
    let outcome = told(installation(112), FaultKind::Resistance, 0.7, [23.0, 10.0], 16);
    assert_eq!(outcome.cause, Some(Cause::Cell));
}

#[test]
fn a_connection_that_is_bad_from_the_start_is_found_within_days() {
    told(installation(113), FaultKind::Connection, 0.45e-3, [0.0, 0.0], 4);
}

#[test]
fn a_loose_connection_is_found() {
    told(installation(114), FaultKind::Loose, 0.5e-3, [8.0, 1.0], 20);
}

#[test]
fn self_discharge_is_found() {
    told(installation(115), FaultKind::SelfDischarge, 0.04, [5.0, 1.0], 30);
}

#[test]
fn a_weak_cell_is_found() {
    // Only a battery that is discharged far tells capacities.
    told(deep(116), FaultKind::Capacity, 0.20, [0.0, 0.0], 30);
}

/// A battery that is discharged far every other day.
fn deep(seed: u64) -> Installation {
    Installation { least_soc: 0.08, deep_days: 0.5, base_w: 400.0, ..installation(seed) }
}

#[test]
fn a_battery_with_less_capacity_than_installed_is_found() {
    told(deep(117), FaultKind::Battery, 0.25, [0.0, 0.0], 30);
}

/// Old cells with a wide hysteresis, whose curve lies higher or lower: who is empty first is known, but not with how much charge.
#[test]
fn no_capacity_is_claimed_when_the_curve_does_not_fit() {
    for (seed, curve_shift_v) in [(118, 0.007), (119, -0.007)] {
        let usual = deep(seed);
        let (real_capacity_ah, resistance) = (0.85 * usual.real_capacity_ah, 1.6 * usual.resistance);
        let aged = Installation { curve_shift_v, real_capacity_ah, resistance, hysteresis: 1.75, ..usual };
        let mut is_measured = false;
        let outcome = follow(&aged, 30, |day, _, health| {
            let estimates = health.estimates();
            assert!(estimates.battery.capacity.is_none(), "claimed on day {day} with a shift of {curve_shift_v} V");
            assert!(estimates.cells.iter().all(|cell| cell.capacity.is_none()), "claimed of a cell on day {day}");
            is_measured |= estimates.cells.iter().any(|cell| cell.relative_capacity.is_some());
        });
        assert!(is_measured && outcome.not_true.is_empty(), "{outcome:?}");
    }
}
