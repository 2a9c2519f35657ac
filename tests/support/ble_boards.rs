//! Boards on Bluetooth for the stand-in BlueZ: one of each family, with frames of `tests/vectors`.

use crate::support::bluez::Radio;
use crate::support::board::{Answers, replay, vector};

/// One board.
pub(crate) struct BleBoard {
    pub(crate) family: &'static str,
    pub(crate) radio: Radio,
    pub(crate) answers: Answers,
    /// What anything written to it starts with.
    pub(crate) starts: &'static [&'static [u8]],
    /// Voltage, current and SoC that it reports, and its number of cells.
    pub(crate) values: (f64, f64, f64),
    pub(crate) cells: usize,
}

/// A JK board: device data when asked, settings once, then live data without asking.
pub(crate) fn jk(settings: Vec<u8>, live: Vec<u8>, firmware: &'static [u8; 8]) -> Answers {
    let acknowledge = [&[0xAA, 0x55, 0x90, 0xEB, 0xC8, 1, 1][..], &[0; 12], &[0x44]].concat();
    let (mut started, mut turns) = (false, 0);
    Box::new(move |written| match written {
        [0xAA, 0x55, 0x90, 0xEB, 0x97, ..] => [&acknowledge[..], &device(firmware)].concat(),
        [0xAA, 0x55, 0x90, 0xEB, 0x96, ..] => {
            started = true;
            [&acknowledge[..], &settings, &live].concat()
        }
        _ => {
            turns += 1;
            if started && turns % 5 == 0 { live.clone() } else { Vec::new() }
        }
    })
}

/// Device data of a board: model, versions, a name; the passwords are zeros.
fn device(firmware: &[u8; 8]) -> Vec<u8> {
    let mut frame = vec![0x55, 0xAA, 0xEB, 0x90, 3, 1];
    frame.extend(b"JK_B2A20S20P\0\0\0\0");
    frame.extend(b"15A\0\0\0\0\0");
    frame.extend(firmware);
    frame.resize(299, 0);
    frame.push(frame.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
    frame
}

/// The pages of an Eco-Worthy battery, which sends them unasked.
fn pages() -> Answers {
    let both = vector("ecoworthy/v1-4s").received();
    let mut turns = 0;
    Box::new(move |_| {
        turns += 1;
        if turns % 10 == 0 { both.clone() } else { Vec::new() }
    })
}

/// One of each, and two of JK: with 32 and with 24 cells.
pub(crate) fn all() -> Vec<BleBoard> {
    let frames = |name: &str| vector(&format!("jk-pb/{name}")).received();
    let (poll, old) = (frames("v15.41-poll"), frames("24s-b1a20s15p-10.07"));
    let jk_radio = || Radio { uuids: (0xFFE0, 0xFFE1, 0xFFE1), name: "JK_B2A20S20P", ..Radio::default() };
    let new = jk(poll[309..609].to_vec(), frames("ble-16s-v15"), b"15.38\0\0\0");
    let old = jk(old[..300].to_vec(), old[300..600].to_vec(), b"10.07\0\0\0");
    let daly = Radio { uuids: (0xFFF0, 0xFFF1, 0xFFF2), name: "nameless", manufacturer: Some(0x0302), ..Radio::default() };
    let ant = Radio { uuids: (0xFFE0, 0xFFE1, 0xFFE1), name: "ANT-BLE16ZMUB", ..Radio::default() };
    let litime = Radio {
        uuids: (0xFFE0, 0xFFE1, 0xFFE2),
        name: "R-24100BNNA70",
        write_flags: &["write-without-response"],
        ..Radio::default()
    };
    let ecoworthy = Radio { uuids: (0xFFF0, 0xFFF1, 0xFFF2), name: "ECO-WORTHY 02_1234", ..Radio::default() };
    let board = |family, radio, answers, starts, values, cells| BleBoard { family, radio, answers, starts, values, cells };
    let jbd = replay(&["jbd/readme-4s", "jbd/sp04s034"]);
    vec![
        board("jbd", Radio::default(), jbd, &[&[0xDD, 0xA5]], (15.47, 0.0, 99.0), 4),
        board("jk-pb", jk_radio(), new, &[&[0xAA, 0x55, 0x90, 0xEB]], (53.224, 31.881, 25.0), 16),
        board("jk-pb", jk_radio(), old, &[&[0xAA, 0x55, 0x90, 0xEB]], (52.678, -2.4, 97.0), 16),
        board("daly-modbus", daly, replay(&["daly-modbus/ble-d2-4s"]), &[&[0xD2, 3]], (14.0, 3.0, 90.0), 4),
        board("ant", ant, replay(&["ant/ble-22s"]), &[&[0x7E, 0xA1]], (50.88, -2.1, 10.0), 22),
        board("litime", litime, replay(&["litime/redodo-8s"]), &[&[0, 0, 4, 1, 0x13, 0x55, 0xAA, 0x17]], (26.556, -1.435, 65.0), 8),
        board("ecoworthy", ecoworthy, pages(), &[], (13.29, -1.14, 72.0), 4),
    ]
}

/// A JK board with this firmware that tells what was recorded, frame by frame, once it was asked for live data; the settings are unknown.
pub(crate) fn recorded_jk(recorded: &[u8], firmware: &'static [u8; 8]) -> Answers {
    const START: [u8; 4] = [0x55, 0xAA, 0xEB, 0x90];
    // What the module says in front belongs to the first frame.
    let mut ends: Vec<usize> = (300..recorded.len()).filter(|place| recorded[*place..].starts_with(&START)).collect();
    ends.push(recorded.len());
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let frames: Vec<Vec<u8>> = starts.zip(&ends).map(|(start, end)| recorded[start..*end].to_vec()).collect();
    let (mut started, mut turns) = (false, 0usize);
    Box::new(move |written| {
        if written.starts_with(&[0xAA, 0x55, 0x90, 0xEB, 0x97]) {
            return device(firmware);
        }
        started |= written.starts_with(&[0xAA, 0x55, 0x90, 0xEB, 0x96]);
        turns += usize::from(started);
        if !started || turns % 20 != 1 {
            return Vec::new();
        }
        frames[(turns / 20).min(frames.len() - 1)].clone()
    })
}
