//! What somebody who is to help needs to see, in one file: versions, findings, settings, log, state. Without secrets.
#![deny(clippy::arithmetic_side_effects)]

pub mod scrub;
pub mod tar;

use crate::config::Places;
use scrub::Secrets;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// As much of the end of each log, bytes.
const LOG_END: u64 = 64 * 1024;
/// Larger state files are left out, bytes.
const LARGEST: u64 = 512 * 1024;
/// Where services log, below the root.
const LOGS: &str = "var/log";

/// A text of the bundle.
#[derive(Debug)]
pub struct Part {
    /// Its path in the bundle.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// What must not be told of this computer.
pub fn secrets(root: &Path, places: &Places) -> Secrets {
    let named = |path: &str| std::fs::read_to_string(below(root, Path::new(path))).ok();
    std::fs::read(below(root, &places.config))
        .map(|bytes| Secrets::of_toml(&String::from_utf8_lossy(&bytes)))
        .unwrap_or_default()
        .and_in_files(named)
}

/// The files on this computer that tell something: configuration, logs, state. `root` is `/`, or a folder in tests.
pub fn files(root: &Path, places: &Places, secrets: &Secrets) -> Vec<Part> {
    let mut parts = vec![Part {
        path: "config.toml".to_owned(),
        text: match std::fs::read(below(root, &places.config)) {
            Ok(bytes) => secrets.scrub_toml(&String::from_utf8_lossy(&bytes)),
            Err(error) => format!("# no configuration at {}: {error}; the defaults hold\n", places.config.display()),
        },
    }];
    for folder in names(&root.join(LOGS)).into_iter().filter(|name| name.starts_with("dbus-bms.")) {
        let text = end_of(&root.join(LOGS).join(&folder).join("current"));
        parts.push(Part { path: format!("log/{folder}.txt"), text: secrets.scrub(&text) });
    }
    let state = below(root, &places.state);
    for name in names(&state).into_iter().filter(|name| name.ends_with(".json") && !scrub::is_secret(name)) {
        let file = state.join(&name);
        let is_small = std::fs::metadata(&file).is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
        if let Some(text) = is_small.then(|| std::fs::read(&file).ok()).flatten() {
            parts.push(Part { path: format!("state/{name}"), text: secrets.scrub(&String::from_utf8_lossy(&text)) });
        }
    }
    parts
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// The last lines of a log.
fn end_of(path: &PathBuf) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)))?;
        let mut bytes = Vec::new();
        file.take(LOG_END).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(|error| format!("cannot be read: {error}\n"), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}
