//! What tells the protocols apart.

/// Features of the frames received so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks {
    /// 0x359 or 0x35C.
    pub(super) pylontech: bool,
    /// Frames that only Victron's protocol has.
    pub(super) victron: bool,
    /// Modules and cells, 0x372 to 0x377.
    pub(super) cells: bool,
    /// Alarms in pairs of bits, 0x35A.
    pub(super) pairs: bool,
    /// 0x354 has the capacities.
    pub(super) capacities: bool,
    /// Cell voltages in 0x355, or a capacity in 0x359.
    pub(super) luxpower: bool,
    /// 0x311.
    pub(super) growatt: bool,
    /// 0x350 or 0x352.
    pub(super) afore: bool,
}

impl Marks {
    /// The profile, given the maker's name.
    pub(super) fn profile(self, maker: &str) -> Option<&'static str> {
        match self {
            Self { growatt: true, .. } => Some("growatt"),
            Self { luxpower: true, .. } => Some("luxpower"),
            Self { pylontech: true, pairs, cells, .. } if pairs || cells => Some("pylontech-2"),
            Self { pylontech: true, .. } => Some("pylontech"),
            Self { victron, cells, .. } if victron || cells => Some("victron"),
            Self { pairs: true, .. } if maker.starts_with("PYLON") => Some("pylontech-1.3"),
            Self { pairs: true, .. } => Some("sma"),
            _ => None,
        }
    }
}
