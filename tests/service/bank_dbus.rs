//! A bank of real processes on a real bus: its members, batteries of other drivers, and every way to lose one of them.
#![allow(clippy::disallowed_methods, reason = "a test waits for other processes in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, simulated};
use bus::{Bus, Peer, get, set};
use driver::{Driver, Home, PATIENCE, items_once, owner, until};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

const BANK: &str = "com.victronenergy.battery.bank";
const A: &str = "com.victronenergy.battery.ttyA";
const B: &str = "com.victronenergy.battery.ttyB";
const CVL: &str = "MaxChargeVoltage";
const CCL: &str = "MaxChargeCurrent";
const DCL: &str = "MaxDischargeCurrent";

/// A bus with batteries that belong to a bank.
struct Site {
    home: Home,
    bus: Bus,
    boards: Vec<Board>,
}

impl Site {
    fn new(config: &str) -> Self {
        let home = Home::new();
        home.configure(config);
        Self { home, bus: Bus::start(), boards: Vec::new() }
    }

    /// A member on port `ttyNAME`.
    fn battery(&mut self, name: &str) -> Driver {
        let link = self.home.path(&format!("tty{name}"));
        if !link.exists() {
            self.boards.push(Board::on_pty(&link, simulated()));
        }
        self.home.run(&self.bus, &link.display().to_string(), &["--bms", "jbd"])
    }

    fn bank(&self) -> Driver {
        let address = self.bus.address().to_string();
        self.home.start(&["bank", "--bus", &address])
    }
}

const MEMBERS: &str = "member_of_bank = true\nmax_charge_current_a = 40\nmax_discharge_current_a = 50\nrecovery.hold_s = 1.0\n";

/// A limit of a service in a sample: as published for the whole system (`/Info`), or for the bank (`/Bank`).
fn limit(sample: &Json, service: &str, node: &str, name: &str) -> Option<f64> {
    sample[service].get(format!("{node}/{name}"))?.as_f64()
}

/// Samples until one matches; each of them must pass `check`.
async fn sample_until(sampler: &mut Peer, check: impl Fn(&Json), wanted: impl Fn(&Json) -> bool) -> Json {
    let start = Instant::now();
    loop {
        let sample = sampler.next().await;
        check(&sample);
        if wanted(&sample) {
            return sample;
        }
        assert!(start.elapsed() < 2 * PATIENCE, "it never came; the last was {sample:#}");
    }
}

async fn sample_for(sampler: &mut Peer, seconds: f64, check: impl Fn(&Json)) -> Json {
    let start = Instant::now();
    loop {
        let sample = sampler.next().await;
        check(&sample);
        if start.elapsed() >= Duration::from_secs_f64(seconds) {
            return sample;
        }
    }
}

/// The sum of all published limits is never above that of the members, and no two services publish the same limits.
fn never_doubled(sample: &Json) {
    for name in [CCL, DCL] {
        let allowed: f64 = [A, B].iter().filter_map(|service| limit(sample, service, "/Bank", name)).sum();
        let published: f64 = [BANK, A, B].iter().filter_map(|service| limit(sample, service, "/Info", name)).sum();
        // A sample takes a moment; a limit that falls meanwhile is not a contradiction.
        assert!(published <= allowed + 0.3 || allowed == 0.0, "{name}: {published} A published, {allowed} A allowed: {sample:#}");
    }
}

fn anything(_: &Json) {}

fn bank_is_up(sample: &Json) -> bool {
    limit(sample, BANK, "/Info", CCL).is_some()
}

