//! Events of a simulated pack and their times: a TOML file with a list of steps.
//!
//! ```toml
//! repeat_s = 600                 # optional: from here start again
//!
//! [[step]]
//! t = 0                          # seconds
//! current_a = -20.0              # positive charges; `live = true` goes back to the moving current
//! soc_pct = 95
//!
//! [[step]]
//! t = 30.5
//! address = 2                    # optional: this battery only
//! temperature_c = 4.0
//! cell = 3                       # with offset_v: this cell reads so much higher
//! offset_v = 0.12
//! alarms = ["short_circuit"]     # shown from now on; [] ends them
//! charge_fet = false             # switched off by hand; also discharge_fet
//! silent = true                  # answers nothing; false ends it
//! ```

use super::pack::{Demand, Pack};
use crate::model::AlarmName;
use serde::Deserialize;
use std::time::Duration;
use thiserror::Error;
use toml::Spanned;

/// A list of steps in order of time.
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    steps: Vec<(Duration, Step)>,
    repeat: Option<Duration>,
}

/// Why a file is not a scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// Not TOML, or a key is unknown or of the wrong type.
    #[error("{file}: {error}")]
    Toml {
        /// The file's name.
        file: String,
        /// Error of the parser, with the line.
        error: Box<toml::de::Error>,
    },
    /// An invalid value.
    #[error("{file}, line {line}: {problem}")]
    Step {
        /// The file's name.
        file: String,
        /// The line on which the step begins, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    repeat_s: Option<Spanned<f64>>,
    #[serde(default)]
    step: Vec<Spanned<Step>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    t: f64,
    address: Option<u8>,
    current_a: Option<f64>,
    live: Option<bool>,
    soc_pct: Option<f64>,
    temperature_c: Option<f64>,
    cell: Option<usize>,
    offset_v: Option<f64>,
    alarms: Option<Vec<AlarmName>>,
    charge_fet: Option<bool>,
    discharge_fet: Option<bool>,
    silent: Option<bool>,
}

impl Scenario {
    /// Parses the text of `file`, whose name is used in errors only, for packs of `cells` cells.
    ///
    /// # Errors
    /// [`ScenarioError`] names the line.
    pub fn parse(file: &str, text: &str, cells: usize) -> Result<Self, ScenarioError> {
        let raw: Raw = toml::from_str(text).map_err(|error| ScenarioError::Toml { file: file.into(), error: Box::new(error) })?;
        let wrong = |at: usize, problem: String| {
            let line = text.get(..at).unwrap_or(text).matches('\n').count().saturating_add(1);
            ScenarioError::Step { file: file.into(), line, problem }
        };
        let mut scenario = Self::default();
        for step in raw.step {
            let at = step.span().start;
            let step = step.into_inner();
            let after = scenario.steps.last().map(|(t, _)| *t).unwrap_or_default();
            let t = step.check(cells, after).map_err(|problem| wrong(at, problem))?;
            scenario.steps.push((t, step));
        }
        if let Some(repeat) = raw.repeat_s {
            let last = scenario.steps.last().map(|(t, _)| *t).unwrap_or_default();
            let seconds = Duration::try_from_secs_f64(*repeat.get_ref()).ok().filter(|t| *t > last && *t >= Duration::from_secs(1));
            let problem = "repeat_s must be at least 1 and later than the last step";
            scenario.repeat = Some(seconds.ok_or_else(|| wrong(repeat.span().start, problem.into()))?);
        }
        Ok(scenario)
    }

    /// Applies the events after `from` and up to `to`, both since the start, to `pack`, the battery at `address`. The steps at 0
    /// are applied if `from` is `None`.
    pub fn apply(&self, from: Option<Duration>, to: Duration, address: u8, pack: &mut Pack) {
        let round = |time: Duration| {
            let repeated = self.repeat.and_then(|repeat| time.as_nanos().checked_rem(repeat.as_nanos()));
            repeated.and_then(|nanos| u64::try_from(nanos).ok()).map_or(time, Duration::from_nanos)
        };
        let (from, to) = (from.map(round), round(to));
        let due = |t: Duration| match from {
            Some(from) if from > to => t > from || t <= to, // a new round has begun
            Some(from) => t > from && t <= to,
            None => t <= to,
        };
        for (_, step) in self.steps.iter().filter(|(t, _)| due(*t)) {
            if step.address.is_none_or(|only| only == address) {
                step.apply(pack);
            }
        }
    }
}

