//! The one table of all keys: name, allowed values, field of [`Settings`] and description.

use super::settings::Settings;
use super::value::{Allowed, Setting, Shape};

/// Everything known about one key.
pub struct Key {
    /// Name with its table: `recovery.hold_s`.
    pub path: &'static str,
    /// The narrowest table it is allowed in.
    pub scope: KeyScope,
    /// Its description in the default file, in sentences.
    pub doc: &'static str,
    /// Example for the default file if the default is "not set", as TOML.
    pub example: &'static str,
    pub(super) allowed: Allowed,
    pub(super) field: fn(&mut Settings) -> &mut dyn Setting,
}

/// Where a key is allowed. A narrower table overrides a wider one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyScope {
    /// At the top of the file only: it applies to the whole program.
    File,
    /// Also in `[port.NAME]`.
    Port,
    /// Also in `[battery."ID"]`.
    Battery,
}

const fn key(
    path: &'static str,
    scope: KeyScope,
    allowed: Allowed,
    field: fn(&mut Settings) -> &mut dyn Setting,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, scope, doc, example, allowed, field }
}

impl Key {
    /// True if its value must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        self.allowed == Secret
    }
}

impl Key {
    /// Its default as written in a file; `None` if it is not set by default.
    pub fn default(&self) -> Option<String> {
        (self.field)(&mut Settings::default()).raw().map(|value| value.to_string())
    }

    /// Allowed values, in words; empty for any value of its type.
    pub fn range(&self) -> String {
        self.allowed.to_string()
    }
}

use Allowed::{Any, Between, Bus, Curve, Secret};
use KeyScope::{Battery, File, Port};

