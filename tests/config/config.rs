//! The configuration from outside: the settings match the file, and errors are reported by line.

use crate::support::work;

use dbus_bms::base::units::{Amps, Percent, Volts};
use dbus_bms::battery::charge;
use dbus_bms::battery::soc;
use dbus_bms::config::schema::KEYS;
use dbus_bms::config::{Config, ConfigError, Paths, RawValue, Settings, document};
use dbus_bms::link::port_name;
use dbus_bms::model::Chemistry;
use proptest::prelude::*;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

fn settings(text: &str) -> Settings {
    Config::parse("c.toml", text).unwrap().settings(None, None)
}

fn errors(text: &str) -> String {
    Config::parse("c.toml", text).err().expect("this must be refused").to_string()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let defaults = settings("");
    assert_eq!(defaults, Settings::default());
    assert_eq!(defaults.charge.max_charge_current, None);
    assert!(defaults.control && defaults.dbus.required);
    let silence = &defaults.charge.silence;
    assert_eq!(
        [silence.values_after(), silence.cable_warning_after(), silence.cable_alarm_after()].map(|t| t.as_secs()),
        [10, 60, 300]
    );
}

#[test]
fn every_key_reaches_its_setting() {
    let text = r#"
        chemistry = "nmc"
        max_charge_current_a = 80
        max_cell_voltage_v = 4.1
        cells = 14
        charge_by_cell_voltage = [[3.9, 1], [4.15, 0]]
        addresses = [1, 2]
        bms = ["jbd"]
        poll_interval_s = 0.5
        control = false
        soc = "counted"
        soc_caps = [[3.0, 10], [3.2, 100]]
        soc_hold_below_full = true
        soc_full_after_s = 60
        current_correction = [[-100, -98.5], [0, 0.3], [100, 99]]
        current_average_s = 60
        time_to_go_soc_floor_pct = 15
        time_to_soc_levels_pct = [20, 100]
        silence.preset = "strict"
        [recovery]
        ramp_a_per_s = 2
        [serial]
        baud = 19_200
        [dbus]
        required = false
        bus = "unix:path=/run/x"
    "#;
    let all = settings(text);
    assert_eq!(all.charge.chemistry, Some(Chemistry::Nmc));
    assert_eq!(all.charge.max_charge_current, Some(Amps::new(80.0)));
    assert_eq!(all.charge.max_cell_voltage, Some(Volts::new(4.1)));
    assert_eq!(all.charge.cells, Some(14));
    assert_eq!(all.charge.charge_by_cell_voltage, Some(vec![(3.9, 1.0), (4.15, 0.0)]));
    assert_eq!((all.addresses, all.bms, all.control), (vec![1, 2], vec!["jbd"], false));
    assert_eq!(all.poll_interval, Duration::from_millis(500));
    assert_eq!(all.charge.silence.preset, charge::Caution::Strict);
    assert_eq!(all.charge.silence.cable_alarm_after(), Duration::from_secs(60));
    assert_eq!(
        all.soc,
        soc::Config {
            source: soc::Source::Counted,
            caps: Some(vec![(3.0, 10.0), (3.2, 100.0)]),
            hold_below_full: true,
            full_after: Duration::from_secs(60),
            correction: Some(vec![(-100.0, -98.5), (0.0, 0.3), (100.0, 99.0)]),
            average_over: Duration::from_secs(60),
            floor: Percent::new(15.0),
            levels: vec![20, 100],
            ..soc::Config::default()
        }
    );
    assert_eq!(all.charge.recovery.amps_per_s, 2.0);
    assert_eq!(all.serial.baud, Some(19_200));
    assert_eq!((all.dbus.required, all.dbus.bus.as_deref()), (false, Some("unix:path=/run/x")));
}