impl Step {
    /// Time of the step, or its error.
    fn check(&self, cells: usize, after: Duration) -> Result<Duration, String> {
        let t = Duration::try_from_secs_f64(self.t).map_err(|error| format!("t: {error}"))?;
        if t < after {
            return Err(format!("t = {} is earlier than the step above", self.t));
        }
        for (key, value, low, high) in [
            ("current_a", self.current_a, -2000.0, 2000.0),
            ("soc_pct", self.soc_pct, 0.0, 100.0),
            ("temperature_c", self.temperature_c, -40.0, 120.0),
            ("offset_v", self.offset_v, -5.0, 5.0),
        ] {
            if value.is_some_and(|value| !(low..=high).contains(&value)) {
                return Err(format!("{key} must lie between {low} and {high}"));
            }
        }
        if self.cell.is_some() != self.offset_v.is_some() {
            return Err("cell and offset_v belong together".into());
        }
        if self.cell.is_some_and(|cell| !(1..=cells).contains(&cell)) {
            return Err(format!("cell must lie between 1 and {cells}"));
        }
        if self.live == Some(true) && self.current_a.is_some() {
            return Err("live and current_a exclude each other".into());
        }
        Ok(t)
    }

    fn apply(&self, pack: &mut Pack) {
        if self.live == Some(true) {
            pack.demand = Demand::Live;
        }
        if let Some(current) = self.current_a {
            pack.demand = Demand::Constant(current);
        }
        if let Some(soc) = self.soc_pct {
            pack.set_soc(soc);
        }
        if let Some(temperature) = self.temperature_c {
            pack.set_temperature(temperature);
        }
        if let (Some(cell), Some(offset)) = (self.cell, self.offset_v) {
            pack.set_cell_offset(cell, offset);
        }
        if let Some(alarms) = &self.alarms {
            pack.forced_alarms.clone_from(alarms);
        }
        pack.charge_off = self.charge_fet.map_or(pack.charge_off, |on| !on);
        pack.discharge_off = self.discharge_fet.map_or(pack.discharge_off, |on| !on);
        pack.silent = self.silent.unwrap_or(pack.silent);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;
    use crate::sim::pack::PackConfig;

    fn unit(text: &str) -> Unit {
        Unit::new(1, &PackConfig::default(), Scenario::parse("s.toml", text, 16).unwrap())
    }

    #[test]
    fn steps_happen_at_their_time_and_repeat() {
        let mut unit = unit(
            "repeat_s = 20\n[[step]]\nt = 0\ncurrent_a = -20.0\n[[step]]\nt = 10\ncurrent_a = 5\nsilent = true\n\
             [[step]]\nt = 12\nsilent = false\n",
        );
        let mut at = |seconds: u64| {
            unit.advance(Duration::from_secs(seconds));
            (unit.pack.reported().current_a, unit.pack.silent)
        };
        assert_eq!(at(9), (-20.0, false));
        assert_eq!(at(2), (5.0, true));
        assert_eq!(at(2), (5.0, false));
        assert_eq!(at(8), (-20.0, false));
        assert_eq!(at(10), (5.0, true));
    }

    #[test]
    fn a_step_for_another_address_does_nothing() {
        let mut unit = unit("[[step]]\nt = 0\naddress = 2\ncurrent_a = -20.0\n[[step]]\nt = 0\naddress = 1\nsoc_pct = 20\n");
        unit.advance(Duration::from_secs(1));
        assert_ne!(unit.pack.reported().current_a, -20.0);
        assert!((unit.pack.reported().soc_pct - 20.0).abs() < 0.1);
    }

    #[test]
    fn cells_fets_and_alarms_follow_the_steps() {
        let mut unit = unit(
            "[[step]]\nt = 1\ncell = 3\noffset_v = 0.2\nalarms = [\"short_circuit\"]\ncharge_fet = false\ntemperature_c = 40\n\
             current_a = 10\n",
        );
        unit.advance(Duration::from_secs(2));
        let reported = unit.pack.reported();
        assert!(reported.cells_v[2] - reported.cells_v[1] > 0.19);
        assert_eq!(reported.alarms, [AlarmName::ShortCircuit]);
        assert!(!reported.charge_fet && reported.discharge_fet);
        assert_eq!(reported.current_a, 0.0);
        assert!((reported.temperatures_c[0] - 40.0).abs() < 0.2);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, expected) in [
            ("[[step]]\nt = 0\n[[step]]\nt = 1\ncell = 17\noffset_v = 0.1\n", "s.toml, line 3: cell must lie between 1 and 16"),
            ("[[step]]\nt = 5\n\n[[step]]\nt = 1\n", "s.toml, line 4: t = 1 is earlier"),
            ("[[step]]\nt = -1\n", "s.toml, line 1: t:"),
            ("[[step]]\nt = 0\nsoc_pct = 101\n", "s.toml, line 1: soc_pct must lie"),
            ("repeat_s = 3\n[[step]]\nt = 5\n", "s.toml, line 1: repeat_s"),
            ("[[step]]\nt = 0\ncurrent = 3\n", "line 3"),
            ("[[step]]\nt = 0\nalarms = [\"fire\"]\n", "line 3"),
        ] {
            let error = Scenario::parse("s.toml", text, 16).unwrap_err().to_string();
            assert!(error.starts_with("s.toml") && error.contains(expected), "{error}");
        }
    }
}
