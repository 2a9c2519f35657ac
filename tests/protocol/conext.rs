//! Registers of Conext devices, from images of them, give the stated values.

use dbus_bms::base::units::Moment;
use dbus_bms::conext::{Family, PART_NUMBER, Step, Survey, berrybms, device_id, quantities, text};
use dbus_bms::model::{DeviceInfo, DeviceValue, HouseDevice};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Every image, by the name of its file.
fn images() -> Vec<(String, Json)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conext/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| (file.display().to_string(), serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())).collect()
}

/// The words of an image by their register.
fn words(image: &Json) -> BTreeMap<u16, u16> {
    let fields = image["registers"].as_object().unwrap().iter().flat_map(|(at, words)| {
        let at = u16::from_str_radix(at.trim_start_matches("0x"), 16).unwrap();
        words.as_array().unwrap().iter().zip(at..).map(|(word, at)| (at, u16::try_from(word.as_u64().unwrap()).unwrap()))
    });
    fields.collect()
}

fn family(words: &BTreeMap<u16, u16>) -> Family {
    let part: Vec<u16> = (0..PART_NUMBER.1).map(|place| words[&(PART_NUMBER.0 + place)]).collect();
    Family::of_part(&text(&part).unwrap()).unwrap()
}

/// Reads an image like a device that answers `answers`; registers that it does not have are refused.
fn read(family: Family, answers: impl Fn(u16) -> Option<u16>) -> (Survey, BTreeMap<&'static str, DeviceValue>, usize) {
    let mut survey = Survey::new(family);
    let (mut values, mut requests) = (BTreeMap::new(), 0);
    let mut steps: Vec<Step> = survey.steps();
    while let Some(step) = steps.pop() {
        requests += 1;
        let answered: Option<Vec<u16>> = (step.first..step.first + step.count).map(&answers).collect();
        match answered {
            Some(words) => values.extend(survey.values(&step, &words).into_iter().map(|(quantity, value)| (quantity.key, value))),
            None if survey.refused(&step) => steps.extend(survey.parts(&step)),
            None => {}
        }
    }
    (survey, values, requests)
}

