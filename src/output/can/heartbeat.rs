//! Presence of an inverter, which sends 0x305 to 0x307 every second. Its absence is logged once and stops nothing: some inverters
//! never send them.

use super::decode::Decoder;
use crate::base::episode::Once;
use crate::base::units::Moment;
use crate::bms::can::Frame;
use std::time::Duration;

/// An inverter silent for this time counts as absent.
const MISSING_AFTER: Duration = Duration::from_secs(10);
/// The id of a battery's limits, which only this driver should send.
const LIMITS_ID: u16 = 0x351;

/// Events to log, once per episode.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// An inverter was detected, for the first time or again.
    Heard(String),
    /// None was detected for ten seconds.
    Missing,
    /// Another battery sends on this bus.
    OtherBattery,
    /// The inverter reports an error.
    Error(u16),
}

/// State of the inverter's presence.
#[derive(Debug)]
pub(super) struct Heartbeat {
    heard_at: Moment,
    heard: Option<bool>,
    logged_other: Once,
    error: u16,
    decoder: Decoder,
}

impl Heartbeat {
    /// Starts listening.
    pub(super) fn new(now: Moment) -> Self {
        Self { heard_at: now, heard: None, logged_other: Once::default(), error: 0, decoder: Decoder::default() }
    }

    /// Whether an inverter is present, if known.
    pub(super) fn heard(&self) -> Option<bool> {
        self.heard
    }

    /// A frame was received.
    pub(super) fn receive(&mut self, frame: &Frame, now: Moment) -> Option<News> {
        if frame.id() == LIMITS_ID {
            return self.logged_other.first().then_some(News::OtherBattery);
        }
        self.decoder.receive(frame);
        let inverter = self.decoder.understood().inverter?;
        self.heard_at = now;
        let error = inverter.error.unwrap_or(0);
        if self.heard != Some(true) {
            self.heard = Some(true);
            return Some(News::Heard(match (inverter.voltage, inverter.current) {
                (Some(volts), Some(amps)) => format!("it measures {volts}, {amps}"),
                _ => format!("0x{:03X}", frame.id()),
            }));
        }
        (std::mem::replace(&mut self.error, error) != error && error != 0).then_some(News::Error(error))
    }

    /// Updates the state at this time.
    pub(super) fn tick(&mut self, now: Moment) -> Option<News> {
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

    #[test]
    fn each_episode_is_said_once() {
        let at = Moment::from_secs;
        let mut heartbeat = Heartbeat::new(at(0.0));
        assert_eq!(heartbeat.tick(at(9.0)), None);
        assert_eq!(heartbeat.tick(at(10.0)), Some(News::Missing));
        assert_eq!(heartbeat.tick(at(60.0)), None);
        let zeros = Frame::new(0x305, &[0; 8]);
        assert_eq!(heartbeat.receive(&zeros, at(61.0)), Some(News::Heard("0x305".into())));
        assert_eq!(heartbeat.receive(&zeros, at(62.0)), None);
        assert_eq!(heartbeat.tick(at(71.9)), None);
        assert_eq!(heartbeat.tick(at(72.0)), Some(News::Missing));
        // A Sunny Island: 52.3 V, charging with 12.0 A in its own sign, 21 °C, 75 %; then error 952.
        let island = Frame::new(0x305, &[0x0B, 0x02, 0x88, 0xFF, 0xD2, 0x00, 0xEE, 0x02]);
        assert_eq!(heartbeat.receive(&island, at(80.0)), Some(News::Heard("it measures 52.3 V, 12 A".into())));
        let failed = Frame::new(0x306, &[0x64, 0, 10, 4, 0xB8, 0x03, 0x28, 0x02]);
        assert_eq!(heartbeat.receive(&failed, at(80.1)), Some(News::Error(952)));
        assert_eq!(heartbeat.receive(&failed, at(81.1)), None);
    }

    #[test]
    fn another_battery_on_the_bus_is_said_once() {
        let mut heartbeat = Heartbeat::new(Moment::default());
        let limits = Frame::new(0x351, &[0; 8]);
        assert_eq!(heartbeat.receive(&limits, Moment::default()), Some(News::OtherBattery));
        assert_eq!(heartbeat.receive(&limits, Moment::default()), None);
    }
}
