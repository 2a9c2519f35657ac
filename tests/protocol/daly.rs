//! Daly over several exchanges: multi-frame replies, the requests of a poll, and the echo of a sleeping board.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dbus_bms::bms::bytes::sum8;
use dbus_bms::bms::{DecodeError, Expected, Framing, Progress, Protocol, Request, daly};
use dbus_bms::model::Reading;
use proptest::prelude::*;

fn frame(command: u8, data: [u8; 8]) -> Vec<u8> {
    let mut frame = [&[0xA5, 0x01, command, 8], data.as_slice()].concat();
    frame.push(sum8(&frame));
    frame
}

fn cells_frame(number: u8, first: u16) -> Vec<u8> {
    let [a, b, c] = [first, first + 1, first + 2].map(u16::to_be_bytes);
    frame(0x95, [number, a[0], a[1], b[0], b[1], c[0], c[1], 0x40])
}

/// A board with the counts already known, and the request for its cells.
fn with_cells(count: u8) -> (Box<dyn Protocol>, Reading, Request) {
    let mut board = (daly::DRIVER.new)(Some(1));
    let mut reading = Reading::new("daly", Some(1));
    let plan = board.plan(&reading);
    board.decode(Expected::Request(&plan[0]), &frame(0x94, [count, 1, 0, 0, 0, 0, 7, 0]), &mut reading).unwrap();
    let cells = plan.into_iter().find(|request| request.bytes[2] == 0x95).unwrap();
    (board, reading, cells)
}

fn take(board: &mut dyn Protocol, request: &Request, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
    assert_eq!(board.framing(frame), Framing::Frame(0..13));
    board.decode(Expected::Request(request), frame, into)
}

#[test]
fn cells_are_complete_with_the_last_one_however_many_frames_follow() {
    let (mut board, mut reading, request) = with_cells(16);
    for number in 1..=16u8 {
        let progress = take(board.as_mut(), &request, &cells_frame(number, 3300 + 10 * u16::from(number)), &mut reading).unwrap();
        assert_eq!(progress, if number < 6 { Progress::More } else { Progress::Done }, "frame {number}");
        assert_eq!(reading.cells_complete, (number < 6).then_some(false), "frame {number}");
    }
    assert_eq!(reading.cells.len(), 16);
    assert_eq!(reading.cells[15].get(), 3.360);
    let other = board.identify();
    assert!(matches!(take(board.as_mut(), &other, &cells_frame(7, 0), &mut reading), Err(DecodeError::Foreign { .. })));
}

#[test]
fn a_lost_frame_is_made_up_for_by_the_next_try() {
    let (mut board, reading, request) = with_cells(7);
    let frames = [cells_frame(1, 3310), cells_frame(2, 3320), cells_frame(3, 3330)];
    let mut first_try = reading.clone();
    for index in [0, 2] {
        assert_eq!(take(board.as_mut(), &request, &frames[index], &mut first_try).unwrap(), Progress::More);
    }
    assert_eq!((first_try.cells.len(), first_try.cells_complete), (3, Some(false)));
    let mut second_try = reading;
    take(board.as_mut(), &request, &frames[0], &mut second_try).unwrap();
    assert_eq!(take(board.as_mut(), &request, &frames[1], &mut second_try).unwrap(), Progress::Done);
    assert_eq!((second_try.cells.len(), second_try.cells_complete), (7, None));
}

#[test]
fn a_board_that_counts_from_zero_and_loses_frame_zero_shifts_no_cell() {
    let (mut board, mut reading, request) = with_cells(6);
    take(board.as_mut(), &request, &cells_frame(0, 3310), &mut reading).unwrap();
    assert_eq!(take(board.as_mut(), &request, &cells_frame(1, 3320), &mut reading).unwrap(), Progress::Done);
    board.plan(&reading);
    let mut next = reading.next();
    for number in 1..=9 {
        assert_eq!(take(board.as_mut(), &request, &cells_frame(number, 3320), &mut next).unwrap(), Progress::More);
    }
    assert!(next.cells.is_empty());
}

