//! The far end of the line: a board with its battery, and the faults of its replies in transit.

use crate::hang;
use crate::optional::Optional;
use crate::oracle::Truth;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::Line;
use dbus_bms::recording::replay_port::TimedBytes;
use dbus_bms::sim::fault::Injector;
use dbus_bms::sim::random::Random;
use dbus_bms::sim::{Reply, Responder, Unit};
use std::time::Duration;

/// Response time of a board.
const LATENCY: Duration = Duration::from_millis(20);

/// Replies not later than this are in time.
const PROMPT: Duration = Duration::from_secs(1);

/// Faults that do not affect single replies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Events {
    /// Bytes arrive one by one at the line speed, and not in blocks.
    pub(crate) trickle: bool,
    /// Noise at any time, not only before replies.
    pub(crate) babble: bool,
    /// Every five minutes the BMS is silent for this time.
    pub(crate) silence: Option<Duration>,
    /// Every five minutes the port is absent for this time.
    pub(crate) gone: Option<Duration>,
    /// Every five minutes the program is suspended for this time.
    pub(crate) suspended: Option<Duration>,
    /// At the end of every five minutes all replies are late: a device in between delays them, in order, and delivers them to the
    /// next connection if there is one.
    pub(crate) lag: Option<Lag>,
    /// The wall clock jumps.
    pub(crate) wall_clock: bool,
    /// The BMS hangs as in [`hang`].
    pub(crate) hangs: bool,
    /// Percentage of the optional replies that never arrive.
    pub(crate) unanswered_pct: Option<u8>,
}

/// Delay of late replies, ± half a second, and duration of the delay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lag {
    pub(crate) by: Duration,
    pub(crate) during: Duration,
}

/// Period of these faults.
pub(crate) const EVERY: Duration = Duration::from_secs(300);

impl Events {
    pub(crate) fn in_event(length: Option<Duration>, now: Moment) -> bool {
        let into = now.since_origin().as_millis() % EVERY.as_millis();
        length.is_some_and(|length| now.since_origin() >= EVERY && into < length.as_millis())
    }

    /// Time for which no data is possible at `now`: a gap there is not counted.
    pub(crate) fn excuse(&self) -> Duration {
        let lag = self.lag.map(|lag| if self.gone.is_some() { lag.during + lag.by } else { lag.during });
        [self.silence, self.gone, self.suspended, lag].into_iter().flatten().max().unwrap_or_default()
    }
}

/// The far end of the line.
pub(crate) struct World {
    pub(crate) board: Box<dyn Responder>,
    pub(crate) units: [Unit; 1],
    pub(crate) injector: Injector,
    pub(crate) random: Random,
    pub(crate) events: Events,
    pub(crate) truth: Truth,
    pub(crate) last: Moment,
    /// Late bytes and their times.
    pub(crate) held: Vec<(Moment, Vec<u8>)>,
    /// Time of the last reply that was delayed for longer than [`PROMPT`].
    pub(crate) late_until: Moment,
    /// Earlier replies of a BMS that hangs.
    pub(crate) answers: Option<hang::Answers>,
    pub(crate) optional: Option<Optional>,
}

impl World {
    pub(crate) fn advance(&mut self, now: Moment) {
        self.units[0].advance(now.since(self.last));
        self.last = now;
        self.units[0].pack.silent = Events::in_event(self.events.silence, now);
        self.truth.note(&self.units[0], now);
    }

