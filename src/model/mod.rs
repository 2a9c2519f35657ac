//! What the parts of the program say to each other: `Reading` (what the BMS said), `Snapshot` (everything a sink shows).
//!
//! Unknown is `None` (or an empty list), never 0 and never an old value. Positive current charges.

mod alarm;
mod bank;
mod command;
mod gx_setting;
mod history;
mod limits;
mod line;
mod reading;
mod replies;
mod settings;
mod snapshot;

pub use alarm::{Alarm, AlarmName, Level};
pub use bank::{Modules, Part, Reasons};
pub use command::{Command, NoCommand, Outcome, Switch, Wait};
pub use gx_setting::GxSetting;
pub use history::History;
pub use limits::{Limit, Limits, Mode};
pub use line::{LineState, LinkStats};
pub use reading::{Awaited, Reading};
pub use replies::{Replies, Share};
pub use settings::{BmsSettings, Chemistry};
pub use snapshot::{Derived, Freshness, Owner, Snapshot};
