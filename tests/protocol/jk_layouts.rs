//! JK's layouts of a live frame, told apart by nothing in the frame: none ever gives a reading in another.

use dbus_bms::bms::bytes::sum8;
use dbus_bms::bms::jk_pb::DRIVER;
use dbus_bms::bms::{DecodeError, Expected};
use dbus_bms::model::{Device, Reading};
use dbus_bms::recording::file::Recording;
use proptest::prelude::*;

const OLD: &str = include_str!("../vectors/jk-pb/24s-aiobmsble.json");
const NEW: &str = include_str!("../vectors/jk-pb/ble-b2a8s20p-11.50-4s.json");
const FLOATS: &str = include_str!("../vectors/jk-pb/bad-float-layout.json");

/// The live frame of a recording.
fn recorded(text: &str) -> Vec<u8> {
    let bytes = Recording::parse("frame", text).unwrap().received();
    let start = bytes.windows(5).position(|five| five == [0x55, 0xAA, 0xEB, 0x90, 2]).unwrap();
    bytes[start..start + 300].to_vec()
}

/// Places of mask, mean cell, resistances, pack voltage and cycles; space for cells.
struct Places {
    mask: usize,
    mean: usize,
    resistances: usize,
    pack: usize,
    cycles: usize,
    cells: usize,
}

const OLD_PLACES: Places = Places { mask: 54, mean: 58, resistances: 64, pack: 118, cycles: 150, cells: 24 };
const NEW_PLACES: Places = Places { mask: 70, mean: 74, resistances: 80, pack: 150, cycles: 182, cells: 32 };

/// Content of a live frame.
#[derive(Debug, Clone)]
struct Content {
    millivolts: Vec<u16>,
    resistances: Vec<u16>,
    cycles: u32,
    /// What the pack voltage has more than the sum of the cells, mV.
    apart: i32,
}

fn content(most: usize) -> impl Strategy<Value = Content> {
    let cell = prop_oneof![12 => 1500u16..4400, 1 => Just(0u16), 1 => Just(4095u16)];
    let resistance = prop_oneof![6 => 0u16..600, 1 => Just(0u16), 1 => Just(1u16)];
    let apart = prop_oneof![4 => -100i32..100, 1 => -9000i32..9000, 1 => Just(i32::MIN)];
    let lists = (prop::collection::vec(cell, 0..=most), prop::collection::vec(resistance, most));
    (lists, 0u32..6000, apart).prop_map(|((millivolts, resistances), cycles, apart)| Content {
        millivolts,
        resistances,
        cycles,
        apart,
    })
}

fn build(template: &[u8], places: &Places, content: &Content) -> Vec<u8> {
    let mut frame = template.to_vec();
    let sum: u32 = content.millivolts.iter().map(|cell| u32::from(*cell)).sum();
    let count = u32::try_from(content.millivolts.len()).unwrap();
    frame[6..6 + 2 * places.cells].fill(0);
    for (cell, millivolts) in content.millivolts.iter().enumerate() {
        frame[6 + 2 * cell..8 + 2 * cell].copy_from_slice(&millivolts.to_le_bytes());
    }
    for (cell, resistance) in content.resistances.iter().enumerate() {
        let at = places.resistances + 2 * cell;
        frame[at..at + 2].copy_from_slice(&resistance.to_le_bytes());
    }
    let mask = u32::try_from((1u64 << count) - 1).unwrap();
    let mean = u16::try_from(sum.checked_div(count).unwrap_or(0)).unwrap();
    frame[places.mask..places.mask + 4].copy_from_slice(&mask.to_le_bytes());
    frame[places.mean..places.mean + 2].copy_from_slice(&mean.to_le_bytes());
    frame[places.pack..places.pack + 4].copy_from_slice(&sum.saturating_add_signed(content.apart).to_le_bytes());
    frame[places.cycles..places.cycles + 4].copy_from_slice(&content.cycles.to_le_bytes());
    frame[299] = sum8(&frame[..299]);
    frame
}