#[tokio::test]
async fn members_leave_the_limits_to_the_bank_and_stand_in_when_it_is_killed() {
    let mut site = Site::new(MEMBERS);
    let (_a, _b) = (site.battery("A"), site.battery("B"));
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let bank = site.bank();
    let up = sample_until(&mut sampler, never_doubled, bank_is_up).await;
    // Slightly less than the sum: the currents of the two differ.
    let most = |name: &str, sum: f64| limit(&up, BANK, "/Info", name).is_some_and(|amps| amps > sum - 8.0 && amps <= sum);
    assert!(most(CCL, 80.0) && most(DCL, 100.0), "{up:#}");
    let items = [site.bus.items(BANK).await.unwrap(), site.bus.items(A).await.unwrap(), site.bus.items(B).await.unwrap()];
    assert_eq!(items[0]["/DeviceInstance"], json!(["i", 0]), "before its members");
    for member in &items[1..] {
        assert!(!member.keys().any(|path| path.starts_with("/Info/Max")), "{member:#?}");
        assert!(member["/DeviceInstance"][1].as_i64() > Some(0));
    }
    let number = |index: usize, path: &str| items[index][path][1].as_f64().unwrap();
    assert_eq!(number(0, "/InstalledCapacity"), number(1, "/InstalledCapacity") + number(2, "/InstalledCapacity"));
    assert!((number(0, "/Dc/0/Voltage") - number(1, "/Dc/0/Voltage")).abs() < 0.5);
    assert_eq!(items[0]["/System/NrOfModulesOnline"], json!(["i", 2]));
    assert!(items[0]["/System/MinVoltageCellId"][1].as_str().unwrap().starts_with("tty"), "{:?}", items[0]);

    // The bank sends each member its share.
    let mut shares = Json::Null;
    for _ in 0..20 {
        shares = site.bus.call(get(A, "/Bank/ShareCharge", "GetValue")).await["value"].clone();
        if shares[0] == "d" {
            break;
        }
        sample_for(&mut sampler, 0.5, never_doubled).await;
    }
    let told = shares[1].as_f64().unwrap();
    assert!(told > 36.0 && told <= 40.0, "{told}");

    bank.signal(Signal::KILL);
    drop(bank);
    let killed = Instant::now();
    sample_for(&mut sampler, 8.0, |sample| {
        never_doubled(sample);
        assert!([A, B].iter().all(|service| limit(sample, service, "/Info", CCL).is_none()), "too soon: {sample:#}");
    })
    .await;
    let both = |sample: &Json| [A, B].iter().all(|service| limit(sample, service, "/Info", CCL).is_some());
    let stand_in = sample_until(&mut sampler, never_doubled, both).await;
    assert!(killed.elapsed() > Duration::from_millis(9_500), "{:?}", killed.elapsed());
    for service in [A, B] {
        assert!(limit(&stand_in, service, "/Info", CCL) <= Some(40.0) && limit(&stand_in, service, "/Info", DCL) <= Some(50.0));
        assert_eq!(limit(&stand_in, service, "/Info", CVL), Some(54.0), "float: nobody watches the cells of all: {stand_in:#}");
    }

    // The bank returns: its members withdraw their limits before it publishes any.
    let mut names = site.bus.names().await;
    let _bank = site.bank();
    let came = until(&mut names, |event| *event == json!({"name": BANK, "there": true})).await;
    for member in [A, B] {
        assert!(came.contains(&json!({"name": member, "there": true})), "{member} came back without limits before: {came:?}");
    }
    sample_until(&mut sampler, never_doubled, |sample| bank_is_up(sample) && !both(sample)).await;
    let after = sample_for(&mut sampler, 2.0, never_doubled).await;
    assert!([A, B].iter().all(|service| limit(&after, service, "/Info", CCL).is_none()), "{after:#}");
}

