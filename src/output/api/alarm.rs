//! Text and remedy of each alarm.

use crate::model::{AlarmName, Level};

/// Text and remedy of an alarm.
pub struct Words {
    /// Its name in JSON.
    pub key: &'static str,
    /// The problem.
    pub text: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

const fn words(key: &'static str, text: &'static str, remedy: &'static str) -> Words {
    Words { key, text, remedy }
}

impl AlarmName {
    /// All alarms.
    pub const ALL: [Self; 20] = [
        Self::CellHighVoltage,
        Self::CellLowVoltage,
        Self::HighVoltage,
        Self::LowVoltage,
        Self::HighTemperature,
        Self::LowTemperature,
        Self::HighChargeTemperature,
        Self::LowChargeTemperature,
        Self::HighMosTemperature,
        Self::HighChargeCurrent,
        Self::HighDischargeCurrent,
        Self::ShortCircuit,
        Self::CellImbalance,
        Self::LowSoc,
        Self::BmsInternal,
        Self::ChargeFetFault,
        Self::DischargeFetFault,
        Self::SensorFault,
        Self::Communication,
        Self::Contactor,
    ];

    /// Its name in JSON.
    pub fn key(self) -> &'static str {
        self.words().key
    }

    /// Its text and remedy.
    #[rustfmt::skip]
    pub fn words(self) -> Words {
        match self {
            Self::CellHighVoltage => words("cell_high_voltage", "A cell's voltage is too high.",
                "Discharge the battery a little. If the alarm recurs at each full charge, charge to a lower cell voltage and give the BMS time to balance."),
            Self::CellLowVoltage => words("cell_low_voltage", "A cell's voltage is too low.",
                "Switch off loads and charge gently. If only one cell is low, let a full charge balance the battery; if it stays low, have the cell tested."),
            Self::HighVoltage => words("high_voltage", "The battery's voltage is too high.",
                "Stop charging. Check that every charger obeys the charge voltage limit."),
            Self::LowVoltage => words("low_voltage", "The battery's voltage is too low.",
                "Switch off loads and charge."),
            Self::HighTemperature => words("high_temperature", "The battery is too hot.",
                "Reduce the load and ventilate the battery. Check the cell connections: a loose one gets hot."),
            Self::LowTemperature => words("low_temperature", "The battery is too cold.",
                "Warm the room. Discharging is possible at lower temperatures than charging."),
            Self::HighChargeTemperature => words("high_charge_temperature", "The battery is too hot to charge.",
                "Charging resumes when it has cooled down. Ventilate it."),
            Self::LowChargeTemperature => words("low_charge_temperature", "The battery is too cold to charge.",
                "Charging resumes when it is warmer. Lithium cells must not be charged below 0 °C."),
            Self::HighMosTemperature => words("high_mos_temperature", "The BMS's MOSFETs are too hot.",
                "Reduce the current and ventilate the BMS. If this happens at moderate current, the BMS is too small or a connection is loose."),
            Self::HighChargeCurrent => words("high_charge_current", "The charge current is too high.",
                "Set `max_charge_current_a` below the BMS's protection, and check that every charger obeys the charge current limit."),
            Self::HighDischargeCurrent => words("high_discharge_current", "The discharge current is too high.",
                "Switch off large loads. The inverter must not draw more than the BMS allows."),
            Self::ShortCircuit => words("short_circuit", "The BMS has switched off because of a short circuit.",
                "Disconnect the loads and find the short circuit before you reconnect the battery. A large inverter's capacitors can look like one: precharge them."),
            Self::CellImbalance => words("cell_imbalance", "The cells differ too much.",
                "Keep the battery full for some hours, so that the BMS can balance. If the alarm recurs, check the balance wires and the weakest cell."),
            Self::LowSoc => words("low_soc", "The battery is nearly empty.",
                "Charge it."),
            Self::BmsInternal => words("bms_internal", "The BMS reports a fault, or a measured value is impossible.",
                "See the notes and the log. Check the sense wires of the cells; then switch the BMS off and on."),
            Self::ChargeFetFault => words("charge_fet_fault", "The BMS's charge MOSFETs are defective.",
                "Do not charge. Replace the BMS: it may be unable to stop charging."),
            Self::DischargeFetFault => words("discharge_fet_fault", "The BMS's discharge MOSFETs are defective.",
                "Disconnect the loads. Replace the BMS: it may be unable to stop discharging."),
            Self::SensorFault => words("sensor_fault", "A temperature sensor or sense wire is broken.",
                "Check plugs and wires of the sensors at the BMS."),
            Self::Communication => words("communication", "Parts of the battery do not communicate with each other.",
                "Check the cable between the BMS and its modules."),
            Self::Contactor => words("contactor", "The contactor does not switch as commanded.",
                "Do not use the battery before the contactor has been checked: it may be welded."),
        }
    }
}

impl super::Alarm {
    /// The alarm with its text and remedy.
    pub fn new(name: AlarmName, level: Level) -> Self {
        let Words { key, text, remedy } = name.words();
        Self { name: key.into(), level: Some(level), text: text.into(), remedy: remedy.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_goes_by_its_name_in_json() {
        for name in AlarmName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.key());
        }
        let mut all = AlarmName::ALL.to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), AlarmName::Contactor as usize + 1, "none is missing");
    }
}