#[test]
fn every_image_gives_its_stated_values() {
    let images = images();
    assert!(images.len() >= 4);
    for (file, image) in images {
        let words = words(&image);
        // As on a device with exactly the registers of the image: blocks are refused, registers are not.
        let (survey, values, _) = read(family(&words), |at| words.get(&at).copied());
        assert!(survey.missing() > 0, "{file}");
        for (key, expected) in image["expected"].as_object().unwrap() {
            let value = values.get(key.as_str());
            match (key.as_str(), expected) {
                ("open", _) => {}
                ("kind", kind) => assert_eq!(
                    match family(&words) {
                        Family::Xw => "inverter",
                        Family::Mppt60 | Family::Mppt80 => "mppt",
                        Family::BatteryMonitor => "battery monitor",
                        other => panic!("{other:?}"),
                    },
                    kind
                ),
                (key, Json::Number(number)) => {
                    assert_eq!(value, Some(&DeviceValue::Number(number.as_f64().unwrap())), "{file}: {key}")
                }
                (key, Json::String(text)) => assert_eq!(value, Some(&DeviceValue::Text(text.clone().into())), "{file}: {key}"),
                other => panic!("{file}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_device_that_has_all_registers_is_read_in_few_requests() {
    for (family, most) in
        [(Family::Xw, 8), (Family::Mppt80, 3), (Family::BatteryMonitor, 4), (Family::Ags, 4), (Family::Gateway, 3)]
    {
        let (survey, values, requests) = read(family, |at| Some(at / 8));
        assert!(requests <= most, "{family:?}: {requests}");
        assert_eq!(survey.missing(), 0);
        assert!(!values.is_empty());
    }
    assert_eq!(read(Family::Scp, |_| Some(0)).2, 0);
}

#[test]
fn a_register_that_is_missing_costs_one_request_and_no_other_value() {
    let without = |missing: u16| move |at: u16| (at != missing).then_some(1);
    let (mut survey, values, _) = read(Family::Xw, without(0x9B));
    assert!(
        !values.contains_key("load_power_w") && values.contains_key("load_current_a") && values.contains_key("load_apparent_va")
    );
    assert_eq!(survey.missing(), 1);
    assert!(survey.steps().iter().all(|step| step.first != 0x9A), "it is not asked for again");
    let step = survey.steps()[0].clone();
    survey.refused(&step);
    assert!(survey.steps().len() > 8);
}

#[test]
fn the_highest_value_stands_for_none_and_an_mppt_60_has_no_power_of_its_modules() {
    let (_, values, _) = read(Family::BatteryMonitor, |_| Some(u16::MAX));
    assert_eq!(values.keys().copied().collect::<Vec<_>>(), ["current_a"], "-1 mA is a current");
    let (_, values, _) = read(Family::Mppt60, |_| Some(0));
    assert!(values.contains_key("pv_voltage_v") && values.contains_key("dc_power_w"));
    assert!(
        !values.contains_key("pv_power_w") && !values.contains_key("pv_current_a") && !values.contains_key("battery_temperature_c")
    );
}

/// Registers for which there is no image, after Schneider's lists.
#[test]
fn generator_start_and_gateway_have_their_registers() {
    let read = |family: Family, words: &[(u16, u16)]| {
        let words: BTreeMap<u16, u16> = words.iter().copied().collect();
        let (_, values, _) = read(family, |at| Some(words.get(&at).copied().unwrap_or(0)));
        values
    };
    let number = |value: f64| Some(DeviceValue::Number(value));
    let word = |value: &str| Some(DeviceValue::Text(value.to_owned().into()));
    let ags = read(
        Family::Ags,
        &[(0x40, 3), (0x42, 1), (0x43, 9), (0x44, 5), (0x4D, 2), (0x55, 1), (0x56, 1), (0x6A, 240), (0x87, 80), (0x88, 25)],
    );
    for (key, expected) in [
        ("state", word("operating")),
        ("ags_state", word("automatic on")),
        ("action", word("running")),
        ("generator_mode", word("automatic")),
        ("start_soc_pct", number(25.0)),
        ("stop_soc_pct", number(80.0)),
    ] {
        assert_eq!(ags.get(key).cloned(), expected, "{key}: {ags:?}");
    }
    let sums = read(
        Family::Gateway,
        &[
            (0x43, 1200),
            (0x45, 3400),
            (0x47, 2000),
            (0x48, 0),
            (0x49, 37_500),
            (0x4B, 10),
            (0x4C, 3),
            (0x4D, 43_392),
            (0x4E, 5002),
            (0x53, 150),
            (0x5E, 0xFFFF),
            (0x5F, 0xFF38),
            (0x9D, 53_100),
            (0x9E, 29_815),
        ],
    );
    for (key, expected) in [
        ("generator_power_w", 1200.0),
        ("pv_power_w", 3400.0),
        ("charge_power_w", 2000.0),
        ("charge_current_a", 37.5),
        ("invert_power_w", 10.0),
        ("grid_voltage_v", 240.0),
        ("grid_frequency_hz", 50.02),
        ("grid_power_w", 150.0),
        ("load_power_w", -200.0),
        ("dc_voltage_v", 53.1),
        ("battery_temperature_c", 25.15),
    ] {
        assert_eq!(sums.get(key).cloned(), number(expected), "{key}: {sums:?}");
    }
}

#[test]
fn part_numbers_tell_the_devices() {
    for (part, family) in [
        ("865-6848-01", Family::Xw),
        ("865-6848-21", Family::Xw),
        ("865-1032", Family::Mppt80),
        ("865-1030-1", Family::Mppt60),
        ("865-1080-01", Family::BatteryMonitor),
        ("865-1060-01", Family::Ags),
        ("865-1050", Family::Scp),
    ] {
        assert_eq!(Family::of_part(part), Some(family));
    }
    assert_eq!(Family::of_part("865-4024-21"), None, "an SW has other registers");
}

#[test]
fn no_key_has_two_meanings() {
    let keys: BTreeSet<_> = quantities::ALL.iter().map(|quantity| quantity.key).collect();
    assert_eq!(keys.len(), quantities::ALL.len());
    for family in Family::ALL {
        let mut seen = BTreeSet::new();
        for register in family.registers() {
            assert!(seen.insert(register.quantity.key), "{family:?}: {}", register.quantity.key);
            assert!(quantities::ALL.iter().any(|quantity| quantity.key == register.quantity.key), "{}", register.quantity.key);
        }
        assert!(family.registers().is_sorted_by_key(|register| register.at), "{family:?}");
    }
}

#[test]
fn berrybms_dashboards_find_their_keys() {
    let now = Moment::from_secs(1.0);
    let shown = |id: String, family: Family, image: &str| {
        let (_, image) = images().into_iter().find(|(file, _)| file.ends_with(image)).unwrap();
        let words = words(&image);
        let info =
            DeviceInfo { id, kind: family.kind(), name: "x".into(), connection: "x".into(), timeout: Duration::from_secs(30) };
        let mut device = HouseDevice::new(info);
        let survey = Survey::new(family);
        let mut values = Vec::new();
        for step in survey.steps() {
            let all: Vec<u16> = (step.first..step.first + step.count).map(|at| words.get(&at).copied().unwrap_or(0)).collect();
            values.extend(survey.values(&step, &all));
        }
        device.update(values, now);
        berrybms(&device, now)
    };
    let (name, xw) = shown(device_id(Family::Xw, Some("B12 345"), 10), Family::Xw, "conext-xw-inverting.json").unwrap();
    assert_eq!(name, "xw-B12345");
    assert_eq!((xw["BatteryVoltage"].as_f64(), xw["BatteryCurrent"].as_f64()), (Some(54.0), Some(-5.22)));
    assert_eq!((xw["LoadOutputEnergyToday"].as_f64(), xw["EnergyFromBatteryToday"].as_f64()), (Some(7.7), Some(3.1)), "in kWh");
    let (name, mppt) = shown(device_id(Family::Mppt80, None, 170), Family::Mppt80, "conext-mppt80.json").unwrap();
    assert_eq!(
        (name.as_str(), mppt["PVPower"].as_f64(), mppt["EnergyFromPVToday"].as_f64()),
        ("mppt-170", Some(479.0), Some(8.25))
    );
    let (name, battery) =
        shown(device_id(Family::BatteryMonitor, None, 190), Family::BatteryMonitor, "conext-battmon.json").unwrap();
    assert_eq!(
        (name.as_str(), battery["BatterySOC"].as_f64(), battery["BatteryCapacityRemoved"].as_f64()),
        ("battmon-190", Some(81.0), Some(53.0))
    );
    assert!(shown(device_id(Family::Ags, None, 50), Family::Ags, "conext-battmon.json").is_none(), "read there, not told");
}
