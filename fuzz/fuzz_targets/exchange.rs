//! The real requests of any driver over a line on which anything happens: what comes, when and in which pieces, is in the input.
//! No panic, an end within the time that `exchange` promises, bounded memory, and nothing of a failed answer in the reading.
#![no_main]

use dbus_bms::bms::overheard::Overheard;
use dbus_bms::bms::{DRIVERS, Driver};
use dbus_bms::link::script::{ScriptPort, SimClock};
use dbus_bms::link::{Clock, Link};
use dbus_bms::model::Reading;
use dbus_bms::units::Moment;
use held::draw::Draw;
use held::line::Other;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// Longest time that `exchange` waits for a line to be quiet, beside the gap: see `wait_for_quiet` in src/link/exchange.rs.
const QUIET: Duration = Duration::from_millis(100);
/// A poll asks for everything within this time and what was begun by then, and once more when something lasting has changed: see
/// src/link/poll.rs.
const LONGEST: Duration = Duration::from_secs(6);
const AFTER_LOSS: Duration = Duration::from_millis(30);

fuzz_target!(|input: &[u8]| {
    let mut draw = Draw::new(input);
    let driver = *draw.one_of(DRIVERS);
    let address = match draw.byte() {
        0..=127 => driver.addresses.first().copied(),
        128..=191 => None,
        any => Some(any),
    };
    let vanishes = draw.byte();
    let steps = draw.byte();
    held::heap::bounded(8 << 20, || talk(driver, address, vanishes, steps, draw));
});

fn talk(driver: &'static Driver, address: Option<u8>, vanishes: u8, steps: u8, draw: Draw) {
    let clock = SimClock::default();
    let mut end = Other::new(driver, address, draw);
    let mut port = ScriptPort::new(&clock, move |sent, line| end.hear(sent, line));
    if vanishes >= 250 {
        port = port.vanishing(Moment::new(Duration::from_millis(u64::from(vanishes - 250) * 700)));
    }
    let mut link = Link::new(Box::new(port), Box::new(clock.clone()));
    let mut protocol = (driver.new)(address);
    let _ = link.prepare(driver.lines[usize::from(steps >> 6) % driver.lines.len()], driver.gap);
    let mut known = Reading::new(driver.name, address);
    let slack = driver.gap.max(AFTER_LOSS) * 3 + QUIET + Duration::from_millis(1);

    for step in 0..usize::from(steps & 7) + 1 {
        let start = clock.now();
        if steps & 8 == 0 || step % 2 == 0 {
            let plan = protocol.plan(&known);
            let request = if step == 0 { protocol.identify() } else { plan[step % plan.len()].clone() };
            let before = known.clone();
            let result = link.exchange(protocol.as_mut(), &request, &mut known);
            let took = clock.now().since(start);
            assert!(took <= request.timeout + slack, "{}: {took:?} for {:?}", driver.name, request.timeout);
            assert!(result.is_ok() || known == before, "a failed answer left something behind");
        } else {
            let most: Duration = protocol.plan(&known).iter().map(|request| request.timeout + slack).sum();
            let result = link.poll(protocol.as_mut(), &known);
            let took = clock.now().since(start);
            assert!(took <= (LONGEST + most) * 2, "{}: {took:?} for a poll", driver.name);
            known = result.unwrap_or(known);
        }
        held::reading::assert_sound(&known);
    }
    if steps & 16 != 0 {
        let until = clock.now().after(Duration::from_millis(900));
        let mut heard = Overheard::new(driver);
        while clock.now() < until {
            let before = clock.now();
            if link.listen(&mut heard, until).is_err() {
                break;
            }
            assert!(clock.now() > before && clock.now() <= until, "listening stands still, or does not end");
            assert!(heard.pending() <= 2048, "{} bytes wait", heard.pending());
            heard.take().iter().for_each(held::reading::assert_sound);
        }
    }
}