#[tokio::test]
async fn a_member_that_is_killed_counts_no_more_and_returns_by_ramp() {
    let mut site = Site::new(MEMBERS);
    let (_a, b) = (site.battery("A"), site.battery("B"));
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let _bank = site.bank();
    sample_until(&mut sampler, never_doubled, bank_is_up).await;
    b.signal(Signal::KILL);
    assert_eq!(b.end().code, None);
    let killed = Instant::now();
    let left = sample_until(&mut sampler, anything, |sample| limit(sample, BANK, "/Info", CCL) == Some(40.0)).await;
    assert!(killed.elapsed() < Duration::from_secs(8), "by its name, not by its age: {:?}", killed.elapsed());
    assert_eq!((limit(&left, BANK, "/Info", DCL), limit(&left, BANK, "/Info", CVL)), (Some(50.0), Some(54.0)));
    let items = site.bus.items(BANK).await.unwrap();
    assert_eq!((&items["/System/NrOfModulesOnline"], &items["/System/NrOfModulesOffline"]), (&json!(["i", 1]), &json!(["i", 1])));
    assert_eq!(items["/Info/ChargeLimitation"][1], "sum of the batteries: 1 battery, 1 not there");
    let _b = site.battery("B");
    sample_until(&mut sampler, never_doubled, |sample| limit(sample, BANK, "/Info", CCL) > Some(40.0)).await;
    let back = Instant::now();
    sample_until(&mut sampler, never_doubled, |sample| limit(sample, BANK, "/Info", CCL) > Some(72.0)).await;
    assert!(back.elapsed() > Duration::from_secs(12), "32 A by 2 A per second, not in {:?}", back.elapsed());
}

#[tokio::test]
async fn a_member_that_hangs_is_silenced_although_its_name_stays() {
    let mut site = Site::new(MEMBERS);
    let (_a, b) = (site.battery("A"), site.battery("B"));
    let mut watcher = site.bus.watch(BANK).await;
    let _bank = site.bank();
    until(&mut watcher, owner(true)).await;
    b.signal(Signal::STOP);
    let stopped = Instant::now();
    let fell = |event: &Json| event["changed"]["/Info/MaxChargeCurrent"]["Value"] == json!(["d", 40.0]);
    until(&mut watcher, fell).await;
    let after = stopped.elapsed();
    assert!(after > Duration::from_secs(8) && after < PATIENCE, "{after:?}");
    b.signal(Signal::CONT);
    until(&mut watcher, |event| event["changed"]["/System/NrOfModulesOnline"]["Value"] == json!(["i", 2])).await;
}

#[tokio::test]
async fn members_stand_in_for_a_bank_that_hangs_although_its_name_stays() {
    let mut site = Site::new(MEMBERS);
    let (_a, _b) = (site.battery("A"), site.battery("B"));
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let bank = site.bank();
    sample_until(&mut sampler, never_doubled, bank_is_up).await;
    let stepped_back = |sample: &Json| [A, B].iter().all(|service| limit(sample, service, "/Info", CCL).is_none());
    sample_for(&mut sampler, 12.0, |sample| assert!(stepped_back(sample), "a bank that lives is left alone: {sample:#}")).await;
    let mut members = site.bus.sample(&[A, B]).await;
    drop(sampler);
    bank.signal(Signal::STOP);
    let stopped = Instant::now();
    // A late heartbeat has no effect yet.
    sample_for(&mut members, 5.0, |sample| assert!(stepped_back(sample), "too soon: {sample:#}")).await;
    let both = |sample: &Json| [A, B].iter().all(|service| limit(sample, service, "/Info", CCL).is_some());
    let stand_in = sample_until(&mut members, anything, both).await;
    assert!(stopped.elapsed() < PATIENCE, "{:?}", stopped.elapsed());
    for service in [A, B] {
        assert!(limit(&stand_in, service, "/Info", CCL) <= Some(40.0) && limit(&stand_in, service, "/Info", DCL) <= Some(50.0));
        assert_eq!(limit(&stand_in, service, "/Info", CVL), Some(54.0), "float: nobody watches the cells of all: {stand_in:#}");
    }
    bank.signal(Signal::CONT);
    sample_until(&mut members, anything, stepped_back).await;
    sample_for(&mut members, 12.0, |sample| assert!(stepped_back(sample), "and so it stays: {sample:#}")).await;
    bank.stop();
}

#[tokio::test]
async fn a_member_that_is_stopped_is_let_go_smoothly() {
    let mut site = Site::new(MEMBERS);
    let (_a, b) = (site.battery("A"), site.battery("B"));
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let _bank = site.bank();
    sample_until(&mut sampler, never_doubled, bank_is_up).await;
    b.stop();
    let on_the_way = |sample: &Json| limit(sample, BANK, "/Info", CCL).is_some_and(|ccl| ccl > 45.0 && ccl < 75.0);
    sample_until(&mut sampler, anything, on_the_way).await;
    sample_until(&mut sampler, anything, |sample| limit(sample, BANK, "/Info", CCL) == Some(40.0)).await;
}

