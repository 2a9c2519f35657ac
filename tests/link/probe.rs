//! The search over drivers, lines and addresses, in simulated time.

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::{Moment, Volts};
use dbus_bms::bms::bytes::{crc16_modbus, sum8};
use dbus_bms::bms::can::Record;
use dbus_bms::bms::jbd::DRIVER as JBD;
use dbus_bms::bms::{
    Codec, DRIVERS, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport,
    driver, jk_can, jk_pb, lifepower4, pace, pylontech_can, seplos,
};
use dbus_bms::link::{Link, LinkError};
use dbus_bms::model::Reading;
use dbus_bms::probe::{Candidate, Found, NotFound, PortActivity, ProbeError, Scope, doubt, further_families, search};
use dbus_bms::recording::file::Recording;
use dbus_bms::recording::replay_port::{PortLog, ReplayPort, SimClock, TimedBytes};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Board, Unit};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FAST: Line = Line { baud: 115_200 };
const SLOW: Line = Line { baud: 9600 };

// Recorded replies of an 11-cell SP15S001.
const BASIC: &[u8] = &[
    0xDD, 0x03, 0x00, 0x1B, 0x11, 0x38, 0x00, 0x62, 0x00, 0xA4, 0x04, 0xB0, 0x00, 0x00, 0x27, 0x6E, 0x02, 0x82, 0x00, 0x00, 0x00,
    0x00, 0x21, 0x0E, 0x03, 0x0B, 0x02, 0x0B, 0x22, 0x0B, 0x10, 0xFC, 0x42, 0x77,
];
const CELLS: &[u8] = &[
    0xDD, 0x04, 0x00, 0x16, 0x0F, 0xA7, 0x0F, 0xA5, 0x0F, 0xA1, 0x0F, 0x98, 0x0F, 0x9E, 0x0F, 0xA0, 0x0F, 0xB1, 0x0F, 0xBB, 0x0F,
    0xB1, 0x0F, 0xA6, 0x0F, 0xA7, 0xF8, 0x18, 0x77,
];

/// A family with frames of `tag, address, volts, sum`, whose requests have the same form with `volts` 0: an echo looks like a
/// reply. Address 0 is only listened to.
struct Fake {
    tag: u8,
    address: Option<u8>,
}

fn frame(tag: u8, address: u8, volts: u8) -> Vec<u8> {
    let body = [tag, address, volts];
    vec![tag, address, volts, sum8(&body)]
}

impl Codec for Fake {
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

    fn decode(&mut self, _asked: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        if self.address.is_some_and(|address| frame[1] != address) {
            return Err(DecodeError::Foreign { what: "another address" });
        }
        into.voltage = Some(Volts::new(f64::from(frame[2])));
        Ok(Progress::Done)
    }
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
        listed_lines_only: false,
        addresses,
        gap,
        listen: Duration::ZERO,
        sharing: Sharing::Alone,
        evidence: Evidence::Recordings,
        transports: &[Transport::Serial],
        new,
    }
}