#[test]
fn narrower_layers_win() {
    let text = r#"
        max_charge_current_a = 100
        [port.ttyUSB0]
        max_charge_current_a = 50
        serial.baud = 9600
        [battery."jbd-1"]
        max_charge_current_a = 20
    "#;
    let mut config = Config::parse("c.toml", text).unwrap();
    let limit = |config: &Config, port, battery| config.settings(port, battery).charge.max_charge_current.unwrap().get();
    assert_eq!(limit(&config, None, None), 100.0);
    assert_eq!(limit(&config, Some("/dev/ttyUSB1"), Some("jbd-2")), 100.0);
    assert_eq!(limit(&config, Some("/dev/ttyUSB0"), None), 50.0);
    assert_eq!(limit(&config, Some("/dev/ttyUSB0"), Some("jbd-1")), 20.0);
    assert_eq!(config.settings(Some("/dev/ttyUSB0"), None).serial.baud, Some(9600));
    assert_eq!(config.settings(Some("/dev/ttyUSB1"), None).serial.baud, None);
    config.set("--limit", "max_charge_current_a", RawValue::Number(5.0)).unwrap();
    assert_eq!(limit(&config, Some("/dev/ttyUSB0"), Some("jbd-1")), 5.0);
}

#[test]
fn ports_are_named_as_on_dbus() {
    assert_eq!(port_name("/dev/ttyUSB0"), "ttyUSB0");
    assert_eq!(port_name("ttyUSB0"), "ttyUSB0");
    assert_eq!(port_name("tcp://10.0.0.5:23"), "tcp_10_0_0_5_23");
    assert_eq!(port_name("/dev/serial/by-id/usb-FTDI_A-if00"), "usb_FTDI_A_if00");
    let config = Config::parse("c.toml", "[port.\"tcp://10.0.0.5:23\"]\ncells = 8").unwrap();
    assert_eq!(config.settings(Some("tcp://10.0.0.5:23"), None).charge.cells, Some(8));
}

#[test]
fn all_errors_are_told_with_line_and_remedy() {
    let text = "max_charge_curent_a = 100\ncells = 0\n\n[serial]\nbaud = \"fast\"\n[battery.\"x\"]\ndbus.required = true\n";
    let told = errors(text);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert_eq!(lines[0], "c.toml:1: unknown key `max_charge_curent_a`; did you mean `max_charge_current_a`?");
    assert_eq!(lines[1], "c.toml:2: `cells` = 0 is invalid: it must be a whole number from 1 to 32");
    assert_eq!(lines[2], "c.toml:5: `serial.baud` = \"fast\" is invalid: it must be a whole number from 1200 to 1000000");
    assert!(lines[3].starts_with("c.toml:7: `dbus.required` is not allowed in [battery.\"x\"]"), "{told}");
}

#[test]
fn a_whole_number_may_be_written_with_a_point() {
    let text = "cells = 16.0\naddresses = [1.0, 2]\ntime_to_soc_levels_pct = [100.0, 10.0]\nserial.baud = 9600.0\n";
    let settings = Config::parse("c.toml", text).unwrap().settings(None, None);
    assert_eq!((settings.charge.cells, settings.serial.baud), (Some(16), Some(9600)));
    assert_eq!((settings.addresses, settings.soc.levels), (vec![1, 2], vec![100, 10]));
}

