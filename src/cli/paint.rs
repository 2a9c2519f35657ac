//! Pieces of coloured text, and lines of them that fit a terminal.

use std::fmt::{Display, Write};

/// What a piece of text means; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Dim,
    Low,
    High,
    Balancing,
    Warning,
    Alarm,
}

impl Style {
    /// The code that switches it on, as in `ESC [ code m`.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Title => Some("1"),
            Self::Dim => Some("2"),
            Self::Low => Some("34"),
            Self::High => Some("35"),
            Self::Balancing => Some("36"),
            Self::Warning => Some("33"),
            Self::Alarm => Some("1;31"),
        }
    }
}

/// Text in one colour; every character is one column wide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Piece {
    /// A piece without control characters, whatever a BMS has sent.
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        let text: String = text.into();
        Self { text: text.chars().filter(|c| !c.is_control()).collect(), style }
    }

    pub(super) fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// A piece of no colour.
pub(super) fn plain(text: impl Display) -> Piece {
    Piece::new(text.to_string(), Style::Plain)
}

/// A text as the whole screen, drawn over the one before without flicker: from the top left, each line to its end, nothing below.
pub(crate) fn screen(text: &str) -> String {
    let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}

/// Joins pieces into one line.
pub(super) fn line(pieces: &[Piece], colour: bool) -> String {
    let mut text = String::new();
    for piece in pieces {
        // Writing to a String cannot fail.
        let _ = match piece.style.code().filter(|_| colour) {
            Some(code) => write!(text, "\x1b[{code}m{}\x1b[0m", piece.text),
            None => write!(text, "{}", piece.text),
        };
    }
    text
}

/// Items behind a label, separated by two blanks, in as many lines as `width` columns ask for.
pub(super) fn row(label: &str, items: &[Piece], width: usize, colour: bool) -> Vec<String> {
    let room = width.saturating_sub(LABEL).max(1);
    let mut lines = Vec::new();
    let (mut pieces, mut used) = (vec![Piece::new(format!("{label:LABEL$}"), Style::Dim)], 0usize);
    for item in items.iter().flat_map(|item| cut(item, room)) {
        if used > 0 && used + GAP.len() + item.width() > room {
            lines.push(line(&pieces, colour));
            (pieces, used) = (vec![Piece::new(" ".repeat(LABEL), Style::Plain)], 0);
        }
        if used > 0 {
            pieces.push(Piece::new(GAP, Style::Plain));
            used += GAP.len();
        }
        used += item.width();
        pieces.push(item);
    }
    lines.push(line(&pieces, colour));
    lines
}

/// Columns of a label.
const LABEL: usize = 11;
const GAP: &str = "  ";

/// A piece as pieces of at most `room` columns, between words where there are any.
fn cut(piece: &Piece, room: usize) -> Vec<Piece> {
    let mut parts = vec![String::new()];
    for word in piece.text.split(' ') {
        let mut letters: Vec<char> = word.chars().collect();
        while !letters.is_empty() {
            let used = parts.last().map_or(0, |part| part.chars().count());
            let blank = usize::from(used > 0);
            if used > 0 && used + blank + letters.len() > room {
                parts.push(String::new());
                continue;
            }
            let rest = letters.split_off(letters.len().min(room));
            if let Some(part) = parts.last_mut() {
                part.extend(std::iter::repeat_n(' ', blank).chain(letters));
            }
            letters = rest;
        }
    }
    parts.into_iter().map(|text| Piece { text, style: piece.style }).collect()
}