// Planned families, with their lines, addresses and gaps.
static JK: Driver = fake("jk", &[FAST], &[], 0, |address| Box::new(Fake { tag: 0x4E, address }));
static JK_PB: Driver = Driver {
    listen: Duration::from_millis(800),
    sharing: Sharing::Any,
    listed_lines_only: true,
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

/// Replies of the simulated batteries with this tag at these addresses of a line; each voltage is ten times its address plus 10 V.
fn bus(clock: &SimClock, line: Line, tag: u8, addresses: &'static [u8]) -> ReplayPort {
    ReplayPort::new(clock, move |sent, at| match sent {
        [t, address, ..] if *t == tag && at == line && addresses.contains(address) => {
            vec![TimedBytes::after_ms(40, &frame(tag, *address, address.saturating_mul(10).saturating_add(10)))]
        }
        _ => Vec::new(),
    })
}

fn jbd(clock: &SimClock) -> ReplayPort {
    ReplayPort::new(clock, |sent, line| match sent {
        [0xDD, 0xA5, 0x03, ..] if line == SLOW => vec![TimedBytes::after_ms(60, BASIC)],
        [0xDD, 0xA5, 0x04, ..] if line == SLOW => vec![TimedBytes::after_ms(60, CELLS)],
        _ => Vec::new(),
    })
}

fn run(port: ReplayPort, clock: &SimClock, scope: &Scope) -> (Result<Vec<Found>, ProbeError>, Arc<Mutex<PortLog>>) {
    let record = port.log();
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
    let (result, record) = run(ReplayPort::silent(&clock), &clock, &six());
    let verdict = not_found(result);
    assert!(seconds(&clock) <= 5.0, "{} s", seconds(&clock));
    assert_eq!(verdict.nearest(), &PortActivity::Silence);
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

/// Safety rule 16: on a silent port, all families are tried within 12 s (aim: 8 s). The start of the process and the end of a line
/// that is slow to change have to fit in, too.
#[test]
fn all_families_of_the_registry_fit_into_the_budget_of_a_silent_port() {
    const BUDGET_S: f64 = 8.0;
    const REST_S: f64 = 0.2;
    let clock = SimClock::default();
    let (result, record) = run(ReplayPort::silent(&clock), &clock, &Scope::default());
    let verdict = not_found(result);
    assert_eq!(verdict.nearest(), &PortActivity::Silence);
    assert!(
        seconds(&clock) <= BUDGET_S - REST_S,
        "{} s: a driver less, fewer addresses or lines, or shorter times",
        seconds(&clock)
    );
    let record = record.lock().unwrap();
    for driver in DRIVERS {
        let addresses: Vec<Option<u8>> =
            if driver.addresses.is_empty() { vec![None] } else { driver.addresses.iter().copied().map(Some).collect() };
        for address in addresses {
            let request = (driver.new)(address).identify().bytes;
            let asked = record.sent.iter().filter(|(_, sent)| !request.is_empty() && *sent == *request).count();
            // An untested family may have the very request of another one.
            let sends = |other: &&Driver| {
                let all = other.addresses.iter().map(|address| Some(*address)).chain([None]);
                all.into_iter().any(|address| (other.new)(address).identify().bytes == request)
            };
            let searched = DRIVERS.iter().copied().filter(|other| other.evidence != Evidence::Untested);
            let is_searched = !request.is_empty() && searched.into_iter().any(|other| sends(&other));
            assert_eq!(asked > 0, is_searched, "{} at {address:?} was asked {asked} times", driver.name);
        }
    }
}

#[test]
fn families_on_can_and_on_serial_lines_are_never_mixed() {
    for can in [false, true] {
        let clock = SimClock::default();
        let (_, record) = run(ReplayPort::silent(&clock), &clock, &Scope { can, ..Scope::default() });
        let record = record.lock().unwrap();
        assert!(!record.sent.is_empty() && record.sent.iter().all(|(_, sent)| Record::parse(sent).is_some() == can));
        assert!(record.lines.iter().all(|line| line.is_can() == can), "{:?}", record.lines);
    }
    for driver in DRIVERS {
        assert_eq!(driver.transports.contains(&Transport::Can), driver.lines.contains(&Line::CAN), "{}", driver.name);
    }
}

/// Frames as a battery repeats them each second.
fn broadcasting(clock: &SimClock, frames: &[(u32, &str)]) -> ReplayPort {
    let record = |(id, bytes): &(u32, &str)| Record::new(*id, &dbus_bms::base::hex::decode(bytes).unwrap()).bytes();
    let set: Vec<u8> = frames.iter().flat_map(record).collect();
    ReplayPort::silent(clock).repeating(Moment::from_secs(0.3), Duration::from_secs(1), &set)
}

const LIMITS: (u32, &str) = (0x351, "1402740E740ECC01");
const CHARGE: (u32, &str) = (0x355, "1A006400");
const MEASURED: (u32, &str) = (0x356, "021300004A01");

#[test]
fn a_battery_that_broadcasts_on_can_is_found_without_a_request_to_it() {
    let clock = SimClock::default();
    let can = Scope { drivers: vec![&pylontech_can::DRIVER], can: true, ..Scope::default() };
    let set = [LIMITS, CHARGE, MEASURED, (0x359, "000000000A504E"), (0x35C, "C000"), (0x35E, "50594C4F4E202020")];
    let (found, record) = run(broadcasting(&clock, &set), &clock, &can);
    let found = found.unwrap();
    assert_eq!(names(&found), [("pylontech-can", None)]);
    assert_eq!(found[0].reading.voltage, Some(Volts::new(48.66)));
    assert_eq!((found[0].reading.fets.charge, found[0].reading.device.model.as_deref()), (Some(true), Some("PYLON")));
    assert!(record.lock().unwrap().sent.is_empty(), "it is only listened to");
}

#[test]
fn the_broadcast_of_a_daly_board_and_our_own_output_are_no_battery() {
    for maker in ["4C56616969657900", "646275732D626D73"] {
        let clock = SimClock::default();
        let can = Scope { drivers: vec![&pylontech_can::DRIVER], can: true, ..Scope::default() };
        let (found, record) = run(broadcasting(&clock, &[LIMITS, CHARGE, MEASURED, (0x35E, maker)]), &clock, &can);
        not_found(found);
        assert!(record.lock().unwrap().sent.is_empty());
    }
}

#[test]
fn boards_that_broadcast_with_addresses_are_found_on_one_bus() {
    let clock = SimClock::default();
    let frames: Vec<(u32, String)> = [0u32, 3]
        .into_iter()
        .flat_map(|address| {
            let frame = move |id: u32, bytes: &str| (id + address, bytes.to_owned());
            [frame(0x2F4, "1402D80F51000000"), frame(0x4F4, "FF0C06FC0C100000"), frame(0x5F4, "4901470048000000")]
        })
        .collect();
    let set: Vec<u8> =
        frames.iter().flat_map(|(id, bytes)| Record::new(*id, &dbus_bms::base::hex::decode(bytes).unwrap()).bytes()).collect();
    let port = ReplayPort::silent(&clock).repeating(Moment::from_secs(0.05), Duration::from_millis(100), &set);
    let can = Scope { drivers: vec![&jk_can::DRIVER], can: true, ..Scope::default() };
    let (found, record) = run(port, &clock, &can);
    let found = found.unwrap();
    assert_eq!(names(&found), [("jk-can", Some(0)), ("jk-can", Some(3))]);
    assert!(found.iter().all(|found| found.reading.voltage == Some(Volts::new(53.2))));
    assert!(record.lock().unwrap().sent.is_empty(), "they are only listened to");
}

#[test]
fn drivers_in_any_order_are_tried_line_by_line() {
    let clock = SimClock::default();
    let scope = Scope { drivers: vec![&DALY, &JK, &JBD, &JK_PB, &TOPBMS], ..Scope::default() };
    let (_, record) = run(ReplayPort::silent(&clock), &clock, &scope);
    // Before anything is sent, the probe listens for a master at its speed.
    assert_eq!(record.lock().unwrap().lines, [FAST, SLOW, FAST, SLOW, FAST]);
}

#[test]
fn requests_of_a_driver_keep_its_gap() {
    let clock = SimClock::default();
    let (_, record) = run(ReplayPort::silent(&clock), &clock, &six());
    let sent = record.lock().unwrap().sent.clone();
    for pair in sent.windows(2).filter(|pair| pair[1].1[0] == 0x55) {
        assert!(pair[1].0.since(pair[0].0) >= JK_PB.gap, "{pair:02x?}");
    }
}

#[test]
fn a_silent_port_with_jbd_alone_takes_less_than_a_second_and_one_sentence() {
    let clock = SimClock::default();
    let (result, record) = run(ReplayPort::silent(&clock), &clock, &Scope { drivers: vec![&JBD], ..Scope::default() });
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
    // The model is not answered here and costs its timeout; a quarter of a second was spent listening for a master before.
    assert!(found[0].elapsed < Duration::from_millis(1400), "{:?}", found[0].elapsed);
}

#[test]
fn a_bms_that_loses_the_first_request_is_found_in_the_patient_pass() {
    let clock = SimClock::default();
    let mut asleep = true;
    let port = ReplayPort::new(&clock, move |sent, _| match sent {
        [0xDD, 0xA5, ..] if std::mem::take(&mut asleep) => Vec::new(),
        [0xDD, 0xA5, 0x03, ..] => vec![TimedBytes::after_ms(60, BASIC)],
        [0xDD, 0xA5, 0x04, ..] => vec![TimedBytes::after_ms(60, CELLS)],
        _ => Vec::new(),
    });
    assert_eq!(names(&run(port, &clock, &six()).0.unwrap()), [("jbd", None)]);
}

#[test]
fn an_echo_is_never_a_hit() {
    for copies in [1, 2] {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, move |sent, _| vec![TimedBytes::after_ms(2, &sent.repeat(copies))]);
        let verdict = not_found(run(port, &clock, &six()).0);
        if copies == 1 {
            assert_eq!(verdict.nearest(), &PortActivity::Echo, "{verdict}");
        }
        assert!(seconds(&clock) <= 8.0, "{} s", seconds(&clock));
    }
}

#[test]
fn noise_and_damage_are_told_apart_from_silence() {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, |_, line| match line {
        FAST => vec![TimedBytes::after_ms(20, &[0xFF, 0x80, 0x00])],
        _ => Vec::new(),
    });
    let text = not_found(run(port, &clock, &six()).0).to_string();
    assert!(text.contains("jk at 115200: noise (3 bytes)") && text.contains("LLT / JBD at 9600: silence"), "{text}");

    let clock = SimClock::default();
    let mut damaged = BASIC.to_vec();
    damaged[10] ^= 1;
    let port = ReplayPort::new(&clock, move |sent, _| match sent {
        [0xDD, ..] => vec![TimedBytes::after_ms(20, &damaged)],
        _ => Vec::new(),
    });
    let verdict = not_found(run(port, &clock, &six()).0);
    assert_eq!(verdict.nearest(), &PortActivity::Damaged);
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
    // A reply takes 40 ms, after which the line must be quiet for 100 ms.
    let sent = record.lock().unwrap().sent.clone();
    for pair in sent.windows(2).filter(|pair| matches!(pair[0].1[..2], [0x55, 1 | 3 | 7])) {
        assert!(pair[1].0.since(pair[0].0) >= Duration::from_millis(140), "{pair:02x?}");
    }
}

