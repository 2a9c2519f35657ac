//! Findings in words: what, which cell, how sure, what to do.

use super::findings::{Cause, Certainty, Finding, Kind};

impl Certainty {
    /// As a word in a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::High => "very likely",
            Self::Certain => "almost certain",
        }
    }
}

impl Finding {
    /// What was found, and how sure that is.
    pub fn what(&self) -> String {
        let cell = self.cell.map_or(0, |index| index.saturating_add(1));
        let percent = ((self.value - 1.0) * 100.0).abs();
        let lost = self.value.abs();
        let what = match (self.kind, self.cause) {
            (Kind::High, Some(Cause::Connection)) => {
                format!("a connection of cell {cell} has a high resistance: the cell shows {percent:.0} % more than the others")
            }
            (Kind::High, _) => format!("cell {cell} has {percent:.0} % more resistance than the others"),
            (Kind::Rising, Some(Cause::Connection)) => {
                format!("a connection of cell {cell} is getting worse: the cell shows {percent:.0} % more resistance than at first")
            }
            (Kind::Rising, _) => format!("the resistance of cell {cell} has risen by {percent:.0} %"),
            (Kind::Unsteady, _) => format!("the voltage of cell {cell} is unsteady under current, as with a loose contact"),
            (Kind::Leak, _) => format!("cell {cell} loses {:.0} mAh per day more than the others", lost * 1000.0),
            (Kind::Weak, _) => format!("cell {cell} has {percent:.0} % less capacity than the others"),
            (Kind::Pack, _) => format!("the battery's usable capacity is {lost:.0} Ah, clearly less than installed"),
            (Kind::Behind, _) => format!("cell {cell} is {lost:.1} Ah less charged than the others when the battery is full"),
            (Kind::Short, _) => format!("cell {cell} is empty {lost:.1} Ah before the others"),
            (Kind::Losing, _) => format!("the cells drift apart by {lost:.2} Ah per day: the balancer does not keep up"),
        };
        format!("{what} ({})", self.certainty.word())
    }

    /// What the owner can do.
    pub const fn remedy(&self) -> &'static str {
        match (self.kind, self.cause) {
            (Kind::High | Kind::Rising, Some(Cause::Connection)) => {
                "switch the battery off, then clean the contact faces of this cell's busbars and tighten its screws to the cell's torque; \
                 the sense wire of the cell may be the cause, too"
            }
            (Kind::High | Kind::Rising, Some(Cause::Cell)) => {
                "the cell itself is the cause: keep high currents away from it, and watch whether its resistance rises further"
            }
            (Kind::High | Kind::Rising, None) => {
                "switch the battery off and check the screws of this cell's busbars first; if they are fine, it is the cell"
            }
            (Kind::Unsteady, _) => "switch the battery off and check busbars, screws and the sense wire of this cell",
            (Kind::Leak, _) => "let the battery reach full charge and balance more often; if the loss grows, have the cell checked",
            (Kind::Weak, _) => {
                "the cell limits the battery: plan to replace it if the capacity is needed; a cell that never gets full looks the same"
            }
            (Kind::Pack, _) => {
                "set the capacity in the BMS to what is there, so that its state of charge is right; check that no cell limits the battery"
            }
            (Kind::Behind, _) => "let the battery stay full for some hours several times, so that the balancer can catch up",
            (Kind::Short, _) => {
                "a full charge with time to balance tells whether the cell lacks charge or capacity; avoid deep discharges until then"
            }
            (Kind::Losing, _) => {
                "check in the BMS's app that balancing is allowed and begins at 3.40 V, and let the battery stay full for longer"
            }
        }
    }
}
