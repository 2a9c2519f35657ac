//! `health`: how the cells of a battery are.

use super::Failure;
use crate::base::units::AmpHours;
use crate::health::stream::Stream;
use clap::Args;
use std::io::{BufRead, Write};

/// Estimate resistance, charge offset, self-discharge and capacity of each cell from readings as JSON lines
#[derive(Debug, Clone, Args)]
#[command(after_long_help = INPUT_HELP)]
pub struct HealthArgs {
    /// Read readings as JSON lines from standard input; print a JSON line of estimates per day
    #[arg(long, required = true)]
    pub stdin: bool,
    /// Installed capacity of the battery, Ah [default: capacity_ah of the first line, else 280]
    #[arg(long, value_name = "AH", value_parser = capacity)]
    pub capacity: Option<f64>,
}

const INPUT_HELP: &str = r#"Input: one JSON object per line; all keys but t are optional.
  t                          seconds, rising
  cells, current, soc        cell voltages, V; A (positive charges); %
  temperatures               °C
  remaining_ah, capacity_ah  Ah
  balancing                  {"cells": [from, to], "current": A}; a negative current burns charge of these cells
Example:
  {"t":0,"cells":[3.31,3.32,3.30,3.31],"current":12.5,"soc":62,"temperatures":[21],"remaining_ah":62,"capacity_ah":100}"#;

impl HealthArgs {
    /// Answers each finished day of `input` with a line on `out`.
    ///
    /// # Errors
    /// [`Failure::Line`] for a line that is not a JSON object of the documented form, [`Failure::Output`].
    pub fn run(&self, mut input: impl BufRead, out: &mut dyn Write) -> Result<(), Failure> {
        let mut stream = Stream::new(self.capacity.map(AmpHours::new));
        let mut line = String::new();
        for number in 1.. {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                break;
            }
            if line.trim().is_empty() {
                continue;
            }
            let day = stream.line(&line).map_err(|error| Failure::Line { number, error })?;
            print(day, out)?;
        }
        let last = stream.end().map_err(std::io::Error::from)?;
        print(last, out)
    }
}

fn print(day: Option<String>, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(day) = day {
        writeln!(out, "{day}")?;
        out.flush()?;
    }
    Ok(())
}

fn capacity(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=10_000.0).contains(&value) { Ok(value) } else { Err("1 to 10000 Ah".to_owned()) }
}
