//! Table of what an inverter understands, for a terminal.

use crate::output::can::{Decoder, Inverter, InverterData, Item};
use crate::terminal::paint::{Piece, Style, plain, row};

/// The narrowest table.
const MIN_COLUMNS: usize = 40;

/// The table in lines of at most `width` columns (40 or more); values not sent are left out.
pub fn table(decoder: &Decoder, width: usize, colour: bool) -> String {
    let understood = decoder.understood();
    let data = &understood.battery;
    let rows: [(&str, Vec<Piece>); 9] = [
        ("Battery", battery(data, decoder.looks_like())),
        ("Limits", limits(data)),
        ("State", state(data)),
        ("Cells", cells(data)),
        ("Requests", requests(data)),
        ("Alarms", items(data.active.alarms.as_deref(), Style::Alarm)),
        ("Warnings", items(data.active.warnings.as_deref(), Style::Warning)),
        ("Inverter", understood.inverter.as_ref().map(inverter).unwrap_or_default()),
        ("Notes", understood.notes.iter().map(|note| Piece::new(note.clone(), Style::Warning)).collect()),
    ];
    let rows = rows.iter().filter(|(_, items)| !items.is_empty());
    rows.flat_map(|(label, items)| row(label, items, width.max(MIN_COLUMNS), colour))
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

fn some<const N: usize>(items: [Option<Piece>; N]) -> Vec<Piece> {
    items.into_iter().flatten().collect()
}

/// `1 module`, `2 modules`.
fn counted(count: impl Into<u16>, state: &str) -> String {
    let count = count.into();
    format!("{count} module{}{state}", if count == 1 { "" } else { "s" })
}

fn battery(data: &InverterData, profile: Option<&str>) -> Vec<Piece> {
    some([
        data.identity.manufacturer.as_ref().map(|maker| Piece::new(maker.clone(), Style::Title)),
        data.identity.product_name.as_ref().map(plain),
        data.identity
            .bms_name_1
            .as_ref()
            .map(|first| plain(format!("{first}{}", data.identity.bms_name_2.as_deref().unwrap_or_default()))),
        data.identity.serial_number.as_ref().map(|serial| plain(format!("serial {serial}"))),
        data.modules.module_count.map(|count| plain(counted(count, ""))),
        data.modules.online.map(|count| plain(counted(count, " online"))),
        profile.map(|name| plain(format!("speaks {name}"))),
    ])
}

fn limits(data: &InverterData) -> Vec<Piece> {
    some([
        data.limits.charge_voltage.map(|volts| plain(format!("CVL {volts:.1}"))),
        data.limits.charge_current_limit.map(|amps| plain(format!("CCL {amps:.1}"))),
        data.limits.discharge_current_limit.map(|amps| plain(format!("DCL {amps:.1}"))),
        data.limits.discharge_voltage.map(|volts| plain(format!("not below {volts:.1}"))),
    ])
}

fn state(data: &InverterData) -> Vec<Piece> {
    let direction = |amps: f64| match amps {
        amps if amps > 0.0 => " (charging)",
        amps if amps < 0.0 => " (discharging)",
        _ => "",
    };
    some([
        data.state.soc_hires.or(data.state.soc).map(|soc| plain(format!("SoC {soc}"))),
        data.state.soh.map(|soh| plain(format!("SoH {soh}"))),
        data.state.voltage.map(|volts| plain(format!("{volts:.2}"))),
        data.state.current.map(|amps| plain(format!("{amps:.1}{}", direction(amps.get())))),
        data.state.temperature.map(|celsius| plain(format!("{celsius:.1}"))),
        data.charge.capacity.map(plain),
        data.charge.installed_capacity.map(|capacity| plain(format!("of {capacity}"))),
    ])
}

fn cells(data: &InverterData) -> Vec<Piece> {
    let volts = |milli: u16| format!("{:.3} V", f64::from(milli) / 1000.0);
    let celsius = |kelvin: u16| format!("{:.0} °C", f64::from(kelvin) - 273.15);
    let end = |value: Option<String>, name: &Option<String>, what: &str, style| {
        let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        value.map(|value| Piece::new(format!("{what} {value}{name}"), style))
    };
    some([
        end(data.extremes.min_cell_mv.map(volts), &data.extremes.min_cell_v_id, "lowest", Style::Low),
        end(data.extremes.max_cell_mv.map(volts), &data.extremes.max_cell_v_id, "highest", Style::High),
        end(data.extremes.min_cell_temp_k.map(celsius), &data.extremes.min_cell_t_id, "coldest", Style::Plain),
        end(data.extremes.max_cell_temp_k.map(celsius), &data.extremes.max_cell_t_id, "hottest", Style::Plain),
    ])
}

fn requests(data: &InverterData) -> Vec<Piece> {
    let may = |what: &str, allowed: Option<bool>| {
        allowed.map(|yes| if yes { plain(format!("may {what}")) } else { Piece::new(format!("must not {what}"), Style::Warning) })
    };
    let wants = |what: &str, asked: Option<bool>| asked.filter(|asked| *asked).map(|_| Piece::new(what, Style::Warning));
    some([
        may("charge", data.requests.charge_enable),
        may("discharge", data.requests.discharge_enable),
        wants("force charge I", data.requests.force_charge_1),
        wants("force charge II", data.requests.force_charge_2),
        wants("full charge", data.requests.full_charge_request),
        wants("asks for charge", data.requests.force_charge_victron),
    ])
}

fn items(items: Option<&[Item]>, style: Style) -> Vec<Piece> {
    match items {
        None => Vec::new(),
        Some([]) => vec![plain("none")],
        Some(items) => items.iter().map(|item| Piece::new(item.name(), style)).collect(),
    }
}

fn inverter(inverter: &Inverter) -> Vec<Piece> {
    some([
        Some(plain(if inverter.heartbeat { "heard (0x305)" } else { "heard, without 0x305" })),
        inverter.voltage.map(|volts| plain(format!("measures {volts:.1}"))),
        inverter.current.map(|amps| plain(format!("{amps:.1}"))),
        inverter.temperature.map(|celsius| plain(format!("{celsius:.1}"))),
        inverter.soc.map(|soc| plain(format!("goes by SoC {soc}"))),
        inverter.charge_voltage.map(|volts| plain(format!("charges to {volts:.1}"))),
        inverter.remote_shutdown_request.then(|| Piece::new("asks the battery to shut down", Style::Alarm)),
        inverter.error.filter(|error| *error != 0).map(|error| Piece::new(format!("error {error}"), Style::Alarm)),
    ])
}
