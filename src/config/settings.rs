//! The settings as plain structs in the program's own units. All defaults are defined here.

use crate::bank::{self, Layout};
use crate::base::secret::Secret;
use crate::base::units::Amps;
use crate::battery::charge;
use crate::battery::soc;
use crate::generator;
use crate::link::relay::Place;
use crate::output::{can, domoticz, mqtt, rs485, web};
use std::path::PathBuf;
use std::time::Duration;

/// All settings for one battery on one port.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// BMS families to try on the port; empty = all of [`crate::bms::tested`].
    pub bms: Vec<&'static str>,
    /// Bus addresses that must answer; empty = look for one battery.
    pub addresses: Vec<u8>,
    /// Time from the start of one reading to the start of the next.
    pub poll_interval: Duration,
    /// Ports to serve if the command line names none.
    pub ports: Vec<String>,
    /// Only listen on the port.
    pub listen_only: bool,
    /// Insert requests between those of another master.
    pub active_fill: bool,
    /// Name to show; `None` = the one in the GX settings, else model and port.
    pub name: Option<String>,
    /// False = observe only: publish no limits.
    pub control: bool,
    /// The battery belongs to the bank and gives its limits to the bank only.
    pub member_of_bank: bool,
    /// The bank.
    pub bank: Bank,
    /// Charge control and silence.
    pub charge: charge::Config,
    /// State of charge and times.
    pub soc: soc::Config,
    /// The serial line.
    pub serial: Serial,
    /// Ports on Bluetooth.
    pub bluetooth: Bluetooth,
    /// The D-Bus connection.
    pub dbus: Dbus,
    /// The CAN output.
    pub can: can::Config,
    /// The RS485 output.
    pub rs485: rs485::Config,
    /// Commands to the BMS are allowed.
    pub commands: bool,
    /// The power at the grid connection.
    pub grid: GridSource,
    /// A GoodWe inverter to read: a host, `tcp://HOST`, or `auto`.
    pub goodwe: Option<String>,
    /// The battery of a partner inverter.
    pub partner: PartnerSource,
    /// Values of another device, used instead of the BMS's.
    pub external: ExternalSensor,
    /// The web server.
    pub web: web::Config,
    /// The connection to an MQTT broker.
    pub mqtt: mqtt::Config,
    /// Domoticz over HTTP, and the numbers of a battery's values there.
    pub domoticz: domoticz::Config,
    /// The generator.
    pub generator: Generator,
    /// Schneider Conext devices.
    pub conext: Conext,
    /// Folder of the state files; `None` = [`crate::config::Paths::state`].
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
            bluetooth: Bluetooth::default(),
            dbus: Dbus::default(),
            can: can::Config::default(),
            rs485: rs485::Config::default(),
            commands: false,
            grid: GridSource::default(),
            goodwe: None,
            partner: PartnerSource::default(),
            external: ExternalSensor::default(),
            web: web::Config::default(),
            mqtt: mqtt::Config::default(),
            domoticz: domoticz::Config::default(),
            generator: Generator::default(),
            conext: Conext::default(),
            state_folder: None,
        }
    }
}

/// A value on D-Bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbusValue {
    /// Name of the service; a `*` at its end matches the first service that starts with the rest.
    pub service: String,
    /// Its path.
    pub path: String,
}

/// Source of the power at the grid connection, for the oscillation guard, a partner inverter and the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GridSource {
    /// Listen to an SMA energy meter's multicast.
    pub sma_meter: bool,
    /// The only meter to listen to; `None` = any.
    pub sma_meter_serial: Option<u32>,
    /// A power on D-Bus.
    pub dbus_power: Option<DbusValue>,
    /// A topic on the MQTT broker.
    pub topic: GridTopic,
}

/// Values of another device on D-Bus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalSensor {
    /// Its current.
    pub current: Option<DbusValue>,
    /// Its SoC.
    pub soc: Option<DbusValue>,
}

/// Source of the power of a partner inverter's battery, see [`crate::battery::partner`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartnerSource {
    /// A power or a current on D-Bus.
    pub dbus_power: Option<DbusValue>,
    /// A topic with its power; `None` = not used.
    pub mqtt_topic: Option<String>,
    /// Key of a JSON object; `None` = the message is the number.
    pub mqtt_key: Option<String>,
    /// The GoodWe inverter is the source.
    pub goodwe: bool,
}

impl PartnerSource {
    /// The topic to listen to.
    pub fn source(&self) -> Option<mqtt::Source> {
        Some(mqtt::Source { topic: self.mqtt_topic.clone()?, key: self.mqtt_key.clone(), export_key: None })
    }
}

/// MQTT source of the power at the grid connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GridTopic {
    /// The topic; `None` = not used.
    pub topic: Option<String>,
    /// Key of a JSON object; `None` = the message is the number.
    pub key: Option<String>,
    /// Key of the exported power, which is subtracted.
    pub export_key: Option<String>,
}

