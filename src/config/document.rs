//! Settings as files, written from the table of keys: the documented defaults, or those that are in force.

use super::keys::{KEYS, Key};
use super::settings::Settings;
use std::fmt::Write;

/// Width of the text in the file.
const WIDTH: usize = 100;

const HEAD: &str = "\
# dbus-bms: all settings. Lines that begin with `#key =` show the default, lines that begin with `#example:` a
# value for a key that is not set by default. Remove `#` or `#example: ` to set a key.
#
# Keys may also stand in tables for one port or one battery, which win over those here:
#     [port.ttyUSB0]
#     max_charge_current_a = 50.0
#     [battery.\"ID\"]
#     recovery.hold_s = 60.0
# ID is the battery's identity as the log names it. ports, bank.*, dbus.* and state.* belong to the whole program,
# bms, addresses, listen_only, active_fill, poll_interval_s and serial.* to a port. `dbus-bms config check FILE`
# checks a file.
";

/// The default file: every key with its meaning and its default, commented out.
pub fn document() -> String {
    let mut defaults = Settings::default();
    let (mut text, mut table) = (HEAD.to_owned(), "");
    for key in KEYS {
        let (its_table, leaf) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if its_table != table {
            table = its_table;
            let _ = write!(text, "\n[{table}]\n");
        }
        describe(key, leaf, &mut defaults, &mut text);
    }
    text
}

impl Settings {
    /// These settings as the text of a file that gives the same: one line for each key that is set.
    pub fn to_toml(&self) -> String {
        let mut settings = self.clone();
        KEYS.iter().fold(String::new(), |mut text, key| {
            if let Some(value) = (key.place)(&mut settings).written() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{} = {value}", key.path);
            }
            text
        })
    }
}

impl Settings {
    /// The value of a key as it is written, unless it is not set.
    pub(crate) fn value(&self, path: &str) -> Option<String> {
        let key = super::keys::find(path)?;
        (key.place)(&mut self.clone()).written().map(|value| value.to_string())
    }
}

fn describe(key: &Key, leaf: &str, defaults: &mut Settings, text: &mut String) {
    text.push('\n');
    let mut line = String::from("#");
    for word in key.doc.split_whitespace() {
        if line.chars().chain([' ']).chain(word.chars()).count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
    // Writing to a String cannot fail.
    let _ = match (key.place)(defaults).written() {
        Some(value) => writeln!(text, "#{leaf} = {value}"),
        None => writeln!(text, "#example: {leaf} = {}", key.example),
    };
}
