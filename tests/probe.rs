//! The walk over drivers, lines and addresses, in simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::bms::bytes::sum8;
use dbus_bms::bms::jbd::DRIVER as JBD;
use dbus_bms::bms::{Asked, DRIVERS, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing, jk_pb};
use dbus_bms::link::script::{Record, ScriptPort, SimClock, Sound};
use dbus_bms::link::{Clock, Link, LinkError};
use dbus_bms::model::Reading;
use dbus_bms::probe::{Candidate, Found, Heard, NotFound, ProbeError, Scope, search};
use dbus_bms::units::{Moment, Volts};
use dbus_bms::vector::Vector;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FAST: Line = Line { baud: 115_200 };
const SLOW: Line = Line { baud: 9600 };

// Recorded answers of an 11-cell SP15S001.
const BASIC: &[u8] = &[
    0xDD, 0x03, 0x00, 0x1B, 0x11, 0x38, 0x00, 0x62, 0x00, 0xA4, 0x04, 0xB0, 0x00, 0x00, 0x27, 0x6E, 0x02, 0x82, 0x00, 0x00, 0x00,
    0x00, 0x21, 0x0E, 0x03, 0x0B, 0x02, 0x0B, 0x22, 0x0B, 0x10, 0xFC, 0x42, 0x77,
];
const CELLS: &[u8] = &[
    0xDD, 0x04, 0x00, 0x16, 0x0F, 0xA7, 0x0F, 0xA5, 0x0F, 0xA1, 0x0F, 0x98, 0x0F, 0x9E, 0x0F, 0xA0, 0x0F, 0xB1, 0x0F, 0xBB, 0x0F,
    0xB1, 0x0F, 0xA6, 0x0F, 0xA7, 0xF8, 0x18, 0x77,
];

/// A family with frames of `tag, address, volts, sum`, whose requests have the same shape with `volts` 0: an echo looks like an
/// answer. Address 0 is only listened to.
struct Fake {
    tag: u8,
    address: Option<u8>,
}

fn frame(tag: u8, address: u8, volts: u8) -> Vec<u8> {
    let body = [tag, address, volts];
    vec![tag, address, volts, sum8(&body)]
}

impl Protocol for Fake {
    fn identify(&self) -> Request {
        let (bytes, timeout) = match self.address {
            Some(0) => (Vec::new(), 5000),
            address => (frame(self.tag, address.unwrap_or_default(), 0), 500),
        };
        Request { what: "everything", bytes: bytes.into(), timeout: Duration::from_millis(timeout), required: true }
    }
    fn plan(&mut self, _known: &Reading) -> Vec<Request> {
        vec![self.identify()]
    }
    fn framing(&self, buf: &[u8]) -> Framing {
        match buf {
            [tag, ..] if *tag != self.tag => Framing::Skip(1),
            [_, _, _, sum, ..] if *sum == sum8(&buf[..3]) => Framing::Frame(0..4),
            [_, _, _, _, ..] => Framing::Skip(1),
            _ => Framing::Incomplete,
        }
    }
    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.get(1).copied()
    }
    fn decode(&mut self, _asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        if self.address.is_some_and(|address| frame[1] != address) {
            return Err(DecodeError::Foreign { what: "another address" });
        }
        into.voltage = Some(Volts::new(f64::from(frame[2])));
        Ok(Progress::Done)
    }
}

const fn fake(
    name: &'static str,
    lines: &'static [Line],
    addresses: &'static [u8],
    gap_ms: u64,
    new: fn(Option<u8>) -> Box<dyn Protocol>,
) -> Driver {
    let gap = Duration::from_millis(gap_ms);
    Driver {
        name,
        label: name,
        boards: "",
        lines,
        lines_only: false,
        addresses,
        gap,
        listen: Duration::ZERO,
        sharing: Sharing::Alone,
        new,
    }
}

// The families that are to come, with their lines, addresses and gaps.
static JK: Driver = fake("jk", &[FAST], &[], 0, |address| Box::new(Fake { tag: 0x4E, address }));
static JK_PB: Driver = Driver {
    listen: Duration::from_millis(800),
    sharing: Sharing::Any,
    lines_only: true,
    ..fake("jk-pb", &[FAST], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 100, |address| {
        Box::new(Fake { tag: 0x55, address })
    })
};
static DALY: Driver = fake("daly", &[SLOW], &[0x40, 0x80, 0x81], 20, |address| Box::new(Fake { tag: 0xA5, address }));
static DALY_MODBUS: Driver = fake("daly-modbus", &[SLOW], &[0xD2, 0x81], 20, |address| Box::new(Fake { tag: 0xD2, address }));
static TOPBMS: Driver = fake("topbms", &[SLOW], &[1, 0x10], 0, |address| Box::new(Fake { tag: b'~', address }));

