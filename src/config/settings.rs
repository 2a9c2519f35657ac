//! What a configuration means: plain structs in the program's own units. The defaults stand here and nowhere else.

use crate::bank::{self, Layout};
use crate::charge;
use crate::sink::{can, domoticz, mqtt, web};
use crate::soc;
use crate::units::Amps;
use std::path::PathBuf;
use std::time::Duration;

/// All settings for one battery on one port.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Names of the BMS families that may be on the port; empty = all of [`crate::bms::DRIVERS`].
    pub bms: Vec<&'static str>,
    /// Bus addresses that must answer; empty = look for one battery.
    pub addresses: Vec<u8>,
    /// Time from the start of one reading to the start of the next.
    pub poll_interval: Duration,
    /// Ports to serve when the command line names none.
    pub ports: Vec<String>,
    /// Nothing is sent on the port.
    pub listen_only: bool,
    /// Requests are put in between those of another master.
    pub active_fill: bool,
    /// Name to show; `None` = the one in the GX settings, else model and port.
    pub name: Option<String>,
    /// False = observe: no limits are published.
    pub control: bool,
    /// The battery belongs to the bank: it tells its limits to the bank alone.
    pub member_of_bank: bool,
    /// The bank.
    pub bank: Bank,
    /// Charge control and silence.
    pub charge: charge::Config,
    /// State of charge and times.
    pub soc: soc::Config,
    /// The serial line.
    pub serial: Serial,
    /// The D-Bus connection.
    pub dbus: Dbus,
    /// The output over CAN.
    pub can: can::Config,
    /// The BMS may be given commands.
    pub commands: bool,
    /// An SMA energy meter's multicast is listened to, for the oscillation guard.
    pub sma_meter: bool,
    /// The only meter to listen to; `None` = any.
    pub sma_meter_serial: Option<u32>,
    /// A power on D-Bus, for the oscillation guard.
    pub dbus_power: Option<DbusPower>,
    /// The web server.
    pub web: web::Config,
    /// A topic with the grid's power, for the same.
    pub grid_topic: GridTopic,
    /// The connection to an MQTT broker.
    pub mqtt: mqtt::Config,
    /// Domoticz over HTTP, and the numbers of a battery's values there.
    pub domoticz: domoticz::Config,
    /// Folder of the state files; `None` = [`super::Places::state`].
    pub state_folder: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bms: Vec::new(),
            addresses: Vec::new(),
            poll_interval: Duration::from_secs(1),
            ports: Vec::new(),
            listen_only: false,
            active_fill: false,
            name: None,
            control: true,
            member_of_bank: false,
            bank: Bank::default(),
            charge: charge::Config::default(),
            soc: soc::Config::default(),
            serial: Serial::default(),
            dbus: Dbus::default(),
            can: can::Config::default(),
            commands: false,
            sma_meter: false,
            sma_meter_serial: None,
            dbus_power: None,
            web: web::Config::default(),
            grid_topic: GridTopic::default(),
            mqtt: mqtt::Config::default(),
            domoticz: domoticz::Config::default(),
            state_folder: None,
        }
    }
}

/// A value on D-Bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbusPower {
    /// Name of the service; one that ends with `*` is the first that begins so.
    pub service: String,
    /// Its path.
    pub path: String,
}

/// Where the power at the grid connection stands on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GridTopic {
    /// The topic; `None` = it is not listened to.
    pub topic: Option<String>,
    /// Key of a JSON object; `None` = the message is the number.
    pub key: Option<String>,
    /// Key of the power to the grid, which is subtracted.
    pub export_key: Option<String>,
}

impl GridTopic {
    /// The source to listen to.
    pub fn source(&self) -> Option<mqtt::Source> {
        let Self { topic, key, export_key } = self.clone();
        Some(mqtt::Source { topic: topic?, key, export_key })
    }
}

/// The bank that batteries form together.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// The end of its service name.
    pub name: String,
    /// Its members: services, or the ends of their names; empty = all batteries of this driver that are marked as members.
    pub members: Vec<String>,
    /// `run` forms it of its own batteries.
    pub in_run: bool,
    /// How they are wired.
    pub layout: Layout,
    /// Most that the bank may be charged with.
    pub max_charge_current: Option<Amps>,
    /// Most that may be drawn from the bank.
    pub max_discharge_current: Option<Amps>,
}

impl Default for Bank {
    fn default() -> Self {
        Self {
            name: "bank".to_owned(),
            members: Vec::new(),
            in_run: false,
            layout: Layout::default(),
            max_charge_current: None,
            max_discharge_current: None,
        }
    }
}

impl From<&Settings> for bank::Config {
    fn from(set: &Settings) -> Self {
        let charge::Config { phases, silence, recovery, .. } = set.charge.clone();
        Self {
            layout: set.bank.layout,
            max_charge_current: set.bank.max_charge_current,
            max_discharge_current: set.bank.max_discharge_current,
            phases,
            silence,
            recovery,
            average_over: set.soc.average_over,
            floor: set.soc.floor,
            ..Self::default()
        }
    }
}

/// The serial line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serial {
    /// The kernel switches an RS485 transceiver's direction through RTS.
    pub rs485: bool,
    /// Ask the USB adapter to pass bytes on at once.
    pub low_latency: bool,
    /// The only baud rate to try; `None` = those that each BMS family uses.
    pub baud: Option<u32>,
}

/// The D-Bus connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dbus {
    /// True = end with exit code 5 when the bus is absent or lost; false = connect again for ever.
    pub required: bool,
    /// `system`, `session` or an address; `None` = the session bus if the environment names one, else the system bus.
    pub bus: Option<String>,
}

impl Default for Dbus {
    fn default() -> Self {
        Self { required: true, bus: None }
    }
}
