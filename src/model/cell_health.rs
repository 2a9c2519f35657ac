//! Health of the cells: estimates from everyday readings, findings, and how they are said. [`crate::health`] makes them.

use serde::{Deserialize, Serialize};

/// The note of a reading whose state of health is not the BMS's.
pub const ESTIMATED_SOH: &str = "the state of health is estimated by this driver from discharges";

/// A value that is known, more or less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its standard deviation, in the same unit.
    pub sd: f64,
    /// Time of the last evidence, s, on the clock of the readings.
    pub seen: f64,
}

/// All estimates of a battery at one time. What is unknown is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// Time since the first reading, days.
    pub age: f64,
    /// Cell 1 first.
    pub cells: Vec<CellEstimates>,
    /// Of the whole battery.
    pub battery: BatteryEstimates,
}

/// Estimates of one cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CellEstimates {
    /// Fast resistance with its share of the busbars at 25 °C, ohm. Unknown without a temperature.
    pub resistance: Option<Estimate>,
    /// Fast resistance over the median cell's.
    pub relative_resistance: Option<Estimate>,
    /// Fast resistance over that of the first weeks, both relative to the median cell's.
    pub rise: Option<Estimate>,
    /// Trend of the relative resistance, per 30 days.
    pub trend: Option<Estimate>,
    /// Scatter of its voltage steps over the median cell's (variances): a loose contact scatters.
    pub scatter: Option<Estimate>,
    /// Slow resistance (what a minute adds) over the median cell's.
    pub relative_slow: Option<Estimate>,
    /// Slow resistance over that of the first weeks, as [`CellEstimates::rise`].
    pub slow_rise: Option<Estimate>,
    /// Charge above the median cell's, counted from full, Ah.
    pub offset: Option<Estimate>,
    /// It did not arrive at the top any more: the offset is at most [`CellEstimates::offset`], the self-discharge at least so high.
    pub is_late: bool,
    /// Self-discharge above the median cell's, Ah per day.
    pub self_discharge: Option<Estimate>,
    /// Capacity, Ah. Unknown where the curve does not fit.
    pub capacity: Option<Estimate>,
    /// Capacity over the median cell's.
    pub relative_capacity: Option<Estimate>,
    /// Charge that it still had when the median cell was empty, Ah; negative: it was empty before.
    pub margin: Option<Estimate>,
}

/// Estimates of the whole battery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatteryEstimates {
    /// Capacity that can be used: that of the weakest cell, Ah. Unknown where the curve does not fit.
    pub capacity: Option<Estimate>,
    /// Difference of the highest and the lowest charge offset, Ah.
    pub imbalance: Option<Estimate>,
    /// Its trend, Ah per day: below 0 the balancer wins.
    pub imbalance_trend: Option<Estimate>,
    /// Arrivals that the trend is from.
    pub imbalance_points: f64,
    /// Offset of the BMS's current and all that is lost unseen, A.
    pub current_offset: Option<Estimate>,
    /// The voltages fit the curve that capacities are measured with; `None`: not known yet.
    pub curve_fits: Option<bool>,
    /// How far the median cell's voltage lies from that curve while charging and discharging, V.
    pub curve_deviations: [Option<f64>; 2],
    /// Charges to the knee, and discharges in which a cell was empty.
    pub full_charges: u32,
    /// See [`BatteryEstimates::full_charges`].
    pub discharges: u32,
}

impl BatteryEstimates {
    /// Whether the balancer wins against what drives the cells apart; `None`: it is not clear.
    pub fn balancer_wins(&self) -> Option<bool> {
        let trend = self.imbalance_trend?;
        (trend.value.abs() > 2.0 * trend.sd).then_some(trend.value < 0.0)
    }
}

/// Estimates and findings of a battery, renewed every some minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct CellHealth {
    /// The estimates.
    pub estimates: Estimates,
    /// The findings of the last day, those found first leading.
    pub findings: Vec<Finding>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// A cell's resistance is higher than the others'.
    High,
    /// A cell's resistance rises.
    Rising,
    /// A cell's voltage steps scatter: a loose contact.
    Unsteady,
    /// A cell loses more charge by itself than the others.
    Leak,
    /// A cell has less capacity than the others.
    Weak,
    /// The battery has less capacity than installed.
    Pack,
    /// A cell is less charged than the others when the battery is full.
    Behind,
    /// A cell is empty before the others.
    Short,
    /// The cells drift apart: the balancer does not keep up.
    Losing,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [Self; 9] =
        [Self::High, Self::Rising, Self::Unsteady, Self::Leak, Self::Weak, Self::Pack, Self::Behind, Self::Short, Self::Losing];

    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Rising => "rising",
            Self::Unsteady => "unsteady",
            Self::Leak => "leak",
            Self::Weak => "weak",
            Self::Pack => "pack",
            Self::Behind => "behind",
            Self::Short => "short",
            Self::Losing => "losing",
        }
    }
}

