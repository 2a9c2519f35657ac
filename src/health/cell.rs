//! What is remembered of each cell.

use super::deviation::CellDeviation;
use super::ends::bottom::CellBottom;
use super::ends::top::CellTop;
use super::resistance::CellSteps;
use serde::{Deserialize, Serialize};

/// The record of a cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    /// Charge that the balancer has put in since the first reading, Ah.
    #[serde(rename = "b")]
    pub(super) balanced: f64,
    #[serde(rename = "s")]
    pub(super) steps: CellSteps,
    #[serde(rename = "d")]
    pub(super) deviation: CellDeviation,
    #[serde(rename = "t")]
    pub(super) top: CellTop,
    #[serde(rename = "l")]
    pub(super) bottom: CellBottom,
}
