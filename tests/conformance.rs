//! What every driver must do with any bytes: properties over the registry and all vectors. A new BMS is covered by its line
//! in `DRIVERS` and its files in `tests/vectors`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod vector_files;

use dbus_bms::bms::orders::Orders;
use dbus_bms::bms::traffic::Traffic;
use dbus_bms::bms::{Asked, DRIVERS, Driver, Framing, Protocol, Request};
use dbus_bms::model::{Command, Reading, Switch};
use dbus_bms::units::Percent;
use dbus_bms::vector::{Direction, Vector};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::LazyLock;
use vector_files::File;

static FILES: LazyLock<Vec<File>> = LazyLock::new(vector_files::all);

/// The longest frame that any protocol here has is 308 bytes; a buffer may hold a false start and one such frame.
const MAX_PENDING: usize = 1024;

fn file() -> impl Strategy<Value = &'static File> {
    any::<Index>().prop_map(|index| index.get(&FILES))
}

/// The readings out of `pieces`, with the number of frames.
fn play(driver: &'static Driver, pieces: &[&[u8]], asked: &[Request]) -> (Vec<Reading>, usize) {
    let mut traffic = Traffic::new(driver);
    for piece in pieces {
        traffic.feed(piece, asked);
        assert!(traffic.pending() <= MAX_PENDING.max(piece.len()), "{} bytes wait for the rest of a frame", traffic.pending());
    }
    traffic.end(asked);
    assert_eq!(traffic.pending(), 0);
    (traffic.readings().collect(), traffic.frames)
}

/// The frames in `bytes`, checking each answer of `framing` on the way.
fn frames(protocol: &dyn Protocol, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let used = match protocol.framing(rest) {
            Framing::Incomplete => 1,
            Framing::Skip(n) => n,
            Framing::Frame(range) => {
                assert!(range.start < range.end && range.end <= rest.len(), "{range:?} of {} bytes", rest.len());
                found.push(rest[range.clone()].to_vec());
                range.end
            }
        };
        assert!((1..=rest.len()).contains(&used), "{used} of {} bytes passed over", rest.len());
        rest = &rest[used..];
    }
    found
}

/// Every request a driver can send for a reading, over all its addresses.
fn requests(driver: &Driver) -> Vec<Request> {
    let addresses = driver.addresses.iter().copied().map(Some).chain([None]);
    addresses
        .flat_map(|address| {
            let mut protocol = (driver.new)(address);
            let mut all = vec![protocol.identify()];
            all.extend(protocol.plan(&Reading::new(driver.name, address)));
            all
        })
        .collect()
}

/// Everything that makes a driver's boards carry out a command.
fn orders(driver: &Driver) -> Vec<Orders> {
    let address = driver.addresses.first().copied();
    let protocol = (driver.new)(address);
    let known = Reading { charge_switch: Some(true), discharge_switch: Some(true), ..Reading::new(driver.name, address) };
    let switches = Switch::ALL.into_iter().flat_map(|switch| [switch.to(true), switch.to(false)]);
    let commands = switches.chain([Command::SetSoc(Percent::new(50.0))]);
    let orders = commands.filter_map(|command| protocol.encode(command, &known, Some(1_795_686_065), true));
    orders.chain(protocol.tidy()).collect()
}

fn event(vector: &Vector, direction: Direction) -> Option<&[u8]> {
    vector.traffic.iter().find(|event| event.direction == direction).map(|event| event.bytes.as_slice())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunking_changes_nothing(file in file(), cuts in prop::collection::vec(any::<Index>(), 0..12)) {
        let (bytes, asked) = (file.vector.received(), file.vector.requests());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(play(file.driver, &pieces, &asked), play(file.driver, &[&bytes], &asked), "{}", file.name);
    }

    #[test]
    fn noise_before_changes_nothing(file in file(), noise in noise()) {
        let (bytes, asked) = (file.vector.received(), file.vector.requests());
        let noise = without_frames(file.driver, noise);
        prop_assert_eq!(play(file.driver, &[&noise, &bytes], &asked), play(file.driver, &[&bytes], &asked), "{}", file.name);
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_stall(pieces in prop::collection::vec(piece(), 0..20)) {
        let all: Vec<u8> = pieces.concat();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        for &driver in DRIVERS {
            let asked = requests(driver);
            play(driver, &pieces, &[]);
            play(driver, &pieces, &asked);
            let mut protocol = (driver.new)(None);
            for frame in frames(protocol.as_ref(), &all) {
                let _ = protocol.source(&frame);
                for request in &asked {
                    let _ = protocol.decode(Asked::Request(request), &frame, &mut Reading::default());
                }
            }
        }
    }

    /// The decoders of the answers to writes hold to the same rules.
    #[test]
    fn acknowledges_neither_panic_nor_stall(pieces in prop::collection::vec(piece(), 0..20)) {
        let bytes: Vec<u8> = pieces.concat();
        for &driver in DRIVERS {
            for Orders { mut acks, requests, after, .. } in orders(driver) {
                for frame in frames(&acks, &bytes).into_iter().chain([bytes.clone()]) {
                    for request in requests.iter().chain(&after) {
                        let mut reading = Reading::default();
                        let _ = acks.decode(Asked::Request(request), &frame, &mut reading);
                        prop_assert_eq!(reading, Reading::default(), "an acknowledge is no reading");
                    }
                }
            }
        }
    }

    /// `decode` is only given what `framing` returned, but a mistake there must not become a crash.
    #[test]
    fn decoding_what_is_no_frame_never_panics(bytes in piece()) {
        for &driver in DRIVERS {
            let mut protocol = (driver.new)(None);
            let _ = protocol.source(&bytes);
            let _ = protocol.decode(Asked::Anything, &bytes, &mut Reading::default());
        }
    }
}

/// Random bytes, many of them the first byte of somebody's frame.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let starts: Vec<u8> = FILES.iter().filter_map(|file| file.vector.received().first().copied()).collect();
    prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => prop::sample::select(starts)], 0..48)
}

