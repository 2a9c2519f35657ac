//! How often data is requested that a board may not provide, counted in readings because a protocol has no clock.

/// How often a request is part of a reading.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Without a reply, the request is part of this many readings …
    often: u32,
    /// … and later of one in this many.
    seldom: u32,
    /// After a reply, the request is part of every reading: the value changes.
    changes: bool,
}

/// Data that limits need: requested in every reading for about the first minute.
pub(super) const LIMITS: Schedule = Schedule { often: 60, seldom: 30, changes: false };
/// Names, which do not justify timeouts for a minute.
pub(super) const NAMES: Schedule = Schedule { often: 3, seldom: 30, changes: false };
/// What changes seldom and no limit depends on: never at the start, which it would delay.
pub(super) const SELDOM: Schedule = Schedule { often: 0, seldom: 30, changes: false };
/// Values needed in every reading that some boards never provide. Each missing reply costs a timeout, so such boards are asked in
/// few readings only; a board that has replied once provides the value and is asked in every reading, however many of its replies
/// are lost.
pub(super) const CHANGING: Schedule = Schedule { often: 4, seldom: 16, changes: true };

/// After this many readings, about five minutes, the board is assumed not to provide the data.
const AWAITED: u32 = 300;

/// State of one request. Only readings count in which the board replied to something else: a silent line says nothing about what a
/// board provides.
#[derive(Debug, Default)]
pub(super) struct AskUntilKnown {
    readings: u32,
    heard: bool,
    answered: bool,
}

impl AskUntilKnown {
    /// The board has replied to another request of this reading.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    /// The board has replied: with the value, or that it has none or does not provide it.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether the request is part of the next reading; call once per reading while the value is unknown or changes.
    pub(super) fn is_due(&mut self, schedule: &Schedule) -> bool {
        if std::mem::take(&mut self.heard) {
            self.readings = self.readings.saturating_add(1);
        }
        match self.answered {
            true if schedule.changes => true,
            false if self.readings < schedule.often => true,
            false if schedule.often == 0 && self.readings == 0 => false,
            _ => self.readings.is_multiple_of(schedule.seldom),
        }
    }

    /// Whether the board has replied.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The board has not replied to it in as many readings as `schedule` requests it often.
    pub(super) fn is_silent(&self, schedule: &Schedule) -> bool {
        !self.answered && self.readings >= schedule.often
    }

    /// Whether a reply is still expected, so that charge control has to be cautious.
    pub(super) fn is_awaited(&self) -> bool {
        !self.answered && self.readings < AWAITED
    }
}

/// When known data is read again, because owners may change it: in one of [`Refresh::READINGS`] readings, and in the following ones
/// until there is a reply, at most [`Refresh::TRIES`] times.
#[derive(Debug)]
pub(super) struct Refresh {
    reading: u8,
    answered: bool,
}

impl Default for Refresh {
    /// For data read at start, of the only board of a line.
    fn default() -> Self {
        Self { reading: 0, answered: true }
    }
}

impl Refresh {
    pub(super) const READINGS: u8 = 60;
    pub(super) const TRIES: u8 = 3;

    /// As [`Refresh::default`], for the board at `address`. The first refresh comes earlier the higher the address, so that the boards
    /// of a line are not all asked in the same round.
    pub(super) fn of_board(address: u8) -> Self {
        Self { reading: address.min(15).saturating_mul(3), ..Self::default() }
    }

    /// A reply was received.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether the request is part of the next reading; call once per reading.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.reading < Self::TRIES && !self.answered;
        self.reading = self.reading.saturating_add(1) % Self::READINGS;
        self.answered &= self.reading > 0;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of requests in `readings`, and whether a reply is still expected after them.
    fn course(asking: &mut AskUntilKnown, readings: usize) -> (usize, bool) {
        let asked = (0..readings).filter(|_| {
            let due = asking.is_due(&LIMITS);
            asking.heard();
            due
        });
        (asked.count(), asking.is_awaited())
    }

    #[test]
    fn it_is_asked_in_each_reading_then_seldom_and_awaited_for_five_minutes() {
        let mut asking = AskUntilKnown::default();
        assert_eq!(course(&mut asking, 60), (60, true));
        assert_eq!(course(&mut asking, 240), (8, true));
        assert_eq!(course(&mut asking, 3000), (100, false));
    }

    #[test]
    fn a_name_is_asked_for_three_times_then_seldom() {
        let mut asking = AskUntilKnown::default();
        let mut due = || {
            let due = asking.is_due(&NAMES);
            asking.heard();
            due
        };
        assert_eq!((0..300).filter(|_| due()).count(), 3 + 9);
    }

    #[test]
    fn a_silent_line_tells_nothing() {
        let mut asking = AskUntilKnown::default();
        assert!((0..1000).all(|_| asking.is_due(&LIMITS)) && asking.is_awaited());
    }

    #[test]
    fn what_was_answered_once_is_asked_in_each_reading() {
        let mut recurring = AskUntilKnown::default();
        let mut due = |count: usize| {
            let one = |_: &usize| {
                recurring.heard();
                recurring.is_due(&CHANGING)
            };
            (0..count).filter(one).count()
        };
        assert_eq!((due(3), due(12), due(64)), (3, 0, 4));
        recurring.answered();
        assert!((0..1000).all(|_| {
            recurring.heard();
            recurring.is_due(&CHANGING)
        }));
    }

    #[test]
    fn an_answer_without_a_value_is_one() {
        let mut asking = AskUntilKnown::default();
        asking.answered();
        assert_eq!(course(&mut asking, 300), (10, false));
    }
}
