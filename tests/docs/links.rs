//! Every link of the README and the pages below `docs` to a file, a picture or a heading is valid.

use crate::support::sources::rust_files;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All pages by their path below the root.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut paths = Vec::new();
    for folder in ["", ".github", "changes", "docs", "docs/bms", "docs/de", "fuzz", "cross/linux", "cross/home-assistant/dbus_bms"]
    {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        paths.extend(entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name())));
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// The text without code blocks, which contain no links.
fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Targets of a page's links, `](…)`, `src="…"` and `srcset="…"`; without inline code.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let without_code: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for (start, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"'), ("href=\"", '"')] {
        // A link's text may be code, so targets are searched in the whole text, too.
        for text in [&without_code, &text] {
            found.extend(text.split(start).skip(1).filter_map(|rest| rest.split_once(end)).map(|(link, _)| link.to_owned()));
        }
    }
    found.sort();
    found.dedup();
    found.retain(|link| !link.contains(char::is_whitespace) && !link.is_empty());
    found
}

/// Anchors of a page's headings, as made by code hosts.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut all, mut seen) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for heading in prose(text).lines().filter(|line| line.starts_with('#')) {
        let heading = heading.trim_start_matches('#').trim();
        let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        let anchor = kept.replace(' ', "-");
        let count = seen.entry(anchor.clone()).or_default();
        all.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    all
}

/// `docs/a.md` and `../README.md` give `README.md`; `None` for a path outside of the repository. The fragments of `changes/` will stand
/// in `docs/release-notes.md`.
fn resolve(page: &Path, link: &str) -> Option<PathBuf> {
    let is_fragment = page.starts_with("changes") && page.file_name().is_some_and(|name| name.to_string_lossy().starts_with('+'));
    let mut path = if is_fragment { PathBuf::from("docs") } else { page.parent()?.to_owned() };
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path = path.parent()?.to_owned(),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(path)
}

/// The error of a link, or its target.
fn follow(pages: &BTreeMap<PathBuf, String>, page: &Path, link: &str) -> Result<PathBuf, String> {
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { Some(page.to_owned()) } else { resolve(page, file) };
    let target = target.ok_or(format!("{}: {link} leads out of the repository", page.display()))?;
    if !root().join(&target).exists() {
        return Err(format!("{}: {link}: there is no {}", page.display(), target.display()));
    }
    if let (Some(anchor), Some(text)) = (anchor, pages.get(&target))
        && !anchors(text).contains(anchor)
    {
        return Err(format!("{}: {link}: {} has no such heading", page.display(), target.display()));
    }
    Ok(target)
}

fn is_inside(link: &str) -> bool {
    !["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let all: Vec<(&PathBuf, String)> =
        pages.iter().flat_map(|(page, text)| links(text).into_iter().map(move |link| (page, link))).collect();
    let inside: Vec<_> = all.iter().filter(|(_, link)| is_inside(link)).collect();
    assert!(inside.len() > 20, "only {} links were found", inside.len());
    let broken: Vec<String> = inside.iter().filter_map(|(page, link)| follow(&pages, page, link).err()).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The numbers in `safety rule 3`, `safety rules 4 to 6` or `Safety rule 9`.
fn safety_rules(text: &str) -> BTreeSet<usize> {
    let text = text.replace("afety rules", "afety rule");
    let words = |rest: &str| rest.split(' ').filter(|word| *word != "to").map(str::to_owned).collect::<Vec<_>>();
    let number = |word: &str| word.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let named = |rest: &str| words(rest).iter().map_while(|word| number(word)).collect::<Vec<usize>>();
    text.split("afety rule ").skip(1).flat_map(named).collect()
}

#[test]
fn every_safety_rule_that_the_source_names_exists() {
    let page = fs::read_to_string(root().join("docs/safety-rules.md")).unwrap();
    let rules: BTreeSet<usize> =
        page.lines().filter_map(|line| line.split_once(". ").and_then(|(number, _)| number.parse().ok())).collect();
    assert_eq!(rules, (1..=rules.len()).collect(), "numbered without gaps");
    let named: BTreeMap<usize, PathBuf> = ["src", "tests", "fuzz"]
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .filter(|file| !file.ends_with("tests/docs/links.rs"))
        .flat_map(|file| safety_rules(&fs::read_to_string(&file).unwrap()).into_iter().map(move |rule| (rule, file.clone())))
        .collect();
    assert!(named.len() > 6, "only {named:?}");
    let unknown: Vec<_> = named.iter().filter(|(rule, _)| !rules.contains(rule)).collect();
    assert!(unknown.is_empty(), "no such rule in docs/safety-rules.md: {unknown:?}");
    assert_eq!(safety_rules("(safety rule 3; x), safety rules 4 to 6. Safety rule 99"), [3, 4, 6, 99].into());
}

/// The checks in this file can fail.
#[test]
fn broken_links_are_found_and_named() {
    let text =
        "# One: `two` & three\n# One\n# One\n[a](b.md#c) `[no](code.md)` ![p](<x y>)\n```\n[no](fence.md)\n```\n[`code`](c.rs)\n";
    assert_eq!(anchors(text), ["one", "one-1", "one-two--three"].map(str::to_owned).into());
    assert!(links(text).contains(&"b.md#c".to_owned()) && links(text).contains(&"c.rs".to_owned()));
    assert!(!links(text).contains(&"fence.md".to_owned()));
    assert_eq!(resolve(Path::new("docs/a.md"), "../README.md"), Some("README.md".into()));
    assert_eq!(resolve(Path::new("a.md"), "../../x"), None);
    let pages = pages();
    for (link, expected) in [("nowhere.md", "there is no"), ("#no-such-heading", "has no such heading"), ("../../x", "leads out")] {
        let told = follow(&pages, Path::new("README.md"), link).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}
