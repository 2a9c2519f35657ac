//! Faults of a cell or its connection that grow with the days.

use super::Truth;
use super::cell::Cell;
use crate::model::FindingKind;

/// What is going bad. The unit of [`Fault::size`] is that of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The resistance of a connection rises, by ohms.
    Connection,
    /// A connection is loose: up to so many ohms, now more, now less.
    Loose,
    /// The resistance of a cell rises, by a share.
    Resistance,
    /// A cell discharges itself, by amperes.
    SelfDischarge,
    /// A cell loses a share of its capacity; full stays full.
    Capacity,
    /// All cells lose a share of their capacity.
    Battery,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Index of the cell, from 0; of no meaning for [`FaultKind::Battery`].
    pub cell: usize,
    /// How much at the end, in the unit of the kind.
    pub size: f64,
    /// First day, from 0, and days that it takes to grow; 0: it is there at once.
    pub from_day: f64,
    /// See [`Fault::from_day`].
    pub days: f64,
}

impl Fault {
    /// Lets it grow to what it is on this day.
    pub(super) fn grow(&self, day: f64, cells: &mut [Cell], loose_ohm: &mut f64) {
        let share = |day: f64| ((day - self.from_day + 1.0) / self.days.max(1.0)).clamp(0.0, 1.0);
        let more = self.size * (share(day) - if day > 0.0 { share(day - 1.0) } else { 0.0 });
        for (index, cell) in cells.iter_mut().enumerate() {
            match self.kind {
                FaultKind::Battery => shrink(cell, self.size * share(day), more),
                _ if index != self.cell => {}
                FaultKind::Connection => cell.connection_ohm += more,
                FaultKind::Loose => *loose_ohm = self.size * share(day),
                FaultKind::Resistance => cell.ageing += more,
                FaultKind::SelfDischarge => cell.leak_a += more,
                FaultKind::Capacity => shrink(cell, self.size * share(day), more),
            }
        }
    }

    /// Whether a finding tells of this fault. `cell`: index; `None`: the battery.
    pub fn is_told_by(&self, kind: FindingKind, cell: Option<usize>) -> bool {
        use FindingKind::{Behind, High, Leak, Losing, Pack, Rising, Short, Unsteady, Weak};
        let kinds: &[FindingKind] = match self.kind {
            FaultKind::Connection | FaultKind::Resistance => &[Rising, High],
            FaultKind::Loose => &[Unsteady, Rising, High],
            FaultKind::SelfDischarge => &[Leak, Behind, Short, Losing],
            FaultKind::Capacity => &[Weak, Short, Pack],
            FaultKind::Battery => &[Pack],
        };
        kinds.contains(&kind) && cell.is_none_or(|cell| cell == self.cell)
    }
}

/// Makes a cell that has lost a share `lost` of its capacity, `more` of it just now.
fn shrink(cell: &mut Cell, lost: f64, more: f64) {
    let whole = cell.capacity_ah / (1.0 - (lost - more)).max(0.01);
    cell.capacity_ah -= whole * more;
    cell.charge_ah -= whole * more;
}

impl Truth {
    /// Whether a finding is true of cells without a fault, in a battery of this capacity as installed, Ah: those that tell of charge
    /// may be, also in a healthy battery.
    pub fn bears_out(&self, kind: FindingKind, cell: Option<usize>, capacity_ah: f64) -> bool {
        let of = |values: &[f64]| cell.and_then(|cell| values.get(cell)).copied().unwrap_or_default() / capacity_ah;
        let spread = |values: &[f64]| {
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - values.iter().copied().fold(f64::INFINITY, f64::min)
        };
        match kind {
            FindingKind::Behind => of(&self.offset_ah) < -0.012,
            FindingKind::Short => of(&self.margin_ah) < -0.018,
            FindingKind::Losing => spread(&self.offset_ah) / capacity_ah > 0.012,
            _ => false,
        }
    }
}