fn six() -> Scope {
    Scope { drivers: vec![&JK, &JK_PB, &JBD, &DALY, &DALY_MODBUS, &TOPBMS], ..Scope::default() }
}

/// Answers of the fake batteries with this tag at these addresses of a line; each says ten times its address plus 10 V.
fn bus(clock: &SimClock, line: Line, tag: u8, addresses: &'static [u8]) -> ScriptPort {
    ScriptPort::new(clock, move |sent, at| match sent {
        [t, address, ..] if *t == tag && at == line && addresses.contains(address) => {
            vec![Sound::after_ms(40, &frame(tag, *address, address.saturating_mul(10).saturating_add(10)))]
        }
        _ => Vec::new(),
    })
}

fn jbd(clock: &SimClock) -> ScriptPort {
    ScriptPort::new(clock, |sent, line| match sent {
        [0xDD, 0xA5, 0x03, ..] if line == SLOW => vec![Sound::after_ms(60, BASIC)],
        [0xDD, 0xA5, 0x04, ..] if line == SLOW => vec![Sound::after_ms(60, CELLS)],
        _ => Vec::new(),
    })
}

fn run(port: ScriptPort, clock: &SimClock, scope: &Scope) -> (Result<Vec<Found>, ProbeError>, Arc<Mutex<Record>>) {
    let record = port.record();
    (search(&mut Link::new(Box::new(port), Box::new(clock.clone())), scope), record)
}

fn not_found(result: Result<Vec<Found>, ProbeError>) -> NotFound {
    match result {
        Err(ProbeError::NotFound(verdict)) => verdict,
        other => panic!("{other:?}"),
    }
}

fn names(found: &[Found]) -> Vec<(&'static str, Option<u8>)> {
    found.iter().map(|found| (found.candidate.driver.name, found.candidate.address)).collect()
}

fn seconds(clock: &SimClock) -> f64 {
    clock.now().since_origin().as_secs_f64()
}

#[test]
fn a_silent_port_is_given_up_within_five_seconds_after_everything_was_tried() {
    let clock = SimClock::default();
    let (result, record) = run(ScriptPort::silent(&clock), &clock, &six());
    let verdict = not_found(result);
    assert!(seconds(&clock) <= 5.0, "{} s", seconds(&clock));
    assert_eq!(verdict.nearest(), &Heard::Silence);
    let record = record.lock().unwrap();
    for driver in six().drivers {
        let addresses: Vec<Option<u8>> =
            if driver.addresses.is_empty() { vec![None] } else { driver.addresses.iter().copied().map(Some).collect() };
        for address in addresses {
            let request = (driver.new)(address).identify().bytes;
            assert!(record.sent.iter().any(|(_, sent)| *sent == *request), "{} was not asked at {address:?}", driver.name);
        }
    }
    assert!(record.lines.len() <= 4, "the line was changed {} times", record.lines.len());
}

#[test]
fn drivers_in_any_order_are_tried_line_by_line() {
    let clock = SimClock::default();
    let scope = Scope { drivers: vec![&DALY, &JK, &JBD, &JK_PB, &TOPBMS], ..Scope::default() };
    let (_, record) = run(ScriptPort::silent(&clock), &clock, &scope);
    // Before anything is sent, a master is listened for at its speed.
    assert_eq!(record.lock().unwrap().lines, [FAST, SLOW, FAST, SLOW, FAST]);
}

#[test]
fn requests_of_a_driver_keep_its_gap() {
    let clock = SimClock::default();
    let (_, record) = run(ScriptPort::silent(&clock), &clock, &six());
    let sent = record.lock().unwrap().sent.clone();
    for pair in sent.windows(2).filter(|pair| pair[1].1[0] == 0x55) {
        assert!(pair[1].0.since(pair[0].0) >= JK_PB.gap, "{pair:02x?}");
    }
}

