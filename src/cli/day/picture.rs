//! Plot of a simulated day: cells, current and state of charge, each with its limits.

use crate::sim::plant::figures::Sample;
use crate::sim::plant::profile::HOUR;
use crate::tools::chart::{Axis, Band, Chart, Colour, Curve, Panel, Stroke};

/// Draws a day of a battery with `cells` cells.
pub(super) fn chart(title: String, note: String, samples: &[Sample], cells: usize) -> Chart {
    let per_cell = 1.0 / cells.max(1) as f64;
    let line = |label: &str, colour, value: &dyn Fn(&Sample) -> f64| {
        Curve::new(label, colour, samples.iter().map(|sample| (sample.t / HOUR, value(sample))).collect())
    };
    let voltage = vec![
        line("charge voltage limit", Colour::Red, &|s| s.cvl_v * per_cell).drawn(Stroke::Dashed),
        line("lowest cell", Colour::Blue, &|s| s.min_cell_v),
        line("mean", Colour::Grey, &|s| s.voltage_v * per_cell).drawn(Stroke::Thin),
        line("highest cell", Colour::Orange, &|s| s.max_cell_v),
    ];
    let current = vec![
        line("sun", Colour::Grey, &|s| s.sun_a).drawn(Stroke::Thin),
        line("battery", Colour::Blue, &|s| s.current_a).drawn(Stroke::Filled),
        line("charge limit", Colour::Red, &|s| s.ccl_a).drawn(Stroke::Dashed),
        line("discharge limit", Colour::Purple, &|s| -s.dcl_a).drawn(Stroke::Dashed),
    ];
    let charge = vec![
        line("as the BMS counts", Colour::Grey, &|s| s.shown_soc_pct).drawn(Stroke::Thin),
        line("mean of the cells", Colour::Green, &|s| s.soc_pct),
    ];
    let mut cells = Panel::new("Cell voltage, V", Axis::hours(), voltage);
    cells.height = 230.0;
    let mut soc = Panel::new("State of charge, %, and phase", Axis::hours(), charge);
    soc.y = Axis::between("", 0.0, 104.0);
    soc.bands = phases(samples);
    soc.height = 150.0;
    Chart { title, note, panels: vec![cells, Panel::new("Current, A", Axis::hours(), current), soc] }
}

/// The phases of charging, one after the other.
fn phases(samples: &[Sample]) -> Vec<Band> {
    let hours = |sample: &Sample| sample.t / HOUR;
    let phases = samples.chunk_by(|a, b| a.mode == b.mode);
    phases
        .filter_map(|phase| {
            let (first, last) = (phase.first()?, phase.last()?);
            Some(Band {
                label: first.mode.to_owned(),
                colour: colour(first.mode),
                from: hours(first),
                to: hours(last) + 1.0 / HOUR,
            })
        })
        .collect()
}

fn colour(mode: &str) -> Colour {
    match mode {
        "Bulk" => Colour::Blue,
        "Absorption" => Colour::Orange,
        "Float" => Colour::Green,
        "Hold" => Colour::Red,
        _ => Colour::Purple,
    }
}