/// Cells in mV, pack voltage in mV and cycles of the reading; `firmware` is known from earlier.
fn decode(frame: &[u8], firmware: Option<&str>) -> Result<(Vec<f64>, f64, u32), DecodeError> {
    let mut reading =
        Reading { device: Device { sw_version: firmware.map(str::to_owned), ..Device::default() }, ..Reading::default() };
    (DRIVER.new)(None).decode(Expected::Any, frame, &mut reading).map(|_| {
        let milli = |volts: f64| (volts * 1000.0).round();
        let cells = reading.cells.iter().map(|cell| milli(cell.get())).collect();
        (cells, milli(reading.voltage.unwrap().get()), reading.cycles.unwrap())
    })
}

fn check(frame: &[u8], content: &Content, firmware: Option<&str>) -> Result<bool, TestCaseError> {
    let Ok((cells, pack, cycles)) = decode(frame, firmware) else { return Ok(false) };
    let sum: u32 = content.millivolts.iter().map(|cell| u32::from(*cell)).sum();
    prop_assert_eq!(cells, content.millivolts.iter().map(|cell| f64::from(*cell)).collect::<Vec<_>>());
    prop_assert_eq!(pack, f64::from(sum.saturating_add_signed(content.apart)));
    prop_assert_eq!(cycles, content.cycles);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_for_24_cells_is_read_as_one_or_not_at_all(content in content(24)) {
        let frame = build(&recorded(OLD), &OLD_PLACES, &content);
        let sum: i64 = content.millivolts.iter().map(|cell| i64::from(*cell)).sum();
        let read = check(&frame, &content, None)?;
        // The cycles are where the other layout has its pack voltage: by chance they are the sum of some cells.
        let sums = content.millivolts.iter().scan(0, |sum, cell| { *sum += i64::from(*cell); Some(*sum) });
        let cycles = i64::from(content.cycles);
        let is_unclear = sums.into_iter().any(|sum| (sum - cycles).abs() * 90 <= cycles);
        if sum > 0 && i64::from(content.apart).abs() * 110 <= sum && !is_unclear {
            prop_assert!(read, "the sum of the cells proves the layout");
        }
        check(&frame, &content, Some("15.41"))?;
        check(&frame, &content, Some("8.0.6G"))?;
    }

    #[test]
    fn a_frame_for_32_cells_is_read_as_one_or_not_at_all(content in content(32)) {
        let frame = build(&recorded(NEW), &NEW_PLACES, &content);
        for firmware in [None, Some("11.17"), Some("10.07")] {
            let read = check(&frame, &content, firmware)?;
            let plain = content.millivolts.len() < 25;
            prop_assert!(read || !plain || firmware == Some("10.07"), "with firmware {firmware:?} it is refused");
        }
    }

    #[test]
    fn floats_never_give_a_reading(volts in prop::collection::vec(0.6f32..4.9, 1..24), first in 0..12usize) {
        let mut frame = recorded(FLOATS);
        frame[6..102].fill(0);
        for (cell, volts) in volts.iter().enumerate().skip(first.min(volts.len() - 1)) {
            frame[6 + 4 * cell..10 + 4 * cell].copy_from_slice(&volts.to_le_bytes());
        }
        frame[299] = sum8(&frame[..299]);
        for firmware in [None, Some("3.3.0"), Some("8.0.3M"), Some("15.41")] {
            let refused = matches!(decode(&frame, firmware), Err(DecodeError::Layout { .. }));
            prop_assert!(refused, "firmware {firmware:?}");
        }
    }
}

/// The firmware decides where the values do not, and never against them.
#[test]
fn a_broken_wire_of_an_old_board_is_read_once_its_firmware_is_known() {
    let content = Content { millivolts: vec![3300, 3301, 0, 3302], resistances: vec![70; 24], cycles: 9, apart: 3300 };
    let old = build(&recorded(OLD), &OLD_PLACES, &content);
    let new = build(&recorded(NEW), &NEW_PLACES, &content);
    for (frame, firmware, read) in [
        (&old, None, false),
        (&old, Some("10.07"), true),
        (&old, Some("V7.10"), true),
        (&old, Some("11.26"), false),
        (&new, None, true),
        (&new, Some("11.26"), true),
        (&new, Some("10.07"), false),
    ] {
        assert_eq!(decode(frame, firmware).is_ok(), read, "{firmware:?}");
    }
}
