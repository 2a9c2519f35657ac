//! Pieces of coloured text, and lines of them that fit a terminal.

use std::fmt::{Display, Write};

/// Meaning of a piece of text; decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
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
    /// The escape code, as in `ESC [ code m`.
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
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) style: Style,
}

impl Piece {
    /// A piece without control characters, which a BMS may have sent.
    pub(crate) fn new(text: impl Into<String>, style: Style) -> Self {
        let text: String = text.into();
        Self { text: text.chars().filter(|c| !c.is_control()).collect(), style }
    }

    pub(crate) fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// A piece without colour.
pub(crate) fn plain(text: impl Display) -> Piece {
    Piece::new(text.to_string(), Style::Plain)
}

/// A text as the whole screen of `rows` lines, drawn over the previous one without flicker: from the top left, each line cleared to
/// its end, and everything below. Of a longer text the beginning is shown: one that scrolls would leave a copy of itself each time.
pub(crate) fn screen(text: &str, rows: usize) -> String {
    let all = text.lines().count();
    // The cursor stays in a line of its own.
    let room = rows.saturating_sub(1).max(1);
    let shown = if all > room { room.saturating_sub(1) } else { all };
    let mut lines: String = text.lines().take(shown).map(|line| format!("{line}\x1b[K\n")).collect();
    if all > shown {
        lines += &format!("… {} more lines: enlarge the terminal\x1b[K\n", all.saturating_sub(shown));
    }
    format!("\x1b[H{lines}\x1b[J")
}

/// Joins pieces into one line.
pub(crate) fn line(pieces: &[Piece], colour: bool) -> String {
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

/// Items after a label, separated by two blanks, in as many lines as `width` requires.
pub(crate) fn row(label: &str, items: &[Piece], width: usize, colour: bool) -> Vec<String> {
    let room = width.saturating_sub(LABEL_WIDTH).max(1);
    let mut lines = Vec::new();
    let (mut pieces, mut used) = (vec![Piece::new(format!("{label:LABEL_WIDTH$}"), Style::Dim)], 0usize);
    for item in items.iter().flat_map(|item| cut(item, room)) {
        if used > 0 && used + ITEM_GAP.len() + item.width() > room {
            lines.push(line(&pieces, colour));
            (pieces, used) = (vec![Piece::new(" ".repeat(LABEL_WIDTH), Style::Plain)], 0);
        }
        if used > 0 {
            pieces.push(Piece::new(ITEM_GAP, Style::Plain));
            used += ITEM_GAP.len();
        }
        used += item.width();
        pieces.push(item);
    }
    lines.push(line(&pieces, colour));
    lines
}

/// Width of a label.
pub(crate) const LABEL_WIDTH: usize = 11;
const ITEM_GAP: &str = "  ";

/// Splits a piece into pieces of at most `room` columns, between words if possible.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_longer_than_the_screen_shows_its_beginning_and_never_scrolls() {
        let text: String = (1..=31).map(|number| format!("line {number}\n")).collect();
        for (rows, first_hidden) in [(24, Some(23)), (32, None), (31, Some(30)), (usize::MAX, None), (1, Some(1)), (0, Some(1))] {
            let drawn = screen(&text, rows);
            assert!(drawn.matches('\n').count() < rows.max(2), "{rows}: {drawn}");
            let hidden = (1..=31).find(|number| !drawn.contains(&format!("line {number}\x1b")));
            assert_eq!(hidden, first_hidden, "{rows}: {drawn}");
            assert_eq!(drawn.contains("more lines: enlarge the terminal"), hidden.is_some(), "{rows}: {drawn}");
        }
    }
}