#[test]
fn what_is_too_long_is_refused_in_words() {
    let told = |text: &str| {
        let Err(ConfigError::Wrong { problems, .. }) = Config::from_bytes("c.toml", text.as_bytes()) else { panic!("accepted") };
        let last = problems.last().unwrap().text.clone();
        (problems.len(), last)
    };
    let keys: String = (0..1_500_000).map(|number| format!("key{number} = 1\n")).collect();
    assert_eq!(told(&keys), (1, "larger than 1 MB, so not a configuration; check that this is the right file".to_owned()));
    let keys = keys.get(..1_000_000).unwrap().rsplit_once('\n').unwrap().0;
    let more = "more problems follow; correct these first";
    assert_eq!(told(keys), (51, more.to_owned()));
    assert_eq!(told(&"= 1\n".repeat(100_000)), (51, more.to_owned()));
    let tables = |many: usize| (0..many).map(|number| format!("[battery.b{number}]\ncells = 16\n")).collect::<String>();
    assert_eq!(told(&tables(30_000)), (1, "more than 100 tables of ports and batteries; remove those no longer needed".to_owned()));
    assert!(Config::parse("c.toml", &tables(100)).is_ok());
    let (count, text) = told(&format!("\"{}\\u001b\" = 1", "k\\u001b".repeat(100_000)));
    assert!(count == 1 && text.len() < 300 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_work_grows_as_the_file_does() {
    let ratio = |line: &dyn Fn(usize) -> String| {
        let text = |lines: usize| (0..lines).map(line).collect::<String>();
        let (few, many) = (text(1000), text(16_000));
        let check = |text: &str| drop(Config::from_bytes("c.toml", text.as_bytes()));
        work::ratio(|| check(&few), || check(&many))
    };
    let lines: [&dyn Fn(usize) -> String; 5] = [
        &|number| format!("key{number} = 1\n"),
        &|number| format!("[battery.b{number}]\ncells = 16\n"),
        &|number| format!("[port.p{number}]\ncells = 16\n"),
        &|number| format!("[t{number}]\nkey = 1\n"),
        &|_| "= 1\n".to_owned(),
    ];
    for (number, line) in lines.into_iter().enumerate() {
        let ratio = ratio(line);
        assert!(ratio < 48.0, "kind {number}: 16 times the lines are {ratio:.0} times the work");
    }
}

/// An answer about a value of the BMS is accepted wherever its family can be.
#[test]
fn answers_about_the_family_of_the_battery_are_accepted() {
    for text in [
        "assume = [\"daren-fet-bit-0-is-charge\", \"renogy-current-0.1-a\"]",
        "[port.ttyUSB0]\nbms = [\"jk\", \"daren\"]\nassume = [\"daren-fet-bit-0-is-charge\"]",
        "bms = [\"jk\"]\n[port.ttyUSB0]\nbms = [\"daren\"]\n[battery.\"daren_7\"]\nassume = [\"daren-fet-bit-0-is-charge\"]",
        "bms = [\"jk\"]\nassume = [\"daren-fet-bit-0-is-charge\"]\n[port.ttyUSB0]\nbms = [\"daren\"]",
        "[battery.\"eg4-ll_ttyUSB0_1\"]\nassume = [\"eg4-ll-current-0.1-a\"]",
        "[battery.\"a name of its own\"]\nassume = [\"eg4-ll-current-0.1-a\"]",
    ] {
        assert_eq!(Config::parse("c.toml", text).err().map(|error| error.to_string()), None, "{text}");
    }
    let config = Config::parse("c.toml", "[battery.\"daren_7\"]\nassume = [\"daren-fet-bit-0-is-charge\"]").unwrap();
    let of = |battery| config.settings(Some("/dev/ttyUSB0"), battery).charge.assume;
    assert_eq!(of(Some("daren_7")).iter().map(|answer| answer.name()).collect::<Vec<_>>(), ["daren-fet-bit-0-is-charge"]);
    assert_eq!((of(Some("daren_8")), of(None)), (Vec::new(), Vec::new()), "nobody else's");
}

#[test]
fn wrong_files_are_refused() {
    for (text, hint) in [
        ("MAX_CHARGE_CURRENT = 50", "did you mean `max_charge_current_a`?"),
        ("hold_s = 5", "did you mean `recovery.hold_s`?"),
        ("max_cell_voltage_v = 3,45", "c.toml:1: write decimals with a point"),
        ("[port.a]\nmax_charge_current_a = -100,5 # A", "c.toml:2: write decimals with a point"),
        ("max_charge_current_a = 100A", "without its unit"),
        ("max_charge_current_a = 100.5 A", "without its unit"),
        ("low_soc_alarm_pct = 10 %", "without its unit"),
        ("max_charge_current_a: 100", "an equals sign"),
        ("chemistry = lfp", "texts in quotes"),
        ("chemistry = “lfp”", "straight quotes"),
        ("qqq = 5", "config default"),
        ("serial = 5", "write [serial]"),
        ("port = 5", "[port.NAME]"),
        ("[port]\ncells = 8", "[port.NAME]"),
        ("[[battery]]\ncells = 8", "[battery.NAME]"),
        ("cells = {a = 1}", "a whole number"),
        ("cells = 16.5", "a whole number"),
        ("cells = 1e300", "a whole number"),
        ("cells = 99999999999999999999", "a whole number"),
        ("max_charge_current_a = nan", "a number from 0 to 1000"),
        ("max_charge_current_a = inf", "a number from 0 to 1000"),
        ("max_charge_current_a = -1", "a number from 0 to 1000"),
        ("max_charge_current_a = 1000.1", "a number from 0 to 1000"),
        ("chemistry = \"LFP\"", "\"lfp\", \"nmc\", \"lto\""),
        ("bms = [\"jkk\"]", "\"jbd\""),
        ("assume = [\"daren-fets\"]", "c.toml:1: `assume` = [\"daren-fets\"] is invalid"),
        ("assume = [\"daren-fets\"]", "\"renogy-current-0.1-a\""),
        ("\nassume = [\"renogy-current-0.1-a\", \"renogy-current-0.01-a\"]", "c.toml:2:"),
        ("assume = [\"renogy-current-0.1-a\", \"renogy-current-0.01-a\"]", "without both of"),
        (
            "[battery.\"jk_7\"]\nassume = [\"daren-fet-bit-0-is-charge\"]",
            "c.toml:2: `assume` = \"daren-fet-bit-0-is-charge\" is about",
        ),
        ("[port.ttyUSB0]\nbms = [\"jk\"]\nassume = [\"daren-fet-bit-0-is-charge\"]", "[port.ttyUSB0] is `jk`"),
        ("bms = [\"jk\"]\n[port.ttyUSB0]\nassume = [\"daren-fet-bit-0-is-charge\"]", "c.toml:3:"),
        ("bms = [\"jk\"]\nassume = [\"daren-fet-bit-0-is-charge\"]", "the top of the file is `jk`"),
        ("addresses = [1, 1]", "different whole numbers from 0 to 255, but 1 appears twice"),
        ("addresses = [1, 1.0]", "but 1.0 appears twice"),
        ("addresses = 1", "a list such as [1, 2]"),
        ("time_to_soc_levels_pct = [20, 12.5]", "whole numbers from 0 to 100, but 12.5 is not"),
        ("addresses = [256]", "0 to 255"),
        ("oscillation.dbus_power = \"com.victronenergy.grid\"", "a service and a path"),
        ("oscillation.dbus_power = \"grid/Ac Power\"", "a service and a path"),
        ("partner.mqtt_topic = \"shed/power\"", "needs the power at the grid connection"),
        ("[partner]\nmqtt_topic = \"a\"\ndbus_power = \"com.a/b\"\n[oscillation]\nsma_meter = true", "exclude each other"),
        ("partner.goodwe = true\noscillation.sma_meter = true", "needs the inverter"),
        ("[oscillation]\nsma_meter = true\ndbus_power = \"com.victronenergy.grid.*/Ac/Power\"", "exclude each other"),
        ("name = \"a\\nb\"", "one line"),
        ("state.folder = \"here\"", "begins with /"),
        ("dbus.bus = \"sytem\"", "\"session\""),
        ("charge_by_soc = [[90, 0.5]]", "two or more pairs"),
        ("charge_by_soc = [[90, 0.5], [90, 0.1]]", "rise from pair to pair"),
        ("charge_by_soc = [[90, 0.5], [95, 0.6]]", "never rise"),
        ("charge_by_soc = [[90, 1.5], [95, 0.6]]", "0 to 1"),
        ("charge_by_soc = [[90, 0.5], [195, 0.1]]", "from 0 to 100 %"),
        ("charge_by_cell_voltage = [[3.4, 1.0], [3.5, 0.2]]", "end at 0"),
        ("discharge_by_cell_voltage = [[2.8, 1.0], [3.1, 0.2]]", "never fall"),
        ("soc = \"voltage\"", "\"bms\", \"counted\""),
        ("soc_caps = [[3.0, 10], [3.2, 90]]", "ends at 100"),
        ("soc_caps = [[3.0, 110], [3.2, 100]]", "SoC in % from 0 to 100"),
        ("current_correction = [[0, 0.3]]", "two or more pairs [reported current in A, real current in A]"),
        ("current_correction = [[0, 0], [10, 25]]", "half to twice its rate"),
        ("current_correction = [[0, 0], [10, -10]]", "half to twice its rate"),
        ("time_to_soc_levels_pct = [20, 101]", "0 to 100"),
        ("soc_full_cell_voltage_v = 3.5\nmax_cell_voltage_v = 3.45", "is never reached"),
        ("soc_full_cell_voltage_v = 3.5", "is never reached: `max_cell_voltage_v` = 3.45, the default"),
        ("max_cell_voltage_v = 3.7", "set `chemistry`"),
        ("max_cell_voltage_v = 2.9\nchemistry = \"lto\"", "LTO cells"),
        ("max_cell_voltage_v = 4.0\nchemistry = \"sodium\"", "sodium-ion cells, 3.95 V"),
        ("max_cell_voltage_v = 3.55\ncharge_by_cell_voltage = [[3.4, 1.0], [3.5, 0.0]]", "before `max_cell_voltage_v`"),
        ("charge_by_cell_voltage = [[3.3, 1.0], [3.4, 0.0]]", "before `max_cell_voltage_v` = 3.45, the default while `chemistry`"),
        ("charge_by_cell_voltage = [[3.3, 1.0], [3.5, 0.0]]\n[battery.\"b\"]\nchemistry = \"nmc\"", "c.toml:3: `charge_by"),
        (
            "chemistry = \"lto\"\ncharge_by_cell_voltage = [[2.5, 1.0], [2.6, 0.0]]",
            "before `max_cell_voltage_v` = 2.65, the default",
        ),
        ("external_sensor.soc = \"/Soc\"", "a service and a path"),
        ("low_soc_warning_pct = 10\nlow_soc_alarm_pct = 20", "c.toml:2: `low_soc_alarm_pct` = 20 is above"),
        ("temperature_names = [1]", "a list of quoted names of up to 40 characters"),
        ("temperature_offsets_c = [0, 30]", "for each sensor, a number from -20 to 20"),
        ("temperatures_ignored = [0]", "whole numbers from 1 to 32"),
        ("silence.cable_warning_after_s = 400", "must not decrease"),
        ("cells = 16\ncells = 8", "duplicate"),
        ("cells 16", "c.toml:1"),
    ] {
        let told = errors(text);
        assert!(told.starts_with("c.toml:") && told.contains(hint), "{text}\n  gave {told}");
    }
}

#[test]
fn contradictions_are_blamed_on_the_table_that_causes_them() {
    let text = "chemistry = \"nmc\"\nmax_cell_voltage_v = 4.1\n[port.a]\ncells = 4\n[battery.\"b\"]\nchemistry = \"lfp\"\n";
    assert!(errors(text).starts_with("c.toml:6: `max_cell_voltage_v` = 4.1 exceeds the maximum for LFP cells"), "{}", errors(text));
    assert_eq!(errors(text).lines().count(), 1);
}

#[test]
fn a_curve_that_ends_below_the_charge_voltage_is_refused() {
    let curve = "charge_by_cell_voltage = [[3.30, 1.0], [3.40, 0.0]]\n";
    for (more, line, voltage) in
        [("", 1, "3.45, the default while `chemistry` is not set"), ("max_cell_voltage_v = 3.5\n", 2, "3.5")]
    {
        let said = errors(&format!("{curve}{more}"));
        assert!(said.starts_with(&format!("c.toml:{line}: `charge_by_cell_voltage` ends charging at 3.4 V")), "{said}");
        assert!(said.contains(&format!("`max_cell_voltage_v` = {voltage}")), "{said}");
    }
    settings(&format!("{curve}max_cell_voltage_v = 3.39\n"));
}

#[test]
fn the_default_file_is_the_defaults() {
    let text = document();
    for key in KEYS {
        let leaf = key.path.rsplit('.').next().unwrap();
        let (default, example) = (format!("\n#{leaf} = "), format!("\n#example: {leaf} = "));
        // Two tables may have a key with the same name.
        let namesakes = KEYS.iter().filter(|other| other.path.rsplit('.').next() == Some(leaf)).count();
        assert_eq!(text.matches(&default).count() + text.matches(&example).count(), namesakes, "{}", key.path);
    }
    assert!(text.lines().all(|line| line.chars().count() <= 116), "lines fit a terminal");
    assert_eq!(settings(&text), Settings::default());
    let set = |text: &str, marks: &[&str]| {
        let open = |line: &str| {
            let bare = marks
                .iter()
                .find_map(|mark| line.strip_prefix(mark))
                .filter(|bare| !bare.starts_with(' ') && !bare.starts_with("example:"));
            bare.unwrap_or(line).to_owned() + "\n"
        };
        settings(&text.lines().map(open).collect::<String>())
    };
    assert_eq!(set(&text, &["#"]), Settings::default(), "what is shown as a default is the default");
    // The sources of the partner's power exclude each other.
    let text = text
        .replace("\n#example: mqtt_topic = \"shed/battery/power\"", "")
        .replace("\n#example: mqtt_key = \"power\"\n\n# true", "\n# true");
    let shown = set(&text, &["#example: "]);
    assert_eq!(shown.charge.max_charge_current, Some(Amps::new(100.0)), "the examples are right, too");
}

#[test]
fn words_of_earlier_versions_and_other_usual_ones_are_read_but_not_written() {
    for (old, new) in [
        ("can.sma_current_sign = \"seed\"", "can.sma_current_sign = \"discharge-positive\""),
        ("limits_preset = \"seed-soc-steps\"", "limits_preset = \"serialbattery-soc-steps\""),
        ("chemistry = \"sodium-ion\"", "chemistry = \"sodium\""),
        ("chemistry = \"na-ion\"", "chemistry = \"sodium\""),
    ] {
        assert_eq!(settings(old), settings(new), "{old}");
        assert_ne!(settings(new), settings(""), "{new}");
        let written = settings(old).to_toml();
        assert!(!written.contains("seed") && !written.contains("-ion"), "{written}");
    }
    let refused = errors("limits_preset = \"seeds\"");
    assert!(refused.contains("\"curves\", \"serialbattery-soc-steps\", \"cell-steps\"") && !refused.contains("seed-"), "{refused}");
}

#[test]
fn settings_written_out_give_the_same_settings() {
    let examples = KEYS.iter().filter(|key| !key.example.is_empty()).map(|key| {
        // A partner inverter needs a source of the grid power, and a generator something that switches it.
        let needed = match key.path {
            path if path.starts_with("partner.") => "oscillation.sma_meter = true\n",
            path if path.starts_with("generator.start_") => "generator.mqtt_topic = \"cmnd/generator/POWER\"\n",
            _ => "",
        };
        format!("{needed}{} = {}\n", key.path, key.example)
    });
    let names = [r#"name = "Bank \"south\" \\ shed""#, "name = \"a\u{200b}b\u{301} é\"", "name = 'C:\\new'"];
    for text in names.into_iter().map(str::to_owned).chain(examples).chain([String::new()]) {
        let meant = settings(&text);
        assert_eq!(settings(&meant.to_toml()), meant, "{text}");
    }
}

#[test]
fn the_presets_of_silence_are_those_of_charge_control() {
    for (name, preset) in [("gentle", charge::Silence::GENTLE), ("strict", charge::Silence::STRICT)] {
        assert_eq!(settings(&format!("silence.preset = \"{name}\"")).charge.silence, preset, "{name}");
    }
}

#[test]
fn what_a_chemistry_presets_may_also_be_written() {
    let curve = |points: &[(f64, f64)]| points.iter().map(|(x, y)| format!("[{x}, {y}]")).collect::<Vec<_>>().join(", ");
    for (name, chemistry) in
        [("lfp", Chemistry::Lfp), ("nmc", Chemistry::Nmc), ("lto", Chemistry::Lto), ("sodium", Chemistry::Sodium)]
    {
        let preset = charge::chemistry::preset(chemistry);
        let written = settings(&format!(
            "chemistry = \"{name}\"\nmax_cell_voltage_v = {}\ncharge_by_cell_voltage = [{}]\n\
             discharge_by_cell_voltage = [{}]\ncharge_by_temperature = [{}]\ndischarge_by_temperature = [{}]\n",
            preset.max_cell,
            curve(preset.charge_by_cell),
            curve(preset.discharge_by_cell),
            curve(preset.charge_by_temperature),
            curve(preset.discharge_by_temperature),
        ));
        assert_eq!(written.charge.charge_by_cell_voltage.as_deref(), Some(preset.charge_by_cell), "{name}");
        assert_eq!(written.charge.max_cell_voltage, Some(Volts::new(preset.max_cell)));
    }
}

#[test]
fn files_stand_on_a_gx_in_one_folder_and_elsewhere_where_xdg_says() {
    let places = |gx, variables: &'static [(&str, &str)]| {
        let found = Paths::of(gx, move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)));
        (found.config.display().to_string(), found.state.display().to_string())
    };
    let paths = |config: &str, state: &str| (config.to_owned(), state.to_owned());
    assert_eq!(places(true, &[("HOME", "/home/root")]), paths("/data/conf/dbus-bms/config.toml", "/data/conf/dbus-bms"));
    assert_eq!(places(false, &[("HOME", "/h")]), paths("/h/.config/dbus-bms/config.toml", "/h/.local/state/dbus-bms"));
    let set = &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "not/absolute")];
    assert_eq!(places(false, set), paths("/c/dbus-bms/config.toml", "/h/.local/state/dbus-bms"));
    assert_eq!(places(false, &[]), paths("/etc/dbus-bms/config.toml", "/var/lib/dbus-bms"));
}

