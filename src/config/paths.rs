//! Paths of the program's files, and the names of ports in them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder that survives a firmware update of a GX device; its presence identifies one.
const GX_FOLDER: &str = "/data/conf";

/// The paths of the program's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The default configuration file.
    pub config: PathBuf,
    /// The folder for state files.
    pub state: PathBuf,
}

impl Paths {
    /// Detects whether this is a GX device, and returns its paths.
    pub fn detect() -> Self {
        Self::of(Path::new(GX_FOLDER).is_dir(), |name| std::env::var_os(name))
    }

    /// On a GX device one folder for everything; elsewhere the XDG folders, or the system's if there is no home.
    pub fn of(gx: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // XDG: a relative path must be ignored.
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let (config, state) = match gx {
            true => (PathBuf::from(GX_FOLDER), PathBuf::from(GX_FOLDER)),
            false => {
                let below_home = |name: &str, below: &str| folder(name).or_else(|| folder("HOME").map(|home| home.join(below)));
                (
                    below_home("XDG_CONFIG_HOME", ".config").unwrap_or_else(|| "/etc".into()),
                    below_home("XDG_STATE_HOME", ".local/state").unwrap_or_else(|| "/var/lib".into()),
                )
            }
        };
        Self { config: config.join("dbus-bms/config.toml"), state: state.join("dbus-bms") }
    }
}
