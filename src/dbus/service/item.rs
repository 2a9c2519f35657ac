//! An item of a battery service: its path, the source of its value, the services that have it, and the effect of a write.

use crate::control::Abilities;
use crate::dbus::value::{Format, Value};
use crate::model::{ByDirection, Snapshot, Switch};
use crate::output::api::{BatteryInfo, bank_id};

/// Effect of a write to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// None; the write is refused.
    No,
    /// Sets the custom name.
    CustomName,
    /// Resets the history.
    ClearHistory,
    /// The bank sends its member the charge current allowed without the bank.
    ShareCharge,
    /// The same for the discharge current.
    ShareDischarge,
    /// 1 switches a switch of the BMS off, 0 on; the reply follows when the BMS has confirmed it.
    Off(Switch),
    /// Selects the SoC to set.
    ResetSocTo,
    /// Sets the selected SoC.
    ResetSocToApply,
}

/// Services that have an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All.
    Always,
    /// Services that control charging.
    Controlling,
    /// Members of a bank.
    Member,
    /// All, once per cell; the path ends in the cell number.
    PerCell,
    /// Services whose SoC may differ from the BMS's.
    OwnSoc,
    /// Services whose SoC is counted.
    CountedSoc,
    /// Banks.
    Bank,
    /// Banks, once per battery; its number, from 0, replaces the `#` in the path.
    PerModule,
    /// All, once per configured SoC level; the path ends in the level.
    PerSocLevel,
    /// Services that accept commands.
    Commands,
    /// Services that accept commands for this switch.
    Switch(Switch),
    /// Services whose BMS supports setting the SoC.
    SetSoc,
}

/// Reads an item's value. The number is the index (from 0) of the cell or SoC level, if the item has one.
pub(crate) type Get = for<'a> fn(&'a Context, &'a Snapshot, usize) -> Value<'a>;

/// A row of the table of paths.
#[derive(Debug)]
pub(crate) struct Item {
    /// Path with its leading slash.
    pub(crate) path: &'static str,
    /// Text format.
    pub(crate) format: Format,
    /// Source of the value.
    pub(crate) value: Get,
    /// Services that have the item.
    pub(crate) extent: Extent,
    /// Effect of a write.
    pub(crate) writable: Writable,
}

/// Data of a service that is constant or changed by its owner only.
///
/// [`BatteryInfo`] is the same for the views of all outputs, also of banks and of batteries without a service. It lacks what only
/// the paths of a service need, and its role: a service may have to publish limits in place of its bank, while the battery still
/// belongs to that bank.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    /// Name of the program.
    pub process_name: String,
    /// Its version.
    pub process_version: String,
    /// Connection of the battery: `Serial ttyUSB0`, `TCP 10.0.0.5:23`.
    pub connection: String,
    /// `JBD BMS`; shown if there is no custom name.
    pub product_name: String,
    /// Manufacturer of the BMS.
    pub manufacturer: Option<String>,
    /// BMS family.
    pub family: Option<String>,
    /// Serial number, or another identifier of this battery.
    pub serial: Option<String>,
    /// Custom name set by the owner; may be empty.
    pub custom_name: String,
    /// `/DeviceInstance`.
    pub device_instance: u16,
    /// It is a bank.
    pub is_bank: bool,
    /// The service sets limits (false: it only observes, or is a member of a bank).
    pub control: bool,
    /// Number of cells with their own paths.
    pub cells: usize,
    /// The published SoC may differ from the BMS's: it is counted, capped or held.
    pub own_soc: bool,
    /// The published SoC is counted.
    pub counted_soc: bool,
    /// SoC levels in % with a forecast.
    pub soc_levels: Vec<u8>,
    /// The bank of the battery, by the end of its service name.
    pub bank: Option<String>,
    /// The same if it is in another process: the battery publishes limits in its place while it is gone.
    pub member_of: Option<String>,
    /// The last share sent by the bank, A.
    pub share: ByDirection<Option<f64>>,
    /// Supported commands; none unless they are enabled.
    pub commands: Abilities,
    /// The SoC selected in a GUI, %.
    pub soc_to_set: Option<i32>,
    /// Group of the battery below `/Settings/Devices` of `com.victronenergy.settings`, if it has charge settings there.
    pub settings_group: Option<String>,
}

impl Context {
    /// The facts for a view of the battery `id`, which is on the bus as `service`.
    pub(crate) fn info(&self, id: &str, service: &str) -> BatteryInfo {
        BatteryInfo {
            id: id.to_owned(),
            custom_name: self.custom_name.clone(),
            service: Some(service.to_owned()),
            connection: self.connection.clone(),
            product: self.product_name.clone(),
            instance: Some(self.device_instance),
            bank: self.bank.as_deref().map(bank_id),
            control: self.tells_limits(),
            commands: self.commands,
        }
    }

    /// The limits are in use, by Venus OS or by the bank.
    pub(crate) fn tells_limits(&self) -> bool {
        self.control || self.bank.is_some()
    }
}
