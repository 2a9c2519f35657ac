//! The skeleton of a new BMS family. What its author has to replace is marked with the number of the step in CONTRIBUTING.md; the test
//! `skeletons` of `tests/docs` lists what is left, in that order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a skeleton begins as: the texts of its files, with `%name%` and the like in them.
struct Like {
    name: &'static str,
    decoder: &'static str,
    unknown_values: &'static str,
    example: &'static str,
    damaged: &'static str,
}

macro_rules! like {
    ($name:literal) => {
        Like {
            name: $name,
            decoder: include_str!(concat!("../skeleton/", $name, "/mod.rs")),
            unknown_values: include_str!(concat!("../skeleton/", $name, "/unknown_values.rs")),
            example: include_str!(concat!("../skeleton/", $name, "/example.json")),
            damaged: include_str!(concat!("../skeleton/", $name, "/bad-checksum.json")),
        }
    };
}

const LIKE: [Like; 3] = [like!("modbus"), like!("ascii"), like!("binary")];
const PAGE: &str = include_str!("../skeleton/page.md");
const CHANGE: &str = include_str!("../skeleton/change.md");

const REGISTRY: &str = "src/bms/mod.rs";
const BOARDS: &str = "tests/protocol/unknown_values/boards.rs";
const TESTS: &str = "tests/protocol/unknown_values/mod.rs";
const UNKNOWN_VALUES: &str = "docs/unknown-values.md";
const WIRING: &str = "docs/wiring.md";
const COMMANDS: &str = "docs/commands.md";
const SITE: &str = "site/mkdocs.yml";

/// Longest name of a family.
const LONGEST: usize = 24;

/// A family's names.
struct Names {
    /// In the configuration: `acme-pro`.
    name: String,
    /// Of the module: `acme_pro`.
    module: String,
    /// Of the decoder's type: `AcmePro`.
    type_name: String,
    /// On pages, until the author writes the manufacturer's: `Acme Pro`.
    label: String,
}

impl Names {
    fn new(name: &str) -> Result<Self, String> {
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.split('-').all(is_part) || name.len() > LONGEST {
            return Err(format!(
                "{name:?} is no name for a family: a small letter, then small letters, digits and single hyphens, {LONGEST} at most"
            ));
        }
        let module = name.replace('-', "_");
        if KEYWORDS.contains(&module.as_str()) {
            return Err(format!("{name:?} is a word of Rust: choose another name"));
        }
        let words: Vec<String> = name.split('-').map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect();
        Ok(Self { name: name.to_owned(), module, type_name: words.concat(), label: words.join(" ") })
    }

    fn fill(&self, text: &str) -> String {
        let text = text.replace("%name%", &self.name).replace("%label%", &self.label);
        text.replace("%type%", &self.type_name)
    }
}

/// Words of Rust that are names of this form.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The repository.
struct Tree {
    root: PathBuf,
    /// What is written at the end, once all of it is known: a refusal leaves nothing behind.
    files: Vec<(String, String)>,
}

impl Tree {
    fn read(&self, file: &str) -> Result<String, String> {
        fs::read_to_string(self.root.join(file)).map_err(|error| format!("{}: {error}", self.root.join(file).display()))
    }

    fn create(&mut self, file: String, text: String) -> Result<(), String> {
        if self.root.join(&file).exists() {
            return Err(format!("{file} exists: choose another name, or remove it"));
        }
        self.files.push((file, text));
        Ok(())
    }

    /// Writes `line` before or behind the line that `place` finds among the lines.
    fn insert(&mut self, file: &str, line: &str, place: impl Fn(&[&str]) -> Option<usize>) -> Result<(), String> {
        let text = match self.files.iter().find(|(known, _)| known == file) {
            Some((_, text)) => text.clone(),
            None => self.read(file)?,
        };
        let mut lines: Vec<&str> = text.lines().collect();
        let at = place(&lines).filter(|at| *at <= lines.len());
        let at = at.ok_or_else(|| format!("{file} has changed: no place for {line:?} in it. Mend xtask/src/new_bms.rs"))?;
        lines.insert(at, line);
        let text = lines.join("\n") + "\n";
        self.files.retain(|(known, _)| known != file);
        self.files.push((file.to_owned(), text));
        Ok(())
    }