#[tokio::test]
async fn a_restart_of_all_members_is_bridged() {
    let mut site = Site::new(MEMBERS);
    let (a, b) = (site.battery("A"), site.battery("B"));
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let _bank = site.bank();
    let up = sample_until(&mut sampler, never_doubled, bank_is_up).await;
    let amps = |sample: &Json, name: &str| limit(sample, BANK, "/Info", name);
    a.signal(Signal::TERM);
    b.signal(Signal::TERM);
    a.end();
    b.end();
    let items = items_once(&site.bus, BANK, |items| items["/System/NrOfModulesOnline"][1] == json!(0)).await;
    for path in ["/Dc/0/Current", "/Dc/0/Power", "/Capacity", "/InstalledCapacity", "/Soc"] {
        assert_eq!(items[path], json!(["ai", []]), "{path} while nobody answers");
    }
    let _again = (site.battery("A"), site.battery("B"));
    let never_zero = |sample: &Json| {
        for name in [CVL, CCL, DCL] {
            assert!(amps(sample, name) > Some(0.0), "{name}: {sample:#}");
        }
    };
    let both = |sample: &Json| [A, B].iter().all(|service| limit(sample, service, "/Bank", CCL).is_some());
    sample_until(&mut sampler, never_zero, both).await;
    let items = items_once(&site.bus, BANK, |items| items["/System/NrOfModulesOnline"][1] == json!(2)).await;
    for (name, least) in [(CVL, 0.0), (CCL, 2.0), (DCL, 2.0)] {
        let back = items[&format!("/Info/{name}")][1].as_f64();
        assert!(back >= amps(&up, name).map(|before| before - least), "{name} {back:?}, before {up:#}");
    }
}

#[tokio::test]
async fn a_restart_of_the_bank_and_its_members_is_bridged() {
    let mut site = Site::new(MEMBERS);
    let drivers = [site.battery("A"), site.battery("B"), site.bank()];
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let up = sample_until(&mut sampler, never_doubled, bank_is_up).await;
    for driver in &drivers {
        driver.signal(Signal::TERM);
    }
    for driver in drivers {
        driver.end();
    }
    let gone = sample_until(&mut sampler, discharges, |sample| !bank_is_up(sample)).await;
    assert!(limit(&gone, BANK, "/Info", DCL).is_none());
    // The second battery returns later than the first one.
    let (_bank, _a) = (site.bank(), site.battery("A"));
    sample_until(&mut sampler, discharges, |sample| limit(sample, A, "/Bank", CCL).is_some()).await;
    let _b = site.battery("B");
    let back = sample_until(&mut sampler, discharges, bank_is_up).await;
    for (name, least) in [(CVL, 0.0), (CCL, 2.0), (DCL, 2.0)] {
        let before = limit(&up, BANK, "/Info", name).map(|before| before - least);
        assert!(limit(&back, BANK, "/Info", name) >= before, "{name}: {back:#}, before {up:#}");
    }
}

/// A bank on the bus lets the inverter discharge.
fn discharges(sample: &Json) {
    assert!(!bank_is_up(sample) || limit(sample, BANK, "/Info", DCL) > Some(0.0), "{sample:#}");
}

#[tokio::test]
async fn a_named_member_that_never_comes_is_missed() {
    let missing = "[bank]\nmembers = [\"ttyA\", \"ttyGone\"]\n[silence]\ncable_warning_after_s = 12\ncable_alarm_after_s = 30\n";
    let mut site = Site::new(&format!("{MEMBERS}{missing}"));
    let _a = site.battery("A");
    let mut watcher = site.bus.watch(BANK).await;
    let bank = site.bank();
    until(&mut watcher, owner(true)).await;
    let items = site.bus.items(BANK).await.unwrap();
    assert_eq!((&items["/Info/MaxChargeVoltage"], &items["/Alarms/BmsCable"]), (&json!(["d", 54.0]), &json!(["i", 0])));
    assert_eq!(items["/Info/ChargeMode"][1], "Bulk: ttyGone: float voltage until it is there");
    until(&mut watcher, |event| event["changed"]["/Alarms/BmsCable"]["Value"] == json!(["i", 1])).await;
    bank.wait_for_log("nothing was heard of ttyGone since the start");
    let log = bank.stop().log;
    assert_eq!(log.iter().filter(|line| line.contains("ttyGone")).count(), 1, "{log:#?}");
}

