//! docs/panics.md lists every call in src/ that panics on certain arguments, with the reason why these never occur. Explicit
//! panics, indexing and arithmetic that can overflow are denied by lints; this test also finds allowed exceptions.

use crate::support::sources::rust_files;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Calls that panic, always or for certain arguments.
const CALLS: &[&str] = &[
    ".unwrap()",
    ".unwrap_err()",
    ".expect(",
    ".expect_err(",
    "panic!",
    "unreachable!",
    "todo!",
    "unimplemented!",
    "assert!",
    "assert_eq!",
    "assert_ne!",
    ".clamp(",
    ".drain(",
    ".insert(",
    ".remove(",
    ".swap_remove(",
    ".split_at(",
    ".split_at_mut(",
    ".split_off(",
    ".split_to(",
    ".extract_if(",
    ".copy_from_slice(",
    ".clone_from_slice(",
    ".chunks(",
    ".chunks_exact(",
    ".chunks_mut(",
    ".windows(",
    ".step_by(",
    ".rotate_left(",
    ".rotate_right(",
    ".mul_f64(",
    ".div_f64(",
    "::from_secs_f64(",
    "::from_secs_f32(",
    ".borrow()",
    ".borrow_mut()",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "debug_assert!",
    "thread::spawn(",
];

/// File, call, count.
type Found = BTreeMap<(String, String), usize>;

/// The code before the unit tests, without comments and strings.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut code = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '\'' if rest.starts_with("'\"'") => 3,
            '"' => text_length(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn text_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn count(code: &str, call: &str) -> usize {
    let whole = |at: usize| call.starts_with(['.', ':']) || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(call).filter(|(at, _)| whole(*at)).count()
}

fn found(root: &Path) -> Found {
    let mut found = Found::new();
    for path in rust_files(&root.join("src")) {
        let code = code(&fs::read_to_string(&path).unwrap());
        let name = path.strip_prefix(root).unwrap().display().to_string();
        for call in CALLS {
            let times = count(&code, call);
            if times > 0 {
                found.insert((name.clone(), (*call).to_owned()), times);
            }
        }
    }
    found
}

/// The rows of the table: `| src/a.rs | `.clamp(` | 2 | why |`.
fn listed(document: &str) -> Found {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `src/"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [file, call, times, why, ""] = cells.as_slice() else { panic!("not four columns: {row}") };
        assert!(why.len() > 10, "no reason: {row}");
        ((format!("src/{}", file.trim_matches('`')), call.trim_matches('`').to_owned()), times.parse().unwrap())
    })
    .collect()
}

#[test]
fn every_call_that_can_panic_is_listed_with_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (found, listed) = (found(root), listed(&fs::read_to_string(root.join("docs/panics.md")).unwrap()));
    assert!(found.len() > 10, "{found:?}");
    let row = |(file, call): &(String, String), times: usize| format!("| `{file}` | `{call}` | {times} | … |\n");
    let new: String =
        found.iter().filter(|(place, times)| listed.get(place) != Some(times)).map(|(place, times)| row(place, *times)).collect();
    assert!(new.is_empty(), "find a way without, or put into docs/panics.md why it cannot happen:\n{new}");
    let gone: String =
        listed.iter().filter(|(place, _)| !found.contains_key(place)).map(|(place, times)| row(place, *times)).collect();
    assert!(gone.is_empty(), "no longer in the source, take it out of docs/panics.md:\n{gone}");
}

#[test]
fn the_scanner_sees_code_and_nothing_else() {
    let source = "//! .unwrap()\nfn f() { a.unwrap(); \"panic! \\\" .unwrap()\"; '\"'; b.clamp(1, 2) } // todo!\n#[cfg(test)]\nmod tests { c.unwrap() }";
    let code = code(source);
    assert_eq!([".unwrap()", "panic!", ".clamp(", "todo!"].map(|call| count(&code, call)), [1, 0, 1, 0]);
    assert_eq!(count("eprintln!(); debug_assert!(); assert!()", "println!"), 0);
    assert_eq!(count("debug_assert!(); assert!()", "assert!"), 1);
}
