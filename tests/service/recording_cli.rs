//! `record` and `replay` as programs, against a simulated board on a pseudo terminal.

use dbus_bms::base::hex;
use dbus_bms::recording::file::Recording;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// A temporary folder, removed after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recording-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn run(&self, args: &[&str]) -> Ended {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dbus-bms"));
        command.args(args).current_dir(&self.0).env_remove("RUST_LOG").env("XDG_CONFIG_HOME", &self.0);
        command
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// A board on `line`, ready to reply.
    fn simulate(&self, board: &str) -> Board {
        let mut command = self.command(&["simulate", board, "--link", "line"]);
        let board = Board(command.stderr(Stdio::null()).spawn().unwrap());
        for _ in 0..500 {
            if self.0.join("line").exists() {
                return board;
            }
            dbus_bms::base::runtime::wait_briefly();
        }
        panic!("no simulated board within five seconds");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Board(Child);

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_recording_is_shown_and_becomes_a_test() {
    let scratch = Scratch::new("jk");
    let board = scratch.simulate("jk");
    let recorded =
        scratch.run(&["record", "line", "--to", "board.json", "--seconds", "4", "--bms", "jk", "--note", "on the bench"]);
    assert_eq!(recorded.code, 0, "{}", recorded.err);
    assert!(recorded.out.starts_with("board.json: ") && recorded.out.contains("of 1 battery (jk)"), "{}", recorded.out);
    drop(board);
    let text = scratch.read("board.json");
    assert!(!text.contains(&hex::encode(b"simulated")), "the password is in the file");
    assert!(text.contains("on the bench") && Recording::parse("board.json", &text).unwrap().text() == text);
    assert!(!scratch.0.join("board.json.new").exists());

    let played = scratch.run(&["replay", "board.json"]);
    assert_eq!(played.code, 0, "{}", played.err);
    let lines = lines(&played.out);
    let (readings, limits): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(|line| line["bms"] == "jk");
    assert!(readings.len() >= 3 && readings.len() == limits.len(), "{}", played.out);
    let time = |value: &Value| value["t"].as_f64().unwrap();
    // The second one follows the first immediately.
    assert!(readings[1..].windows(2).all(|pair| (0.5..2.0).contains(&(time(pair[1]) - time(pair[0])))), "{}", played.out);
    for (reading, limits) in readings.iter().zip(&limits) {
        assert_eq!(time(reading), time(limits));
        assert!(reading["voltage_v"].as_f64().unwrap() > 40.0 && reading["cell_voltages_v"].as_array().unwrap().len() == 16);
        assert!(limits["cvl"].as_f64().unwrap() > 50.0 && limits["ccl_why"].is_string() && limits["mode"].is_string());
    }

    let refused = scratch.run(&["replay", "board.json", "--as-test"]);
    assert_eq!((refused.code, refused.err.contains("source folder")), (2, true), "{}", refused.err);
    fs::create_dir_all(scratch.0.join("tests/vectors")).unwrap();
    let test = scratch.run(&["replay", "board.json", "--as-test", "--name", "bench-16s"]);
    assert_eq!(test.code, 0, "{}", test.err);
    assert!(test.err.contains("check by eye") && test.out.contains("voltage_v"), "{}", test.err);
    let made = scratch.read("tests/vectors/jk/bench-16s.json");
    let vector = Recording::parse("bench-16s.json", &made).unwrap();
    assert_eq!((vector.text(), vector.readings.len()), (made, 1));
    let again = scratch.run(&["replay", "board.json", "--as-test", "--name", "bench-16s"]);
    assert_eq!((again.code, again.err.contains("another name")), (2, true), "{}", again.err);
    let named = scratch.run(&["replay", "board.json", "--as-test", "--name", "../escape"]);
    assert_eq!((named.code, named.err.contains("not a valid test name")), (2, true), "{}", named.err);
}

#[test]
fn ctrl_c_ends_it_and_writes_the_file() {
    let scratch = Scratch::new("stopped");
    let _board = scratch.simulate("jbd");
    let mut command = scratch.command(&["record", "line", "--to", "jbd.json", "--seconds", "600", "--bms", "jbd"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    (0..250).for_each(|_| dbus_bms::base::runtime::wait_briefly());
    assert!(!scratch.0.join("jbd.json").exists(), "it is written at the end, whole");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let vector = Recording::parse("jbd.json", &scratch.read("jbd.json")).unwrap();
    assert!(vector.readings.len() == 1 && vector.traffic.last().unwrap().at.as_secs() < 60);
}

#[test]
fn nothing_found_is_3_and_recorded() {
    let scratch = Scratch::new("silent");
    // A board of another family: the line contains our requests and no reply.
    let board = scratch.simulate("jk");
    let recorded = scratch.run(&["record", "line", "--to", "silent.json", "--bms", "jbd,jk-pb"]);
    drop(board);
    assert_eq!(recorded.code, 3, "{}", recorded.err);
    assert!(recorded.err.contains("no BMS answered on line") && recorded.out.starts_with("silent.json: "));
    let text = scratch.read("silent.json");
    assert!(
        text.contains("\"bms\": \"unknown\"") && text.contains("no BMS answered on the port") && text.contains("dda50300fffd77")
    );
    let played = scratch.run(&["replay", "silent.json"]);
    assert_eq!((played.code, played.err.contains("add --bms")), (2, true), "{}", played.err);
    let played = scratch.run(&["replay", "silent.json", "--bms", "jbd"]);
    assert_eq!((played.code, played.err.contains("no valid jbd frame")), (3, true), "{}", played.err);
}

/// Runs a program whose messages go to a terminal: its status, and what the terminal got.
fn on_terminal(command: &mut Command) -> (ExitStatus, String) {
    let (ours, terminal) = terminal();
    let status = command.env("TERM", "xterm").stdout(Stdio::null()).stderr(terminal).status().unwrap();
    // The program's copy of the terminal is closed with it.
    command.stderr(Stdio::null());
    // A read at the other end of a closed terminal fails after all that was written.
    let mut shown = Vec::new();
    let _ = fs::File::from(ours).read_to_end(&mut shown);
    (status, String::from_utf8_lossy(&shown).into_owned())
}

/// Both ends of a pseudo terminal.
fn terminal() -> (OwnedFd, fs::File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours, fs::File::options().read(true).write(true).open(name).unwrap())
}

#[test]
fn how_far_a_long_search_is_stands_on_a_terminal() {
    let scratch = Scratch::new("search");
    // A line on which nobody answers.
    let (silent, _open) = terminal();
    let port = ptsname(&silent, Vec::new()).unwrap().into_string().unwrap();
    let (status, shown) = on_terminal(&mut scratch.command(&["probe", &port]));
    assert_eq!(status.code(), Some(3), "{shown:?}");
    assert!(shown.contains("searching: 1 s\x1b[K\r") || shown.contains("searching: 2 s\x1b[K\r"), "{shown:?}");
    let piped = scratch.run(&["probe", &port]);
    assert!(piped.code == 3 && !piped.err.contains("searching:"), "{}", piped.err);
}

#[test]
fn how_far_simulated_days_are_stands_on_a_terminal() {
    let scratch = Scratch::new("days");
    let mut command = scratch.command(&["simulate-day", "--table"]);
    let (ours, terminal) = terminal();
    let mut child = command.env("TERM", "xterm").stdout(Stdio::null()).stderr(terminal).spawn().unwrap();
    command.stderr(Stdio::null());
    let mut ours = fs::File::from(ours);
    let (mut shown, mut part) = (String::new(), [0; 256]);
    while !shown.contains(" days\x1b[K\r") {
        let count = ours.read(&mut part).unwrap();
        shown.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shown.contains("simulating: 0 of "), "{shown:?}");
}

#[test]
fn how_far_a_recording_is_stands_on_a_terminal_and_nowhere_else() {
    let scratch = Scratch::new("progress");
    let _board = scratch.simulate("jk");
    let args = |to: &'static str| ["record", "line", "--to", to, "--bms", "jk", "--seconds", "4"];
    let piped = scratch.run(&args("piped.json"));
    assert_eq!((piped.code, piped.err.contains(" of 4 s")), (0, false), "{}", piped.err);

    let (status, shown) = on_terminal(&mut scratch.command(&args("shown.json")));
    assert!(status.success(), "{shown:?}");
    assert!(shown.contains("recording: 1 of 4 s\x1b[K\r") || shown.contains("recording: 2 of 4 s\x1b[K\r"), "{shown:?}");
    let last = shown.rfind(" of 4 s").unwrap_or(0);
    assert!(shown[last..].matches("\x1b[K").count() >= 2, "the line is removed at the end: {shown:?}");
}

#[test]
fn a_line_where_nobody_talks_is_said_to_be_one() {
    let scratch = Scratch::new("quiet");
    let _board = scratch.simulate("jk");
    let recorded = scratch.run(&["record", "line", "--to", "quiet.json", "--listen", "--baud", "115200", "--seconds", "1"]);
    assert_eq!((recorded.code, recorded.err.contains("leave out --listen")), (3, true), "{}", recorded.err);
    assert!(scratch.read("quiet.json").contains("listened at 115200 baud for 1 s"));
}

#[test]
fn mistakes_are_told_before_anything_is_recorded() {
    let scratch = Scratch::new("mistakes");
    fs::write(scratch.0.join("earlier.json"), "the only recording of its fault").unwrap();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["record", "/nonexistent", "--to", "a.json"], 4, "does not exist"),
        (&["record", "/nonexistent", "--to", "no/folder/a.json"], 1, "cannot write no/folder/a.json"),
        (&["record", "/nonexistent", "--to", "/dev/null"], 1, "not a regular file"),
        (&["record", "/nonexistent", "--to", "earlier.json"], 1, "it already exists; choose another path"),
        (&["record", "/nonexistent", "--to", "a.json", "--seconds", "0"], 2, "--seconds"),
        (&["record", "/nonexistent", "--to", "a.json", "--baud", "9600"], 2, "--listen"),
        (&["record", "/nonexistent"], 2, "--to"),
        (&["replay", "/nonexistent"], 2, "cannot read /nonexistent"),
        (&["replay", "x.json", "--name", "x"], 2, "--as-test"),
    ];
    for (args, code, hint) in cases {
        let ended = scratch.run(args);
        assert_eq!((ended.code, ended.err.contains(hint), ended.out.as_str()), (code, true, ""), "{args:?}: {}", ended.err);
    }
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "no half of a file is left");
    assert_eq!(scratch.read("earlier.json"), "the only recording of its fault");
    fs::write(scratch.0.join("x.json"), "{\"bms\": 1}").unwrap();
    let ended = scratch.run(&["replay", "x.json"]);
    assert_eq!((ended.code, ended.err.starts_with("x.json: ")), (2, true), "{}", ended.err);
    fs::write(scratch.0.join("x.json"), [0xFF, 0xFE]).unwrap();
    assert_eq!(scratch.run(&["replay", "x.json"]).code, 2);
}
