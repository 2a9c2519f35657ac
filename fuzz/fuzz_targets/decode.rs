//! Any bytes through any driver: no panic, no stall, bounded memory, nothing in a reading that cannot be shown.
//!
//! The first byte chooses the driver and whether everything counts or only replies to the driver's own requests; the second is
//! the length of the pieces in which the rest arrives.
#![no_main]

use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::{DRIVERS, Request};
use dbus_bms::model::Reading;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [choice, length, bytes @ ..] = input else { return };
    let driver = DRIVERS[usize::from(choice >> 1) % DRIVERS.len()];
    let asked = if choice & 1 == 0 { Vec::new() } else { requests(driver.new) };
    let length = usize::from(*length).max(1);

    held::heap::bounded(8 << 20, || {
        let mut traffic = FrameCollector::new(driver);
        for piece in bytes.chunks(length) {
            traffic.feed(piece, &asked);
            assert!(traffic.pending() <= 1024 + length, "{} bytes wait for the rest of a frame", traffic.pending());
        }
        traffic.end(&asked);
        assert_eq!(traffic.pending(), 0);
        for reading in traffic.readings() {
            assert_eq!(reading.bms, driver.name);
            held::reading::assert_sound(&reading);
        }
    });
});

fn requests(new: fn(Option<u8>) -> Box<dyn dbus_bms::bms::Protocol>) -> Vec<Request> {
    let mut protocol = new(None);
    let mut all = vec![protocol.identify()];
    all.extend(protocol.plan(&Reading::default()));
    all
}
