//! The bus as the GX sees it: batteries, the controlling BMS, DVCC.

use super::Report;
use super::bank::{self, MemberRow};
use crate::base::printable::printable_name;
use crate::dbus::{BUS_POLICY, BusAddress, BusReader, BusValue, DbusError, ViewReply};
use crate::model::CHARGE_EXCESS_REMEDY;
use crate::output::api::{View, bank_id};

const SYSTEM: &str = "com.victronenergy.system";
const SETTINGS: &str = "com.victronenergy.settings";
const CHOOSE_BMS: &str = "choose one under Settings, DVCC, Controlling BMS; or combine the batteries as a bank (docs/bank.md)";

/// A battery on the bus.
struct BatteryRow {
    service: String,
    name: String,
    publishes_limits: bool,
    /// Its chargers exceed its limit.
    is_exceeded: bool,
    /// The id of its bank. Only this driver reports it.
    bank: Option<String>,
}

pub(super) async fn examine(bus: Result<BusAddress, DbusError>, report: &mut Report) {
    report.about("bus");
    let connected = match bus {
        Ok(address) => BusReader::connect(&address).await,
        Err(error) => Err(error),
    };
    let bus = match connected {
        Ok(bus) => bus,
        Err(error) => return report.problem(error.to_string(), "restart a GX device; elsewhere see --bus"),
    };
    let mut batteries = Vec::new();
    for service in bus.batteries().await {
        batteries.push(battery(&bus, report, service).await);
    }
    if batteries.is_empty() {
        report.note("no battery on the bus");
    }
    let member = |battery: &BatteryRow| Some(MemberRow { name: battery.name.clone(), bank: battery.bank.clone()? });
    let members: Vec<MemberRow> = batteries.iter().filter_map(member).collect();
    let ids: Vec<String> = batteries.iter().filter_map(|battery| Some(bank_id(battery.service.rsplit('.').next()?))).collect();
    bank::on_bus(&members, &ids, report);
    check_controlling_bms(report, &batteries);
    if bus.is_there(SYSTEM).await {
        system(&bus, report, &batteries).await;
    }
}

/// One line about a battery of any driver.
async fn battery(bus: &BusReader, report: &mut Report, service: String) -> BatteryRow {
    let text = async |path: &str| bus.read(&service, path).await.and_then(BusValue::text);
    let number = async |path: &str| bus.read(&service, path).await.and_then(|read| read.number());
    let product = text("/ProductName").await.unwrap_or_else(|| "battery".to_owned());
    let name = text("/CustomName").await.filter(|name| !name.trim().is_empty()).unwrap_or(product);
    let name = printable_name(&name);
    let instance = number("/DeviceInstance").await.map(|instance| format!(", instance {instance}")).unwrap_or_default();
    let soc = number("/Soc").await.map_or_else(|| "state of charge unknown".to_owned(), |soc| format!("{soc:.0} %"));
    let cvl = number("/Info/MaxChargeVoltage").await;
    let limits = match (cvl, number("/Info/MaxChargeCurrent").await, number("/Info/MaxDischargeCurrent").await) {
        (Some(cvl), Some(ccl), Some(dcl)) => {
            let why = text("/Info/ChargeLimitation").await.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("charge to {cvl:.2} V with up to {ccl:.1} A{why}, discharge up to {dcl:.1} A")
        }
        _ => "publishes no limits".to_owned(),
    };
    report.ok(format!("{service}: {name}{instance}, {soc}, {limits}"));
    match number("/Alarms/BmsCable").await {
        Some(level) if level > 0.0 => {
            let line = text("/ConnectionInformation").await.unwrap_or_default();
            report.problem(format!("{name} has a cable alarm: {line}"), "check the cable, and that the BMS is awake");
        }
        _ => {}
    }
    let view = match bus.view(&service).await {
        Ok(ViewReply::View(view)) => *view,
        Ok(ViewReply::Denied) => {
            report.problem(
                format!("{name}: the bus refuses to let this program ask for its details"),
                format!("install {BUS_POLICY}"),
            );
            View::default()
        }
        // A battery of another driver, or without a reply.
        _ => View::default(),
    };
    settings(report, &view, &name);
    if let Some(excess) = &view.notices.charge_excess {
        report.problem(format!("{name}: {excess}"), CHARGE_EXCESS_REMEDY);
    }
    BatteryRow {
        service,
        name,
        publishes_limits: cvl.is_some(),
        is_exceeded: view.notices.charge_excess.is_some(),
        bank: view.identity.bank,
    }
}

/// Settings that differ between the GX and the configuration, with the effective value. Only this driver publishes them.
fn settings(report: &mut Report, view: &View, name: &str) {
    report.about("settings");
    for setting in &view.notices.gx_settings {
        let what = format!("{name}: {}", setting.text);
        match setting.refused {
            None => report.advise(what, setting.remedy.clone()),
            Some(_) => report.problem(what, setting.remedy.clone()),
        }
    }
    report.about("bus");
}

fn check_controlling_bms(report: &mut Report, batteries: &[BatteryRow]) {
    let names: Vec<&str> =
        batteries.iter().filter(|battery| battery.publishes_limits).map(|battery| battery.name.as_str()).collect();
    if names.len() > 1 {
        report.problem(
            format!("{} batteries publish limits ({}), but the GX obeys only one of them", names.len(), names.join(", ")),
            CHOOSE_BMS,
        );
    }
}

/// With feed-in of DC-coupled PV the GX gives no current limit to solar chargers (dbus-systemcalc-py, `dvcc.py`).
fn feed_in(on: bool, report: &mut Report) {
    if on {
        report.advise(
            "DC-coupled PV feed-in is on: while the GX may feed in it gives solar chargers no current limit, only the charge voltage; \
             where charging is forbidden this driver lowers that to the pack's voltage",
            "to apply current limits as well, switch it off: Settings, ESS, DC-coupled PV - feed in excess",
        );
    }
}

/// Whether the limits take effect.
async fn system(bus: &BusReader, report: &mut Report, batteries: &[BatteryRow]) {
    let dvcc = bus.read(SETTINGS, "/Settings/Services/Bol").await.and_then(|read| read.number());
    let feed_in_setting = bus.read(SETTINGS, "/Settings/CGwacs/OvervoltageFeedIn").await.and_then(|read| read.number());
    let feeds_in = feed_in_setting.is_some_and(|on| on > 0.0);
    match dvcc {
        Some(on) if on > 0.0 && feeds_in => {
            report.ok("DVCC is on: inverters follow the limits; solar chargers follow the charge voltage only, see below");
        }
        Some(on) if on > 0.0 && batteries.iter().any(|battery| battery.is_exceeded) => {
            report.ok("DVCC is on: the GX passes the limits on, but a charger does not follow, see above");
        }
        Some(on) if on > 0.0 => report.ok("DVCC is on: chargers and inverters follow the limits"),
        Some(_) => report.problem("DVCC is off: chargers do not follow the limits", "Settings, DVCC: switch it on"),
        None => report.note("the DVCC setting cannot be read"),
    }
    feed_in(feeds_in, report);
    let active = bus.read(SYSTEM, "/ActiveBmsService").await.and_then(BusValue::text);
    match active.filter(|service| !service.is_empty()) {
        Some(service) => {
            let name =
                batteries.iter().find(|battery| battery.service == service).map_or(service.as_str(), |battery| &battery.name);
            report.ok(format!("the limits come from {name}"));
        }
        None if batteries.iter().any(|battery| battery.publishes_limits) => {
            report.problem("the GX uses no battery's limits", "Settings, DVCC, Controlling BMS: automatic, or choose your battery");
        }
        None => {}
    }
}