#[test]
fn temperatures_end_with_the_stated_count() {
    let (mut board, mut reading, _) = with_cells(16);
    let plan = board.plan(&reading);
    let request = plan.iter().find(|request| request.bytes[2] == 0x96).unwrap();
    let progress = take(board.as_mut(), request, &frame(0x96, [1, 61, 0, 0xFF, 0, 0, 0, 0]), &mut reading).unwrap();
    assert_eq!(progress, Progress::Done);
    assert_eq!(reading.temperatures.sensors.unwrap().iter().map(|t| t.get()).collect::<Vec<_>>(), [21.0]);
}

#[test]
fn an_old_state_gives_no_direction_to_a_new_current() {
    let (mut board, mut reading, _) = with_cells(16);
    let plan = board.plan(&reading);
    let ask = |command: u8| plan.iter().find(|request| request.bytes[2] == command).unwrap();
    let (pack, state) = (frame(0x90, [2, 0x12, 0, 0, 0x75, 0x66, 2, 0]), frame(0x93, [1, 1, 1, 0, 0, 0, 0, 0]));
    take(board.as_mut(), ask(0x90), &pack, &mut reading).unwrap();
    assert_eq!(reading.current, None);
    take(board.as_mut(), ask(0x93), &state, &mut reading).unwrap();
    assert_eq!(reading.current.unwrap().get(), 5.4);
    take(board.as_mut(), ask(0x90), &pack, &mut reading).unwrap();
    assert_eq!(reading.current, None, "the state of the reading before");
}

#[test]
fn a_poll_only_reads_and_asks_for_names_three_times_and_for_the_capacity_until_it_is_known() {
    let mut board = (daly::DRIVER.new)(Some(1));
    let mut known = Reading::new("daly", Some(1));
    let first = board.plan(&known);
    assert_eq!(first.iter().map(|request| request.bytes[2]).collect::<Vec<_>>(), [0x94, 0x90, 0x93, 0x98, 0x96, 0x50, 0x95]);
    known.cell_count = Some(16);
    let mut board = (daly::DRIVER.new)(Some(1));
    let mut pack = vec![0xA5, 1, 0x90, 8, 0x02, 0x10, 0, 0, 0x75, 0x30, 0x01, 0xF4];
    pack.push(sum8(&pack));
    let mut later: Vec<u8> = board.plan(&known).iter().map(|request| request.bytes[2]).collect();
    assert!(
        !later.contains(&0x53) && !later.contains(&0x97),
        "the second reading waits for nothing that is not needed: {later:02x?}"
    );
    for _ in 0..20 {
        later.extend(board.plan(&known).iter().map(|request| request.bytes[2]));
        let asked = board.identify();
        board.decode(Expected::Request(&asked), &pack, &mut Reading::default()).unwrap();
    }
    assert!(later.iter().all(|command| matches!(command, 0x50 | 0x53 | 0x57 | 0x90..=0x98)));
    let times = |wanted: u8| later.iter().filter(|command| **command == wanted).count();
    assert_eq!([times(0x53), times(0x57)], [3, 3]);
    // It was given up after three tries, which left a small battery with 50 A.
    assert!(times(0x50) >= 18, "{}", times(0x50));
}

#[test]
fn requests_go_to_the_host_address_of_the_board() {
    for (address, host) in [(None, 0x40), (Some(1), 0x40), (Some(2), 0x41), (Some(16), 0x4F), (Some(65), 0x80)] {
        let request = (daly::DRIVER.new)(address).identify();
        assert_eq!(request.bytes[..4], [0xA5, host, 0x90, 8], "{address:?}");
        assert_eq!(sum8(&request.bytes[..12]), request.bytes[12]);
    }
    assert_eq!((daly::DRIVER.new)(None).identify().bytes[..], [0xA5, 0x40, 0x90, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x7D]);
}

/// Whether none of its bytes starts a frame.
fn is_skipped(board: &dyn Protocol, mut bytes: &[u8]) -> bool {
    while let Framing::Skip(n) = board.framing(bytes) {
        bytes = &bytes[n..];
    }
    board.framing(bytes) == Framing::Incomplete && bytes.len() < 13
}

