//! Status bits of an ANT board, and the codes of its FETs, with the names of the manufacturer's app.
//!
//! Sources: NotANewNick/antbms-gui and lswlc33/maibms (protocol/BitDict.kt, which has the upper warnings and some protections
//! missing in the other). Where both name a bit they agree, and recordings with open wires, full and empty cells match.

use crate::bms::bits::{Bit, l1, l2};
use crate::model::{AlarmName::*, Reading};

const UNNAMED: Bit = Bit::Note("a protection is set that no document names");
const UNNAMED_WARNING: Bit = Bit::Note("a warning is set that no document names");
const BY_HAND: Bit = Bit::Note("FETs switched off by hand");
/// Summary bits of protections: in `32s-wires-open` the first comes with protections 4, 5 and 7.
const SUM_OF_VOLTAGES: Bit = Bit::Note("voltage protection (the alarms tell which)");
const SUM_OF_TEMPERATURES: Bit = Bit::Note("temperature protection (the alarms tell which)");
/// Effect of a rental lock: not a fault of the battery.
const TIME_OVER: Bit = Bit::Note("the time for which the board may be used is over");

/// Protections, one row per byte, bit 0 first.
#[rustfmt::skip]
pub(crate) const PROTECTIONS: [[Bit; 8]; 8] = [
    [Bit::Note("the cell type is not set"), l2(CellHighVoltage), l2(CellHighVoltage), l2(HighVoltage),
     l2(CellLowVoltage), l2(CellLowVoltage), l2(LowVoltage), l2(CellImbalance)],
    [l2(HighChargeTemperature), l2(HighTemperature), l2(HighMosTemperature), l2(LowChargeTemperature),
     l2(LowTemperature), l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(HighDischargeCurrent)],
    // Four switches for discharge, four for charge.
    [l2(ShortCircuit), BY_HAND, BY_HAND, BY_HAND, BY_HAND, BY_HAND, BY_HAND, BY_HAND],
    // A sense wire is open, current measurement, FETs, internal communication, precharge; bit 7: starting.
    [BY_HAND, l2(SensorFault), l2(SensorFault), l2(DischargeFetFault),
     l2(ChargeFetFault), l2(BmsInternal), l2(Contactor), Bit::State],
    // Two self-tests, a charger is connected, no GPS, spark protection works, a third self-test, precharge of the relay.
    [l2(BmsInternal), l2(BmsInternal), Bit::State, l2(Communication),
     Bit::State, l2(BmsInternal), Bit::Note("the board asks for newer firmware"), l2(Contactor)],
    // Welded relay, fuses of discharge and charge, a module is lost, FETs of precharge, load locked.
    [l2(Contactor), l2(DischargeFetFault), l2(ChargeFetFault), l2(BmsInternal),
     TIME_OVER, l2(Contactor), l2(Contactor), Bit::Note("the load is locked")],
    [Bit::Note("the measuring part receives firmware"), UNNAMED, Bit::Note("the measuring part waits for firmware"), UNNAMED,
     UNNAMED, UNNAMED, UNNAMED, UNNAMED],
    [UNNAMED; 8],
];

