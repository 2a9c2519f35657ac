//! The files under `tests/vectors`, found by listing the directories: a new file is a new test case.

use dbus_bms::bms::{self, Driver};
use dbus_bms::recording::file::Recording;
use std::fs;
use std::path::{Path, PathBuf};

/// One file, with its driver.
#[derive(Debug)]
pub(crate) struct File {
    /// Path below `tests/vectors`.
    pub(crate) name: String,
    /// Content.
    #[allow(dead_code, reason = "not every test crate reads it")]
    pub(crate) text: String,
    pub(crate) vector: Recording,
    pub(crate) driver: &'static Driver,
}

/// All vector files, sorted by name. Panics on a file that is not a vector or has no driver, and if there is none at all.
pub(crate) fn all() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut files: Vec<File> = list(&root).iter().flat_map(|folder| list(folder)).map(|path| load(&root, &path)).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!files.is_empty(), "no vector below {}", root.display());
    files
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn load(root: &Path, path: &Path) -> File {
    let name = path.strip_prefix(root).unwrap().display().to_string();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let vector = Recording::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"));
    let driver = bms::driver(&vector.bms).unwrap_or_else(|| panic!("{name}: no driver is called {:?}", vector.bms));
    assert!(name.starts_with(&format!("{}/", driver.name)), "{name}: belongs into the folder {}", driver.name);
    File { name, text, vector, driver }
}
