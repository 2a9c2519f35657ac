//! LuxPower and EG4 inverters, "Lithium 6": battery protocol V04.2.
//!
//! ```text
//! 351  as Pylontech
//! 355  SoC 1 % | SoH 1 % | highest cell mV | lowest cell mV
//! 356  voltage 0.01 V | current 0.1 A, + charges | hottest, coldest sensor 0.1 °C
//! 359  protections, 2 bytes | warnings, 2 bytes | modules | capacity 1 Ah | 0          bits as Pylontech
//! 35C  bits as Pylontech (request 1 is bit 4, request 2 bit 5) | 0 | cycles | 0
//! 35E  brand, 8 characters filled up with zeros
//! ```
//! 500 kbit/s, the set each second, all frames of 8 bytes. The inverter answers with 305, and with 300 asks the battery to shut down.
//! The two temperatures are never equal: YamBMS found that the inverter expects so. Source: LuxPower's battery CAN protocol V04.2;
//! YamBMS names the inverters on which it was tried (docs/can.md).

use super::pylontech::{alarms, charge, limits, requests};
use super::wire::{padded, signed, text, unsigned};
use super::{Config, Frame, InverterData, Profile};
use crate::base::units::Celsius;
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "luxpower",
    label: "LuxPower and EG4, battery protocol V04.2",
    manufacturer: "EG4",
    period: Duration::from_secs(1),
    spacing: Duration::from_millis(20),
    frames,
};

/// Least difference of the two temperatures, K.
const APART: f64 = 0.1;

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(6);
    frames.extend(limits(data));
    frames.extend(charge_and_cells(data));
    frames.extend(measured(data));
    let [a, b, c, d, modules, ..] = alarms(data);
    let capacity = data.charge.capacity.or(data.charge.installed_capacity);
    let [low, high] = capacity.map_or([0; 2], |capacity| unsigned(capacity.get(), 1.0));
    frames.push(Frame::new(0x359, &[a, b, c, d, modules, low, high]));
    let [low, high] = data.details.cycles.map_or([0; 2], |cycles| unsigned(cycles.into(), 1.0));
    frames.push(Frame::new(0x35C, &[requests(data), 0, low, high]));
    frames.push(Frame::new(0x35E, &text(data.identity.manufacturer.as_deref().unwrap_or(PROFILE.manufacturer), 0)));
    frames.iter().map(padded).collect()
}

fn charge_and_cells(data: &InverterData) -> Option<Frame> {
    let [a, b, c, d] = charge(data)?;
    let [highest, lowest] = [data.extremes.max_cell_mv, data.extremes.min_cell_mv].map(|cell| cell.unwrap_or(0).to_le_bytes());
    Some(Frame::new(0x355, &[&[a, b, c, d][..], &highest, &lowest].concat()))
}

/// 0x356; not sent if voltage or current is unknown, because it has no mark for that.
fn measured(data: &InverterData) -> Option<Frame> {
    let (state, details) = (&data.state, &data.details);
    let of = |extreme: Option<Celsius>| extreme.or(state.temperature).map_or(0.0, Celsius::get);
    let (hottest, coldest) = (of(details.max_cell_temperature), of(details.min_cell_temperature));
    let words = [
        unsigned(state.voltage?.get().min(f64::from(i16::MAX) / 100.0), 100.0),
        signed(state.current?.get(), 10.0),
        signed(hottest.max(coldest + APART), 10.0),
        signed(coldest, 10.0),
    ];
    Some(Frame::new(0x356, words.as_flattened()))
}