/// Is it the connection or the cell?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The voltage follows the current at once: busbar, screw, cable.
    Connection,
    /// The slow part is higher, too: the cell.
    Cell,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// More likely than not.
    Likely,
    /// Little else explains it.
    High,
    /// As sure as the readings can be.
    Certain,
}

/// A finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Index of the cell, from 0; `None`: the battery.
    pub cell: Option<usize>,
    /// Time from which on it was so on every review, s, on the clock of the readings.
    pub since: f64,
    /// How sure.
    pub certainty: Certainty,
    /// The value at the last review, in the unit of the estimate; of [`FindingKind::Losing`] Ah per day.
    pub value: f64,
    /// Of a resistance: connection or cell.
    pub cause: Option<Cause>,
    /// The cell did not get full any more: of a charge, it is at least as bad as the value.
    pub at_least: bool,
}

impl Cause {
    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Cell => "cell",
        }
    }
}

impl Certainty {
    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }

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
        let at_least = if self.at_least { "at least " } else { "" };
        let what = match (self.kind, self.cause) {
            (FindingKind::High, Some(Cause::Connection)) => {
                format!("a connection of cell {cell} has a high resistance: the cell shows {percent:.0} % more than the others")
            }
            (FindingKind::High, _) => format!("cell {cell} has {percent:.0} % more resistance than the others"),
            (FindingKind::Rising, Some(Cause::Connection)) => {
                format!("a connection of cell {cell} is getting worse: the cell shows {percent:.0} % more resistance than at first")
            }
            (FindingKind::Rising, _) => format!("the resistance of cell {cell} has risen by {percent:.0} %"),
            (FindingKind::Unsteady, _) => format!("the voltage of cell {cell} is unsteady under current, as with a loose contact"),
            (FindingKind::Leak, _) => {
                format!("cell {cell} loses {at_least}{:.0} mAh per day more than the others", lost * 1000.0)
            }
            (FindingKind::Weak, _) => format!("cell {cell} has {percent:.0} % less capacity than the others"),
            (FindingKind::Pack, _) => format!("the battery's usable capacity is {lost:.0} Ah, clearly less than installed"),
            (FindingKind::Behind, _) => {
                format!("cell {cell} is {at_least}{lost:.1} Ah less charged than the others when the battery is full")
            }
            (FindingKind::Short, _) => format!("cell {cell} is empty {lost:.1} Ah before the others"),
            (FindingKind::Losing, _) => format!("the cells drift apart by {lost:.2} Ah per day: the balancer does not keep up"),
        };
        format!("{what} ({})", self.certainty.word())
    }

    /// What the owner can do.
    pub const fn remedy(&self) -> &'static str {
        match (self.kind, self.cause) {
            (FindingKind::High | FindingKind::Rising, Some(Cause::Connection)) => {
                "switch the battery off, then clean the contact faces of this cell's busbars and tighten its screws to the cell's torque; \
                 the sense wire of the cell may be the cause, too"
            }
            (FindingKind::High | FindingKind::Rising, Some(Cause::Cell)) => {
                "the cell itself is the cause: keep high currents away from it, and watch whether its resistance rises further"
            }
            (FindingKind::High | FindingKind::Rising, None) => {
                "switch the battery off and check the screws of this cell's busbars first; if they are fine, it is the cell"
            }
            (FindingKind::Unsteady, _) => "switch the battery off and check busbars, screws and the sense wire of this cell",
            (FindingKind::Leak, _) => {
                "let the battery reach full charge and balance more often; if the loss grows, have the cell checked"
            }
            (FindingKind::Weak, _) => {
                "the cell limits the battery: plan to replace it if the capacity is needed; a cell that never gets full looks the same"
            }
            (FindingKind::Pack, _) => {
                "set the capacity in the BMS to what is there, so that its state of charge is right; check that no cell limits the battery"
            }
            (FindingKind::Behind, _) => "let the battery stay full for some hours several times, so that the balancer can catch up",
            (FindingKind::Short, _) => {
                "a full charge with time to balance tells whether the cell lacks charge or capacity; avoid deep discharges until then"
            }
            (FindingKind::Losing, _) => {
                "check in the BMS's app that balancing is allowed and begins at 3.40 V, and let the battery stay full for longer"
            }
        }
    }
}
