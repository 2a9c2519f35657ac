//! Requirements of every driver for any bytes: properties over the registry and all vectors. A new BMS is covered by its line in
//! `DRIVERS` and its files in `tests/vectors`.

use crate::support::vector_files;
use crate::support::work;

use dbus_bms::base::units::Percent;
use dbus_bms::bms::can::Record;
use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::write_sequence::WriteSequence;
use dbus_bms::bms::{Codec, DRIVERS, Driver, Evidence, Expected, Framing, Request};
use dbus_bms::model::{Command, Fets, Reading, Switch};
use dbus_bms::recording::file::{Direction, Recording};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use vector_files::File;

static FILES: LazyLock<Vec<File>> = LazyLock::new(vector_files::all);

/// The longest message in JSON has 4096 bytes, the longest frame of any other protocol 308.
const MAX_PENDING: usize = 4096;

fn file() -> impl Strategy<Value = &'static File> {
    any::<Index>().prop_map(|index| index.get(&FILES))
}

/// The readings decoded from `pieces`, with the number of frames.
fn play(driver: &'static Driver, pieces: &[&[u8]], asked: &[Request]) -> (Vec<Reading>, usize) {
    let mut traffic = FrameCollector::new(driver);
    for piece in pieces {
        traffic.feed(piece, asked);
        assert!(traffic.pending() <= MAX_PENDING.max(piece.len()), "{} bytes wait for the rest of a frame", traffic.pending());
    }
    traffic.end(asked);
    assert_eq!(traffic.pending(), 0);
    (traffic.readings().collect(), traffic.frames)
}

#[test]
fn the_work_grows_as_the_bytes_do() {
    // Repeated starts of frames, and repeated requests of another master.
    let floods: [&[u8]; 11] = [
        &[0x4E, 0x57],
        &[0xDD],
        &[0xA5, 1, 0x90],
        &[0x7E, 0xA1],
        &[0x55, 0xAA],
        b"~",
        &[0x1E, b'{'],
        b"{\"a\":",
        &[0xD2, 3],
        &[0],
        &[1, 0x10, 0x16, 0x20, 0, 1, 2, 0, 0, 0xD6, 0xF1],
    ];
    for driver in DRIVERS {
        for flood in floods {
            let bytes = |times: usize| flood.iter().copied().cycle().take(20_000 * times).collect::<Vec<u8>>();
            let (few, many) = (bytes(1), bytes(16));
            let ratio = work::ratio(|| drop(play(driver, &[&few], &[])), || drop(play(driver, &[&many], &[])));
            assert!(ratio < 48.0, "{}: 16 times the bytes {flood:02x?} are {ratio:.0} times the work", driver.name);
        }
    }
}

/// The frames in `bytes` that may be replies to `asked`, checking each result of `framing_of_reply` on the way.
fn frames(codec: &dyn Codec, asked: &[Request], bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let used = match codec.framing_of_reply(asked, rest) {
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

/// Every request that a driver can send for a reading, over all its addresses.
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

/// The write sequences of all commands of a driver's boards.
fn write_sequences(driver: &Driver) -> Vec<WriteSequence> {
    let address = driver.addresses.first().copied();
    let protocol = (driver.new)(address);
    let known = Reading {
        fets: Fets { charge_switch: Some(true), discharge_switch: Some(true), ..Fets::default() },
        ..Reading::new(driver.name, address)
    };
    let switches = Switch::ALL.into_iter().flat_map(|switch| [switch.to(true), switch.to(false)]);
    let commands = switches.chain([Command::SetSoc(Percent::new(50.0))]);
    let Some(own) = protocol.commands() else { return Vec::new() };
    let sequences = commands.filter_map(|command| own.encode(command, &known, Some(1_795_686_065), true));
    sequences.chain(own.cleanup()).collect()
}

fn event(vector: &Recording, direction: Direction) -> Option<&[u8]> {
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
        prop_assume!(has_start(file));
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
            for frame in frames(protocol.as_ref(), &asked, &all) {
                let _ = protocol.source(&frame);
                for request in &asked {
                    let _ = protocol.decode(Expected::Request(request), &frame, &mut Reading::default());
                }
            }
        }
    }

    /// The decoders of acknowledgements follow the same rules.
    #[test]
    fn acknowledges_neither_panic_nor_stall(pieces in prop::collection::vec(piece(), 0..20)) {
        let bytes: Vec<u8> = pieces.concat();
        for &driver in DRIVERS {
            for WriteSequence { mut acks, requests, after, .. } in write_sequences(driver) {
                for frame in frames(&acks, &requests, &bytes).into_iter().chain([bytes.clone()]) {
                    for request in requests.iter().chain(&after) {
                        let mut reading = Reading::default();
                        let _ = acks.decode(Expected::Request(request), &frame, &mut reading);
                        prop_assert_eq!(reading, Reading::default(), "an acknowledge is no reading");
                    }
                }
            }
        }
    }

    /// `decode` only receives results of `framing`, but an error there must not cause a crash.
    #[test]
    fn decoding_what_is_no_frame_never_panics(bytes in piece()) {
        for &driver in DRIVERS {
            let mut protocol = (driver.new)(None);
            let _ = protocol.source(&bytes);
            let _ = protocol.decode(Expected::Any, &bytes, &mut Reading::default());
        }
    }
}

/// Random bytes, many of them the first byte of a frame.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let starts: Vec<u8> = FILES.iter().filter_map(|file| file.vector.received().first().copied()).collect();
    prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => prop::sample::select(starts)], 0..48)
}

