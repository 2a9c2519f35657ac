//! The program from outside: exit codes, standard output, one sentence on standard error.

use crate::support::program;

use clap::{Args, Command as Clap, FromArgMatches};
use dbus_bms::cli::Exit;
use dbus_bms::cli::demo::DemoArgs;
use dbus_bms::cli::limits::LimitsArgs;
use dbus_bms::cli::probe::ProbeArgs;
use dbus_bms::cli::read::ReadArgs;
use dbus_bms::cli::run::RunArgs;
use dbus_bms::cli::simulate::SimulateArgs;
use dbus_bms::sim::fault::Faults;
use program::{Ended, run};
use std::path::{Path, PathBuf};

/// Recorded from a JBD board: basic information and cell voltages (syssi/esphome-jbd-bms, README).
const BASIC: &str = "dd03001d060b000001ed01f400002c7c00000000100080630204030ba00b9d0b98fa5577";
const CELLS: &str = "dd0400080f230f1c0f120f1dff4e77";
const ASK_BASIC: &str = "dda50300fffd77";
const ASK_CELLS: &str = "dda50400fffc77";

/// One sentence for the owner, without a panic message.
fn assert_sentence(ended: &Ended, code: i32, hint: &str) {
    assert_eq!(ended.code, code, "{}", ended.err);
    assert!(ended.out.is_empty(), "{}", ended.out);
    assert_eq!(ended.err.trim_end().lines().count(), 1, "{}", ended.err);
    assert!(ended.err.contains(hint), "{}", ended.err);
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn decode_merges_the_frames_of_a_battery() {
    let noisy = format!("00 ff {ASK_BASIC}\n{}\t{CELLS} dd04", BASIC.to_uppercase());
    let ended = run(&["decode", "--bms", "jbd"], &noisy);
    assert_eq!((ended.code, ended.err.as_str(), ended.out.lines().count()), (0, "", 1));
    let reading = json(&ended.out);
    assert_eq!(reading["voltage_v"], 15.47);
    assert_eq!(reading["cell_voltages_v"], serde_json::json!([3.875, 3.868, 3.858, 3.869]));
    assert_eq!(reading["notes"], serde_json::json!(["FETs locked by software"]));
}

#[test]
fn decode_counts_only_replies_to_what_was_sent() {
    let all = format!("{BASIC}{CELLS}");
    let cells = json(&run(&["decode", "--bms", "jbd", "--sent", ASK_CELLS], &all).out);
    assert!(cells.get("voltage_v").is_none() && cells.get("cell_voltages_v").is_some(), "{cells}");
    let both = json(&run(&["decode", "--bms", "jbd", "--sent", ASK_CELLS, "--sent", ASK_BASIC], &all).out);
    assert!(both.get("voltage_v").is_some() && both.get("cell_voltages_v").is_some(), "{both}");
    assert_sentence(&run(&["decode", "--bms", "jbd", "--sent", ASK_CELLS], BASIC), 3, "leave out --sent");
}

#[test]
fn a_refusal_and_an_acknowledge_are_answers() {
    let refused = run(&["decode", "--bms", "jbd", "--sent", ASK_BASIC], "dd038000ff8077");
    assert_eq!(refused.code, 0, "{}", refused.err);
    assert_eq!(json(&refused.out), serde_json::json!({"bms": "jbd", "notes": ["the BMS refused the request (code 0x80)"]}));
    let partly = json(&run(&["decode", "--bms", "jbd"], &format!("{CELLS}dd038000ff8077")).out);
    assert_eq!(partly["notes"], serde_json::json!(["the BMS refused the request (code 0x80)"]));
    assert!(partly.get("cell_voltages_v").is_some());
    let acknowledged = run(&["decode", "--bms", "jbd"], "dde10000000077");
    assert_eq!((acknowledged.code, json(&acknowledged.out)), (0, serde_json::json!({"bms": "jbd"})));
}

/// A frame of a JK board with firmware 10.07 and a broken wire, so that nothing proves its layout.
fn old_layout() -> String {
    let text = include_str!("../vectors/jk-pb/bad-24-cell-layout-open-wire.json");
    dbus_bms::base::hex::encode(dbus_bms::recording::file::Recording::parse("10.07", text).unwrap().received())
}

#[test]
fn decode_says_why_there_is_nothing() {
    assert_sentence(&run(&["decode", "--bms", "jbd"], ""), 3, "no valid jbd frame in 0 bytes");
    assert_sentence(&run(&["decode", "--bms", "jbd"], &BASIC.replace("060b", "060c")), 3, "check --bms");
    // 7.73 V for four cells of 3.87 V.
    let half = BASIC.replace("060b", "0305").replace("fa55", "fa5e");
    assert_sentence(&run(&["decode", "--bms", "jbd"], &format!("{half}{CELLS}")), 3, "its cells sum up to 15.47 V");
    assert_sentence(&run(&["decode", "--bms", "jk-pb"], &old_layout()), 3, "the 24-cell layout of JK firmware before 11");
    assert_sentence(&run(&["decode", "--bms", "jbd"], "dd 03 0g"), 2, "'g' at character 8");
    assert_sentence(&run(&["decode", "--bms", "jbd"], "dd0"), 2, "odd number");
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for args in [
        &[][..],
        &["decode"],
        &["decode", "--bms", "nope"],
        &["decode", "--bms", "jbd", "--sent", "xx"],
        &["decode", "--bms", "jbd", "--sent", ""],
        &["config", "check"],
        &["nonsense"],
        &["--log", "loud", "config", "default"],
    ] {
        let ended = run(args, "");
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}");
        assert!(!ended.err.is_empty(), "{args:?}");
    }
    let unknown = run(&["decode", "--bms", "nope"], "").err;
    assert!(unknown.contains("expected one of") && unknown.contains("jbd"), "{unknown}");
    for args in [&["--help"][..], &["--version"], &["decode", "--help"], &["config", "check", "--help"]] {
        let ended = run(args, "");
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{args:?}");
        assert!(!ended.out.is_empty());
    }
}