/// All keys, in the order of the default file: those outside of tables first.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("chemistry", Battery, Any, |s| &mut s.charge.chemistry, "\"lfp\"",
        "Cell chemistry: \"lfp\", \"nmc\", \"lto\" or \"sodium\" (sodium-ion with a layered oxide, 3.0 to 3.1 V nominal; for other \
         sodium-ion cells also set max_cell_voltage_v, 0.1 V below the charge limit of their data sheet). Not set: as reported by \
         the BMS, else LFP unless the readings contradict it."),
    key("max_charge_current_a", Battery, Between(0.0, 1000.0), |s| &mut s.charge.max_charge_current, "100.0",
        "Maximum charge current in A; never above 0.9 of the BMS's over-current protection. Not set: the smallest of that, half the \
         capacity per hour, and 50 A."),
    key("max_discharge_current_a", Battery, Between(0.0, 1000.0), |s| &mut s.charge.max_discharge_current, "120.0",
        "Maximum discharge current in A; never above 0.9 of the BMS's over-current protection. Not set: the smallest of that, half \
         the capacity per hour, and 60 A."),
    key("cells", Battery, Between(1.0, 32.0), |s| &mut s.charge.cells, "16",
        "Number of cells in series. Not set: the number reported by the BMS, the measured cells and the pack voltage must agree."),
    key("capacity_ah", Battery, Between(1.0, 10_000.0), |s| &mut s.charge.capacity, "280.0",
        "Installed capacity in Ah; remaining charge is then this times the state of charge, whatever the BMS reports. Not set: as \
         reported by the BMS."),
    key("max_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.charge.max_cell_voltage, "3.45",
        "Cell voltage in V to charge to; the charge voltage limit is this times the number of cells. Not set: by chemistry."),
    key("control", Battery, Any, |s| &mut s.control, "",
        "false = observe only: publish measured values, but no charge limits."),
    key("member_of_bank", Battery, Any, |s| &mut s.member_of_bank, "",
        "true = this battery belongs to the bank ([bank] below, `dbus-bms bank`): it publishes its values, but gives its limits to \
         the bank only. If the bank is gone for 10 s, it publishes at most its share of them."),
    key("name", Battery, Any, |s| &mut s.name, "\"Battery 1\"",
        "Initial name of the battery, until one is set on the GX device. Not set: model and port."),
    key("ports", File, Any, |s| &mut s.ports, "",
        "Ports to serve if the command line names none, such as [\"/dev/ttyUSB0\", \"tcp://10.0.0.5:23\", \
         \"ble://C8:47:8C:12:34:56\", \"can://can0\", \"mqtt://localhost/home/battery\"]. With several ports, one that fails is reopened and \
         does not stop the others."),
    key("bms", Port, Any, |s| &mut s.bms, "",
        "BMS families to try, such as [\"jbd\"]. Empty: all but those that are untested."),
    key("addresses", Port, Any, |s| &mut s.addresses, "",
        "Addresses of the batteries on one cable, such as [1, 2]; each becomes a separate battery. Empty: search for batteries."),
    key("listen_only", Port, Any, |s| &mut s.listen_only, "",
        "true = send nothing on this port; only listen to the batteries that another master polls (a JK PB chain with a board at \
         address 0). If false, the driver still listens first and sends nothing where it hears a master."),
    key("active_fill", Port, Any, |s| &mut s.active_fill, "",
        "true = on a line with a master, insert requests between its own for values that it never polls (model, serial number) or \
         that are overdue, and poll the batteries from here if the master disappears."),
    key("poll_interval_s", Port, Between(0.2, 60.0), |s| &mut s.poll_interval, "",
        "Time in s from the start of one reading to the start of the next."),
    key("charge_by_cell_voltage", Battery, Curve(1.5, 4.3, "V", Shape::FallingToZero), |s| &mut s.charge.charge_by_cell_voltage,
        "[[3.40, 1.0], [3.50, 0.25], [3.60, 0.0]]",
        "Share of the charge current over the highest cell voltage in V, in pairs [V, share]. Linear between the points, constant \
         outside. Must end above the charge voltage. Not set: by chemistry, as for the other cell and temperature curves."),
    key("discharge_by_cell_voltage", Battery, Curve(0.5, 4.3, "V", Shape::Rising), |s| &mut s.charge.discharge_by_cell_voltage,
        "[[2.80, 0.0], [3.00, 0.25], [3.10, 1.0]]",
        "Share of the discharge current over the lowest cell voltage in V."),
    key("charge_by_temperature", Battery, Curve(-50.0, 100.0, "°C", Shape::Free), |s| &mut s.charge.charge_by_temperature,
        "[[0, 0.0], [10, 1.0], [40, 1.0], [50, 0.0]]",
        "Share of the charge current over the temperature in °C, applied to both the coldest and the hottest sensor."),
    key("discharge_by_temperature", Battery, Curve(-50.0, 100.0, "°C", Shape::Free), |s| &mut s.charge.discharge_by_temperature,
        "[[-20, 0.0], [0, 1.0], [45, 1.0], [55, 0.0]]",
        "Share of the discharge current over the temperature in °C."),
    key("charge_by_soc", Battery, Curve(0.0, 100.0, "%", Shape::Falling), |s| &mut s.charge.charge_by_soc,
        "[[90, 1.0], [100, 0.1]]",
        "Share of the charge current over the state of charge in %. Not set: no limit."),
    key("discharge_by_soc", Battery, Curve(0.0, 100.0, "%", Shape::Rising), |s| &mut s.charge.discharge_by_soc,
        "[[5, 0.0], [20, 1.0]]",
        "Share of the discharge current over the state of charge in %. Not set: no limit."),
    key("temperature_names", Battery, Any, |s| &mut s.charge.sensors.names, "",
        "Names of the temperature sensors in the BMS's order, such as [\"Cells 1-8\", \"\", \"Fuse\"]; \"\" = no name."),
    key("temperature_offsets_c", Battery, Between(-20.0, 20.0), |s| &mut s.charge.sensors.offsets, "",
        "Corrections of the temperature sensors in °C, in the BMS's order, such as [0, -1.5]; added to what a sensor measures."),
    key("temperatures_ignored", Battery, Between(1.0, 32.0), |s| &mut s.charge.sensors.ignored, "",
        "Numbers of temperature sensors, from 1 in the BMS's order, that measure something else than cells (a fuse, the room) or are \
         broken, such as [3]. They are shown, but limit nothing and raise no alarm here; alarms of the BMS remain. If all sensors are \
         named, all of them count."),
    key("mos_temperature_offset_c", Battery, Between(-20.0, 20.0), |s| &mut s.charge.sensors.mos_offset, "",
        "Correction of the MOSFET temperature in °C."),
    key("soc", Battery, Any, |s| &mut s.soc.source, "",
        "State of charge: \"bms\" = as reported by the BMS; \"counted\" = counted from the current, starting at the BMS's value and \
         set to 100 and 0 % when the battery is full and empty. Charge limits by SoC then use the higher of both values, discharge \
         limits the lower. A low-SoC alarm of the BMS then counts only up to 20 %, or up to the BMS's own SoC; for thresholds of your \
         own see below."),
    key("low_soc_warning_pct", Battery, Between(0.0, 100.0), |s| &mut s.soc.low_warning, "20.0",
        "State of charge in %, as shown, up to which a low-SoC warning is raised; 0 = never. With this or the next setting the BMS's \
         own low-SoC alarm does not count. Not set: the BMS decides, if it has such an alarm."),
    key("low_soc_alarm_pct", Battery, Between(0.0, 100.0), |s| &mut s.soc.low_alarm, "10.0",
        "The same for the low-SoC alarm; not above the warning."),
    key("soc_full_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.soc.full_cell, "3.45",
        "Mean cell voltage in V at which the battery is full once the current is small. Not set: the voltage charged to."),
    key("soc_full_tail_current_c", Battery, Between(0.001, 0.5), |s| &mut s.soc.tail_c, "",
        "Tail current that counts as small, as a fraction of the capacity: 0.04 is 4 A at 100 Ah."),
    key("soc_full_after_s", Battery, Between(10.0, 3600.0), |s| &mut s.soc.full_after, "",
        "Time in s for which voltage and tail current must hold."),
    key("soc_empty_cell_voltage_v", Battery, Between(1.0, 4.0), |s| &mut s.soc.empty_cell, "2.9",
        "Voltage in V of the lowest cell at which the battery is empty while discharging. Not set: by chemistry."),
    key("soc_empty_after_s", Battery, Between(10.0, 3600.0), |s| &mut s.soc.empty_after, "",
        "Time in s for which the lowest cell must stay at that voltage."),
    key("soc_caps", Battery, Curve(1.0, 4.3, "V", Shape::RisingTo100), |s| &mut s.soc.caps,
        "[[2.9, 5], [3.0, 15], [3.1, 30], [3.2, 100]]",
        "Highest plausible state of charge in % at a mean cell voltage in V, in pairs [V, %]; applies under load and at rest. \
         Linear between the points, constant outside. Not set: no cap."),
    key("soc_hold_below_full", Battery, Any, |s| &mut s.soc.hold_below_full, "",
        "true = show at most 98 % until the battery was full, so that an inverter does not stop charging early."),
    key("current_correction", Battery, Curve(-1000.0, 1000.0, "reported current in A", Shape::Correction), |s| &mut s.soc.correction,
        "[[-100, -98.5], [0, 0.3], [100, 99.0]]",
        "Calibration of the BMS's current, in pairs [reported, real] in A; positive charges. The corrected value is shown and \
         counted. Linear between the points and beyond them. Not set: as reported."),
    key("current_average_s", Battery, Between(1.0, 3600.0), |s| &mut s.soc.average_over, "",
        "Averaging time in s of the current for the time-to-go values."),
    key("time_to_go_soc_floor_pct", Battery, Between(0.0, 90.0), |s| &mut s.soc.floor, "",
        "State of charge in % at which time-to-go reaches 0."),
    key("time_to_soc_levels_pct", Battery, Between(0.0, 100.0), |s| &mut s.soc.levels, "",
        "States of charge in % to show the remaining time for, such as [20, 80, 100]."),
    key("limits_preset", Battery, Any, |s| &mut s.charge.preset, "",
        "\"curves\"; or the step tables of a previous system: \"serialbattery-soc-steps\" = over the state of charge as in the \
         first dbus-serialbattery, in addition to the curves; \"cell-steps\" = over the cell voltage, replacing the cell curves."),
    key("voltage_drop_v", Battery, Between(0.0, 2.0), |s| &mut s.charge.voltage_drop, "",
        "Voltage drop in V between battery and charger; added to the charge voltage limit."),
    key("min_charge_current_a", Battery, Between(0.0, 10.0), |s| &mut s.charge.min_charge_current, "",
        "Minimum charge current limit in A where only the curves of state of charge and cell voltage ask for less, for inverters \
         that misread 0 A. Temperature, a cell at its maximum, the BMS and missing data still give 0."),
    key("min_discharge_current_a", Battery, Between(0.0, 10.0), |s| &mut s.charge.min_discharge_current, "",
        "Minimum discharge current limit in A where only the curves of state of charge and cell voltage ask for less, for inverters \
         that misread 0 A. Temperature, an empty cell, the BMS and missing data still give 0."),
    key("parallel_blocks", Battery, Between(1.0, 16.0), |s| &mut s.charge.parallel_blocks, "",
        "Number of equal batteries in parallel of which this BMS measures one: currents, capacities and limits are multiplied by it \
         and are then estimates."),
    key("assume", Battery, Any, |s| &mut s.charge.assume, "",
        "What you found out about values that descriptions of the BMS contradict each other about, such as \
         [\"daren-fet-bit-0-is-charge\"]. Until then they are unknown, and a note of the reading names the two answers. \
         docs/unknown-values.md lists them all."),
    key("phases.enabled", Battery, Any, |s| &mut s.charge.phases.enabled, "",
        "false = stay at the charge voltage forever: no absorption, no float."),
    key("phases.float_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.charge.phases.float_cell_voltage, "3.375",
        "Cell voltage in V during float. Not set: by chemistry."),
    key("phases.absorption_s", Battery, Between(0.0, 36_000.0), |s| &mut s.charge.phases.absorption, "",
        "Absorption time in s at the charge voltage, summed over interruptions of a charge; float follows once the cells are level \
         or the current is down to the tail current."),
    key("phases.longest_absorption_s", Battery, Between(60.0, 86_400.0), |s| &mut s.charge.phases.longest_absorption, "",
        "Maximum absorption time in s, summed in the same way, so that an imbalanced battery also reaches float."),
    key("phases.level_spread_v", Battery, Between(0.001, 0.2), |s| &mut s.charge.phases.level_spread, "",
        "Difference in V between the highest and the lowest cell that counts as level."),
    key("phases.tail_current_c", Battery, Between(0.0, 0.5), |s| &mut s.charge.phases.tail_c, "",
        "Tail current that counts as full, as a fraction of the capacity: 0.02 = 5.6 A for 280 Ah."),
    key("phases.rebulk_soc_pct", Battery, Between(0.0, 100.0), |s| &mut s.charge.phases.rebulk_soc, "",
        "State of charge in % below which float ends and bulk charging starts again."),
    key("phases.float_ramp_v_per_s", Battery, Between(0.0001, 1.0), |s| &mut s.charge.phases.float_ramp, "",
        "Fall of the charge voltage limit on its way to float, in V per second for the whole battery."),
    key("phases.float_follows_pack", Battery, Any, |s| &mut s.charge.phases.float_follows_pack, "",
        "true = never lower the charge voltage limit below the pack voltage, on the way to float or because of a high cell (some \
         inverters discharge then), unless a cell is 0.1 V too high."),
    key("phases.follow_margin_v", Battery, Between(0.0, 1.0), |s| &mut s.charge.phases.follow_margin, "",
        "With float_follows_pack: margin in V above the pack voltage, for inverters that measure more than the BMS. While no charge \
         current is allowed, the limit is the pack voltage without a margin."),
    key("phases.balance_every_days", Battery, Between(1.0, 365.0), |s| &mut s.charge.phases.balance_every_days, "14",
        "Days between charges to a higher voltage, which let the BMS balance and recalibrate its state of charge. Not set: never."),
    key("phases.balance_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.charge.phases.balance_cell_voltage, "3.55",
        "Cell voltage in V of such a balancing charge. Not set: by chemistry."),
    key("silence.preset", Battery, Any, |s| &mut s.charge.silence.preset, "",
        "Times until the driver reacts to missing data: \"gentle\" = 10, 60, 300 s; \"strict\" = 10, 30, 60 s for the three \
         settings below."),
    key("silence.values_after_s", Battery, Between(2.0, 120.0), |s| &mut s.charge.silence.values_after_set, "10.0",
        "Age of the data in s at which measured values become invalid and the charge current starts to fade. At least three reading \
         periods."),
    key("silence.cable_warning_after_s", Battery, Between(2.0, 3600.0), |s| &mut s.charge.silence.cable_warning_after_set, "60.0",
        "Age of the data in s at which the cable warning is raised and the discharge current reduced."),
    key("silence.cable_alarm_after_s", Battery, Between(2.0, 3600.0), |s| &mut s.charge.silence.cable_alarm_after_set, "300.0",
        "Age of the data in s at which the cable alarm is raised and discharging stops."),
    key("silence.charge_fade_s", Battery, Between(0.0, 60.0), |s| &mut s.charge.silence.charge_fade, "",
        "Time in s in which the charge current limit falls to 0 once values are invalid."),
    key("recovery.hold_s", Battery, Between(0.0, 3600.0), |s| &mut s.charge.recovery.hold, "",
        "Time in s without a further reduction before a limit rises again."),
    key("recovery.ramp_a_per_s", Battery, Between(0.01, 1000.0), |s| &mut s.charge.recovery.amps_per_s, "",
        "Rise of the current limits in A per second."),
    key("recovery.ramp_v_per_s", Battery, Between(0.0001, 1.0), |s| &mut s.charge.recovery.volts_per_s, "",
        "Rise of the charge voltage limit of the whole battery in V per second."),
    key("serial.baud", Port, Between(1200.0, 1_000_000.0), |s| &mut s.serial.baud, "9600",
        "The only baud rate to try, for a board with an unusual setting. Not set: those of the BMS families. JK PB boards are \
         polled at 115200 only."),
    key("serial.rs485", Port, Any, |s| &mut s.serial.rs485, "",
        "true = control the direction of an RS485 transceiver through RTS; USB adapters do this on their own."),
    key("serial.low_latency", Port, Any, |s| &mut s.serial.low_latency, "",
        "true = make an FTDI adapter pass bytes on at once."),
    key("bluetooth.adapter", Port, Any, |s| &mut s.bluetooth.adapter, "\"hci1\"",
        "Bluetooth adapter for ports such as \"ble://C8:47:8C:12:34:56\". Not set: any that is switched on. See docs/bluetooth.md."),
    key("bluetooth.password", Port, Secret, |s| &mut s.bluetooth.password, "\"…\"",
        "Password of a JBD board on Bluetooth, as in its app. Not set: none is sent."),
    key("bank.name", File, Any, |s| &mut s.bank.name, "",
        "Name of the bank: its service is com.victronenergy.battery.NAME. Letters, digits and _ only."),
    key("bank.members", File, Any, |s| &mut s.bank.members, "",
        "Batteries of the bank by the ends of their service names, such as [\"ttyUSB0\", \"ttyUSB1__2\"], or by full service names; \
         batteries of other drivers work, too. Empty: all batteries with member_of_bank."),
    key("bank.in_run", File, Any, |s| &mut s.bank.in_run, "",
        "true = `dbus-bms run` with several ports forms the bank itself, of its batteries with member_of_bank, and shows it beside \
         them; this needs no D-Bus. false = `dbus-bms bank` forms it from the batteries on D-Bus."),
    key("bank.layout", File, Any, |s| &mut s.bank.layout, "",
        "\"parallel\" = batteries in parallel: currents add up; \"series\" = batteries in series: voltages add up."),
    key("bank.equal_charge", File, Any, |s| &mut s.bank.equal_charge, "",
        "true = switches charging of the fullest pack, or discharging of the emptiest, off for up to two hours while their charge \
         differs by 5 % or more. Needs `in_run`, batteries in parallel and [commands] enabled. See docs/bank.md."),
    key("bank.max_charge_current_a", File, Between(0.0, 5000.0), |s| &mut s.bank.max_charge_current, "200.0",
        "Maximum charge current in A of the whole bank, given by its fuse and cables. Not set: as its batteries allow."),
    key("bank.max_discharge_current_a", File, Between(0.0, 5000.0), |s| &mut s.bank.max_discharge_current, "300.0",
        "Maximum discharge current in A of the whole bank. Not set: as its batteries allow."),
    key("dbus.required", File, Any, |s| &mut s.dbus.required, "",
        "true = exit with code 5 if D-Bus is absent or lost (serial-starter then restarts the driver); false = keep reconnecting."),
    key("dbus.bus", File, Bus, |s| &mut s.dbus.bus, "\"system\"",
        "\"system\", \"session\" or an address. Not set: the session bus if the environment names one, else the system bus."),
    key("oscillation.sma_meter", File, Any, |s| &mut s.grid.sma_meter, "",
        "true = listen to the multicast of an SMA energy meter at the grid connection: if its power keeps changing sign because two \
         inverters work against each other, the current limits are reduced for a while."),
    key("oscillation.sma_meter_serial", File, Any, |s| &mut s.grid.sma_meter_serial, "1900000001",
        "Serial number of the meter to use. Not set: any."),
    key("oscillation.dbus_power", File, Any, |s| &mut s.grid.dbus_power, "\"com.victronenergy.grid.*/Ac/Power\"",
        "The same with a power on D-Bus, read once a second: service and path. A * at the end of the service matches the first \
         service that starts with the rest; for another battery use, for example, \"com.victronenergy.battery.ttyUSB1/Dc/0/Power\"."),
    key("oscillation.mqtt_topic", File, Any, |s| &mut s.grid.topic.topic, "\"meter/power\"",
        "The same with a topic on the broker of [mqtt]: power in W at the grid connection, positive from the grid. Not set: none."),
    key("oscillation.mqtt_key", File, Any, |s| &mut s.grid.topic.key, "\"power\"",
        "Key of the power if the message is a JSON object; \"a.b\" for a nested one. Not set: the message is the number."),
    key("oscillation.mqtt_export_key", File, Any, |s| &mut s.grid.topic.export_key, "\"psupply\"",
        "Key of the exported power, for meters that report both directions separately; it is subtracted. Not set: none."),
    key("oscillation.threshold_w", Battery, Between(10.0, 10_000.0), |s| &mut s.charge.oscillation.threshold, "",
        "Power in W that a value must exceed, in either direction, to count."),
    key("oscillation.window", Battery, Between(4.0, 60.0), |s| &mut s.charge.oscillation.window, "",
        "Number of recent values to look at; the meter sends one per second."),
    key("oscillation.crossings", Battery, Between(1.0, 29.0), |s| &mut s.charge.oscillation.crossings, "",
        "Number of values that must be exceeded on each side of 0."),
    key("oscillation.reduction", Battery, Between(1.0, 10.0), |s| &mut s.charge.oscillation.reduction, "",
        "Divisor for the current limits."),
    key("oscillation.pause_s", Battery, Between(10.0, 3600.0), |s| &mut s.charge.oscillation.pause, "",
        "Duration of a reduction in s, and the minimum time between two."),
    key("goodwe.address", File, Any, |s| &mut s.goodwe, "\"192.168.1.30\"",
        "GoodWe inverter to read over the local network (docs/goodwe.md): its address, \"tcp://192.168.1.30\" for a dongle with Modbus \
         TCP, or \"auto\" to search for it. It is only read. Not set: none."),
    key("partner.dbus_power", File, Any, |s| &mut s.partner.dbus_power, "\"com.victronenergy.battery.ttyUSB1/Dc/0/Power\"",
        "Battery of a second inverter at the same grid connection, as service and path of its power in W, or of its current in A if the \
         path ends in Current; positive charges. While it charges, the discharge limit falls to what the house needs, and the other way \
         round, so that the batteries do not charge each other. Needs a source of the grid power in [oscillation]. Not set: none."),
    key("partner.mqtt_topic", File, Any, |s| &mut s.partner.mqtt_topic, "\"shed/battery/power\"",
        "The same with a topic on the broker of [mqtt]: power in W, positive charges. Not set: none."),
    key("partner.mqtt_key", File, Any, |s| &mut s.partner.mqtt_key, "\"power\"",
        "Key of the power if the message is a JSON object; \"a.b\" for a nested one. Not set: the message is the number."),
    key("partner.goodwe", File, Any, |s| &mut s.partner.goodwe, "",
        "true = the same with the inverter of goodwe.address."),
    key("partner.shares_battery", File, Any, |s| &mut s.charge.partner.shares_battery, "",
        "true = the second inverter is on the same battery: its current is part of the BMS's."),
    key("external_sensor.current", Battery, Any, |s| &mut s.external.current, "\"com.victronenergy.battery.ttyS5/Dc/0/Current\"",
        "Current in A of another device on D-Bus, such as a SmartShunt, as service and path, read once a second; positive charges. It is \
         shown and counted instead of the BMS's; the limits use the higher of both. If it is older than 10 s, impossible, or contradicts \
         the BMS for half a minute, the BMS's is used. Not set: none."),
    key("external_sensor.soc", Battery, Any, |s| &mut s.external.soc, "\"com.victronenergy.battery.ttyS5/Soc\"",
        "State of charge in % of another device, likewise. Charge limits by state of charge use the higher of both values, discharge \
         limits the lower. With soc = \"counted\" the count starts at this value. Not set: none."),
    key("commands.enabled", Battery, Any, |s| &mut s.commands, "",
        "true = allow commands to the BMS (charge and discharge switch, balancer, state of charge, as far as its family supports \
         them) and temporary limits, over D-Bus and by `dbus-bms set` and `override`. Everything on D-Bus can also be reached over \
         the GX's MQTT and network. See docs/commands.md."),
    key("can.interface", Battery, Any, |s| &mut s.can.interface, "\"can0\"",
        "CAN interface of the inverter. Not set: no CAN output. An interface carries one battery: with several, set it in \
         [battery.\"ID\"], or form a bank, which is then sent as one battery."),
    key("can.profile", Battery, Any, |s| &mut s.can.profile, "",
        "Protocol of the inverter: \"pylontech\" (most hybrid inverters), \"pylontech-1.3\" (newer), \"pylontech-2\" (GoodWe, Solis, SRNE, \
         Studer, Schneider), \"sma\" (Sunny Island), \"victron\" (CAN-bms), \"luxpower\" (LuxPower, EG4), \"growatt\" (L51), \
         \"sol-ark\" (voltage in 0.1 V; Sol-Ark may also take \"pylontech-2\")."),
    key("can.pad", Battery, Any, |s| &mut s.can.pad, "",
        "true = fill all frames up to 8 bytes, for inverters that take no others. \"pylontech-2\", \"luxpower\", \"growatt\" and \"sol-ark\" always do."),
    key("can.manufacturer", Battery, Any, |s| &mut s.can.manufacturer, "\"PYLON\"",
        "Manufacturer name to send, up to 8 letters; some inverters choose their rules by it. Not set: that of the profile."),
    key("can.module_count", Battery, Between(1.0, 255.0), |s| &mut s.can.module_count, "1",
        "Number of modules to send. Not set: 1; for a bank, the number of batteries with fresh data."),
    key("can.alarms", Battery, Any, |s| &mut s.can.alarms, "",
        "\"alarms\" = send alarms as alarms, on which most inverters stop; \"warnings\" = as warnings, which inverters only show."),
    key("can.sma_current_sign", Battery, Any, |s| &mut s.can.sma_current_sign, "",
        "Sign of the current in the profile \"sma\": \"charge\" = positive charges, as in all others; \"discharge-positive\" = \
         positive discharges, as sent by the JK to Sunny Island translator."),
    key("can.force_charge_soc_pct", Battery, Between(0.0, 50.0), |s| &mut s.can.force_charge_soc, "",
        "State of charge in % at and below which the inverter is asked to charge, from the grid too, until it has risen by 4 %. 0 = \
         only when the battery is empty."),
    key("can.full_charge_after_days", Battery, Between(1.0, 1000.0), |s| &mut s.can.full_charge_after_days, "",
        "Days without a full charge after which the inverter is asked for one, up to 97 %."),
    key("can.limits_off_after_s", Battery, Between(5.0, 60.0), |s| &mut s.can.off_after, "",
        "Age of the data in s at which limits of 0 are sent. At least three reading periods."),
    key("can.silent_after_s", Battery, Between(10.0, 120.0), |s| &mut s.can.quiet_after, "",
        "Age of the data in s at which transmission stops, so that the inverter shuts down by its own timeout."),
    key("can.bring_up", Battery, Any, |s| &mut s.can.bring_up, "",
        "true = bring the interface up with `ip` if it is down, and restart it after bus-off. Needs root."),
    key("can.bitrate", Battery, Between(10_000.0, 1_000_000.0), |s| &mut s.can.bitrate, "",
        "Bit rate for bring_up. All profiles use 500000."),
    key("rs485.port", Battery, Any, |s| &mut s.rs485.port, "\"/dev/serial/by-id/usb-FTDI_USB-RS485_Cable-if00-port0\"",
        "Serial port of an inverter that asks its battery over RS485, as an absolute path. Not set: no RS485 output. It must not be a \
         port on which a battery is read, nor one that serial-starter offers to programs. See docs/rs485.md."),
    key("rs485.protocol", Battery, Any, |s| &mut s.rs485.protocol, "",
        "What the inverter asks in: \"pylontech\" (Voltronic/Axpert \"PYL\", SRNE, Deye), \"growatt\" (Growatt \"L01\"), \"voltronic\" \
         (\"LIb\"), \"eg4-ll\" (EG4 and LuxPower), \"pi30\" (Voltronic's own port). What it is told is set with the keys of `can`: alarms, modules, manufacturer, requests and times."),
    key("rs485.address", Battery, Between(0.0, 255.0), |s| &mut s.rs485.address, "2",
        "Address at which this driver answers. Not set: 2 for \"pylontech\", else 1; \"pi30\" has none."),
    key("rs485.baud", Battery, Between(300.0, 115_200.0), |s| &mut s.rs485.baud, "9600",
        "Speed of the port. Not set: 9600, for \"pi30\" 2400."),
    key("rs485.kernel_direction", Battery, Any, |s| &mut s.rs485.kernel_direction, "",
        "true = the kernel switches the transceiver to sending, for adapters that do not do so themselves."),
    key("web.enabled", File, Any, |s| &mut s.web.enabled, "",
        "true = serve the dashboard, with all batteries, their history, an API and metrics (docs/api.md)."),
    key("web.listen", File, Any, |s| &mut s.web.listen, "",
        "Address and port of the dashboard. \"127.0.0.1:8080\" = this computer only; \"0.0.0.0:8080\" = everyone on the network, \
         without a password."),
    key("web.token", File, Any, |s| &mut s.web.token, "\"3f5c0a9e8b71d2460c\"",
        "Token that a client must send to change anything; at least 16 characters. Not set: nothing can be changed."),
    key("web.hosts", File, Any, |s| &mut s.web.hosts, "",
        "Additional host names of the dashboard, such as [\"boat.example.org\"]. Addresses, names without a dot and names ending in \
         .local, .lan, .home.arpa or .internal are always accepted; any other could be an attack by a foreign page."),
    key("web.utc_offset_h", File, Between(-12.0, 14.0), |s| &mut s.web.utc_offset_h, "",
        "Offset of local time from UTC in hours: the days of the energy table begin at local midnight."),
    key("mqtt.enabled", File, Any, |s| &mut s.mqtt.enabled, "",
        "true = publish battery data to an MQTT broker; docs/mqtt.md lists topics and payloads."),
    key("mqtt.host", File, Any, |s| &mut s.mqtt.broker.host, "",
        "Name or address of the broker."),
    key("mqtt.port", File, Between(1.0, 65_535.0), |s| &mut s.mqtt.broker.port, "1883",
        "TCP port of the broker. Not set: 1883, or 8883 with TLS."),
    key("mqtt.user", File, Any, |s| &mut s.mqtt.broker.user, "\"dbus-bms\"",
        "User name for the broker. Not set: none."),
    key("mqtt.password", File, Secret, |s| &mut s.mqtt.broker.password, "\"…\"",
        "Password of the user, in plain text; use password_file to keep it out of this file."),
    key("mqtt.password_file", File, Any, |s| &mut s.mqtt.broker.password_file, "\"/data/conf/dbus-bms/mqtt-password\"",
        "File with the password on its first line; it only needs to be readable by root. Takes precedence over password."),
    key("mqtt.tls", File, Any, |s| &mut s.mqtt.broker.tls, "",
        "true = encrypt the connection (TLS), and check the broker's certificate, if this program can: docs/mqtt.md."),
    key("mqtt.tls_ca", File, Any, |s| &mut s.mqtt.broker.tls_ca, "\"/data/conf/dbus-bms/ca.pem\"",
        "File of the certificates (PEM) of the authorities to trust, for a broker that has its certificate from an authority of your own. \
         Not set: those of the system."),
    key("mqtt.client_id", File, Any, |s| &mut s.mqtt.broker.client_id, "\"dbus-bms\"",
        "Client ID; two clients with the same ID disconnect each other. Not set: made from host name and process."),
    key("mqtt.topic", File, Any, |s| &mut s.mqtt.topic, "",
        "Prefix of all topics."),
    key("mqtt.interval_s", File, Between(1.0, 3600.0), |s| &mut s.mqtt.interval, "",
        "Time in s between two state messages of a battery; alarms and lost data are published within a second."),
    key("mqtt.single_values", File, Any, |s| &mut s.mqtt.single_values, "",
        "true = also publish each value on a topic of its own, as plain text."),
    key("mqtt.home_assistant", File, Any, |s| &mut s.mqtt.home_assistant, "",
        "true = announce the batteries to Home Assistant (2024.11 or newer); setting it back to false removes them there."),
    key("mqtt.home_assistant_prefix", File, Any, |s| &mut s.mqtt.home_assistant_prefix, "",
        "Home Assistant's discovery prefix."),
    key("mqtt.commands", File, Any, |s| &mut s.mqtt.commands, "",
        "true = take commands from the broker, and offer them in Home Assistant, for the batteries with [commands] enabled. Needs \
         `mqtt.user`: everyone whom the broker lets publish can then switch these batteries. See docs/mqtt.md."),
    key("mqtt.limit_time_s", File, Between(60.0, 2_678_400.0), |s| &mut s.mqtt.limit_time, "",
        "Duration in s of a temporary limit that is set in Home Assistant."),
    key("mqtt.berrybms", File, Any, |s| &mut s.mqtt.berrybms, "",
        "true = also publish the batteries on the topic `berrybms`, as BerryBMS does."),
    key("mqtt.jk_pylon", File, Any, |s| &mut s.mqtt.jk_pylon, "",
        "true = also publish the current limits on the topics `jk_pylon/…`, as the JK to Pylontech translator does."),
    key("mqtt.domoticz", File, Any, |s| &mut s.mqtt.domoticz, "",
        "true = publish the values of [domoticz.idx] on the topic `domoticz/in`."),
    key("domoticz.url", File, Any, |s| &mut s.domoticz.url, "\"http://192.168.1.10:8080\"",
        "Address of Domoticz, to send the values of [domoticz.idx] over HTTP; with https:// encrypted, if this program can. Not set: nothing is sent."),
    key("domoticz.tls_ca", File, Any, |s| &mut s.domoticz.tls_ca, "\"/data/conf/dbus-bms/ca.pem\"",
        "With https://: as `mqtt.tls_ca`."),
    key("domoticz.user", File, Any, |s| &mut s.domoticz.user, "\"dbus-bms\"",
        "User name for Domoticz (basic authentication). Not set: none."),
    key("domoticz.password", File, Secret, |s| &mut s.domoticz.password, "\"…\"",
        "Password of the user."),
    key("domoticz.interval_s", File, Between(5.0, 3600.0), |s| &mut s.domoticz.interval, "",
        "Time in s between two updates of all values."),
    key("domoticz.pause_s", File, Between(0.0, 10.0), |s| &mut s.domoticz.pause, "",
        "Minimum time in s between two requests."),
    key("domoticz.idx.voltage_v", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.voltage_v, "2284",
        "Voltage in V: number (idx) of a device \"Voltage\" in Domoticz. With several batteries, set these in \
         [battery.\"ID\".domoticz.idx]."),
    key("domoticz.idx.current_a", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.current_a, "2285",
        "Current in A, positive charges: number (idx) of a device \"Ampere (1 Phase)\" in Domoticz."),
    key("domoticz.idx.power_w", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.power_w, "2286",
        "Power in W: number (idx) of a device \"Usage (Electric)\" in Domoticz."),
    key("domoticz.idx.soc_pct", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.soc_pct, "2287",
        "State of charge in %: number (idx) of a device \"Percentage\" in Domoticz."),
    key("domoticz.idx.remaining_ah", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.remaining_ah, "2288",
        "Remaining charge in Ah: number (idx) of a device \"Custom Sensor, axis Ah\" in Domoticz."),
    key("domoticz.idx.capacity_ah", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.capacity_ah, "2289",
        "Capacity in Ah: number (idx) of a device \"Custom Sensor, axis Ah\" in Domoticz."),
    key("domoticz.idx.cycles", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.cycles, "2290",
        "Charge cycles: number (idx) of a device \"Custom Sensor\" in Domoticz."),
    key("domoticz.idx.temperature_c", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.temperature_c, "2291",
        "Temperature in °C: number (idx) of a device \"Temperature\" in Domoticz."),
    key("domoticz.idx.cell_min_v", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.cell_min_v, "2292",
        "Lowest cell in V: number (idx) of a device \"Voltage\" in Domoticz."),
    key("domoticz.idx.cell_max_v", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.cell_max_v, "2293",
        "Highest cell in V: number (idx) of a device \"Voltage\" in Domoticz."),
    key("domoticz.idx.charged_kwh", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.charged_kwh, "2294",
        "Energy charged in kWh: number (idx) of a device \"Custom Sensor, axis kWh\" in Domoticz."),
    key("domoticz.idx.discharged_kwh", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.discharged_kwh, "2295",
        "Energy discharged in kWh: number (idx) of a device \"Custom Sensor, axis kWh\" in Domoticz."),
    key("domoticz.idx.ccl_a", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.ccl_a, "2296",
        "Charge current limit in A: number (idx) of a device \"Custom Sensor, axis A\" in Domoticz."),
    key("domoticz.idx.dcl_a", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.dcl_a, "2297",
        "Discharge current limit in A: number (idx) of a device \"Custom Sensor, axis A\" in Domoticz."),
    key("domoticz.idx.alarm_level", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.alarm_level, "2298",
        "Alarms: number (idx) of a device \"Alert\" in Domoticz."),
    key("generator.start_soc_pct", File, Between(0.0, 90.0), |s| &mut s.generator.rule.start_soc, "20.0",
        "State of charge in % at and below which a generator starts (docs/generator.md). On a GX device use Venus' own start and stop \
         instead. Not set: the state of charge starts nothing."),
    key("generator.stop_soc_pct", File, Between(10.0, 100.0), |s| &mut s.generator.rule.stop_soc, "",
        "State of charge in % at which it stops; at least 10 above the start."),
    key("generator.start_cell_voltage_v", File, Between(0.5, 4.0), |s| &mut s.generator.rule.start_cell, "3.0",
        "Voltage in V of the lowest cell at and below which it also starts. Not set: none."),
    key("generator.start_voltage_v", File, Between(5.0, 800.0), |s| &mut s.generator.rule.start_voltage, "48.0",
        "Voltage in V of the battery at and below which it also starts. Not set: none."),
    key("generator.start_after_s", File, Between(5.0, 3600.0), |s| &mut s.generator.rule.start_after, "",
        "Time in s for which one of these values must be low."),
    key("generator.least_run_s", File, Between(0.0, 36_000.0), |s| &mut s.generator.rule.least_run, "",
        "Minimum duration of a run in s."),
    key("generator.least_rest_s", File, Between(0.0, 36_000.0), |s| &mut s.generator.rule.least_rest, "",
        "Minimum time in s between two runs; the start of the program counts as the end of a run."),
    key("generator.most_run_s", File, Between(60.0, 604_800.0), |s| &mut s.generator.rule.most_run, "",
        "Maximum duration of a run in s."),
    key("generator.quiet_hours", File, Any, |s| &mut s.generator.rule.quiet, "\"22:00-07:00\"",
        "Times of the day, local by web.utc_offset_h, at which it does not run by itself. Not set: none."),
    key("generator.quiet_start_soc_pct", File, Between(0.0, 90.0), |s| &mut s.generator.rule.quiet_start_soc, "10.0",
        "State of charge in % at and below which it starts in quiet hours, too. Not set: never."),
    key("generator.silent_after_s", File, Between(30.0, 3600.0), |s| &mut s.generator.rule.silent_after, "",
        "Time in s without data of the battery after which it stops."),
    key("generator.run_on_without_data", File, Any, |s| &mut s.generator.rule.run_on_without_data, "",
        "true = a run goes on without data, up to its maximum duration."),
    key("generator.battery", File, Any, |s| &mut s.generator.battery, "\"bank_bank\"",
        "ID of the battery or bank that decides, as in the API. Not set: the bank if there is one, else the emptiest battery."),
    key("generator.relay", File, Any, |s| &mut s.generator.relay, "\"gpio://gpiochip0/17\"",
        "Relay that starts the generator: \"gpio://gpiochip0/17\" (chip and line of the GPIO character device) or \
         \"usb:///dev/ttyUSB3\" (LCUS relay board; with #2 at its end: the second relay). Not set: none."),
    key("generator.relay_active_low", File, Any, |s| &mut s.generator.relay_active_low, "",
        "true = the relay on the GPIO line closes at the low level."),
    key("generator.ags", File, Any, |s| &mut s.generator.ags, "",
        "true = switch it by the generator mode of the Conext AGS behind the gateway of [conext]: the only register that is ever written."),
    key("generator.mqtt_topic", File, Any, |s| &mut s.generator.topic, "\"cmnd/generator/POWER\"",
        "Topic on the broker of [mqtt] for commands to a relay; each is repeated every half minute, and the broker itself stops the \
         generator if this program is gone. Not set: none."),
    key("generator.mqtt_on", File, Any, |s| &mut s.generator.message_on, "",
        "Message that starts it."),
    key("generator.mqtt_off", File, Any, |s| &mut s.generator.message_off, "",
        "Message that stops it."),
    key("conext.host", File, Any, |s| &mut s.conext.host, "\"192.168.1.5\"",
        "Address of the gateway of Schneider Conext devices (InsightHome, Conext Gateway, ComBox) with Modbus TCP; docs/conext.md. \
         Not set: none is read."),
    key("conext.port", File, Between(1.0, 65_535.0), |s| &mut s.conext.port, "",
        "TCP port of its Modbus server."),
    key("conext.units", File, Between(1.0, 247.0), |s| &mut s.conext.units, "",
        "Units (slave addresses) of the devices to read, such as [10, 30, 190]. Empty: search the usual ones."),
    key("conext.serials", File, Any, |s| &mut s.conext.serials, "",
        "Serial numbers of devices that do not tell theirs (XW6848), such as [\"10=B1234567\"]: unit and number."),
    key("conext.can", File, Any, |s| &mut s.conext.can, "\"can1\"",
        "CAN interface on the Xanbus of Conext devices (250 kbit/s), to listen to, beside or in place of the gateway. Nothing is sent. \
         Not set: none."),
    key("conext.interval_s", File, Between(5.0, 3600.0), |s| &mut s.conext.interval, "",
        "Time in s between two readings of all devices."),
    key("conext.timeout_s", File, Between(1.0, 30.0), |s| &mut s.conext.timeout, "",
        "Time in s to wait for an answer."),
    key("state.folder", File, Any, |s| &mut s.state_folder, "\"/data/conf/dbus-bms\"",
        "Folder for history and remembered ports. Not set: /data/conf/dbus-bms on a GX, else the user's state folder."),
];

/// The key at `path`.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// True for the name of a table that holds keys (`recovery`).
pub(super) fn is_table(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The known key most similar to a misspelt `path`.
pub(super) fn nearest(path: &str) -> Option<&'static str> {
    fn leaf(path: &str) -> &str {
        path.rsplit('.').next().unwrap_or(path)
    }
    let wanted = path.to_lowercase();
    let whole = |key: &Key| strsim::jaro_winkler(&wanted, key.path);
    let likeness = |key: &Key| whole(key).max(strsim::jaro_winkler(leaf(&wanted), leaf(key.path)));
    // Two tables may have a key of the same name: without a table, prefer the one outside of tables.
    let best = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)).then(whole(a).total_cmp(&whole(b))))?;
    (likeness(best) > 0.8).then_some(best.path)
}
