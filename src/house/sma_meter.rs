//! SMA energy meters: one multicast datagram per second (Speedwire).
//!
//! ```text
//! "SMA" 0 | 4 tag 02A0 group | length, tag 0010 | protocol 6069 (6081: 2 bytes more) | SUSy id | serial | ticker | entries … | 0
//! entry: channel, index, type (4: 4 bytes, 8: 8 bytes), tariff, value      all big-endian
//! ```
//! Index 1 is the power from the grid, 2 the power to it, both in 0.1 W. Source: RalfOGit/libspeedwire, and the JK to Pylontech
//! translator.
#![deny(clippy::indexing_slicing)]

use crate::base::units::Watts;

/// Serial number and power in a datagram, positive from the grid. `None` for anything else.
pub fn decode(datagram: &[u8]) -> Option<(u32, Watts)> {
    let header = datagram.strip_prefix(b"SMA\0")?;
    let tag: [u8; 4] = header.get(..4)?.try_into().ok()?;
    let protocol = u16_at(datagram, 16)?;
    let extra = match (tag, protocol) {
        ([0, 4, 2, 0xA0], 0x6069) => 0,
        ([0, 4, 2, 0xA0], 0x6081) => 2,
        _ => return None,
    };
    let serial = u32_at(datagram, 20 + extra)?;
    let (mut from_grid, mut to_grid) = (None, None);
    let mut entries = datagram.get(28 + extra..)?;
    while let [channel, index, kind, _tariff, rest @ ..] = entries {
        let length = match (channel, kind) {
            (0, 4) => 4,
            (0, 8) => 8,
            // Software version and end mark.
            (0x90, 0) => 4,
            _ => break,
        };
        if (*channel, *kind) == (0, 4) {
            match index {
                1 => from_grid = u32_at(rest, 0),
                2 => to_grid = u32_at(rest, 0),
                _ => {}
            }
        }
        entries = rest.get(length..)?;
    }
    Some((serial, Watts::new((f64::from(from_grid?) - f64::from(to_grid?)) / 10.0)))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// A datagram as the layout says, with a counter between the two powers.
#[cfg(test)]
pub(crate) fn datagram(from_grid: u32, to_grid: u32) -> Vec<u8> {
    let mut bytes = b"SMA\0\x00\x04\x02\xA0\x00\x00\x00\x01\x00\x30\x00\x10\x60\x69\x01\x0E".to_vec();
    bytes.extend(1_900_000_001u32.to_be_bytes());
    bytes.extend([0, 0, 0, 9, 0, 1, 4, 0]);
    bytes.extend(from_grid.to_be_bytes());
    bytes.extend([0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 4, 0]);
    bytes.extend(to_grid.to_be_bytes());
    bytes.extend([0x90, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn power_from_the_grid_is_positive() {
        assert_eq!(decode(&datagram(12_345, 0)), Some((1_900_000_001, Watts::new(1234.5))));
        assert_eq!(decode(&datagram(0, 8_000)), Some((1_900_000_001, Watts::new(-800.0))));
        assert_eq!(decode(b"SMA\0 and something else"), None);
    }

    #[test]
    fn a_home_manager_has_two_bytes_more() {
        let mut bytes = datagram(12_345, 0);
        bytes[16..18].copy_from_slice(&[0x60, 0x81]);
        bytes.splice(18..18, [0, 0]);
        assert_eq!(decode(&bytes), Some((1_900_000_001, Watts::new(1234.5))));
        bytes[16..18].copy_from_slice(&[0x60, 0x65]);
        assert_eq!(decode(&bytes), None, "an inverter's datagram");
    }

    proptest! {
        #[test]
        fn no_datagram_panics(tail in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..80) {
            let mut bytes = datagram(1, 2);
            bytes.truncate(cut);
            bytes.extend(&tail);
            let _ = decode(&bytes);
            let _ = decode(&tail);
        }
    }
}
