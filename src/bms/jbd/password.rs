//! The password of a JBD board on Bluetooth: sent once after connecting, before anything else.
//!
//! ```text
//! request  FF AA 15 len text… sum8       the sum begins behind AA
//! reply    FF AA 15 01 00 16             accepted; 01 17 instead of 00 16: wrong
//! ```
//! Source: patman15/BMS_BLE-HA and syssi/esphome-jbd-bms. Boards without a password do not reply.

use crate::bms::bytes::sum8;

const HEADER: [u8; 3] = [0xFF, 0xAA, 0x15];

/// The request with this password; `None` if it is empty or longer than a piece of 20 bytes has room for.
pub(in crate::bms) fn password_request(password: &str) -> Option<Vec<u8>> {
    let text = password.as_bytes();
    let length = u8::try_from(text.len()).ok().filter(|length| (1..=15).contains(length))?;
    let mut bytes = HEADER.to_vec();
    bytes.push(length);
    bytes.extend(text);
    bytes.push(sum8(bytes.get(2..)?));
    Some(bytes)
}

/// Whether a notification accepts or rejects the password.
pub(in crate::bms) fn password_is_accepted(notification: &[u8]) -> Option<bool> {
    match notification {
        [0xFF, 0xAA, 0x15, 1, 0, 0x16, ..] => Some(true),
        [0xFF, 0xAA, 0x15, 1, 1, 0x17, ..] => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_replies() {
        assert_eq!(password_request("123456").unwrap(), [0xFF, 0xAA, 0x15, 6, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x50]);
        assert_eq!((password_request(""), password_request("0123456789abcdef")), (None, None));
        assert_eq!(password_is_accepted(&[0xFF, 0xAA, 0x15, 1, 0, 0x16]), Some(true));
        assert_eq!(password_is_accepted(&[0xFF, 0xAA, 0x15, 1, 1, 0x17]), Some(false));
        assert_eq!(password_is_accepted(&[0xDD, 3, 0]), None);
    }
}
