//! Writes a chart as SVG, with colours for light and dark pages in a style sheet.

use super::thin::thin;
use super::{Band, Chart, Colour, Curve, Mark, Panel, Stroke};
use std::fmt::{self, Write};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
const HEADER: f64 = 58.0;
/// Height above a panel's drawing area for title and legend; below it for the axis, and for its name if it has one.
const CAPTION: f64 = 26.0;
const AXIS: f64 = 24.0;
const AXIS_LABEL: f64 = 16.0;
const GAP: f64 = 10.0;
/// Average character width of the small text.
const CHARACTER: f64 = 6.9;

/// The chart as a document.
pub(super) fn draw(chart: &Chart) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = document(&mut out, chart);
    out
}

fn document(out: &mut String, chart: &Chart) -> fmt::Result {
    let height = HEADER + chart.panels.iter().map(outer_height).sum::<f64>();
    writeln!(out, r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">"#)?;
    writeln!(out, "<title>{}</title>", escape(&chart.title))?;
    style(out)?;
    writeln!(out, r#"<rect class="page" width="{WIDTH}" height="{height}"/>"#)?;
    writeln!(out, r#"<text class="title" x="{LEFT}" y="28">{}</text>"#, escape(&chart.title))?;
    writeln!(out, r#"<text class="note" x="{LEFT}" y="46">{}</text>"#, escape(&chart.note))?;
    let mut top = HEADER;
    for panel in &chart.panels {
        Place::new(panel, top).draw(out, panel)?;
        top += outer_height(panel);
    }
    writeln!(out, "</svg>")
}

fn outer_height(panel: &Panel) -> f64 {
    CAPTION + panel.height + AXIS + if panel.x.label.is_empty() { 0.0 } else { AXIS_LABEL } + GAP
}

/// The colours; the second half is for dark pages.
fn style(out: &mut String) -> fmt::Result {
    writeln!(out, "<style>")?;
    writeln!(out, "text {{ font: 12px system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }}")?;
    writeln!(out, ".title {{ font-size: 17px; font-weight: 600; }} .head {{ font-weight: 600; }}")?;
    writeln!(out, ".end {{ text-anchor: end; }} .middle {{ text-anchor: middle; }}")?;
    writeln!(out, ".line {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; }} .thin {{ stroke-width: 1; }}")?;
    writeln!(out, ".dashed {{ stroke-dasharray: 6 3; }} .area {{ fill-opacity: 0.18; }} .band {{ fill-opacity: 0.13; }}")?;
    shades(out, false)?;
    writeln!(out, "@media (prefers-color-scheme: dark) {{")?;
    shades(out, true)?;
    writeln!(out, "}}\n</style>")
}

fn shades(out: &mut String, dark: bool) -> fmt::Result {
    let [page, text, faint, grid] =
        if dark { ["#0d1117", "#e6edf3", "#9198a1", "#30363d"] } else { ["#ffffff", "#1f2328", "#59636e", "#d8dee4"] };
    writeln!(out, ".page {{ fill: {page}; }} text {{ fill: {text}; }} .note, .tick {{ fill: {faint}; }}")?;
    writeln!(out, ".grid {{ stroke: {grid}; }} .zero {{ stroke: {faint}; }} .mark {{ stroke: {faint}; stroke-dasharray: 2 3; }}")?;
    for colour in Colour::ALL {
        let (name, light, on_black) = colour.shades();
        let shade = if dark { on_black } else { light };
        writeln!(out, ".line.{name} {{ stroke: {shade}; }} .area.{name}, .band.{name} {{ fill: {shade}; }}")?;
    }
    Ok(())
}

/// Position of a panel, and conversion of its values to pixels.
struct Place {
    top: f64,
    bottom: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Place {
    fn new(panel: &Panel, top: f64) -> Self {
        let all = |pick: fn(&(f64, f64)) -> f64| {
            let values = panel.lines.iter().flat_map(|line| &line.points).map(pick).filter(|value| value.is_finite());
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let (x, y) = (all(|point| point.0), all(|point| point.1));
        // The x axis ends where its values end; only the y axis is extended to round values.
        let x = panel.x.range.unwrap_or(if x.0 < x.1 { x } else { panel.x.span(x.0, x.1) });
        Self { top: top + CAPTION, bottom: top + CAPTION + panel.height, x, y: panel.y.span(y.0, y.1) }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (value - self.y.0) / (self.y.1 - self.y.0) * (self.bottom - self.top)
    }

    fn draw(&self, out: &mut String, panel: &Panel) -> fmt::Result {
        self.caption(out, panel)?;
        for band in &panel.bands {
            self.band(out, band)?;
        }
        self.axes(out, panel)?;
        for line in &panel.lines {
            self.line(out, line)?;
        }
        panel.marks.iter().try_for_each(|mark| self.mark(out, mark))
    }

    /// Title on the left, legend on the right.
    fn caption(&self, out: &mut String, panel: &Panel) -> fmt::Result {
        let y = self.top - 9.0;
        writeln!(out, r#"<text class="head" x="{LEFT}" y="{y}">{}</text>"#, escape(&panel.title))?;
        let width = |line: &Curve| 34.0 + CHARACTER * f64::from(u32::try_from(line.label.chars().count()).unwrap_or(0));
        let mut x = WIDTH - RIGHT - panel.lines.iter().map(width).sum::<f64>() + 8.0;
        for line in &panel.lines {
            let (from, to, middle) = (x, x + 18.0, y - 4.0);
            writeln!(out, r#"<path class="{}" d="M{from:.1} {middle}H{to:.1}"/>"#, class(line))?;
            writeln!(out, r#"<text x="{:.1}" y="{y}">{}</text>"#, to + 5.0, escape(&line.label))?;
            x += width(line);
        }
        Ok(())
    }

    fn axes(&self, out: &mut String, panel: &Panel) -> fmt::Result {
        let right = WIDTH - RIGHT;
        for (value, text) in panel.y.marks(self.y) {
            let (y, class) = (self.y(value), if value == 0.0 && self.y.0 < 0.0 { "zero" } else { "grid" });
            writeln!(out, r#"<path class="{class}" d="M{LEFT} {y:.1}H{right}"/>"#)?;
            writeln!(out, r#"<text class="tick end" x="{}" y="{:.1}">{text}</text>"#, LEFT - 7.0, y + 4.0)?;
        }
        for (value, text) in panel.x.marks(self.x) {
            let x = self.x(value);
            writeln!(out, r#"<path class="grid" d="M{x:.1} {}V{}"/>"#, self.top, self.bottom)?;
            writeln!(out, r#"<text class="tick middle" x="{x:.1}" y="{}">{text}</text>"#, self.bottom + 16.0)?;
        }
        if !panel.x.label.is_empty() {
            let (x, y) = ((LEFT + right) / 2.0, self.bottom + 16.0 + AXIS_LABEL);
            writeln!(out, r#"<text class="note middle" x="{x}" y="{y}">{}</text>"#, escape(&panel.x.label))?;
        }
        Ok(())
    }

    fn line(&self, out: &mut String, line: &Curve) -> fmt::Result {
        let inside = |y: f64| self.y(y.max(self.y.0).min(self.y.1));
        let known = line.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let points: Vec<(f64, f64)> = known.map(|(x, y)| (self.x(*x), inside(*y))).collect();
        let points = thin(&points, 1.0, 0.15);
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" })?;
        }
        if line.stroke == Stroke::Filled {
            let zero = inside(0.0);
            let area = format!("{path}L{:.1} {zero:.1}L{:.1} {zero:.1}Z", last.0, first.0);
            writeln!(out, r#"<path class="area {}" d="{area}"/>"#, line.colour.shades().0)?;
        }
        writeln!(out, r#"<path class="{}" d="{path}"/>"#, class(line))
    }

    fn band(&self, out: &mut String, band: &Band) -> fmt::Result {
        let (from, to) = (self.x(band.from.max(self.x.0)), self.x(band.to.min(self.x.1)));
        let (width, height) = (to - from, self.bottom - self.top);
        let colour = band.colour.shades().0;
        writeln!(
            out,
            r#"<rect class="band {colour}" x="{from:.1}" y="{}" width="{:.1}" height="{height}"/>"#,
            self.top,
            width.max(0.0)
        )?;
        if width > 12.0 + CHARACTER * f64::from(u32::try_from(band.label.chars().count()).unwrap_or(0)) {
            let (x, y) = (from + 6.0, self.bottom - 8.0);
            writeln!(out, r#"<text class="note" x="{x:.1}" y="{y}">{}</text>"#, escape(&band.label))?;
        }
        Ok(())
    }

    fn mark(&self, out: &mut String, mark: &Mark) -> fmt::Result {
        let x = self.x(mark.at);
        writeln!(out, r#"<path class="mark" d="M{x:.1} {}V{}"/>"#, self.top, self.bottom)?;
        writeln!(out, r#"<text class="note" x="{:.1}" y="{}">{}</text>"#, x + 5.0, self.top + 14.0, escape(&mark.label))
    }
}

fn class(line: &Curve) -> String {
    let stroke = match line.stroke {
        Stroke::Solid | Stroke::Filled => "",
        Stroke::Thin => " thin",
        Stroke::Dashed => " dashed",
    };
    format!("line {}{stroke}", line.colour.shades().0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::Axis;
    use super::*;

    #[test]
    fn a_chart_names_all_that_it_draws() {
        let mut panel = Panel::new(
            "Current, A & more",
            Axis::hours(),
            vec![
                Curve::new("current", Colour::Blue, vec![(0.0, -5.0), (24.0, 10.0)]).drawn(Stroke::Filled),
                Curve::new("limit", Colour::Red, vec![(0.0, f64::NAN), (24.0, 9.0)]).drawn(Stroke::Dashed),
            ],
        );
        panel.bands.push(Band { label: "Bulk".into(), colour: Colour::Green, from: 0.0, to: 12.0 });
        panel.marks.push(Mark { label: "noon".into(), at: 12.0 });
        let svg = Chart { title: "<day>".into(), note: "note".into(), panels: vec![panel] }.to_svg();
        for part in ["&lt;day&gt;", "Current, A &amp; more", ">limit<", ">Bulk<", ">noon<", ">12:00<", ">−5<", ">10<"] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