/// Warnings; from bit 17 on most are states.
#[rustfmt::skip]
pub(super) const WARNINGS: [[Bit; 8]; 8] = [
    [l1(CellHighVoltage), l1(HighVoltage), l1(CellLowVoltage), l1(LowVoltage),
     l1(CellImbalance), l1(HighChargeTemperature), l1(HighTemperature), l1(LowChargeTemperature)],
    // Bits 6 and 7: implausible cell and pack voltage.
    [l1(LowTemperature), l1(HighMosTemperature), l1(HighChargeCurrent), l1(HighDischargeCurrent),
     l1(LowSoc), l1(LowSoc), l1(SensorFault), l1(SensorFault)],
    // Precharge failed; full, charging, discharging, three kinds of charger detection, charge FET on.
    [l1(Contactor), Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State],
    // Discharge FET on, balancing, standby, reasons for balancing or for suspending it.
    [Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::Note("the balancer is too hot"), SUM_OF_VOLTAGES],
    // System fault, no GPS; balancer's test, heater; no Bluetooth, precharge of the relay.
    [SUM_OF_TEMPERATURES, l1(BmsInternal), l1(Communication), Bit::State,
     Bit::State, Bit::Note("the output is forced on"), Bit::State, Bit::State],
    // Precharge of the FETs, relays of charge and discharge are on; clock.
    [Bit::State, Bit::State, Bit::State, l1(BmsInternal), Bit::Note("charging is forced on"), Bit::Note("debug mode"),
     TIME_OVER, Bit::Note("the time for which the board may be used ends soon")],
    // Spark protection works; about to switch off for low voltage; a charger is connected, the balancer waits; communication
    // inside the board is unsteady.
    [Bit::State, l1(LowVoltage), Bit::State, Bit::State, Bit::Note("test mode"), l1(BmsInternal),
     UNNAMED_WARNING, UNNAMED_WARNING],
    [UNNAMED_WARNING; 8],
];

// Why a FET is off: the board sends a code in place of its state. Sources: realtime.py of antbms-gui and syssi/esphome-ant-bms
// (ant_bms.cpp), which agree in the names. In `8s-full` and `14s-full` code 2 of the charge FET comes with a cell too high, in
// `32s-wires-open` code 9 with open sense wires.

/// 0 is off without a reason, 1 is on; an empty text: no document names the code.
type Reasons = [&'static str; 21];

/// Reasons of the charge FET.
#[rustfmt::skip]
pub(super) const CHARGE_OFF: Reasons = [
    "", "", "cell voltage too high", "current too high", "battery full", "pack voltage too high", "battery too hot",
    "MOSFETs too hot", "current implausible", "a sense wire is open", "board too hot", "", "the FET does not switch on",
    "discharge FET faulty", "waiting", "switched off by hand", "cell voltage much too high", "battery too cold",
    "cells differ too much", "", "self-test failed",
];

/// Reasons of the discharge FET.
#[rustfmt::skip]
pub(super) const DISCHARGE_OFF: Reasons = [
    "", "", "cell voltage too low", "current too high", "current much too high", "pack voltage too low", "battery too hot",
    "MOSFETs too hot", "current implausible", "a sense wire is open", "board too hot", "", "short circuit",
    "discharge FET faulty", "the FET does not switch on", "switched off by hand", "cell voltage much too low", "battery too cold",
    "cells differ too much", "self-test failed", "",
];

/// Notes why a FET is off: `discharge off: battery too cold`.
pub(super) fn why_off(what: &str, reasons: &Reasons, code: u8, into: &mut Reading) {
    match reasons.get(usize::from(code)) {
        _ if code < 2 => {}
        Some(reason) if !reason.is_empty() => into.note(format!("{what} off: {reason}")),
        _ => into.note(format!("{what} off: code {code} (meaning not documented)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(table: &[[Bit; 8]]) -> Vec<usize> {
        let bits = table.iter().flatten().enumerate().filter(|(_, bit)| matches!(bit, Bit::State));
        bits.map(|(number, _)| number).collect()
    }

    /// All other bits are alarms or notes.
    #[test]
    fn only_bits_of_what_is_on_or_connected_are_passed_over() {
        // Starting, a charger is connected, spark protection works.
        assert_eq!(states(&PROTECTIONS), [31, 34, 36]);
        // Full, charging, discharging, chargers, FETs, balancer, standby; balancer's test, heater, Bluetooth, precharges, relays;
        // spark protection, a charger, the balancer waits.
        let warnings: Vec<usize> = (17..=29).chain([35, 36]).chain(38..=42).chain([48, 50, 51]).collect();
        assert_eq!(states(&WARNINGS), warnings);
    }
}
