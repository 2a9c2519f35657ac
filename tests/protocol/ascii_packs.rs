//! Families on the frame of hex digits: the requests, character by character, and what a pack that does not reply to some of them costs.

use dbus_bms::bms::ascii::{self, Header};
use dbus_bms::bms::{DecodeError, Driver, Expected, Request, daren, lifepower4, pace, pylontech, seplos};
use dbus_bms::model::Reading;
use dbus_bms::recording::file::Recording;

/// The requests of the second reading, when names are requested, too.
fn requests(driver: &Driver, address: u8) -> Vec<String> {
    let mut pack = (driver.new)(Some(address));
    let known = Reading { cell_count: Some(16), ..Reading::default() };
    pack.plan(&known).into_iter().map(|request| String::from_utf8(request.bytes.into_owned()).unwrap()).collect()
}

/// The first frame of a recording.
fn values_of(recording: &str) -> Vec<u8> {
    let received = Recording::parse("values", recording).unwrap().received();
    received.split_inclusive(|byte| *byte == b'\r').next().unwrap().to_vec()
}

/// Those of the vendors' documents and of recordings.
#[test]
fn requests_are_those_of_the_documents() {
    let pace = requests(&pace::DRIVER, 1);
    assert_eq!(
        pace,
        ["~25014642E00201FD30\r", "~25014644E00201FD2E\r", "~250146D10000FD99\r", "~250146C10000FD9A\r", "~250146C20000FD99\r"]
    );
    assert_eq!(
        requests(&seplos::DRIVER, 0),
        ["~20004642E00200FD37\r", "~20004644E00200FD35\r", "~20004647E00200FD32\r", "~200046510000FDAE\r"]
    );
    assert_eq!(requests(&daren::DRIVER, 1), ["~22014A42E00201FD28\r", "~22014A47E00201FD23\r", "~22014A510000FDA0\r"]);
    assert_eq!(requests(&lifepower4::DRIVER, 1), ["~20014A420000FDA2\r", "~20014A440000FDA0\r"]);
    let pylontech = requests(&pylontech::DRIVER, 2);
    assert_eq!(pylontech[..4], ["~20024642E00202FD33\r", "~20024644E00202FD31\r", "~20024692E00202FD2E\r", "~200246470000FDA7\r"]);
    assert!(!requests(&pylontech::DRIVER, 3).iter().any(|request| request.contains("4692")), "a slave's limits mean nothing");
}

/// A PACE board has a request for each protection, numbered by twos: the numbers between write. A board that answers the first is asked
/// for the others in the next readings, and then only from time to time.
#[test]
fn pace_settings_are_requested_one_by_one_and_never_written() {
    let recorded = Recording::parse("settings", include_str!("../vectors/pace/settings.json")).unwrap();
    let answers: Vec<Vec<u8>> = recorded.received().split_inclusive(|byte| *byte == b'\r').map(<[u8]>::to_vec).collect();
    // In the order of the recording.
    let commands = ["D1", "D3", "D5", "D7", "D9", "DB"];
    let mut pack = (pace::DRIVER.new)(Some(0));
    let mut known = Reading { cell_count: Some(16), ..Reading::new("pace", Some(0)) };
    let mut asked = Vec::new();
    for _ in 0..10 {
        let mut of_reading = Vec::new();
        for request in pack.plan(&known) {
            let command = String::from_utf8(request.bytes[7..9].to_vec()).unwrap();
            assert!(!["D0", "D2", "D4", "D6", "D8", "DA"].contains(&command.as_str()), "{command} writes");
            if let Some(answer) = commands.iter().position(|known| *known == command) {
                pack.decode(Expected::Request(&request), &answers[answer], &mut known).unwrap();
                of_reading.push(command);
            }
        }
        asked.push(of_reading);
    }
    assert_eq!(asked[..4], [vec!["D1"], vec!["D9", "DB"], vec!["D3", "D5"], vec!["D7"]]);
    assert!(asked[4..].iter().all(Vec::is_empty) && !known.awaited.settings, "{asked:?}");
}

