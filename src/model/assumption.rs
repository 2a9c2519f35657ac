//! Values whose meaning descriptions of a protocol contradict each other about: unknown until the owner decides.

use super::{AlarmName, Level, Reading};
use crate::base::units::{AmpHours, Amps};

/// A question that no description or recording of a family answers for certain, with its two possible answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// Name of the family, as in the registry.
    pub family: &'static str,
    /// The values concerned, for a note.
    pub what: &'static str,
    /// Names of the answers, as in the settings.
    pub answers: [&'static str; 2],
    /// Meaning of the answers, for the documentation.
    pub meanings: [&'static str; 2],
}

/// Daren: the two bits of the FETs.
pub static DAREN_FETS: Question = Question {
    family: "daren",
    what: "which FET is off is not known",
    answers: ["daren-fet-bit-0-is-charge", "daren-fet-bit-0-is-discharge"],
    meanings: ["bit 0 is the charge FET, bit 1 the discharge FET", "bit 0 is the discharge FET, bit 1 the charge FET"],
};
/// Seplos V2: which of two bits for hot MOSFETs is the protection.
pub static SEPLOS_HOT_MOSFETS: Question = Question {
    family: "seplos",
    what: "whether the MOSFETs' temperature is a warning or an alarm is not known, and counts as a warning",
    answers: ["seplos-mosfet-bit-4-is-alarm", "seplos-mosfet-bit-5-is-alarm"],
    meanings: ["bit 4 is the protection, bit 5 the warning", "bit 5 is the protection, bit 4 the warning"],
};
/// EG4 LL: the unit of the current of boards without capacities.
pub static EG4_LL_CURRENT: Question = Question {
    family: "eg4-ll",
    what: "the current is unknown: boards that send no capacity count it in another unit",
    answers: ["eg4-ll-current-0.01-a", "eg4-ll-current-0.1-a"],
    meanings: ["current in steps of 0.01 A", "current in steps of 0.1 A (a 12 V battery with Bluetooth does)"],
};
/// Renogy: the unit of the current of models without a document.
pub static RENOGY_CURRENT: Question = Question {
    family: "renogy",
    what: "the unit of this model's current is not known",
    answers: ["renogy-current-0.01-a", "renogy-current-0.1-a"],
    meanings: ["current in steps of 0.01 A", "current in steps of 0.1 A (the Pro series does)"],
};
/// Pylontech and clones: the unit of capacities in two bytes.
pub static PYLONTECH_CAPACITY: Question = Question {
    family: "pylontech",
    what: "capacity is unknown: a pack with this protocol that counts in another unit",
    answers: ["pylontech-capacity-1-mah", "pylontech-capacity-10-mah"],
    meanings: ["capacity in steps of 1 mAh, as in Pylontech's document", "capacity in steps of 10 mAh"],
};
/// The same for the current.
pub static PYLONTECH_CURRENT: Question = Question {
    family: "pylontech",
    what: "current is unknown: a pack with this protocol that counts in another unit",
    answers: ["pylontech-current-100-ma", "pylontech-current-10-ma"],
    meanings: ["current in steps of 100 mA, as in Pylontech's document", "current in steps of 10 mA"],
};

/// JK over CAN: the direction of the current, which the charge decides.
pub static JK_CAN_DIRECTION: Question = Question {
    family: "jk-can",
    what: "the direction of the current is not known, so it stays unknown until the charge has clearly risen or fallen",
    answers: ["jk-can-positive-charges", "jk-can-positive-discharges"],
    meanings: ["a current above 0 charges", "a current above 0 discharges, as in the manufacturer's document"],
};

/// RV-C: the same.
pub static RV_C_DIRECTION: Question = Question {
    family: "rv-c",
    what: "the direction of the current is not known, so it stays unknown until the charge has clearly risen or fallen",
    answers: ["rv-c-positive-charges", "rv-c-positive-discharges"],
    meanings: ["a current above 0 charges", "a current above 0 discharges, as Lithionics and Renogy send it"],
};

/// All questions, in the order of the documentation.
pub static QUESTIONS: [&Question; 8] = [
    &DAREN_FETS,
    &SEPLOS_HOT_MOSFETS,
    &EG4_LL_CURRENT,
    &RENOGY_CURRENT,
    &PYLONTECH_CAPACITY,
    &PYLONTECH_CURRENT,
    &JK_CAN_DIRECTION,
    &RV_C_DIRECTION,
];

impl Question {
    /// The note of a reading in which it is open: what is unknown, and how to decide it.
    pub fn note(&self) -> String {
        let [first, second] = self.answers;
        format!("{}; compare with the BMS's app or a meter, then set assume = [\"{first}\"] or [\"{second}\"]", self.what)
    }
}

/// An answer of the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assumption {
    /// The question that it answers.
    pub question: &'static Question,
    /// It is the second answer.
    pub is_second: bool,
}