#[test]
fn the_aliases_of_a_lone_battery_are_not_collected() {
    let clock = SimClock::default();
    let found = run(bus(&clock, SLOW, 0xA5, &[0x40, 0x80]), &clock, &six()).0;
    // Both addresses belong to one board; counting the pack twice would double its capacity.
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

/// A master that only sends its own data, as recorded, without any other board on the line.
#[test]
fn a_master_that_talks_unasked_is_found_by_listening() {
    let recorded = Recording::parse("broadcast", include_str!("../vectors/jk-pb/sniff-phinix-master-broadcast.json")).unwrap();
    for remembered in [None, Some(Candidate { driver: &jk_pb::DRIVER, line: FAST, address: Some(0) })] {
        let clock = SimClock::default();
        let port = ReplayPort::silent(&clock).repeating(Moment::default(), Duration::from_millis(220), &recorded.received());
        let scope = Scope { drivers: DRIVERS.to_vec(), remembered, ..Scope::default() };
        let found = run(port, &clock, &scope).0.unwrap();
        assert_eq!(names(&found), [("jk-pb", Some(0))]);
        assert!(found[0].overheard && found[0].reading.is_complete());
    }
}

/// The program that was polling this line ends, and another one begins: answers are still under way, and look like a master's.
#[test]
fn an_answer_to_a_program_that_has_ended_is_no_master() {
    let jk_pb = BOARDS.iter().find(|board| board.name == "jk-pb").unwrap();
    let mut units = [Unit::new(1, &PackConfig::default(), Scenario::default())];
    let requests = |what: fn(&Request) -> bool| {
        let mut protocol = (jk_pb::DRIVER.new)(Some(1));
        let all = protocol.plan(&Reading::default());
        all.into_iter().filter(what).map(|request| request.bytes.into_owned()).collect::<Vec<_>>()
    };
    let replies: Vec<u8> = requests(|request| request.required)
        .iter()
        .flat_map(|request| (jk_pb.new)().answer(request, &mut units))
        .flat_map(|reply| reply.bytes)
        .collect();
    assert!(replies.len() > 300);
    for remembered in [None, Some(Candidate { driver: &jk_pb::DRIVER, line: FAST, address: Some(1) })] {
        let clock = SimClock::default();
        let port = slow_board(&clock, jk_pb, 40).at(Moment::from_secs(0.03), &replies).at(Moment::from_secs(0.15), &replies);
        let (found, _) = run(port, &clock, &Scope { remembered, ..Scope::default() });
        let found = found.unwrap();
        assert_eq!(names(&found), [("jk-pb", Some(1))]);
        assert!(!found[0].overheard && seconds(&clock) < 9.0, "{} s", seconds(&clock));
    }
}

/// Between two rounds a master of a chain may be quiet for longer than between its requests.
#[test]
fn a_master_that_pauses_between_its_rounds_is_waited_for() {
    let recorded = Recording::parse("cycle", include_str!("../vectors/jk-pb/sniff-phinix-cycle.json")).unwrap();
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).repeating(Moment::from_secs(0.1), Duration::from_millis(4400), &recorded.received());
    let (found, record) = run(port, &clock, &Scope { drivers: vec![&jk_pb::DRIVER], ..Scope::default() });
    assert!(!found.unwrap().is_empty());
    assert!(record.lock().unwrap().sent.is_empty(), "nothing is sent where another master polls");
}

