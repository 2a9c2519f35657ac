//! How often data is requested that a board may not provide, counted in readings because a protocol has no clock.

use crate::model::Reading;

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

/// The same for families in which not every board is known to answer: a silent one delays few readings.
const LIMITS_IF_ANY: Schedule = Schedule { often: 12, seldom: 30, changes: false };

/// Requests of [`When::MoreSettings`] in a reading.
const MORE: u8 = 2;

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

    /// As [`Refresh::of_board`], for one of several requests of the board: each in a reading of its own.
    fn of_request(address: u8, number: u8) -> Self {
        let Self { reading, answered } = Self::of_board(address);
        Self { reading: reading.saturating_add(number) % Self::READINGS, answered }
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

/// Which readings contain a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// All; there is no reading without the reply.
    Always,
    /// All, once the board has provided it; see [`CHANGING`].
    Changing,
    /// As `Changing`, but only of the board at this address, whose limits it has.
    ChangingAt(u8),
    /// Those until the name or version is known, by [`NAMES`]; not the first one, which should be short.
    Name(fn(&Reading) -> bool),
    /// Those until the value is known, by [`LIMITS`], from the first one on: other values depend on it.
    Needed(fn(&Reading) -> bool),
    /// The protection settings: those until they are known, and again from time to time, as owners may change them.
    Settings,
    /// As `Settings`, if not every board of the family is known to answer: by [`LIMITS_IF_ANY`] until they are known.
    SettingsIfAny,
    /// More of the settings, each in a reply of its own: as `SettingsIfAny`, once the board has told the one with the cell protection,
    /// and at most [`MORE`] in a reading, so that none becomes long.
    MoreSettings(fn(&Reading) -> bool),
    /// None: other programs request it, so it is in recordings.
    Never,
}

impl When {
    /// What limits need, and a board may refuse.
    fn is_of_limits(self) -> bool {
        matches!(self, Self::Settings | Self::SettingsIfAny | Self::MoreSettings(_) | Self::ChangingAt(_))
    }
}

/// The requests of a family to one board, and which of them it has answered. They are numbered in the family's order.
#[derive(Debug)]
pub(super) struct Asked {
    address: u8,
    requests: Vec<(When, AskUntilKnown, Refresh)>,
}

impl Asked {
    /// For the board at `address`.
    pub(super) fn new(address: u8, requests: impl Iterator<Item = When>) -> Self {
        let entry = |(number, when): (u8, When)| (when, AskUntilKnown::default(), Refresh::of_request(address, number));
        Self { address, requests: (0..).zip(requests).map(entry).collect() }
    }

    /// The requests of the next reading, without those that the board is known not to need; call once per reading.
    pub(super) fn due(&mut self, known: &Reading, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let is_first = known.cell_count.is_none() && known.cells.is_empty();
        let has_settings = has_settings(known);
        let address = self.address;
        let mut more = 0..MORE;
        let mut is_due = |when: When, asking: &mut AskUntilKnown, refresh: &mut Refresh| match when {
            When::Always => true,
            When::Changing => asking.is_due(&CHANGING),
            When::ChangingAt(only) => only == address && asking.is_due(&CHANGING),
            When::Name(is_known) => !is_first && !is_known(known) && asking.is_due(&NAMES),
            When::Needed(is_known) => !is_known(known) && asking.is_due(&LIMITS),
            When::Settings | When::SettingsIfAny if has_settings => refresh.is_due(),
            When::Settings => asking.is_due(&LIMITS),
            When::SettingsIfAny => asking.is_due(&LIMITS_IF_ANY),
            When::MoreSettings(_) if !has_settings => false,
            When::MoreSettings(is_known) if is_known(known) => refresh.is_due(),
            When::MoreSettings(_) => !more.is_empty() && asking.is_due(&LIMITS_IF_ANY) && more.next().is_some(),
            When::Never => false,
        };
        let wanted = self.requests.iter_mut().enumerate().filter(|(number, _)| is_wanted(*number));
        wanted.filter_map(|(number, (when, asking, refresh))| is_due(*when, asking, refresh).then_some(number)).collect()
    }

    /// The board has replied to this request.
    pub(super) fn answered(&mut self, number: usize) {
        for (other, (_, asking, refresh)) in self.requests.iter_mut().enumerate() {
            if other == number {
                asking.answered();
                refresh.answered();
            } else {
                asking.heard();
            }
        }
    }

    /// The board refuses this request. Limits that it does not provide are not awaited; all else is requested by its schedule.
    pub(super) fn refused(&mut self, number: usize) {
        let limits = When::is_of_limits;
        if let Some((_, asking, _)) = self.requests.get_mut(number).filter(|(when, ..)| limits(*when)) {
            asking.answered();
        }
    }

    /// Whether a reply to this request is still expected.
    pub(super) fn is_awaited(&self, number: usize) -> bool {
        self.requests.get(number).is_some_and(|(_, asking, _)| asking.is_awaited())
    }

    /// Settings or limits that boards of this family have, and that this one has not sent yet: until then limits are cautious.
    pub(super) fn awaits_limits(&self, known: &Reading, is_wanted: impl Fn(usize) -> bool) -> bool {
        self.requests.iter().enumerate().any(|(number, (when, asking, _))| {
            let is_missing = match when {
                When::Settings | When::SettingsIfAny => !has_settings(known),
                When::MoreSettings(is_known) => has_settings(known) && !is_known(known),
                When::ChangingAt(only) => *only == self.address,
                _ => false,
            };
            is_missing && is_wanted(number) && asking.is_awaited()
        })
    }
}

