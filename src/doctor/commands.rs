//! What was switched off or limited from here, and stays so whoever reads the battery.

use super::{Report, Root};
use crate::commands::Remembered;
use crate::config::Places;
use std::path::PathBuf;

/// Where a GX device has our state files.
const FOLDER: &str = "/data/conf/dbus-bms";

pub(super) fn examine(root: &Root, report: &mut Report) {
    report.about("commands");
    let here = root.is_real().then(|| Places::here().state);
    let mut folders: Vec<PathBuf> = [root.at(FOLDER)].into_iter().chain(here).collect();
    folders.dedup();
    for (identity, kept) in folders.iter().flat_map(|folder| Remembered::all(folder)) {
        for (text, off) in kept.describe().iter().zip(kept.off.values()) {
            report.note(format!("{identity}: {text}; it stays off until it is released: {}", off.release));
        }
        for text in kept.overrides.describe() {
            report.note(format!("{identity}: {text}"));
        }
        if kept.under_way {
            report.note(format!("{identity}: a command was broken off; the driver puts the BMS right when it finds it again"));
        }
    }
}
