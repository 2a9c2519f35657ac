//! Writes settings as files from the table of keys: the documented defaults, or the settings in force.

use super::schema::{KEYS, Key};
use super::settings::Settings;
use std::fmt::Write;

/// Line width of the file.
const WIDTH: usize = 100;

const HEAD: &str = "\
# dbus-bms: all settings. Lines starting with `#key =` show the default; lines starting with `#example:` show a
# possible value of a key that is not set by default. Remove `#` or `#example: ` to set a key.
#
# Tables for one port or one battery override the keys at the top:
#     [port.ttyUSB0]
#     max_charge_current_a = 50.0
#     [battery.\"ID\"]
#     recovery.hold_s = 60.0
# ID is the battery's identity as shown in the log. ports, bank.*, dbus.* and state.* apply to the whole program;
# bms, addresses, listen_only, active_fill, poll_interval_s and serial.* to a port. Check a file with
# `dbus-bms config check FILE`.
";

/// The default file: every key with its description and default, commented out.
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
    /// These settings as the text of an equivalent file: one line for each key that is set.
    pub fn to_toml(&self) -> String {
        let mut settings = self.clone();
        KEYS.iter().fold(String::new(), |mut text, key| {
            if let Some(value) = (key.field)(&mut settings).raw() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{} = {value}", key.path);
            }
            text
        })
    }
}

impl Settings {
    /// The settings on which the limits of a battery depend, as lines of a file; those at their defaults are left out. No name, host or
    /// secret is among them.
    pub fn limits_toml(&self) -> String {
        let (default, mut settings) = (Self::default(), self.clone());
        KEYS.iter().filter(|key| key.path != "temperature_names").fold(String::new(), |mut text, key| {
            let Some(value) = (key.field)(&mut settings).raw() else { return text };
            let mut changed = Self::default();
            // The value was checked on reading.
            let _ = (key.field)(&mut changed).set(&value, key.allowed);
            let matters = changed.charge != default.charge
                || changed.soc != default.soc
                || (changed.control, changed.member_of_bank) != (default.control, default.member_of_bank);
            if matters {
                let _ = writeln!(text, "{} = {value}", key.path);
            }
            text
        })
    }

    /// The value of a key as written in a file; `None` if it is not set.
    pub(crate) fn value(&self, path: &str) -> Option<String> {
        let key = super::schema::find(path)?;
        (key.field)(&mut self.clone()).raw().map(|value| value.to_string())
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
    let _ = match (key.field)(defaults).raw() {
        Some(value) => writeln!(text, "#{leaf} = {value}"),
        None => writeln!(text, "#example: {leaf} = {}", key.example),
    };
}
