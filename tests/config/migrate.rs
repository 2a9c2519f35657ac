//! `config migrate`: conversion of a config.ini of dbus-serialbattery. The files in tests/migrate contain the names and values of
//! its options (version 2.1.20260729dev), and values that an owner may have set.

use dbus_bms::base::units::{Amps, Percent, Volts};
use dbus_bms::battery::charge::{LimitsPreset, SensorConfig};
use dbus_bms::battery::soc::Source;
use dbus_bms::config::import::{ImportError, Migration, OptionOutcome, migrate};
use dbus_bms::config::{Config, Settings};
use proptest::prelude::*;
use std::process::Command;
use std::time::Duration;

const DEFAULT: &str = include_str!("../migrate/default.ini");
const OWNER: &str = include_str!("../migrate/owner.ini");

fn settings(migration: &Migration) -> Settings {
    Config::parse("new.toml", &migration.toml).expect("it must pass the check").settings(Some("/dev/ttyUSB0"), None)
}

fn names(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with([';', '['])).filter_map(|line| Some(line.split_once('=')?.0.trim())).collect()
}

fn remarks<'a>(migration: &'a Migration, option: &str) -> Vec<(OptionOutcome, &'a str)> {
    migration.remarks.iter().filter(|r| r.option == option).map(|r| (r.outcome, r.text.as_str())).collect()
}

#[test]
fn every_option_of_the_default_file_is_taken_over_or_named() {
    let migration = migrate(DEFAULT).unwrap();
    assert_eq!(names(DEFAULT).len(), 121);
    for name in names(DEFAULT) {
        let taken = migration.taken.iter().any(|taken| taken == name);
        let named: Vec<OptionOutcome> = remarks(&migration, name).into_iter().map(|(outcome, _)| outcome).collect();
        assert!(taken || !named.is_empty(), "{name} got lost");
        assert!(!named.contains(&OptionOutcome::Unknown) && !named.contains(&OptionOutcome::Refused), "{name}: {named:?}");
        assert!(!taken || !named.contains(&OptionOutcome::NoCounterpart), "{name} is both taken over and without a counterpart");
    }
    let settings = settings(&migration);
    assert_eq!(settings.charge.max_charge_current, Some(Amps::new(50.0)));
    assert_eq!(settings.charge.max_discharge_current, Some(Amps::new(60.0)));
    assert_eq!(settings.charge.max_cell_voltage, Some(Volts::new(3.45)));
    assert_eq!(settings.charge.phases.float_cell_voltage, Some(Volts::new(3.375)));
    assert_eq!(settings.charge.phases.balance_every_days, None, "no charge to 3.65 V that nobody asked for");
    assert_eq!(settings.charge.capacity, None, "a capacity that is there for other boards");
    assert_eq!(settings.charge.charge_by_soc, None, "switched off there");
    let curve = settings.charge.charge_by_cell_voltage.clone().unwrap();
    assert_eq!(curve, [(3.375, 1.0), (3.4, 0.25), (3.425, 0.05), (3.45, 0.005), (3.5, 0.0)]);
    assert_eq!(settings.charge.preset, LimitsPreset::Curves);
    assert!(settings.bms.is_empty() && settings.addresses.is_empty());
}

