//! Finds a text in another one in any spelling: as it is, with escapes of TOML, JSON or Rust, percent-encoded as in an address, or
//! over several lines of a TOML string. Pure.

/// `text` with every occurrence of `wanted` replaced by `with`.
pub(super) fn replace(text: &str, wanted: &str, with: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let length = match length_at(rest, wanted) {
            Some(length) if length > 0 => {
                clean.push_str(with);
                length
            }
            _ => {
                clean.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    clean
}

/// Length of the spelling of `wanted` at the start of `text`; the longest if there are several.
fn length_at(text: &str, wanted: &str) -> Option<usize> {
    let mut ends = vec![0];
    for (number, letter) in wanted.chars().enumerate() {
        let mut next = Vec::new();
        for end in ends {
            let rest = text.get(end..).unwrap_or_default();
            let gap = if number == 0 { 0 } else { continued(rest) };
            for skipped in [0, gap] {
                let here = rest.get(skipped..).unwrap_or_default();
                next.extend(
                    spellings(here, letter).into_iter().flatten().map(|length| end.saturating_add(skipped).saturating_add(length)),
                );
            }
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.last().copied()
}

/// Length of a line end ignored by TOML: a backslash, the end, and blanks up to the next character.
fn continued(text: &str) -> usize {
    let Some(after) = text.strip_prefix('\\') else { return 0 };
    let to_end = after.trim_start_matches([' ', '\t', '\r']);
    if to_end.starts_with('\n') { text.len().saturating_sub(to_end.trim_start().len()) } else { 0 }
}

/// Lengths of the spellings of this character that `text` may start with.
fn spellings(text: &str, letter: char) -> [Option<usize>; 4] {
    let plain = match letter {
        '\n' if text.starts_with("\r\n") => Some(2),
        ' ' if text.starts_with('+') => Some(1),
        _ => None,
    };
    let same = text.starts_with(letter).then(|| letter.len_utf8());
    [
        same,
        plain,
        percent(text, letter),
        text.strip_prefix('\\').and_then(|after| escape(after, letter)).map(|length| length.saturating_add(1)),
    ]
}

/// `%2C` for each byte.
fn percent(text: &str, letter: char) -> Option<usize> {
    if !text.starts_with('%') {
        return None;
    }
    let (mut buffer, mut length) = ([0; 4], 0usize);
    for byte in letter.encode_utf8(&mut buffer).bytes() {
        let digits = text.get(length..)?.strip_prefix('%')?.get(..2)?;
        if u8::from_str_radix(digits, 16).ok()? != byte {
            return None;
        }
        length = length.saturating_add(3);
    }
    Some(length)
}

/// Length of the escape of this character, after a backslash.
fn escape(after: &str, letter: char) -> Option<usize> {
    let kind = after.chars().next()?;
    let digits = after.get(kind.len_utf8()..).unwrap_or_default();
    let coded = |count: usize| {
        let number = u32::from_str_radix(digits.get(..count)?, 16).ok()?;
        (number == u32::from(letter)).then(|| count.saturating_add(1))
    };
    match kind {
        'u' if digits.starts_with('{') => {
            let inside = digits.get(1..)?.split_once('}')?.0;
            let number = u32::from_str_radix(inside, 16).ok()?;
            (number == u32::from(letter)).then(|| inside.len().saturating_add(3))
        }
        'u' if letter.len_utf16() == 2 => pair(after, letter),
        'u' => coded(4),
        'U' => coded(8),
        'x' => coded(2),
        _ => {
            let meant = match kind {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'e' => '\u{1b}',
                '0' => '\0',
                other => other,
            };
            (meant == letter).then(|| kind.len_utf8())
        }
    }
}

/// JSON writes characters beyond 16 bits as two numbers.
fn pair(after: &str, letter: char) -> Option<usize> {
    let mut units = [0; 2];
    let mut rest = after;
    for (number, unit) in letter.encode_utf16(&mut units).iter().enumerate() {
        rest = rest.strip_prefix(if number == 0 { "u" } else { "\\u" })?;
        if u16::from_str_radix(rest.get(..4)?, 16).ok()? != *unit {
            return None;
        }
        rest = rest.get(4..)?;
    }
    Some(after.len().saturating_sub(rest.len()))
}
