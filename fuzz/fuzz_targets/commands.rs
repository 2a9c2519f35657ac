//! Commands over a line with any faults: genuine acknowledgements and readings of the simulated boards, truncated, corrupted,
//! duplicated, late, noise, echoes, a port that disappears. No panic, an end in time, bounded memory; a command is done only if a
//! reading shows it.
#![no_main]

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::{Moment, Percent};
use dbus_bms::bms::{DRIVERS, Driver};
use dbus_bms::link::Link;
use dbus_bms::model::{Command, Outcome, Reading, Switch};
use dbus_bms::recording::replay_port::{ReplayPort, SimClock};
use held::draw::Draw;
use held::line::{Other, longest_exchange};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// Time limit for starting read-backs, plus the wait before each: see src/link/command.rs.
const LOOKING: Duration = Duration::from_millis(3000 + 150);
/// Number of repetitions of the clean-up requests in a full clean-up.
const CLEANING_TRIES: u32 = 3;
const SOME_TIME: u64 = 1_795_686_065;

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::new(input);
    let driver = *draw.one_of(DRIVERS);
    let address = if draw.flag() { driver.addresses.first().copied() } else { None };
    let command = match draw.byte() {
        soc @ 0..=100 => Command::SetSoc(Percent::new(f64::from(soc))),
        any => Switch::ALL[usize::from(any) % 3].to(any % 2 == 0),
    };
    let unix = draw.flag().then_some(SOME_TIME);
    let (vanishes, starts) = (draw.byte(), draw.byte());
    held::heap::bounded(8 << 20, || order(driver, address, command, unix, (vanishes, starts), draw));
});

fn order(
    driver: &'static Driver,
    address: Option<u8>,
    command: Command,
    unix: Option<u64>,
    (vanishes, starts): (u8, u8),
    draw: Draw,
) {
    let clock = SimClock::default();
    let mut end = Other::new(driver, address, draw);
    let mut port = ReplayPort::new(&clock, move |sent, line| end.hear(sent, line));
    if vanishes >= 250 {
        port = port.vanishing(Moment::new(Duration::from_millis(u64::from(vanishes - 250) * 700)));
    }
    let mut link = Link::new(Box::new(port), Box::new(clock.clone()));
    let mut protocol = (driver.new)(address);
    let _ = link.prepare(driver.lines[usize::from(starts >> 6) % driver.lines.len()], driver.gap);
    let mut known = Reading::new(driver.name, address);
    if starts & 1 == 0 {
        known = link.poll(protocol.as_mut(), &known).unwrap_or(known);
    }

    let Some(orders) = protocol.commands().and_then(|commands| commands.encode(command, &known, unix, true)) else {
        let outcome = link.command(protocol.as_mut(), command, &mut known, unix);
        assert!(matches!(outcome, Ok(Outcome::NotSupported)), "{}: {outcome:?} without a word for it", driver.name);
        return;
    };
    let all =
        |requests: &[dbus_bms::bms::Request]| requests.iter().map(|request| longest_exchange(driver, request)).sum::<Duration>();
    let most = all(&orders.requests) + all(&orders.after) * CLEANING_TRIES + LOOKING + all(&orders.read_back);
    let start = clock.now();
    let outcome = link.command(protocol.as_mut(), command, &mut known, unix);
    let took = clock.now().since(start);
    assert!(took <= most * 2, "{}: {took:?} for {command}, at most {:?}", driver.name, most * 2);
    if let (Ok(Outcome::Done), Some((switch, on))) = (&outcome, command.switch()) {
        let shown = match switch {
            Switch::Charge => known.fets.charge_switch,
            Switch::Discharge => known.fets.discharge_switch,
            Switch::Balance => known.balancing.allowed,
        };
        // Boards that only report their FETs show nothing here.
        assert!(shown.is_none_or(|shown| shown == on), "{}: done, but {switch:?} is shown as {shown:?}", driver.name);
    }
    let _ = link.cleanup(protocol.as_ref());
}