#[test]
fn an_owners_file_keeps_what_is_safe_of_it() {
    let migration = migrate(OWNER).unwrap();
    let new = settings(&migration);
    let charge = &new.charge;
    assert_eq!(charge.max_charge_current, Some(Amps::new(120.0)));
    assert_eq!(charge.max_discharge_current, Some(Amps::new(150.0)));
    assert_eq!(charge.max_cell_voltage, Some(Volts::new(3.5)));
    assert_eq!(charge.phases.float_cell_voltage, Some(Volts::new(3.5)), "float is brought down to the charge voltage");
    assert_eq!(charge.phases.balance_cell_voltage, Some(Volts::new(3.65)), "3.8 V would harm the cells");
    assert_eq!(charge.charge_by_temperature, None, "no charging in the frost");
    let curve = charge.charge_by_cell_voltage.clone().unwrap();
    assert_eq!(curve[..3], [(3.3, 1.0), (3.301, 0.5), (3.449, 0.5)], "steps stay steps");
    assert_eq!(new.addresses, [1, 2, 10]);
    assert_eq!(new.bms, ["jk-pb"]);
    assert_eq!(new.name.as_deref(), Some("Garage \"left\""));
    assert_eq!(new.soc.source, Source::Counted);
    assert_eq!(new.soc.empty_cell, Some(Volts::new(2.9)));
    assert_eq!(charge.recovery.hold, Duration::from_secs(60));
    assert_eq!(new.poll_interval, Duration::from_millis(200));
    assert_eq!(charge.silence.cable_alarm_after(), Duration::from_secs(60), "blocked early there, early here");
    let fates: Vec<OptionOutcome> = migration.remarks.iter().map(|remark| remark.outcome).collect();
    assert!(fates.is_sorted(), "the most important comes first: {fates:?}");
    for (option, outcome) in [
        ("FLOAT_CELL_VOLTAGE", OptionOutcome::Differs),
        ("SOC_RESET_VOLTAGE", OptionOutcome::Differs),
        ("TEMPERATURE_LIMITS_WHILE_CHARGING", OptionOutcome::Refused),
        ("BMS_TYPE", OptionOutcome::Refused),
        ("CCL_RECOVERY_RATE_A_PER_SEC", OptionOutcome::Refused),
        ("DCCM_CV_ENABLE", OptionOutcome::Refused),
        ("POLL_INTERVAL", OptionOutcome::Differs),
        ("CCL_RECOVERY_HOLD_SEC", OptionOutcome::Differs),
        ("MQTT_PASSWORD", OptionOutcome::NoCounterpart),
        ("TELEMETRYY", OptionOutcome::Unknown),
    ] {
        assert!(
            remarks(&migration, option).iter().any(|(found, _)| *found == outcome),
            "{option}: {:?}",
            remarks(&migration, option)
        );
    }
    assert!(!serde_json::to_string(&migration).unwrap().contains("horse"), "a password is repeated");
}

#[test]
fn the_points_of_time_to_soc_are_taken_over() {
    for (points, levels) in [("50, 25, 15, 0", vec![50, 25, 15, 0]), ("100", vec![100]), ("20.0, 20, 80", vec![20, 80])] {
        let migration = migrate(&format!("[DEFAULT]\nTIME_TO_SOC_POINTS = {points}\n")).unwrap();
        assert_eq!(settings(&migration).soc.levels, levels, "{points}");
        assert_eq!(remarks(&migration, "TIME_TO_SOC_POINTS"), [], "{points}");
    }
    let migration = migrate("[DEFAULT]\nTIME_TO_SOC_POINTS = 50, 12.5\n").unwrap();
    let told = remarks(&migration, "TIME_TO_SOC_POINTS");
    assert!(told.iter().any(|(outcome, why)| *outcome == OptionOutcome::Refused && why.contains("12.5 is not")), "{told:?}");
}

#[test]
fn names_and_corrections_of_sensors_are_taken_over() {
    let old =
        "TEMPERATURE_1_NAME = Cells\nTEMPERATURE_2_NAME = Temp 2\nTEMPERATURE_2_ADJUST = -1.5, 1\nTEMPERATURE_MOS_ADJUST = 2, 1\n";
    let sensors = settings(&migrate(old).unwrap()).charge.sensors;
    assert_eq!((sensors.name(0), sensors.name(1), sensors.name(2)), (Some("Cells"), Some("Temp 2"), None));
    assert_eq!((sensors.offsets, sensors.mos_offset), (vec![0.0, -1.5, 0.0, 0.0], 2.0));
    let defaults = migrate(DEFAULT).unwrap();
    assert!(!defaults.toml.lines().any(|line| line.starts_with("temperature")), "{}", defaults.toml);
    for refused in ["0, 1.1", "1", "90, 1", "warm, 1"] {
        let migration = migrate(&format!("TEMPERATURE_3_ADJUST = {refused}\n")).unwrap();
        assert_eq!(remarks(&migration, "TEMPERATURE_3_ADJUST")[0].0, OptionOutcome::Refused, "{refused}");
        assert_eq!(settings(&migration).charge.sensors, SensorConfig::default(), "{refused}");
    }
}

