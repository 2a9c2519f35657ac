//! Settings that the owner changes on the GX while the driver runs, on top of those of the file.

use crate::config::{Config, ConfigError, Problem, Settings, Written};
use crate::model::GxSetting;
use crate::sink::dbus::{DeviceId, LIVE, LiveValues};

/// What is in force, and where the GX says something else than the file: with its value holding, or refused.
pub(super) fn in_force(file: &Config, port: &str, id: &str, values: &LiveValues) -> (Settings, Vec<GxSetting>) {
    let (mut config, mut differing) = (file.clone(), Vec::new());
    let by_file = file.settings(Some(port), Some(id));
    for (live, value) in LIVE.iter().zip(values).filter(|(_, value)| **value > 0.0) {
        let (gx, in_file) = (value.to_string(), by_file.value(live.key).map(plain));
        let mut tried = config.clone();
        let refused = match tried.set("the settings of the GX", live.key, Written::Number(*value)) {
            Ok(()) => {
                config = tried;
                None
            }
            Err(error) => Some(reason(&error)),
        };
        if refused.is_some() || in_file.as_ref() != Some(&gx) {
            let path = DeviceId::new(id).setting(live.name);
            differing.push(GxSetting { key: live.key, name: live.name, path, gx, file: in_file, refused });
        }
    }
    (config.settings(Some(port), Some(id)), differing)
}

/// A number without the decimals that it does not need.
fn plain(written: String) -> String {
    written.strip_suffix(".0").map_or_else(|| written.clone(), str::to_owned)
}

/// What a rule of the configuration says, without where it was written.
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
    use crate::units::{Amps, Volts};

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
                "max_discharge_current_a = 30 holds, from MaxDischargeCurrent on the GX; the configuration does not set it",
                "MaxCellVoltage = 3.8 on the GX is refused: `max_cell_voltage_v` = 3.8 is more than cells of unset chemistry may get, \
                 3.65 V; lower it, or set `chemistry`. max_cell_voltage_v = 3.5 of the configuration holds",
            ]
        );
        assert!(differing[2].remedy().contains("/Settings/Devices/jk_1/MaxCellVoltage SetValue %0.0"));
    }

    #[test]
    fn where_both_say_the_same_there_is_nothing_to_tell() {
        let file = Config::parse("", "max_charge_current_a = 80\nmax_cell_voltage_v = 3.5").unwrap();
        for values in [LiveValues::default(), [80.0, 0.0, 3.5, 0.0, 0.0]] {
            let (settings, differing) = in_force(&file, "/dev/ttyUSB0", "jk_1", &values);
            assert_eq!((settings, differing), (file.settings(None, None), Vec::new()));
        }
    }
}
