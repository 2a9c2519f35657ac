//! A reading as a table for a terminal.

use super::cells::cells;
use super::paint::{Piece, Style, line, plain, row};
use crate::base::units::{AmpHours, Amps, Celsius, Volts};
use crate::bms::driver;
use crate::model::{Alarm, Balancing, BmsSettings, Chemistry, Device, Fets, FieldInfo, Level, Reading, Temperatures};
use std::fmt::Display;

/// Minimum width of a table.
const NARROWEST_TABLE: usize = 40;

/// The reading in lines of at most `width` columns (40 or more), with colour escape codes if `colour` is set. Unknown values are
/// omitted.
pub fn table(reading: &Reading, width: usize, colour: bool) -> String {
    let width = width.max(NARROWEST_TABLE);
    let rows = Rows::new(reading);
    let mut lines = row("Battery", &rows.title, width, colour);
    let labelled = [
        ("Pack", rows.pack),
        ("Charge", rows.charge),
        ("Switches", rows.switches),
        ("Temps", rows.temperatures),
        ("Alarms", rows.alarms),
        ("Notes", rows.notes),
        ("Settings", rows.settings),
    ];
    for (label, items) in labelled.iter().filter(|(_, items)| !items.is_empty()) {
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
    row(label, &items, width.max(NARROWEST_TABLE), colour).into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// An item that is shown only if it has a value: its label in the table of the model, and the value.
fn item<T: Display>(value: &Option<T>, FieldInfo { label, .. }: FieldInfo) -> Option<Piece> {
    value.as_ref().map(|value| plain(format!("{label} {value}")))
}

fn items<const N: usize>(items: [Option<Piece>; N]) -> Vec<Piece> {
    items.into_iter().flatten().collect()
}

/// Contents of each row.
struct Rows {
    title: Vec<Piece>,
    pack: Vec<Piece>,
    charge: Vec<Piece>,
    switches: Vec<Piece>,
    temperatures: Vec<Piece>,
    alarms: Vec<Piece>,
    notes: Vec<Piece>,
    settings: Vec<Piece>,
}

impl Rows {
    /// Every field of a reading is named, so that a new one cannot be forgotten.
    #[rustfmt::skip]
    fn new(reading: &Reading) -> Self {
        let Reading {
            bms, address, voltage, current, soc, soh, remaining, capacity, full_charge, design, cycles, alarms, notes, heating, heating_current,
            throughput, humidity, settings, highest_cell, lowest_cell,
            device: Device { model, serial_number, hw_version, sw_version, production_date },
            temperatures: Temperatures { sensors: in_place, mos, board, environment },
            // Voltage times current is shown instead: some boards report power without a sign.
            power: _,
            // In the rows of the cells.
            cells: _, cells_complete: _, cell_count: _,
            balancing: Balancing { active: balancing, current: balance_current, cells: _, allowed: _ },
            // Of the switches the JSON output only: their effect shows in the FETs.
            fets: Fets { charge, discharge, charge_switch: _, discharge_switch: _ },
            // Not shown.
            label: _, awaited: _, open: _, without_cells: _,
        } = reading;
        let info = Reading::FIELDS;
        let family = driver(bms).map_or(*bms, |driver| driver.label);
        let name = model.as_ref().map_or(family.to_owned(), |model| format!("{family} {model}"));
        Self {
            title: items([
                Some(Piece::new(name, Style::Title)),
                item(address, info.address),
                item(serial_number, info.device.serial_number),
                item(hw_version, info.device.hw_version),
                item(sw_version, info.device.sw_version),
                item(production_date, info.device.production_date),
            ]),
            pack: pack(*voltage, *current),
            charge: items([
                item(soc, info.soc),
                charge_left(*remaining, *capacity),
                item(full_charge, info.full_charge),
                item(&design.filter(|design| Some(*design) != *capacity), info.design),
                item(soh, info.soh),
                item(lowest_cell, info.lowest_cell),
                item(highest_cell, info.highest_cell),
                cycles.map(|cycles| plain(format!("{cycles} cycles"))),
                item(throughput, info.throughput),
            ]),
            switches: items([
                switch(*charge, info.fets.charge),
                switch(*discharge, info.fets.discharge),
                balancing.map(|on| if on { Piece::new("balancing", Style::Balancing) } else { plain("not balancing") }),
                item(balance_current, info.balancing.current),
                heating.filter(|on| *on).map(|_| Piece::new("heating", Style::Warning)),
                item(heating_current, info.heating_current),
            ]),
            temperatures: sensors(in_place.as_deref())
                .chain(item(mos, info.temperatures.mos))
                .chain(item(board, info.temperatures.board))
                .chain(item(environment, info.temperatures.environment))
                .chain(item(humidity, info.humidity))
                .collect(),
            alarms: alarm_pieces(alarms.as_deref()),
            notes: notes.iter().map(plain).collect(),
            settings: setting_pieces(settings),
        }
    }
}

fn pack(voltage: Option<Volts>, current: Option<Amps>) -> Vec<Piece> {
    let direction = |amps: f64| match amps {
        amps if amps > 0.0 => " (charging)",
        amps if amps < 0.0 => " (discharging)",
        _ => "",
    };
    items([
        voltage.map(plain),
        current.map(|amps| plain(format!("{amps}{}", direction(amps.get())))),
        voltage.zip(current).map(|(volts, amps)| plain(format!("{:.1} W", volts.get() * amps.get()))),
    ])
}

fn charge_left(remaining: Option<AmpHours>, capacity: Option<AmpHours>) -> Option<Piece> {
    match (remaining, capacity) {
        (Some(left), Some(all)) => Some(plain(format!("{} of {all}", left.get()))),
        (Some(left), None) => Some(plain(format!("{left} left"))),
        (None, all) => item(&all, Reading::FIELDS.capacity),
    }
}

fn switch(state: Option<bool>, FieldInfo { label, .. }: FieldInfo) -> Option<Piece> {
    state.map(|on| if on { plain(format!("{label} on")) } else { Piece::new(format!("{label} off"), Style::Warning) })
}

fn sensors(listed: Option<&[Celsius]>) -> impl Iterator<Item = Piece> {
    let none = listed.is_some_and(<[Celsius]>::is_empty).then(|| plain("no sensor"));
    listed.unwrap_or_default().iter().map(plain).chain(none)
}

fn alarm_pieces(alarms: Option<&[Alarm]>) -> Vec<Piece> {
    match alarms {
        None => Vec::new(),
        Some([]) => vec![plain("none")],
        Some(alarms) => alarms.iter().map(alarm).collect(),
    }
}

fn alarm(alarm: &Alarm) -> Piece {
    // The names of the JSON output, so that people and scripts use the same ones.
    let name = serde_json::to_value(alarm.name).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    match alarm.level {
        Level::Warning => Piece::new(format!("{name} (warning)"), Style::Warning),
        Level::Alarm => Piece::new(format!("{name} (alarm)"), Style::Alarm),
    }
}

#[rustfmt::skip]
fn setting_pieces(settings: &BmsSettings) -> Vec<Piece> {
    let BmsSettings {
        chemistry, cell_ovp, cell_uvp, pack_ovp, pack_uvp, charge_ocp, discharge_ocp, charge_limit, discharge_limit,
        voltage_limit,
    } = settings;
    let info = BmsSettings::FIELDS;
    items([
        chemistry.map(|chemistry| plain(match chemistry {
            Chemistry::Lfp => "LFP",
            Chemistry::Nmc => "NMC",
            Chemistry::Lto => "LTO",
            Chemistry::Sodium => "sodium-ion",
        })),
        item(cell_ovp, info.cell_ovp),
        item(cell_uvp, info.cell_uvp),
        item(pack_ovp, info.pack_ovp),
        item(pack_uvp, info.pack_uvp),
        item(charge_ocp, info.charge_ocp),
        item(discharge_ocp, info.discharge_ocp),
        item(charge_limit, info.charge_limit),
        item(discharge_limit, info.discharge_limit),
        item(voltage_limit, info.voltage_limit),
    ])
}
