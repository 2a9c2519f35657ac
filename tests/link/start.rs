//! The start of the program on a port it does not know: how long a battery takes at the real line speed until its second reading, which
//! is the first one published, and masters that must be heard before anything is sent.

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::{Line, jk_pb, pace, seplos};
use dbus_bms::link::{Link, Port};
use dbus_bms::probe::{PortActivity, ProbeError, Scope, search};
use dbus_bms::recording::file::Recording;
use dbus_bms::recording::replay_port::{ReplayPort, SimClock};
use dbus_bms::service::port_worker::{PortEvent, PortWorker};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::port::SimPort;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use std::io;
use std::time::Duration;

/// When the second reading of a 16-cell board is complete in a search for all families, and what was sent in the first one.
fn second_reading(family: &str) -> (Duration, Vec<Vec<u8>>) {
    let clock = SimClock::default();
    let units = vec![Unit::new(1, &PackConfig { cells: 16, ..PackConfig::default() }, Scenario::default())];
    let port = SimPort::new(clock.clone(), responder(family).unwrap(), units, Faults::default(), 7);
    let line = port.shared_line();
    let mut port = Some(port);
    let worker = PortWorker {
        open: Box::new(move || Ok(Box::new(port.take().unwrap()))),
        scope: Scope::default(),
        interval: Duration::from_secs(1),
        active_fill: false,
        commands: None,
        persistent: false,
        searches_again: false,
    };
    let (mut found_at, mut read_at) = (Moment::default(), Moment::default());
    worker.run(&clock, |event| match event {
        PortEvent::Found(found) => {
            assert_eq!(found[0].candidate.driver.name, family);
            found_at = clock.now();
            true
        }
        PortEvent::Reading { .. } => {
            read_at = clock.now();
            false
        }
        other => panic!("{other:?}"),
    });
    let sent = &line.lock().unwrap().sent;
    let first = sent.iter().take_while(|(at, _)| *at < found_at).map(|(_, bytes)| bytes.clone()).collect();
    (read_at.since_origin(), first)
}

/// In simulated time, so that the machine does not matter; the boards take 38 ms to answer.
#[test]
fn a_battery_on_an_unknown_port_is_read_twice_within_the_time_that_its_line_and_the_silent_families_take() {
    for (family, most) in [("jk", 450), ("jbd", 1250), ("daly", 2400)] {
        let (took, _) = second_reading(family);
        assert!(took <= Duration::from_millis(most), "{family}: {took:?}");
    }
}

#[test]
fn the_first_reading_has_a_second_answer_for_what_would_stay_wrong_for_long_and_for_nothing_else() {
    let (_, sent) = second_reading("daly");
    let times =
        |command: u8| sent.iter().filter(|request| matches!(request[..], [0xA5, 0x40, asked, ..] if asked == command)).count();
    // The rated capacity; then counts, state, failures, temperatures, cells. The pack values have identified the board as well.
    assert_eq!(times(0x50), 2);
    assert_eq!([0x94, 0x93, 0x98, 0x96, 0x95].map(times), [1; 5]);
    assert_eq!(times(0x90), 2);
}

/// What a receiver at another speed makes of `bytes`: it takes the level in the middle of what it believes to be bits, sixteen steps
/// each, and begins with a low level that lasts for half a bit. Bytes without a stop bit are left out, as some receivers drop them.
fn received(bytes: &[u8], sent: Line, at: Line, phase: f64) -> Vec<u8> {
    let step = 1.0 / (16.0 * f64::from(at.baud));
    let is_high = |time: f64| {
        let bit = (time * f64::from(sent.baud)) as usize;
        match (bytes.get(bit / 10), bit % 10) {
            (None, _) | (_, 9) => true,
            (_, 0) => false,
            (Some(byte), number) => byte & (1 << (number - 1)) != 0,
        }
    };
    let (mut out, mut now, mut was_high) = (Vec::new(), phase * step, true);
    let end = sent.time_of(bytes.len()).as_secs_f64();
    while now < end {
        let middle = |bit: u32| is_high(now + f64::from(16 * bit + 8) * step);
        let high = is_high(now);
        if was_high && !high && !middle(0) {
            let byte = (0..8).fold(0, |byte, bit| byte | (u8::from(middle(bit + 1)) << bit));
            if middle(9) {
                out.push(byte);
            }
            was_high = middle(9);
            now += 152.0 * step;
        } else {
            was_high = high;
            now += step;
        }
    }
    out
}

/// A line on which somebody else sends at one speed.
struct OtherSpeed {
    inner: ReplayPort,
    sent: Line,
    line: Line,
}

impl Port for OtherSpeed {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.line = line;
        self.inner.set_line(line)
    }
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.send(bytes)
    }
    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let n = self.inner.receive(buf, wait)?;
        if self.line == self.sent {
            return Ok(n);
        }
        let bytes = received(&buf[..n], self.sent, self.line, 0.0);
        buf[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }
}

/// Lines of the families with masters, and what their masters send at least every 220 ms.
fn masters() -> Vec<(Line, Vec<u8>)> {
    let broadcast = Recording::parse("broadcast", include_str!("../vectors/jk-pb/sniff-phinix-master-broadcast.json")).unwrap();
    let triggers = (1..=15).map(|address| (jk_pb::DRIVER.new)(Some(address)).identify().bytes.into_owned());
    let jk = triggers.chain([broadcast.received()]).map(|bytes| (jk_pb::DRIVER.lines[0], bytes));
    let pace = (pace::DRIVER.lines[0], b"~25aa46900000FDA0\r".to_vec());
    jk.chain([pace, (seplos::DRIVER.lines[0], b"~2001465A0000FD9D\r".to_vec())]).collect()
}

#[test]
fn a_receiver_at_the_lowest_speed_gets_bytes_of_every_master() {
    let lowest = masters().iter().map(|(line, _)| *line).min_by_key(|line| line.baud).unwrap();
    for (line, bytes) in masters() {
        for phase in 0..8 {
            let heard = received(&bytes, line, lowest, f64::from(phase) / 8.0);
            assert!(!heard.is_empty(), "{bytes:02x?} at {line}");
            assert!(line != lowest || heard == bytes, "{heard:02x?}");
        }
    }
}

#[test]
fn nothing_is_sent_before_a_master_at_any_speed_is_heard() {
    for (sent, bytes) in masters() {
        let clock = SimClock::default();
        let inner = ReplayPort::silent(&clock).repeating(Moment::from_secs(0.2), Duration::from_millis(220), &bytes);
        let log = inner.log();
        let port = OtherSpeed { inner, sent, line: sent };
        let result = search(&mut Link::new(Box::new(port), Box::new(clock)), &Scope::default());
        let asked = log.lock().unwrap().sent.clone();
        match result {
            // It sends its own data only: the other boards of its family are asked.
            Ok(found) => {
                assert!(found[0].overheard, "{found:?}");
                assert!(asked.iter().all(|(_, request)| request[1..4] == [0x10, 0x16, 0x20]), "{asked:02x?}");
            }
            Err(ProbeError::NotFound(verdict)) => {
                assert_eq!(verdict.nearest(), &PortActivity::Foreign, "{verdict}");
                assert!(asked.is_empty(), "{asked:02x?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}