impl GridTopic {
    /// The source to listen to.
    pub fn source(&self) -> Option<mqtt::Source> {
        let Self { topic, key, export_key } = self.clone();
        Some(mqtt::Source { topic: topic?, key, export_key })
    }
}

/// The bank of several batteries.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    /// The end of its service name.
    pub name: String,
    /// Its members: services, or the ends of their names; empty = all batteries of this driver marked as members.
    pub members: Vec<String>,
    /// `run` forms it from its own batteries.
    pub in_run: bool,
    /// How they are wired.
    pub layout: Layout,
    /// Packs are switched off for a while so that their charge becomes equal.
    pub equal_charge: bool,
    /// Maximum charge current of the bank.
    pub max_charge_current: Option<Amps>,
    /// Maximum discharge current of the bank.
    pub max_discharge_current: Option<Amps>,
}

impl Default for Bank {
    fn default() -> Self {
        Self {
            name: "bank".to_owned(),
            members: Vec::new(),
            in_run: false,
            layout: Layout::default(),
            equal_charge: false,
            max_charge_current: None,
            max_discharge_current: None,
        }
    }
}

impl From<&Settings> for bank::Config {
    fn from(set: &Settings) -> Self {
        let charge::Config { phases, silence, recovery, .. } = set.charge.clone();
        let phases = charge::PhaseConfig { eases_float_current: true, ..phases };
        Self {
            layout: set.bank.layout,
            max_charge_current: set.bank.max_charge_current,
            max_discharge_current: set.bank.max_discharge_current,
            phases,
            silence,
            recovery,
            average_over: set.soc.average_over,
            floor: set.soc.floor,
            limits_are_published: set.control,
            leave: Self::default().leave,
        }
    }
}

/// The generator: when it runs, and how it is switched.
#[derive(Debug, Clone, PartialEq)]
pub struct Generator {
    /// When it runs.
    pub rule: generator::Config,
    /// The battery or bank that decides; `None` = the bank, else the emptiest battery.
    pub battery: Option<String>,
    /// A relay that starts it.
    pub relay: Option<Place>,
    /// The relay closes at the low level of its GPIO line.
    pub relay_active_low: bool,
    /// It is switched by the AGS behind the Conext gateway.
    pub ags: bool,
    /// A topic for commands to it.
    pub topic: Option<String>,
    /// Message that starts it.
    pub message_on: String,
    /// Message that stops it.
    pub message_off: String,
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            rule: generator::Config::default(),
            battery: None,
            relay: None,
            relay_active_low: false,
            ags: false,
            topic: None,
            message_on: "ON".to_owned(),
            message_off: "OFF".to_owned(),
        }
    }
}

impl Generator {
    /// There is something to switch it with.
    pub fn has_output(&self) -> bool {
        self.relay.is_some() || self.topic.is_some() || self.ags
    }
}

/// Schneider Conext devices behind a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Conext {
    /// Name or address of the gateway; `None` = none.
    pub host: Option<String>,
    /// Its TCP port.
    pub port: u16,
    /// Units to read; empty = search the usual ones.
    pub units: Vec<u8>,
    /// Serial numbers of devices that do not tell them, as `UNIT=SERIAL`.
    pub serials: Vec<String>,
    /// Time between two readings.
    pub interval: Duration,
    /// CAN interface on their Xanbus, to listen to; `None` = none.
    pub can: Option<String>,
    /// Time to wait for an answer.
    pub timeout: Duration,
}

impl Default for Conext {
    fn default() -> Self {
        Self {
            host: None,
            port: 503,
            units: Vec::new(),
            serials: Vec::new(),
            can: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }
    }
}

impl Conext {
    /// The configured serial number of a unit.
    pub fn serial_of(&self, unit: u8) -> Option<String> {
        let pairs = self.serials.iter().filter_map(|pair| pair.split_once('='));
        pairs.filter(|(of, _)| of.trim().parse() == Ok(unit)).map(|(_, serial)| serial.trim().to_owned()).next()
    }
}

/// The serial line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serial {
    /// The kernel controls an RS485 transceiver's direction through RTS.
    pub rs485: bool,
    /// Make the USB adapter pass bytes on at once.
    pub low_latency: bool,
    /// The only baud rate to try; `None` = those of each BMS family.
    pub baud: Option<u32>,
}

/// Ports on Bluetooth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bluetooth {
    /// The adapter to use; `None` = any that is switched on.
    pub adapter: Option<String>,
    /// The password of the BMS.
    pub password: Option<Secret>,
}

/// The D-Bus connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dbus {
    /// True = exit with code 5 if the bus is absent or lost; false = keep reconnecting.
    pub required: bool,
    /// `system`, `session` or an address; `None` = the session bus if the environment names one, else the system bus.
    pub bus: Option<String>,
}

impl Default for Dbus {
    fn default() -> Self {
        Self { required: true, bus: None }
    }
}
