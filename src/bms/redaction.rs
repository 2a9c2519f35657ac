//! Passwords do not get into recordings: some BMSs send theirs in clear text with every answer.
//!
//! Frames with a right check are overwritten field by field ([`Protocol::redact`]) and stay right. In bytes of no such frame
//! nobody can tell where a field begins: a byte may be lost, a header damaged, the start cut off. If the line speaks a language
//! that has passwords, they are overwritten there by position behind every header, and so is all text.

use super::{DRIVERS, Protocol};
use std::ops::Range;

/// What stands in place of a password.
const MARK: u8 = b'*';

/// Text that is shorter is none: numbers look like it by chance.
const TEXT: usize = 4;

/// Overwrites the passwords of all known protocols in `stream`: everything that came over a line in one direction, in order.
/// What is overwritten once stays the same when it is done again.
pub fn redact(stream: &mut [u8]) {
    let protocols: Vec<_> = DRIVERS.iter().map(|driver| (driver.new)(None)).collect();
    let (loose, mut has_passwords) = redact_whole(&protocols, stream);
    for range in loose.iter().cloned() {
        let bytes = stream.get_mut(range).unwrap_or_default();
        for at in 0..bytes.len() {
            let rest = bytes.get_mut(at..).unwrap_or_default();
            for protocol in &protocols {
                has_passwords |= protocol.redact(rest);
            }
        }
    }
    if has_passwords {
        for range in loose {
            let bytes = stream.get_mut(range.clone()).unwrap_or_default();
            let runs = bytes.chunk_by_mut(|a, b| is_text(*a) == is_text(*b));
            runs.filter(|run| run.len() >= TEXT && run.first().is_some_and(|byte| is_text(*byte))).for_each(|run| run.fill(MARK));
            stay_damaged(&protocols, stream, range);
        }
    }
}

/// Marks a field; but zeros in a `sound` frame say that there is no password, and that may be known.
pub(super) fn overwrite(field: &mut [u8], sound: bool) {
    if !sound || field.iter().any(|byte| *byte != 0) {
        field.fill(MARK);
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E)
}

/// Redacts the frames with a right check; gives what lies between them, and whether any protocol of theirs has passwords.
fn redact_whole(protocols: &[Box<dyn Protocol>], stream: &mut [u8]) -> (Vec<Range<usize>>, bool) {
    let (mut loose, mut begun, mut at, mut has_passwords) = (Vec::new(), 0usize, 0usize, false);
    while at < stream.len() {
        let rest = stream.get_mut(at..).unwrap_or_default();
        let Some((protocol, length)) = whole(protocols, rest) else {
            at = at.saturating_add(1);
            continue;
        };
        has_passwords |= protocol.redact(rest.get_mut(..length).unwrap_or_default());
        loose.push(begun..at);
        at = at.saturating_add(length);
        begun = at;
    }
    loose.push(begun..stream.len());
    (loose, has_passwords)
}

fn whole<'a>(protocols: &'a [Box<dyn Protocol>], bytes: &[u8]) -> Option<(&'a dyn Protocol, usize)> {
    protocols.iter().map(|protocol| (protocol.as_ref(), protocol.whole(bytes).min(bytes.len()))).find(|(_, length)| *length > 0)
}

/// A damaged frame whose check fits by chance after the overwriting must not pass for a good one, also where it reaches into the
/// good one behind it. Only what is loose is changed.
fn stay_damaged(protocols: &[Box<dyn Protocol>], stream: &mut [u8], loose: Range<usize>) {
    for at in loose.clone() {
        let found = whole(protocols, stream.get(at..).unwrap_or_default());
        if let Some((_, length)) = found
            && let Some(last) = stream.get_mut(at.saturating_add(length).min(loose.end).saturating_sub(1))
        {
            *last ^= 0xFF;
        }
    }
}
