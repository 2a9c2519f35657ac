//! `can decode`: candump lines in, what an inverter would understand out.

use super::CanFailure;
use super::view;
use crate::cli::Failure;
use crate::output::can::{Decoder, Line, parse_line};
use crate::terminal::output::Show;
use clap::Args;
use std::io::{BufRead, Write};

/// Show what an inverter would understand from candump lines on standard input, in log or screen format
#[derive(Debug, Clone, Args)]
pub struct DecodeCanArgs {
    /// Print JSON on a terminal, too
    #[arg(long)]
    pub json: bool,
}

impl DecodeCanArgs {
    /// Decodes `input` and prints the combined content; the last frame of each id counts.
    ///
    /// # Errors
    /// [`Failure::Can`], [`Failure::Output`]
    pub fn run(&self, mut input: impl BufRead, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let (mut decoder, mut lines, mut wrong) = (Decoder::default(), 0usize, None::<String>);
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line).map_err(CanFailure::Input)? == 0 {
                break;
            }
            lines += 1;
            match parse_line(&String::from_utf8_lossy(&line)) {
                Ok(Line::Frame(frame)) => _ = decoder.receive(&frame),
                Ok(Line::Extended(record)) => _ = decoder.receive_record(&record),
                Ok(Line::Error(error)) => decoder.receive_error(error),
                Ok(Line::Empty | Line::Other) => {}
                Err(error) => _ = wrong.get_or_insert_with(|| format!("line {lines}: {error}")),
            }
        }
        if decoder.frames() == 0 {
            let wrong = wrong.map(|wrong| format!(" ({wrong})")).unwrap_or_default();
            return Err(CanFailure::Nothing { lines, wrong }.into());
        }
        if let Some(wrong) = wrong {
            log::warn!("some lines are not frames; {wrong}");
        }
        match show {
            Show::Json => writeln!(out, "{}", serde_json::to_string(decoder.understood()).map_err(std::io::Error::from)?)?,
            Show::Table { width, colour } => write!(out, "{}", view::table(&decoder, width, colour))?,
        }
        Ok(())
    }
}
