//! Passwords sent by a BMS never get into a recording, however the line cuts and corrupts its frames; the readings stay unchanged.

use crate::support::vector_files;

use dbus_bms::base::hex;
use dbus_bms::bms::bytes::{sum8, sum16};
use dbus_bms::bms::redaction::redact;
use dbus_bms::recording::file::{Direction, Event, Recording};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::LazyLock;
use std::time::Duration;

static FILES: LazyLock<Vec<vector_files::File>> = LazyLock::new(vector_files::all);

/// Letters that do not occur in other texts of these frames.
fn password() -> impl Strategy<Value = Vec<u8>> {
    "[QXZV#@]{4,10}".prop_map(String::into_bytes)
}

/// A complete frame of a board, with a position for a password.
#[derive(Debug, Clone, Copy)]
enum Board {
    Jk,
    JkPb(usize),
}

const BOARDS: [Board; 3] = [Board::Jk, Board::JkPb(62), Board::JkPb(118)];

impl Board {
    fn vector(self) -> Recording {
        let name = match self {
            Self::Jk => "jk/armin-16s-charging.json",
            Self::JkPb(_) => "jk-pb/device-to-request.json",
        };
        FILES.iter().find(|file| file.name == name).unwrap().vector.clone()
    }

    /// The frame as the board would send it with this password, its acknowledge included, and the position of the password.
    fn frame(self, password: &[u8]) -> (Vec<u8>, usize) {
        let mut frame = self.vector().received();
        let (at, room) = match self {
            Self::Jk => (198 + 3, 10),
            Self::JkPb(at) => (at, 16),
        };
        assert!(frame[at..at + room].iter().all(|byte| *byte == b'*'), "{:02x?}", &frame[at..at + room]);
        frame[at..at + room].fill(0);
        frame[at..at + password.len()].copy_from_slice(password);
        match self {
            Self::Jk => {
                let end = frame.len() - 4;
                let sum = sum16(&frame[..end]).to_be_bytes();
                frame[end + 2..].copy_from_slice(&sum);
            }
            Self::JkPb(_) => frame[299] = sum8(&frame[..299]),
        }
        (frame, at)
    }
}

fn board() -> impl Strategy<Value = Board> {
    prop::sample::select(BOARDS.to_vec())
}

/// A recording of `bytes` received in pieces.
fn recording(board: Board, bytes: &[u8], cuts: &[Index]) -> Recording {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let event = |pair: &[usize]| Event {
        at: Duration::from_millis(pair[0] as u64),
        baud: None,
        direction: Direction::Received,
        bytes: bytes[pair[0]..pair[1]].to_vec(),
    };
    Recording { traffic: cuts.windows(2).map(event).collect(), any_valid_frame: true, ..board.vector() }
}

/// No four consecutive letters of the password are in the file.
fn assert_kept_secret(recording: &Recording, password: &[u8]) {
    let text = hex::encode(recording.received());
    for part in password.windows(4) {
        assert!(!text.contains(&hex::encode(part)), "{:?} leaked: {text}", String::from_utf8_lossy(part));
    }
}

/// It contains a valid frame.
fn passes(bytes: &[u8]) -> bool {
    let protocols: Vec<_> = dbus_bms::bms::DRIVERS.iter().map(|driver| (driver.new)(None)).collect();
    (0..bytes.len()).any(|at| protocols.iter().any(|protocol| protocol.valid_frame_len(&bytes[at..]) > 0))
}

fn read(recording: &Recording) -> Vec<dbus_bms::model::Reading> {
    recording.play(dbus_bms::bms::driver(&recording.bms).unwrap()).readings().collect()
}