/// Noise that happens to hold a valid frame is none: its last byte goes until it does not.
fn without_frames(driver: &Driver, mut noise: Vec<u8>) -> Vec<u8> {
    while !frames((driver.new)(None).as_ref(), &noise).is_empty() {
        noise.pop();
    }
    noise
}

/// Random bytes, or a part of a recording with one byte changed: what reaches deep into a decoder.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let part = (file(), any::<Index>(), any::<Index>(), any::<Index>(), any::<u8>());
    let part = part.prop_map(|(file, from, to, damaged, value)| {
        let bytes = file.vector.received();
        let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
        let mut part = bytes[from.min(to)..from.max(to)].to_vec();
        if !part.is_empty() && value % 2 == 0 {
            let index = damaged.index(part.len());
            part[index] = value;
        }
        part
    });
    prop_oneof![noise(), part, file().prop_map(|file| file.vector.received())]
}

#[test]
fn nothing_is_asked_of_an_empty_buffer() {
    for driver in DRIVERS {
        assert_eq!((driver.new)(None).framing(&[]), Framing::Incomplete, "{}", driver.name);
    }
}

#[test]
fn an_echo_of_the_request_changes_nothing() {
    for file in FILES.iter() {
        let identify = (file.driver.new)(None).identify().bytes;
        let echo = event(&file.vector, Direction::Sent).unwrap_or(&identify);
        let (bytes, asked) = (file.vector.received(), file.vector.requests());
        let plain = play(file.driver, &[&bytes], &asked);
        assert_eq!(play(file.driver, &[echo, &bytes], &asked), plain, "{}", file.name);
    }
}

#[test]
fn a_truncated_frame_before_changes_nothing() {
    let mut tried = 0;
    for file in FILES.iter() {
        let (bytes, asked) = (file.vector.received(), file.vector.requests());
        let plain = play(file.driver, &[&bytes], &asked);
        let Some(first) = frames((file.driver.new)(None).as_ref(), &bytes).into_iter().next() else { continue };
        for end in 1..first.len() {
            assert_eq!(play(file.driver, &[&first[..end], &bytes], &asked), plain, "{}: cut at {end}", file.name);
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} truncated frames");
}

#[test]
fn one_damaged_byte_never_gives_another_value() {
    let mut accepted = 0;
    for file in FILES.iter().filter(|file| file.vector.recorded) {
        let framer = (file.driver.new)(None);
        let asked: Vec<Request> = requests(file.driver).into_iter().chain(file.vector.requests()).collect();
        for frame in frames(framer.as_ref(), &file.vector.received()) {
            for request in &asked {
                let Some(plain) = decode(file.driver, request, &frame) else { continue };
                accepted += 1;
                for (position, change) in (0..frame.len()).flat_map(|at| [0x01, 0x02, 0x80, 0xFF].map(|change| (at, change))) {
                    let mut damaged = frame.clone();
                    damaged[position] ^= change;
                    for found in frames(framer.as_ref(), &damaged) {
                        let other = decode(file.driver, request, &found).filter(|other| *other != plain);
                        assert_eq!(other, None, "{}: byte {position} changed by {change:02x}", file.name);
                    }
                }
            }
        }
    }
    assert!(accepted > 0, "no frame of any recording answers a request");
}

/// The reading out of one frame, if it is an answer to `request`.
fn decode(driver: &Driver, request: &Request, frame: &[u8]) -> Option<Reading> {
    let address = (driver.new)(None).source(frame);
    let mut reading = Reading::new(driver.name, address);
    (driver.new)(address).decode(Asked::Request(request), frame, &mut reading).ok().map(|_| reading)
}

#[test]
fn no_recording_of_one_bms_answers_the_identifying_request_of_another() {
    for &driver in DRIVERS {
        let mut own = 0;
        for file in FILES.iter().filter(|file| file.vector.recorded) {
            for address in driver.addresses.iter().copied().map(Some).chain([None]) {
                let protocol = (driver.new)(address);
                let identify = protocol.identify();
                let found = frames(protocol.as_ref(), &file.vector.received());
                let accepted = found.iter().filter(|frame| decode(driver, &identify, frame).is_some()).count();
                if file.driver.name == driver.name {
                    own += accepted;
                } else {
                    assert_eq!(accepted, 0, "{} is taken for a {} at {address:?}", file.name, driver.name);
                }
            }
        }
        assert!(own > 0, "{}: no recording answers its own identifying request", driver.name);
    }
}