/// A board that is silent to the settings is asked in twelve readings and then once in thirty, and limits wait for it as for every
/// board. One that refuses them has none.
#[test]
fn a_board_without_settings_is_read_without_them() {
    let refusal = |request: &Request| {
        let asked = Header::of(&request.bytes).unwrap();
        Header { cid2: 4, ..asked }.frame(&[])
    };
    for (driver, command, values) in [
        (&pace::DRIVER, 0xD1, include_str!("../vectors/pace/16s-discharging.json")),
        (&seplos::DRIVER, 0x47, include_str!("../vectors/seplos/16s-discharging.json")),
    ] {
        let values = values_of(values);
        let address = driver.addresses.first().copied();
        let course = |refuses: bool| {
            let mut pack = (driver.new)(address);
            let mut known = Reading::new(driver.name, address);
            let (mut times, mut awaited) = (0, 0);
            for _ in 0..400 {
                for request in pack.plan(&known) {
                    let asks = Header::of(&request.bytes).unwrap().cid2;
                    times += usize::from(asks == command);
                    match asks {
                        0x42 => pack.decode(Expected::Request(&request), &values, &mut known).map(|_| ()).unwrap(),
                        _ if refuses => {
                            let refused = pack.decode(Expected::Request(&request), &refusal(&request), &mut known);
                            assert_eq!(refused.unwrap_err(), DecodeError::Refused { code: 4 });
                        }
                        _ => {}
                    }
                }
                awaited += usize::from(known.awaited.settings);
            }
            (times, awaited)
        };
        let (times, awaited) = course(false);
        assert!((12..=12 + 400 / 30).contains(&times) && (295..=305).contains(&awaited), "{}: {times}, {awaited}", driver.name);
        let (times, awaited) = course(true);
        assert!(times <= 2 + 400 / 30 && awaited <= 1, "{}: {times}, {awaited}", driver.name);
    }
}

/// On RS232 the master answers for the packs behind it, with its own address: what is asked without a number would be its own.
#[test]
fn a_pack_behind_a_pace_master_is_asked_only_by_its_number() {
    let mut info = ascii::info(&values_of(include_str!("../vectors/pace/16s-discharging.json"))).unwrap();
    info[1] = 2;
    let values = Header { version: 0x25, address: 1, cid1: 0x46, cid2: 0 }.frame(&info);
    let mut pack = (pace::DRIVER.new)(Some(2));
    let mut known = Reading::new("pace", Some(2));
    let first = pack.plan(&known);
    pack.decode(Expected::Request(&first[0]), &values, &mut known).unwrap();
    assert!(known.voltage.is_some() && !known.awaited.settings);
    for _ in 0..100 {
        let plan: Vec<&str> = pack.plan(&known).iter().map(|request| request.what).collect();
        assert!(plan.iter().all(|what| ["values", "alarms"].contains(what)), "{plan:?}");
    }
}

/// Limits that a pack has and has not sent yet must not be taken for none; a pack that refuses them has none.
#[test]
fn limits_are_awaited_until_they_come_or_are_refused() {
    let recorded = include_str!("../vectors/pylontech/us3000-discharging.json");
    let values = Recording::parse("values", recorded).unwrap().received();
    let mut pack = (pylontech::DRIVER.new)(Some(2));
    let mut reading = Reading::default();
    let plan = pack.plan(&reading);
    pack.decode(Expected::Request(&plan[0]), &values, &mut reading).unwrap();
    assert!(reading.awaited.settings, "neither limits nor settings have come");
    for request in plan.iter().filter(|request| ["limits", "settings"].contains(&request.what)) {
        let refusal = Header { version: 0x20, address: 2, cid1: 0x46, cid2: 4 }.frame(&[]);
        let refused = pack.decode(Expected::Request(request), &refusal, &mut Reading::default());
        assert_eq!(refused, Err(DecodeError::Refused { code: 4 }), "{}", request.what);
    }
    pack.decode(Expected::Request(&plan[0]), &values, &mut reading).unwrap();
    assert!(!reading.awaited.settings, "the pack has none");
}
