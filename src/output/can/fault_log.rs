//! Fault episodes of a CAN interface, logged once at their beginning and once at their end.

use crate::base::episode::Episode;
use crate::base::units::Moment;
use crate::link::can::CanFault;

/// Complete sets of frames that end an episode: a queue that drains occasionally does not.
const GOOD_SETS_TO_END: u32 = 3;

/// Why frames cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendFault {
    /// Something is wrong with the interface.
    Interface(CanFault),
    /// The queue is full: frames are not acknowledged.
    Full,
    /// Any other error of the operating system.
    Failing(std::io::ErrorKind),
}

/// The present episode, if any.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    /// Its failures are lost frames.
    episode: Episode,
    fault: Option<SendFault>,
    /// Complete sets sent since the last lost frame.
    good: u32,
}

impl FaultLog {
    /// A frame was not sent; returns the text to log, if it is new. A frame lost to a full queue is not logged before the next one.
    pub(super) fn failed(&mut self, interface: &str, fault: SendFault, now: Moment) -> Option<String> {
        self.episode.failed(now);
        self.good = 0;
        let is_news = self.fault.replace(fault) != Some(fault);
        is_news.then(|| format!("{interface}: {}; retrying until it works", describe(interface, fault)))
    }

    /// A complete set was sent; returns the text to log, if an episode ends.
    pub(super) fn succeeded(&mut self, interface: &str, now: Moment) -> Option<String> {
        self.fault?;
        self.good = self.good.saturating_add(1);
        if self.good < GOOD_SETS_TO_END {
            return None;
        }
        let ended = self.episode.ended(now)?;
        self.fault = None;
        let seconds = ended.lasted.as_secs();
        Some(format!("{interface}: works again after {seconds} s ({} frames were not sent)", ended.failures))
    }

    /// The present fault.
    pub(super) fn fault(&self) -> Option<SendFault> {
        self.fault
    }
}

fn describe(interface: &str, fault: SendFault) -> String {
    match fault {
        SendFault::Interface(CanFault::Missing) => "there is no such CAN interface; check `can.interface` and the driver of the CAN board; `ip link` lists the interfaces".to_owned(),
        SendFault::Interface(CanFault::Down) => format!(
            "the interface is down; run `ip link set {interface} up type can bitrate 500000 restart-ms 100`, or set `can.bring_up`"
        ),
        SendFault::Interface(CanFault::BusOff) => "the CAN controller is bus-off after too many errors; check the bit rate, CAN_H and CAN_L, and the resistors at both ends".to_owned(),
        SendFault::Full => "frames are not acknowledged; check that the inverter is on, and CAN_H, CAN_L and the resistors at both ends".to_owned(),
        SendFault::Failing(what) => format!("sending fails ({what})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_logged_at_its_beginning_and_at_its_end() {
        let at = Moment::from_secs;
        let mut fault_log = FaultLog::default();
        assert_eq!(fault_log.succeeded("can0", at(0.0)), None, "nothing was wrong");
        assert!(fault_log.failed("can0", SendFault::Interface(CanFault::Down), at(1.0)).is_some_and(|text| text.contains("down")));
        assert_eq!(fault_log.failed("can0", SendFault::Interface(CanFault::Down), at(2.0)), None);
        assert!(fault_log.failed("can0", SendFault::Interface(CanFault::Missing), at(3.0)).is_some(), "another reason is news");
        assert_eq!((fault_log.succeeded("can0", at(4.0)), fault_log.succeeded("can0", at(5.0))), (None, None));
        assert_eq!(fault_log.succeeded("can0", at(6.0)).as_deref(), Some("can0: works again after 5 s (3 frames were not sent)"));
        assert_eq!(fault_log.fault(), None);
    }
}
