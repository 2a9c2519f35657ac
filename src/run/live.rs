//! Settings that the owner changes on the GX while the driver runs, on top of those of the file.

use crate::config::{Config, Settings, Written};
use crate::sink::dbus::{LIVE, LiveValues};

/// What is in force, and what is to be said: which values of the file do not count, which of the GX are not possible.
pub(super) fn in_force(file: &Config, port: &str, id: &str, values: &LiveValues) -> (Settings, Vec<String>) {
    let (mut config, mut words) = (file.clone(), Vec::new());
    let by_file = file.settings(Some(port), Some(id));
    for (live, value) in LIVE.iter().zip(values).filter(|(_, value)| **value > 0.0) {
        let mut tried = config.clone();
        match tried.set("the settings of the GX", live.key, Written::Number(*value)) {
            Ok(()) => {
                let before = by_file.value(live.key).unwrap_or_else(|| "not set".to_owned());
                words.push(format!("{} = {value} counts, from {} on the GX; in the file it is {before}", live.key, live.name));
                config = tried;
            }
            Err(error) => words.push(format!("{} on the GX is ignored: {error}", live.name)),
        }
    }
    (config.settings(Some(port), Some(id)), words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Amps, Volts};

    #[test]
    fn the_gx_counts_where_the_rules_allow_it_and_the_file_elsewhere() {
        let file = Config::parse("", "max_charge_current_a = 100\nmax_cell_voltage_v = 3.5").unwrap();
        let (settings, words) = in_force(&file, "/dev/ttyUSB0", "jk_1", &[80.0, 0.0, 3.8, 0.0, 0.0]);
        assert_eq!(settings.charge.max_charge_current, Some(Amps::new(80.0)));
        assert_eq!(settings.charge.max_discharge_current, None);
        assert_eq!(settings.charge.max_cell_voltage, Some(Volts::new(3.5)), "3.8 V would harm the cells");
        assert!(words[0].contains("max_charge_current_a = 80 counts") && words[0].contains("100"), "{words:?}");
        assert!(words[1].contains("MaxCellVoltage on the GX is ignored") && words[1].contains("3.65"), "{words:?}");
        let (settings, words) = in_force(&file, "/dev/ttyUSB0", "jk_1", &LiveValues::default());
        assert_eq!((settings, words), (file.settings(None, None), Vec::new()));
    }
}
