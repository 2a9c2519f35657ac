//! `status`: all batteries on D-Bus, of any driver, one line each.

use super::Failure;
use crate::base::calendar::DateTime;
use crate::base::printable::printable_name;
use crate::base::runtime::{self, StopSignals, now, sleep_until};
use crate::dbus::{BusAddress, BusReader, BusValue, DbusError, ViewReply};
use crate::output::api::{GxSetting, Kind, View, bank_id};
use crate::service::RunError;
use crate::terminal::output::Show;
use crate::terminal::paint::{Piece, Style, line, screen};
use crate::tools::doctor;
use clap::Args;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Show all batteries on D-Bus, one line each
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Print one JSON object per battery
    #[arg(long)]
    pub json: bool,
    /// Refresh every second until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// A limit and the rule that sets it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// V or A.
    pub value: f64,
    /// Reason; absent if the driver gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A battery on the bus; unknown values are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(default)]
pub struct Status {
    /// D-Bus name.
    pub service: String,
    /// The owner's name for it, else the product's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// DeviceInstance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<f64>,
    /// State of charge, %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soc_pct: Option<f64>,
    /// Pack voltage, V.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voltage_v: Option<f64>,
    /// Current, A; positive charges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_a: Option<f64>,
    /// Charge voltage limit, V.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cvl: Option<Limit>,
    /// Charge current limit, A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ccl: Option<Limit>,
    /// Discharge current limit, A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dcl: Option<Limit>,
    /// How fresh the data is: "fresh", "stale" (values unknown), "silent" (cable warning), "lost" (cable alarm).
    pub data: &'static str,
    /// State of the line to the BMS, as its driver describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Share of the BMS requests of the last minute with a valid answer, %. Only this driver publishes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_minute_pct: Option<f64>,
    /// In the last hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_hour_pct: Option<f64>,
    /// In the last 24 hours, or since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_day_pct: Option<f64>,
    /// Notes that are not alarms, such as chargers that exceed the limit. Only this driver publishes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Settings that differ between the GX and the configuration. Only this driver publishes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gx_settings: Vec<GxSetting>,
    /// Its bank. Only this driver publishes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank: Option<Membership>,
    /// The service that starts this bank; absent for a battery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
}

/// The bank that a battery belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Membership {
    /// Its id, `bank_` and its name.
    pub id: String,
    /// Whether it is on D-Bus.
    pub runs: bool,
}