    fn write(&self) -> Result<(), String> {
        for (file, text) in &self.files {
            let path = self.root.join(file);
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        // How long lines are depends on the name.
        for (file, _) in self.files.iter().filter(|(file, _)| file.ends_with(".rs") && file != REGISTRY && file != TESTS) {
            let formatted =
                Command::new("rustfmt").args(["--edition", "2024", file]).current_dir(&self.root).stdin(Stdio::null()).status();
            if !formatted.is_ok_and(|status| status.success()) {
                eprintln!("{file} is not formatted: rustup component add rustfmt, then cargo fmt");
            }
        }
        Ok(())
    }
}

/// Behind the last line of a block of lines that `belongs` finds.
fn behind_last(lines: &[&str], belongs: impl Fn(&str) -> bool) -> Option<usize> {
    lines.iter().rposition(|line| belongs(line)).map(|at| at + 1)
}

/// Behind the last of the lines that follow one that starts with `start` and are not empty.
fn behind_table(lines: &[&str], start: &str) -> Option<usize> {
    let first = lines.iter().position(|line| line.starts_with(start))?;
    Some(first + lines[first..].iter().take_while(|line| !line.is_empty()).count())
}

/// Where `line` belongs among sorted lines with the same start.
fn sorted(lines: &[&str], start: &str, line: &str) -> Option<usize> {
    let belongs = |other: &&str| other.starts_with(start);
    let before = lines.iter().rposition(|other| belongs(other) && *other < line).map(|at| at + 1);
    before.or_else(|| lines.iter().position(belongs))
}

/// The rows of docs/unknown-values.md for the fields that the test of the same name tries.
fn unknown_values(name: &str, test: &str) -> Vec<String> {
    let fields = test.lines().filter(|line| line.trim_start().starts_with("field(\""));
    let texts = fields.map(|line| line.split('"').skip(1).step_by(2).collect::<Vec<_>>());
    let rows = texts.filter_map(|texts| {
        let (field, raw) = texts.split_first()?;
        let raw: Vec<String> = raw.iter().map(|raw| format!("`{raw}`")).collect();
        Some(format!("| {name} | `{field}` | {} | TODO(3): what the sources say that it means |", raw.join(", ")))
    });
    rows.collect()
}

/// Writes the skeleton, and returns what to do next.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    let (mut name, mut like, mut root) = (None, "modbus", None);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--like" => like = rest.next().ok_or("--like needs modbus, ascii or binary")?,
            "--root" => root = Some(PathBuf::from(rest.next().ok_or("--root needs a folder")?)),
            option if option.starts_with('-') => return Err(format!("there is no option {option}")),
            _ if name.is_none() => name = Some(argument),
            more => return Err(format!("one name at a time: {more} is too much")),
        }
    }
    let names = Names::new(name.ok_or("the name of the family is missing")?)?;
    let like = LIKE.iter().find(|known| known.name == like).ok_or_else(|| format!("there is no skeleton {like}"))?;
    let root = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let mut tree = Tree { root, files: Vec::new() };
    skeleton(&names, like, &mut tree)?;
    tree.write()?;
    Ok(next_steps(&names, like, &tree))
}

/// Everything that belongs to a family.
fn skeleton(names: &Names, like: &Like, tree: &mut Tree) -> Result<(), String> {
    let Names { name, module, label, .. } = names;
    let module_line = format!("pub mod {module};");
    let registry = tree.read(REGISTRY)?;
    if registry.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {module};"))
        || tree.read(TESTS)?.lines().any(|line| line == format!("mod {module};"))
    {
        return Err(format!("{name} exists: src/bms has a module {module}"));
    }

    tree.create(format!("src/bms/{module}/mod.rs"), names.fill(like.decoder))?;
    tree.insert(REGISTRY, &module_line, |lines| sorted(lines, "pub mod ", &module_line))?;
    tree.insert(REGISTRY, &format!("    &{module}::DRIVER,"), |lines| behind_last(lines, |line| line.ends_with("::DRIVER,")))?;

    tree.create(format!("tests/vectors/{name}/example.json"), names.fill(like.example))?;
    tree.create(format!("tests/vectors/{name}/bad-checksum.json"), names.fill(like.damaged))?;

    let test = names.fill(like.unknown_values);
    let rows = unknown_values(name, &test);
    tree.create(format!("tests/protocol/unknown_values/{module}.rs"), test)?;
    let line = format!("mod {module};");
    tree.insert(TESTS, &line, |lines| sorted(lines, "mod ", &line))?;
    tree.insert(BOARDS, &format!("    all.push(super::{module}::board());"), |lines| {
        lines.iter().position(|line| *line == "    all")
    })?;
    for row in rows {
        tree.insert(UNKNOWN_VALUES, &row, |lines| behind_table(lines, "| family | field |"))?;
    }

    tree.create(format!("docs/bms/{name}.md"), names.fill(PAGE))?;
    tree.insert(SITE, &format!("      - bms/{name}.md"), |lines| behind_last(lines, |line| line.starts_with("      - bms/")))?;
    let row = format!("| {label} | TODO(6): socket and pins | isolated USB-to-RS485 | untested: the manual has the pins |");
    tree.insert(WIRING, &row, |lines| behind_table(lines, "| BMS | connector | adapter |"))?;
    let commands = tree.read(COMMANDS)?;
    let without = commands.lines().find(|line| line.contains(", ") && line.ends_with(" | no | no | no | no |"));
    let without =
        without.ok_or_else(|| format!("{COMMANDS} has changed: no row without commands in it. Mend xtask/src/new_bms.rs"))?;
    let with_label = without.replacen(" | no | no", &format!(", {label} | no | no"), 1);
    tree.files.push((COMMANDS.to_owned(), commands.replacen(without, &with_label, 1)));
    tree.create(format!("changes/+{name}.added.md"), names.fill(CHANGE))
}

