//! Options of dbus-serialbattery without a counterpart here, and what happens instead. Names and meanings: its
//! config.default.ini, all versions from 2023 to 2.1.20260729dev.

/// Name of an option, and its remark.
type UnsupportedOption = (&'static str, &'static str);

const BLUETOOTH: &str = "name a Bluetooth battery as a port, ble://ADDRESS (docs/bluetooth.md); dbus-serialbattery can keep serving others beside this driver";
const CAN_BMS: &str = "name the interface as a port, can://INTERFACE (docs/wiring.md); [can] here is for the inverter";
const ALWAYS: &str = "limits are recalculated with every reading";
const TOP_CELL: &str = "the highest cell always limits charge voltage and current (docs/charge-control.md)";
const MOS: &str = "always on: full current up to 70 °C, falling to 0 at 90 °C";
const PATHS: &str = "the published paths are fixed: docs/paths.md";
const OTHER_BMS: &str = "this BMS is not supported";
const LIMITS_OF_BMS: &str = "limits reported by the BMS are always obeyed, and lowered further by the rules here";
const GUI: &str = "the pages of the GX are not changed";
const MQTT: &str = "it has no effect without MQTT_TOPIC";
const UP16S: &str = "a whole chain is read through its master, too (docs/bms/jbd-up16s.md)";
const RECORD: &str = "`dbus-bms record` writes a recording";
const SENSORS: &str =
    "the coldest and the hottest of all sensors count; name those that measure something else than cells in temperatures_ignored";
const TIME_TO_SOC: &str = "times are in seconds and based on the average current";
const SOC_STEPS: &str =
    "set charge_by_soc and discharge_by_soc; limits_preset = \"serialbattery-soc-steps\" has the steps of the first versions";