#[test]
fn the_default_configuration_passes_the_check() {
    let default = run(&["config", "default"], "");
    assert_eq!((default.code, default.err.as_str()), (0, ""));
    let file = Scratch::new("default.toml", &default.out);
    let checked = run(&["config", "check", file.path()], "");
    assert_eq!((checked.code, checked.out), (0, format!("{}: ok\n", file.path())));
}

#[test]
fn a_wrong_configuration_is_told_line_by_line() {
    let file = Scratch::new("wrong.toml", "cells = 16\nmax_charge_curent_a = 5\nchemistry = \"lipo\"\n");
    let ended = run(&["config", "check", file.path()], "");
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    let lines: Vec<_> = ended.err.lines().collect();
    assert_eq!(lines[0], format!("{}:2: unknown key `max_charge_curent_a`; did you mean `max_charge_current_a`?", file.path()));
    assert!(lines[1].starts_with(&format!("{}:3: ", file.path())) && lines.len() == 2, "{}", ended.err);
    assert_sentence(&run(&["config", "check", "/nonexistent.toml"], ""), 2, "/nonexistent.toml");
}

/// Arguments as a separate command, parsed by `clap`.
fn parse<T: Args + FromArgMatches>(args: &[&str]) -> Result<T, clap::Error> {
    let command = T::augment_args(Clap::new("test").no_binary_name(true));
    T::from_arg_matches(&command.try_get_matches_from(args)?)
}