#[test]
fn a_silent_port_with_jbd_alone_takes_less_than_a_second_and_one_sentence() {
    let clock = SimClock::default();
    let (result, record) = run(ScriptPort::silent(&clock), &clock, &Scope { drivers: vec![&JBD], ..Scope::default() });
    let text = not_found(result).to_string();
    assert!(seconds(&clock) < 1.0);
    assert_eq!(record.lock().unwrap().sent.len(), 2);
    for part in ["script", "LLT / JBD at 9600", "silence", "RX/TX"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_jbd_is_found_in_the_quick_pass_with_a_full_reading() {
    let clock = SimClock::default();
    let found = run(jbd(&clock), &clock, &six()).0.unwrap();
    assert_eq!(names(&found), [("jbd", None)]);
    assert!(found[0].reading.is_complete());
    // The model is not answered here and costs its time-out; a quarter of a second was listened for a master before.
    assert!(found[0].elapsed < Duration::from_millis(1400), "{:?}", found[0].elapsed);
}

#[test]
fn a_bms_that_loses_the_first_request_is_found_in_the_patient_pass() {
    let clock = SimClock::default();
    let mut asleep = true;
    let port = ScriptPort::new(&clock, move |sent, _| match sent {
        [0xDD, 0xA5, ..] if std::mem::take(&mut asleep) => Vec::new(),
        [0xDD, 0xA5, 0x03, ..] => vec![Sound::after_ms(60, BASIC)],
        [0xDD, 0xA5, 0x04, ..] => vec![Sound::after_ms(60, CELLS)],
        _ => Vec::new(),
    });
    assert_eq!(names(&run(port, &clock, &six()).0.unwrap()), [("jbd", None)]);
}

#[test]
fn an_echo_is_never_a_hit() {
    for copies in [1, 2] {
        let clock = SimClock::default();
        let port = ScriptPort::new(&clock, move |sent, _| vec![Sound::after_ms(2, &sent.repeat(copies))]);
        let verdict = not_found(run(port, &clock, &six()).0);
        if copies == 1 {
            assert_eq!(verdict.nearest(), &Heard::Echo, "{verdict}");
        }
        assert!(seconds(&clock) <= 8.0, "{} s", seconds(&clock));
    }
}

#[test]
fn noise_and_damage_are_told_apart_from_silence() {
    let clock = SimClock::default();
    let port = ScriptPort::new(&clock, |_, line| match line {
        FAST => vec![Sound::after_ms(20, &[0xFF, 0x80, 0x00])],
        _ => Vec::new(),
    });
    let text = not_found(run(port, &clock, &six()).0).to_string();
    assert!(text.contains("jk at 115200: noise (3 bytes)") && text.contains("LLT / JBD at 9600: silence"), "{text}");

    let clock = SimClock::default();
    let mut damaged = BASIC.to_vec();
    damaged[10] ^= 1;
    let port = ScriptPort::new(&clock, move |sent, _| match sent {
        [0xDD, ..] => vec![Sound::after_ms(20, &damaged)],
        _ => Vec::new(),
    });
    let verdict = not_found(run(port, &clock, &six()).0);
    assert_eq!(verdict.nearest(), &Heard::Damaged);
    assert!(verdict.to_string().contains("LLT / JBD at 9600: damaged frames"), "{verdict}");
}

#[test]
fn all_batteries_of_a_shared_line_are_found() {
    let clock = SimClock::default();
    let (found, record) = run(bus(&clock, FAST, 0x55, &[1, 7, 3]), &clock, &six());
    let found = found.unwrap();
    assert_eq!(names(&found), [("jk-pb", Some(1)), ("jk-pb", Some(3)), ("jk-pb", Some(7))]);
    assert_eq!(found[2].reading.voltage.unwrap().get(), 80.0);
    assert_eq!(found[2].reading.address, Some(7));
    // An answer takes 40 ms and the line then has to be quiet for 100 ms.
    let sent = record.lock().unwrap().sent.clone();
    for pair in sent.windows(2).filter(|pair| matches!(pair[0].1[..2], [0x55, 1 | 3 | 7])) {
        assert!(pair[1].0.since(pair[0].0) >= Duration::from_millis(140), "{pair:02x?}");
    }
}

#[test]
fn the_aliases_of_a_lone_battery_are_not_collected() {
    let clock = SimClock::default();
    let found = run(bus(&clock, SLOW, 0xA5, &[0x40, 0x80]), &clock, &six()).0;
    // Both addresses belong to one board; twice the same pack would double its capacity.
    assert_eq!(names(&found.unwrap()), [("daly", Some(0x40))]);
}

#[test]
fn explicit_addresses_are_asked_and_no_others() {
    let clock = SimClock::default();
    let scope = Scope { drivers: vec![&JK_PB], addresses: vec![7, 9, 3], ..Scope::default() };
    let (found, record) = run(bus(&clock, FAST, 0x55, &[1, 3, 7]), &clock, &scope);
    assert_eq!(names(&found.unwrap()), [("jk-pb", Some(3)), ("jk-pb", Some(7))]);
    assert!(record.lock().unwrap().sent.iter().all(|(_, sent)| [7, 9, 3].contains(&sent[1])));
}

#[test]
fn what_answered_last_time_is_asked_first() {
    let clock = SimClock::default();
    let remembered = Some(Candidate { driver: &TOPBMS, line: SLOW, address: Some(1) });
    let (found, record) = run(bus(&clock, SLOW, b'~', &[1]), &clock, &Scope { remembered, ..six() });
    assert_eq!(names(&found.unwrap()), [("topbms", Some(1))]);
    assert!(record.lock().unwrap().sent.iter().all(|(_, sent)| sent[0] == b'~'));
    assert!(seconds(&clock) < 0.2);
}

#[test]
fn what_answered_last_time_does_not_widen_the_search() {
    let remembered = Some(Candidate { driver: &TOPBMS, line: SLOW, address: Some(1) });
    for scope in [
        Scope { drivers: vec![&JBD], remembered, ..Scope::default() },
        Scope { drivers: vec![&TOPBMS], addresses: vec![2], remembered, ..Scope::default() },
    ] {
        let clock = SimClock::default();
        not_found(run(bus(&clock, SLOW, b'~', &[1]), &clock, &scope).0);
    }
}

/// A master that tells only of itself, as recorded, and nobody else on the line.
#[test]
fn a_master_that_talks_unasked_is_found_by_listening() {
    let recorded = Vector::parse("broadcast", include_str!("vectors/jk-pb/sniff-phinix-master-broadcast.json")).unwrap();
    for remembered in [None, Some(Candidate { driver: &jk_pb::DRIVER, line: FAST, address: Some(0) })] {
        let clock = SimClock::default();
        let port = ScriptPort::silent(&clock).babbling(Moment::default(), Duration::from_millis(220), &recorded.received());
        let scope = Scope { drivers: DRIVERS.to_vec(), remembered, ..Scope::default() };
        let found = run(port, &clock, &scope).0.unwrap();
        assert_eq!(names(&found), [("jk-pb", Some(0))]);
        assert!(found[0].overheard && found[0].reading.is_complete());
    }
}

#[test]
fn an_address_that_is_never_asked_is_waited_for() {
    let clock = SimClock::default();
    let port = ScriptPort::silent(&clock);
    let (result, record) = run(port, &clock, &Scope { drivers: vec![&jk_pb::DRIVER], addresses: vec![0], ..Scope::default() });
    not_found(result);
    assert!(seconds(&clock) >= 20.0, "a master's cycle takes up to 15 s");
    assert!(record.lock().unwrap().sent.is_empty(), "nothing is ever sent to address 0");
}

#[test]
fn an_impossible_reading_confirms_nothing() {
    let clock = SimClock::default();
    let port = ScriptPort::new(&clock, |sent, _| match sent {
        [0x4E, ..] => vec![Sound::after_ms(20, &frame(0x4E, 0, 0)), Sound::after_ms(21, &frame(0x4E, 9, 0))],
        _ => Vec::new(),
    });
    let verdict = not_found(run(port, &clock, &Scope { drivers: vec![&JK], ..Scope::default() }).0);
    assert!(matches!(verdict.nearest(), Heard::Unconfirmed(why) if why.contains("0 V")), "{verdict}");
}

#[test]
fn a_line_that_is_never_quiet_is_given_up_too() {
    let clock = SimClock::default();
    let port = ScriptPort::silent(&clock).babbling(Moment::default(), Duration::from_millis(3), &[0xFF, 0x00]);
    let verdict = not_found(run(port, &clock, &six()).0);
    assert!(matches!(verdict.nearest(), Heard::Noise { .. }), "{verdict}");
    assert!(seconds(&clock) <= 8.0, "{} s", seconds(&clock));
}

#[test]
fn a_port_that_vanishes_ends_the_search() {
    let clock = SimClock::default();
    let port = ScriptPort::silent(&clock).vanishing(Moment::from_secs(1.0));
    assert!(matches!(run(port, &clock, &six()).0, Err(ProbeError::Port(LinkError::Vanished(_)))));
    assert_eq!(seconds(&clock), 1.0);
}

#[test]
fn a_configured_speed_is_the_only_one_but_never_for_requests_that_look_like_writes() {
    let clock = SimClock::default();
    let odd = Line { baud: 19_200 };
    let (result, record) = run(ScriptPort::silent(&clock), &clock, &Scope { line: Some(odd), ..six() });
    not_found(result);
    let record = record.lock().unwrap();
    let trigger = JK_PB.addresses.iter().map(|address| (JK_PB.new)(Some(*address)).identify().bytes.into_owned());
    let triggers: Vec<Vec<u8>> = trigger.collect();
    assert!(!record.sent.is_empty());
    assert!(record.lines.iter().all(|line| *line == odd));
    assert!(record.sent.iter().all(|(_, bytes)| !triggers.contains(bytes)));
}
