//! The demo from outside: it needs no root, no hardware and, if built for it, no D-Bus daemon; Ctrl-C leaves nothing behind.
#![allow(clippy::disallowed_methods, reason = "the test reads two pipes at once")]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The demo's output until it has shown a few readings and was interrupted, and its exit code.
fn demo(path: &str) -> (String, Option<i32>) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_dbus-bms"))
        .args(["--log", "info", "demo"])
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&demo);
    let err = BufReader::new(demo.stderr.take().unwrap());
    let said = std::thread::spawn(move || err.lines().map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    let mut shown = Vec::new();
    for line in BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok) {
        shown.push(line);
        if shown.len() == 4 {
            kill_process(pid, Signal::INT).unwrap();
        }
    }
    let status = demo.wait().unwrap();
    (format!("{}\n{}", said.join().unwrap(), shown.join("\n")), status.code())
}

fn assert_nothing_left() {
    let left: Vec<_> = std::fs::read_dir(std::env::temp_dir())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix("dbus-bms-demo-").and_then(|pid| pid.parse::<u32>().ok()))
        .filter(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
        .collect();
    assert!(left.is_empty(), "folders of ended demos: {left:?}");
}

#[test]
fn with_the_daemon_of_this_computer() {
    let (said, code) = demo(&std::env::var("PATH").unwrap());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("this computer's dbus-daemon"), "{said}");
    assert!(said.contains("SoC 62.00 %") && said.contains("CVL 55.20 V"), "{said}");
    assert!(said.contains("CCL 0.0 A (driver stopped)"), "the last word is no current: {said}");
    assert_nothing_left();
}

#[cfg(feature = "embedded-bus")]
#[test]
fn with_the_bus_inside_the_program() {
    let (said, code) = demo("/nonexistent");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the bus inside this program"), "{said}");
    assert!(said.contains("is on D-Bus with DeviceInstance 1"), "{said}");
}

#[cfg(not(feature = "embedded-bus"))]
#[test]
fn without_any_bus_it_says_what_to_do() {
    let (said, code) = demo("/nonexistent");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--features embedded-bus"), "{said}");
}

#[test]
fn an_unknown_bms_is_refused_with_the_known_ones() {
    for name in ["dally", "jk-can", "jbd-2022"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_dbus-bms")).args(["demo", "--bms", name]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(name) && said.contains("use one of jbd, jk"), "{said}");
    }
}
