//! Error frames of the CAN controller, as candump shows them (linux/can/error.h).
//!
//! ```text
//! id: 0x20000000 | 1 no answer to a transmission in time | 4 state, in byte 1 | 8 protocol, in byte 2 | 20 no acknowledge
//!     | 40 bus-off | 80 bus error | 100 restarted          byte 1: 04, 08 many errors (in, out) | 10, 20 passive | 40 well again
//! ```

use std::fmt;

/// Marks an error frame.
const FLAG: u32 = 0x2000_0000;

/// A bus error; the worst one of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BusError {
    /// Working again, or error-free again.
    Restarted,
    /// Harmless, such as a lost arbitration.
    Other,
    /// A bit or frame differs from what was sent.
    Protocol,
    /// More than 96 recent errors.
    Warning,
    /// More than 127 recent errors: error passive.
    Passive,
    /// Frames are not acknowledged.
    NoAcknowledge,
    /// The controller has switched itself off (bus-off).
    BusOff,
}

impl BusError {
    /// The error in a frame with this id (including flags); `None` if it is not an error frame.
    pub fn of(id: u32, bytes: &[u8]) -> Option<Self> {
        if id & FLAG == 0 {
            return None;
        }
        let state = bytes.get(1).copied().unwrap_or(0);
        let found = |bit: u32| id & bit != 0;
        Some(match () {
            () if found(0x40) => Self::BusOff,
            () if found(0x20) => Self::NoAcknowledge,
            () if found(0x04) && state & 0x30 != 0 => Self::Passive,
            () if found(0x04) && state & 0x0C != 0 => Self::Warning,
            () if found(0x08) || found(0x80) => Self::Protocol,
            () if found(0x100) || found(0x04) && state & 0x40 != 0 => Self::Restarted,
            () => Self::Other,
        })
    }
}

/// Its meaning, and what to check.
impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restarted => "the controller works again",
            Self::Other => "the controller reports something harmless",
            Self::Protocol => "frames are damaged: check cable, 120 Ω at both ends, and the bit rate",
            Self::Warning => "many frames are damaged: check cable, 120 Ω at both ends, and the bit rate",
            Self::Passive => "most frames are damaged: check cable, 120 Ω at both ends, and the bit rate",
            Self::NoAcknowledge => "frames are not acknowledged: is the inverter switched on, on this cable, at this bit rate?",
            Self::BusOff => "the controller has switched itself off (bus-off) after too many errors: check cable and bit rate",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::can::{Line, parse_line};

    /// As candump writes them, in both of its forms.
    const GOLDEN: [(&str, BusError); 11] = [
        ("(1436509052.249713) can0 20000004#000C000000000000", BusError::Warning),
        ("can0  20000004   [8]  00 20 00 00 00 00 88 00   ERRORFRAME", BusError::Passive),
        ("can0  20000024   [8]  00 08 00 00 00 00 60 00   ERRORFRAME", BusError::NoAcknowledge),
        ("can0  20000020   [8]  00 00 00 00 00 00 00 00   ERRORFRAME", BusError::NoAcknowledge),
        ("can0  20000040   [8]  00 00 00 00 00 00 00 00   ERRORFRAME", BusError::BusOff),
        ("can0 200000CC#0020040000000000", BusError::BusOff),
        ("can0 20000100#0000000000000000", BusError::Restarted),
        ("can0 20000004#0040000000000000", BusError::Restarted),
        ("can0 20000088#0000040000000000", BusError::Protocol),
        ("can0 20000002#0600000000000000", BusError::Other),
        ("can0 20000004#", BusError::Other),
    ];

    #[test]
    fn every_error_frame_has_its_meaning() {
        for (line, error) in GOLDEN {
            assert_eq!(parse_line(line), Ok(Line::Error(error)), "{line}");
        }
        assert_eq!(BusError::of(0x351, &[0; 8]), None);
        assert!(matches!(parse_line("can0 00000020#0000000000000000"), Ok(Line::Extended(_))), "a 29-bit id is no error");
    }
}