/// Packs in parallel poll each other: nobody else may send there. The bytes are those that boards send.
#[test]
fn a_line_on_which_a_master_polls_its_packs_is_left_alone() {
    let every = Scope::default();
    let remembered = Some(Candidate { driver: &pace::DRIVER, line: SLOW, address: Some(1) });
    for (request, scope) in [
        (b"~25aa46900000FDA0\r", every.clone()),
        (b"~25aa46900000FDA0\r", Scope { remembered, ..every.clone() }),
        (b"~2001465A0000FD9D\r", every),
        (b"~2001465A0000FD9D\r", Scope { drivers: vec![&seplos::DRIVER], ..Scope::default() }),
    ] {
        let clock = SimClock::default();
        let port = ReplayPort::silent(&clock).repeating(Moment::default(), Duration::from_millis(200), request);
        let (result, record) = run(port, &clock, &scope);
        let verdict = not_found(result);
        assert_eq!(verdict.nearest(), &PortActivity::Foreign, "{verdict}");
        assert!(record.lock().unwrap().sent.is_empty(), "{:02x?}", record.lock().unwrap().sent);
    }
}

/// At 9600 baud a reply of 220 characters takes longer than the timeout of the quick pass.
#[test]
fn a_long_reply_that_is_arriving_is_waited_for() {
    let recorded = Recording::parse("long", include_str!("../vectors/lifepower4/16s-charging.json")).unwrap();
    let frame: Vec<u8> = recorded.traffic[1].bytes.clone();
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, move |sent, line| match sent {
        b"~20014A420000FDA2\r" if line == SLOW => TimedBytes::after_ms(60, &frame).trickle(line),
        _ => Vec::new(),
    });
    let scope = Scope { drivers: vec![&lifepower4::DRIVER], ..Scope::default() };
    let (found, record) = run(port, &clock, &scope);
    assert_eq!(names(&found.unwrap()), [("lifepower4", Some(1))]);
    let asked = record.lock().unwrap().sent.iter().filter(|(_, sent)| sent == b"~20014A420000FDA2\r").count();
    assert_eq!(asked, 2, "to identify it, and to read it");
}

