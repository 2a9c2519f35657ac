//! The files of the flight recorder.

use super::{Report, Root};
use crate::base::calendar::date;
use crate::config::Paths;
use crate::recording::flight_recorder::{FLIGHT_FOLDER, FlightFile, list};

pub(super) fn examine(root: &Root, gx: bool, report: &mut Report) {
    let paths = Paths::of(gx, |name| std::env::var_os(name));
    let folder = paths.state.join(FLIGHT_FOLDER);
    let files = list(&root.at(&folder.to_string_lossy()));
    let Some(newest) = files.first() else { return };
    report.about("recordings");
    let FlightFile { file, at, why, .. } = newest;
    let day = at.and_then(|at| u32::try_from(at / 86_400).ok()).map(|day| format!(" of {} (UTC)", date(day))).unwrap_or_default();
    let path = folder.join(file);
    report.advise(
        format!("the flight recorder has written {} file(s), the newest{day}: {why}", files.len()),
        format!("to see what happened: dbus-bms replay {}", path.display()),
    );
}
