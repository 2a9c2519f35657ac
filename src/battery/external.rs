//! Current and SoC of another device on D-Bus, such as a SmartShunt, which may measure better than the BMS.
//!
//! A value is used while it is fresh and plausible; otherwise the BMS's applies, with one log line and a note. The device may
//! measure another battery or have its sign reversed: if current or SoC contradict the BMS or the cells for half a minute, the
//! value is not used until they have agreed for a minute.

use crate::base::episode::Episode;
use crate::base::units::{AmpHours, Amps, Moment, Percent, Volts};
use std::time::Duration;

/// A value older than this is not used.
pub const MAX_AGE: Duration = Duration::from_secs(10);
/// A contradiction must last this long.
const CONTRADICTED_AFTER: Duration = Duration::from_secs(30);
/// After a contradiction both must agree for this long.
const AGREED_AFTER: Duration = Duration::from_secs(60);
/// A device missing for less than this after the start is not reported: it may start later than the driver.
const STARTUP_TIME: Duration = Duration::from_secs(30);
/// Two currents agree within this difference, A, or within this fraction of the larger one: a BMS sensor is often that bad.
const CURRENT_TOLERANCE_A: f64 = 5.0;
const CURRENT_TOLERANCE: f64 = 0.5;
/// More is no battery's current: in A, and as a multiple of the capacity per hour.
const MAX_CURRENT_A: f64 = 3000.0;
const MAX_CURRENT_C: f64 = 10.0;
/// With an empty cell the SoC is not above this, %.
const MAX_SOC_WHEN_EMPTY: f64 = 50.0;

/// Which values of another device are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExternalConfig {
    /// A current is configured.
    pub current: bool,
    /// An SoC is configured.
    pub soc: bool,
}

/// A quantity that another device measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalQuantity {
    /// Current in A; positive charges.
    Current,
    /// SoC in %.
    Soc,
}

/// The external values of one battery.
#[derive(Debug, Clone)]
pub(super) struct ExternalSensors {
    current: ExternalValue,
    soc: ExternalValue,
}

impl Default for ExternalSensors {
    fn default() -> Self {
        Self { current: ExternalValue::new(&CURRENT), soc: ExternalValue::new(&SOC) }
    }
}

impl ExternalSensors {
    /// Takes a value of the device.
    pub(super) fn receive(&mut self, quantity: ExternalQuantity, value: f64, now: Moment) {
        let target = match quantity {
            ExternalQuantity::Current => &mut self.current,
            ExternalQuantity::Soc => &mut self.soc,
        };
        target.received = Some((value, now));
    }

    /// The current to use instead of the BMS's.
    pub(super) fn current(&mut self, bms: Option<Amps>, capacity: Option<AmpHours>, now: Moment) -> Option<Amps> {
        let most = capacity.map_or(MAX_CURRENT_A, |capacity| (capacity.get() * MAX_CURRENT_C).min(MAX_CURRENT_A));
        let contradicts = |value: f64| {
            bms.map(Amps::get)
                .is_some_and(|bms| (value - bms).abs() > CURRENT_TOLERANCE_A.max(CURRENT_TOLERANCE * value.abs().max(bms.abs())))
        };
        self.current.judge(-most..=most, contradicts, now).map(Amps::new)
    }

    /// The SoC to use instead of the BMS's; `empty_cell` is the voltage at which a cell is empty.
    pub(super) fn soc(&mut self, lowest_cell: Option<Volts>, empty_cell: Option<Volts>, now: Moment) -> Option<Percent> {
        let is_empty = lowest_cell.zip(empty_cell).is_some_and(|(lowest, empty)| lowest <= empty);
        self.soc.judge(0.0..=100.0, |value| is_empty && value > MAX_SOC_WHEN_EMPTY, now).map(Percent::new)
    }

    /// Lines for the log since the last call.
    pub(super) fn take_notices(&mut self) -> impl Iterator<Item = String> {
        [self.current.notice.take(), self.soc.notice.take()].into_iter().flatten()
    }

    /// Notes while a configured value is not used.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> + '_ {
        [&self.current, &self.soc].into_iter().filter_map(ExternalValue::note)
    }
}

/// The words of a quantity.
#[derive(Debug)]
struct Words {
    name: &'static str,
    key: &'static str,
    contradiction: &'static str,
}

static CURRENT: Words = Words {
    name: "current",
    key: "external_sensor.current",
    contradiction: "contradicts the BMS's current; check that the device measures this battery alone, and its sign",
};
static SOC: Words = Words {
    name: "SoC",
    key: "external_sensor.soc",
    contradiction: "is above 50 % although a cell is empty; check the capacity and the synchronisation of the device",
};

/// Why an external value is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    Impossible,
    Contradiction,
}

/// One external value over time.
#[derive(Debug, Clone)]
struct ExternalValue {
    words: &'static Words,
    received: Option<(f64, Moment)>,
    first_judged_at: Option<Moment>,
    contradicted_since: Option<Moment>,
    agreed_since: Option<Moment>,
    is_contradicted: bool,
    unused: Episode<Fault>,
    fault: Option<Fault>,
    notice: Option<String>,
}

impl ExternalValue {
    fn new(words: &'static Words) -> Self {
        Self {
            words,
            received: None,
            first_judged_at: None,
            contradicted_since: None,
            agreed_since: None,
            is_contradicted: false,
            unused: Episode::default(),
            fault: None,
            notice: None,
        }
    }

    /// The value, if it may be used.
    fn judge(&mut self, possible: std::ops::RangeInclusive<f64>, contradicts: impl Fn(f64) -> bool, now: Moment) -> Option<f64> {
        let started = *self.first_judged_at.get_or_insert(now);
        let fresh = self.received.filter(|(_, at)| now.since(*at) <= MAX_AGE).map(|(value, _)| value);
        let possible = fresh.filter(|value| possible.contains(value));
        self.fault = match (fresh, possible) {
            (None, _) => Some(Fault::Missing),
            (Some(_), None) => Some(Fault::Impossible),
            (_, Some(value)) => self.is_in_contradiction(contradicts(value), now).then_some(Fault::Contradiction),
        };
        match self.fault {
            Some(fault) => {
                self.unused.failed(now);
                if self.received.is_none() && now.since(started) < STARTUP_TIME {
                    self.fault = None;
                } else if self.unused.is_news(fault) {
                    self.notice = self.note();
                }
                None
            }
            None => {
                if self.unused.ended(now).is_some_and(|ended| ended.logged) {
                    self.notice = Some(format!("the {} of `{}` is used", self.words.name, self.words.key));
                }
                possible
            }
        }
    }

    /// A contradiction counts after half a minute, and ends after a minute of agreement.
    fn is_in_contradiction(&mut self, contradicts: bool, now: Moment) -> bool {
        let since = if contradicts {
            self.agreed_since = None;
            *self.contradicted_since.get_or_insert(now)
        } else {
            self.contradicted_since = None;
            *self.agreed_since.get_or_insert(now)
        };
        let needed = if contradicts { CONTRADICTED_AFTER } else { AGREED_AFTER };
        if now.since(since) >= needed {
            self.is_contradicted = contradicts;
        }
        self.is_contradicted
    }

    fn note(&self) -> Option<String> {
        let Words { name, key, contradiction } = *self.words;
        let why = match self.fault? {
            Fault::Missing => format!("no {name} from `{key}`; check that the device is on D-Bus, and the path"),
            Fault::Impossible => format!("the {name} of `{key}` is impossible; check the path"),
            Fault::Contradiction => format!("the {name} of `{key}` {contradiction}"),
        };
        Some(format!("{why}. The BMS's {name} is used"))
    }
}
