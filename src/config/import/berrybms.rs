//! Imports the `config.yaml` of BerryBMS, a small file of nested keys. Anything beyond that is reported with its line.

use std::fmt::Write as _;

/// The result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Migrated {
    /// Our configuration file.
    pub toml: String,
    /// Options without a counterpart, and remarks for the owner.
    pub notes: Vec<String>,
}

/// A line `key: value` with the keys above it.
#[derive(Debug, PartialEq, Eq)]
struct Item<'a> {
    line: usize,
    path: Vec<&'a str>,
    value: &'a str,
}

/// True for a file of BerryBMS: it lists its batteries under a top-level `bms:`.
pub fn is_berrybms(text: &str) -> bool {
    text.lines().any(|line| without_comment(line).trim_end() == "bms:")
}

/// Imports the file.
pub fn migrate(text: &str) -> Migrated {
    let (items, mut notes) = read(text);
    let (mut ports, mut listened) = (Vec::new(), Vec::new());
    let (mut host, mut port) = (None, None);
    let mut conext = false;
    for Item { line, path, value } in &items {
        match path.as_slice() {
            ["bms", "jk_sniffer", "port"] => listened.push(*value),
            ["bms", _, "port"] => ports.push((*line, *value)),
            ["bms", name, "id"] => notes.push(format!(
                "line {line}: `{name}` had address {value}; the driver finds it by itself, or set `addresses` under [port.…]"
            )),
            ["mqtt", "host"] => host = Some(*value),
            ["mqtt", "port"] => match value.parse::<u16>() {
                Ok(number) if number > 0 => port = Some(number),
                _ => notes.push(format!("line {line}: {value:?} is not a port")),
            },
            ["updateinterval"] => notes.push(format!(
                "line {line}: updateinterval = {value} has no counterpart: batteries are read every second, and `mqtt.interval_s` sets how often they are published"
            )),
            ["conext", ..] => conext = true,
            _ => notes.push(format!("line {line}: `{}` has no counterpart", path.join("."))),
        }
    }
    if conext {
        notes.push("conext: write the gateway's address into `conext.host` and the units into `conext.units`, the CAN interface of Xanbus into `conext.can`; see docs/conext.md".to_owned());
    }
    Migrated { toml: toml(&ports, &listened, host, port), notes }
}

fn toml(ports: &[(usize, &str)], listened: &[&str], host: Option<&str>, port: Option<u16>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for name in ports.iter().map(|(_, name)| *name).chain(listened.iter().copied()) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let names: Vec<String> = all.iter().map(|name| quoted(name)).collect();
    let mut text = format!("# from BerryBMS' config.yaml\nports = [{}]\nbms = [\"jk-pb\"]\n", names.join(", "));
    // Writing to a String cannot fail.
    if host.is_some() || port.is_some() {
        let _ = write!(text, "\n[mqtt]\nenabled = true\nhost = {}\n", quoted(host.unwrap_or("localhost")));
        if let Some(port) = port {
            let _ = writeln!(text, "port = {port}");
        }
        text.push_str("berrybms = true\n");
    }
    for name in listened {
        let _ = write!(text, "\n[port.{}]\nlisten_only = true\n", quoted(name.rsplit('/').next().unwrap_or(name)));
    }
    text
}

fn quoted(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    format!("\"{}\"", plain.collect::<String>().replace('\\', "\\\\").replace('"', "\\\""))
}

/// All values with their keys, and remarks on lines that were not understood.
fn read(text: &str) -> (Vec<Item<'_>>, Vec<String>) {
    let (mut items, mut notes) = (Vec::new(), Vec::new());
    let mut above: Vec<(usize, &str)> = Vec::new();
    for (raw, line) in text.lines().zip(1usize..) {
        let content = without_comment(raw).trim_end();
        let trimmed = content.trim_start();
        if trimmed.is_empty() || trimmed == "---" {
            continue;
        }
        let depth = content.chars().count().saturating_sub(trimmed.chars().count());
        let Some((key, value)) = trimmed.split_once(':') else {
            notes.push(format!("line {line}: not understood and ignored"));
            continue;
        };
        above.retain(|(other, _)| *other < depth);
        let (key, value) = (unquoted(key), unquoted(value));
        if value.is_empty() {
            above.push((depth, key));
        } else {
            items.push(Item { line, path: above.iter().map(|(_, key)| *key).chain([key]).collect(), value });
        }
    }
    (items, notes)
}

/// Everything before a `#` outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('#', None) => return line.get(..at).unwrap_or(line),
            _ => {}
        }
    }
    line
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use proptest::prelude::*;

    const POLLING: &str = "# JK\nbms:\n  jk1:\n    id: 1\n    port: \"/dev/ttyACM1\"   # one\n  jk2:\n    id: 2\n    port: \"/dev/ttyACM2\"\n\
        conext:\n  insighthome:\n    host: \"192.168.1.5\"\n    ids: [10,50]\nmqtt:\n  host: \"localhost\"\n  port: 1883\nupdateinterval: 300\n";
    const SNIFFING: &str = "bms:\n  jk_sniffer:\n    port: \"/dev/ttyUSB0\"\nmqtt:\n  host: \"10.0.0.2\"\n";

    #[test]
    fn a_polling_file_becomes_ports_and_a_broker() {
        assert!(is_berrybms(POLLING) && !is_berrybms("[DEFAULT]\nBMS_TYPE =\n"));
        let migrated = migrate(POLLING);
        let settings = Config::parse("m.toml", &migrated.toml).unwrap().settings(None, None);
        assert_eq!(settings.ports, ["/dev/ttyACM1", "/dev/ttyACM2"]);
        assert_eq!((settings.mqtt.enabled, settings.mqtt.berrybms, settings.mqtt.broker.port), (true, true, Some(1883)));
        let notes = migrated.notes.join("\n");
        for words in ["`jk1` had address 1", "updateinterval = 300", "conext.host"] {
            assert!(notes.contains(words), "{notes}");
        }
    }

    #[test]
    fn a_sniffing_file_only_listens() {
        let migrated = migrate(SNIFFING);
        let config = Config::parse("m.toml", &migrated.toml).unwrap();
        let settings = config.settings(Some("/dev/ttyUSB0"), None);
        assert!(settings.listen_only && settings.mqtt.broker.host == "10.0.0.2" && migrated.notes.is_empty(), "{migrated:?}");
    }

    proptest! {
        #[test]
        fn any_text_gives_a_file_that_is_right(text in "(bms:\n)?([ ]{0,4}[a-z#\"'\\\\]{0,6}:?[ ]?[a-z0-9/\"#é]{0,8}\n){0,12}") {
            let migrated = migrate(&text);
            prop_assert!(Config::parse("m.toml", &migrated.toml).is_ok(), "{}", migrated.toml);
        }
    }
}
