//! Messages of batteries in typical states, as golden files; and properties of the power in any message.

use crate::support::snapshot;
use dbus_bms::base::units::{Moment, Watts};
use dbus_bms::house::goodwe::BATTERY_CURRENT_AVERAGE;
use dbus_bms::model::{DeviceInfo, DeviceKind, DeviceValue, HouseDevice, Quantity, Snapshot, quantity};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, View};
use dbus_bms::output::domoticz::{Numbers, round};
use dbus_bms::output::mqtt::{
    self, Config, Message, Program, Shape, Source, berrybms, jk_pylon, jk_pylon_devices, parse, single_values, state,
};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The view of a snapshot.
pub(crate) fn view(snapshot: &Snapshot) -> Arc<View> {
    let info = BatteryInfo {
        id: "jbd_0123456789".into(),
        custom_name: "House".into(),
        service: Some("com.victronenergy.battery.ttyUSB0".into()),
        connection: "Serial ttyUSB0".into(),
        product: "JBD BMS".into(),
        instance: Some(1),
        control: true,
        ..BatteryInfo::default()
    };
    Arc::new(View::new(&info, snapshot, Some(Duration::from_millis(300)), InverterOutputs::default()))
}

/// The default settings of a program with a key.
pub(crate) fn config() -> Config {
    let program = Program { key: "1a2b3c4d".into(), host: "einstein".into(), page: None };
    Config { program, ..Config::default() }
}

/// Numbers for everything.
pub(crate) fn numbers() -> Numbers {
    let mut next = 0;
    let mut number = || {
        next += 1;
        Some(next)
    };
    Numbers {
        voltage_v: number(),
        current_a: number(),
        power_w: number(),
        soc_pct: number(),
        remaining_ah: number(),
        capacity_ah: number(),
        cycles: number(),
        temperature_c: number(),
        cell_min_v: number(),
        cell_max_v: number(),
        charged_kwh: number(),
        discharged_kwh: number(),
        ccl_a: number(),
        dcl_a: number(),
        alarm_level: number(),
    }
}

/// Compares with, or writes, a golden file.
pub(crate) fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, expected, "\n{text}");
}

fn write(text: &mut String, messages: impl IntoIterator<Item = Message>) {
    for Message { topic, payload, retain } in messages {
        writeln!(text, "{topic}{} {payload}", if retain { " (retained)" } else { "" }).unwrap();
    }
}

#[test]
fn typical_states_have_their_golden_messages() {
    let config = config();
    let shape = Shape { cells: 16, sensors: 2, ..Shape::default() };
    for (name, snapshot) in [("discharging", snapshot::discharging()), ("alarmed", snapshot::alarmed()), ("lost", snapshot::lost())]
    {
        let (mut text, view) = (String::new(), view(&snapshot));
        let views = [Arc::clone(&view)];
        write(&mut text, [state(&config, &view)]);
        write(&mut text, single_values(&config, &view, shape));
        write(&mut text, berrybms(&views, &[], Moment::default()));
        write(&mut text, jk_pylon(&views));
        write(&mut text, round(&views, |_| numbers()).0.iter().map(mqtt::domoticz));
        assert_golden(&format!("mqtt-{name}.txt"), &text);
    }
}

#[test]
fn two_batteries_keep_their_own_berrybms_device_and_give_no_common_limit() {
    let mut second = view(&snapshot::discharging()).as_ref().clone();
    second.identity.id = "jk_2".into();
    let views = [view(&snapshot::discharging()), Arc::new(second)];
    let payload: serde_json::Value = serde_json::from_str(&berrybms(&views, &[], Moment::default()).unwrap().payload).unwrap();
    assert_eq!(payload.as_object().unwrap().keys().collect::<Vec<_>>(), ["bms-1", "bms-2"]);
    assert_eq!(jk_pylon(&views), [], "nobody's limits stand for both");
    let (updates, clash) = round(&views, |_| numbers());
    assert_eq!((updates.len(), clash), (15, Some(15)), "a device of Domoticz gets the value of one battery");
}