impl Assumption {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        QUESTIONS.into_iter().flat_map(|question| [false, true].map(|is_second| Self { question, is_second }))
    }

    /// The other answer to the same question.
    pub fn opposite(self) -> Self {
        Self { is_second: !self.is_second, ..self }
    }

    fn of<T: Copy>(self, pair: [T; 2]) -> T {
        let [first, second] = pair;
        if self.is_second { second } else { first }
    }

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        self.of(self.question.answers)
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        self.of(self.question.meanings)
    }
}

/// Value of a field with one of the answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OpenValue {
    /// States of charge and discharge FET.
    Fets(bool, bool),
    /// Pack current.
    Current(Amps),
    /// Remaining charge and capacity.
    Charge(Option<AmpHours>, Option<AmpHours>),
    /// An active alarm.
    Alarm(AlarmName, Level),
}

/// Fields of a reading that a question leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    question: &'static Question,
    values: [OpenValue; 2],
}

impl Reading {
    /// Leaves fields unknown until the owner answers `question`; `values` are theirs with either answer.
    pub fn leave_open(&mut self, question: &'static Question, values: [OpenValue; 2]) {
        self.note(question.note());
        self.open.retain(|open| open.question != question);
        self.open.push(Open { question, values });
    }

    /// The question about the direction of the current, if it is open, with the current by its first answer; the second one reverses
    /// it.
    pub fn open_direction(&self) -> Option<(&'static Question, Amps)> {
        self.open.iter().find_map(|open| match open.values {
            [OpenValue::Current(first), OpenValue::Current(second)] if first.get() == -second.get() => Some((open.question, first)),
            _ => None,
        })
    }

    /// The strength of the current, never negative, while its direction is open and it is not known otherwise.
    pub fn undirected_current(&self) -> Option<Amps> {
        let (_, amps) = self.open_direction().filter(|_| self.current.is_none())?;
        Some(Amps::new(amps.get().abs()))
    }

    /// With the fields that these answers of the owner decide. All others stay as they are.
    pub fn assuming(self, answers: &[Assumption]) -> Self {
        self.answering(answers, "assumed as set")
    }

    /// With the fields that these answers decide, which the battery's own values have proved.
    pub fn deciding(self, answers: &[Assumption]) -> Self {
        self.answering(answers, "decided by the charge")
    }

    fn answering(mut self, answers: &[Assumption], how: &str) -> Self {
        for open in std::mem::take(&mut self.open) {
            let Some(answer) = answers.iter().find(|answer| answer.question == open.question) else {
                self.open.push(open);
                continue;
            };
            let asked = open.question.note();
            self.notes.retain(|note| *note != asked);
            // A later frame of the same reading may have reported the values for certain.
            match answer.of(open.values) {
                OpenValue::Fets(charge, discharge) => {
                    self.fets.charge = self.fets.charge.or(Some(charge));
                    self.fets.discharge = self.fets.discharge.or(Some(discharge));
                }
                OpenValue::Current(current) => {
                    self.current = self.current.or(Some(current));
                    self.derive_power();
                }
                OpenValue::Charge(remaining, capacity) => {
                    self.remaining = self.remaining.or(remaining);
                    self.capacity = self.capacity.or(capacity);
                    self.full_charge = self.full_charge.or(capacity);
                }
                OpenValue::Alarm(name, level) => self.raise(name, level),
            }
            self.note(format!("{how}: {} (\"{}\")", answer.meaning(), answer.name()));
        }
        self
    }
}
