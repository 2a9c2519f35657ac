//! Pylontech low-voltage batteries, protocol 2 (V2.0.6): the frames of 1.2 and those of Victron that describe modules and cells,
//! all of 8 bytes. GoodWe, Solis, SRNE ("UZE"), Studer and Schneider take this set, Sol-Ark perhaps (`sol_ark.rs`).
//!
//! ```text
//! 35E 351 355 356 359 35C   as 1.2, filled up with zeros
//! 35A                       raised alarms and warnings in pairs of bits, 0 for all that is well
//! 372 373 379               modules, extremes of cells and sensors, installed capacity, as Victron
//! 374 … 377                 numbers of the lowest cell, the highest cell, the coldest and the hottest sensor, as text
//! ```
//! 500 kbit/s, the set each second in this order. Real batteries also send 35F, 370 and 371 (the extremes in numbers), which the
//! inverters do without. Source: frames of an Eco-Worthy Cubix and YamBMS' set "PYLON V2" (tests/can/vectors).

use super::pylontech::{alarms, charge, limits, maker, measured, requests};
use super::sma::{Clear, pairs};
use super::victron::{cells, installed, modules};
use super::wire::{padded, text};
use super::{Config, Frame, InverterData, Profile};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "pylontech-2",
    label: "Pylontech low voltage, protocol 2",
    manufacturer: "PYLON",
    period: Duration::from_secs(1),
    spacing: Duration::from_millis(20),
    frames,
};

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = vec![maker(data, PROFILE.manufacturer)];
    frames.extend(limits(data));
    frames.extend(charge(data).map(|bytes| Frame::new(0x355, &bytes)));
    frames.extend(measured(data));
    frames.push(Frame::new(0x359, &alarms(data)));
    frames.push(Frame::new(0x35C, &[requests(data)]));
    frames.push(Frame::new(0x35A, &pairs(data, Clear::AsZero)));
    frames.extend(modules(data));
    frames.extend(cells(data));
    frames.extend(number(0x374, data.extremes.min_cell_v_id.as_deref()));
    frames.extend(number(0x375, data.extremes.max_cell_v_id.as_deref()));
    frames.extend(number(0x376, data.extremes.min_cell_t_id.as_deref()));
    frames.extend(number(0x377, data.extremes.max_cell_t_id.as_deref()));
    frames.extend(installed(data));
    frames.iter().map(padded).collect()
}

/// The number of a cell or sensor without the letter that tells both apart elsewhere; in a bank with its battery's name.
fn number(id: u16, name: Option<&str>) -> Option<Frame> {
    let name = name?;
    let number = name.strip_prefix(['C', 'T']).filter(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    Some(Frame::new(id, &text(number.unwrap_or(name), 0)))
}
