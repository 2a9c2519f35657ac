//! A battery that is fed in over MQTT.

use super::{Old, TomlWriter, flag, number};
use crate::config::RawValue;
use crate::config::import::OptionOutcome;

/// The broker of the old driver if none is named.
const USUAL_HOST: &str = "127.0.0.1";

pub(super) fn migrate(old: &mut Old, writer: &mut TomlWriter) {
    let Some((topic_option, topic)) = old.take("MQTT_TOPIC") else { return };
    let topic = topic.trim().trim_matches('/');
    if topic.is_empty() {
        // The others have no effect then.
        return writer.same(&topic_option);
    }
    let mut from = vec![topic_option.clone()];
    let mut place = |option: &str| {
        let (name, value) = old.take(option)?;
        from.push(name);
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let host = place("MQTT_BROKER_ADDRESS").unwrap_or_else(|| USUAL_HOST.to_owned());
    let port = place("MQTT_BROKER_PORT").and_then(|port| number(&port)).filter(|port| (1.0..=65_535.0).contains(port));
    from.iter().for_each(|option| writer.same(option));
    if topic.contains(['+', '#', ' ']) || host.contains(['/', '@', ' ', ',']) {
        return writer
            .refuse(&topic_option, "this topic or broker is not that of one battery: set ports = [\"mqtt://HOST/TOPIC\"] by hand");
    }
    let port = port.map(|port| format!(":{port:.0}")).unwrap_or_default();
    let from: Vec<&str> = from.iter().map(String::as_str).collect();
    writer.set(&from, "ports", RawValue::texts([format!("mqtt://{host}{port}/{topic}").as_str()]));
    login(old, writer);
}

/// User, password and encryption.
fn login(old: &mut Old, writer: &mut TomlWriter) {
    let encrypted = old.take("MQTT_TLS_ENABLED").map(|(name, tls)| {
        writer.set(&[&name], "mqtt.tls", flag(&tls));
        flag(&tls)
    });
    for (option, key, used) in
        [("MQTT_USERNAME", "mqtt.user", true), ("MQTT_TLS_PATH_TO_CA", "mqtt.tls_ca", encrypted == Some(true))]
    {
        match old.take(option) {
            Some((name, value)) if value.is_empty() || !used => writer.same(&name),
            Some((name, value)) => {
                writer.set(&[&name], key, value.as_str());
            }
            None => {}
        }
    }
    match old.take("MQTT_PASSWORD") {
        Some((name, password)) if password.is_empty() => writer.same(&name),
        Some((name, _)) => {
            writer.refuse(&name, "passwords are not copied: write it into a file of its own, and name that in mqtt.password_file");
        }
        None => {}
    }
    if let Some((name, insecure)) = old.take("MQTT_TLS_INSECURE") {
        writer.same(&name);
        if flag(&insecure) {
            let always = "the broker's certificate is always checked: name its authority in mqtt.tls_ca";
            writer.remark(&name, OptionOutcome::Differs, always);
        }
    }
}
