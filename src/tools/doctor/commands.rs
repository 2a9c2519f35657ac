//! Switches and limits set by this driver, which stay in the BMS.

use super::{Report, Root};
use crate::config::Paths;
use crate::control::PersistedCommands;
use std::path::PathBuf;

/// Folder of the state files on a GX device.
const GX_STATE_FOLDER: &str = "/data/conf/dbus-bms";

pub(super) fn examine(root: &Root, report: &mut Report) {
    report.about("commands");
    let here = root.is_real().then(|| Paths::detect().state);
    let mut folders: Vec<PathBuf> = [root.at(GX_STATE_FOLDER)].into_iter().chain(here).collect();
    folders.dedup();
    for (identity, persisted) in folders.iter().flat_map(|folder| PersistedCommands::all(folder)) {
        for (text, off) in persisted.describe().iter().zip(persisted.off.values()) {
            report.note(format!("{identity}: {text}; it stays off until it is released: {}", off.release));
        }
        for text in persisted.overrides.describe() {
            report.note(format!("{identity}: {text}"));
        }
        if persisted.under_way {
            report.note(format!("{identity}: a command was interrupted; the driver cleans up when it finds the BMS again"));
        }
    }
}