#[test]
fn the_command_line_wins_over_the_file() {
    let file =
        Scratch::new("run.toml", "control = true\naddresses = [9]\n[port.ttyUSB0]\naddresses = [8]\n[dbus]\nbus = \"system\"\n");
    let all = [
        "/dev/ttyUSB0",
        "--config",
        file.path(),
        "--bms",
        "jbd",
        "--addresses",
        "1,2",
        "--bus",
        "session",
        "--observe",
        "--no-dbus",
    ];
    let args: RunArgs = parse(&all).unwrap();
    let settings = args.config().unwrap().settings(Some(&args.ports[0]), None);
    assert_eq!((settings.bms, settings.addresses, settings.control), (vec!["jbd"], vec![1, 2], false));
    assert_eq!((settings.dbus.bus.as_deref(), settings.dbus.required), (Some("session"), false));

    let bare: RunArgs = parse(&["/dev/ttyUSB0", "--config", file.path()]).unwrap();
    let settings = bare.config().unwrap().settings(Some(&bare.ports[0]), None);
    assert_eq!((settings.addresses, settings.control, settings.dbus.required), (vec![8], true, true));

    let wrong: RunArgs = parse(&["/dev/ttyUSB0", "--config", file.path(), "--bus", "systm"]).unwrap();
    assert!(wrong.config().err().unwrap().to_string().starts_with("--bus: "));
    assert!(parse::<RunArgs>(&["/dev/ttyUSB0", "--addresses", "256"]).is_err());
    let nowhere: RunArgs = parse(&["--observe", "--config", file.path()]).unwrap();
    let failure = nowhere.run().unwrap_err();
    assert!(failure.exit() == Exit::Usage && failure.to_string().starts_with("no port"), "a port is needed: {failure}");
}

#[test]
fn the_other_commands_take_their_options() {
    let probe: ProbeArgs = parse(&["/dev/ttyUSB0", "--bms", "jbd,jbd", "--json"]).unwrap();
    assert!(probe.json && probe.on.batteries.bms.len() == 2);
    let read: ReadArgs = parse(&["tcp://localhost:1", "--addresses", "1"]).unwrap();
    assert_eq!((read.on.port.as_str(), read.on.batteries.addresses), ("tcp://localhost:1", vec![1]));
    let limits: LimitsArgs = parse(&["--config", "c.toml"]).unwrap();
    assert_eq!(limits.file.config, Some(PathBuf::from("c.toml")));
    let simulate =
        ["jbd", "--link", "/tmp/x", "--addresses", "1,2", "--pace", "--cells", "8", "--scenario", "s", "--fault", "drop=5,noise"];
    let simulate: SimulateArgs = parse(&simulate).unwrap();
    assert_eq!((simulate.bms.as_str(), simulate.cells, simulate.pace), ("jbd", Some(8), true));
    assert_eq!(simulate.fault, Faults::parse("drop=5,noise").unwrap());
    assert!(parse::<SimulateArgs>(&["jbd", "--link", "/tmp/x", "--fault", "dorp=5"]).is_err());
    assert!(parse::<SimulateArgs>(&["jbd"]).is_err(), "a link is needed");
    parse::<DemoArgs>(&[]).unwrap();
    parse::<DemoArgs>(&["--bms", "daly"]).unwrap();
}

/// A temporary file for the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_command_that_waits_for_input_on_a_terminal_says_so() {
    let program = env!("CARGO_BIN_EXE_dbus-bms");
    for (arguments, content) in [
        ("limits", "JSON lines of measured values"),
        ("health --stdin", "JSON lines of readings"),
        ("decode --bms jbd", "bytes as hex text"),
        ("can encode --profile pylontech", "readings as JSON objects"),
        ("can decode", "lines of candump"),
    ] {
        // `script` gives the program a terminal, on which the input ends at once.
        let command = format!("{program} {arguments}");
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).stdin(std::process::Stdio::null());
        let shown = String::from_utf8(script.output().unwrap().stdout).unwrap();
        assert!(shown.contains(&format!("reading {content} from this terminal; end with Ctrl-D")), "{arguments}: {shown}");
        let piped = run(&arguments.split(' ').collect::<Vec<_>>(), "");
        assert!(!piped.err.contains("from this terminal"), "{arguments}: {}", piped.err);
    }
}

#[test]
fn the_help_of_limits_names_every_measured_value() {
    let help = run(&["limits", "--help"], "").out;
    let named = help.split("Input:").nth(1).unwrap().split("Example:").next().unwrap();
    let words = named.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let keys: Vec<&str> = words
        .filter(|word| word.contains('_') || ["t", "cells", "voltage", "current", "soc", "temperatures"].contains(word))
        .collect();
    // A key that is not known is named in a note; one that is known and of the wrong type is an error.
    for key in &keys {
        let ended = run(&["limits"], &format!("{{\"{key}\": {{}}}}\n"));
        assert_eq!(ended.code, 2, "{key}: {} {}", ended.out, ended.err);
    }
    let example = help.split("echo '").nth(1).unwrap().split('\'').next().unwrap();
    let ended = run(&["limits"], example);
    assert!(ended.code == 0 && !ended.err.contains("is ignored"), "{} {}", ended.out, ended.err);
    let source = std::fs::read_to_string("src/battery/charge/filter.rs").unwrap();
    let fields = source.split("struct InputLine {").nth(1).unwrap().split("/// Unknown keys.").next().unwrap();
    for field in fields.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name) {
        assert!(keys.contains(&field), "{field} is missing in the help: {keys:?}");
    }
    let help = run(&["health", "--help"], "").out;
    let example = help.split("Example:").nth(1).unwrap().trim();
    let ended = run(&["health", "--stdin"], example);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
}

