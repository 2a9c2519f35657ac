//! Presence of an inverter, which sends 0x305 to 0x307 every second. Its absence is logged once and stops nothing: some inverters
//! never send them.

use super::inverter::Inverter;
use crate::base::units::Moment;
use crate::bms::can::Record;
use std::time::Duration;

/// An inverter silent for this time counts as absent.
const MISSING_AFTER: Duration = Duration::from_secs(10);
/// Another battery silent for this time is gone.
const OTHER_GONE_AFTER: Duration = Duration::from_secs(60);
/// Ids of a battery's limits, which only this driver should send: most makers', and Growatt's.
const LIMITS_IDS: [u32; 2] = [0x351, 0x311];

/// Events to log, once per episode.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// An inverter was detected, for the first time or again.
    Heard(String),
    /// None was detected for ten seconds.
    Missing,
    /// Another battery sends on this bus.
    OtherBattery,
    /// It no longer does.
    OtherBatteryGone,
    /// The inverter asks the battery to shut down.
    ShutdownRequest,
    /// The inverter reports an error.
    Error(u16),
}

/// State of the inverter's presence.
#[derive(Debug)]
pub(super) struct Heartbeat {
    heard_at: Moment,
    heard: Option<bool>,
    other_at: Option<Moment>,
    shutdown_at: Option<Moment>,
    error: u16,
    inverter: Option<Inverter>,
}

impl Heartbeat {
    /// Starts listening.
    pub(super) fn new(now: Moment) -> Self {
        Self { heard_at: now, heard: None, other_at: None, shutdown_at: None, error: 0, inverter: None }
    }

    /// Whether an inverter is present, if known.
    pub(super) fn heard(&self) -> Option<bool> {
        self.heard
    }

    /// A frame was received.
    pub(super) fn receive(&mut self, frame: &Record, now: Moment) -> Option<News> {
        if LIMITS_IDS.contains(&frame.id()) {
            return self.other_at.replace(now).is_none().then_some(News::OtherBattery);
        }
        let mut inverter = Inverter { remote_shutdown_request: false, ..self.inverter.unwrap_or_default() };
        let mut known = Some(inverter);
        if !Inverter::receive(&mut known, frame) {
            return None;
        }
        inverter = known.unwrap_or(inverter);
        self.inverter = Some(inverter);
        self.heard_at = now;
        if inverter.remote_shutdown_request {
            return self.shutdown_at.replace(now).is_none().then_some(News::ShutdownRequest);
        }
        let error = inverter.error.unwrap_or(0);
        if self.heard != Some(true) {
            self.heard = Some(true);
            return Some(News::Heard(match (inverter.voltage, inverter.current) {
                (Some(volts), Some(amps)) => format!("it measures {volts}, {amps}"),
                _ => format!("0x{:03X}", frame.id() & !Record::EXTENDED),
            }));
        }
        (std::mem::replace(&mut self.error, error) != error && error != 0).then_some(News::Error(error))
    }

