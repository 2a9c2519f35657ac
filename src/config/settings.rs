//! What a configuration means: plain structs in the program's own units. The defaults stand here and nowhere else.

use crate::bank::{self, Layout};
use crate::charge;
use crate::model::Chemistry;
use crate::sink::{can, domoticz, mqtt, web};
use crate::soc;
use crate::units::{AmpHours, Amps, Volts};
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
    pub charge: Charge,
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
            charge: Charge::default(),
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

/// What charge control is told. `None` = found out from the BMS, or the preset of the chemistry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Charge {
    /// Cell chemistry.
    pub chemistry: Option<Chemistry>,
    /// Most that the battery may be charged with.
    pub max_charge_current: Option<Amps>,
    /// Most that may be drawn from the battery.
    pub max_discharge_current: Option<Amps>,
    /// Cells in series.
    pub cells: Option<u8>,
    /// Installed capacity.
    pub capacity: Option<AmpHours>,
    /// Cell voltage to charge to.
    pub max_cell_voltage: Option<Volts>,
    /// Share of the configured current over an input.
    pub curves: Curves,
    /// Step tables of a replaced system in place of the curves.
    pub limits_preset: charge::Preset,
    /// Absorption, float and balancing.
    pub phases: charge::PhaseConfig,
    /// Added to the charge voltage for the loss on the way to the charger.
    pub voltage_drop: Volts,
    /// Charge current that a limit never goes below while charging is allowed.
    pub min_charge_current: Amps,
    /// Discharge current that a limit never goes below while discharging is allowed.
    pub min_discharge_current: Amps,
    /// Equal batteries in parallel of which the BMS sees one; `None` = 1.
    pub parallel_blocks: Option<u8>,
    /// What happens when data stops.
    pub silence: Silence,
    /// How limits rise again.
    pub recovery: Recovery,
    /// What is done when inverters fight.
    pub oscillation: charge::oscillation::Oscillation,
}

impl From<&Charge> for charge::Config {
    fn from(set: &Charge) -> Self {
        let curves = set.curves.clone();
        Self {
            chemistry: set.chemistry,
            max_charge_current: set.max_charge_current,
            max_discharge_current: set.max_discharge_current,
            cells: set.cells,
            capacity: set.capacity,
            max_cell_voltage: set.max_cell_voltage,
            charge_by_cell_voltage: curves.charge_by_cell_voltage,
            discharge_by_cell_voltage: curves.discharge_by_cell_voltage,
            charge_by_temperature: curves.charge_by_temperature,
            discharge_by_temperature: curves.discharge_by_temperature,
            charge_by_soc: curves.charge_by_soc,
            discharge_by_soc: curves.discharge_by_soc,
            preset: set.limits_preset,
            phases: set.phases.clone(),
            voltage_drop: set.voltage_drop,
            min_charge_current: set.min_charge_current,
            min_discharge_current: set.min_discharge_current,
            parallel_blocks: set.parallel_blocks.unwrap_or(1),
            silence: charge::Silence {
                stale: set.silence.values_after(),
                silent: set.silence.cable_warning_after(),
                lost: set.silence.cable_alarm_after(),
                fade: set.silence.charge_fade,
            },
            recovery: charge::Recovery {
                hold: set.recovery.hold,
                amps_per_s: set.recovery.ramp_a_per_s,
                volts_per_s: set.recovery.ramp_v_per_s,
            },
            oscillation: set.oscillation.clone(),
        }
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
        let charge::Config { phases, silence, recovery, .. } = charge::Config::from(&set.charge);
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

/// Points (input, share of the current limit 0 to 1), input rising, straight lines between, constant outside.
pub type Curve = Vec<(f64, f64)>;

/// The curves that were configured; `None` = the preset of the chemistry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curves {
    /// Charge current over the highest cell voltage, V.
    pub charge_by_cell_voltage: Option<Curve>,
    /// Discharge current over the lowest cell voltage, V.
    pub discharge_by_cell_voltage: Option<Curve>,
    /// Charge current over the temperature, °C.
    pub charge_by_temperature: Option<Curve>,
    /// Discharge current over the temperature, °C.
    pub discharge_by_temperature: Option<Curve>,
    /// Charge current over the state of charge, %.
    pub charge_by_soc: Option<Curve>,
    /// Discharge current over the state of charge, %.
    pub discharge_by_soc: Option<Curve>,
}

/// How cautious the times of [`Silence`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// 10, 60 and 300 s.
    #[default]
    Gentle,
    /// 10, 30 and 60 s.
    Strict,
}

/// What happens when data stops. A time that was set wins over the preset's.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Where the times come from that were not set.
    pub preset: Preset,
    /// See [`Self::values_after`].
    pub values_after_set: Option<Duration>,
    /// See [`Self::cable_warning_after`].
    pub cable_warning_after_set: Option<Duration>,
    /// See [`Self::cable_alarm_after`].
    pub cable_alarm_after_set: Option<Duration>,
    /// Time in which the charge current limit then falls to 0.
    pub charge_fade: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self {
            preset: Preset::default(),
            values_after_set: None,
            cable_warning_after_set: None,
            cable_alarm_after_set: None,
            charge_fade: Duration::from_secs(20),
        }
    }
}

impl Silence {
    /// Age at which measured values become invalid and charging fades (three reading periods where that is longer).
    pub fn values_after(&self) -> Duration {
        self.values_after_set.unwrap_or(Duration::from_secs(10))
    }
    /// Age at which the cable warning is raised and discharging is reduced.
    pub fn cable_warning_after(&self) -> Duration {
        self.cable_warning_after_set.unwrap_or(Duration::from_secs(match self.preset {
            Preset::Gentle => 60,
            Preset::Strict => 30,
        }))
    }
    /// Age at which the cable alarm is raised and discharging ends.
    pub fn cable_alarm_after(&self) -> Duration {
        self.cable_alarm_after_set.unwrap_or(Duration::from_secs(match self.preset {
            Preset::Gentle => 300,
            Preset::Strict => 60,
        }))
    }
}

/// How limits rise again after a reduction.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// Time without a further reduction before a limit rises.
    pub hold: Duration,
    /// Rise of a current limit, A/s.
    pub ramp_a_per_s: f64,
    /// Rise of the charge voltage limit of the whole battery, V/s.
    pub ramp_v_per_s: f64,
}

impl Default for Recovery {
    fn default() -> Self {
        let charge::Recovery { hold, amps_per_s, volts_per_s } = charge::Recovery::default();
        Self { hold, ramp_a_per_s: amps_per_s, ramp_v_per_s: volts_per_s }
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