#[tokio::test]
async fn a_battery_of_another_driver_takes_part_where_it_is_named() {
    for old in [false, true] {
        let mut site = Site::new(&format!("{MEMBERS}bank.members = [\"ttyA\", \"boat\"]\n"));
        let _a = site.battery("A");
        // The bank waits for its members for a limited time, which a busy machine needs for the start.
        items_once(&site.bus, A, |items| items["/Soc"][1].is_number()).await;
        let arguments: &[&str] = if old { &["boat", "--old"] } else { &["boat"] };
        let mut boat = site.bus.foreign_battery(arguments).await;
        // One that was not configured.
        let _stranger = site.bus.foreign_battery(&["stranger"]).await;
        let mut watcher = site.bus.watch(BANK).await;
        let _bank = site.bank();
        until(&mut watcher, owner(true)).await;
        let items = site.bus.items(BANK).await.unwrap();
        assert_eq!(items["/System/NrOfModulesOnline"], json!(["i", 2]), "{old}");
        assert_eq!(items["/Info/MaxChargeVoltage"], json!(["d", 55.0]), "the lower of both");
        assert_eq!(items["/Alarms/LowSoc"], json!(["ai", []]), "shown by the battery itself");
        assert_eq!(items["/Diagnostics/Module0/Id"], json!(["s", "Boat"]));
        assert_eq!(items["/Diagnostics/Module0/Alarms/LowSoc"], json!(["i", 1]));
        let ccl = items["/Info/MaxChargeCurrent"][1].as_f64().unwrap();
        assert!(ccl > 30.0 && ccl <= 90.0, "{ccl}");
        // Its float voltage is not an upper bound; a lower voltage outside of float is.
        boat.tell(&json!({"/Info/ChargeMode": "Float", "/Info/MaxChargeVoltage": 54.0}));
        boat.tell(&json!({"/Dc/0/Voltage": 53.2}));
        until(&mut watcher, |event| event["changed"].get("/Dc/0/Voltage").is_some()).await;
        assert_eq!(site.bus.items(BANK).await.unwrap()["/Info/MaxChargeVoltage"], json!(["d", 55.0]));
        boat.tell(&json!({"/Info/ChargeMode": "Bulk", "/Info/MaxChargeVoltage": 54.0}));
        items_once(&site.bus, BANK, |items| items["/Info/MaxChargeVoltage"] == json!(["d", 54.0])).await;
        // It forbids charging: the bank obeys.
        boat.tell(&json!({"/Info/MaxChargeCurrent": 0.0}));
        items_once(&site.bus, BANK, |items| items["/Info/MaxChargeCurrent"] == json!(["d", 0.0])).await;
        // Without limits it is no longer a member.
        boat.tell(&json!({"/Info/MaxChargeVoltage": null}));
        items_once(&site.bus, BANK, |items| items["/System/NrOfModulesOffline"] == json!(["i", 1])).await;
    }
}

