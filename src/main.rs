//! `dbus-bms`: arguments → configuration → runtime → exit code.
fn main() {}