#[test]
fn only_a_file_that_was_not_asked_for_may_be_absent() {
    let nowhere = Paths { config: "/nonexistent/config.toml".into(), state: "/nonexistent".into() };
    assert_eq!(Config::load(None, &nowhere).unwrap().settings(None, None), Settings::default());
    let asked = Config::load(Some(Path::new("/nonexistent/other.toml")), &nowhere).err().unwrap();
    assert!(matches!(&asked, ConfigError::Unreadable { path, .. } if path.ends_with("other.toml")));
    assert!(Config::load(None, &Paths { config: "/".into(), ..nowhere }).is_err(), "a folder is no file");
    let told = Config::from_bytes("c.toml", b"cells = 8\nname = \"\xff\"\n").err().unwrap().to_string();
    assert!(told.starts_with("c.toml:2: not UTF-8"), "{told}");
}

#[test]
fn the_command_line_is_checked_like_a_file() {
    let mut config = Config::default();
    let told = config.set("--bms", "bms", RawValue::texts(["jbd", "nope"])).err().unwrap().to_string();
    assert!(told.starts_with("--bms: `bms` = [\"jbd\", \"nope\"] is invalid"), "{told}");
}

/// Text that often resembles a configuration.
fn almost_toml() -> impl Strategy<Value = String> {
    let key = (0..KEYS.len()).prop_map(|index| KEYS[index].path.to_owned());
    let name = prop_oneof![4 => key, 1 => "[a-z_.]{0,12}", 1 => Just("port.x".to_owned()), 1 => Just("battery".to_owned())];
    let value = prop_oneof!["-?[0-9]{1,4}(\\.[0-9]{1,3})?", "\"[ -~]{0,8}\"", Just("[[1, 1], [2, 0]]".to_owned()), "\\PC{0,8}"];
    let line = (name, value, any::<bool>())
        .prop_map(|(name, value, table)| if table { format!("[{name}]\n") } else { format!("{name} = {value}\n") });
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_panics_and_every_error_has_a_line(text in prop_oneof![almost_toml(), "\\PC{0,200}", "(?s).{0,60}"]) {
        if let Err(error) = Config::parse("c.toml", &text) {
            let ConfigError::Wrong { problems, .. } = &error else { panic!("{error}") };
            prop_assert!(!problems.is_empty());
            let count = text.split('\n').count();
            for line in error.to_string().split('\n').filter_map(|line| line.strip_prefix("c.toml:")) {
                let number: usize = line.split(':').next().unwrap().parse().unwrap();
                prop_assert!((1..=count).contains(&number), "line {number} of {count}");
            }
        }
    }

    #[test]
    fn accepted_settings_are_in_range(text in almost_toml()) {
        if let Ok(config) = Config::parse("c.toml", &text) {
            let settings = config.settings(None, None);
            prop_assert!(settings.charge.max_cell_voltage.is_none_or(|volts| volts.get() <= 4.2));
            prop_assert!(settings.charge.max_charge_current.is_none_or(|amps| (0.0..=1000.0).contains(&amps.get())));
            prop_assert!(settings.poll_interval >= Duration::from_millis(200));
            for (_, share) in settings.charge.charge_by_temperature.iter().flatten() {
                prop_assert!((0.0..=1.0).contains(share));
            }
        }
    }
}