fn next_steps(names: &Names, like: &Like, tree: &Tree) -> String {
    let Names { name, module, .. } = names;
    let files: String = tree.files.iter().map(|(file, _)| format!("  {file}\n")).collect();
    format!(
        "Written, as a family with {like} frames:
{files}
Its decoder understands the made-up board that it describes. Each place that you have to replace is marked with TODO and the number of
the step; this lists what is left, in this order:

  cargo test --test docs -- skeletons

  1. Facts: two independent descriptions, and frames of real boards. Draw the frame at the top of src/bms/{module}/mod.rs.
  2. The registry entry and the requests, in the same file.
  3. Values and alarms, in the same file; raw values that mean \"none\" also in tests/protocol/unknown_values/{module}.rs and {UNKNOWN_VALUES}.
  4. Put a frame of a real board into tests/vectors/{name}/example.json and look at what comes out:
       cargo run -- replay tests/vectors/{name}/example.json
     Check each number by hand, then write it in the form of the tests, and delete example.json:
       cargo run -- replay tests/vectors/{name}/example.json --as-test --name 16s-idle
     Derive damaged ones. With two recordings of real boards set `evidence` to Evidence::Recordings.
  5. Optional: a simulated board, src/sim/{module}.rs and its row in BOARDS of src/sim/mod.rs.
  6. cargo test --test protocol
     The pages: docs/bms/{name}.md, {WIRING}, changes/+{name}.added.md; docs/de/wiring.md and the first sentence of README.md once
     it is tested; docs/ports.md if several share a cable. The tables of README.md and docs/bms:
       WRITE_PAGES=1 cargo test --test docs -- readme pages
     Then .ci/run --quick
  7. Compare with the manufacturer's app on a real battery: dbus-bms read /dev/ttyUSB0 --bms {name}

docs/add-a-bms.md explains each step.
",
        like = like.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_family_and_of_a_module() {
        let names = Names::new("acme-pro2").unwrap();
        assert_eq!([names.module, names.type_name, names.label], ["acme_pro2", "AcmePro2", "Acme Pro2"]);
        for wrong in
            ["", "Acme", "2acme", "acme_pro", "acme--pro", "acme-", "../acme", "äcme", "match", "a-name-of-more-than-24-chars"]
        {
            assert!(Names::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_go_where_they_belong() {
        let lines = ["mod bb;", "pub mod b;", "mod cc;", "pub mod d;", ""];
        assert_eq!(sorted(&lines, "pub mod ", "pub mod c;"), Some(2));
        assert_eq!(sorted(&lines, "pub mod ", "pub mod a;"), Some(1));
        assert_eq!(sorted(&lines, "fn ", "fn a"), None);
        assert_eq!(behind_table(&["| a | b |", "|---|---|", "| 1 | 2 |", "", "end"], "| a "), Some(3));
    }

    #[test]
    fn each_tried_value_has_its_row() {
        let rows = unknown_values("acme", "    field(\"voltage_v\", at(0x10), &[\"FFFF\", \"0000\"]),\n    other\n");
        assert_eq!(rows, ["| acme | `voltage_v` | `FFFF`, `0000` | TODO(3): what the sources say that it means |"]);
    }

    #[test]
    fn a_refusal_writes_nothing_and_says_why() {
        let said = |arguments: &[&str]| run(&arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap_err();
        assert!(said(&[]).contains("missing"));
        assert!(said(&["jk"]).contains("jk exists"));
        assert!(said(&["boards"]).contains("exists"), "the tests have a module of this name");
        assert!(said(&["acme", "--like", "can"]).contains("no skeleton can"));
        assert!(said(&["acme", "--root", "/nowhere"]).contains("/nowhere/src/bms/mod.rs"));
        assert!(said(&["acme", "more"]).contains("more"));
    }
}
