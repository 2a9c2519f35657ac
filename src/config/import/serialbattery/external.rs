//! A current or SoC of another device.

use super::{Old, TomlWriter};

pub(super) fn migrate(old: &mut Old, writer: &mut TomlWriter) {
    let Some((device_option, device)) = old.take("EXTERNAL_SENSOR_DBUS_DEVICE") else { return };
    writer.same(&device_option);
    for (option, key) in
        [("EXTERNAL_SENSOR_DBUS_PATH_CURRENT", "external_sensor.current"), ("EXTERNAL_SENSOR_DBUS_PATH_SOC", "external_sensor.soc")]
    {
        let Some((name, path)) = old.take(option) else { continue };
        if device.is_empty() || path.is_empty() {
            writer.same(&name);
        } else {
            writer.set(&[&name], key, format!("{device}{path}").as_str());
        }
    }
}
