//! Pylontech low-voltage batteries, protocol 1.3: newer batteries, and inverters that follow SMA's frames under the maker's name.
//!
//! ```text
//! 351, 356, 35E  as 1.2
//! 355  SoC 1 % | SoH 1 % | 0
//! 35A  alarms, 4 bytes | warnings, 4 bytes; pairs of bits as in SMA's table, 1 = raised, and 0 for all that is well
//! 35F  "LI" | version 01 03 | capacity 1 Ah | 00AA
//! ```
//! There is no 0x35C: "may not charge" is a charge current limit of 0. The set each second. Source: frames of a US5000
//! (tests/can/vectors/pylontech-1.3-us5000.json); no document is public.

use super::pylontech::{charge, limits, maker, measured};
use super::sma::{Clear, pairs};
use super::wire::unsigned;
use super::{Config, Frame, InverterData, Profile};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "pylontech-1.3",
    label: "Pylontech low voltage, protocol 1.3",
    manufacturer: "PYLON",
    period: Duration::from_secs(1),
    spacing: Duration::from_millis(20),
    frames,
};

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(6);
    frames.extend(limits(data));
    frames.extend(charge(data).map(|[a, b, c, d]| Frame::new(0x355, &[a, b, c, d, 0, 0])));
    frames.extend(measured(data));
    frames.push(Frame::new(0x35A, &pairs(data, Clear::AsZero)));
    frames.push(maker(data, PROFILE.manufacturer));
    let [low, high] = data.charge.capacity.map_or([0; 2], |capacity| unsigned(capacity.get(), 1.0));
    frames.push(Frame::new(0x35F, &[b'L', b'I', 1, 3, low, high, 0xAA, 0]));
    frames
}
