//! The bank: whether one is configured, what starts it, and whether it is on the bus.

use super::{Report, Root, starter};
use crate::config::{Config, Paths};

/// The service that starts the bank on a GX.
pub const BANK_SERVICE: &str = "/service/dbus-bms.bank";

/// A member as the bus shows it: its name, and the id of its bank.
pub(super) struct MemberRow {
    pub(super) name: String,
    pub(super) bank: String,
}

/// Checks the configuration of a GX, and the service that starts the bank there.
pub(super) fn configured(root: &Root, report: &mut Report) {
    let file = Paths::of(true, |_| None).config;
    let bytes = std::fs::read(root.at(&file.to_string_lossy())).unwrap_or_default();
    // An invalid configuration is reported elsewhere.
    let Ok(config) = Config::from_bytes(&file.to_string_lossy(), &bytes) else { return };
    report.about("bank");
    if !config.names_bank() {
        return report.ok("no bank is configured");
    }
    if root.has(BANK_SERVICE) {
        report.ok(format!("a bank is configured; the service {BANK_SERVICE} starts it"));
    } else if root.has(starter::APP_FOLDER) {
        report.problem(format!("a bank is configured, and {BANK_SERVICE} is missing: nothing starts it"), starter::RENEW_REMEDY);
    }
    if config.settings(None, None).bank.in_run {
        report.advise(
            format!("`bank.in_run` is for one `run` with all ports; here each port has a process of its own, and it is ignored: {BANK_SERVICE} forms the bank"),
            format!("remove `bank.in_run` from {}", file.display()),
        );
    }
}

/// Checks that the banks of all members are present; `services` are the ids of all banks and batteries on the bus.
pub(super) fn on_bus(members: &[MemberRow], services: &[String], report: &mut Report) {
    report.about("bank");
    let mut banks: Vec<&str> = members.iter().map(|member| member.bank.as_str()).collect();
    banks.sort_unstable();
    banks.dedup();
    for bank in banks {
        let names: Vec<&str> = members.iter().filter(|member| member.bank == bank).map(|member| member.name.as_str()).collect();
        let names = names.join(", ");
        if services.iter().any(|id| id == bank) {
            report.ok(format!("the bank of {names} runs"));
        } else {
            report.problem(
                format!("{names} belong to a bank ({bank}) that is not on the bus: each gives its share as long as it is away"),
                format!(
                    "on a GX: svc -t {BANK_SERVICE}, and look at /var/log/dbus-bms.bank/current; elsewhere start `dbus-bms bank`"
                ),
            );
        }
    }
    report.about("bus");
}
