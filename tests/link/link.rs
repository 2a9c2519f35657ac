//! The line layer in simulated time: faults on a wire, and the required results.

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::jbd::DRIVER as JBD;
use dbus_bms::bms::{Codec, DecodeError, Expected, Framing, Line, Progress, Protocol, Request, driver};
use dbus_bms::link::{Link, LinkError};
use dbus_bms::model::{Device, Reading};
use dbus_bms::recording::replay_port::{PortLog, ReplayPort, SimClock, TimedBytes};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use proptest::prelude::*;
use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LINE: Line = Line { baud: 9600 };
const ASK_BASIC: &[u8] = &[0xDD, 0xA5, 0x03, 0x00, 0xFF, 0xFD, 0x77];
const ASK_CELLS: &[u8] = &[0xDD, 0xA5, 0x04, 0x00, 0xFF, 0xFC, 0x77];
const ASK_MODEL: &[u8] = &[0xDD, 0xA5, 0x05, 0x00, 0xFF, 0xFB, 0x77];

// Recorded replies of an 11-cell SP15S001 (charging) and of an SP04S034 (model).
const BASIC: &str = "dd03001b1138006200a404b00000276e028200000000210e030b020b220b10fc4277";
const OTHER_BASIC: &str = "dd03001b103cfe0e02d704b00000276e000000000000213d030b020b370b47fb6977";
const CELLS: &str = "dd0400160fa70fa50fa10f980f9e0fa00fb10fbb0fb10fa60fa7f81877";
const MODEL: &str = "dd0500194a42442d53503034533033342d4c34532d323030412d422d55fa0877";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at_ms(ms: u64) -> Moment {
    Moment::new(Duration::from_millis(ms))
}

/// Replies of a healthy BMS.
fn healthy(sent: &[u8]) -> Option<Vec<u8>> {
    match sent {
        ASK_BASIC => Some(hex(BASIC)),
        ASK_CELLS => Some(hex(CELLS)),
        ASK_MODEL => Some(hex(MODEL)),
        _ => None,
    }
}

fn protocol() -> Box<dyn Protocol> {
    (JBD.new)(None)
}

fn basic() -> Request {
    protocol().identify()
}

fn cells() -> Request {
    Request { what: "cell voltages", bytes: Cow::Borrowed(ASK_CELLS), timeout: ms(500), required: true }
}

fn link(port: ReplayPort, clock: &SimClock) -> Link {
    let mut link = Link::new(Box::new(port), Box::new(clock.clone()));
    link.prepare(LINE, Duration::ZERO).unwrap();
    link
}

fn empty() -> Reading {
    Reading::new("jbd", None)
}

/// One exchange of the basic request; a failure must not change the reading.
fn exchange(link: &mut Link, request: &Request) -> Result<Reading, LinkError> {
    let mut reading = empty();
    let result = link.exchange(protocol().as_mut(), request, &mut reading);
    if result.is_err() {
        assert_eq!(reading, empty(), "a failed exchange left values behind");
    }
    result.map(|()| reading)
}

/// The reading from undamaged replies.
fn expected() -> Reading {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, |sent, _| healthy(sent).iter().map(|bytes| TimedBytes::after_ms(20, bytes)).collect());
    link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap()
}

/// A port where `spoil` converts the correct reply to the n-th request (from 0) into the bytes that arrive.
fn spoiling(clock: &SimClock, mut spoil: impl FnMut(usize, Vec<u8>) -> Vec<TimedBytes> + Send + 'static) -> ReplayPort {
    let mut count = 0;
    ReplayPort::new(clock, move |sent, _| {
        let answer = healthy(sent).expect("a request that was never made");
        count += 1;
        spoil(count - 1, answer)
    })
}

fn sent(record: &Arc<Mutex<PortLog>>) -> Vec<Vec<u8>> {
    record.lock().unwrap().sent.iter().map(|(_, bytes)| bytes.clone()).collect()
}