fn has_settings(known: &Reading) -> bool {
    known.settings.cell_ovp.is_some()
}

/// The serial number is known: for [`When::Name`], as those below.
pub(super) fn has_serial(known: &Reading) -> bool {
    known.device.serial_number.is_some()
}

/// The firmware is known.
pub(super) fn has_version(known: &Reading) -> bool {
    known.device.sw_version.is_some()
}

/// The model is known.
pub(super) fn has_model(known: &Reading) -> bool {
    known.device.model.is_some()
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

    fn due(asked: &mut Asked, known: &Reading) -> Vec<usize> {
        asked.answered(0);
        asked.due(known, |_| true)
    }

    #[test]
    fn a_name_can_wait_until_the_second_reading_and_settings_cannot() {
        let mut asked = Asked::new(1, [When::Always, When::Name(has_model), When::Settings, When::Never].into_iter());
        let mut known = Reading::default();
        assert_eq!(due(&mut asked, &known), [0, 2]);
        known.cell_count = Some(16);
        assert_eq!(due(&mut asked, &known), [0, 1, 2]);
        known.device.model = Some("P16S100A".into());
        assert_eq!(due(&mut asked, &known), [0, 2]);
        assert!(asked.awaits_limits(&known, |_| true) && !asked.awaits_limits(&known, |number| number != 2), "not of this board");
    }

    #[test]
    fn settings_are_read_again_from_time_to_time() {
        let mut asked = Asked::new(1, [When::Always, When::Settings].into_iter());
        let mut known = Reading::default();
        known.settings.cell_ovp = Some(crate::base::units::Volts::new(3.65));
        let mut times = 0;
        for _ in 0..3 * usize::from(Refresh::READINGS) {
            if due(&mut asked, &known).contains(&1) {
                times += 1;
                asked.answered(1);
            }
        }
        assert_eq!(times, 3);
        assert!(!asked.awaits_limits(&known, |_| true));
    }

    #[test]
    fn a_board_that_is_silent_to_the_settings_is_asked_in_few_readings() {
        let mut asked = Asked::new(1, [When::Always, When::SettingsIfAny, When::MoreSettings(has_serial)].into_iter());
        let known = Reading::default();
        let plans: Vec<Vec<usize>> = (0..300).map(|_| due(&mut asked, &known)).collect();
        let times = |number: usize| plans.iter().filter(|plan| plan.contains(&number)).count();
        assert_eq!((times(1), times(2)), (11 + 10, 0), "the others only after the first");
        assert!(!asked.awaits_limits(&known, |_| true));
    }

    #[test]
    fn more_settings_follow_the_first_and_all_are_read_again() {
        let mut asked = Asked::new(1, [When::Always, When::SettingsIfAny, When::MoreSettings(has_serial)].into_iter());
        let mut known = Reading::default();
        assert_eq!(due(&mut asked, &known), [0, 1]);
        assert!(asked.awaits_limits(&known, |_| true));
        known.settings.cell_ovp = Some(crate::base::units::Volts::new(3.65));
        asked.answered(1);
        assert!(asked.awaits_limits(&known, |_| true), "the others have not come");
        assert_eq!(due(&mut asked, &known), [0, 2]);
        known.device.serial_number = Some("1".into());
        asked.answered(2);
        assert!(!asked.awaits_limits(&known, |_| true));
        let again: Vec<Vec<usize>> = (0..120).map(|_| due(&mut asked, &known)).collect();
        let times = |number: usize| again.iter().filter(|plan| plan.contains(&number)).count();
        assert_eq!((times(1), times(2)), (6, 6), "unanswered: three times for each of two refreshes");
        let mut answered = [0; 3];
        for _ in 0..120 {
            for number in due(&mut asked, &known).into_iter().skip(1) {
                answered[number] += 1;
                asked.answered(number);
            }
        }
        assert_eq!(answered, [0, 2, 2]);
    }

    #[test]
    fn few_more_settings_are_asked_for_in_a_reading() {
        let more = When::MoreSettings(|_: &Reading| false);
        let requests = [When::Always, When::SettingsIfAny, more, more, more];
        let mut asked = Asked::new(1, requests.into_iter());
        let mut known = Reading::default();
        known.settings.cell_ovp = Some(crate::base::units::Volts::new(3.65));
        let plans: Vec<Vec<usize>> = (0..11).map(|_| due(&mut asked, &known)).collect();
        assert!(plans.iter().all(|plan| plan == &[0, 2, 3]), "{plans:?}");
        let later: Vec<Vec<usize>> = (0..12).map(|_| due(&mut asked, &known)).collect();
        assert!(later.iter().any(|plan| plan == &[0, 4]), "a silent one does not keep the next from its turn: {later:?}");
    }

    #[test]
    fn refused_settings_are_not_awaited_and_refused_values_become_rare() {
        let mut asked = Asked::new(1, [When::Always, When::Settings, When::Changing].into_iter());
        let known = Reading::default();
        let mut times = [0; 3];
        for _ in 0..48 {
            for number in due(&mut asked, &known) {
                times[number] += 1;
                if number > 0 {
                    asked.refused(number);
                }
            }
        }
        assert!(!asked.awaits_limits(&known, |_| true));
        assert_eq!(times, [48, 2, 6], "settings once in 30, values four times and once in 16");
    }

    #[test]
    fn an_answer_without_a_value_is_one() {
        let mut asking = AskUntilKnown::default();
        asking.answered();
        assert_eq!(course(&mut asking, 300), (10, false));
    }
}
