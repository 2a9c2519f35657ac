//! `run` with a failing environment: killed or stopped at any moment, a full or read-only disk, the settings service restarted.
#![allow(clippy::disallowed_methods, reason = "signals come at any real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Answers, Board, replay, simulated};
use bus::{Bus, Peer, set};
use driver::{Driver, Home, last_value, owner, until};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const NAME: &str = "com.victronenergy.battery.ttyUSB7";
const CCL: &str = "/Info/MaxChargeCurrent";

/// Moments from before the first byte to well after the first reading, as long as one start takes on this machine right now.
async fn moments(count: u32, home: &Home, bus: &Bus, port: &str) -> impl Iterator<Item = Duration> + use<> {
    let mut watcher = bus.watch(NAME).await;
    let driver = home.run(bus, port, &[]);
    until(&mut watcher, owner(true)).await;
    let start = driver.age();
    driver.stop();
    (0..count).map(move |n| start * 2 * (n * 7919 % count) / count)
}

/// All remaining events of an observing peer.
async fn so_far(mut watcher: Peer) -> Vec<Json> {
    let mut seen = Vec::new();
    while let Ok(event) = tokio::time::timeout(Duration::from_millis(300), watcher.next()).await {
        seen.push(event);
    }
    // On a busy machine more may be under way: a name that came goes as well.
    if seen.iter().any(owner(true)) && !seen.iter().any(owner(false)) {
        seen.extend(until(&mut watcher, owner(false)).await);
    }
    seen
}

#[tokio::test]
async fn a_stop_at_any_moment_is_quick_and_leaves_nothing_on_the_bus() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let mut served = 0;
    for moment in moments(16, &home, &bus, &board.port).await {
        let watcher = bus.watch(NAME).await;
        let driver = home.run(&bus, &board.port, &[]);
        std::thread::sleep(moment);
        let asked = driver.age();
        driver.signal(Signal::TERM);
        let ended = driver.end();
        // Before its first log line it may not have installed signal handlers yet.
        assert!(ended.code == Some(0) || ended.log.is_empty(), "{ended:#?}");
        assert!(ended.after - asked < Duration::from_secs(3), "{ended:#?}");
        assert_eq!(bus.items(NAME).await, None);
        let seen = so_far(watcher).await;
        if seen.iter().any(owner(true)) {
            served += 1;
            assert_eq!(last_value(&seen, CCL), Some(&json!(["d", 0.0])), "after {moment:?}: {seen:#?}");
        }
    }
    assert!(served > 3, "too few of the stops came while a battery was served");
}

#[tokio::test]
async fn a_kill_at_any_moment_costs_at_most_what_was_not_yet_saved() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let kept = || home.state("jbd_ttyUSB7.json");
    for moment in moments(24, &home, &bus, &board.port).await {
        let driver = home.run(&bus, &board.port, &[]);
        std::thread::sleep(moment);
        // At some of the moments a write is in progress.
        bus.call(set(NAME, "/CustomName", json!(["s", format!("after {} ms", moment.as_millis())]))).await;
        driver.signal(Signal::KILL);
        let ended = driver.end();
        assert!(!ended.log.iter().any(|line| line.contains("cannot read")), "the kill before has left a broken file: {ended:#?}");
        let file = home.path("dbus-bms/jbd_ttyUSB7.json");
        assert!(kept().is_some() || !file.exists(), "{}", std::fs::read_to_string(&file).unwrap());
    }
    let mut watcher = bus.watch(NAME).await;
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let name = bus.items(NAME).await.unwrap()["/CustomName"].clone();
    assert_eq!(name[1], kept().unwrap()["custom_name"], "what was saved is there again");
    driver.stop();
    let left: Vec<_> = std::fs::read_dir(home.path("dbus-bms")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.len() <= 5, "drafts of writes that were cut off are cleared away: {left:?}");
}