#[test]
fn a_reading_has_the_recorded_values() {
    let reading = expected();
    assert_eq!(reading.voltage.unwrap().get(), 44.08);
    assert_eq!(reading.power.unwrap().get(), 43.2);
    assert_eq!(reading.cells.len(), 11);
    assert_eq!(reading.device.model.as_deref(), Some("JBD-SP04S034-L4S-200A-B-U"));
}

/// A pack voltage that contradicts the cells, in a valid frame, is requested again; if it persists, the reading fails. A cell at 0
/// V (a broken sense wire) and a pack voltage of 0 (a BMS that restarts) are left to the guard.
#[test]
fn a_reading_that_contradicts_itself_is_no_reading() {
    let altered = |mut answer: Vec<u8>, place: usize, value: u16| {
        answer[place..place + 2].copy_from_slice(&value.to_be_bytes());
        let end = answer.len() - 3;
        let sum = answer[2..end].iter().fold(0u16, |sum, byte| sum.wrapping_sub(u16::from(*byte)));
        answer[end..end + 2].copy_from_slice(&sum.to_be_bytes());
        answer
    };
    /// Position of another value in one of the replies.
    type Spoil = fn(usize, &[u8]) -> Option<(usize, u16)>;
    let polled = |spoil: Spoil| {
        let clock = SimClock::default();
        let port = spoiling(&clock, move |count, answer| {
            let spoiled = spoil(count, &answer);
            vec![TimedBytes::after_ms(20, &spoiled.map_or(answer.clone(), |(place, value)| altered(answer, place, value)))]
        });
        link(port, &clock).poll(protocol().as_mut(), &empty())
    };
    let once = polled(|count, _| (count == 0).then_some((4, 2204)));
    assert_eq!(once.unwrap(), expected(), "44.08 V again after 22.04 V");
    let always = polled(|_, answer| (answer[1] == 3).then_some((4, 2204))).unwrap_err();
    assert!(matches!(&always.error, LinkError::Impossible { why } if why.contains("22.04 V")), "{always}");
    let restarting = polled(|_, answer| (answer[1] == 3).then_some((4, 0))).unwrap();
    assert_eq!(restarting.voltage.unwrap().get(), 0.0);
    let broken_wire = polled(|_, answer| (answer[1] == 4).then_some((4, 0))).unwrap();
    assert_eq!(broken_wire.cells[0].get(), 0.0);
}

#[test]
fn silence_is_told_at_the_deadline() {
    let clock = SimClock::default();
    let mut link = link(ReplayPort::silent(&clock), &clock);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Silent)));
    assert_eq!(clock.now(), at_ms(500));
    assert_eq!((link.stats().lost, link.stats().ok), (1, 0));
}

#[test]
fn a_dead_bms_costs_a_poll_no_more_than_two_seconds() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock);
    let record = port.log();
    let failure = link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap_err();
    assert!(clock.now() <= at_ms(2000), "{:?}", clock.now());
    assert_eq!(failure.tries, 3);
    assert!(sent(&record).iter().all(|bytes| bytes == ASK_BASIC), "the poll went on after a required request had failed");
    assert!(failure.to_string().contains("RX/TX"), "{failure}");
}

/// Values accepted in the second of two polls if its first reply about the pack, with a valid check, belongs to another battery.
/// `spoil` modifies the n-th reply of all (from 0).
fn second_poll(spoil: fn(usize, Vec<u8>) -> Vec<u8>) -> (Reading, usize) {
    let clock = SimClock::default();
    let second = Arc::new(Mutex::new(false));
    let wrong = Arc::clone(&second);
    let mut count = 0;
    let port = ReplayPort::new(&clock, move |sent, _| {
        let answer = healthy(sent).unwrap();
        count += 1;
        let one = std::mem::take(&mut *wrong.lock().unwrap());
        vec![TimedBytes::after_ms(20, &if one { hex(OTHER_BASIC) } else { spoil(count - 1, answer) })]
    });
    let record = port.log();
    let mut link = link(port, &clock);
    let mut protocol = protocol();
    let known = link.poll(protocol.as_mut(), &empty()).unwrap();
    *second.lock().unwrap() = true;
    let before = sent(&record).len();
    (link.poll(protocol.as_mut(), &known).unwrap(), sent(&record).len() - before)
}