/// All of them.
const UNSUPPORTED: &[UnsupportedOption] = &[
    ("LOGGING", "the log level is set on the command line (--log) or by RUST_LOG"),
    ("BLUETOOTH_BMS", BLUETOOTH),
    ("BLUETOOTH_USE_POLLING", BLUETOOTH),
    ("BLUETOOTH_FORCE_RESET_BLE_STACK", BLUETOOTH),
    ("BLUETOOTH_USE_USB", BLUETOOTH),
    ("CAN_PORT", CAN_BMS),
    ("CAN_SPEED", CAN_BMS),
    ("JKBMS_CAN_CELL_COUNT", CAN_BMS),
    ("SERIAL_STARTER_ENABLED", "install.sh sets up serial-starter, and uninstall reverts it"),
    (
        "BLOCK_ON_DISCONNECT_TIMEOUT_MINUTES",
        "without data charging fades out after 10 s and discharging stops after 300 s, see [silence]",
    ),
    ("BLOCK_ON_DISCONNECT_VOLTAGE_MIN", "without data a battery below 3.10 V per cell is not discharged after 60 s"),
    ("BLOCK_ON_DISCONNECT_VOLTAGE_MAX", "without data charging fades out at any voltage"),
    ("BMS_CABLE_ALARM", "the cable alarm is always raised; set its times in [silence]"),
    ("CVL_RECALCULATION_EVERY", ALWAYS),
    ("CVL_RECALCULATION_ON_MAX_PERCENTAGE_CHANGE", ALWAYS),
    ("SWITCH_TO_FLOAT_CELL_VOLTAGE_DEVIATION", "phases.level_spread_v alone decides when the cells are level"),
    ("SWITCH_TO_BULK_CELL_VOLTAGE_DIFF", "float ends by SoC (phases.rebulk_soc_pct), or by cell voltage if the SoC is unknown"),
    ("CVL_CONTROLLER_MODE", TOP_CELL),
    ("CVL_ICONTROLLER_MODE", TOP_CELL),
    ("CVL_ICONTROLLER_FACTOR", TOP_CELL),
    ("CCCM_T_MOSFET_ENABLE", MOS),
    ("DCCM_T_MOSFET_ENABLE", MOS),
    ("MOSFET_TEMPERATURES_WHILE_CHARGING", MOS),
    ("MAX_CHARGE_CURRENT_T_MOSFET_FRACTION", MOS),
    ("MOSFET_TEMPERATURES_WHILE_DISCHARGING", MOS),
    ("MAX_DISCHARGE_CURRENT_T_MOSFET_FRACTION", MOS),
    ("CC_SOC_LIMIT1", SOC_STEPS),
    ("CC_SOC_LIMIT2", SOC_STEPS),
    ("CC_SOC_LIMIT3", SOC_STEPS),
    ("CC_CURRENT_LIMIT1_FRACTION", SOC_STEPS),
    ("CC_CURRENT_LIMIT2_FRACTION", SOC_STEPS),
    ("CC_CURRENT_LIMIT3_FRACTION", SOC_STEPS),
    ("DC_SOC_LIMIT1", SOC_STEPS),
    ("DC_SOC_LIMIT2", SOC_STEPS),
    ("DC_SOC_LIMIT3", SOC_STEPS),
    ("DC_CURRENT_LIMIT1_FRACTION", SOC_STEPS),
    ("DC_CURRENT_LIMIT2_FRACTION", SOC_STEPS),
    ("DC_CURRENT_LIMIT3_FRACTION", SOC_STEPS),
    ("CHARGE_CURRENT_RECOVERY_THRESHOLD_PERCENT", "limits rise slowly instead ([recovery])"),
    ("DISCHARGE_CURRENT_RECOVERY_THRESHOLD_PERCENT", "limits rise slowly instead ([recovery])"),
    ("TIME_TO_GO_ENABLE", "time-to-go is always shown"),
    ("TIME_TO_SOC_VALUE_TYPE", TIME_TO_SOC),
    ("TIME_TO_SOC_RECALCULATE_EVERY", TIME_TO_SOC),
    ("TIME_TO_SOC_INC_FROM", TIME_TO_SOC),
    ("HISTORY_ENABLE", "the history is always kept"),
    ("EXCLUDED_DEVICES", "exclude a port from serial-starter by a udev rule with ENV{VE_SERVICE}=\"ignore\""),
    ("PUBLISH_CONFIG_VALUES", PATHS),
    ("PUBLISH_BATTERY_DATA_AS_JSON", "[mqtt] publishes the batteries to a broker (docs/mqtt.md)"),
    ("BATTERY_CELL_DATA_FORMAT", PATHS),
    ("MIDPOINT_ENABLE", PATHS),
    ("TEMPERATURE_SOURCE_BATTERY", SENSORS),
    ("GUI_PARAMETERS_SHOW_ADDITIONAL_INFO", GUI),
    ("GUI_INSTALL_CUSTOMIZATIONS", GUI),
    ("TELEMETRY", "there is no telemetry"),
    ("USE_PORT_AS_UNIQUE_ID", "a BMS without a serial number is identified by its USB socket and address"),
    ("BATTERY_CAPACITY", "the capacity comes from the BMS; if it has none, set capacity_ah, which works for any BMS"),
    ("AUTO_RESET_SOC", "the driver never writes to a BMS on its own; soc = \"counted\" goes to 100 % when the battery is full"),
    ("USE_BMS_DVCC_VALUES", LIMITS_OF_BMS),
    ("SEPLOS_USE_BMS_VALUES", LIMITS_OF_BMS),
    ("FELICITY_USE_BMS_VALUES", LIMITS_OF_BMS),
    ("SOC_RESET_CURRENT", "soc_full_tail_current_c is the same as a fraction of the capacity"),
    ("UP16S_REQUIRE_DIRECT_CONNECTION", UP16S),
    ("HELTEC_MODBUS_ADDR", OTHER_BMS),
    ("GREENMETER_ADDRESS", OTHER_BMS),
    ("LIPRO_START_ADDRESS", OTHER_BMS),
    ("LIPRO_END_ADDRESS", OTHER_BMS),
    ("LIPRO_CELL_COUNT", OTHER_BMS),
    ("UBMS_CAN_MODULE_SERIES", OTHER_BMS),
    ("UBMS_CAN_MODULE_PARALLEL", OTHER_BMS),
    ("MQTT_TOPIC", "no topic is set"),
    ("MQTT_BROKER_ADDRESS", MQTT),
    ("MQTT_BROKER_PORT", MQTT),
    ("MQTT_TLS_ENABLED", MQTT),
    ("MQTT_TLS_PATH_TO_CA", MQTT),
    ("MQTT_TLS_INSECURE", MQTT),
    ("MQTT_USERNAME", MQTT),
    ("MQTT_PASSWORD", MQTT),
    ("BMS_CAPTURE_RAW_DATA", RECORD),
    ("BMS_CAPTURE_RAW_DATA_MAX_SIZE_MB", RECORD),
    ("BMS_CAPTURE_RAW_DATA_BACKUP_COUNT", RECORD),
];