impl StatusArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure::NoBattery`]; [`Failure::Run`] without a bus.
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let bus = || BusAddress::from_env(self.bus.as_deref());
        if self.watch {
            return runtime::block_on(watch(out, show, bus))?;
        }
        let all = runtime::block_on(read_batteries(bus()))?.map_err(RunError::from)?;
        if all.is_empty() {
            return Err(Failure::NoBattery);
        }
        Ok(print(out, show, &all)?)
    }
}

fn print(out: &mut dyn Write, show: Show, all: &[Status]) -> io::Result<()> {
    match show {
        Show::Json => all.iter().try_for_each(|battery| writeln!(out, "{}", serde_json::to_string(battery)?)),
        Show::Table { colour, .. } => out.write_all(table(all, colour).as_bytes()),
    }
}

/// Refresh period.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Prints the status every second until a signal. A lost bus or battery does not end it: both may come back.
async fn watch(out: &mut dyn Write, show: Show, bus: impl Fn() -> Result<BusAddress, DbusError>) -> Result<(), Failure> {
    let mut signals = StopSignals::new()?;
    // A terminal of unknown type cannot be repainted: there the blocks follow each other.
    let paints = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    let mut first = true;
    loop {
        let next = now().at.after(REFRESH_INTERVAL);
        let looked = tokio::select! {
            looked = read_batteries(bus()) => looked,
            _ = signals.recv() => return Ok(()),
        };
        // No bus at the start is an error, not something to wait for.
        let looked = if std::mem::take(&mut first) { Ok(looked.map_err(RunError::from)?) } else { looked };
        draw(out, show, paints, &looked)?;
        tokio::select! {
            () = sleep_until(next) => {}
            _ = signals.recv() => return Ok(()),
        }
    }
}

/// One block of [`watch`].
fn draw(out: &mut dyn Write, show: Show, paints: bool, looked: &Result<Vec<Status>, DbusError>) -> io::Result<()> {
    let Show::Table { colour, .. } = show else {
        looked.iter().try_for_each(|all| print(out, show, all))?;
        return out.flush();
    };
    let head = Piece::new(format!("{}; Ctrl-C to stop", now().unix.map(clock).unwrap_or_default()), Style::Dim);
    let text = match looked {
        Ok(all) if all.is_empty() => "no battery on D-Bus at present\n".to_owned(),
        Ok(all) => table(all, colour),
        Err(error) => format!("{error}\n"),
    };
    let block = format!("{}\n{text}", line(&[head], colour));
    if paints {
        out.write_all(screen(&block).as_bytes())?;
    } else {
        writeln!(out, "{block}")?;
    }
    out.flush()
}

/// `13:40:05 UTC`
fn clock(unix: u64) -> String {
    let DateTime { hour, minute, second, .. } = DateTime::at(unix);
    format!("{hour:02}:{minute:02}:{second:02} UTC")
}

/// The batteries on the bus.
///
/// # Errors
/// When there is no bus.
pub(super) async fn read_batteries(bus: Result<BusAddress, DbusError>) -> Result<Vec<Status>, DbusError> {
    let bus = BusReader::connect(&bus?).await?;
    let mut all = Vec::new();
    for service in bus.batteries().await {
        all.push(battery(&bus, service).await);
    }
    let names: Vec<String> = all.iter().filter_map(|battery| Some(bank_id(battery.service.rsplit('.').next()?))).collect();
    for battery in all.iter_mut().filter_map(|battery| battery.bank.as_mut()) {
        battery.runs = names.contains(&battery.id);
    }
    Ok(all)
}

async fn battery(bus: &BusReader, service: String) -> Status {
    let text = async |path: &str| bus.read(&service, path).await.and_then(BusValue::text).filter(|text| !text.is_empty());
    let number = async |path: &str| bus.read(&service, path).await.and_then(|read| read.number());
    let limit = async |path: &str, why: &str| Some(Limit { value: number(path).await?, why: text(why).await });
    let connected = number("/Connected").await;
    let voltage_v = number("/Dc/0/Voltage").await;
    let data = match (connected, number("/Alarms/BmsCable").await) {
        (Some(0.0), _) => "lost",
        (_, Some(level)) if level >= 2.0 => "lost",
        (_, Some(level)) if level >= 1.0 => "silent",
        _ if voltage_v.is_none() => "stale",
        _ => "fresh",
    };
    let view = match bus.view(&service).await {
        Ok(ViewReply::View(view)) => *view,
        // A battery of another driver, or without a reply.
        _ => View::default(),
    };
    let name = match text("/CustomName").await {
        Some(name) => Some(name),
        None => text("/ProductName").await,
    };
    Status {
        name: name.as_deref().map(printable_name),
        instance: number("/DeviceInstance").await,
        soc_pct: number("/Soc").await,
        voltage_v,
        current_a: number("/Dc/0/Current").await,
        cvl: limit("/Info/MaxChargeVoltage", "/Info/ChargeMode").await,
        ccl: limit("/Info/MaxChargeCurrent", "/Info/ChargeLimitation").await,
        dcl: limit("/Info/MaxDischargeCurrent", "/Info/DischargeLimitation").await,
        data,
        line: text("/ConnectionInformation").await,
        good_minute_pct: view.line.good_minute_pct,
        good_hour_pct: view.line.good_hour_pct,
        good_day_pct: view.line.good_day_pct,
        notes: view.notices.notes.into_iter().map(Cow::into_owned).collect(),
        gx_settings: view.notices.gx_settings,
        bank: view.identity.bank.map(|id| Membership { id, runs: false }),
        started_by: (view.identity.kind == Kind::Bank).then(who_starts),
        service,
    }
}

/// What starts the bank on this computer.
fn who_starts() -> String {
    let service = doctor::BANK_SERVICE;
    if Path::new(service).exists() { format!("the service {service}") } else { "hand (`dbus-bms bank` or `run`)".to_owned() }
}

/// Heading of the shares of good replies.
const REPLY_RATES_HEADING: &str = "Good replies 1 min / 1 h / 24 h";

/// Columns of the table.
const COLUMN_COUNT: usize = 10;

/// The table for people: a line per battery, columns as wide as their longest entry.
fn table(all: &[Status], colour: bool) -> String {
    let number = |value: Option<f64>, digits: usize, unit: &str| {
        value.map_or("unknown".to_owned(), |value| format!("{value:.digits$} {unit}"))
    };
    let limit = |limit: &Option<Limit>, digits: usize, unit: &str| {
        limit.as_ref().map_or("none".to_owned(), |Limit { value, why }| {
            let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{value:.digits$} {unit}{why}")
        })
    };
    let heading =
        ["Battery", "SoC", "Voltage", "Current", "Charge to", "Charge with", "Discharge with", "Data", REPLY_RATES_HEADING, "Line"];
    let mut rows = vec![heading.map(|text| Piece::new(text, Style::Dim))];
    rows.extend(all.iter().map(|battery| {
        let style = match battery.data {
            "fresh" => Style::Plain,
            "lost" => Style::Alarm,
            _ => Style::Warning,
        };
        let short = battery.service.rsplit('.').next().unwrap_or_default();
        let name = battery.name.as_ref().map_or(short.to_owned(), |name| format!("{name} [{short}]"));
        [
            Piece::new(name, Style::Title),
            Piece::new(number(battery.soc_pct, 0, "%"), Style::Plain),
            Piece::new(number(battery.voltage_v, 2, "V"), Style::Plain),
            Piece::new(number(battery.current_a, 1, "A"), Style::Plain),
            Piece::new(limit(&battery.cvl, 2, "V"), Style::Plain),
            Piece::new(limit(&battery.ccl, 1, "A"), Style::Plain),
            Piece::new(limit(&battery.dcl, 1, "A"), Style::Plain),
            Piece::new(battery.data, style),
            Piece::new(replies(battery), Style::Plain),
            Piece::new(battery.line.clone().unwrap_or_default(), Style::Plain),
        ]
    }));
    let mut widths = [0; COLUMN_COUNT];
    for row in &rows {
        for (width, piece) in widths.iter_mut().zip(row) {
            *width = piece.width().max(*width);
        }
    }
    let padded = |row: [Piece; COLUMN_COUNT]| {
        let pieces: Vec<Piece> = row
            .into_iter()
            .zip(widths)
            .map(|(piece, width)| {
                let blanks = " ".repeat(width.saturating_sub(piece.width()).saturating_add(2));
                Piece::new(format!("{}{blanks}", piece.text), piece.style)
            })
            .collect();
        line(&pieces, colour).trim_end().to_owned() + "\n"
    };
    // Under the heading a line per battery, each with its notes.
    let notes = all.iter().map(|battery| notes(battery, colour));
    rows.into_iter().map(padded).zip(std::iter::once(String::new()).chain(notes)).map(|(row, notes)| row + &notes).collect()
}

/// `100 / 99.9 / 99.9 %`: good replies of the last minute, hour and day.
fn replies(battery: &Status) -> String {
    let all = [battery.good_minute_pct, battery.good_hour_pct, battery.good_day_pct];
    if all.iter().all(Option::is_none) {
        return String::new();
    }
    let text = |share: Option<f64>| share.map_or("?".to_owned(), |share| share.to_string());
    format!("{} %", all.map(text).join(" / "))
}

/// The notes under a battery's line.
fn notes(battery: &Status, colour: bool) -> String {
    let note = |setting: &GxSetting| {
        let (mark, style) = if setting.refused.is_some() { ("  refused: ", Style::Warning) } else { ("  note: ", Style::Dim) };
        let what = line(&[Piece::new(mark, style), Piece::new(setting.text.clone(), Style::Plain)], colour);
        format!("{what}\n{}\n", line(&[Piece::new(format!("    -> {}", setting.remedy), Style::Plain)], colour))
    };
    let plain_note =
        |mark: &str, style, text: String| line(&[Piece::new(mark, style), Piece::new(text, Style::Plain)], colour) + "\n";
    let started = battery.started_by.iter().map(|by| plain_note("  bank: ", Style::Dim, format!("runs, started by {by}")));
    let away = battery.bank.iter().filter(|bank| !bank.runs).map(|bank| {
        let what = format!("its bank ({}) does not run; `dbus-bms doctor` says what starts it", bank.id);
        plain_note("  warning: ", Style::Warning, what)
    });
    let notes = battery.notes.iter().map(|note| plain_note("  note: ", Style::Dim, note.clone()));
    notes.chain(battery.gx_settings.iter().map(note)).chain(started).chain(away).collect()
}