#[test]
fn on_a_calm_line_an_answer_with_a_right_check_is_believed() {
    let (reading, requests) = second_poll(|_, answer| answer);
    assert_eq!((reading.current.unwrap().get(), requests), (-4.98, 2));
}

#[test]
fn on_a_disturbed_line_an_answer_counts_that_agrees_with_another() {
    let (reading, requests) = second_poll(|count, mut answer| {
        answer[8] ^= u8::from(count == 0);
        answer
    });
    assert_eq!(reading.current, expected().current, "what differs was asked for again");
    assert_eq!(requests, 3);
}

/// Number of requests to a Daly in the second of two polls, if `spoil` has modified the frames of its cells (six of them) in the
/// first reply to that request.
fn requests_after(spoil: fn(&mut Vec<Vec<u8>>)) -> usize {
    let clock = SimClock::default();
    let (mut board, mut units) = (responder("daly").unwrap(), [Unit::new(1, &PackConfig::default(), Scenario::default())]);
    let mut spoilt = false;
    let port = ReplayPort::new(&clock, move |sent, _| {
        let mut frames: Vec<Vec<u8>> = board.answer(sent, &mut units).into_iter().map(|reply| reply.bytes).collect();
        if frames.len() == 6 && !std::mem::replace(&mut spoilt, true) {
            spoil(&mut frames);
        }
        frames.iter().zip(1..).map(|(frame, number)| TimedBytes::after_ms(20 * number, frame)).collect()
    });
    let record = port.log();
    let mut link = link(port, &clock);
    let mut protocol = (driver("daly").unwrap().new)(Some(1));
    let mut known = Reading::new("daly", Some(1));
    let mut before = 0;
    for _ in 0..2 {
        before = sent(&record).len();
        known = link.poll(protocol.as_mut(), &known).unwrap();
    }
    sent(&record).len() - before
}

#[test]
fn frames_that_do_not_come_damage_none_of_those_that_do() {
    let calm = requests_after(|_| {});
    assert_eq!(requests_after(|frames| drop(frames.remove(2))), calm, "lost");
    assert_eq!(requests_after(|frames| frames.truncate(2)), calm, "only some came");
    assert!(requests_after(|frames| frames[2][0] ^= 1) > calm, "the start is damaged");
    assert!(requests_after(|frames| frames[2][6] ^= 1) > calm, "the data is damaged");
    assert!(requests_after(|frames| frames[5].truncate(7)) > calm, "the last is cut short");
}

#[test]
fn noise_is_told_with_its_amount() {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, |_, _| vec![TimedBytes::after_ms(30, &[0xFF, 0x00, 0x80, 0xF8, 0x1C])]);
    let mut link = link(port, &clock);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Noise { bytes: 5 })));
    assert_eq!(link.stats().damaged, 1);
}

#[test]
fn an_echo_before_the_answer_is_skipped_whole_or_in_pieces() {
    for pieces in [1, 2, 3, 7] {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, move |sent, _| {
            let mut sounds: Vec<TimedBytes> =
                sent.chunks(sent.len().div_ceil(pieces)).zip(1..).map(|(part, at)| TimedBytes::after_ms(at * 5, part)).collect();
            sounds.push(TimedBytes::after_ms(60, &hex(BASIC)));
            sounds
        });
        let mut link = link(port, &clock);
        assert_eq!(exchange(&mut link, &basic()).unwrap().voltage.unwrap().get(), 44.08);
        assert!(link.echoes());
    }
}

/// Repeats the request as its reply, as Modbus function 06 does.
struct Repeating;

impl Codec for Repeating {
    fn framing(&self, buf: &[u8]) -> Framing {
        if buf.len() < 4 { Framing::Incomplete } else { Framing::Frame(0..4) }
    }

    fn decode(&mut self, _asked: Expected<'_>, _frame: &[u8], _into: &mut Reading) -> Result<Progress, DecodeError> {
        Ok(Progress::Done)
    }
}

