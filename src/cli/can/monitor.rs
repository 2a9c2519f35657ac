//! `can monitor`: listens and shows live what an inverter would understand.

use super::CanFailure;
use super::view;
use crate::base::runtime::{self, StopSignals, now};
use crate::base::units::Moment;
use crate::cli::Failure;
use crate::output::can::{Decoder, Record, Understood, listen};
use crate::terminal::output::{Show, paintable_rows};
use crate::terminal::paint::{Piece, Style, line, screen};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// Refresh period.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// Listen on a CAN interface and show what an inverter would understand; sends nothing, Ctrl-C stops
#[derive(Debug, Clone, Args)]
pub struct MonitorArgs {
    /// CAN interface, such as can0; it must be up
    pub interface: String,
    /// Stop after this many seconds
    #[arg(long, value_name = "S")]
    pub seconds: Option<u64>,
    /// Print JSON lines on a terminal, too
    #[arg(long)]
    pub json: bool,
}

impl MonitorArgs {
    /// Listens until a signal.
    ///
    /// # Errors
    /// [`Failure::Can`] if the interface is missing or down, [`Failure::Output`].
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let listening = async {
            let mut signals = StopSignals::new()?;
            let mut seen = Seen::new(&self.interface);
            let ends = self.seconds.map(|seconds| now().at.after(Duration::from_secs(seconds)));
            let each = |frame: Option<Record>| {
                match frame {
                    Some(frame) => seen.receive(frame, now().at),
                    None => draw(out, show, &seen)?,
                }
                Ok(ends.is_none_or(|ends| now().at < ends))
            };
            tokio::select! {
                ended = listen(&self.interface, REFRESH_INTERVAL, each) => ended,
                _ = signals.recv() => Ok(()),
            }
        };
        match runtime::block_on(listening)? {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
            Err(source) => Err(CanFailure::Interface { interface: self.interface.clone(), source }.into()),
        }
    }
}

fn draw(out: &mut dyn Write, show: Show, seen: &Seen) -> io::Result<()> {
    match show {
        Show::Json => writeln!(out, "{}", serde_json::to_string(&seen.json())?)?,
        Show::Table { width, colour } => {
            let rows = paintable_rows().unwrap_or(usize::MAX);
            out.write_all(screen(&seen.screen(width, colour), rows).as_bytes())?;
        }
    }
    out.flush()
}

/// Frames seen on an interface.
struct Seen {
    interface: String,
    decoder: Decoder,
    ids: BTreeMap<u32, Rhythm>,
}

/// One line of the JSON output: decoded content, and the period of each id.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    understood: &'a Understood,
    ids: BTreeMap<String, Times>,
}

/// Times between frames of one id.
#[derive(Serialize)]
struct Times {
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortest_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longest_ms: Option<u128>,
}

/// How often frames of one id come.
struct Rhythm {
    last: Record,
    at: Moment,
    count: u64,
    shortest: Option<Duration>,
    longest: Option<Duration>,
}

impl Seen {
    fn new(interface: &str) -> Self {
        Self { interface: interface.to_owned(), decoder: Decoder::default(), ids: BTreeMap::new() }
    }

    fn receive(&mut self, frame: Record, at: Moment) {
        self.decoder.receive_record(&frame);
        let rhythm = self.ids.entry(frame.id()).or_insert(Rhythm { last: frame, at, count: 0, shortest: None, longest: None });
        if rhythm.count > 0 {
            let period = at.since(rhythm.at);
            rhythm.shortest = Some(rhythm.shortest.map_or(period, |shortest| shortest.min(period)));
            rhythm.longest = Some(rhythm.longest.map_or(period, |longest| longest.max(period)));
        }
        (rhythm.last, rhythm.at, rhythm.count) = (frame, at, rhythm.count.saturating_add(1));
    }

    fn json(&self) -> Report<'_> {
        let milli = |time: Option<Duration>| time.map(|time| time.as_millis());
        let times =
            |rhythm: &Rhythm| Times { count: rhythm.count, shortest_ms: milli(rhythm.shortest), longest_ms: milli(rhythm.longest) };
        let ids = self.ids.iter().map(|(id, rhythm)| (digits(*id), times(rhythm)));
        Report { understood: self.decoder.understood(), ids: ids.collect() }
    }

    fn screen(&self, width: usize, colour: bool) -> String {
        if self.ids.is_empty() {
            return format!("{}: nothing received yet\n", self.interface);
        }
        let mut text = view::table(&self.decoder, width, colour);
        let head = format!("{:11}{:>6}  {:>13}  bytes", self.interface, "count", "period, ms");
        text.push_str(&line(&[Piece::new(head, Style::Dim)], colour));
        text.push('\n');
        for (id, rhythm) in &self.ids {
            let bytes: Vec<_> = rhythm.last.data().iter().map(|byte| format!("{byte:02X}")).collect();
            text.push_str(&format!("{:11}{:>6}  {:>13}  {}\n", digits(*id), rhythm.count, rhythm.period(), bytes.join(" ")));
        }
        text
    }
}

/// An id as candump writes it.
fn digits(id: u32) -> String {
    match id & !Record::EXTENDED {
        number if number == id => format!("{id:03X}"),
        number => format!("{number:08X}"),
    }
}

impl Rhythm {
    /// `998 … 1003`
    fn period(&self) -> String {
        let (Some(shortest), Some(longest)) = (self.shortest, self.longest) else { return String::new() };
        format!("{} … {}", shortest.as_millis(), longest.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::can::{Line, parse_line};

    #[test]
    fn a_screen_shows_meaning_and_rhythm() {
        let mut seen = Seen::new("can0");
        assert!(seen.screen(80, false).contains("nothing received yet"));
        for (second, line) in
            [(0.0, "351#1402C012C012C201"), (0.02, "35C#C000"), (1.003, "351#1402C012C012C201"), (2.001, "351#1402C012C012C201")]
        {
            let Ok(Line::Frame(frame)) = parse_line(line) else { panic!("{line}") };
            seen.receive(frame.into(), Moment::from_secs(second));
        }
        let screen = seen.screen(80, false);
        for part in [
            "CVL 53.2 V",
            "CCL 480.0 A",
            "may discharge",
            "speaks pylontech",
            "351             3     998 … 1003  14 02 C0 12 C0 12 C2 01",
        ] {
            assert!(screen.contains(part), "{part} in\n{screen}");
        }
        assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    }
}
