//! Content of the support bundle: versions, findings, settings, logs, state. Without secrets.
#![deny(clippy::arithmetic_side_effects)]

pub mod scrub;
mod spelling;
pub mod tar;

use crate::config::Paths;
use crate::recording::flight_recorder::{self, FLIGHT_FOLDER};
use scrub::Secrets;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Size of the end of each log, bytes.
const LOG_TAIL_BYTES: u64 = 64 * 1024;
/// Maximum size of an included state file, bytes.
const STATE_FILE_LIMIT: u64 = 512 * 1024;
/// Maximum size of a secret's file, bytes.
const SECRET_FILE_LIMIT: u64 = 4 * 1024;
/// Log folder, below the root.
const LOG_FOLDER: &str = "var/log";

/// A text of the bundle.
#[derive(Debug)]
pub struct BundleFile {
    /// Its path in the bundle.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Private data of this computer.
pub fn secrets(root: &Path, paths: &Paths) -> Secrets {
    let named = |path: &str| beginning(&below(root, Path::new(path)));
    std::fs::read(below(root, &paths.config))
        .map(|bytes| Secrets::of_toml(&String::from_utf8_lossy(&bytes)))
        .unwrap_or_default()
        .and_in_files(named)
}

/// The relevant files of this computer: configuration, logs, state. `root` is `/`, or a folder in tests.
pub fn files(root: &Path, paths: &Paths, secrets: &Secrets) -> Vec<BundleFile> {
    let mut parts = vec![BundleFile {
        path: "config.toml".to_owned(),
        text: match std::fs::read(below(root, &paths.config)) {
            Ok(bytes) => secrets.scrub_toml(&String::from_utf8_lossy(&bytes)),
            Err(error) => format!("# no configuration at {}: {error}; using the defaults\n", paths.config.display()),
        },
    }];
    let logs: Vec<String> = names(&root.join(LOG_FOLDER)).into_iter().filter(|name| name.starts_with("dbus-bms.")).collect();
    for folder in &logs {
        let text = end_of(&root.join(LOG_FOLDER).join(folder).join("current"));
        parts.push(BundleFile { path: format!("log/{folder}.txt"), text: secrets.scrub(&text) });
    }
    if let Some(text) = logs.is_empty().then(|| journal(root)).flatten() {
        parts.push(BundleFile { path: "log/journal.txt".to_owned(), text: secrets.scrub(&text) });
    }
    let state = below(root, &paths.state);
    for name in names(&state).into_iter().filter(|name| name.ends_with(".json") && !scrub::is_secret(name)) {
        let file = state.join(&name);
        let is_small = std::fs::metadata(&file).is_ok_and(|file| file.is_file() && file.len() <= STATE_FILE_LIMIT);
        if let Some(text) = is_small.then(|| std::fs::read(&file).ok()).flatten() {
            parts.push(BundleFile { path: format!("state/{name}"), text: secrets.scrub(&String::from_utf8_lossy(&text)) });
        }
    }
    let recordings = state.join(FLIGHT_FOLDER);
    for file in flight_recorder::list(&recordings) {
        if let Some(text) = flight_recorder::read(&recordings, &file.file) {
            parts.push(BundleFile { path: format!("{FLIGHT_FOLDER}/{}", file.file), text: secrets.scrub(&text) });
        }
    }
    parts
}

/// The end of the services' log on a computer with systemd; `None` without one, or if this user may not read it.
fn journal(root: &Path) -> Option<String> {
    let mut command = Command::new("journalctl");
    if root != Path::new("/") {
        command.arg("--root").arg(root);
    }
    command.args(["--unit=dbus-bms*", "--lines=1000", "--no-pager", "--quiet", "--output=short-iso"]);
    let output =
        command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success() && !output.stdout.is_empty())?;
    let limit = usize::try_from(LOG_TAIL_BYTES).unwrap_or(usize::MAX);
    let tail = output.stdout.get(output.stdout.len().saturating_sub(limit)..).unwrap_or_default();
    Some(String::from_utf8_lossy(tail).into_owned())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The beginning of a file; files with secrets are short.
fn beginning(path: &Path) -> Option<String> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(SECRET_FILE_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
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
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_or_else(|error| format!("cannot be read: {error}\n"), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}