impl Repeating {
    fn request() -> Request {
        Request { what: "write", bytes: Cow::Borrowed(b"0600"), timeout: ms(500), required: true }
    }
}

#[test]
fn one_echo_is_skipped_and_not_two() {
    for (copies, answered) in [(1, false), (2, true)] {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, move |sent, _| vec![TimedBytes::after_ms(20, &sent.repeat(copies))]);
        let mut link = link(port, &clock);
        assert_eq!(link.exchange(&mut Repeating, &Repeating::request(), &mut empty()).is_ok(), answered);
    }
}

#[test]
fn an_echo_alone_is_no_answer() {
    // Once from the adapter; twice with a sleeping BMS that echoes, too.
    for copies in [1, 2] {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, move |sent, _| vec![TimedBytes::after_ms(2, &sent.repeat(copies))]);
        let mut link = link(port, &clock);
        let error = exchange(&mut link, &basic()).unwrap_err();
        match copies {
            1 => assert!(matches!(error, LinkError::EchoOnly), "{error:?}"),
            _ => assert!(matches!(error, LinkError::EchoOnly | LinkError::Damaged), "{error:?}"),
        }
    }
}

#[test]
fn a_late_answer_does_not_answer_the_next_request() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |nth, answer| vec![TimedBytes { after: if nth == 0 { ms(515) } else { ms(40) }, bytes: answer }]);
    let mut link = link(port, &clock);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Silent)));
    let reading = exchange(&mut link, &cells()).unwrap();
    assert_eq!(reading.voltage, None, "the late basic information was taken for cell voltages");
    assert_eq!(reading.cells.len(), 11);
}

#[test]
fn a_later_answer_to_the_previous_request_is_foreign() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |nth, answer| vec![TimedBytes { after: if nth == 0 { ms(600) } else { ms(150) }, bytes: answer }]);
    let mut link = link(port, &clock);
    assert!(exchange(&mut link, &basic()).is_err());
    assert_eq!(exchange(&mut link, &cells()).unwrap().voltage, None);
    assert_eq!(link.stats().foreign, 1);
}

/// Polls once a second until `until`; returns when readings arrived, and when their data was requested.
fn polls(link: &mut Link, clock: &SimClock, until: Moment) -> Vec<(Moment, Moment)> {
    let (mut protocol, mut known, mut readings) = (protocol(), empty(), Vec::new());
    while clock.now() < until {
        if let Ok(reading) = link.poll(protocol.as_mut(), &known) {
            readings.push((clock.now(), link.read_at()));
            known = reading;
        }
        clock.sleep(clock.now().next_multiple_of(ms(1000)).since(clock.now()));
    }
    readings
}

#[test]
fn answers_that_come_long_after_their_requests_are_no_readings() {
    for lag in [4_000, 20_000, 60_000] {
        let (clock, mut at) = (SimClock::default(), Moment::default());
        let time = clock.clone();
        // A device delays all replies from 10 s to 100 s, keeping their order.
        let port = ReplayPort::new(&clock, move |sent, _| {
            let held = if (at_ms(10_000)..at_ms(100_000)).contains(&time.now()) { lag } else { 0 };
            at = time.now().after(ms(20 + held)).max(at);
            healthy(sent).iter().map(|bytes| TimedBytes { after: at.since(time.now()), bytes: bytes.clone() }).collect()
        });
        let mut link = link(port, &clock);
        let readings = polls(&mut link, &clock, at_ms(200_000));
        assert!(readings.iter().all(|(now, asked)| now.since(*asked) < ms(3500)), "{lag}: {readings:?}");
        let lagging = at_ms(10_000)..at_ms(100_000);
        assert_eq!(readings.iter().filter(|(now, _)| lagging.contains(now)).count(), 0, "{lag}: {readings:?}");
        let again = readings.iter().find(|(now, _)| *now >= at_ms(100_000)).expect("readings again").0;
        assert!(again < at_ms(100_000 + lag + 12_000), "{lag}: back at {again:?}");
        assert!(readings.len() > 10 + 100 - 12 - usize::try_from(lag).unwrap() / 1000, "{lag}: {readings:?}");
    }
}

