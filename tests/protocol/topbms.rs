//! TopBMS: the requests, byte by byte, and the cost of a pack that only supports some of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dbus_bms::bms::{Expected, Protocol, topbms};
use dbus_bms::model::Reading;

/// kekemar/TopBMS_To_Domoticz:README.md without its surplus word (tests/vectors/topbms/150ah-16s-pack1.json)
const VALUES: &[u8] =
    b"~52014600408401100D120D150D0F0D0D0D130D160D150D210D130D130D130D130D100D160D170D2306003D003E003E003E003B003B\
018014EE33B3063A9800025864000000000000E20A\r";

/// Constructed; no recording is known.
const ALARMS: &[u8] =
    b"~52014600D05E01100000000000000000000000000000000006000000000000000000000F0000000000030000000000000000000000EBBF\r";

fn pack(address: u8) -> Box<dyn Protocol> {
    (topbms::DRIVER.new)(Some(address))
}

/// How many of 200 polls request alarms; `answered` is whether the pack replies to that.
fn asked_for_alarms(answered: bool) -> usize {
    let mut pack = pack(1);
    let mut asked = 0;
    for _ in 0..200 {
        let plan = pack.plan(&Reading::default());
        let mut reading = Reading::default();
        pack.decode(Expected::Request(&plan[0]), VALUES, &mut reading).unwrap();
        if let Some(request) = plan.get(1) {
            asked += 1;
            if answered {
                pack.decode(Expected::Request(request), ALARMS, &mut reading).unwrap();
                assert_eq!((reading.fets.charge, reading.fets.discharge), (Some(true), Some(true)));
            }
        }
    }
    asked
}

#[test]
fn requests_are_those_of_the_document() {
    let plan = pack(1).plan(&Reading::default());
    let texts: Vec<&[u8]> = plan.iter().map(|request| &*request.bytes).collect();
    assert_eq!(texts, [b"~21014642E00201FD34\r", b"~21014644E00201FD32\r"]);
    assert_eq!(&*pack(2).identify().bytes, b"~21024642E00202FD32\r");
}

#[test]
fn a_pack_that_does_not_know_the_alarms_is_asked_for_them_seldom() {
    assert_eq!(asked_for_alarms(true), 200);
    assert!((10..25).contains(&asked_for_alarms(false)), "{}", asked_for_alarms(false));
}

/// The FETs and alarms must not be unknown for sixteen readings because four consecutive replies were lost.
#[test]
fn a_pack_that_has_told_its_alarms_goes_on_being_asked() {
    let mut pack = pack(1);
    let plan = pack.plan(&Reading::default());
    pack.decode(Expected::Request(&plan[1]), ALARMS, &mut Reading::default()).unwrap();
    for lost in 0..100 {
        let plan = pack.plan(&Reading::default());
        assert_eq!(plan.len(), 2, "after {lost} lost replies");
        pack.decode(Expected::Request(&plan[0]), VALUES, &mut Reading::default()).unwrap();
    }
}

#[test]
fn an_answer_to_the_other_command_is_none() {
    let mut pack = pack(1);
    let [values, alarms] = pack.plan(&Reading::default()).try_into().unwrap();
    for (request, frame) in [(&values, ALARMS), (&alarms, VALUES)] {
        let mut reading = Reading::default();
        assert!(pack.decode(Expected::Request(request), frame, &mut reading).is_err());
        assert_eq!(reading, Reading::default());
    }
}