#[test]
fn thresholds_of_the_low_soc_alarm_are_taken_over() {
    let migration = migrate("SOC_LOW_WARNING = 15\nSOC_LOW_ALARM = 5\n").unwrap();
    let soc = settings(&migration).soc;
    assert_eq!(
        (soc.low_warning, soc.low_alarm, soc.floor),
        (Some(Percent::new(15.0)), Some(Percent::new(5.0)), Percent::new(15.0))
    );
    assert_eq!(remarks(&migration, "SOC_LOW_ALARM")[0].0, OptionOutcome::Differs, "there for JBD alone");
}

#[test]
fn the_external_sensor_is_taken_over() {
    let old = "EXTERNAL_SENSOR_DBUS_DEVICE = com.victronenergy.battery.ttyS5\nEXTERNAL_SENSOR_DBUS_PATH_CURRENT = /Dc/0/Current\n";
    let new = settings(&migrate(old).unwrap());
    let place = new.external.current.unwrap();
    assert_eq!((place.service.as_str(), place.path.as_str()), ("com.victronenergy.battery.ttyS5", "/Dc/0/Current"));
    assert_eq!((new.external.soc, new.soc.external.current, new.soc.external.soc), (None, true, false));
    let migration =
        migrate("EXTERNAL_CURRENT_SENSOR_DBUS_DEVICE = com.x.y\nEXTERNAL_CURRENT_SENSOR_DBUS_PATH = nonsense\n").unwrap();
    assert_eq!(remarks(&migration, "EXTERNAL_CURRENT_SENSOR_DBUS_PATH")[0].0, OptionOutcome::Refused);
}

#[test]
fn each_bms_that_both_drivers_know_is_named() {
    for (there, here) in [
        ("Jkbms", &["jk"][..]),
        ("Jkbms_pb", &["jk-pb"]),
        ("LltJbd", &["jbd"]),
        ("Daly", &["daly", "daly-modbus"]),
        ("ANT", &["ant-old"]),
        ("Pace", &["pace"]),
        // Its name until June 2023.
        ("Ant", &["ant-old"]),
        ("Jkbms, ANT", &["jk", "ant-old"]),
        ("Seplosv3", &["seplos-v3"]),
        ("Seplos", &["seplos"]),
        ("Daren485", &["daren"]),
        ("LltJbd_Up16s", &["jbd-up16s"]),
        ("Renogy", &["renogy"]),
        ("EG4_LL", &["eg4-ll"]),
        ("EG4_Lifepower", &["tianpower"]),
        ("Felicity", &["felicity"]),
        ("HeltecModbus", &["heltec"]),
        ("Sinowealth", &["sinowealth"]),
    ] {
        let migration = migrate(&format!("BMS_TYPE = {there}\n")).unwrap();
        assert_eq!(settings(&migration).bms, here, "{there}");
        let fates: Vec<OptionOutcome> = remarks(&migration, "BMS_TYPE").into_iter().map(|(outcome, _)| outcome).collect();
        assert_eq!(fates, [], "{there}");
    }
}