#[test]
fn a_bms_that_was_silent_for_long_is_read_again_within_seconds() {
    let clock = SimClock::default();
    let time = clock.clone();
    let port = ReplayPort::new(&clock, move |sent, _| {
        let silent = (at_ms(10_000)..at_ms(600_000)).contains(&time.now());
        healthy(sent).iter().filter(|_| !silent).map(|bytes| TimedBytes::after_ms(20, bytes)).collect()
    });
    let mut link = link(port, &clock);
    let readings = polls(&mut link, &clock, at_ms(620_000));
    let again = readings.iter().find(|(now, _)| *now >= at_ms(600_000)).expect("readings again").0;
    assert!(again < at_ms(606_000), "back at {again:?}");
    let after = readings.iter().filter(|(now, _)| *now > again).count();
    assert_eq!(after, 619 - usize::try_from(again.since_origin().as_secs()).unwrap(), "every second from then on");
}

#[test]
fn answers_to_another_register_only_are_told() {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, |_, _| vec![TimedBytes::after_ms(30, &hex(CELLS))]);
    let mut link = link(port, &clock);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Foreign { frames: 1 })));
    assert_eq!((link.stats().foreign, link.stats().lost), (1, 1));
}

#[test]
fn the_second_copy_of_an_answer_is_dropped() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |nth, answer| match nth {
        0 => vec![TimedBytes::after_ms(30, &[answer, hex(OTHER_BASIC)].concat())],
        _ => Vec::new(),
    });
    let mut link = link(port, &clock);
    assert_eq!(exchange(&mut link, &basic()).unwrap().voltage.unwrap().get(), 44.08);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Silent)), "a stale answer was taken for a new one");
}

#[test]
fn an_answer_that_trickles_in_byte_by_byte_is_whole() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |_, answer| TimedBytes::after_ms(20, &answer).trickle(LINE));
    let record = port.log();
    let mut link = link(port, &clock);
    for _ in 0..20 {
        assert_eq!(exchange(&mut link, &basic()).unwrap().voltage.unwrap().get(), 44.08);
    }
    let before = record.lock().unwrap().receives;
    for _ in 0..100 {
        exchange(&mut link, &basic()).unwrap();
    }
    let reads = record.lock().unwrap().receives - before;
    assert!(reads <= 130, "{reads} reads for 100 answers of 34 single bytes");
}

#[test]
fn learning_the_time_of_an_answer_never_misses_a_slower_one() {
    for latencies in [[20, 20, 20, 400], [400, 20, 400, 20], [480, 480, 480, 480]] {
        let clock = SimClock::default();
        let port = spoiling(&clock, move |nth, answer| vec![TimedBytes { after: ms(latencies[nth % 4]), bytes: answer }]);
        let mut link = link(port, &clock);
        for _ in 0..40 {
            exchange(&mut link, &basic()).unwrap();
        }
        assert_eq!((link.stats().ok, link.stats().lost), (40, 0));
    }
}

#[test]
fn a_refusal_is_told_at_once_and_not_repeated() {
    let clock = SimClock::default();
    let port = ReplayPort::answering(&clock, 20, &[(ASK_BASIC, &hex("dd038000ff8077"))]);
    let record = port.log();
    let failure = link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap_err();
    assert!(matches!(failure.error, LinkError::Refused { code: 0x80 }), "{failure}");
    assert_eq!(sent(&record).len(), 1);
    assert!(clock.now() < at_ms(100));
}

#[test]
fn an_optional_request_that_fails_does_not_fail_the_reading() {
    let clock = SimClock::default();
    let port = ReplayPort::answering(&clock, 20, &[(ASK_BASIC, &hex(BASIC)), (ASK_CELLS, &hex(CELLS))]);
    let record = port.log();
    let reading = link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap();
    assert!(reading.is_complete() && reading.device.model.is_none());
    assert_eq!(sent(&record).iter().filter(|bytes| *bytes == ASK_MODEL).count(), 1, "silence to it was waited for twice");
}

