//! Health of which everything is known: cell 5 does not get full any more, cell 7 has a bad connection, the battery is too small.

use dbus_bms::model::{BatteryEstimates, Cause, CellEstimates, CellHealth, Certainty, Estimate, Estimates, Finding, FindingKind};

/// 2026-03-01 00:00 UTC.
pub(crate) const SINCE: f64 = 1_772_323_200.0;

fn known(value: f64) -> Option<Estimate> {
    Some(Estimate { value, sd: value.abs() / 100.0, seen: SINCE })
}

fn finding(kind: FindingKind, cell: Option<usize>, value: f64) -> Finding {
    Finding { kind, cell, since: SINCE, certainty: Certainty::High, value, cause: None, at_least: false }
}

pub(crate) fn cell_health() -> CellHealth {
    let cell = |index: usize| CellEstimates {
        resistance: known(if index == 6 { 0.000_6 } else { 0.000_3 }),
        relative_resistance: known(if index == 6 { 2.0 } else { 1.0 }),
        rise: known(1.01),
        offset: known(if index == 4 { -6.5 } else { 0.1 }),
        is_late: index == 4,
        self_discharge: known(if index == 4 { 0.24 } else { 0.0 }),
        capacity: known(230.0),
        relative_capacity: known(1.0),
        ..CellEstimates::default()
    };
    let battery = BatteryEstimates {
        capacity: known(225.0),
        imbalance: known(6.6),
        curve_fits: Some(true),
        full_charges: 12,
        discharges: 3,
        ..BatteryEstimates::default()
    };
    let findings = vec![
        Finding { cause: Some(Cause::Connection), certainty: Certainty::Certain, ..finding(FindingKind::High, Some(6), 2.0) },
        Finding { at_least: true, ..finding(FindingKind::Behind, Some(4), -6.5) },
        Finding { certainty: Certainty::Likely, ..finding(FindingKind::Pack, None, 225.0) },
    ];
    CellHealth { estimates: Estimates { age: 40.0, cells: (0..16).map(cell).collect(), battery }, findings }
}