#[test]
fn help_fits_the_terminal_without_breaking_words_and_is_unbroken_in_a_pipe() {
    let program = env!("CARGO_BIN_EXE_dbus-bms");
    let commands = run(&["--help"], "").out;
    let commands = commands.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = commands.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help").chain([""]) {
        let mut script = std::process::Command::new("script");
        let command = format!("stty cols 80 && {program} {name} --help");
        script.args(["-qec", &command, "/dev/null"]).stdin(std::process::Stdio::null());
        let shown = String::from_utf8(script.output().unwrap().stdout).unwrap();
        let wide: Vec<&str> = shown.lines().filter(|line| line.trim_end().chars().count() > 80).collect();
        assert_eq!(wide, [""; 0], "{name}");
        let [on_terminal, piped] =
            [shown, run(&[name, "--help"].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>(), "").out]
                .map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert!(piped.len() > 10 && on_terminal == piped, "{name}: {on_terminal:?}");
    }
}

#[test]
fn a_failure_fits_the_terminal_without_breaking_words() {
    let command = format!("stty cols 40 && {} probe /nonexistent/port", env!("CARGO_BIN_EXE_dbus-bms"));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).stdin(std::process::Stdio::null());
    let shown = String::from_utf8(script.output().unwrap().stdout).unwrap();
    let piped = run(&["probe", "/nonexistent/port"], "").err;
    assert!(piped.lines().count() == 1 && piped.chars().count() > 80, "{piped}");
    assert!(shown.lines().count() > 2 && shown.lines().all(|line| line.trim_end().chars().count() <= 40), "{shown}");
    assert!(shown.split_whitespace().eq(piped.split_whitespace()), "{shown}");
}

#[test]
fn simulate_lists_its_boards() {
    let help = run(&["simulate", "--help"], "").out;
    for board in dbus_bms::sim::names() {
        assert!(help.contains(board), "{board}: {help}");
    }
    let unknown = run(&["simulate", "foo", "--link", "/nonexistent/x"], "");
    assert!(unknown.code == 2 && unknown.err.contains("jk-pb"), "{}", unknown.err);
    let scenario = run(&["simulate", "jbd", "--link", "/nonexistent/x", "--scenario", "/nonexistent/file"], "");
    assert_sentence(&scenario, 2, "[[step]]");
}

#[test]
fn the_version_names_processor_and_features() {
    let shown = run(&["--version"], "").out;
    assert!(shown.starts_with(&format!("dbus-bms {} (", env!("CARGO_PKG_VERSION"))), "{shown}");
    assert!(shown.contains(std::env::consts::ARCH) && shown.contains("features") && shown.lines().count() == 1, "{shown}");
}

#[path = "../../examples/cli_files.rs"]
#[allow(dead_code, reason = "its main function is not used here")]
mod cli_files;

#[test]
fn completions_and_man_pages_name_every_command() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli-files");
    cli_files::write(&folder).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let bash = folder.join("completions/dbus-bms.bash");
    assert!(std::process::Command::new("bash").arg("-n").arg(&bash).status().unwrap().success());
    let help = run(&["--help"], "").out;
    let commands = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> =
        commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        for file in ["dbus-bms.bash", "_dbus-bms", "dbus-bms.fish"] {
            assert!(read(&format!("completions/{file}")).contains(command), "{command} in {file}");
        }
        assert!(read(&format!("man/dbus-bms-{command}.1")).contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(read("man/dbus-bms.1").contains("Exit codes"));
}
