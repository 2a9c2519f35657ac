//! How long a board is asked for something that it has not told, counted in readings: a protocol has no clock.

/// In so many readings it is asked for in each one: about the first minute.
const OFTEN: u32 = 60;
/// A name is not worth the wait of a minute.
const BRIEFLY: u32 = 3;
/// After them in one of so many.
const SELDOM: u32 = 30;
/// After so many readings, about five minutes, it counts as something that this board never tells.
const AWAITED: u32 = 300;

/// The state of one question. Readings count only when the board has answered something else in them: a silent line tells
/// nothing about what a board can answer.
#[derive(Debug, Default)]
pub(super) struct Asking {
    readings: u32,
    heard: bool,
    answered: bool,
}

impl Asking {
    /// The board has answered another question of this reading.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    /// The board has answered: with the value, that it has none, or that it does not tell.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// Whether the next reading asks for something that charge control needs; called once for each while it is not known.
    pub(super) fn is_due(&mut self) -> bool {
        self.is_due_for(OFTEN)
    }

    /// As [`Asking::is_due`], for names.
    pub(super) fn is_due_briefly(&mut self) -> bool {
        self.is_due_for(BRIEFLY)
    }

    fn is_due_for(&mut self, often: u32) -> bool {
        if std::mem::take(&mut self.heard) {
            self.readings = self.readings.saturating_add(1);
        }
        (self.readings < often && !self.answered) || self.readings.is_multiple_of(SELDOM)
    }

    /// Whether the answer is still to come, so that charge control is to be cautious.
    pub(super) fn is_awaited(&self) -> bool {
        !self.answered && self.readings < AWAITED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is asked in `readings`, and whether it is awaited after them.
    fn course(asking: &mut Asking, readings: usize) -> (usize, bool) {
        let asked = (0..readings).filter(|_| {
            let due = asking.is_due();
            asking.heard();
            due
        });
        (asked.count(), asking.is_awaited())
    }

    #[test]
    fn it_is_asked_in_each_reading_then_seldom_and_awaited_for_five_minutes() {
        let mut asking = Asking::default();
        assert_eq!(course(&mut asking, 60), (60, true));
        assert_eq!(course(&mut asking, 240), (8, true));
        assert_eq!(course(&mut asking, 3000), (100, false));
    }

    #[test]
    fn a_name_is_asked_for_three_times_then_seldom() {
        let mut asking = Asking::default();
        let mut due = || {
            let due = asking.is_due_briefly();
            asking.heard();
            due
        };
        assert_eq!((0..300).filter(|_| due()).count(), 3 + 9);
    }

    #[test]
    fn a_silent_line_tells_nothing() {
        let mut asking = Asking::default();
        assert!((0..1000).all(|_| asking.is_due()) && asking.is_awaited());
    }

    #[test]
    fn an_answer_without_a_value_is_one() {
        let mut asking = Asking::default();
        asking.answered();
        assert_eq!(course(&mut asking, 300), (10, false));
    }
}