/// Bytes that are values of an EG4 LL battery and of a PACE board: their requests are the same.
fn reply_of_two_families() -> Vec<u8> {
    let mut registers = [0u16; 39];
    registers[..7].copy_from_slice(&[675, 1320, 50, 100, 3300, 3300, 10_000]);
    registers[15..19].copy_from_slice(&[3300; 4]);
    registers[36] = 4;
    let data: Vec<u8> = registers.iter().flat_map(|register| register.to_be_bytes()).collect();
    let mut frame = [&[1, 3, 78], &data[..]].concat();
    frame.extend(crc16_modbus(&frame).to_le_bytes());
    frame
}

#[test]
fn an_answer_that_fits_two_families_names_both() {
    let both = ["eg4-ll", "pace-modbus"];
    for (asked, other) in [(both[0], both[1]), (both[1], both[0])] {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, |sent, line| match sent {
            [1, 3, 0, 0, 0, 0x27, ..] if line == SLOW => TimedBytes::after_ms(60, &reply_of_two_families()).trickle(line),
            _ => Vec::new(),
        });
        let scope = Scope { drivers: vec![dbus_bms::bms::driver(asked).unwrap()], ..Scope::default() };
        let found = run(port, &clock, &scope).0.unwrap();
        assert_eq!(found[0].candidate.driver.name, asked);
        assert_eq!(found[0].also.iter().map(|driver| driver.name).collect::<Vec<_>>(), [other]);
        let doubt = doubt("ttyUSB0", &found, &[]).unwrap();
        assert!(both.iter().all(|name| doubt.contains(&format!("bms = [\"{name}\"]"))), "{doubt}");
    }
}

