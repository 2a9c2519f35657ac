//! Draws what the estimates of health say of two simulated faults: `cargo run --release --example health_picture`.

use dbus_bms::health::Health;
use dbus_bms::model::{CellEstimates, Estimate};
use dbus_bms::sim::months::{Fault, FaultKind, Installation, Months, Truth, follow};
use dbus_bms::tools::chart::{Axis, Chart, Colour, Curve, Mark, Panel, Stroke};
use std::error::Error;

const DAYS: u32 = 90;
/// The cell that goes bad, from 0.
const CELL: usize = 4;

type Estimated = fn(&CellEstimates) -> Option<Estimate>;
type Real = fn(&Truth) -> &[f64];

fn main() -> Result<(), Box<dyn Error>> {
    let fault = |kind, size, days| Fault { kind, cell: CELL, size, from_day: 30.0, days };
    let connection = Installation::random(7).with(fault(FaultKind::Connection, 0.25e-3, 40.0));
    let leak = Installation::random(8).with(fault(FaultKind::SelfDischarge, 0.025, 1.0));
    let panels = std::thread::scope(|scope| {
        let title = "Resistance over the median cell's: a connection loosens";
        let first = scope.spawn(|| panel(title, &connection, |cell| cell.relative_resistance, |truth| &truth.relative_resistance));
        let title = "Charge at full over the median cell's, Ah: self-discharge";
        let second = scope.spawn(|| panel(title, &leak, |cell| cell.offset, |truth| &truth.offset_ah));
        [first, second].into_iter().filter_map(|panel| panel.join().ok()).collect()
    });
    let chart = Chart {
        title: "What two faults look like".into(),
        note: "simulated batteries of 16 cells with 280 Ah; cell 5 goes bad from day 30 on".into(),
        panels,
    };
    Ok(std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures/health.svg"), chart.to_svg())?)
}

fn panel(title: &str, installation: &Installation, estimated: Estimated, real: Real) -> Panel {
    let [mut bad, mut is, mut lowest, mut highest] = [const { Vec::new() }; 4];
    let outcome = follow(installation, DAYS, |day, months: &Months, health: &Health| {
        let (x, truth, estimates) = (f64::from(day), months.truth(), health.estimates());
        is.extend(real(&truth).get(CELL).map(|value| (x, *value)));
        let mut others: Vec<f64> = Vec::new();
        for (cell, estimate) in estimates.cells.iter().enumerate() {
            let Some(estimate) = estimated(estimate) else { continue };
            if cell == CELL { bad.push((x, estimate.value)) } else { others.push(estimate.value) }
        }
        others.sort_by(f64::total_cmp);
        lowest.extend(others.first().map(|value| (x, *value)));
        highest.extend(others.last().map(|value| (x, *value)));
    });
    println!("{title}: {outcome:?}");
    let mut axis = Axis::between("days", 0.0, f64::from(DAYS));
    axis.step = Some(10.0);
    let lines = vec![
        Curve::new("others, lowest", Colour::Grey, lowest).drawn(Stroke::Thin),
        Curve::new("highest", Colour::Grey, highest).drawn(Stroke::Thin),
        Curve::new("cell 5, true", Colour::Blue, is).drawn(Stroke::Dashed),
        Curve::new("estimated", Colour::Orange, bad),
    ];
    let mut panel = Panel::new(title, axis, lines);
    panel.marks = outcome.told.iter().map(|told| Mark { label: "found".into(), at: told.day }).collect();
    panel
}