#[test]
fn a_damaged_optional_answer_is_asked_for_again() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |nth, mut answer| {
        answer[10] ^= u8::from(nth == 2);
        vec![TimedBytes::after_ms(20, &answer)]
    });
    assert_eq!(link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap(), expected());
}

#[test]
fn one_damaged_byte_anywhere_is_never_a_value_and_costs_no_reading() {
    let expected = expected();
    for place in 0..hex(BASIC).len() {
        for change in [0x01, 0x80, 0xFF] {
            let clock = SimClock::default();
            let port = spoiling(&clock, move |nth, mut answer| {
                if nth == 0 {
                    answer[place] ^= change;
                }
                vec![TimedBytes::after_ms(20, &answer)]
            });
            let reading = link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap();
            assert_eq!(reading, expected, "byte {place} changed by {change:#04x}");
            assert!(clock.now() < at_ms(1000), "byte {place} changed by {change:#04x} took {:?}", clock.now());
        }
    }
}

#[test]
fn five_percent_damage_costs_no_reading() {
    let expected = expected();
    let clock = SimClock::default();
    let mut seed = 1u32;
    let port = spoiling(&clock, move |_, mut answer| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (seed >> 16).is_multiple_of(20) {
            let place = (seed >> 8) as usize % answer.len();
            answer[place] ^= 1 << (seed >> 29);
        }
        vec![TimedBytes::after_ms(20, &answer)]
    });
    let mut link = link(port, &clock);
    for _ in 0..600 {
        let start = clock.now();
        let reading = link.poll(protocol().as_mut(), &empty()).unwrap();
        // The model may be lost: no reading depends on it.
        let model = reading.device.model.as_ref().and(expected.device.model.clone());
        assert_eq!(reading, Reading { device: Device { model, ..expected.clone().device }, ..expected.clone() });
        assert!(clock.now().since(start) < ms(2500));
    }
    assert!(link.stats().damaged + link.stats().lost > 40, "the port damaged nothing: {:?}", link.stats());
}

#[test]
fn a_damaged_length_delays_by_one_timeout_only() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |nth, mut answer| {
        if nth == 0 {
            answer[3] = 0x7B;
        }
        TimedBytes::after_ms(20, &answer).trickle(LINE)
    });
    let mut link = link(port, &clock);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Damaged)));
    assert!(clock.now() <= at_ms(510));
    assert!(exchange(&mut link, &basic()).is_ok());
}

#[test]
fn a_false_start_does_not_hide_the_answer_until_the_deadline() {
    // `DD 03 00 70` announces 119 bytes; the reply is inside them.
    let clock = SimClock::default();
    let port = spoiling(&clock, |_, answer| vec![TimedBytes::after_ms(20, &[vec![0xDD, 0x03, 0x00, 0x70], answer].concat())]);
    let mut link = link(port, &clock);
    assert_eq!(exchange(&mut link, &basic()).unwrap().voltage.unwrap().get(), 44.08);
    assert!(clock.now() < at_ms(200), "{:?}", clock.now());
}

#[test]
fn a_pause_inside_an_answer_does_not_break_it() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |_, answer| {
        vec![TimedBytes::after_ms(20, &answer[..15]), TimedBytes { after: ms(300), bytes: answer[15..].to_vec() }]
    });
    assert!(exchange(&mut link(port, &clock), &basic()).is_ok());
}

#[test]
fn a_line_that_is_never_quiet_is_bounded_in_time() {
    for noise in [&[0x00][..], &[0xFF; 64], &[0xDD; 64], &[0xDD, 0x03, 0x00, 0x80], ASK_BASIC] {
        let clock = SimClock::default();
        let port = ReplayPort::silent(&clock).repeating(Moment::default(), ms(1), noise);
        let mut link = link(port, &clock);
        assert!(exchange(&mut link, &basic()).is_err());
        assert!(clock.now() <= at_ms(520), "{noise:02x?}: {:?}", clock.now());
        let start = clock.now();
        assert!(link.poll(protocol().as_mut(), &empty()).is_err());
        assert!(clock.now().since(start) <= ms(2300), "{noise:02x?}: {:?}", clock.now().since(start));
    }
}