proptest! {
    /// A sleeping board echoes every request: none of them may be decoded as a reply.
    #[test]
    fn an_echo_is_never_a_frame(host in prop::sample::select(vec![0x40u8, 0x41, 0x4F, 0x80]), command: u8, data: [u8; 8]) {
        prop_assume!(!data.contains(&0xA5));
        let mut echo = frame(command, data);
        echo[1] = host;
        echo[12] = sum8(&echo[..12]);
        for address in [Some(1), Some(2), Some(16)] {
            prop_assert!(is_skipped((daly::DRIVER.new)(address).as_ref(), &echo));
        }
    }

    /// If the addresses of all boards count, 41 is a board's address, too: the fill bytes identify a request.
    #[test]
    fn a_request_is_never_a_frame(host in prop::sample::select(vec![0x40u8, 0x41, 0x4F, 0x80]), command: u8, fill in prop::sample::select(vec![0u8, 0xAA])) {
        let mut request = frame(command, [fill; 8]);
        request[1] = host;
        request[12] = sum8(&request[..12]);
        prop_assert!(is_skipped((daly::DRIVER.new)(None).as_ref(), &request));
    }
}

/// Requests of a poll by command, with the temperatures that come of them; `all` is whether the board replies to 96.
fn poll(board: &mut dyn Protocol, known: &Reading, all: bool) -> (Vec<u8>, Reading) {
    let plan = board.plan(known);
    let mut reading = known.next();
    for request in &plan {
        let data = match request.bytes[2] {
            0x90 => [0x02, 0x0F, 0, 0, 0x75, 0x30, 0x03, 0x78],
            0x92 => [0x3D, 3, 0x37, 1, 0x75, 0x30, 0x03, 0x78],
            0x93 => [0, 1, 1, 9, 0, 1, 0x86, 0xA0],
            0x94 => [16, 3, 0, 0, 2, 0, 2, 0],
            0x96 if all => [1, 0x37, 0x38, 0x3D, 0, 0, 0, 0],
            _ => continue,
        };
        let reply = frame(request.bytes[2], data);
        board.decode(Expected::Request(request), &reply, &mut reading).unwrap();
    }
    (plan.iter().map(|request| request.bytes[2]).collect(), reading)
}

#[test]
fn a_board_without_all_temperatures_tells_the_coldest_and_the_hottest() {
    let mut board = (daly::DRIVER.new)(Some(1));
    let (mut all_asked, mut reading) = (0, Reading::new("daly", Some(1)));
    for number in 1..=100 {
        let asked;
        (asked, reading) = poll(board.as_mut(), &reading, false);
        all_asked += usize::from(asked.contains(&0x96));
        assert_eq!(asked.contains(&0x92), number > 4, "poll {number}: {asked:02x?}");
        assert_eq!(reading.awaited.temperatures, number <= 4, "poll {number}");
    }
    let celsius: Vec<f64> = reading.temperatures.sensors.iter().flatten().map(|celsius| celsius.get()).collect();
    assert_eq!(celsius, [15.0, 21.0]);
    assert_eq!(reading.notes, ["only the coldest and the hottest sensor are known"]);
    assert!((5..20).contains(&all_asked), "each unanswered request costs a timeout: {all_asked}");
    // Once it replies, the extremes are neither requested nor used.
    while !poll(board.as_mut(), &reading, true).0.contains(&0x96) {}
    let (asked, reading) = poll(board.as_mut(), &reading, true);
    assert!(asked.contains(&0x96) && !asked.contains(&0x92), "{asked:02x?}");
    assert_eq!(reading.temperatures.sensors.map(|all| all.len()), Some(3));
    assert!(reading.notes.is_empty());
}

#[test]
fn a_board_with_all_temperatures_is_never_asked_for_the_extremes() {
    let mut board = (daly::DRIVER.new)(Some(1));
    let mut reading = Reading::new("daly", Some(1));
    let (_, first) = poll(board.as_mut(), &reading, true);
    reading = first;
    for number in 0..50 {
        // Most of its replies are lost.
        let asked;
        (asked, reading) = poll(board.as_mut(), &reading, number % 10 == 0);
        assert!(asked.contains(&0x96) && !asked.contains(&0x92), "{asked:02x?}");
    }
}