/// Whether a frame shows where it begins. Where only the request tells it, a check of eight bits is all that tells it from the noise
/// before it; `tests/faults` shows what comes of that.
fn has_start(file: &File) -> bool {
    let framer = (file.driver.new)(None);
    let (bytes, asked) = (file.vector.received(), file.vector.requests());
    frames(framer.as_ref(), &[], &bytes) == frames(framer.as_ref(), &asked, &bytes)
}

/// Noise must not contain a valid frame by chance: its last byte is removed until it does not.
fn without_frames(driver: &Driver, mut noise: Vec<u8>) -> Vec<u8> {
    while !frames((driver.new)(None).as_ref(), &[], &noise).is_empty() {
        noise.pop();
    }
    noise
}

/// Random bytes, or a part of a recording with one byte changed, which reaches deep into a decoder.
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

/// The records of a CAN bus have no check of their own: the controller passes on whole frames only.
fn is_checked(file: &&File) -> bool {
    !file.vector.received().chunks(Record::LEN).all(|bytes| Record::parse(bytes).is_some())
}

#[test]
fn a_truncated_frame_before_changes_nothing() {
    let mut tried = 0;
    for file in FILES.iter().filter(is_checked).filter(|file| has_start(file)) {
        let (bytes, asked) = (file.vector.received(), file.vector.requests());
        let plain = play(file.driver, &[&bytes], &asked);
        let Some(first) = frames((file.driver.new)(None).as_ref(), &asked, &bytes).into_iter().next() else { continue };
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
    for file in FILES.iter().filter(|file| file.vector.recorded).filter(is_checked) {
        let framer = (file.driver.new)(None);
        // Where the check misses too much, the link has each answer confirmed: `tests/link/confirmation.rs`.
        if framer.needs_confirmation() {
            continue;
        }
        let asked: Vec<Request> = requests(file.driver).into_iter().chain(file.vector.requests()).collect();
        for frame in frames(framer.as_ref(), &asked, &file.vector.received()) {
            for request in &asked {
                let Some(plain) = decode(file.driver, request, &frame) else { continue };
                accepted += 1;
                for (position, change) in (0..frame.len()).flat_map(|at| [0x01, 0x02, 0x80, 0xFF].map(|change| (at, change))) {
                    let mut damaged = frame.clone();
                    damaged[position] ^= change;
                    for found in frames(framer.as_ref(), std::slice::from_ref(request), &damaged) {
                        let other = decode(file.driver, request, &found).filter(|other| *other != plain);
                        assert_eq!(other, None, "{}: byte {position} changed by {change:02x}", file.name);
                    }
                }
            }
        }
    }
    assert!(accepted > 0, "no frame of any recording answers a request");
}

/// The reading decoded from one frame, if it is a reply to `request`.
fn decode(driver: &Driver, request: &Request, frame: &[u8]) -> Option<Reading> {
    let address = (driver.new)(None).source(frame);
    let mut reading = Reading::new(driver.name, address);
    (driver.new)(address).decode(Expected::Request(request), frame, &mut reading).ok().map(|_| reading)
}

/// Frames of real boards; of families without any, those that follow the description.
fn is_genuine(file: &File) -> bool {
    let is_described = matches!(file.driver.evidence, Evidence::Untested | Evidence::OwnFormat);
    file.vector.recorded || is_described && !file.name.contains("/bad-")
}

#[test]
fn no_recording_of_one_bms_answers_the_identifying_request_of_another() {
    for &driver in DRIVERS {
        let mut own = 0;
        for file in FILES.iter().filter(|file| is_genuine(file)) {
            let framer = (driver.new)(None);
            let found = frames(framer.as_ref(), &[framer.identify()], &file.vector.received());
            // Look-alikes have the same request at the same address only.
            let senders: BTreeSet<Option<u8>> = found.iter().map(|frame| framer.source(frame)).collect();
            let usual = driver.addresses.iter().copied().map(Some).chain([None]);
            for address in usual.chain(senders).collect::<BTreeSet<_>>() {
                let identify = (driver.new)(address).identify();
                let accepted = found.iter().filter(|frame| decode(driver, &identify, frame).is_some()).count();
                if file.driver.name == driver.name {
                    own += accepted;
                } else {
                    assert_eq!(accepted, 0, "{} is taken for a {} at {address:?}", file.name, driver.name);
                }
            }
        }
        // Replies of Sinowealth boards have no beginning: only with the request they are frames.
        let exempt = driver.evidence == Evidence::Untested;
        assert!(own > 0 || exempt, "{}: no recording answers its own identifying request", driver.name);
    }
}

/// Families with the very same identifying request: only the content of the reply tells them apart.
#[test]
fn the_documentation_names_the_families_with_the_same_request() {
    let requests = |driver: &Driver| -> BTreeSet<Vec<u8>> {
        let addresses = (0..=u8::MAX).map(Some).chain([None]);
        let all = addresses.map(|address| (driver.new)(address).identify().bytes.into_owned());
        all.filter(|request| !request.is_empty()).collect()
    };
    let all: Vec<(&str, BTreeSet<Vec<u8>>)> = DRIVERS.iter().map(|driver| (driver.name, requests(driver))).collect();
    let pairs = all.iter().enumerate().flat_map(|(place, first)| all.iter().skip(place + 1).map(move |second| (first, second)));
    let same: Vec<String> = pairs
        .filter(|(first, second)| first.1.intersection(&second.1).next().is_some())
        .map(|(first, second)| format!("| `{}`, `{}` |", first.0, second.0))
        .collect();
    assert!(same.iter().any(|row| row.contains("eg4-ll")), "{same:?}");
    let page = include_str!("../../docs/add-a-bms.md");
    let missing: Vec<&String> = same.iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "say in docs/add-a-bms.md what tells their replies apart: {missing:?}");
}
