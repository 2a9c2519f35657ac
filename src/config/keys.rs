//! The one table of all keys: what they are called, what they allow, where they go in [`Settings`], what they mean.

use super::settings::Settings;
use super::value::{Allowed, Setting, Shape};

/// Everything known about one key.
pub struct Key {
    /// Name with its table: `recovery.hold_s`.
    pub path: &'static str,
    /// The narrowest table it may stand in.
    pub reach: Reach,
    /// What the default file says about it, in sentences.
    pub doc: &'static str,
    /// A value to show in the default file when the default is "not set", as TOML.
    pub example: &'static str,
    pub(super) allowed: Allowed,
    pub(super) place: fn(&mut Settings) -> &mut dyn Setting,
}

/// Where a key may stand. A narrower table wins over a wider one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// At the top of the file only: it belongs to the whole program.
    File,
    /// Also in `[port.NAME]`.
    Port,
    /// Also in `[battery."ID"]`.
    Battery,
}

const fn key(
    path: &'static str,
    reach: Reach,
    allowed: Allowed,
    place: fn(&mut Settings) -> &mut dyn Setting,
    example: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, reach, doc, example, allowed, place }
}

impl Key {
    /// Its value must not be told.
    pub(super) fn is_secret(&self) -> bool {
        self.allowed == Secret
    }
}

impl Key {
    /// Its default as it would be written; `None` when it is not set by default.
    pub fn default(&self) -> Option<String> {
        (self.place)(&mut Settings::default()).written().map(|value| value.to_string())
    }

    /// What it may be set to, in words; empty for all that its type can hold.
    pub fn range(&self) -> String {
        self.allowed.to_string()
    }
}

use Allowed::{Any, Between, Bus, Curve, Secret};
use Reach::{Battery, File, Port};

