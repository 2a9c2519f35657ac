//! A reading as a table for a terminal.

use super::cells::cells;
use super::paint::{Piece, Style, line, plain, row};
use crate::bms::driver;
use crate::model::{Alarm, BmsSettings, Chemistry, Level, Reading};

/// The narrowest table.
const NARROWEST: usize = 40;

/// The reading in lines of at most `width` columns (40 or more), with escape codes for colours where `colour` is set.
/// What is unknown is left out.
pub fn table(reading: &Reading, width: usize, colour: bool) -> String {
    let width = width.max(NARROWEST);
    let mut lines = row("Battery", &title(reading), width, colour);
    let rows: [(&str, Vec<Piece>); 7] = [
        ("Pack", pack(reading)),
        ("Charge", charge(reading)),
        ("Switches", switches(reading)),
        ("Temps", temperatures(reading)),
        ("Alarms", alarms(reading)),
        ("Notes", reading.notes.iter().map(plain).collect()),
        ("Settings", settings(&reading.settings)),
    ];
    for (label, items) in rows.iter().filter(|(_, items)| !items.is_empty()) {
        lines.extend(row(label, items, width, colour));
    }
    let (summary, bars) = cells(reading, width);
    if !summary.is_empty() {
        lines.extend(row("Cells", &summary, width, colour));
        lines.extend(bars.iter().map(|bar| line(bar, colour)));
    }
    lines.into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// One labelled row of plain items.
pub(crate) fn labelled(label: &str, items: &[String], width: usize, colour: bool) -> String {
    let items: Vec<Piece> = items.iter().map(plain).collect();
    row(label, &items, width.max(NARROWEST), colour).into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// An item that is there only when its value is.
fn item<T>(value: &Option<T>, text: impl FnOnce(&T) -> String) -> Option<Piece> {
    value.as_ref().map(|value| plain(text(value)))
}

fn items<const N: usize>(items: [Option<Piece>; N]) -> Vec<Piece> {
    items.into_iter().flatten().collect()
}

fn title(reading: &Reading) -> Vec<Piece> {
    let label = driver(reading.bms).map_or(reading.bms, |driver| driver.label);
    let name = reading.model.as_ref().map_or(label.to_owned(), |model| format!("{label} {model}"));
    items([
        Some(Piece::new(name, Style::Title)),
        item(&reading.address, |address| format!("address {address}")),
        item(&reading.serial_number, |number| format!("serial {number}")),
        item(&reading.hw_version, |version| format!("hardware {version}")),
        item(&reading.sw_version, |version| format!("firmware {version}")),
        item(&reading.production_date, |date| format!("made {date}")),
    ])
}

fn pack(reading: &Reading) -> Vec<Piece> {
    let direction = |amps: f64| match amps {
        amps if amps > 0.0 => " (charging)",
        amps if amps < 0.0 => " (discharging)",
        _ => "",
    };
    items([
        item(&reading.voltage, |volts| volts.to_string()),
        item(&reading.current, |amps| format!("{amps}{}", direction(amps.get()))),
        // Some boards send power without its sign; this is voltage times current.
        reading.voltage.zip(reading.current).map(|(volts, amps)| plain(format!("{:.1} W", volts.get() * amps.get()))),
    ])
}

fn charge(reading: &Reading) -> Vec<Piece> {
    let capacity = match (&reading.remaining, &reading.capacity) {
        (Some(left), Some(all)) => Some(plain(format!("{} of {all}", left.get()))),
        (Some(left), None) => Some(plain(format!("{left} left"))),
        (None, all) => item(all, |all| format!("capacity {all}")),
    };
    items([
        item(&reading.soc, |soc| format!("SoC {soc}")),
        capacity,
        item(&reading.full_charge, |charge| format!("full charge {charge}")),
        item(&reading.soh, |soh| format!("SoH {soh}")),
        item(&reading.cycles, |cycles| format!("{cycles} cycles")),
    ])
}

fn switches(reading: &Reading) -> Vec<Piece> {
    let switch = |name: &str, state: Option<bool>| {
        state.map(|on| if on { plain(format!("{name} on")) } else { Piece::new(format!("{name} off"), Style::Warning) })
    };
    let balancing = reading.balancing.map(|on| if on { Piece::new("balancing", Style::Balancing) } else { plain("not balancing") });
    items([
        switch("charge", reading.charge_fet),
        switch("discharge", reading.discharge_fet),
        balancing,
        item(&reading.balance_current, |amps| format!("balance current {amps}")),
    ])
}

fn temperatures(reading: &Reading) -> Vec<Piece> {
    let mut all: Vec<Piece> = reading.temperatures.iter().flatten().map(plain).collect();
    if reading.temperatures.as_ref().is_some_and(Vec::is_empty) {
        all.push(plain("no sensor"));
    }
    all.extend(item(&reading.mos_temperature, |celsius| format!("MOSFET {celsius}")));
    all.extend(item(&reading.humidity, |humidity| format!("humidity {humidity}")));
    all
}

fn alarms(reading: &Reading) -> Vec<Piece> {
    match reading.alarms.as_deref() {
        None => Vec::new(),
        Some([]) => vec![plain("none")],
        Some(alarms) => alarms.iter().map(alarm).collect(),
    }
}

fn alarm(alarm: &Alarm) -> Piece {
    // The names of the JSON output, so that a person and a script speak of the same thing.
    let name = serde_json::to_value(alarm.name).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    match alarm.level {
        Level::Warning => Piece::new(format!("{name} (warning)"), Style::Warning),
        Level::Alarm => Piece::new(format!("{name} (alarm)"), Style::Alarm),
    }
}

fn settings(settings: &BmsSettings) -> Vec<Piece> {
    let chemistry = |chemistry: &Chemistry| match chemistry {
        Chemistry::Lfp => "LFP",
        Chemistry::Nmc => "NMC",
        Chemistry::Lto => "LTO",
    };
    items([
        item(&settings.chemistry, |found| chemistry(found).to_owned()),
        item(&settings.cell_ovp, |volts| format!("cell max {volts}")),
        item(&settings.cell_uvp, |volts| format!("cell min {volts}")),
        item(&settings.pack_ovp, |volts| format!("pack max {volts}")),
        item(&settings.pack_uvp, |volts| format!("pack min {volts}")),
        item(&settings.charge_ocp, |amps| format!("charge max {amps}")),
        item(&settings.discharge_ocp, |amps| format!("discharge max {amps}")),
        item(&settings.charge_limit, |amps| format!("asks for charge {amps}")),
        item(&settings.discharge_limit, |amps| format!("asks for discharge {amps}")),
    ])
}
