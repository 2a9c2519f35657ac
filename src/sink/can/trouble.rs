//! Episodes of a CAN interface that does not work: what to say about them, once at their beginning and once at their end.

use crate::units::Moment;

/// So many whole sets have to go out before an episode is over: a queue that drains now and then is no end.
const GOOD_SETS: u32 = 3;

/// Why frames do not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no such interface.
    Missing,
    /// It is there and not up.
    Down,
    /// The controller has switched itself off after too many errors.
    BusOff,
    /// The queue is full: nobody takes the frames.
    Full,
    /// Anything else that the operating system says.
    Failing(std::io::ErrorKind),
}

/// The present episode, if any.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    episode: Option<Episode>,
}

#[derive(Debug)]
struct Episode {
    kind: Kind,
    since: Moment,
    lost: u64,
    good: u32,
}

impl Trouble {
    /// A frame did not go out; returns what to say if that is news. A frame lost to a full queue is no news before the next.
    pub(super) fn failed(&mut self, interface: &str, kind: Kind, now: Moment) -> Option<String> {
        let before = self.episode.as_ref().map(|episode| episode.kind);
        let episode = self.episode.get_or_insert(Episode { kind, since: now, lost: 0, good: 0 });
        episode.lost = episode.lost.saturating_add(1);
        episode.good = 0;
        episode.kind = kind;
        (before != Some(kind)).then(|| format!("{interface}: {}; trying again until it works", describe(interface, kind)))
    }

    /// A whole set went out; returns what to say if that is news.
    pub(super) fn worked(&mut self, interface: &str, now: Moment) -> Option<String> {
        let episode = self.episode.as_mut()?;
        episode.good += 1;
        if episode.good < GOOD_SETS {
            return None;
        }
        let (seconds, lost) = (now.since(episode.since).as_secs(), episode.lost);
        self.episode = None;
        Some(format!("{interface}: works again after {seconds} s ({lost} frames were not sent)"))
    }

    /// What is wrong now.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.episode.as_ref().map(|episode| episode.kind)
    }
}

fn describe(interface: &str, kind: Kind) -> String {
    match kind {
        Kind::Missing => "there is no such CAN interface; check `can.interface` and the driver of the CAN board; `ip link` lists what is there".to_owned(),
        Kind::Down => format!(
            "the interface is down; run `ip link set {interface} up type can bitrate 500000 restart-ms 100`, or set `can.bring_up`"
        ),
        Kind::BusOff => "the CAN controller is bus-off after too many errors; check the bit rate, CAN_H and CAN_L, and the resistors at both ends".to_owned(),
        Kind::Full => "nobody takes the frames; check that the inverter is on, and CAN_H, CAN_L and the resistors at both ends".to_owned(),
        Kind::Failing(what) => format!("sending fails ({what})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_said_at_its_beginning_and_at_its_end() {
        let at = Moment::from_secs;
        let mut trouble = Trouble::default();
        assert_eq!(trouble.worked("can0", at(0.0)), None, "nothing was wrong");
        assert!(trouble.failed("can0", Kind::Down, at(1.0)).is_some_and(|text| text.contains("down")));
        assert_eq!(trouble.failed("can0", Kind::Down, at(2.0)), None);
        assert!(trouble.failed("can0", Kind::Missing, at(3.0)).is_some(), "another reason is news");
        assert_eq!((trouble.worked("can0", at(4.0)), trouble.worked("can0", at(5.0))), (None, None));
        assert_eq!(trouble.worked("can0", at(6.0)).as_deref(), Some("can0: works again after 5 s (3 frames were not sent)"));
        assert_eq!(trouble.kind(), None);
    }
}
