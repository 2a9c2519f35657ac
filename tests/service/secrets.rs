//! No secret in the log: a BMS sends its password with every reply, and none of it may appear at any log level, on any output or in
//! any file, for valid and corrupted frames.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Answers, Board};
use bus::Bus;
use dbus_bms::base::hex;
use dbus_bms::bms::bytes::{sum8, sum16};
use driver::Home;
use rustix::process::Signal;
use std::fs;
use std::path::Path;

const PASSWORD: &str = "QXZV#@QZ";
const JK: &str = "jk/armin-16s-charging";

/// The reply of this board with a password in it.
fn frame(name: &str, at: usize) -> Vec<u8> {
    let mut frame = board::vector(name).received();
    assert!(frame[at..at + 10].iter().all(|byte| *byte == b'*'), "{name}: no password at {at}");
    frame[at..at + 10].fill(0);
    frame[at..at + PASSWORD.len()].copy_from_slice(PASSWORD.as_bytes());
    if frame.starts_with(b"NW") {
        let end = frame.len() - 4;
        let sum = sum16(&frame[..end]).to_be_bytes();
        frame[end + 2..].copy_from_slice(&sum);
    } else {
        frame[299] = sum8(&frame[..299]);
    }
    frame
}

/// Neither as text nor as hex nor as a list of numbers.
fn assert_kept(what: &str, text: &str) {
    let bytes = PASSWORD.as_bytes();
    for part in bytes.windows(4) {
        let numbers: Vec<String> = part.iter().map(u8::to_string).collect();
        let forms = [String::from_utf8_lossy(part).into_owned(), hex::encode(part), numbers.join(", ")];
        for form in forms {
            assert!(!text.to_lowercase().contains(&form.to_lowercase()), "{what} tells {form:?}: {text}");
        }
    }
}

/// A JK board that is found, and replies to the request for all registers with `frame`.
fn jk(frame: Vec<u8>) -> Answers {
    let mut masked = board::replay_jk(JK, 53.0);
    Box::new(move |input| {
        let reply = masked(input);
        if reply.len() >= frame.len() { frame.clone() } else { reply }
    })
}

/// Output and files of the program with this board.
fn listen(bms: &str, answers: Answers) {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyTEST0"), answers);
    let recording = home.path("recording.json").display().to_string();
    for arguments in [
        &["probe", &board.port, "--bms", bms][..],
        &["read", &board.port, "--bms", bms],
        &["record", &board.port, "--bms", bms, "--seconds", "2", "--to", &recording],
    ] {
        let ended = home.start(&[&["--log", "trace"], arguments].concat()).end();
        assert!(ended.log.iter().any(|line| line.starts_with("TRACE")), "nothing was traced: {ended:#?}");
        assert_kept(arguments[0], &[ended.log, ended.output].concat().join("\n"));
    }
    let running = home.run(&bus, &board.port, &["--bms", bms, "--log", "trace"]);
    running.wait_for_log("TRACE");
    // Long enough for a search and some readings, or the first failures.
    driver::wait(|| (running.log().iter().filter(|line| line.starts_with("TRACE")).count() >= 12).then_some(()));
    // With corrupted replies it may have ended already, because no BMS was found.
    running.signal(Signal::TERM);
    assert_kept("run", &running.end().log.join("\n"));
    for file in files(&home.path("")) {
        assert_kept(&file.display().to_string(), &String::from_utf8_lossy(&fs::read(&file).unwrap()));
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).filter(|path| path.is_file()).collect()
}

#[test]
fn no_password_of_a_jk_is_told() {
    listen("jk", jk(frame(JK, 198 + 3)));
}

#[test]
fn no_password_of_a_jk_pb_is_told() {
    let frame = frame("jk-pb/device-to-request", 118);
    listen("jk-pb", Box::new(move |input| if input.is_empty() { Vec::new() } else { frame.clone() }));
}

#[test]
fn nor_one_in_a_damaged_frame() {
    let mut damaged = frame(JK, 198 + 3);
    damaged[20] ^= 0x40;
    listen("jk", jk(damaged));
}

#[test]
#[should_panic(expected = "tells")]
fn a_leak_would_be_seen() {
    assert_kept("a line of bytes in hex", &hex::encode(frame(JK, 198 + 3)));
}
