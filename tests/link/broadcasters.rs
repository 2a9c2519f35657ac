//! Several batteries on one CAN bus that send by themselves and are only listened to.

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::can::Record;
use dbus_bms::bms::driver;
use dbus_bms::link::Port;
use dbus_bms::model::Reading;
use dbus_bms::probe::Scope;
use dbus_bms::recording::replay_port::SimClock;
use dbus_bms::service::port_worker::{PortEvent, PortWorker};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::port::SimPort;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use std::io;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// From here on some frames are missing; all batteries have been found by then.
const MISSING_FROM: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(120);

/// A bus on which the frames that `is_lost` names are missing from [`MISSING_FROM`] on.
struct Bus {
    inner: SimPort<SimClock>,
    clock: SimClock,
    is_lost: fn(u32, &[u8]) -> bool,
}

impl Port for Bus {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        panic!("nothing may be sent: {bytes:02x?}");
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let until = self.clock.now().after(wait);
        loop {
            let room = buf.len() / Record::LEN * Record::LEN;
            let received = self.inner.receive(&mut buf[..room], until.since(self.clock.now()))?;
            let (missing, is_lost) = (self.clock.now() >= Moment::new(MISSING_FROM), self.is_lost);
            let records = buf[..received].chunks(Record::LEN).map(|bytes| Record::parse(bytes).unwrap());
            let left: Vec<Record> = records.filter(|record| !missing || !is_lost(record.id(), record.data())).collect();
            let bytes: Vec<u8> = left.iter().flat_map(Record::bytes).collect();
            buf[..bytes.len()].copy_from_slice(&bytes);
            if !bytes.is_empty() || received == 0 {
                return Ok(bytes.len());
            }
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }
}

/// The readings of every battery, each with the time at which it came.
fn readings(board: &str, addresses: &[u8], is_lost: fn(u32, &[u8]) -> bool) -> Vec<Vec<(Duration, Reading)>> {
    let clock = SimClock::default();
    let units = addresses.iter().map(|address| Unit::new(*address, &PackConfig::default(), Scenario::default())).collect();
    let inner = SimPort::new(clock.clone(), responder(board).unwrap(), units, Faults::default(), 1);
    let mut port: Option<Box<dyn Port>> = Some(Box::new(Bus { inner, clock: clock.clone(), is_lost }));
    let worker = PortWorker {
        open: Box::new(move || Ok(port.take().unwrap())),
        scope: Scope { drivers: vec![driver(board).unwrap()], can: true, ..Scope::default() },
        interval: SECOND,
        active_fill: false,
        commands: None,
        persistent: false,
        searches_again: false,
    };
    let mut all: Vec<Vec<(Duration, Reading)>> = Vec::new();
    worker.run(&clock, |event| {
        let now = clock.now().since_origin();
        match event {
            PortEvent::Found(found) => all.extend(found.into_iter().map(|found| vec![(now, found.reading)])),
            PortEvent::Reading { number, reading, .. } => all[number].push((now, *reading)),
            PortEvent::Missed { .. } => {}
            other => panic!("{board}: {other:?}"),
        }
        now < END
    });
    assert_eq!(all.len(), addresses.len(), "{board}: all are found");
    all
}

/// Longest time between two readings in this part of the time.
fn longest_gap(readings: &[(Duration, Reading)], from: Duration, to: Duration) -> Duration {
    let times = [from].into_iter().chain(readings.iter().map(|(at, _)| *at).filter(|at| (from..to).contains(at))).chain([to]);
    let times: Vec<Duration> = times.collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
}

#[test]
fn each_of_several_batteries_is_read_as_often_as_one_alone() {
    for (board, addresses) in
        [("jk-can", &[0, 1, 2, 3][..]), ("jk-can", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), ("rv-c", &[1, 2, 3, 4])]
    {
        for (number, readings) in readings(board, addresses, |_, _| false).iter().enumerate() {
            let gap = longest_gap(readings, MISSING_FROM, END);
            assert!(gap <= Duration::from_millis(2500), "{board}, {number} of {}: {gap:?}", addresses.len());
        }
    }
}

#[test]
fn what_a_battery_no_longer_sends_is_unknown_within_seconds_however_many_share_the_bus() {
    const CELLS_OF_2: u32 = 0x98E0_28F6;
    const DESIRED: u32 = 0x1_FEC9;
    // The board 2 of twelve no longer sends its first cells, the battery 2 of four no longer what it asks of chargers.
    let jk = readings("jk-can", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], |id, _| id == CELLS_OF_2);
    let rv_c = readings("rv-c", &[1, 2, 3, 4], |id, data| id >> 8 & 0x1_FFFF == DESIRED && data[0] == 2);
    let is_known = |reading: &Reading| match reading.bms {
        "jk-can" => reading.has_its_cells() && reading.cells.len() == 16,
        _ => reading.settings.charge_limit.is_some() && reading.settings.voltage_limit.is_some(),
    };
    for (board, readings, longest) in [("jk-can", &jk[2], 5), ("rv-c", &rv_c[1], 15)] {
        let (before, after): (Vec<_>, Vec<_>) = readings.iter().partition(|(at, _)| *at < MISSING_FROM);
        assert!(before.iter().skip(1).all(|(_, reading)| is_known(reading)), "{board}: {before:#?}");
        let last = after.iter().filter(|(_, reading)| is_known(reading)).map(|(at, _)| *at).max().unwrap_or_default();
        let latest = MISSING_FROM + Duration::from_secs(longest) + SECOND;
        assert!(last <= latest, "{board}: known until {last:?}");
        assert!(longest_gap(readings, latest, END) <= Duration::from_millis(2500), "{board}: the others are still read");
    }
}

#[test]
fn a_battery_that_falls_silent_does_not_disturb_the_others() {
    let all = readings("jk-can", &[0, 1, 2, 3], |id, _| id & 0xFF == 0xF5);
    let since = MISSING_FROM + 2 * SECOND;
    assert!(all[1].iter().all(|(at, _)| *at <= since), "no reading without its frames");
    for number in [0, 2, 3] {
        let gap = longest_gap(&all[number], since, END);
        assert!(gap <= Duration::from_millis(6500), "{number}: {gap:?}");
    }
}
