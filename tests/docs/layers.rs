//! The folders of `src` import only from the rows below their own, according to the map in `src/lib.rs`; those inside a folder have
//! no import cycle.

use crate::support::sources::rust_files;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files of the program by their path below `src`, without test code.
type Files = BTreeMap<String, String>;

/// Rows of the map, from the top: each contains folders that do not import each other.
fn rows(lib: &str) -> Vec<Vec<String>> {
    let map: Vec<&str> = lib.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let head =
        map.iter().position(|line| line.ends_with("tests/docs/layers.rs` checks the imports:")).expect("the head of the rows");
    let block = map[head..].iter().skip_while(|line| **line != "```text").skip(1).take_while(|line| **line != "```");
    block.map(|line| line.split("  ").next().unwrap().split(", ").map(str::to_owned).collect()).collect()
}

/// The module of a file, as steps from the root.
fn module(file: &str) -> Vec<&str> {
    let steps = file.strip_suffix(".rs").unwrap_or(file);
    steps.strip_suffix("/mod").unwrap_or(steps).split('/').collect()
}

/// The paths in a line of code that begin at the root of the crate, as steps: `crate::a::b`, and enough `super` to reach the root.
fn paths<'a>(line: &'a str, module: &[&str]) -> Vec<Vec<&'a str>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = line.split(|c: char| !is_name(c)).filter(|word| word.contains("::"));
    let steps = words.filter_map(|word| {
        let steps: Vec<&str> = word.split("::").collect();
        let above = steps.iter().take_while(|step| **step == "super").count();
        match (steps[0], above) {
            ("crate", _) => Some(steps[1..].to_vec()),
            (_, 1..) if above >= module.len() => Some(steps[above..].to_vec()),
            _ => None,
        }
    });
    steps.collect()
}

/// The file that a path refers to: the deepest module on it.
fn target<'a>(path: &[&str], files: &'a Files) -> Option<&'a str> {
    let deepest = (1..=path.len()).rev().find_map(|depth| {
        let stem = path[..depth].join("/");
        files.get_key_value(&format!("{stem}.rs")).or_else(|| files.get_key_value(&format!("{stem}/mod.rs")))
    });
    deepest.map(|(file, _)| file.as_str())
}

/// Imports that point up or sideways, one sentence each.
fn wrong_arrows(rows: &[Vec<String>], files: &Files) -> Vec<String> {
    let row = |folder: &str| rows.iter().position(|row| row.iter().any(|name| name == folder));
    let mut wrong = Vec::new();
    for (file, code) in files {
        let module = module(file);
        let Some(own) = row(module[0]) else {
            wrong.push(format!("src/{file}: the map in src/lib.rs has no row for {}", module[0]));
            continue;
        };
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for path in paths(line, &module) {
                let place = format!("src/{file}:{}", number + 1);
                match (path.first().copied(), target(&path, files)) {
                    (Some(folder), Some(_)) if folder == module[0] => {}
                    (Some(folder), Some(_)) if row(folder).is_some_and(|row| row > own) => {}
                    (Some(folder), Some(other)) => {
                        wrong.push(format!("{place} uses src/{other}, but {folder} is not below {}", module[0]))
                    }
                    (_, None) | (None, _) => {
                        wrong.push(format!("{place}: name the folder and the file in one path: {}", line.trim()))
                    }
                }
            }
        }
    }
    wrong
}

/// All paths in a line of code as steps from the root, including those from a parent module.
fn paths_from_root<'a>(line: &'a str, module: &[&'a str]) -> Vec<Vec<&'a str>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let steps = line.split(|c: char| !is_name(c)).filter_map(|word| {
        let steps: Vec<&str> = word.split("::").collect();
        let above = steps.iter().take_while(|step| **step == "super").count();
        match (steps[0], above) {
            ("crate", _) => Some(steps[1..].to_vec()),
            (_, 1..) if above <= module.len() => Some([&module[..module.len() - above], &steps[above..]].concat()),
            _ => None,
        }
    });
    steps.collect()
}

/// The folder below which the steps differ, after this many shared ones.
fn folder(steps: &[&str], shared: usize, files: &Files) -> Option<String> {
    let folder = steps.get(..=shared)?.join("/");
    (shared > 0 && files.contains_key(&format!("{folder}/mod.rs"))).then_some(folder)
}

/// Folders inside one folder with an import cycle, one sentence per import.
fn circles(files: &Files) -> Vec<String> {
    let mut arrows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (file, code) in files {
        let module = module(file);
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for path in paths_from_root(line, &module) {
                let shared = module.iter().zip(&path).take_while(|(own, other)| own == other).count();
                if let (Some(own), Some(other)) = (folder(&module, shared, files), folder(&path, shared, files)) {
                    arrows.entry(own).or_default().entry(other).or_insert_with(|| format!("src/{file}: {}", line.trim()));
                }
            }
        }
    }
    let reached = |start: &str| {
        let mut reached = vec![start.to_owned()];
        let mut next = 0;
        while let Some(folder) = reached.get(next).cloned() {
            let more = arrows.get(&folder).into_iter().flatten().map(|(other, _)| other.clone());
            let more: Vec<String> = more.filter(|other| !reached.contains(other)).collect();
            reached.extend(more);
            next += 1;
        }
        reached
    };
    let all = arrows.iter().flat_map(|(own, others)| others.iter().map(move |(other, place)| (own, other, place)));
    let back = all.filter(|(own, other, _)| reached(other).contains(own));
    back.map(|(own, other, place)| format!("{place} leads from {own} to {other}, which leads back")).collect()
}