/// Some boards speak two protocols: a probe says so, and the search itself takes no longer.
#[test]
fn a_second_family_that_answers_as_well_is_found_afterwards() {
    let recorded = Recording::parse("long", include_str!("../vectors/lifepower4/16s-charging.json")).unwrap();
    let frame: Vec<u8> = recorded.traffic[1].bytes.clone();
    for answers in [true, false] {
        let (clock, frame) = (SimClock::default(), frame.clone());
        let port = ReplayPort::new(&clock, move |sent, line| match sent {
            _ if line != SLOW => Vec::new(),
            [0xDD, 0xA5, 3, ..] => vec![TimedBytes::after_ms(30, BASIC)],
            [0xDD, 0xA5, 4, ..] => vec![TimedBytes::after_ms(30, CELLS)],
            b"~20014A420000FDA2\r" if answers => TimedBytes::after_ms(60, &frame).trickle(line),
            _ => Vec::new(),
        });
        let (record, mut link) = (port.log(), Link::new(Box::new(port), Box::new(clock.clone())));
        let scope = Scope::default();
        let found = search(&mut link, &scope).unwrap();
        let until_found = seconds(&clock);
        assert_eq!((names(&found), found[0].also.len()), (vec![("jbd", None)], 0));
        let before = record.lock().unwrap().sent.len();
        let further = further_families(&mut link, &scope, &found).unwrap();
        assert_eq!(names(&further), if answers { vec![("lifepower4", Some(1))] } else { Vec::new() });
        assert_eq!(doubt("ttyUSB0", &found, &further).is_some(), answers);
        assert!(until_found < 2.0 && seconds(&clock) - until_found < 6.0, "{until_found} s, {} s", seconds(&clock));
        let lines = record.lock().unwrap().sent.len();
        assert!(lines > before);
        let overheard: Vec<Found> = found.iter().cloned().map(|found| Found { overheard: true, ..found }).collect();
        assert!(further_families(&mut link, &scope, &overheard).unwrap().is_empty());
        assert_eq!(record.lock().unwrap().sent.len(), lines, "nothing is sent where another master polls");
    }
}

