//! Nothing is left of the skeleton that `cargo xtask new-bms` writes. If something is, it is listed in the order of the steps in
//! CONTRIBUTING.md.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders with parts of a skeleton.
const FOLDERS: [&str; 6] = ["changes", "docs", "src/bms", "tests/protocol", "tests/vectors", "site"];

/// A marked place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    step: u32,
    file: String,
    line: usize,
    text: String,
}

fn marks(file: &str, text: &str) -> Vec<Mark> {
    let lines = (1..).zip(text.lines());
    let found = lines.filter_map(|(line, text)| {
        let (step, text) = text.split_once("TODO(")?.1.split_once(')')?;
        let text = text.trim_start_matches(':').trim().trim_end_matches(['|', '"', ',', ' ']).to_owned();
        Some(Mark { step: step.parse().ok()?, file: file.to_owned(), line, text })
    });
    found.collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let each = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    each.collect()
}

fn list(mut marks: Vec<Mark>) -> String {
    marks.sort();
    let lines = marks.iter().map(|mark| format!("  {}. {}:{}: {}\n", mark.step, mark.file, mark.line, mark.text));
    lines.collect()
}

#[test]
fn nothing_is_left_to_replace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = FOLDERS.iter().flat_map(|folder| files(&root.join(folder)));
    let left = all.flat_map(|path| {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        fs::read_to_string(&path).map(|text| marks(&name, &text)).unwrap_or_default()
    });
    let left = list(left.collect());
    assert!(left.is_empty(), "left of a skeleton, by the steps of CONTRIBUTING.md:\n{left}");
}

#[test]
fn what_is_left_is_listed_by_steps() {
    let file = "//! Sources: TODO(1): two\n// TODO(3): the bits\nlet todo = 1; // TODO later\n";
    let vector = "  \"source\": \"TODO(2): whose\",\n";
    let all = [marks("b.rs", file), marks("a.json", vector)].concat();
    assert_eq!(list(all), "  1. b.rs:1: two\n  2. a.json:1: whose\n  3. b.rs:2: the bits\n");
}
