//! Data types shared by all parts of the program: `Reading` (values of the BMS), `Snapshot` (everything an output shows).
//!
//! Unknown is `None` (or an empty list), never 0 and never an old value. Positive current charges.

mod alarm;
mod assumption;
mod bank;
mod cell_health;
mod charge_excess;
mod command;
mod gx_setting;
mod history;
mod house_device;
mod limits;
mod link_stats;
mod production_date;
pub mod quantity;
mod reading;
mod reply_rates;
mod settings;
mod snapshot;
mod table;

pub use alarm::{Alarm, AlarmName, Level};
pub use assumption::{
    Assumption, DAREN_FETS, EG4_LL_CURRENT, JK_CAN_DIRECTION, Open, OpenValue, PYLONTECH_CAPACITY, PYLONTECH_CURRENT, QUESTIONS,
    Question, RENOGY_CURRENT, RV_C_DIRECTION, SEPLOS_HOT_MOSFETS,
};
pub use bank::{
    BankModule, BankSummary, ChargeSpread, Confidence, LimitingBattery, MemberInfo, PackSwitch, Reasons, SwitchingState,
};
pub use cell_health::{
    BatteryEstimates, Cause, CellEstimates, CellHealth, Certainty, ESTIMATED_SOH, Estimate, Estimates, Finding, FindingKind,
};
pub use charge_excess::{CHARGE_EXCESS_REMEDY, ChargeExcess};
pub use command::{Command, Outcome, Reply, Switch};
pub use gx_setting::GxSetting;
pub use history::{Discharges, History, OpenCycle};
pub use house_device::{DeviceInfo, DeviceKind, DeviceValue, HouseDevice, Quantity};
pub use limits::{ByDirection, Limit, LimitingCells, Limits, Mode};
pub use link_stats::{LineState, LinkStats};
pub use production_date::ProductionDate;
pub use reading::{Awaited, Balancing, Device, Fets, Reading, ReadingFields, Temperatures};
pub use reply_rates::{ReplyRates, SuccessRate};
pub use settings::{BmsSettings, BmsSettingsFields, Chemistry};
pub use snapshot::{ActiveOverride, Derived, Freshness, Snapshot, SwitchOff, UserOverrides};
pub use table::{FieldInfo, Lasting};