/// Boards of UP16S take up to 0.6 s, longer than any other family.
#[test]
fn a_board_that_takes_longer_than_others_is_found_among_all_families() {
    let recorded = Recording::parse("slow", include_str!("../vectors/jbd-up16s/master-of-two-values.json")).unwrap();
    let (asked, frame) = (recorded.traffic[0].bytes.clone(), recorded.traffic[1].bytes.clone());
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, move |sent, line| match sent {
        sent if sent == asked && line == SLOW => TimedBytes::after_ms(600, &frame).trickle(line),
        _ => Vec::new(),
    });
    let (found, _) = run(port, &clock, &Scope::default());
    assert_eq!(names(&found.unwrap()), [("jbd-up16s", Some(1))]);
}

/// A simulated board whose replies begin `ms` after the request, behind an adapter that passes bytes on every 16 ms.
fn slow_board(clock: &SimClock, board: &Board, ms: u64) -> ReplayPort {
    const ADAPTER: Duration = Duration::from_millis(16);
    let mut responder = (board.new)();
    let line = responder.line();
    let unit = |address: &u8| Unit::new(*address, &PackConfig::default(), Scenario::default());
    let mut units: Vec<Unit> = board.addresses.iter().map(unit).collect();
    ReplayPort::new(clock, move |sent, at| {
        let replies = if at == line { responder.answer(sent, &mut units) } else { Vec::new() };
        responder.quiet();
        let mut after = Duration::from_millis(ms);
        let mut arriving = Vec::new();
        for reply in replies {
            arriving.extend(TimedBytes { after, bytes: reply.bytes }.trickle(line));
            after = arriving.last().map_or(after, |last| last.after);
        }
        let delivered = |time: Duration| ADAPTER * u32::try_from(time.as_millis() / ADAPTER.as_millis() + 1).unwrap();
        arriving.into_iter().map(|bytes| TimedBytes { after: delivered(bytes.after), ..bytes }).collect()
    })
}

/// The times are the longest that are recorded or described. A search does not wait for them at every request, so that these answers
/// arrive during later ones.
#[test]
fn the_slowest_board_of_every_family_is_found_among_all_families() {
    let every = Scope::default();
    let is_serial = |board: &Board| driver(board.driver).is_some_and(|driver| driver.transports.contains(&Transport::Serial));
    let searched = |board: &&Board| {
        every.drivers.iter().any(|driver| driver.name == board.driver) && is_serial(board) && board.name != "jk-pb-chain"
    };
    for board in BOARDS.iter().filter(searched).filter(|board| !(board.new)().line().is_can()) {
        let slowest = match board.driver {
            "jk-pb" => 60,
            "daren" => 500,
            "jbd-up16s" => 600,
            _ => 250,
        };
        for ms in [40, 110, 150, 200, slowest] {
            if ms > slowest {
                continue;
            }
            let clock = SimClock::default();
            let (found, _) = run(slow_board(&clock, board, ms), &clock, &every);
            let found = found.unwrap_or_else(|error| panic!("{} after {ms} ms: {error}", board.name));
            assert_eq!(names(&found)[0].0, board.driver, "{} after {ms} ms", board.name);
            assert!(found[0].elapsed < Duration::from_secs(10), "{} after {ms} ms: {:?}", board.name, found[0].elapsed);
        }
    }
}

/// Noise now and then looks like a late answer. Each such suspicion costs time, but not without end.
#[test]
fn noise_now_and_then_is_no_endless_search() {
    for every in [150, 700, 1100, 3000] {
        let clock = SimClock::default();
        let port = ReplayPort::silent(&clock).repeating(Moment::from_secs(0.3), Duration::from_millis(every), &[0x3F]);
        let verdict = not_found(run(port, &clock, &Scope::default()).0);
        assert!(matches!(verdict.nearest(), PortActivity::Noise { .. }), "{verdict}");
        assert!(seconds(&clock) <= 14.0, "{} s with a byte every {every} ms", seconds(&clock));
    }
}

