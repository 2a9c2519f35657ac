//! The project's own source files, for tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below `folder`, in the order of their names.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let files = entries.into_iter().flat_map(|path| match path.is_dir() {
        true => rust_files(&path),
        false => path.extension().is_some_and(|extension| extension == "rs").then_some(path).into_iter().collect(),
    });
    files.collect()
}
