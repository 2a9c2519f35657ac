//! Bluetooth Low Energy: how the boards of each family are recognised, and which characteristics carry their bytes.
//!
//! The bytes are those of the serial port, cut into notifications. Sources: patman15/aiobmsble (`aiobmsble/bms`), syssi/esphome-jk-bms,
//! syssi/esphome-jbd-bms; the password of JBD boards is that of their app as described there.

use super::{Driver, Transport, ant, ant_old, daly_modbus, ecoworthy, jbd, jk_pb, litime};

/// What is known about a family's boards on Bluetooth.
#[derive(Debug)]
pub struct BluetoothBoard {
    /// Its driver on this transport.
    pub driver: &'static Driver,
    /// 16-bit UUID of the service.
    pub service: u16,
    /// … of the characteristic that notifies.
    pub notify: u16,
    /// … of the characteristic to write to; some modules have two of the same UUID, one for each direction.
    pub write: u16,
    /// Beginnings of the names that the boards advertise.
    pub names: &'static [&'static str],
    /// Manufacturer numbers that they advertise.
    pub manufacturers: &'static [u16],
    /// How the boards ask for a password, if they do.
    pub login: Option<Login>,
    /// What stands between their frames on this transport only, if they have another driver on it.
    pub marks: &'static [&'static [u8]],
}

/// The password exchange of a family.
#[derive(Debug, Clone, Copy)]
pub struct Login {
    /// The request with this password; `None` if it cannot be one.
    pub request: fn(&str) -> Option<Vec<u8>>,
    /// Whether a notification accepts (true) or rejects the password; `None` if it is something else.
    pub is_accepted: fn(&[u8]) -> Option<bool>,
}

/// The families on Bluetooth, in the order in which a probe tries them. Where two use the same service, the one that needs more of it
/// comes later.
pub const BOARDS: &[BluetoothBoard] = &[
    BluetoothBoard {
        driver: &jk_pb::OVER_BLUETOOTH,
        service: 0xFFE0,
        notify: 0xFFE1,
        write: 0xFFE1,
        names: &["JK"],
        manufacturers: &[0x0B65, 0x4B4A],
        login: None,
        // Begin of requests and acknowledges, and what the module says.
        marks: &[&[0xAA, 0x55, 0x90, 0xEB], b"AT\r\n"],
    },
    BluetoothBoard {
        driver: &jbd::DRIVER,
        service: 0xFF00,
        notify: 0xFF01,
        write: 0xFF02,
        names: &["xiaoxiang", "JBD-", "SBL-", "OGR-", "TZ-H"],
        manufacturers: &[],
        login: Some(Login { request: jbd::password_request, is_accepted: jbd::password_is_accepted }),
        marks: &[],
    },
    BluetoothBoard {
        driver: &daly_modbus::OVER_BLUETOOTH,
        service: 0xFFF0,
        notify: 0xFFF1,
        write: 0xFFF2,
        names: &["DL-"],
        manufacturers: &[0x0102, 0x0104, 0x0302, 0x0303, 0x0402],
        login: None,
        marks: &[],
    },
    BluetoothBoard {
        driver: &ant::DRIVER,
        service: 0xFFE0,
        notify: 0xFFE1,
        write: 0xFFE1,
        names: &["ANT"],
        manufacturers: &[0x2313],
        login: None,
        marks: &[],
    },
    BluetoothBoard {
        driver: &ant_old::DRIVER,
        service: 0xFFE0,
        notify: 0xFFE1,
        write: 0xFFE1,
        names: &["ANT"],
        manufacturers: &[],
        login: None,
        marks: &[],
    },
    BluetoothBoard {
        driver: &litime::DRIVER,
        service: 0xFFE0,
        notify: 0xFFE1,
        write: 0xFFE2,
        names: &["L-12", "L-24", "L-51", "LT-", "R-12", "R-24", "RO-12", "RO-24", "P-12", "P-24", "PQ-12", "PQ-24"],
        manufacturers: &[0x585A],
        login: None,
        marks: &[],
    },
    BluetoothBoard {
        driver: &ecoworthy::DRIVER,
        service: 0xFFF0,
        notify: 0xFFF1,
        write: 0xFFF2,
        names: &["ECO-WORTHY", "DCHOUSE"],
        manufacturers: &[],
        login: None,
        marks: &[],
    },
];

impl BluetoothBoard {
    /// Whether a device with this name and these manufacturer numbers is one of the family's. The service alone tells nothing: many
    /// modules share theirs.
    pub fn recognises(&self, name: Option<&str>, manufacturers: &[u16]) -> bool {
        let named = name.is_some_and(|name| self.names.iter().any(|start| name.starts_with(start)));
        named || manufacturers.iter().any(|number| self.manufacturers.contains(number))
    }
}

/// The driver called `name` as it is on `transport`; `None` if the family does not speak it.
pub fn on_transport(driver: &'static Driver, transport: Transport) -> Option<&'static Driver> {
    let speaks = driver.transports.contains(&transport);
    match transport {
        Transport::Bluetooth => BOARDS.iter().map(|board| board.driver).find(|own| speaks && own.name == driver.name),
        Transport::Serial | Transport::Can | Transport::Mqtt => speaks.then_some(driver),
    }
}

/// The driver for recorded bytes: that on Bluetooth if they contain what comes on no other transport.
pub fn of_recorded<'a>(driver: &'static Driver, pieces: impl IntoIterator<Item = &'a [u8]>) -> &'static Driver {
    let Some(board) = BOARDS.iter().find(|board| board.driver.name == driver.name) else { return driver };
    let is_marked = |piece: &[u8]| board.marks.iter().any(|mark| piece.windows(mark.len()).any(|window| window == *mark));
    if pieces.into_iter().any(is_marked) { board.driver } else { driver }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::DRIVERS;

    #[test]
    fn the_registry_and_this_table_name_the_same_families() {
        for driver in DRIVERS {
            let here = BOARDS.iter().any(|board| board.driver.name == driver.name);
            assert_eq!(here, driver.transports.contains(&Transport::Bluetooth), "{}", driver.name);
        }
    }

    #[test]
    fn a_board_is_recognised_by_name_or_manufacturer() {
        let daly = BOARDS.iter().find(|board| board.driver.name == "daly-modbus").unwrap();
        assert!(daly.recognises(Some("DL-40D2511412B2"), &[]) && daly.recognises(None, &[0x0302]));
        assert!(!daly.recognises(Some("Model DL-1"), &[0x0059]) && !daly.recognises(None, &[]));
    }
}
