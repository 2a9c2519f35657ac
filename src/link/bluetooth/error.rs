//! Faults of a Bluetooth connection, worded so that an owner can act on them.

use thiserror::Error;

/// Why a Bluetooth device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BluetoothError {
    /// No D-Bus, through which BlueZ is used.
    #[error("Bluetooth needs D-Bus, and there is none at {bus} ({reason}): start dbus-daemon")]
    NoBus {
        /// The address that was tried.
        bus: String,
        /// Reason given by the system.
        reason: String,
    },
    /// BlueZ does not run.
    #[error(
        "BlueZ, the Bluetooth service, does not answer ({0}): start it with `systemctl enable --now bluetooth` (on a GX device restart the device)"
    )]
    NoBluez(String),
    /// There is no adapter.
    #[error(
        "there is no Bluetooth adapter{}: plug one in, or switch the built-in one on (`rfkill unblock bluetooth`)",
        named(.0.as_deref())
    )]
    NoAdapter(Option<String>),
    /// The adapter is switched off.
    #[error("the Bluetooth adapter {0} is off: switch it on with `bluetoothctl power on`")]
    AdapterOff(String),
    /// The device was not heard.
    #[error(
        "it was not heard within {0} s: check the address (`dbus-bms scan-ble` lists what is in range), wake the BMS, and close its app on all phones, as a BMS that is connected is not heard"
    )]
    NotHeard(u64),
    /// The device does not accept a connection.
    #[error(
        "it accepts no connection ({0}): a BMS has one client at a time, so close its app on all phones; else move the adapter closer and wake the BMS"
    )]
    Refused(String),
    /// Another program on this computer uses it.
    #[error("another program on this computer uses it ({0}): stop that one, a BMS has one client at a time")]
    Busy(String),
    /// Connected, but its services are not known in time.
    #[error("it is connected, but its services did not become known within {0} s: move the adapter closer, or wake the BMS")]
    Unresolved(u64),
    /// It has none of the known services.
    #[error(
        "it has none of the services of these BMS families: check the address with `dbus-bms scan-ble`, and `bms` in the configuration"
    )]
    NoService,
    /// The BMS rejects the password.
    #[error("the BMS rejects the password: set `bluetooth.password` to that of its app")]
    WrongPassword,
    /// The password cannot be one.
    #[error("`bluetooth.password` is no password of a BMS: give 1 to 15 characters")]
    InvalidPassword,
    /// The connection broke.
    #[error("the Bluetooth connection broke ({0}): try the adapter closer to the battery if this happens often")]
    Lost(String),
}

fn named(adapter: Option<&str>) -> String {
    adapter.map(|adapter| format!(" called {adapter}")).unwrap_or_default()
}
