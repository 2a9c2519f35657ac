//! Settings changed on the GX while the driver runs; they override the file.

use crate::battery::charge::ClientLimit;
use crate::config::{Config, ConfigError, Problem, RawValue, Settings};
use crate::dbus::{DeviceId, GX_SETTINGS, GxSettingValues};
use crate::model::GxSetting;

/// The effective settings, and the differences between GX and file: values of the GX in force, or refused.
pub(super) fn in_force(file: &Config, port: &str, id: &str, values: &GxSettingValues) -> (Settings, Vec<GxSetting>) {
    let (mut config, mut differing) = (file.clone(), Vec::new());
    let by_file = file.settings(Some(port), Some(id));
    let mut from_client = Vec::new();
    for (setting, value) in GX_SETTINGS.iter().zip(values).filter(|(_, value)| **value > 0.0) {
        let (gx, in_file) = (value.to_string(), by_file.value(setting.key).map(plain));
        let most = in_file.as_ref().and_then(|value| value.parse::<f64>().ok()).filter(|_| setting.limit.is_some());
        let mut tried = config.clone();
        let refused = match tried.set("the settings of the GX", setting.key, RawValue::Number(*value)) {
            Ok(()) if most.is_some_and(|most| *value > most) => {
                Some("it may lower what the configuration sets, not raise it; raise it there".to_owned())
            }
            Ok(()) => {
                config = tried;
                from_client.extend(setting.limit.filter(|_| most.is_none()));
                None
            }
            Err(error) => Some(reason(&error)),
        };
        if refused.is_some() || in_file.as_ref() != Some(&gx) {
            let bound = setting.limit.map(ClientLimit::bound);
            let path = DeviceId::new(id).setting(setting.name);
            differing.push(GxSetting { key: setting.key, name: setting.name, path, gx, file: in_file, refused, bound });
        }
    }
    let mut settings = config.settings(Some(port), Some(id));
    settings.charge.from_client = from_client;
    (settings, differing)
}

/// A number without trailing zeros.
fn plain(written: String) -> String {
    written.strip_suffix(".0").map_or_else(|| written.clone(), str::to_owned)
}

/// The message of a configuration rule, without its position.
fn reason(error: &ConfigError) -> String {
    match error {
        ConfigError::Wrong { problems, .. } => {
            problems.iter().map(|Problem { text, .. }| text.as_str()).collect::<Vec<_>>().join("; ")
        }
        ConfigError::Unreadable { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::{Amps, Volts};

    #[test]
    fn no_charge_voltage_above_the_end_of_the_curve_comes_from_the_gx() {
        let file = Config::parse("", "charge_by_cell_voltage = [[3.4, 1.0], [3.47, 0.0]]").unwrap();
        let id = GX_SETTINGS.iter().position(|setting| setting.name == "MaxCellVoltage").unwrap();
        for (gx, holds, refused) in [(3.5, None, true), (3.4, Some(3.4), false)] {
            let mut values = GxSettingValues::default();
            values[id] = gx;
            let (settings, differing) = in_force(&file, "ttyUSB0", "x", &values);
            assert_eq!(settings.charge.max_cell_voltage, holds.map(Volts::new));
            assert_eq!(differing[0].refused.as_ref().is_some_and(|why| why.contains("ends charging at 3.47 V")), refused);
        }
    }

    #[test]
    fn the_gx_counts_where_the_rules_allow_it_and_the_file_elsewhere() {
        let file = Config::parse("", "max_charge_current_a = 100\nmax_cell_voltage_v = 3.5").unwrap();
        let (settings, differing) = in_force(&file, "/dev/ttyUSB0", "jk_1", &[80.0, 30.0, 3.8, 0.0, 0.0]);
        assert_eq!(settings.charge.max_charge_current, Some(Amps::new(80.0)));
        assert_eq!(settings.charge.max_cell_voltage, Some(Volts::new(3.5)), "3.8 V would harm the cells");
        let words: Vec<_> = differing.iter().map(GxSetting::text).collect();
        assert_eq!(
            words,
            [
                "max_charge_current_a = 80 holds, from MaxChargeCurrent on the GX; the configuration says 100",
                "max_discharge_current_a = 30 holds, from MaxDischargeCurrent on the GX, up to 1 C of the capacity; the configuration does \
                 not set it",
                "MaxCellVoltage = 3.8 on the GX is refused: `max_cell_voltage_v` = 3.8 exceeds the maximum for cells of unset chemistry, \
                 3.65 V; lower it, or set `chemistry`. max_cell_voltage_v = 3.5 of the configuration holds",
            ]
        );
        assert!(differing[2].remedy().contains("/Settings/Devices/jk_1/MaxCellVoltage SetValue %0.0"));
    }

    #[test]
    fn a_client_lowers_what_the_file_sets_and_raises_only_what_it_leaves_open() {
        let text = "max_charge_current_a = 100\nmax_cell_voltage_v = 3.45\nphases.float_cell_voltage_v = 3.35\ntime_to_go_soc_floor_pct = 10";
        let file = Config::parse("", text).unwrap();
        let (settings, differing) = in_force(&file, "/dev/ttyUSB0", "jk_1", &[100.5, 200.0, 3.46, 3.36, 20.0]);
        let charge = &settings.charge;
        assert_eq!(charge.max_charge_current, Some(Amps::new(100.0)));
        assert_eq!(charge.max_cell_voltage, Some(Volts::new(3.45)));
        assert_eq!(charge.phases.float_cell_voltage, Some(Volts::new(3.35)));
        assert_eq!((charge.max_discharge_current, settings.soc.floor.get()), (Some(Amps::new(200.0)), 20.0), "open, and no limit");
        assert_eq!(charge.from_client, [ClientLimit::DischargeCurrent]);
        let refused: Vec<_> = differing.iter().filter(|setting| setting.refused.is_some()).map(|setting| setting.name).collect();
        assert_eq!(refused, ["MaxChargeCurrent", "MaxCellVoltage", "FloatCellVoltage"]);
        assert_eq!(
            differing[0].text(),
            "MaxChargeCurrent = 100.5 on the GX is refused: it may lower what the configuration sets, not raise it; raise it there. \
             max_charge_current_a = 100 of the configuration holds"
        );
        let (settings, _) = in_force(&file, "/dev/ttyUSB0", "jk_1", &[20.0, 0.0, 3.4, 3.3, 0.0]);
        assert_eq!((settings.charge.max_charge_current, &settings.charge.from_client[..]), (Some(Amps::new(20.0)), &[][..]));
    }

    #[test]
    fn where_both_say_the_same_there_is_nothing_to_tell() {
        let file = Config::parse("", "max_charge_current_a = 80\nmax_cell_voltage_v = 3.5").unwrap();
        for values in [GxSettingValues::default(), [80.0, 0.0, 3.5, 0.0, 0.0]] {
            let (settings, differing) = in_force(&file, "/dev/ttyUSB0", "jk_1", &values);
            assert_eq!((settings, differing), (file.settings(None, None), Vec::new()));
        }
    }
}