#[test]
fn dangerous_numbers_are_left_out_and_named() {
    for (text, option) in [
        ("MAX_CELL_VOLTAGE = 4.2", "MAX_CELL_VOLTAGE"),
        ("MAX_CELL_VOLTAGE = 2.6", "MAX_CELL_VOLTAGE"),
        ("MAX_CELL_VOLTAGE = nan", "MAX_CELL_VOLTAGE"),
        ("MAX_CELL_VOLTAGE = 3.45 V", "MAX_CELL_VOLTAGE"),
        ("CELL_VOLTAGES_WHILE_CHARGING = 3.4, 3.8\nMAX_CHARGE_CURRENT_CV_FRACTION = 1, 0", "CELL_VOLTAGES_WHILE_CHARGING"),
        (
            "MAX_CELL_VOLTAGE = 3.55\nCELL_VOLTAGES_WHILE_CHARGING = 3.5, 3.4\nMAX_CHARGE_CURRENT_CV_FRACTION = 0, 1",
            "MAX_CELL_VOLTAGE",
        ),
        ("INVERT_CURRENT_MEASUREMENT = -1", "INVERT_CURRENT_MEASUREMENT"),
        ("CURRENT_REPORTED_BY_BMS = -1, 1\nCURRENT_MEASURED_BY_USER = 0, 0", "CURRENT_REPORTED_BY_BMS"),
        ("BATTERY_ADDRESSES = 0x01, 0x1FF", "BATTERY_ADDRESSES"),
    ] {
        let migration = migrate(text).unwrap();
        let new = settings(&migration).charge;
        let refused = migration.remarks.iter().filter(|remark| remark.outcome == OptionOutcome::Refused);
        let options: Vec<&str> = refused.map(|remark| remark.option.as_str()).collect();
        let other = "CELL_VOLTAGES_WHILE_CHARGING";
        assert!(options.contains(&option) || options.contains(&other), "{text}: {options:?}");
        assert!(new.max_cell_voltage.is_none_or(|volts| volts <= Volts::new(3.55)), "{text}");
    }
}

#[test]
fn the_same_entry_takes_berrybms() {
    let migration = migrate("bms:\n  daly:\n    port: /dev/ttyUSB0\n").unwrap();
    assert_eq!(migration.from, "BerryBMS");
    assert!(migration.toml.contains("/dev/ttyUSB0"), "{}", migration.toml);
    settings(&migration);
}

#[test]
fn another_file_is_not_mistaken_for_one() {
    assert_eq!(migrate("").unwrap_err(), ImportError::UnknownFormat);
    assert_eq!(migrate("[DEFAULT]\nanswer = 42\n").unwrap_err(), ImportError::UnknownFormat);
    assert_eq!(migrate("max_charge_current_a = 50.0\n").unwrap_err(), ImportError::UnknownFormat);
}

#[test]
fn a_battery_fed_in_over_mqtt_is_taken_over_without_its_password() {
    let old = "[DEFAULT]\nMQTT_TOPIC = home/battery\nMQTT_BROKER_ADDRESS = 192.168.1.5\nMQTT_BROKER_PORT = 1884\nMQTT_USERNAME = me\n\
               MQTT_PASSWORD = horse\nMQTT_TLS_ENABLED = False\nMQTT_TLS_PATH_TO_CA = /data/ca.pem\nMQTT_TLS_INSECURE = True\n";
    let migration = migrate(old).unwrap();
    let new = settings(&migration);
    assert_eq!(new.ports, ["mqtt://192.168.1.5:1884/home/battery"]);
    assert_eq!(new.mqtt.broker.user.as_deref(), Some("me"));
    assert_eq!((new.mqtt.broker.tls, new.mqtt.broker.tls_ca), (false, None), "an authority without encryption is of no use");
    assert!(!serde_json::to_string(&migration).unwrap().contains("horse"), "a password is repeated");
    let refused = remarks(&migration, "MQTT_PASSWORD");
    assert!(
        refused.iter().any(|(outcome, why)| *outcome == OptionOutcome::Refused && why.contains("password_file")),
        "{refused:?}"
    );
    let insecure = remarks(&migration, "MQTT_TLS_INSECURE");
    assert!(insecure.iter().any(|(outcome, _)| *outcome == OptionOutcome::Differs), "{insecure:?}");
    assert_eq!(settings(&migrate("[DEFAULT]\nMQTT_TOPIC = /b/\n").unwrap()).ports, ["mqtt://127.0.0.1/b"]);
    // A topic with wildcards is no battery.
    let wrong = migrate("[DEFAULT]\nMQTT_TOPIC = home/+/b\n").unwrap();
    assert!(settings(&wrong).ports.is_empty(), "{}", wrong.toml);
}