/// Blanks out test code, keeping the line numbers.
fn without_tests(code: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push(line);
            continue;
        }
        kept.push("");
        let indent = &line[..line.len() - line.trim_start().len()];
        // An item ends at a line with the same indentation as its first one that closes a brace or ends a statement.
        for line in lines.by_ref() {
            kept.push("");
            let rest = line.strip_prefix(indent).unwrap_or(" ");
            if rest == "}" || (rest.ends_with(';') && !rest.starts_with(' ')) {
                break;
            }
        }
    }
    kept.join("\n")
}

/// The files of the program and the rows of its map.
fn program() -> (Files, Vec<Vec<String>>) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let name = |file: &Path| file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
    let mut files: Files =
        rust_files(&src).iter().map(|file| (name(file), without_tests(&fs::read_to_string(file).unwrap()))).collect();
    files.remove("main.rs").expect("the program");
    let rows = rows(&files.remove("lib.rs").expect("the library"));
    (files, rows)
}

#[test]
fn every_import_points_down() {
    let (files, rows) = program();
    let wrong = wrong_arrows(&rows, &files);
    assert!(wrong.is_empty(), "move what is used down, or what uses it up:\n{}", wrong.join("\n"));
}

#[test]
fn the_folders_inside_a_folder_form_no_circle() {
    let (files, _) = program();
    let wrong = circles(&files);
    assert!(wrong.is_empty(), "move what both use beside them:\n{}", wrong.join("\n"));
}

#[test]
fn every_row_names_folders_that_exist() {
    let (files, rows) = program();
    for folder in rows.iter().flatten() {
        assert!(files.contains_key(&format!("{folder}/mod.rs")), "{folder} stands in the map of src/lib.rs but not in src");
    }
}

#[test]
fn an_arrow_that_points_up_is_found_and_both_files_are_named() {
    let rows = [vec!["service".to_owned()], vec!["bank".to_owned(), "sim".to_owned()], vec!["link".to_owned()]];
    let wrong = |file: &str, code: &str| {
        let mut files: Files =
            ["service/mod.rs", "service/hub.rs", "bank/mod.rs", "sim/pack/mod.rs", "link/mod.rs", "link/port.rs"]
                .map(|file| (file.to_owned(), String::new()))
                .into();
        files.insert(file.to_owned(), without_tests(code));
        wrong_arrows(&rows, &files)
    };
    for fine in
        ["use crate::link::port::Port;", "use crate::bank::Members;", "/// See [`crate::service`].", "use self::members::Members;"]
    {
        assert!(wrong("bank/mod.rs", fine).is_empty(), "{fine}");
    }
    let up = "use crate::bank;\nuse crate::service::hub::Hub;";
    assert_eq!(
        wrong("link/port.rs", up),
        [
            "src/link/port.rs:1 uses src/bank/mod.rs, but bank is not below link",
            "src/link/port.rs:2 uses src/service/hub.rs, but service is not below link"
        ]
    );
    let in_tests = format!("#[cfg(test)]\nuse crate::bank;\n#[cfg(test)]\nmod tests {{\n    {up}\n}}\n");
    assert!(wrong("link/port.rs", &in_tests).is_empty());
    assert_eq!(wrong("link/port.rs", &format!("{in_tests}\n{up}")).len(), 2, "what follows the tests counts");
    let beside = "fn of(pack: &super::super::sim::pack::Pack) {}";
    assert_eq!(wrong("bank/shares.rs", beside), ["src/bank/shares.rs:1 uses src/sim/pack/mod.rs, but sim is not below bank"]);
    assert_eq!(
        wrong("bank/mod.rs", "use crate::{link};"),
        ["src/bank/mod.rs:1: name the folder and the file in one path: use crate::{link};"]
    );
    assert_eq!(wrong("extra/mod.rs", ""), ["src/extra/mod.rs: the map in src/lib.rs has no row for extra"]);
}

#[test]
fn a_circle_of_folders_is_found_however_long_it_is() {
    let files = |code: [(&str, &str); 3]| -> Files {
        let mods = ["dbus/mod.rs", "dbus/a/mod.rs", "dbus/b/mod.rs", "dbus/c/mod.rs"].map(|file| (file.to_owned(), String::new()));
        mods.into_iter().chain(code.map(|(file, code)| (file.to_owned(), code.to_owned()))).collect()
    };
    let (to_b, to_c) = (("dbus/a/x.rs", "use crate::dbus::b::y::Y;"), ("dbus/b/y.rs", "use super::super::c::z::Z;"));
    assert!(circles(&files([to_b, to_c, ("dbus/c/z.rs", "use super::w::W;\nuse crate::dbus::names::NAME;")])).is_empty());
    let found = circles(&files([to_b, to_c, ("dbus/c/z.rs", "use crate::dbus::a::x::X;")]));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "src/dbus/a/x.rs: use crate::dbus::b::y::Y; leads from dbus/a to dbus/b, which leads back");
}

/// docs/add-a-bms.md describes the files of a family's folder; every family follows it.
#[test]
fn the_families_have_the_same_parts_in_files_of_the_same_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/add-a-bms.md")).unwrap();
    let table = page.split("| file in `src/bms/<family>/` |").nth(1).unwrap().split("\n\n").next().unwrap();
    let allowed: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(allowed[0], "mod.rs");
    for driver in dbus_bms::bms::DRIVERS {
        let folder = root.join("src/bms").join(driver.name.replace('-', "_"));
        let files: Vec<String> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        for file in &files {
            assert!(allowed.contains(&file.as_str()), "{}/{file} is none of {allowed:?}", folder.display());
        }
        let commands = (driver.new)(driver.addresses.first().copied()).commands().is_some();
        assert_eq!(files.contains(&"commands.rs".to_owned()), commands, "{}: commands stand in commands.rs", driver.name);
    }
}