#[test]
fn an_answer_is_found_on_a_line_that_is_never_quiet() {
    let clock = SimClock::default();
    let port =
        spoiling(&clock, |_, answer| vec![TimedBytes::after_ms(50, &answer)]).repeating(Moment::default(), ms(7), &[0x00, 0xDD]);
    assert!(exchange(&mut link(port, &clock), &basic()).is_ok());
}

#[test]
fn a_port_that_vanishes_is_told_from_a_silent_one() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).vanishing(at_ms(200));
    let mut link = link(port, &clock);
    assert!(matches!(exchange(&mut link, &basic()), Err(LinkError::Vanished(_))));
    assert_eq!(clock.now(), at_ms(200));
    let failure = link.poll(protocol().as_mut(), &empty()).unwrap_err();
    assert!(failure.error.is_port() && failure.tries == 1, "{failure}");
}

#[test]
fn the_gap_is_kept_between_requests() {
    let clock = SimClock::default();
    let port = spoiling(&clock, |_, answer| vec![TimedBytes::after_ms(20, &answer)]);
    let record = port.log();
    let mut link = link(port, &clock);
    link.prepare(LINE, ms(100)).unwrap();
    for _ in 0..5 {
        exchange(&mut link, &basic()).unwrap();
    }
    let record = record.lock().unwrap();
    assert_eq!(record.lines.len(), 1, "the same line was set twice");
    for pair in record.sent.windows(2) {
        let quiet = pair[1].0.since(pair[0].0.after(ms(20)));
        assert!(quiet >= ms(100), "only {quiet:?} of quiet");
    }
}

#[test]
fn a_listening_request_sends_nothing() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).at(at_ms(300), &hex(CELLS));
    let record = port.log();
    let mut link = link(port, &clock);
    let listen = Request { what: "unasked", bytes: Cow::Borrowed(&[]), timeout: ms(1000), required: true };
    // JBD never sends unsolicited frames: the frame is not a reply, but it was received.
    assert!(matches!(exchange(&mut link, &listen), Err(LinkError::Foreign { frames: 1 })));
    assert!(sent(&record).is_empty());
}

proptest! {
    /// For any preceding noise, with or without echo, in any pieces, the reading is the same.
    #[test]
    fn chunks_noise_and_echo_change_nothing(
        noise in proptest::collection::vec(any::<u8>(), 0..12),
        echo in any::<bool>(),
        chunk in 1usize..40,
        pause_us in 0u64..6_000,
        latency_ms in 1u64..80,
    ) {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, move |sent, _| {
            let mut bytes = if echo { sent.to_vec() } else { Vec::new() };
            bytes.extend(&noise);
            bytes.extend(healthy(sent).unwrap());
            let arrival = |index: u64| ms(latency_ms) + Duration::from_micros(index * pause_us);
            bytes.chunks(chunk).zip(0..).map(|(part, index)| TimedBytes { after: arrival(index), bytes: part.to_vec() }).collect()
        });
        let reading = link(port, &clock).poll(protocol().as_mut(), &empty()).unwrap();
        prop_assert_eq!(reading, expected());
    }

    /// For any input instead of a reply, the exchange ends in time and leaves no value. Input that begins like a frame is waited for,
    /// up to twice the timeout.
    #[test]
    fn arbitrary_bytes_end_in_time(bytes in proptest::collection::vec(any::<u8>(), 0..600), after in 0u64..600) {
        let clock = SimClock::default();
        let port = ReplayPort::new(&clock, move |_, _| vec![TimedBytes::after_ms(after, &bytes)]);
        let mut link = link(port, &clock);
        prop_assert!(exchange(&mut link, &basic()).is_err());
        prop_assert!(clock.now() <= at_ms(1001));
    }
}