#[tokio::test]
async fn a_foreign_battery_that_answers_no_more_is_silenced() {
    let mut site = Site::new(&format!("{MEMBERS}bank.members = [\"ttyA\", \"boat\"]\n"));
    let _a = site.battery("A");
    // The bank waits for its members for a limited time, which a busy machine needs for the start.
    items_once(&site.bus, A, |items| items["/Soc"][1].is_number()).await;
    let mut boat = site.bus.foreign_battery(&["boat"]).await;
    let mut watcher = site.bus.watch(BANK).await;
    let _bank = site.bank();
    until(&mut watcher, owner(true)).await;
    // On a busy machine it is served before it has found both.
    items_once(&site.bus, BANK, |items| items["/System/NrOfModulesOffline"] == json!(["i", 0])).await;
    let mut watcher = site.bus.watch(BANK).await;
    boat.tell(&json!("hang"));
    let hung = Instant::now();
    until(&mut watcher, |event| event["changed"]["/System/NrOfModulesOffline"]["Value"] == json!(["i", 1])).await;
    assert!(hung.elapsed() > Duration::from_secs(6), "{:?}", hung.elapsed());
}

#[tokio::test]
async fn members_without_a_bank_publish_a_part_of_their_limits() {
    let mut site = Site::new(MEMBERS);
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let started = Instant::now();
    let (_a, _b) = (site.battery("A"), site.battery("B"));
    let published = |sample: &Json| [A, B].iter().all(|service| limit(sample, service, "/Info", CCL).is_some());
    let sample = sample_until(&mut sampler, never_doubled, published).await;
    assert!(started.elapsed() > Duration::from_secs(8), "{:?}", started.elapsed());
    for service in [A, B] {
        assert_eq!((limit(&sample, service, "/Info", CCL), limit(&sample, service, "/Info", DCL)), (Some(20.0), Some(25.0)));
    }
}

#[tokio::test]
async fn a_share_is_a_number_of_amperes_or_refused() {
    let mut site = Site::new(MEMBERS);
    let mut watcher = site.bus.watch(A).await;
    let _a = site.battery("A");
    until(&mut watcher, owner(true)).await;
    let writes = [
        (json!(["d", 12.5]), 0),
        (json!(["d", -1.0]), 2),
        (json!(["d", f64::MAX]), 2),
        (json!(["i", 5]), 2),
        (json!(["s", "all"]), 2),
        (json!(["ai", []]), 2),
    ];
    let calls = writes.iter().map(|(value, _)| set(A, "/Bank/ShareDischarge", value.clone())).collect();
    for ((value, code), answer) in writes.iter().zip(site.bus.calls(calls).await) {
        assert_eq!(answer["value"][1], *code, "{value}");
    }
    assert_eq!(site.bus.call(get(A, "/Bank/ShareDischarge", "GetValue")).await["value"], json!(["d", 12.5]));
}

#[tokio::test]
async fn the_bank_leaves_without_charge_current_and_there_is_one_of_it_only() {
    let mut site = Site::new(MEMBERS);
    let _a = site.battery("A");
    let mut watcher = site.bus.watch(BANK).await;
    let bank = site.bank();
    until(&mut watcher, owner(true)).await;
    site.bank().end().assert(5, &["com.victronenergy.battery.bank is already on the bus"]);
    let before = site.bus.items(BANK).await.unwrap();
    assert_eq!(before["/Info/MaxDischargeCurrent"], json!(["d", 50.0]));
    bank.stop();
    let events = until(&mut watcher, owner(false)).await;
    let last = &events[events.len() - 2]["changed"];
    assert_eq!(last["/Info/MaxChargeCurrent"]["Value"], json!(["d", 0.0]), "{last:#}");
    assert!(last.get("/Info/MaxDischargeCurrent").is_none(), "the inverter goes on: {last:#}");
    assert_eq!(last["/Dc/0/Voltage"]["Value"], json!(["ai", []]));
}

#[tokio::test]
async fn an_inverter_over_can_is_told_of_the_bank_and_of_no_member() {
    let mut site = Site::new(&format!("{MEMBERS}[can]\ninterface = \"vcan-none\"\n"));
    let members = [site.battery("A"), site.battery("B")];
    let bank = site.bank();
    bank.wait_for_log("bank bank: Pylontech low voltage");
    bank.wait_for_log("vcan-none: there is no such CAN interface");
    for member in members {
        member.wait_for_log("not sending on vcan-none: this battery's bank does");
        assert!(!member.stop().log.iter().any(|line| line.contains("no such CAN interface")));
    }
    assert_eq!(bank.stop().code, Some(0));
}