/// Found by chance: overwriting made the sum of a damaged frame correct, which overlapped the complete one behind it.
#[test]
fn overwriting_makes_no_frame_out_of_a_broken_one_and_a_whole_one() {
    let mut stream = hex::decode(include_str!("../golden/redaction-reaching.hex").trim()).unwrap();
    redact(&mut stream);
    let once = stream.clone();
    redact(&mut stream);
    assert_eq!(stream, once);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whole_frames_lose_their_password_and_nothing_else(
        board in board(), password in password(), before in prop::collection::vec(any::<u8>(), 0..40), times in 1..3usize,
        cuts in prop::collection::vec(any::<Index>(), 0..40),
    ) {
        let (frame, at) = board.frame(&password);
        let bytes = [before, frame.repeat(times)].concat();
        prop_assert!(bytes.windows(password.len()).any(|part| part == password), "at {at}");
        let mut recording = recording(board, &bytes, &cuts);
        let (read_before, received) = (read(&recording), recording.received().len());
        prop_assert!(!read_before.is_empty());
        recording.redact();
        assert_kept_secret(&recording, &password);
        prop_assert_eq!(recording.received().len(), received);
        prop_assert_eq!(read(&recording), read_before);
    }

    #[test]
    fn a_damaged_frame_tells_nothing_either(
        board in board(), password in password(), place in any::<Index>(), bit in 0..8u32, lost in 0..30usize,
        cuts in prop::collection::vec(any::<Index>(), 0..10),
    ) {
        let (frame, at) = board.frame(&password);
        // A bit flips after the header, or bytes are lost: both outside of the password.
        let mut flipped = frame.clone();
        let place = 4 + place.index(frame.len() - 4);
        flipped[place] ^= 1 << bit;
        let place = place.min(frame.len() - lost);
        let short = [&frame[..place], &frame[place + lost..]].concat();
        for damaged in [flipped, short, frame[..at + password.len()].to_vec()] {
            // One in 256 damaged frames passes a sum of 8 bits and cannot be detected.
            if passes(&damaged) {
                continue;
            }
            let mut alone = recording(board, &damaged, &cuts);
            alone.redact();
            let hidden: Vec<u8> = alone.received();
            let intact = password.windows(4).filter(|part| damaged.windows(4).any(|bytes| bytes == *part));
            for part in intact {
                prop_assert!(!hidden.windows(4).any(|bytes| bytes == part), "{:02x?}", hidden);
            }
        }
    }

    /// The recording begins within a frame, or the header is damaged: then the other frames show which protocol this is.
    #[test]
    fn the_rest_of_a_frame_without_its_header_tells_nothing(board in board(), password in password(), from in any::<Index>()) {
        let (frame, at) = board.frame(&password);
        let bytes = [&frame[1 + from.index(at)..], &frame[..]].concat();
        let mut recording = recording(board, &bytes, &[]);
        recording.redact();
        assert_kept_secret(&recording, &password);
        prop_assert_eq!(read(&recording).len(), 1);
    }

    #[test]
    fn any_bytes_keep_their_length_and_are_redacted_once(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            Just(vec![0x4E, 0x57, 0x01, 0x1D]),
            Just(vec![0x55, 0xAA, 0xEB, 0x90, 3]),
            board().prop_map(|board| board.frame(b"QXZV").0),
            (board(), any::<Index>()).prop_map(|(board, cut)| { let frame = board.frame(b"QXZV").0; frame[cut.index(frame.len())..].to_vec() }),
        ], 0..8),
    ) {
        let bytes = pieces.concat();
        let mut once = bytes.clone();
        redact(&mut once);
        prop_assert_eq!(once.len(), bytes.len());
        let mut twice = once.clone();
        redact(&mut twice);
        prop_assert_eq!(twice, once);
    }
}

/// Commands of another program that contain a password, overheard.
#[test]
fn the_commands_that_carry_a_password_are_redacted() {
    for body in [&b"\x05\x03\x00\x00QXZV"[..], &b"\x02\x03\x00\xB2QXZV@@@@@@"[..], &b"\x02\x03\x00\xB2QXZV"[..]] {
        let mut frame = [&[0x4E, 0x57, 0, 0, 0, 0, 0, 0][..], body, &[0, 0, 0, 0, 0x68]].concat();
        frame[3] = u8::try_from(frame.len() + 2).unwrap();
        let sum = sum16(&frame);
        frame.extend([&[0, 0][..], &sum.to_be_bytes()].concat());
        redact(&mut frame);
        assert!(!frame.windows(4).any(|part| part == b"QXZV"), "{frame:02x?}");
        let (summed, check) = frame.split_last_chunk::<4>().unwrap();
        assert_eq!(check[2..], sum16(summed).to_be_bytes());
    }
}

/// An empty password is not a secret, and may be of interest to an owner.
#[test]
fn an_empty_field_stays_empty() {
    for board in BOARDS {
        let (mut frame, at) = board.frame(b"");
        redact(&mut frame);
        assert_eq!(frame[at..at + 10], [0; 10]);
    }
}

/// The test files contain no password, and no reading that redaction would change.
#[test]
fn no_vector_holds_a_password() {
    for file in FILES.iter() {
        let mut redacted = file.vector.clone();
        redacted.redact();
        let read = |vector: &Recording| vector.play(file.driver).readings().collect::<Vec<_>>();
        assert_eq!(read(&redacted), read(&file.vector), "{}", file.name);
        // In damaged frames all text is overwritten, which is more than the files' passwords.
        if !file.name.contains("/bad-") {
            assert!(redacted.text() == file.text, "{}: run it through `replay --as-test`", file.name);
        }
    }
}
