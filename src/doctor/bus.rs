//! The bus as the GX sees it: batteries, who controls charging, DVCC.

use super::Report;
use crate::sink::dbus::{BusAddress, BusReader, DbusError, Read, Told};

const SYSTEM: &str = "com.victronenergy.system";
const SETTINGS: &str = "com.victronenergy.settings";
const CHOOSE: &str = "Settings, DVCC, Controlling BMS: choose one; or combine the batteries (README, several batteries)";

/// A battery on the bus.
struct Battery {
    service: String,
    name: String,
    controls: bool,
}

pub(super) async fn examine(bus: Result<BusAddress, DbusError>, report: &mut Report) {
    report.about("bus");
    let connected = match bus {
        Ok(address) => BusReader::connect(&address).await,
        Err(error) => Err(error),
    };
    let bus = match connected {
        Ok(bus) => bus,
        Err(error) => return report.problem(error.to_string(), "on a GX device restart it; elsewhere see --bus"),
    };
    let mut batteries = Vec::new();
    for service in bus.batteries().await {
        batteries.push(battery(&bus, report, service).await);
    }
    if batteries.is_empty() {
        report.note("no battery is on the bus");
    }
    controlling(report, &batteries);
    if bus.is_there(SYSTEM).await {
        system(&bus, report, &batteries).await;
    }
}

/// One line about a battery, whoever serves it.
async fn battery(bus: &BusReader, report: &mut Report, service: String) -> Battery {
    let text = async |path: &str| bus.read(&service, path).await.and_then(Read::text);
    let number = async |path: &str| bus.read(&service, path).await.and_then(|read| read.number());
    let product = text("/ProductName").await.unwrap_or_else(|| "battery".to_owned());
    let name = text("/CustomName").await.filter(|name| !name.is_empty()).unwrap_or(product);
    let instance = number("/DeviceInstance").await.map(|instance| format!(", instance {instance}")).unwrap_or_default();
    let soc = number("/Soc").await.map_or_else(|| "state of charge unknown".to_owned(), |soc| format!("{soc:.0} %"));
    let cvl = number("/Info/MaxChargeVoltage").await;
    let limits = match (cvl, number("/Info/MaxChargeCurrent").await, number("/Info/MaxDischargeCurrent").await) {
        (Some(cvl), Some(ccl), Some(dcl)) => {
            let why = text("/Info/ChargeLimitation").await.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("charge to {cvl:.2} V with up to {ccl:.1} A{why}, discharge up to {dcl:.1} A")
        }
        _ => "gives no limits".to_owned(),
    };
    report.ok(format!("{service}: {name}{instance}, {soc}, {limits}"));
    match number("/Alarms/BmsCable").await {
        Some(level) if level > 0.0 => {
            let line = text("/ConnectionInformation").await.unwrap_or_default();
            report.problem(format!("{name} has a cable alarm: {line}"), "check the cable, and that the BMS is awake");
        }
        _ => {}
    }
    settings(bus, report, &service, &name).await;
    Battery { service, name, controls: cvl.is_some() }
}

/// Where the GX says something else than the configuration: which value holds. Only our own driver tells.
async fn settings(bus: &BusReader, report: &mut Report, service: &str, name: &str) {
    let Ok(Told::View(view)) = bus.view(service).await else { return };
    report.about("settings");
    for setting in &view.gx_settings {
        let what = format!("{name}: {}", setting.text);
        match setting.refused {
            None => report.advise(what, setting.remedy.clone()),
            Some(_) => report.problem(what, setting.remedy.clone()),
        }
    }
    report.about("bus");
}

fn controlling(report: &mut Report, batteries: &[Battery]) {
    let names: Vec<&str> = batteries.iter().filter(|battery| battery.controls).map(|battery| battery.name.as_str()).collect();
    if names.len() > 1 {
        report.problem(
            format!("{} batteries give limits ({}), and the GX obeys one of them only", names.len(), names.join(", ")),
            CHOOSE,
        );
    }
}

/// Whether the limits count.
async fn system(bus: &BusReader, report: &mut Report, batteries: &[Battery]) {
    let dvcc = bus.read(SETTINGS, "/Settings/Services/Bol").await.and_then(|read| read.number());
    match dvcc {
        Some(on) if on > 0.0 => report.ok("DVCC is on: chargers and inverters follow the limits"),
        Some(_) => report.problem("DVCC is off: chargers do not follow the limits", "Settings, DVCC: switch it on"),
        None => report.note("whether DVCC is on cannot be read"),
    }
    let active = bus.read(SYSTEM, "/ActiveBmsService").await.and_then(Read::text);
    match active.filter(|service| !service.is_empty()) {
        Some(service) => {
            let name =
                batteries.iter().find(|battery| battery.service == service).map_or(service.as_str(), |battery| &battery.name);
            report.ok(format!("the limits come from {name}"));
        }
        None if batteries.iter().any(|battery| battery.controls) => {
            report.problem(
                "the GX takes the limits of no battery",
                "Settings, DVCC, Controlling BMS: automatic, or choose your battery",
            );
        }
        None => {}
    }
}
