//! `dbus-bms`: arguments → configuration → runtime → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    dbus_bms::cli::main().into()
}
