//! Sol-Ark's paper "CAN V1.3": Pylontech's frames of protocol 1.2 with 8 bytes each, the voltage of 356 in 0.1 V, and the capacity.
//!
//! ```text
//! 351 355 359 35C 35E   as Pylontech 1.2, filled up with zeros
//! 356                   voltage 0.1 V | current 0.1 A, + charges | temperature 0.1 °C
//! 379                   installed capacity 1 Ah
//! ```
//! 500 kbit/s, the set each second in this order. Other senders have 0.01 V for the same inverters, as `pylontech-2`: which one a
//! Sol-Ark takes only an owner can tell. Source: the paper; Battery-Emulator follows it (tests/can/vectors).

use super::pylontech::{alarms, charge, limits, maker, measured_in, requests};
use super::victron::installed;
use super::wire::padded;
use super::{Config, Frame, InverterData, Profile};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "sol-ark",
    label: "Sol-Ark, CAN V1.3",
    manufacturer: "PYLON",
    period: Duration::from_secs(1),
    spacing: Duration::from_millis(20),
    frames,
};

/// Steps of the voltage per V.
const VOLTAGE_STEPS: f64 = 10.0;

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(7);
    frames.extend(limits(data));
    frames.extend(charge(data).map(|bytes| Frame::new(0x355, &bytes)));
    frames.extend(measured_in(data, VOLTAGE_STEPS));
    frames.push(Frame::new(0x359, &alarms(data)));
    frames.push(Frame::new(0x35C, &[requests(data)]));
    frames.push(maker(data, PROFILE.manufacturer));
    frames.extend(installed(data));
    frames.iter().map(padded).collect()
}
