//! Line charts as SVG: panels one above the other, each with axes, legend, bands and marks. Readable on light and dark pages.
//!
//! ```
//! use dbus_bms::tools::chart::{Axis, Chart, Colour, Curve, Panel};
//! let line = Curve::new("current, A", Colour::Blue, vec![(0.0, 0.0), (12.0, 50.0), (24.0, 0.0)]);
//! let chart = Chart { title: "A day".into(), note: String::new(), panels: vec![Panel::new("Current, A", Axis::hours(), vec![line])] };
//! assert!(chart.to_svg().starts_with("<svg"));
//! ```
#![deny(clippy::indexing_slicing)]

mod axis;
mod svg;
mod thin;

pub use axis::Axis;

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// A line below it; may be empty.
    pub note: String,
    /// From top to bottom.
    pub panels: Vec<Panel>,
}

impl Chart {
    /// The chart as an SVG document.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }
}

/// One coordinate system.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Quantity of the y axis, with its unit.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Height of the drawing area in pixels.
    pub height: f64,
    /// Lines; later ones are drawn above earlier ones.
    pub lines: Vec<Curve>,
    /// Ranges of the x axis, behind the lines.
    pub bands: Vec<Band>,
    /// Values on the x axis, each as a vertical line.
    pub marks: Vec<Mark>,
}

impl Panel {
    /// A panel whose y axis fits its lines.
    pub fn new(title: impl Into<String>, x: Axis, lines: Vec<Curve>) -> Self {
        Self { title: title.into(), x, y: Axis::fitting(), height: 180.0, lines, bands: Vec::new(), marks: Vec::new() }
    }
}

/// A line through points with ascending x.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Name in the legend.
    pub label: String,
    /// Colour.
    pub colour: Colour,
    /// Stroke style.
    pub stroke: Stroke,
    /// The points.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// A solid line.
    pub fn new(label: impl Into<String>, colour: Colour, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.into(), colour, stroke: Stroke::Solid, points }
    }

    /// The same line with another stroke.
    pub fn drawn(self, stroke: Stroke) -> Self {
        Self { stroke, ..self }
    }
}

/// Stroke style of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// Solid.
    Solid,
    /// Thin, for background data.
    Thin,
    /// Dashed, for limits.
    Dashed,
    /// Solid with the area down to zero shaded.
    Filled,
}

/// A named range of the x axis.
#[derive(Debug, Clone)]
pub struct Band {
    /// Name; written if it fits.
    pub label: String,
    /// Colour.
    pub colour: Colour,
    /// Start.
    pub from: f64,
    /// End.
    pub to: f64,
}

/// A named value on the x axis.
#[derive(Debug, Clone)]
pub struct Mark {
    /// Name.
    pub label: String,
    /// Position.
    pub at: f64,
}

/// Colours distinguishable for colour-blind people, each in a shade for light and one for dark pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Colour {
    Blue,
    Orange,
    Green,
    Red,
    Purple,
    Grey,
}

impl Colour {
    /// All colours.
    pub(crate) const ALL: [Self; 6] = [Self::Blue, Self::Orange, Self::Green, Self::Red, Self::Purple, Self::Grey];

    /// Class name, shade on white, shade on black.
    pub(crate) fn shades(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Blue => ("blue", "#1f6feb", "#58a6ff"),
            Self::Orange => ("orange", "#d4680b", "#f0964b"),
            Self::Green => ("green", "#1a7f4b", "#4ac685"),
            Self::Red => ("red", "#cf222e", "#ff7b72"),
            Self::Purple => ("purple", "#8250df", "#bc8cff"),
            Self::Grey => ("grey", "#8c959f", "#8b949e"),
        }
    }
}