#[test]
fn the_power_is_a_number_or_stands_under_a_key() {
    let source = |key: Option<&str>, export: Option<&str>| Source {
        topic: "t".into(),
        key: key.map(str::to_owned),
        export_key: export.map(str::to_owned),
    };
    let plain = source(None, None);
    for (payload, watts) in [("412", Some(412.0)), (" -3.5\n", Some(-3.5)), ("\"120\"", Some(120.0)), ("1e3", Some(1000.0))] {
        assert_eq!(parse(&plain, payload.as_bytes()), watts.map(Watts::new), "{payload}");
    }
    for payload in ["", "nan", "inf", "1e999", "12 W", "true", "null", "[1]", "{}", "99999999999"] {
        assert_eq!(parse(&plain, payload.as_bytes()), None, "{payload}");
    }
    assert_eq!(parse(&plain, b"\xff12"), None);
    let inside = source(Some("ENERGY.Power"), None);
    assert_eq!(parse(&inside, br#"{"Time":"x","ENERGY":{"Power":-250}}"#), Some(Watts::new(-250.0)));
    assert_eq!(parse(&inside, br#"{"ENERGY":{}}"#), None);
    let both = source(Some("pconsume"), Some("psupply"));
    assert_eq!(parse(&both, br#"{"pconsume":0,"psupply":812.5}"#), Some(Watts::new(-812.5)));
    assert_eq!(parse(&both, br#"{"pconsume":5}"#), None, "half of it is none");
}

/// The translator's users read the cloud's values there, with its signs.
#[test]
fn the_topics_of_the_translators_cloud_and_meter_have_values_while_they_are_known() {
    let now = Moment::from_secs(100.0);
    let device = |id: &str, kind: DeviceKind, values: &[(&'static Quantity, f64)]| {
        let timeout = Duration::from_secs(30);
        let mut device = HouseDevice::new(DeviceInfo { id: id.into(), kind, name: "x".into(), connection: "x".into(), timeout });
        device.update(values.iter().map(|(quantity, value)| (*quantity, DeviceValue::Number(*value))).collect(), now);
        Arc::new(device)
    };
    let goodwe = device(
        "goodwe",
        DeviceKind::Inverter,
        &[
            (&quantity::BATTERY_CURRENT, -18.6),
            (&quantity::BATTERY_POWER, -979.2),
            (&quantity::BATTERY_SOC, 97.0),
            (&BATTERY_CURRENT_AVERAGE, -18.5),
        ],
    );
    let meter = device("grid", DeviceKind::Meter, &[(&quantity::GRID_POWER_AVERAGE, 421.0)]);
    let told = |devices: &[Arc<HouseDevice>], now: Moment| {
        let messages = jk_pylon_devices(devices, now);
        messages.into_iter().map(|message| (message.topic.to_string(), message.payload.to_string())).collect::<Vec<_>>()
    };
    let expected = [
        ("jk_pylon/SMA_Average_W", "-421"),
        ("jk_pylon/HMC_Sems_Average_A", "-18.5"),
        ("sems/Ampere", "-18.6"),
        ("sems/Watt", "-979.2"),
        ("sems/soc", "97"),
    ];
    let expected: Vec<_> = expected.iter().map(|(topic, value)| ((*topic).to_owned(), (*value).to_owned())).collect();
    assert_eq!(told(&[goodwe.clone(), meter.clone()], now), expected);
    assert_eq!(told(std::slice::from_ref(&meter), now), expected[..1], "no inverter");
    assert_eq!(told(&[goodwe, meter], Moment::from_secs(131.0)), [], "nothing that is old");
}

proptest! {
    #[test]
    fn no_message_panics_and_every_power_is_one_of_a_house(
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        key in proptest::option::of("[a-c.]{0,5}"),
        export in proptest::option::of("[a-c.]{0,5}"),
        a in any::<f64>(), b in any::<f64>(),
    ) {
        let source = Source { topic: String::new(), key, export_key: export };
        let json = format!("{{\"a\":{a:e},\"b\":{{\"c\":{b:e}}}}}");
        for bytes in [payload.as_slice(), json.as_bytes(), format!("{a}").as_bytes()] {
            if let Some(power) = parse(&source, bytes) {
                prop_assert!(power.get().abs() <= 10_000_000.0);
            }
        }
    }
}
