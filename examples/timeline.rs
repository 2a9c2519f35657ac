//! Draws what `tests/venus/check.sh --bank --csv FILE` has seen: `cargo run --example timeline -- FILE PICTURE.svg`.

use dbus_bms::tools::chart::{Axis, Chart, Colour, Curve, Mark, Panel, Stroke};
use std::error::Error;
use std::fs;

/// The rows of a CSV file with a head.
struct Table<'a> {
    head: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Table<'a> {
    fn read(text: &'a str) -> Self {
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        Self { head: lines.next().unwrap_or_default(), rows: lines.collect() }
    }

    /// A column over time; where nothing was published there is `gap`, or no point.
    fn points(&self, name: &str, gap: Option<f64>) -> Vec<(f64, f64)> {
        let column = |name: &str| self.head.iter().position(|head| *head == name);
        let (Some(t), Some(y)) = (column("t"), column(name)) else { return Vec::new() };
        let cell = |row: &Vec<&str>, at: usize| row.get(at).and_then(|cell| cell.parse::<f64>().ok());
        self.rows.iter().filter_map(|row| Some((cell(row, t)?, cell(row, y).or(gap)?))).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(csv), Some(picture)) = (arguments.next(), arguments.next()) else {
        return Err("usage: timeline FILE PICTURE.svg".into());
    };
    let (text, marks) = (fs::read_to_string(&csv)?, fs::read_to_string(format!("{csv}.marks"))?);
    let table = Table::read(&text);
    let marks: Vec<Mark> = marks
        .lines()
        .filter_map(|line| line.split_once(','))
        .filter_map(|(at, label)| Some(Mark { label: label.to_owned(), at: at.parse().ok()? }))
        .collect();
    let current = |title: &str, limit: &str, told: bool| {
        let mut lines = vec![
            Curve::new("allowed", Colour::Grey, table.points(&format!("allowed{limit}"), None)).drawn(Stroke::Filled),
            Curve::new("bank", Colour::Blue, table.points(&format!("bank{limit}"), Some(0.0))),
            Curve::new("members, sum", Colour::Orange, table.points(&format!("members{limit}"), Some(0.0))),
        ];
        if told {
            let points = table.points(&format!("told{limit}"), None);
            lines.push(Curve::new("sent to the inverter", Colour::Red, points).drawn(Stroke::Dashed));
        }
        Panel::new(title, Axis::fitting(), lines)
    };
    let mut discharge = current("Discharge current limit, A", "MaxDischargeCurrent", true);
    discharge.marks.clone_from(&marks);
    let mut charge = current("Charge current limit, A", "MaxChargeCurrent", false);
    let voltage = vec![
        Curve::new("lowest of the batteries", Colour::Grey, table.points("allowedMaxChargeVoltage", None)).drawn(Stroke::Thin),
        Curve::new("sent to the inverter", Colour::Red, table.points("toldMaxChargeVoltage", None)).drawn(Stroke::Dashed),
    ];
    let mut voltage = Panel::new("Charge voltage limit, V", Axis::fitting(), voltage);
    voltage.y = Axis::between("", 53.0, 56.0);
    voltage.x.label = "seconds".to_owned();
    for panel in [&mut charge, &mut voltage] {
        let unnamed = marks.iter().map(|mark| Mark { label: String::new(), at: mark.at });
        panel.marks = unnamed.collect();
    }
    let chart = Chart {
        title: "Three batteries and their bank, as Venus OS sees them".to_owned(),
        note: "One BMS falls silent and returns, one driver is killed and returns, the bank is killed and returns, and is stopped"
            .to_owned(),
        panels: vec![discharge, charge, voltage],
    };
    fs::write(picture, chart.to_svg())?;
    Ok(())
}
