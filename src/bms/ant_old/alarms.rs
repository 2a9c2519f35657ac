//! The codes of both FETs: 1 is on, any other number is the reason why it is off. The board has no other alarms.

use crate::model::{
    AlarmName::{self, *},
    Level, Reading,
};

/// Codes of the charge FET that are alarms. 4 is a full battery, 15 off by hand.
pub(crate) const CHARGE: [(u8, AlarmName); 9] = [
    (2, CellHighVoltage),
    (3, HighChargeCurrent),
    (5, HighVoltage),
    (6, HighChargeTemperature),
    (7, HighMosTemperature),
    (8, BmsInternal),
    (9, BmsInternal),
    (10, HighMosTemperature),
    (13, DischargeFetFault),
];
/// Codes of the discharge FET that are alarms. 11 is off because of the charge FET, 15 by hand.
pub(crate) const DISCHARGE: [(u8, AlarmName); 11] = [
    (2, CellLowVoltage),
    (3, HighDischargeCurrent),
    (5, LowVoltage),
    (6, HighTemperature),
    (7, HighMosTemperature),
    (8, BmsInternal),
    (9, BmsInternal),
    (10, HighMosTemperature),
    (12, ShortCircuit),
    (13, DischargeFetFault),
    (14, BmsInternal),
];

pub(super) fn fets(charge: u8, discharge: u8, into: &mut Reading) {
    into.alarms = Some(Vec::new());
    into.fets.charge = fet("charge", charge, &CHARGE, &[0, 4], into);
    into.fets.discharge = fet("discharge", discharge, &DISCHARGE, &[0, 11], into);
}

/// The state; unknown for a code that is not documented.
fn fet(name: &str, code: u8, alarms: &[(u8, AlarmName)], plain: &[u8], into: &mut Reading) -> Option<bool> {
    match alarms.iter().find(|(known, _)| *known == code) {
        _ if code == 1 => return Some(true),
        Some((_, alarm)) => into.raise(*alarm, Level::Alarm),
        None if code == 15 => into.note(format!("{name} FET switched off by hand")),
        None if plain.contains(&code) => {}
        None => {
            into.note(format!("{name} FET: code {code} (meaning not documented)"));
            return None;
        }
    }
    Some(false)
}
