//! What is known of the health of a battery's cells, over restarts. It changes slowly, so it is written much more rarely than the state.

use crate::base::atomic_file::replace;
use crate::base::episode::Once;
use crate::base::regular_file;
use crate::base::state_file::{StateError, state_path};
use crate::base::units::Moment;
use crate::health::{Health, MAX_CELLS, MIN_CELLS};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two writes while the program runs.
const WRITE_INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// At the end of the program it is written if the last write is older.
const MIN_AGE: Duration = Duration::from_secs(600);
/// Maximum size of a file to read, bytes; that of 32 cells has a tenth of it.
const MAX_FILE: u64 = 200_000;

/// The file of one battery.
pub(super) struct HealthFile {
    path: PathBuf,
    /// Time of the last write, or of the start.
    written_at: Moment,
    logged_failure: Once,
}

impl HealthFile {
    /// The file of the battery `id`, and what it holds. A file that cannot be used is logged; the estimates begin anew then.
    pub(super) fn load(folder: &Path, id: &str, now: Moment) -> (Self, Option<Health>) {
        let path = state_path(folder, &format!("health-{id}"));
        let health = match read(&path) {
            Ok(health) => health,
            Err(reason) => {
                log::warn!("{}", StateError::Read { path: path.clone(), reason });
                None
            }
        };
        (Self { path, written_at: now, logged_failure: Once::default() }, health)
    }

    /// Writes it if it is due; `last`: the program ends.
    pub(super) fn save(&mut self, health: Option<&Health>, last: bool, now: Moment) {
        let interval = if last { MIN_AGE } else { WRITE_INTERVAL };
        let Some(health) = health.filter(|_| now.since(self.written_at) >= interval) else { return };
        self.written_at = now;
        let written = serde_json::to_string(health).map_err(io::Error::from).and_then(|text| replace(&self.path, &text));
        if let Err(source) = self.logged_failure.first_failure(written) {
            log::warn!("{}", StateError::Write { path: self.path.clone(), source });
        }
    }
}

fn read(path: &Path) -> Result<Option<Health>, String> {
    let Some(text) = regular_file::read_if_there(path, MAX_FILE).map_err(|error| error.to_string())? else { return Ok(None) };
    let health: Health = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if (MIN_CELLS..=MAX_CELLS).contains(&health.cell_count()) {
        Ok(Some(health))
    } else {
        Err(format!("{} cells", health.cell_count()))
    }
}

#[cfg(test)]
mod tests {
    use super::{HealthFile, MIN_AGE, WRITE_INTERVAL};
    use crate::base::units::{AmpHours, Moment};
    use crate::health::Health;
    use std::path::PathBuf;
    use std::time::Duration;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("dbus-bms-health-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn it_is_written_rarely_and_read_again() {
        let folder = folder("seldom");
        let start = Moment::from_secs(1000.0);
        let (mut file, health) = HealthFile::load(&folder, "jk 1/2", start);
        assert!(health.is_none());
        let files = || std::fs::read_dir(&folder).unwrap().count();
        let health = Health::new(16, AmpHours::new(280.0));
        file.save(Some(&health), false, start.after(WRITE_INTERVAL - Duration::from_secs(1)));
        file.save(Some(&health), true, start.after(MIN_AGE - Duration::from_secs(1)));
        assert_eq!(files(), 0, "not due");
        file.save(Some(&health), true, start.after(MIN_AGE));
        assert_eq!(files(), 1, "at the end of the program");
        let (_, again) = HealthFile::load(&folder, "jk 1/2", start);
        assert_eq!(again.map(|health| (health.cell_count(), health.capacity())), Some((16, AmpHours::new(280.0))));
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let folder = folder("damaged");
        for text in ["", "{}", "[1, 2", &"9".repeat(300_000)] {
            std::fs::write(folder.join("health-jk.json"), text).unwrap();
            assert!(HealthFile::load(&folder, "jk", Moment::default()).1.is_none(), "{:.20}", text);
        }
    }
}