/// All keys, in the order of the default file: those without a table first.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("chemistry", Battery, Any, |s| &mut s.charge.chemistry, "\"lfp\"",
        "Cell chemistry: \"lfp\", \"nmc\" or \"lto\". Not set: what the BMS says, else LFP as long as nothing speaks against it."),
    key("max_charge_current_a", Battery, Between(0.0, 1000.0), |s| &mut s.charge.max_charge_current, "100.0",
        "Most current in A that the battery may be charged with; never above 0.9 of the BMS's own protection. Not set: the \
         smallest of that, half the capacity per hour, and 50 A."),
    key("max_discharge_current_a", Battery, Between(0.0, 1000.0), |s| &mut s.charge.max_discharge_current, "120.0",
        "Most current in A that may be drawn from the battery; never above 0.9 of the BMS's own protection. Not set: the \
         smallest of that, half the capacity per hour, and 60 A."),
    key("cells", Battery, Between(1.0, 32.0), |s| &mut s.charge.cells, "16",
        "Cells in series. Not set: what the BMS says, the cells it measures and the pack voltage must agree."),
    key("capacity_ah", Battery, Between(1.0, 10_000.0), |s| &mut s.charge.capacity, "280.0",
        "Installed capacity in Ah; the charge left is then the state of charge times it, whatever the BMS says. Not set: what the \
         BMS says."),
    key("max_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.charge.max_cell_voltage, "3.45",
        "Cell voltage in V to charge to; the charge voltage limit is this times the cells. Not set: by chemistry."),
    key("control", Battery, Any, |s| &mut s.control, "",
        "false = observe: measured values are published, charge limits are not."),
    key("member_of_bank", Battery, Any, |s| &mut s.member_of_bank, "",
        "true = this battery belongs to the bank ([bank] below, `dbus-bms bank`): it shows its values, and tells its limits to the \
         bank alone. When the bank is away for 10 s it publishes at most its share of them."),
    key("name", Battery, Any, |s| &mut s.name, "\"Battery 1\"",
        "First name of the battery, until one is given on the GX device. Not set: model and port are shown."),
    key("ports", File, Any, |s| &mut s.ports, "",
        "Ports to serve when the command line names none, such as [\"/dev/ttyUSB0\", \"tcp://10.0.0.5:23\"]. On several ports \
         one that fails is opened again, and does not end the others."),
    key("bms", Port, Any, |s| &mut s.bms, "",
        "BMS families to look for, such as [\"jbd\"]. Empty: all."),
    key("addresses", Port, Any, |s| &mut s.addresses, "",
        "Addresses of the batteries on one cable, such as [1, 2]; each becomes a battery of its own. Empty: look for one battery."),
    key("listen_only", Port, Any, |s| &mut s.listen_only, "",
        "true = send nothing on this port; find and hear the batteries that another master asks (a JK PB chain with a board at \
         address 0). Found out by listening otherwise: where a master is heard, nothing is sent."),
    key("active_fill", Port, Any, |s| &mut s.active_fill, "",
        "true = on a line with a master put requests in between its own for what it never asks (model, serial number, values that \
         are overdue), and ask the batteries from here when it is gone."),
    key("poll_interval_s", Port, Between(0.2, 60.0), |s| &mut s.poll_interval, "",
        "Time in s from the start of one reading to the start of the next."),
    key("charge_by_cell_voltage", Battery, Curve(1.5, 4.3, "V", Shape::FallingToZero), |s| &mut s.charge.charge_by_cell_voltage,
        "[[3.40, 1.0], [3.50, 0.25], [3.60, 0.0]]",
        "Share of the charge current over the highest cell voltage in V, in pairs [V, share]. Straight lines between the points, \
         constant outside. Not set: by chemistry, as for the other cell and temperature curves."),
    key("discharge_by_cell_voltage", Battery, Curve(0.5, 4.3, "V", Shape::Rising), |s| &mut s.charge.discharge_by_cell_voltage,
        "[[2.80, 0.0], [3.00, 0.25], [3.10, 1.0]]",
        "Share of the discharge current over the lowest cell voltage in V."),
    key("charge_by_temperature", Battery, Curve(-50.0, 100.0, "°C", Shape::Free), |s| &mut s.charge.charge_by_temperature,
        "[[0, 0.0], [10, 1.0], [40, 1.0], [50, 0.0]]",
        "Share of the charge current over the temperature in °C; the coldest and the hottest sensor both count."),
    key("discharge_by_temperature", Battery, Curve(-50.0, 100.0, "°C", Shape::Free), |s| &mut s.charge.discharge_by_temperature,
        "[[-20, 0.0], [0, 1.0], [45, 1.0], [55, 0.0]]",
        "Share of the discharge current over the temperature in °C."),
    key("charge_by_soc", Battery, Curve(0.0, 100.0, "%", Shape::Falling), |s| &mut s.charge.charge_by_soc,
        "[[90, 1.0], [100, 0.1]]",
        "Share of the charge current over the state of charge in %. Not set: no limit."),
    key("discharge_by_soc", Battery, Curve(0.0, 100.0, "%", Shape::Rising), |s| &mut s.charge.discharge_by_soc,
        "[[5, 0.0], [20, 1.0]]",
        "Share of the discharge current over the state of charge in %. Not set: no limit."),
    key("soc", Battery, Any, |s| &mut s.soc.source, "",
        "State of charge: \"bms\" = as the BMS says; \"counted\" = counted from the current, starting from what the BMS says and \
         set to 100 and 0 % where the battery is full and empty. Charging by SoC then goes by the higher of both, discharging by \
         the lower. The BMS's alarm of a low SoC then holds only up to 20 %, or up to what the BMS says."),
    key("soc_full_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.soc.full_cell, "3.45",
        "Mean cell voltage in V at which the battery is full once the current is small. Not set: the voltage charged to."),
    key("soc_full_tail_current_c", Battery, Between(0.001, 0.5), |s| &mut s.soc.tail_c, "",
        "The small current: this times the capacity, so 0.04 is 4 A at 100 Ah."),
    key("soc_full_after_s", Battery, Between(10.0, 3600.0), |s| &mut s.soc.full_after, "",
        "Time in s for which voltage and small current must last."),
    key("soc_empty_cell_voltage_v", Battery, Between(1.0, 4.0), |s| &mut s.soc.empty_cell, "2.9",
        "Voltage in V of the lowest cell at which the battery is empty if current is drawn. Not set: by chemistry."),
    key("soc_empty_after_s", Battery, Between(10.0, 3600.0), |s| &mut s.soc.empty_after, "",
        "Time in s for which the lowest cell must stay there."),
    key("soc_caps", Battery, Curve(1.0, 4.3, "V", Shape::RisingTo100), |s| &mut s.soc.caps,
        "[[2.9, 5], [3.0, 15], [3.1, 30], [3.2, 100]]",
        "Most state of charge in % that is believed at a mean cell voltage in V, in pairs [V, %]; under load as well as at rest. \
         Straight lines between the points, constant outside. Not set: no cap."),
    key("soc_hold_below_full", Battery, Any, |s| &mut s.soc.hold_below_full, "",
        "true = show at most 98 % until the battery was full, so that an inverter does not stop charging early."),
    key("current_correction", Battery, Curve(-1000.0, 1000.0, "reported current in A", Shape::Correction), |s| &mut s.soc.correction,
        "[[-100, -98.5], [0, 0.3], [100, 99.0]]",
        "Real current over the one that the BMS reports, in pairs [reported, real] in A; positive charges. The real one is shown \
         and counted. Straight lines through the points, also beyond them. Not set: as reported."),
    key("current_average_s", Battery, Between(1.0, 3600.0), |s| &mut s.soc.average_over, "",
        "Time in s over which the current is averaged for the times to go."),
    key("time_to_go_soc_floor_pct", Battery, Between(0.0, 90.0), |s| &mut s.soc.floor, "",
        "State of charge in % at which the time to go ends."),
    key("time_to_soc_levels_pct", Battery, Between(0.0, 100.0), |s| &mut s.soc.levels, "",
        "States of charge in % to which the time is shown, such as [20, 80, 100]."),
    key("limits_preset", Battery, Any, |s| &mut s.charge.preset, "",
        "\"curves\"; or the steps of a system you come from: \"seed-soc-steps\" = over the state of charge as the first \
         dbus-serialbattery, beside the curves; \"cell-steps\" = over the cell voltage, in place of the cell curves."),
    key("voltage_drop_v", Battery, Between(0.0, 2.0), |s| &mut s.charge.voltage_drop, "",
        "Voltage in V lost between battery and charger; added to the charge voltage limit."),
    key("min_charge_current_a", Battery, Between(0.0, 10.0), |s| &mut s.charge.min_charge_current, "",
        "Charge current limit in A that the curves do not go below, for inverters that misread 0 A. What forbids charging still \
         gives 0."),
    key("min_discharge_current_a", Battery, Between(0.0, 10.0), |s| &mut s.charge.min_discharge_current, "",
        "Discharge current limit in A that the curves do not go below, for inverters that misread 0 A. What forbids discharging \
         still gives 0."),
    key("parallel_blocks", Battery, Between(1.0, 16.0), |s| &mut s.charge.parallel_blocks, "",
        "Equal batteries in parallel of which this BMS sees one: currents, capacities and limits are multiplied by it. They are \
         then estimates."),
    key("phases.enabled", Battery, Any, |s| &mut s.charge.phases.enabled, "",
        "false = keep the charge voltage for ever: no absorption, no float."),
    key("phases.float_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.charge.phases.float_cell_voltage, "3.375",
        "Cell voltage in V held when the battery is full. Not set: by chemistry."),
    key("phases.absorption_s", Battery, Between(0.0, 36_000.0), |s| &mut s.charge.phases.absorption, "",
        "Time in s at the charge voltage before float, once the cells are level or hardly any current flows."),
    key("phases.longest_absorption_s", Battery, Between(60.0, 86_400.0), |s| &mut s.charge.phases.longest_absorption, "",
        "Longest time in s at the charge voltage, so that an imbalanced battery reaches float, too."),
    key("phases.level_spread_v", Battery, Between(0.001, 0.2), |s| &mut s.charge.phases.level_spread, "",
        "Difference in V between the highest and the lowest cell that counts as level."),
    key("phases.tail_current_c", Battery, Between(0.0, 0.5), |s| &mut s.charge.phases.tail_c, "",
        "Charge current that counts as full, in parts of the capacity: 0.02 = 5.6 A for 280 Ah."),
    key("phases.rebulk_soc_pct", Battery, Between(0.0, 100.0), |s| &mut s.charge.phases.rebulk_soc, "",
        "State of charge in % under which float ends and the battery is charged up again."),
    key("phases.float_ramp_v_per_s", Battery, Between(0.0001, 1.0), |s| &mut s.charge.phases.float_ramp, "",
        "Fall of the charge voltage limit on its way to float, in V per second for the whole battery."),
    key("phases.float_follows_pack", Battery, Any, |s| &mut s.charge.phases.float_follows_pack, "",
        "true = on the way to float the limit never goes below the pack voltage (some inverters discharge when it does)."),
    key("phases.balance_every_days", Battery, Between(1.0, 365.0), |s| &mut s.charge.phases.balance_every_days, "14",
        "Days between charges to a higher voltage that let the BMS balance and set its state of charge. Not set: never."),
    key("phases.balance_cell_voltage_v", Battery, Between(1.5, 4.2), |s| &mut s.charge.phases.balance_cell_voltage, "3.55",
        "Cell voltage in V of such a charge. Not set: by chemistry."),
    key("silence.preset", Battery, Any, |s| &mut s.charge.silence.preset, "",
        "What happens when data stops: \"gentle\" = 10, 60, 300 s; \"strict\" = 10, 30, 60 s for the three times below."),
    key("silence.values_after_s", Battery, Between(2.0, 120.0), |s| &mut s.charge.silence.values_after_set, "10.0",
        "Age of the data in s at which measured values become invalid and charging fades. Three reading periods where that is longer."),
    key("silence.cable_warning_after_s", Battery, Between(2.0, 3600.0), |s| &mut s.charge.silence.cable_warning_after_set, "60.0",
        "Age in s at which the cable warning is raised and discharging is reduced."),
    key("silence.cable_alarm_after_s", Battery, Between(2.0, 3600.0), |s| &mut s.charge.silence.cable_alarm_after_set, "300.0",
        "Age in s at which the cable alarm is raised and discharging ends."),
    key("silence.charge_fade_s", Battery, Between(0.0, 60.0), |s| &mut s.charge.silence.charge_fade, "",
        "Time in s in which the charge current limit falls to 0 once values are invalid."),
    key("recovery.hold_s", Battery, Between(0.0, 3600.0), |s| &mut s.charge.recovery.hold, "",
        "Time in s without a further reduction before a limit rises again."),
    key("recovery.ramp_a_per_s", Battery, Between(0.01, 1000.0), |s| &mut s.charge.recovery.amps_per_s, "",
        "Rise of the current limits in A per second."),
    key("recovery.ramp_v_per_s", Battery, Between(0.0001, 1.0), |s| &mut s.charge.recovery.volts_per_s, "",
        "Rise of the charge voltage limit of the whole battery in V per second."),
    key("serial.baud", Port, Between(1200.0, 1_000_000.0), |s| &mut s.serial.baud, "9600",
        "The only baud rate to try, for a board set to an unusual one. Not set: those that the BMS families use. JK PB boards are asked \
         at 115200 only."),
    key("serial.rs485", Port, Any, |s| &mut s.serial.rs485, "",
        "true = switch the direction of an RS485 transceiver through RTS; USB adapters do that on their own."),
    key("serial.low_latency", Port, Any, |s| &mut s.serial.low_latency, "",
        "true = ask an FTDI adapter to pass bytes on at once."),
    key("bank.name", File, Any, |s| &mut s.bank.name, "",
        "Name of the bank: its service is com.victronenergy.battery.NAME. Letters, digits and _ only."),
    key("bank.members", File, Any, |s| &mut s.bank.members, "",
        "The batteries of the bank by the end of their service name, such as [\"ttyUSB0\", \"ttyUSB1__2\"], or by their whole \
         service name; also batteries of other drivers. Empty: all batteries with member_of_bank."),
    key("bank.in_run", File, Any, |s| &mut s.bank.in_run, "",
        "true = `dbus-bms run` with several ports forms the bank itself of its batteries with member_of_bank, and shows it beside \
         them; D-Bus is not needed for that. false = `dbus-bms bank` does, from D-Bus."),
    key("bank.layout", File, Any, |s| &mut s.bank.layout, "",
        "\"parallel\" = side by side: currents add up; \"series\" = in a chain: voltages add up."),
    key("bank.max_charge_current_a", File, Between(0.0, 5000.0), |s| &mut s.bank.max_charge_current, "200.0",
        "Most current in A that the whole bank may be charged with: its fuse and cables. Not set: what its batteries allow."),
    key("bank.max_discharge_current_a", File, Between(0.0, 5000.0), |s| &mut s.bank.max_discharge_current, "300.0",
        "Most current in A that may be drawn from the whole bank. Not set: what its batteries allow."),
    key("dbus.required", File, Any, |s| &mut s.dbus.required, "",
        "true = end with exit code 5 when D-Bus is absent or lost (serial-starter starts anew); false = connect again for ever."),
    key("dbus.bus", File, Bus, |s| &mut s.dbus.bus, "\"system\"",
        "\"system\", \"session\" or an address. Not set: the session bus if the environment names one, else the system bus."),
    key("oscillation.sma_meter", File, Any, |s| &mut s.sma_meter, "",
        "true = listen to the multicast of an SMA energy meter at the grid connection: when its power keeps changing sides because \
         two inverters fight, the current limits are cut for a while."),
    key("oscillation.sma_meter_serial", File, Any, |s| &mut s.sma_meter_serial, "1900000001",
        "Serial number of the only meter that counts. Not set: any."),
    key("oscillation.dbus_power", File, Any, |s| &mut s.dbus_power, "\"com.victronenergy.grid.*/Ac/Power\"",
        "The same with a power on D-Bus, read once a second: service and path. A * at the end of the service stands for the first \
         that begins so; another battery's is such as \"com.victronenergy.battery.ttyUSB1/Dc/0/Power\"."),
    key("oscillation.mqtt_topic", File, Any, |s| &mut s.grid_topic.topic, "\"meter/power\"",
        "Topic of the broker of [mqtt] with the power in W at the grid connection, positive from the grid, for the same. Not set: none."),
    key("oscillation.mqtt_key", File, Any, |s| &mut s.grid_topic.key, "\"power\"",
        "Key of the power where the message is a JSON object, \"a.b\" for one inside another. Not set: the message is the number."),
    key("oscillation.mqtt_export_key", File, Any, |s| &mut s.grid_topic.export_key, "\"psupply\"",
        "Key of the power to the grid, for meters that tell both directions apart: it is subtracted. Not set: none."),
    key("oscillation.threshold_w", Battery, Between(10.0, 10_000.0), |s| &mut s.charge.oscillation.threshold, "",
        "Power in W beyond which a value counts, on both sides of 0."),
    key("oscillation.window", Battery, Between(4.0, 60.0), |s| &mut s.charge.oscillation.window, "",
        "Values that are looked at; the meter sends one a second."),
    key("oscillation.crossings", Battery, Between(1.0, 29.0), |s| &mut s.charge.oscillation.crossings, "",
        "More values than this have to lie on each side."),
    key("oscillation.reduction", Battery, Between(1.0, 10.0), |s| &mut s.charge.oscillation.reduction, "",
        "The current limits are divided by this."),
    key("oscillation.pause_s", Battery, Between(10.0, 3600.0), |s| &mut s.charge.oscillation.pause, "",
        "Time in s for which a cut lasts, and at least between two."),
    key("commands.enabled", Battery, Any, |s| &mut s.commands, "",
        "true = the BMS may be given commands (charge and discharge switch, balancer, state of charge, as far as its family has \
         them) and limits for a while, over D-Bus and by `dbus-bms set` and `override`. What is on D-Bus can be reached over the GX's \
         MQTT and from its network, too. See docs/commands.md."),
    key("can.interface", Battery, Any, |s| &mut s.can.interface, "\"can0\"",
        "CAN interface on which an inverter is told of the battery. Not set: no output over CAN. It carries one battery: with \
         several, set it in [battery.\"ID\"], or form a bank, which then is told as a whole."),
    key("can.profile", Battery, Any, |s| &mut s.can.profile, "",
        "What the inverter expects: \"pylontech\" (most hybrid inverters), \"pylontech-1.3\" (newer), \"sma\" (Sunny Island), \
         \"victron\" (CAN-bms)."),
    key("can.manufacturer", Battery, Any, |s| &mut s.can.manufacturer, "\"PYLON\"",
        "Name of the maker that the inverter sees, up to 8 letters; some choose their rules by it. Not set: as the profile has it."),
    key("can.module_count", Battery, Between(1.0, 255.0), |s| &mut s.can.module_count, "1",
        "Number of modules that the inverter is told. Not set: 1, of a bank the batteries with fresh data."),
    key("can.alarms", Battery, Any, |s| &mut s.can.alarms, "",
        "\"alarms\" = alarms are sent as such, and most inverters stop; \"warnings\" = as warnings, which inverters only show."),
    key("can.sma_current_sign", Battery, Any, |s| &mut s.can.sma_current_sign, "",
        "Sign of the current in the profile \"sma\": \"charge\" = positive charges, as in all others; \"seed\" = negative charges, as \
         the JK to Sunny Island translator sends it."),
    key("can.force_charge_soc_pct", Battery, Between(0.0, 50.0), |s| &mut s.can.force_charge_soc, "",
        "State of charge in % from which downwards the inverter is asked to charge, from the grid too, until it is 4 % more. 0 = \
         only when the battery is empty."),
    key("can.full_charge_after_days", Battery, Between(1.0, 1000.0), |s| &mut s.can.full_charge_after_days, "",
        "Days without a full charge after which the inverter is asked for one, until 97 %."),
    key("can.limits_off_after_s", Battery, Between(5.0, 60.0), |s| &mut s.can.off_after, "",
        "Age of the data in s at which the inverter is told that no current may flow. Three reading periods where that is longer."),
    key("can.silent_after_s", Battery, Between(10.0, 120.0), |s| &mut s.can.quiet_after, "",
        "Age of the data in s at which nothing is sent any more, so that the inverter stops by itself."),
    key("can.bring_up", Battery, Any, |s| &mut s.can.bring_up, "",
        "true = bring the interface up with `ip` when it is down, and restart it after bus-off. It needs root."),
    key("can.bitrate", Battery, Between(10_000.0, 1_000_000.0), |s| &mut s.can.bitrate, "",
        "Bit rate for that. All profiles use 500000."),
    key("web.enabled", File, Any, |s| &mut s.web.enabled, "",
        "true = serve a web page with all batteries, their history, an API and metrics (docs/api.md)."),
    key("web.listen", File, Any, |s| &mut s.web.listen, "",
        "Address and port to serve it on. \"127.0.0.1:8080\" = for this computer only; \"0.0.0.0:8080\" = for everybody on the network, \
         without a password."),
    key("web.token", File, Any, |s| &mut s.web.token, "\"3f5c0a9e8b71d2460c\"",
        "What a client must present to change anything; at least 16 characters. Not set: nobody can change anything."),
    key("web.hosts", File, Any, |s| &mut s.web.hosts, "",
        "Further names under which the page may be opened, such as [\"boat.example.org\"]. Addresses, names without a dot and names \
         that end in .local, .lan, .home.arpa or .internal always do; others could be a trick of a foreign page."),
    key("web.utc_offset_h", File, Between(-12.0, 14.0), |s| &mut s.web.utc_offset_h, "",
        "Hours by which local time is ahead of UTC: the days of the energy table begin at local midnight."),
    key("mqtt.enabled", File, Any, |s| &mut s.mqtt.enabled, "",
        "true = tell an MQTT broker of the batteries; topics and payloads are in docs/mqtt.md."),
    key("mqtt.host", File, Any, |s| &mut s.mqtt.host, "",
        "Name or address of the broker."),
    key("mqtt.port", File, Between(1.0, 65_535.0), |s| &mut s.mqtt.port, "1883",
        "Its TCP port. Not set: 1883, with TLS 8883."),
    key("mqtt.user", File, Any, |s| &mut s.mqtt.user, "\"dbus-bms\"",
        "User at the broker. Not set: none is named."),
    key("mqtt.password", File, Secret, |s| &mut s.mqtt.password, "\"…\"",
        "Password of the user. It stands readable in this file; password_file keeps it apart."),
    key("mqtt.password_file", File, Any, |s| &mut s.mqtt.password_file, "\"/data/conf/dbus-bms/mqtt-password\"",
        "File whose first line is the password; only root needs to be able to read it. It wins over password."),
    key("mqtt.tls", File, Any, |s| &mut s.mqtt.tls, "",
        "true = encrypt the connection (TLS). The program has to be built with it (cargo feature mqtt-tls)."),
    key("mqtt.tls_ca", File, Any, |s| &mut s.mqtt.tls_ca, "\"/data/conf/dbus-bms/ca.pem\"",
        "Certificates (PEM) to trust, for a broker with one of your own. Not set: those of the system."),
    key("mqtt.client_id", File, Any, |s| &mut s.mqtt.client_id, "\"dbus-bms\"",
        "Name of this client; two of one name throw each other out. Not set: made from the computer's name and the process."),
    key("mqtt.topic", File, Any, |s| &mut s.mqtt.topic, "",
        "What the topics begin with."),
    key("mqtt.interval_s", File, Between(1.0, 3600.0), |s| &mut s.mqtt.interval, "",
        "Time in s between two state messages of a battery; alarms and lost data are told within a second."),
    key("mqtt.single_values", File, Any, |s| &mut s.mqtt.single_values, "",
        "true = each value also on a topic of its own, as plain text."),
    key("mqtt.home_assistant", File, Any, |s| &mut s.mqtt.home_assistant, "",
        "true = announce the batteries to Home Assistant (2024.11 or newer); false again takes them away there."),
    key("mqtt.home_assistant_prefix", File, Any, |s| &mut s.mqtt.home_assistant_prefix, "",
        "Home Assistant's discovery prefix."),
    key("mqtt.berrybms", File, Any, |s| &mut s.mqtt.berrybms, "",
        "true = tell the batteries on the topic `berrybms`, too, as BerryBMS does."),
    key("mqtt.jk_pylon", File, Any, |s| &mut s.mqtt.jk_pylon, "",
        "true = tell the current limits on the topics `jk_pylon/…`, too, as the JK to Pylontech translator does."),
    key("mqtt.domoticz", File, Any, |s| &mut s.mqtt.domoticz, "",
        "true = tell the values of [domoticz.idx] on the topic `domoticz/in`."),
    key("domoticz.url", File, Any, |s| &mut s.domoticz.url, "\"http://192.168.1.10:8080\"",
        "Address of Domoticz, to tell it the values of [domoticz.idx] over HTTP. Not set: it is not told that way."),
    key("domoticz.user", File, Any, |s| &mut s.domoticz.user, "\"dbus-bms\"",
        "User there (basic authentication). Not set: none is named."),
    key("domoticz.password", File, Secret, |s| &mut s.domoticz.password, "\"…\"",
        "Password of the user."),
    key("domoticz.interval_s", File, Between(5.0, 3600.0), |s| &mut s.domoticz.interval, "",
        "Time in s between two rounds of values."),
    key("domoticz.pause_s", File, Between(0.0, 10.0), |s| &mut s.domoticz.pause, "",
        "Least time in s between two requests."),
    key("domoticz.idx.voltage_v", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.voltage_v, "2284",
        "Voltage in V: number (idx) of a device \"Voltage\" in Domoticz. With several batteries these stand in [battery.\"ID\".domoticz.idx]."),
    key("domoticz.idx.current_a", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.current_a, "2285",
        "Current in A, positive charges: number (idx) of a device \"Ampere (1 Phase)\" in Domoticz."),
    key("domoticz.idx.power_w", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.power_w, "2286",
        "Power in W: number (idx) of a device \"Usage (Electric)\" in Domoticz."),
    key("domoticz.idx.soc_pct", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.soc_pct, "2287",
        "State of charge in %: number (idx) of a device \"Percentage\" in Domoticz."),
    key("domoticz.idx.remaining_ah", Battery, Between(1.0, 4_294_967_295.0), |s| &mut s.domoticz.numbers.remaining_ah, "2288",
        "Charge left in Ah: number (idx) of a device \"Custom Sensor, axis Ah\" in Domoticz."),
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

/// The key that somebody who wrote `path` may have meant.
pub(super) fn nearest(path: &str) -> Option<&'static str> {
    fn leaf(path: &str) -> &str {
        path.rsplit('.').next().unwrap_or(path)
    }
    let wanted = path.to_lowercase();
    let whole = |key: &Key| strsim::jaro_winkler(&wanted, key.path);
    let likeness = |key: &Key| whole(key).max(strsim::jaro_winkler(leaf(&wanted), leaf(key.path)));
    // Two tables may have a key of the same name: the one without a table is meant unless one was written.
    let best = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)).then(whole(a).total_cmp(&whole(b))))?;
    (likeness(best) > 0.8).then_some(best.path)
}
