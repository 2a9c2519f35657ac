//! A bank of real processes on a real bus: its members, batteries of other drivers, and every way to lose one of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test waits for other processes in real time")]

#[path = "support/board.rs"]
mod board;
#[path = "support/bus.rs"]
mod bus;
#[path = "support/driver.rs"]
mod driver;

use board::{Board, simulated};
use bus::{Bus, Peer, get, set};
use driver::{Driver, Home, PATIENCE, owner, until};
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

/// A limit of a service in a sample: as everybody sees it (`/Info`), or as the bank does (`/Bank`).
fn limit(sample: &Json, service: &str, node: &str, name: &str) -> Option<f64> {
    sample[service].get(format!("{node}/{name}"))?.as_f64()
}

/// Samples until one is as wanted, each of which must pass `check`.
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

/// What everybody who publishes limits allows together is never above what the members do; and no two publish the same thing.
fn never_doubled(sample: &Json) {
    for name in [CCL, DCL] {
        let allowed: f64 = [A, B].iter().filter_map(|service| limit(sample, service, "/Bank", name)).sum();
        let published: f64 = [BANK, A, B].iter().filter_map(|service| limit(sample, service, "/Info", name)).sum();
        // A sample takes a moment; a limit that falls meanwhile is no contradiction.
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
    // A little less than the sum: the currents of the two differ.
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

    // The bank tells each member its share.
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

    // The bank comes back: its members step back before it publishes anything.
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
    // A heartbeat that is late says nothing yet.
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
async fn a_battery_of_another_driver_takes_part_where_it_is_named() {
    for old in [false, true] {
        let mut site = Site::new(&format!("{MEMBERS}bank.members = [\"ttyA\", \"boat\"]\n"));
        let _a = site.battery("A");
        let arguments: &[&str] = if old { &["boat", "--old"] } else { &["boat"] };
        let mut boat = site.bus.foreign_battery(arguments).await;
        // One that nobody named.
        let _stranger = site.bus.foreign_battery(&["stranger"]).await;
        let mut watcher = site.bus.watch(BANK).await;
        let _bank = site.bank();
        until(&mut watcher, owner(true)).await;
        let items = site.bus.items(BANK).await.unwrap();
        assert_eq!(items["/System/NrOfModulesOnline"], json!(["i", 2]), "{old}");
        assert_eq!(items["/Info/MaxChargeVoltage"], json!(["d", 55.0]), "the lower of both");
        assert_eq!(items["/Alarms/LowSoc"], json!(["i", 1]));
        let ccl = items["/Info/MaxChargeCurrent"][1].as_f64().unwrap();
        assert!(ccl > 30.0 && ccl <= 90.0, "{ccl}");
        // Its float is no ceiling, a lower voltage without one is.
        boat.tell(&json!({"/Info/ChargeMode": "Float", "/Info/MaxChargeVoltage": 54.0}));
        boat.tell(&json!({"/Dc/0/Voltage": 53.2}));
        until(&mut watcher, |event| event["changed"].get("/Dc/0/Voltage").is_some()).await;
        assert_eq!(site.bus.items(BANK).await.unwrap()["/Info/MaxChargeVoltage"], json!(["d", 55.0]));
        boat.tell(&json!({"/Info/ChargeMode": "Bulk", "/Info/MaxChargeVoltage": 54.0}));
        until(&mut watcher, |event| event["changed"]["/Info/MaxChargeVoltage"]["Value"] == json!(["d", 54.0])).await;
        // It forbids: the bank obeys.
        boat.tell(&json!({"/Info/MaxChargeCurrent": 0.0}));
        until(&mut watcher, |event| event["changed"]["/Info/MaxChargeCurrent"]["Value"] == json!(["d", 0.0])).await;
        // Without limits it is no member any more.
        boat.tell(&json!({"/Info/MaxChargeVoltage": null}));
        until(&mut watcher, |event| event["changed"]["/System/NrOfModulesOffline"]["Value"] == json!(["i", 1])).await;
    }
}

#[tokio::test]
async fn a_foreign_battery_that_answers_no_more_is_silenced() {
    let mut site = Site::new(&format!("{MEMBERS}bank.members = [\"ttyA\", \"boat\"]\n"));
    let _a = site.battery("A");
    let mut boat = site.bus.foreign_battery(&["boat"]).await;
    let mut watcher = site.bus.watch(BANK).await;
    let _bank = site.bank();
    until(&mut watcher, owner(true)).await;
    boat.tell(&json!("hang"));
    let hung = Instant::now();
    until(&mut watcher, |event| event["changed"]["/System/NrOfModulesOffline"]["Value"] == json!(["i", 1])).await;
    assert!(hung.elapsed() > Duration::from_secs(6), "{:?}", hung.elapsed());
}

#[tokio::test]
async fn members_without_a_bank_publish_a_part_of_their_limits() {
    let mut site = Site::new(MEMBERS);
    let (_a, _b) = (site.battery("A"), site.battery("B"));
    let mut sampler = site.bus.sample(&[BANK, A, B]).await;
    let started = Instant::now();
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
async fn the_bank_leaves_with_zeros_and_there_is_one_of_it_only() {
    let mut site = Site::new(MEMBERS);
    let _a = site.battery("A");
    let mut watcher = site.bus.watch(BANK).await;
    let bank = site.bank();
    until(&mut watcher, owner(true)).await;
    site.bank().end().assert(5, &["com.victronenergy.battery.bank is already on the bus"]);
    assert!(site.bus.items(BANK).await.is_some());
    bank.stop();
    let events = until(&mut watcher, owner(false)).await;
    let last = &events[events.len() - 2]["changed"];
    for path in ["/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"] {
        assert_eq!(last[path]["Value"], json!(["d", 0.0]), "{last:#}");
    }
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
        member.wait_for_log("nothing is sent on vcan-none, for that is left to its bank");
        assert!(!member.stop().log.iter().any(|line| line.contains("no such CAN interface")));
    }
    assert_eq!(bank.stop().code, Some(0));
}