/// The remark on an option without a counterpart.
pub(super) fn left(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Names of older versions, and their present names.
const RENAMED: &[(&str, &str)] = &[
    ("EXTERNAL_CURRENT_SENSOR_DBUS_DEVICE", "EXTERNAL_SENSOR_DBUS_DEVICE"),
    ("EXTERNAL_CURRENT_SENSOR_DBUS_PATH", "EXTERNAL_SENSOR_DBUS_PATH_CURRENT"),
    ("BULK_CELL_VOLTAGE", "SOC_RESET_CELL_VOLTAGE"),
    ("SOC_RESET_VOLTAGE", "SOC_RESET_CELL_VOLTAGE"),
    ("BULK_AFTER_DAYS", "SOC_RESET_AFTER_DAYS"),
    ("SOC_CALC_CURRENT_REPORTED_BY_BMS", "CURRENT_REPORTED_BY_BMS"),
    ("SOC_CALC_CURRENT_MEASURED", "CURRENT_REPORTED_BY_BMS"),
    ("SOC_CALC_CURRENT_MEASURED_BY_USER", "CURRENT_MEASURED_BY_USER"),
    ("SOC_CALC_CURRENT_REAL", "CURRENT_MEASURED_BY_USER"),
    ("MODBUS_ADDRESSES", "BATTERY_ADDRESSES"),
    ("LINEAR_RECALCULATION_EVERY", "CVL_RECALCULATION_EVERY"),
    ("LINEAR_RECALCULATION_ON_PERC_CHANGE", "CVL_RECALCULATION_ON_MAX_PERCENTAGE_CHANGE"),
    ("MAX_VOLTAGE_TIME_SEC", "SWITCH_TO_FLOAT_WAIT_FOR_SEC"),
    ("CELL_VOLTAGE_DIFF_KEEP_MAX_VOLTAGE_UNTIL", "SWITCH_TO_FLOAT_CELL_VOLTAGE_DIFF"),
    ("CELL_VOLTAGE_DIFF_KEEP_MAX_VOLTAGE_TIME_RESTART", "SWITCH_TO_FLOAT_CELL_VOLTAGE_DEVIATION"),
    ("SOC_LEVEL_TO_RESET_VOLTAGE_LIMIT", "SWITCH_TO_BULK_SOC_THRESHOLD"),
    ("CELL_VOLTAGE_DIFF_TO_RESET_VOLTAGE_LIMIT", "SWITCH_TO_BULK_CELL_VOLTAGE_DIFF"),
    ("TEMPERATURE_LIMITS_WHILE_CHARGING", "TEMPERATURES_WHILE_CHARGING"),
    ("TEMPERATURE_LIMITS_WHILE_DISCHARGING", "TEMPERATURES_WHILE_DISCHARGING"),
    ("TEMP_BATTERY", "TEMPERATURE_SOURCE_BATTERY"),
    ("TEMP_1_NAME", "TEMPERATURE_1_NAME"),
    ("TEMP_2_NAME", "TEMPERATURE_2_NAME"),
    ("TEMP_3_NAME", "TEMPERATURE_3_NAME"),
    ("TEMP_4_NAME", "TEMPERATURE_4_NAME"),
];

/// The present name of an option.
pub(super) fn present_name(name: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}
