//! What an item of a battery service is: a path, where its value comes from, who has it, what a write to it does.

use super::value::{Format, Value};
use crate::commands::Abilities;
use crate::model::{Snapshot, Switch};

/// What a write to a path does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// Nothing; it is refused.
    No,
    /// Names the battery.
    CustomName,
    /// Starts the history afresh.
    ClearHistory,
    /// The bank tells its member what to allow when the bank is gone: charge current.
    ShareCharge,
    /// As above, discharge current.
    ShareDischarge,
    /// 1 puts a switch of the BMS off, 0 on; answered when the BMS has shown that it did.
    Off(Switch),
    /// The state of charge that is to be set.
    ResetSocTo,
    /// Sets it.
    ResetSocToApply,
}

/// Which services have an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All.
    Always,
    /// Those that control charging.
    Controlling,
    /// Members of a bank.
    Member,
    /// All, once per cell; the path ends in the cell's number.
    PerCell,
    /// Those whose SoC may differ from the BMS's.
    OwnSoc,
    /// Those whose SoC is counted.
    CountedSoc,
    /// All, once per configured SoC level; the path ends in the level.
    PerSocLevel,
    /// Those that take commands at all.
    Commands,
    /// Those that take commands to this switch.
    Switch(Switch),
    /// Those whose BMS can be told its SoC.
    SetSoc,
}

/// Reads an item's value. The number is the index (from 0) of the cell or SoC level where there is one per such.
pub(crate) type Get = for<'a> fn(&'a Context, &'a Snapshot, usize) -> Value<'a>;

/// A row of the table of paths.
#[derive(Debug)]
pub(crate) struct Item {
    /// Path with its leading slash.
    pub(crate) path: &'static str,
    /// How the value reads as text.
    pub(crate) format: Format,
    /// Where the value comes from.
    pub(crate) value: Get,
    /// Which services have it.
    pub(crate) extent: Extent,
    /// What a write does.
    pub(crate) writable: Writable,
}

/// What is constant for a service, or changed by its owner alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    /// Name of the program.
    pub process_name: String,
    /// Its version.
    pub process_version: String,
    /// How the battery is attached: `Serial ttyUSB0`, `TCP 10.0.0.5:23`.
    pub connection: String,
    /// `JBD BMS`; shown while there is no custom name.
    pub product_name: String,
    /// Maker of the BMS.
    pub manufacturer: Option<String>,
    /// Family of the BMS.
    pub family: Option<String>,
    /// Serial number, or whatever else tells this battery from another.
    pub serial: Option<String>,
    /// The owner's name for the battery; may be empty.
    pub custom_name: String,
    /// `/DeviceInstance`.
    pub device_instance: u16,
    /// The service sets limits (false: it observes, or it is a member of a bank).
    pub control: bool,
    /// Cells that get paths of their own.
    pub cells: usize,
    /// The SoC shown may differ from the BMS's: it is counted, capped or held.
    pub own_soc: bool,
    /// The SoC shown is counted.
    pub counted_soc: bool,
    /// SoC levels in % to which the time is shown.
    pub soc_levels: Vec<u8>,
    /// The bank that the battery belongs to, by the end of its service name.
    pub member_of: Option<String>,
    /// What the bank said last that this member may allow without it: charge and discharge current, A.
    pub share: (Option<f64>, Option<f64>),
    /// The commands that it takes; none unless they are enabled.
    pub commands: Abilities,
    /// The SoC that a GUI has chosen to set, %.
    pub soc_to_set: Option<i32>,
}

impl Context {
    /// Somebody acts on the limits: Venus OS, or the bank.
    pub(crate) fn tells_limits(&self) -> bool {
        self.control || self.member_of.is_some()
    }
}
