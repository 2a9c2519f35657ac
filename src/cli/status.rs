//! `status`: all batteries on D-Bus, of any driver, with their limits and the reasons.

use super::Failure;
use crate::base::calendar::DateTime;
use crate::base::natural::natural_order;
use crate::base::printable::printable_name;
use crate::base::runtime::{self, StopSignals, now, sleep_until};
use crate::dbus::{BusAddress, BusReader, BusValue, DbusError, ViewReply};
use crate::output::api::{GxSetting, Kind, View, bank_id};
use crate::service::RunError;
use crate::terminal::cells::numbered;
use crate::terminal::output::{Show, paintable_rows};
use crate::terminal::paint::{LABEL_WIDTH, Piece, Style, line, row, screen};
use crate::terminal::table::labelled;
use crate::tools::doctor;
use clap::Args;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Show all batteries on D-Bus, with their limits and the reasons
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Print one JSON object per battery
    #[arg(long)]
    pub json: bool,
    /// Also show every cell voltage
    #[arg(long)]
    pub cells: bool,
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
    pub instance: Option<i64>,
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
    /// Voltage of each cell, V, with `--cells`. Only this driver publishes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cell_voltages_v: Vec<f64>,
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
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let show = Show::for_people(self.json);
        let bus = || BusAddress::from_env(self.bus.as_deref());
        if self.watch {
            return runtime::block_on(self.watch(out, show, bus))?;
        }
        let all = runtime::block_on(read_batteries(bus()))?.map_err(RunError::from)?;
        if all.is_empty() {
            return Err(Failure::NoBattery);
        }
        Ok(self.print(out, show, all)?)
    }

    fn print(&self, out: &mut dyn Write, show: Show, mut all: Vec<Status>) -> io::Result<()> {
        if !self.cells {
            all.iter_mut().for_each(|battery| battery.cell_voltages_v.clear());
        }
        match show {
            Show::Json => all.iter().try_for_each(|battery| writeln!(out, "{}", serde_json::to_string(battery)?)),
            Show::Table { width, colour } => out.write_all(table(&all, width, colour).as_bytes()),
        }
    }

    /// Prints the status every second until a signal. A lost bus or battery does not end it: both may come back.
    async fn watch(&self, out: &mut dyn Write, show: Show, bus: impl Fn() -> Result<BusAddress, DbusError>) -> Result<(), Failure> {
        let mut signals = StopSignals::new()?;
        let mut first = true;
        loop {
            let next = now().at.after(REFRESH_INTERVAL);
            let looked = tokio::select! {
                looked = read_batteries(bus()) => looked,
                _ = signals.recv() => return Ok(()),
            };
            // No bus at the start is an error, not something to wait for.
            let looked = if std::mem::take(&mut first) { Ok(looked.map_err(RunError::from)?) } else { looked };
            self.draw(out, show, looked)?;
            tokio::select! {
                () = sleep_until(next) => {}
                _ = signals.recv() => return Ok(()),
            }
        }
    }

    /// One block of [`Self::watch`].
    fn draw(&self, out: &mut dyn Write, show: Show, looked: Result<Vec<Status>, DbusError>) -> io::Result<()> {
        let Show::Table { width, colour } = show else {
            looked.into_iter().try_for_each(|all| self.print(out, show, all))?;
            return out.flush();
        };
        let head = Piece::new(format!("{}; Ctrl-C to stop", now().unix.map(clock).unwrap_or_default()), Style::Dim);
        let mut text = format!("{}\n\n", line(&[head], colour)).into_bytes();
        match looked {
            Ok(all) if all.is_empty() => text.extend_from_slice(b"no battery on D-Bus at present\n"),
            Ok(all) => self.print(&mut text, show, all)?,
            Err(error) => text.extend_from_slice(labelled("Bus", &[error.to_string()], width, colour).as_bytes()),
        }
        let text = String::from_utf8_lossy(&text);
        // A terminal of unknown type and a pipe cannot be repainted: there the blocks follow each other.
        match paintable_rows() {
            Some(rows) => out.write_all(screen(&text, rows).as_bytes())?,
            None => writeln!(out, "{text}")?,
        }
        out.flush()
    }
}

/// Refresh period.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

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
    let name = |battery: &Status| battery.name.clone().unwrap_or_default();
    all.sort_by(|a, b| natural_order(&name(a), &name(b)).then_with(|| natural_order(&a.service, &b.service)));
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
        instance: number("/DeviceInstance").await.map(|number| number as i64),
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
        cell_voltages_v: view.cells.cell_voltages_v,
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

