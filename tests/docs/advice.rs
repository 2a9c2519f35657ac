//! Every error text and every warning in the log names a remedy, or is listed here with the reason why it has none.

use crate::support::sources::rust_files;
use std::fs;
use std::path::{Path, PathBuf};

/// A clause that begins with one of these verbs is a remedy; so is one that begins with a command in backticks, and a question.
const VERBS: &[&str] = &[
    "add", "ask", "build", "check", "choose", "correct", "free", "give", "install", "leave", "look", "lower", "name", "plug",
    "please", "release", "remove", "restart", "run", "say", "see", "set", "start", "stop", "switch", "take", "try", "use", "wait",
    "wake", "write",
];

/// Texts without a remedy, by their beginning, and the reason.
const REASONS: &[(&str, &str)] = &[
    ("done: the BMS shows it", "all is well"),
    ("in force from the next reading on", "all is well"),
    ("RS485 output to the inverter: {why}", "the reason says what to do (link, ownership)"),
    ("a reply to something else", "part of a sentence that says what to do (link, decode)"),
    ("exception {0}", "part of a sentence that says what to do (src/link/modbus_tcp.rs)"),
    ("an answer to another request", "part of a sentence that says what to do (src/link/modbus_tcp.rs)"),
    ("no Modbus TCP", "part of a sentence that says what to do (src/link/modbus_tcp.rs)"),
    ("{what}, which is not supported", "part of a sentence that says what to do (link, decode)"),
    ("the BMS refused the request (code {code:#04x})", "part of a sentence that says what to do (link, decode)"),
    ("the frame ends before its {field}", "part of a sentence that says what to do (link, decode)"),
    ("no {what}{}: {error}", "the error says what to do"),
    ("{frames} valid {bms} frame(s), but no usable answer", "ends with the remedy"),
    ("{file}, line {line}: {problem}", "the problem says what is allowed"),
    ("--fault {name}={value}: {problem}", "the problem says what is allowed"),
    ("{found:?} at character {place}", "part of a sentence that says what to give"),
    ("an odd number of hex digits", "part of a sentence that says what to give"),
    ("{SERVICE} is not on the bus", "never said: without the service the driver runs as well"),
    ("{device}: another battery has already taken over {}", "both go on with what they have"),
    ("{device}: {} cannot be saved in {}", "the error says what to do"),
    ("{path} is not written: {source}", "the source says what to do (src/recording/anonymous.rs)"),
    ("{error}; the defaults are used", "the error says what to correct"),
    ("{error}; retrying", "the error says what to do"),
    ("{error}; {name} runs without it for now", "the error says what to do"),
    ("{error}; running without D-Bus", "the error says what to do"),
    ("{nothing_found} Searching again", "what was found says what to check"),
    ("some lines are not frames; {wrong}", "what is wrong says how a line is written"),
    ("GoodWe inverter {}: {why}", "the reason says what to check (src/service/goodwe.rs)"),
    ("no message: {why}", "the reason says what to check (src/link/mqtt/port.rs)"),
    ("MQTT broker {}:{} {error}; retrying", "the error says what to check (src/link/mqtt/fault_text.rs)"),
    ("Domoticz at {url} {text}", "the text says what to check (src/output/domoticz/http.rs)"),
    ("the web server stopped", "it starts again by itself"),
    ("{}: {} was not acknowledged", "what became of the command is said next"),
    ("{label}: the last run was interrupted during a command", "the driver puts it right by itself"),
    ("MQTT: the broker did not confirm the disconnect", "the program is ending; nothing is lost"),
    ("some outputs did not finish", "the program is ending; nothing is lost"),
    ("D-Bus did not release", "the program is ending; the bus notices"),
    ("the request {} would change a BMS", "the simulator speaks to developers"),
    ("{}: limits {would}CVL", "who only observes sees the limits here"),
    ("{}: {}: {outcome}", "the outcome says what to do"),
];

/// The first text literal of `code` as printed: lines joined, escapes resolved as far as they matter.
fn literal(code: &str) -> Option<String> {
    let start = code.find('"')? + 1;
    let mut text = String::new();
    let mut rest = code[start..].chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Some(text),
            '\\' => match rest.next()? {
                '\n' => rest = rest.as_str().trim_start().chars(),
                escaped => text.push(escaped),
            },
            c => text.push(c),
        }
    }
    None
}

/// All texts of errors and warnings in a source, without those of its unit tests.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let marks = ["#[error(", "log::warn!(", "log::error!(", "log::log!("];
    let places = marks.iter().flat_map(|mark| source.match_indices(mark));
    places
        .filter(|(at, _)| !source[*at..].starts_with("#[error(transparent)"))
        .filter_map(|(at, _)| literal(&source[at..]))
        .collect()
}

/// A text that consists of other texts only.
fn is_passed_on(text: &str) -> bool {
    let mut depth = 0i32;
    !text.chars().any(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0 && c.is_alphabetic()
    })
}

fn names_something_to_do(text: &str) -> bool {
    let clauses =
        text.split([';', ':', '.', ',', '(', ')']).flat_map(|part| part.split(" and ")).flat_map(|part| part.split(" or "));
    let first = |clause: &str| clause.split_whitespace().next().unwrap_or_default().to_lowercase();
    let is_deed = |clause: &str| {
        let word = first(clause);
        VERBS.contains(&word.as_str()) || word.starts_with('`') || clause.trim_start().starts_with("there are")
    };
    text.contains('?') || clauses.skip(1).any(is_deed) || VERBS.contains(&first(text).as_str())
}

#[test]
fn every_text_says_what_to_do_next() {
    let all: Vec<(PathBuf, String)> = rust_files(Path::new("src"))
        .into_iter()
        .flat_map(|file| texts(&fs::read_to_string(&file).unwrap()).into_iter().map(move |text| (file.clone(), text)))
        .collect();
    assert!(all.len() > 150, "only {} texts found", all.len());
    let reason = |text: &str| REASONS.iter().find(|(begin, _)| text.starts_with(begin));
    let silent: Vec<_> = all
        .iter()
        .filter(|(_, text)| !is_passed_on(text) && !names_something_to_do(text) && reason(text).is_none())
        .map(|(file, text)| format!("{}: {text}", file.display()))
        .collect();
    assert!(silent.is_empty(), "say what the owner does next, or give a reason in tests/docs/advice.rs:\n{}", silent.join("\n"));
    let unused: Vec<_> = REASONS.iter().filter(|(begin, _)| !all.iter().any(|(_, text)| text.starts_with(begin))).collect();
    assert!(unused.is_empty(), "reasons for texts that are not there any more: {unused:#?}");
}

#[test]
fn a_text_that_says_only_what_broke_is_found() {
    let source = "#[error(\n    \"the port {name} \\\n     failed: {0}\"\n)]\n#[error(transparent)]\nlog::warn!(\"{label}: broken. Check the plug\");";
    let found = texts(source);
    assert_eq!(found, ["the port {name} failed: {0}", "{label}: broken. Check the plug"]);
    assert!(!names_something_to_do(&found[0]) && !is_passed_on(&found[0]));
    assert!(names_something_to_do(&found[1]));
    assert!(is_passed_on("{}: {error}") && is_passed_on("{0}"));
    assert!(!names_something_to_do("cannot start: {0}"), "a verb within a clause asks for nothing");
}
