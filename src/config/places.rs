//! Where files are kept, and what a port is called in them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder that survives a firmware update of a GX device; its presence tells that this is one.
const GX_FOLDER: &str = "/data/conf";

/// Where the program keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The configuration file that is read when none is named.
    pub config: PathBuf,
    /// The folder of state files.
    pub state: PathBuf,
}

impl Places {
    /// On this computer.
    pub fn here() -> Self {
        Self::of(Path::new(GX_FOLDER).is_dir(), |name| std::env::var_os(name))
    }

    /// On a GX device one folder holds all; elsewhere the XDG folders, and without a home those of the system.
    pub fn of(gx: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // XDG: a path that is not absolute is to be ignored.
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
