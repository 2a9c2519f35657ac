//! Families on the frame of hex digits: the requests, character by character, and what a pack that does not reply to some of them costs.

use dbus_bms::bms::ascii::Header;
use dbus_bms::bms::{DecodeError, Driver, Expected, daren, lifepower4, pace, pylontech, seplos};
use dbus_bms::model::Reading;
use dbus_bms::recording::file::Recording;

/// The requests of the second reading, when names are requested, too.
fn requests(driver: &Driver, address: u8) -> Vec<String> {
    let mut pack = (driver.new)(Some(address));
    let known = Reading { cell_count: Some(16), ..Reading::default() };
    pack.plan(&known).into_iter().map(|request| String::from_utf8(request.bytes.into_owned()).unwrap()).collect()
}

/// Those of the vendors' documents and of recordings.
#[test]
fn requests_are_those_of_the_documents() {
    let pace = requests(&pace::DRIVER, 1);
    assert_eq!(pace, ["~25014642E00201FD30\r", "~25014644E00201FD2E\r", "~250146C10000FD9A\r", "~250146C20000FD99\r"]);
    assert_eq!(requests(&seplos::DRIVER, 0), ["~20004642E00200FD37\r", "~20004644E00200FD35\r", "~200046510000FDAE\r"]);
    assert_eq!(requests(&daren::DRIVER, 1), ["~22014A42E00201FD28\r", "~22014A47E00201FD23\r", "~22014A510000FDA0\r"]);
    assert_eq!(requests(&lifepower4::DRIVER, 1), ["~20014A420000FDA2\r", "~20014A440000FDA0\r"]);
    let pylontech = requests(&pylontech::DRIVER, 2);
    assert_eq!(pylontech[..4], ["~20024642E00202FD33\r", "~20024644E00202FD31\r", "~20024692E00202FD2E\r", "~200246470000FDA7\r"]);
    assert!(!requests(&pylontech::DRIVER, 3).iter().any(|request| request.contains("4692")), "a slave's limits mean nothing");
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
