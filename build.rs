//! Puts the functions that a running driver uses side by side in the program (`cross/order.ld`).
//!
//! A page of the program that is touched once stays in memory together with its neighbours. With the functions in the order of
//! the compiler nearly the whole program stays, the simulators and the command line included; in this order less than half does.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=cross/order.ld");
    println!("cargo:rerun-if-env-changed=DBUS_BMS_ORDER");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|now| now == value);
    // `DBUS_BMS_ORDER=off` is for linkers that know no linker scripts (mold, gold), and for measuring what the order is to be.
    if is("DBUS_BMS_ORDER", "off") || !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    if let Ok(root) = env::var("CARGO_MANIFEST_DIR") {
        println!("cargo:rustc-link-arg-bin=dbus-bms=-Wl,-T,{}", Path::new(&root).join("cross/order.ld").display());
    }
    // A program that can be put at any address brings a table of all places to mend at its start, which then stays in memory.
    if is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-arg-bin=dbus-bms=-no-pie");
    }
}
