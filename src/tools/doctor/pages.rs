//! The pages for the GX's own screen: whether its firmware shows some, and ours are installed and switched on.

use super::{Report, Root, starter};

/// First firmware whose GUI (gui-v2) loads plugins; `rc.local` has the same.
const FIRST_FIRMWARE: (u32, u32) = (3, 80);
/// Where gui-v2 finds plugins, and those that are switched on.
const AVAILABLE: &str = "/data/apps/available/dbus-bms";
const ENABLED: &str = "/data/apps/enabled/dbus-bms";
/// Our pages in such a folder, and in the installed package.
const FILE: &str = "gui-v2/dbus-bms.json";

pub(super) fn examine(root: &Root, report: &mut Report) {
    report.about("screen");
    let version = root.text("/opt/victronenergy/version").unwrap_or_default();
    let version = version.lines().next().unwrap_or_default();
    if !takes_plugins(version) {
        let (major, minor) = FIRST_FIRMWARE;
        return report.ok(format!("no pages of our own on the GX's screen: its firmware supports them from v{major}.{minor} on"));
    }
    let file = |folder: &str| root.text(&format!("{folder}/{FILE}"));
    let (package, installed) = (file(starter::APP_FOLDER), file(AVAILABLE));
    match (package, installed) {
        (None, None) => report.advise(
            "this installation has no pages for the GX's screen: it was not made from a release",
            "install a release: see the README",
        ),
        (Some(_), None) => report.problem("our pages for the GX's screen are missing", starter::RENEW_REMEDY),
        (Some(package), Some(installed)) if package != installed => {
            report.problem("our pages for the GX's screen are those of another version", starter::RENEW_REMEDY);
        }
        (_, Some(_)) if root.has(ENABLED) => report.ok("the GX's screen shows our pages (a gui-v2 plugin)"),
        (_, Some(_)) => report.advise(
            format!("our pages for the GX's screen are switched off: {ENABLED} is missing"),
            format!("if you want them: ln -s ../available/dbus-bms {ENABLED}"),
        ),
    }
}

/// Whether a firmware such as `v3.80~21` loads plugins.
fn takes_plugins(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '~', '-']).map(|word| word.parse::<u32>().ok());
    let major = numbers.next().flatten();
    let minor = numbers.next().flatten();
    major.is_some_and(|major| (major, minor.unwrap_or_default()) >= FIRST_FIRMWARE)
}