    pub(crate) fn hear(&mut self, sent: &[u8], line: Line, now: Moment) -> Vec<TimedBytes> {
        self.advance(now);
        if line.baud != self.board.line().baud {
            return Vec::new();
        }
        let replies = self.answer(sent, now);
        let mut sounds = self.noise();
        let mut at = (LATENCY + line.time_of(sent.len()) + self.lag(now)).max(self.held_for(now));
        let late = at > PROMPT;
        let spoiled: Vec<_> = replies.into_iter().flat_map(|reply| self.injector.apply(reply)).collect();
        for reply in spoiled {
            at += reply.after;
            sounds.extend(match self.events.trickle {
                true => TimedBytes { after: at, bytes: reply.bytes.clone() }.trickle(line),
                false => on_wire(&reply.bytes, at, line),
            });
            at += line.time_of(reply.bytes.len());
        }
        if late {
            self.late_until = sounds.iter().map(|sound| now.after(sound.after)).fold(self.late_until, Moment::max);
        }
        if self.events.lag.is_some() {
            self.held.extend(sounds.iter().map(|sound| (now.after(sound.after), sound.bytes.clone())));
        }
        sounds
    }

    /// What a board that is not asked has sent until now.
    pub(crate) fn speak(&mut self, now: Moment) -> Vec<u8> {
        self.advance(now);
        if self.next_word().is_none_or(|next| next > now) {
            return Vec::new();
        }
        let nonsense = self.injector.nonsense(self.units[0].pack.reported());
        let truth = nonsense.map(|nonsense| self.units[0].pack.replace_reported(nonsense));
        let words = self.board.unsolicited(now.since_origin(), &mut self.units);
        truth.map(|truth| self.units[0].pack.replace_reported(truth));
        let mut bytes = Vec::new();
        for word in words {
            // A frame of a kind takes the place of a request: the id, or the start of a message.
            let kind: Vec<u8> = word.bytes.iter().take(4).copied().collect();
            let words = match &mut self.answers {
                Some(answers) => answers.pass(&kind, vec![word], now),
                None => vec![word],
            };
            bytes.extend(words.into_iter().flat_map(|word| self.injector.apply(word)).flat_map(|word| word.bytes));
        }
        bytes
    }

    /// When such a board sends again.
    pub(crate) fn next_word(&self) -> Option<Moment> {
        self.board.next_unsolicited_at().map(Moment::new)
    }

    /// The board's reply.
    fn answer(&mut self, sent: &[u8], now: Moment) -> Vec<Reply> {
        let nonsense = self.injector.nonsense(self.units[0].pack.reported());
        let truth = nonsense.map(|nonsense| self.units[0].pack.replace_reported(nonsense));
        let replies = self.board.answer(sent, &mut self.units);
        self.board.quiet();
        truth.map(|truth| self.units[0].pack.replace_reported(truth));
        let replies = match &mut self.answers {
            Some(answers) => answers.pass(sent, replies, now),
            None => replies,
        };
        match &mut self.optional {
            Some(optional) => optional.pass(sent, replies),
            None => replies,
        }
    }

    fn lag(&mut self, now: Moment) -> Duration {
        let into = now.since_origin().as_millis() % EVERY.as_millis();
        let Some(lag) = self.events.lag.filter(|lag| into >= (EVERY - lag.during).as_millis()) else { return Duration::ZERO };
        lag.by + Duration::from_millis(self.random.below(600) as u64)
    }

    /// Time until everything in transit has arrived.
    pub(crate) fn held_for(&mut self, now: Moment) -> Duration {
        self.held.retain(|(at, _)| *at > now);
        self.held.iter().map(|(at, _)| at.since(now)).max().unwrap_or_default()
    }

    fn noise(&mut self) -> Vec<TimedBytes> {
        if !self.events.babble {
            return Vec::new();
        }
        let bursts = self.random.below(3);
        let burst = |random: &mut Random| {
            let bytes = (0..=random.below(5)).map(|_| random.byte()).collect();
            TimedBytes { after: Duration::from_millis(random.below(900) as u64), bytes }
        };
        (0..bursts).map(|_| burst(&mut self.random)).collect()
    }
}

/// Blocks arrive as through a USB adapter.
pub(crate) fn on_wire(bytes: &[u8], at: Duration, line: Line) -> Vec<TimedBytes> {
    let block =
        |(index, block): (usize, &[u8])| TimedBytes { after: at + line.time_of(index * 60 + block.len()), bytes: block.to_vec() };
    bytes.chunks(60).enumerate().map(block).collect()
}
