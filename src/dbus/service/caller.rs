//! Name of a caller, for the log and for the saved state: a program's name tells an owner more than `:1.8`.

use crate::dbus::connection::{BUS, BUS_PATH};
use zbus::{Connection, Message};

/// Maximum length of a displayed name.
const CALLER_NAME_LIMIT: usize = 60;

/// The sender of `call`: `D-Bus :1.8 (python3 vrmlogger.py)`; only the number if the process is gone or not accessible.
pub(in crate::dbus) async fn caller(connection: &Connection, call: &Message) -> String {
    let header = call.header();
    let Some(sender) = header.sender() else { return "D-Bus".to_owned() };
    match program(connection, sender.as_str()).await {
        Some(name) => format!("D-Bus {sender} ({name})"),
        None => format!("D-Bus {sender}"),
    }
}

async fn program(connection: &Connection, sender: &str) -> Option<String> {
    let reply = connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetConnectionUnixProcessID", &sender).await.ok()?;
    let process: u32 = reply.body().deserialize().ok()?;
    name(&std::fs::read(format!("/proc/{process}/cmdline")).ok()?)
}

/// The program of a command line with NUL separators, without folders; with the script if the program is an interpreter, and with
/// the command if it is this one.
fn name(command_line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(command_line);
    let mut words = text.split('\0').filter(|word| !word.is_empty());
    let file = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut name = file(words.next()?);
    let is_interpreter = ["python", "node", "sh", "bash"].iter().any(|known| name.starts_with(known));
    if let Some(script) = words.find(|word| !word.starts_with('-')).filter(|_| is_interpreter || name == "dbus-bms") {
        name = format!("{name} {}", file(script));
    }
    let name: String = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(CALLER_NAME_LIMIT).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_becomes_a_name() {
        for (line, shown) in [
            ("/usr/bin/flashmq\0--config\0/etc/f.conf\0", Some("flashmq")),
            ("/usr/bin/python3\0-u\0/opt/victronenergy/vrmlogger/vrmlogger.py\0--x\0", Some("python3 vrmlogger.py")),
            ("node-red\0", Some("node-red")),
            ("/usr/local/bin/dbus-bms\0override\0clear\0", Some("dbus-bms override")),
            ("sh\0-c\0", Some("sh")),
            ("\u{1b}[2J/evil\n\0", Some("evil")),
            ("", None),
            ("\0\0", None),
            ("/\0", None),
        ] {
            assert_eq!(name(line.as_bytes()).as_deref(), shown, "{line:?}");
        }
    }
}