/// The program with a state folder on its own file system, mounted with these options for this process only.
fn run_on_disk(home: &Home, bus: &Bus, port: &str, options: &str, prepare: &str) -> Driver {
    let disk = home.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    home.configure(&format!("[state]\nfolder = \"{}\"\n", disk.display()));
    let program = home.command(&["run", port, "--bus", &bus.address().to_string()]);
    let mut command = Command::new("unshare");
    // Without root, mount as root of a separate namespace.
    let as_root: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    let script = format!("mount -t tmpfs -o {options} none \"$1\" && {prepare} shift && exec \"$@\"");
    command.args(as_root).args(["--mount", "sh", "-c", &script, "sh"]).arg(&disk);
    command.arg(program.get_program()).args(program.get_args()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Driver::start(command)
}

#[tokio::test]
async fn a_full_or_read_only_disk_is_said_once_and_costs_no_reading() {
    let cases = [("size=4k", "head -c 4096 /dev/zero >\"$1/full\";"), ("size=4k,ro", "")];
    for (options, prepare) in cases {
        let (home, bus) = (Home::new(), Bus::start());
        let mut watcher = bus.watch(NAME).await;
        let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
        let driver = run_on_disk(&home, &bus, &board.port, options, prepare);
        driver.wait_for_log("is on D-Bus");
        until(&mut watcher, owner(true)).await;
        for _ in 0..3 {
            until(&mut watcher, |event| event.get("changed").is_some()).await;
        }
        assert!(bus.items(NAME).await.unwrap()[CCL][1].as_f64().unwrap() > 0.0);
        let ended = driver.stop();
        let said: Vec<_> = ended.log.iter().filter(|line| line.contains("cannot save")).collect();
        assert_eq!(said.len(), 2, "once for the port, once for the battery: {ended:#?}");
    }
}

#[tokio::test]
async fn the_settings_service_may_be_restarted() {
    let (home, bus) = (Home::new(), Bus::start());
    let stored = "/Settings/Devices/jbd_ttyUSB7/ClassAndVrmInstance=battery:6";
    let settings = bus.settings(&[stored]).await;
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    drop(settings);
    until(&mut watcher, |event| event.get("changed").is_some()).await;
    // It returns, as after an update, with another instance for us: the battery adopts it.
    let _settings = bus.settings(&["/Settings/Devices/jbd_ttyUSB7/ClassAndVrmInstance=battery:9"]).await;
    let instance = async || bus.items(NAME).await.map(|items| items["/DeviceInstance"].clone());
    for _ in 0..100 {
        if instance().await == Some(json!(["i", 9])) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(instance().await, Some(json!(["i", 9])), "{:#?}", driver.log());
    driver.stop();
}

/// From a moment on every fourth reply has a corrupted byte.
fn unsteady(mut answers: Answers, disturbed: &Arc<AtomicBool>) -> Answers {
    let (disturbed, mut count) = (Arc::clone(disturbed), 0);
    Box::new(move |input| {
        let mut reply = answers(input);
        count += usize::from(!reply.is_empty());
        if disturbed.load(Ordering::Relaxed)
            && count % 4 == 1
            && let Some(byte) = reply.last_mut()
        {
            *byte ^= 0x10;
        }
        reply
    })
}

#[tokio::test]
async fn a_disturbed_line_is_told_in_one_sentence_and_on_the_bus() {
    let (home, bus) = (Home::new(), Bus::start());
    home.configure("poll_interval_s = 0.2\n");
    let mut watcher = bus.watch(NAME).await;
    let disturbed = Arc::default();
    let board = Board::on_pty(&home.path("ttyUSB7"), unsteady(replay(&["jbd/readme-4s"]), &disturbed));
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let line = async || bus.items(NAME).await.unwrap()["/ConnectionInformation"][1].as_str().unwrap().to_owned();
    assert_eq!(line().await, "answers");
    disturbed.store(true, Ordering::Relaxed);
    driver.wait_for_log("the line is disturbed: ");
    until(&mut watcher, |event| event["changed"].get("/ConnectionInformation").is_some()).await;
    assert!(line().await.contains("% or more of the answers come damaged, check ground"), "{}", line().await);
    let ended = driver.stop();
    let about_it = ended.log.iter().filter(|line| line.contains("damaged") || line.starts_with("WARN")).count();
    assert_eq!(about_it, 1, "one sentence, not one per reading: {ended:#?}");
}