#[test]
fn an_address_that_is_never_asked_is_waited_for() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock);
    let (result, record) = run(port, &clock, &Scope { drivers: vec![&jk_pb::DRIVER], addresses: vec![0], ..Scope::default() });
    not_found(result);
    assert!(seconds(&clock) >= 20.0, "a master's cycle takes up to 15 s");
    assert!(record.lock().unwrap().sent.is_empty(), "nothing is ever sent to address 0");
}

/// A board with a similar protocol is named instead of being decoded incorrectly.
#[test]
fn a_layout_that_is_not_supported_is_told_by_its_name() {
    for (file, name) in [
        (include_str!("../vectors/jk-pb/bad-24-cell-layout-open-wire.json"), "24-cell layout"),
        (include_str!("../vectors/jk-pb/bad-float-layout.json"), "hardware 3"),
    ] {
        let clock = SimClock::default();
        let frame = Recording::parse(name, file).unwrap().received()[..300].to_vec();
        let port = ReplayPort::new(&clock, move |sent, _| match sent {
            &[address, 0x10, 0x16, 0x20, ..] => {
                let record = [address, 0x10, 0x16, 0x20, 0, 1];
                let [low, high] = crc16_modbus(&record).to_le_bytes();
                vec![TimedBytes::after_ms(20, &[&frame[..], &record[..], &[low, high][..]].concat())]
            }
            _ => Vec::new(),
        });
        let verdict = not_found(run(port, &clock, &Scope { drivers: vec![&jk_pb::DRIVER], ..Scope::default() }).0);
        assert!(verdict.to_string().contains(name), "{verdict}");
    }
}

#[test]
fn an_impossible_reading_confirms_nothing() {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, |sent, _| match sent {
        [0x4E, ..] => vec![TimedBytes::after_ms(20, &frame(0x4E, 0, 0)), TimedBytes::after_ms(21, &frame(0x4E, 9, 0))],
        _ => Vec::new(),
    });
    let verdict = not_found(run(port, &clock, &Scope { drivers: vec![&JK], ..Scope::default() }).0);
    assert!(matches!(verdict.nearest(), PortActivity::Unconfirmed(why) if why.contains("0 V")), "{verdict}");
}

#[test]
fn a_line_that_is_never_quiet_is_given_up_too() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).repeating(Moment::default(), Duration::from_millis(3), &[0xFF, 0x00]);
    let verdict = not_found(run(port, &clock, &six()).0);
    assert!(matches!(verdict.nearest(), PortActivity::Noise { .. }), "{verdict}");
    assert!(seconds(&clock) <= 8.0, "{} s", seconds(&clock));
}

#[test]
fn a_port_that_vanishes_ends_the_search() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).vanishing(Moment::from_secs(1.0));
    assert!(matches!(run(port, &clock, &six()).0, Err(ProbeError::Port(LinkError::Vanished(_)))));
    assert_eq!(seconds(&clock), 1.0);
}

#[test]
fn a_configured_speed_is_the_only_one_but_never_for_requests_that_look_like_writes() {
    let clock = SimClock::default();
    let odd = Line { baud: 19_200 };
    let (result, record) = run(ReplayPort::silent(&clock), &clock, &Scope { line: Some(odd), ..six() });
    not_found(result);
    let record = record.lock().unwrap();
    let trigger = JK_PB.addresses.iter().map(|address| (JK_PB.new)(Some(*address)).identify().bytes.into_owned());
    let triggers: Vec<Vec<u8>> = trigger.collect();
    assert!(!record.sent.is_empty());
    assert!(record.lines.iter().all(|line| *line == odd));
    assert!(record.sent.iter().all(|(_, bytes)| !triggers.contains(bytes)));
}
