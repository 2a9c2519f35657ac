//! `status` and `support` with a running driver.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, simulated};
use bus::Bus;
use driver::{Home, owner, until, wait};
use rustix::process::Signal;
use serde_json::Value as Json;
use std::fs;
use std::process::Command;

const WORD: &str = "Q7xvNkZk9w24Lm5p";
/// A password with characters that end words and addresses elsewhere, plain and percent-encoded.
const ODD: &str = "pa,s's/wo rd";
const ODD_CODED: &str = "pa%2Cs%27s%2fwo%20rd";

#[tokio::test(flavor = "current_thread")]
async fn it_shows_each_battery_with_its_limits_and_their_reasons() {
    let (bus, home) = (Bus::start(), Home::new());
    let address = bus.address().to_string();
    home.start(&["status", "--bus", &address]).end().assert(3, &["no battery on D-Bus", "doctor"]);
    home.start(&["status", "--bus", "unix:path=/nonexistent/bus"]).end().assert(5, &["/nonexistent/bus"]);

    home.configure("name = \"Garage\"\n");
    let service = "com.victronenergy.battery.ttyUSB0";
    let mut watcher = bus.watch(service).await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;

    let ended = home.start(&["status", "--json", "--bus", &address]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let [line] = ended.output.as_slice() else { panic!("not one line: {ended:#?}") };
    let battery: Json = serde_json::from_str(line).unwrap();
    assert_eq!(battery["service"], service);
    assert_eq!(battery["name"], "Garage");
    assert_eq!(battery["data"], "fresh");
    assert!(battery["voltage_v"].as_f64().unwrap() > 40.0, "{battery}");
    for limit in ["cvl", "ccl", "dcl"] {
        assert!(battery[limit]["value"].is_number(), "{limit}: {battery}");
        assert!(!battery[limit]["why"].as_str().unwrap().is_empty(), "{limit}: {battery}");
    }
    assert!(!battery["line"].as_str().unwrap().is_empty(), "{battery}");
    // For people, also into a pipe: no line is wider than a usual terminal, and each limit has its reason.
    let people = |more: &[&str]| home.start(&[&["status", "--bus", &address], more].concat()).end().output;
    let shown = people(&[]);
    assert!(shown.iter().all(|line| line.chars().count() <= 80), "{shown:#?}");
    for limit in ["cvl", "ccl", "dcl"] {
        let why = battery[limit]["why"].as_str().unwrap().split(' ').next().unwrap();
        assert!(shown.iter().any(|line| line.contains(why)), "{why}: {shown:#?}");
    }
    assert!(shown[0].contains("Garage [ttyUSB0]") && shown[0].contains("data fresh"), "{shown:#?}");
    assert!(!shown.join("\n").contains("16: 3."), "{shown:#?}");
    let shown = people(&["--cells"]);
    assert!(shown.join("\n").contains("16: 3.") && shown.iter().all(|line| line.chars().count() <= 80), "{shown:#?}");
    // Repeatedly: lines for programs that show changes.
    let watch = home.start(&["status", "--watch", "--json", "--bus", &address]);
    wait(|| (watch.output().len() >= 3).then_some(())).expect("a line every second");
    let shown = watch.output().last().map(|line| serde_json::from_str::<Json>(line).unwrap()).unwrap();
    assert_eq!(shown["service"], service, "{shown}");
    assert_eq!(shown["good_minute_pct"], 100.0, "{shown}");
    assert_eq!(shown["good_day_pct"], 100.0, "{shown}");
    // For people blocks, one below the other on a terminal that cannot be repainted.
    let program = env!("CARGO_BIN_EXE_dbus-bms");
    let terminal = |term: &str| {
        let command = format!("timeout --preserve-status -s INT 4 {program} status --watch --bus {address}");
        let ended = Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", term).output().unwrap();
        assert!(ended.status.success(), "Ctrl-C is no failure: {ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    };
    let dumb = terminal("dumb");
    assert!(dumb.matches("Ctrl-C to stop").count() >= 2 && dumb.matches("Garage [ttyUSB0]").count() >= 2, "{dumb}");
    assert!(dumb.contains("100 / 100 / 100 % good in 1 min"), "{dumb}");
    assert!(!dumb.contains('\x1b'), "{dumb:?}");
    let painted = terminal("linux");
    assert!(painted.matches("\x1b[H").count() >= 2 && painted.contains("Garage [ttyUSB0]"), "{painted:?}");

    driver.stop();
    // The battery has left, and watching continues.
    let before = watch.output().len();
    watch.signal(Signal::INT);
    let ended = watch.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.output.len() >= before, "{ended:#?}");
}

#[test]
fn a_bundle_has_all_that_helps_and_no_secret() {
    let home = Home::new();
    let root = home.path("root");
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("opt/victronenergy/version", "v3.55\nVictron Energy\n");
    write(
        "data/conf/dbus-bms/config.toml",
        &format!(
            "name = \"Garage\"\n[web]\nenabled = true\ntoken = \"{WORD}\"\n[mqtt]\npassword_file = \"/data/conf/mqtt-word\"\n\
             [domoticz]\nurl = \"http://somebody:{ODD}@10.0.0.1:8080\"\n"
        ),
    );
    write("data/conf/mqtt-word", &format!("{WORD}-of-the-broker\n"));
    write("data/conf/dbus-bms/jk_1.json", "{\"instance\":3}");
    write(
        "var/log/dbus-bms.ttyUSB0/current",
        &format!(
            "INFO connected: JK\nWARN somebody sent {WORD}-of-the-broker and {WORD}\n\
             WARN http://somebody:{ODD}@10.0.0.1:8080 is away, {ODD_CODED}\nDEBUG Bearer a.stranger.s\nINFO end\n"
        ),
    );
    let to = home.path("bundle.tar");
    let arguments =
        ["support", "--to", to.to_str().unwrap(), "--root", root.to_str().unwrap(), "--bus", "unix:path=/nonexistent/bus"];
    let ended = home.start(&[&arguments[..], &["--port", "/nonexistent/port"]].concat()).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");

    let bytes = fs::read(&to).unwrap();
    assert!(!bytes.windows(WORD.len()).any(|part| part == WORD.as_bytes()), "a secret is in the bundle");
    for secret in [ODD, ODD_CODED, "stranger.s"] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is in the bundle");
    }
    // Unpacked by an independent program.
    let tar = Command::new("tar").arg("xf").arg(&to).arg("-C").arg(home.path("")).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    let text = |name: &str| fs::read_to_string(home.path("dbus-bms-support").join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(text("versions.txt").contains(env!("CARGO_PKG_VERSION")) && text("versions.txt").contains("v3.55"));
    assert!(text("config.toml").contains("name = \"Garage\""));
    assert!(text("log/dbus-bms.ttyUSB0.txt").contains("INFO connected: JK"));
    assert!(text("log/dbus-bms.ttyUSB0.txt").ends_with("@10.0.0.1:8080 is away, [removed]\nDEBUG Bearer [removed]\nINFO end\n"));
    assert_eq!(text("state/jk_1.json").trim(), "{\"instance\":3}");
    assert!(text("doctor.txt").contains("PROBLEM bus: no D-Bus at"));
    assert!(text("no-recording.txt").contains("/nonexistent/port"));
    assert!(text("README.txt").contains("removed"));
}

#[test]
fn on_a_computer_with_systemd_a_bundle_has_the_journal() {
    let home = Home::new();
    // A stand-in for journalctl, which repeats how it was called.
    let tool = home.path("bin/journalctl");
    fs::create_dir_all(home.path("bin")).unwrap();
    fs::write(&tool, format!("#!/bin/sh\necho \"called: $*\"\necho 'INFO connected: JK'\necho 'WARN Bearer {WORD}'\n")).unwrap();
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (to, root) = (home.path("bundle.tar"), home.path("root"));
    let arguments =
        ["support", "--to", to.to_str().unwrap(), "--root", root.to_str().unwrap(), "--bus", "unix:path=/nonexistent/bus"];
    let mut command = home.command(&arguments);
    command.env("PATH", home.path("bin"));
    let ended = driver::Driver::start(command).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(Command::new("tar").arg("xf").arg(&to).arg("-C").arg(home.path("")).status().unwrap().success());
    let journal = fs::read_to_string(home.path("dbus-bms-support/log/journal.txt")).unwrap();
    assert!(journal.contains("--unit=dbus-bms*") && journal.contains(root.to_str().unwrap()), "{journal}");
    assert!(journal.contains("INFO connected: JK") && !journal.contains(WORD), "{journal}");
}

#[test]
fn a_bundle_holds_a_recording_that_can_be_replayed() {
    let home = Home::new();
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let to = home.path("bundle.tar");
    let (to, root) = (to.to_str().unwrap(), home.path("nothing"));
    let bus = ["--bus", "unix:path=/nonexistent/bus", "--root", root.to_str().unwrap()];
    let ended = home.start(&[&["support", "--to", to, "--port", &board.port, "--seconds", "3"], &bus[..]].concat()).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(Command::new("tar").args(["xf", to, "-C"]).arg(home.path("")).status().unwrap().success());
    let recording = home.path("dbus-bms-support/recording.txt");
    let replayed = home.start(&["replay", "--json", recording.to_str().unwrap()]).end();
    assert_eq!(replayed.code, Some(0), "{replayed:#?}");
    assert!(!replayed.output.is_empty());
}
