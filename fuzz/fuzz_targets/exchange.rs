//! The real requests of any driver over a line with any faults: received bytes, times and pieces come from the input. No panic, an
//! end within the time that `exchange` promises, bounded memory, and no data of a failed reply in the reading.
#![no_main]

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::sniffer::Sniffer;
use dbus_bms::bms::{DRIVERS, Driver};
use dbus_bms::link::Link;
use dbus_bms::model::Reading;
use dbus_bms::recording::replay_port::{ReplayPort, SimClock};
use held::draw::Draw;
use held::line::{Other, longest_exchange};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// A poll sends requests within this time plus that of the last one, and once more if constant data has changed: see
/// src/link/poll.rs.
const LONGEST: Duration = Duration::from_secs(6);

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
    let mut port = ReplayPort::new(&clock, move |sent, line| end.hear(sent, line));
    if vanishes >= 250 {
        port = port.vanishing(Moment::new(Duration::from_millis(u64::from(vanishes - 250) * 700)));
    }
    let mut link = Link::new(Box::new(port), Box::new(clock.clone()));
    let mut protocol = (driver.new)(address);
    let _ = link.prepare(driver.lines[usize::from(steps >> 6) % driver.lines.len()], driver.gap);
    let mut known = Reading::new(driver.name, address);

    for step in 0..usize::from(steps & 7) + 1 {
        let start = clock.now();
        if steps & 8 == 0 || step % 2 == 0 {
            let plan = protocol.plan(&known);
            let request = if step == 0 { protocol.identify() } else { plan[step % plan.len()].clone() };
            let before = known.clone();
            let result = link.exchange(protocol.as_mut(), &request, &mut known);
            let took = clock.now().since(start);
            assert!(took <= longest_exchange(driver, &request), "{}: {took:?} for {:?}", driver.name, request.timeout);
            assert!(result.is_ok() || known == before, "a failed answer left something behind");
        } else {
            let most: Duration = protocol.plan(&known).iter().map(|request| longest_exchange(driver, request)).sum();
            let result = link.poll(protocol.as_mut(), &known);
            let took = clock.now().since(start);
            assert!(took <= (LONGEST + most) * 2, "{}: {took:?} for a poll", driver.name);
            known = result.unwrap_or(known);
        }
        held::reading::assert_sound(&known);
    }
    if steps & 16 != 0 {
        let until = clock.now().after(Duration::from_millis(900));
        let mut heard = Sniffer::new(driver);
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