#[test]
fn the_command_writes_a_file_that_the_check_accepts_and_never_over_another() {
    let folder = std::env::temp_dir().join(format!("dbus-bms-migrate-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (old, new) = (folder.join("config.ini"), folder.join("config.toml"));
    std::fs::write(&old, OWNER).unwrap();
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_dbus-bms")).args(arguments).output().unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());

    let printed = run(&["config", "migrate", old]);
    assert_eq!(printed.status.code(), Some(0));
    let list = String::from_utf8(printed.stderr).unwrap();
    assert!(list.contains("NOT TAKEN OVER BMS_TYPE"), "{list}");
    assert!(list.contains("no counterpart MQTT_PASSWORD"), "{list}");
    assert!(!list.contains("horse"), "{list}");

    assert_eq!(run(&["config", "migrate", old, "--to", new]).status.code(), Some(0));
    assert_eq!(std::fs::read(new).unwrap(), printed.stdout);
    assert_eq!(run(&["config", "check", new]).status.code(), Some(0));
    let again = run(&["config", "migrate", old, "--to", new]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists"));

    let json = run(&["config", "migrate", "--json", old]);
    let object: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(object["toml"].as_str().unwrap().as_bytes(), printed.stdout);
    assert_eq!(object["remarks"][0]["fate"], "refused");

    assert_eq!(run(&["config", "migrate", new]).status.code(), Some(2), "its own file is none of the old");
    assert_eq!(run(&["config", "migrate", "/nowhere/config.ini"]).status.code(), Some(2));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Lines that resemble real ones, with values of all types.
fn any_file() -> impl Strategy<Value = String> {
    let options = proptest::sample::select(names(DEFAULT));
    let value = prop_oneof![
        "[-0-9., ]{0,20}",
        "[ -~]{0,30}",
        any::<f64>().prop_map(|number| number.to_string()),
        (2.0..4.5f64).prop_map(|volts| format!("{volts:.3}")),
        proptest::sample::select(vec!["True", "False", "", "inf", "nan", "2", "-1", "1e300"]).prop_map(str::to_owned),
        proptest::collection::vec(-30.0..110.0f64, 0..6).prop_map(|list| list
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(",")),
    ];
    proptest::collection::vec((options, value), 0..30)
        .prop_map(|lines| lines.into_iter().map(|(name, value)| format!("{name} = {value}\n")).collect())
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "(?s).{0,300}") {
        if let Ok(migration) = migrate(&text) {
            settings(&migration);
        }
    }

    #[test]
    fn whatever_the_values_are_the_result_is_valid_and_safe(text in any_file()) {
        if let Ok(migration) = migrate(&text) {
            let new = settings(&migration).charge;
            prop_assert!(new.max_cell_voltage.is_none_or(|volts| volts <= Volts::new(3.65)));
            prop_assert!(new.phases.float_cell_voltage.is_none_or(|volts| volts <= Volts::new(3.65)));
            prop_assert!(new.phases.balance_cell_voltage.is_none_or(|volts| volts <= Volts::new(3.65)));
            for name in names(&text) {
                let named = migration.taken.iter().chain(migration.remarks.iter().map(|r| &r.option)).any(|known| known == name);
                prop_assert!(named, "{name} got lost");
            }
        }
    }
}
