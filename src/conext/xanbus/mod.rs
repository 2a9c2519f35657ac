//! Xanbus, the CAN bus of Conext devices (250 kbit/s, 29-bit ids), listened to: frames go in, values of devices come out. Nothing is
//! ever sent: a wrong node stops devices.
//!
//! ```text
//! frame ─▶ Assembler (fast packets by sequence) ─▶ message::decode ─▶ Network (values by source address)
//! ```
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod assembler;
mod message;

pub use assembler::{Assembler, Pgn};
pub use message::{Decoded, decode};

use super::Family;
use crate::base::units::Moment;
use crate::bms::can::Record;
use crate::model::{DeviceValue, Quantity};
use std::collections::BTreeMap;
use std::time::Duration;

/// A value that was not repeated for this long is unknown. Most come every second or two.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// Source addresses that are followed at most; a bus has some ten devices.
const MAX_SOURCES: usize = 32;

/// The devices heard on a bus.
#[derive(Debug, Default)]
pub struct Network {
    assembler: Assembler,
    nodes: BTreeMap<u8, Node>,
    /// Messages refused because their power is not voltage times current, or a field is out of range.
    refused: u32,
}

/// A device with a source address.
#[derive(Debug, Default)]
struct Node {
    /// From its product information, else from what it sends.
    family: Option<Family>,
    /// The family is from its product information.
    certain: bool,
    serial: Option<String>,
    values: BTreeMap<&'static str, (&'static Quantity, DeviceValue, Moment)>,
}

/// What is known about a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its source address.
    pub source: u8,
    /// Its family.
    pub family: Family,
    /// Its serial number, if it was asked for it while we listened.
    pub serial: Option<String>,
    /// Its values that are not too old.
    pub values: Vec<(&'static Quantity, DeviceValue)>,
}

impl Network {
    /// Takes a frame.
    pub fn take(&mut self, frame: &Record, now: Moment) {
        let Some((source, pgn, payload)) = self.assembler.take(frame, now) else { return };
        let Some(decoded) = decode(pgn, &payload) else {
            self.refused = self.refused.saturating_add(u32::from(message::is_known(pgn)));
            return;
        };
        if self.nodes.len() >= MAX_SOURCES && !self.nodes.contains_key(&source) {
            return;
        }
        let node = self.nodes.entry(source).or_default();
        match decoded.product {
            Some(family) => (node.family, node.certain) = (Some(family), true),
            None if !node.certain => node.family = decoded.family.or(node.family),
            None => {}
        }
        node.serial = decoded.serial.or(node.serial.take());
        for (quantity, value) in decoded.values {
            node.values.insert(quantity.key, (quantity, value, now));
        }
    }

    /// The devices whose family is known.
    pub fn devices(&self, now: Moment) -> Vec<Heard> {
        let known = self.nodes.iter().filter_map(|(source, node)| {
            let family = node.family?;
            let fresh = node.values.values().filter(|(.., at)| now.since(*at) <= TIMEOUT);
            let values = fresh.map(|(quantity, value, _)| (*quantity, value.clone())).collect();
            Some(Heard { source: *source, family, serial: node.serial.clone(), values })
        });
        known.collect()
    }

    /// Messages that were refused so far.
    pub fn refused(&self) -> u32 {
        self.refused
    }
}