    /// Updates the state at this time. While nothing is sent that the inverter answers, its silence means nothing.
    pub(super) fn tick(&mut self, now: Moment, sending: bool) -> Option<News> {
        let over = |at: Option<Moment>| at.is_some_and(|at| now.since(at) >= OTHER_GONE_AFTER);
        if over(self.shutdown_at) {
            self.shutdown_at = None;
        }
        if over(self.other_at) {
            self.other_at = None;
            return Some(News::OtherBatteryGone);
        }
        if !sending {
            self.heard_at = now;
        }
        let missing = self.heard != Some(false) && now.since(self.heard_at) >= MISSING_AFTER;
        missing.then(|| {
            self.heard = Some(false);
            News::Missing
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::can::Frame;

    fn standard(id: u16, bytes: &[u8]) -> Record {
        Frame::new(id, bytes).into()
    }

    #[test]
    fn each_episode_is_said_once() {
        let at = Moment::from_secs;
        let mut heartbeat = Heartbeat::new(at(0.0));
        assert_eq!(heartbeat.tick(at(9.0), true), None);
        assert_eq!(heartbeat.tick(at(10.0), true), Some(News::Missing));
        assert_eq!(heartbeat.tick(at(60.0), true), None);
        let zeros = standard(0x305, &[0; 8]);
        assert_eq!(heartbeat.receive(&zeros, at(61.0)), Some(News::Heard("0x305".into())));
        assert_eq!(heartbeat.receive(&zeros, at(62.0)), None);
        assert_eq!(heartbeat.tick(at(71.9), true), None);
        assert_eq!(heartbeat.tick(at(72.0), true), Some(News::Missing));
        // A Sunny Island: 52.3 V, charging with 12.0 A in its own sign, 21 °C, 75 %; then error 952.
        let island = standard(0x305, &[0x0B, 0x02, 0x88, 0xFF, 0xD2, 0x00, 0xEE, 0x02]);
        assert_eq!(heartbeat.receive(&island, at(80.0)), Some(News::Heard("it measures 52.3 V, 12 A".into())));
        let failed = standard(0x306, &[0x64, 0, 10, 4, 0xB8, 0x03, 0x28, 0x02]);
        assert_eq!(heartbeat.receive(&failed, at(80.1)), Some(News::Error(952)));
        assert_eq!(heartbeat.receive(&failed, at(81.1)), None);
    }

    #[test]
    fn another_battery_is_said_once_per_episode() {
        let at = Moment::from_secs;
        let mut heartbeat = Heartbeat::new(at(0.0));
        let limits = standard(0x351, &[0; 8]);
        assert_eq!(heartbeat.receive(&limits, at(1.0)), Some(News::OtherBattery));
        assert_eq!(heartbeat.receive(&limits, at(2.0)), None);
        heartbeat.receive(&standard(0x305, &[0; 8]), at(60.0));
        assert_eq!(heartbeat.tick(at(61.9), true), None);
        assert_eq!(heartbeat.tick(at(62.0), true), Some(News::OtherBatteryGone));
        assert_eq!(heartbeat.receive(&limits, at(70.0)), Some(News::OtherBattery), "a new episode");
    }

    #[test]
    fn a_gateway_that_acknowledges_with_29_bits_is_an_inverter() {
        let at = Moment::from_secs;
        let mut heartbeat = Heartbeat::new(at(0.0));
        let zeros = Record::new(0x305 | Record::EXTENDED, &[0; 8]);
        assert_eq!(heartbeat.receive(&zeros, at(1.0)), Some(News::Heard("0x305".into())));
        let other = Record::new(0x1234_5305 | Record::EXTENDED, &[0; 8]);
        assert_eq!(heartbeat.receive(&other, at(9.0)), None);
        assert_eq!(heartbeat.tick(at(11.0), true), Some(News::Missing), "another id with the same digits at its end is nobody's");
    }

    #[test]
    fn a_request_to_shut_down_is_said_once() {
        let at = Moment::from_secs;
        let mut heartbeat = Heartbeat::new(at(0.0));
        let request = standard(0x300, &[1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(heartbeat.receive(&request, at(1.0)), Some(News::ShutdownRequest));
        assert_eq!(heartbeat.receive(&request, at(2.0)), None);
        assert_eq!(heartbeat.receive(&standard(0x300, &[1, 0x0A, 0, 0, 0, 0, 0, 0]), at(3.0)), None, "a power of a Sunny Island");
    }

    #[test]
    fn silence_means_nothing_while_nothing_is_sent_that_is_answered() {
        let at = Moment::from_secs;
        let mut heartbeat = Heartbeat::new(at(0.0));
        heartbeat.receive(&standard(0x305, &[0; 8]), at(1.0));
        assert_eq!(heartbeat.tick(at(20.0), false), None);
        assert_eq!(heartbeat.tick(at(29.9), true), None);
        assert_eq!(heartbeat.tick(at(30.0), true), Some(News::Missing));
    }
}