/// The table for people: a block per battery, none of its lines wider than the terminal except for commands to copy.
fn table(all: &[Status], width: usize, colour: bool) -> String {
    let blocks: Vec<String> = all.iter().map(|battery| block(battery, width, colour)).collect();
    blocks.join("\n")
}

fn block(battery: &Status, width: usize, colour: bool) -> String {
    let style = match battery.data {
        "fresh" => Style::Plain,
        "lost" => Style::Alarm,
        _ => Style::Warning,
    };
    let number = |value: Option<f64>, what: &str, digits: usize, unit: &str| {
        Piece::new(value.map_or(format!("{what} unknown"), |value| format!("{value:.digits$} {unit}")), Style::Plain)
    };
    let short = battery.service.rsplit('.').next().unwrap_or_default();
    let name = battery.name.as_ref().map_or(short.to_owned(), |name| format!("{name} [{short}]"));
    let title = vec![
        Piece::new(name, Style::Title),
        number(battery.soc_pct, "SoC", 0, "%"),
        number(battery.voltage_v, "voltage", 2, "V"),
        number(battery.current_a, "current", 1, "A"),
        Piece::new(format!("data {}", battery.data), style),
    ];
    let limit = |limit: &Option<Limit>, digits: usize, unit: &str| match limit {
        Some(Limit { value, why }) => {
            let value = format!("{value:.digits$} {unit}");
            std::iter::once(value).chain(why.clone()).map(|text| Piece::new(text, Style::Plain)).collect()
        }
        None => vec![Piece::new("no limit", Style::Dim)],
    };
    let plain = |text: String| vec![Piece::new(text, Style::Plain)];
    let mut rows = vec![("Battery", title)];
    if battery.bank.as_ref().is_some_and(|bank| bank.runs)
        && [&battery.cvl, &battery.ccl, &battery.dcl].iter().all(|limit| limit.is_none())
    {
        rows.push(("Limits", vec![Piece::new("set by its bank", Style::Dim)]));
    } else {
        rows.extend([
            ("Charge to", limit(&battery.cvl, 2, "V")),
            ("Charge", limit(&battery.ccl, 1, "A")),
            ("Discharge", limit(&battery.dcl, 1, "A")),
        ]);
    }
    if !battery.cell_voltages_v.is_empty() {
        rows.push(("Cells", numbered(&battery.cell_voltages_v)));
    }
    let replies: Vec<Piece> = replies(battery).into_iter().chain(battery.line.clone()).flat_map(plain).collect();
    if !replies.is_empty() {
        rows.push(("Replies", replies));
    }
    rows.extend(battery.started_by.iter().map(|by| ("Bank", plain(format!("runs, started by {by}")))));
    rows.extend(battery.bank.iter().filter(|bank| !bank.runs).map(|bank| {
        let what = format!("its bank ({}) does not run; `dbus-bms doctor` says what starts it", bank.id);
        ("Warning", vec![Piece::new(what, Style::Warning)])
    }));
    rows.extend(battery.notes.iter().map(|note| ("Note", plain(note.clone()))));
    let mut text: String = rows.iter().map(|(label, items)| lines(row(label, items, width, colour))).collect();
    for setting in &battery.gx_settings {
        let (label, style) = if setting.refused.is_some() { ("Refused", Style::Warning) } else { ("Note", Style::Plain) };
        text += &lines(row(label, &[Piece::new(setting.text.clone(), style)], width, colour));
        // Not cut: its end is a command to copy.
        text += &lines(vec![format!("{:LABEL_WIDTH$}-> {}", "", setting.remedy)]);
    }
    text
}

fn lines(rows: Vec<String>) -> String {
    rows.into_iter().map(|row| row.trim_end().to_owned() + "\n").collect()
}

/// Good replies of the last minute, hour and day.
fn replies(battery: &Status) -> Option<String> {
    let all = [battery.good_minute_pct, battery.good_hour_pct, battery.good_day_pct];
    all.iter().any(Option::is_some).then(|| {
        let text = |share: Option<f64>| share.map_or("?".to_owned(), |share| share.to_string());
        format!("{} % good in 1 min / 1 h / 24 h", all.map(text).join(" / "))
    })
}
