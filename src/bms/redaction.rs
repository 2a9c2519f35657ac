//! Keeps passwords out of recordings: some BMSs send theirs in clear text with every reply.
//!
//! Valid frames are overwritten field by field ([`Redact::redact`](super::Redact::redact)) and stay valid. In other bytes the field
//! positions are unknown: a byte may be lost, a header damaged, the start cut off. If the line uses a protocol with passwords, all
//! password positions behind every header are overwritten there, and so is all text.

use super::{DRIVERS, Protocol};
use std::ops::Range;

/// Replacement for the characters of a password.
const MARK: u8 = b'*';

/// Minimum length of a text: shorter sequences are numbers that look like text by chance.
const TEXT: usize = 4;

/// Overwrites the passwords of all known protocols in `stream`: all bytes of one direction of a line, in order. Doing it again
/// changes nothing.
pub fn redact(stream: &mut [u8]) {
    let protocols: Vec<_> = DRIVERS.iter().map(|driver| (driver.new)(None)).collect();
    let (loose, mut has_passwords) = redact_valid_frames(&protocols, stream);
    for range in loose.iter().cloned() {
        let bytes = stream.get_mut(range).unwrap_or_default();
        for at in 0..bytes.len() {
            let rest = bytes.get_mut(at..).unwrap_or_default();
            for protocol in &protocols {
                has_passwords |= protocol.redact().is_some_and(|passwords| passwords.redact(rest));
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

/// Overwrites a field, except for zeros in a `sound` frame, which mean that no password is set and may be published.
pub(super) fn overwrite(field: &mut [u8], sound: bool) {
    if !sound || field.iter().any(|byte| *byte != 0) {
        field.fill(MARK);
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E)
}

/// Redacts the valid frames; returns the ranges between them, and whether any of their protocols has passwords.
fn redact_valid_frames(protocols: &[Box<dyn Protocol>], stream: &mut [u8]) -> (Vec<Range<usize>>, bool) {
    let (mut loose, mut begun, mut at, mut has_passwords) = (Vec::new(), 0usize, 0usize, false);
    while at < stream.len() {
        let rest = stream.get_mut(at..).unwrap_or_default();
        let Some((protocol, length)) = valid_frame(protocols, rest) else {
            at = at.saturating_add(1);
            continue;
        };
        has_passwords |= protocol.redact().is_some_and(|passwords| passwords.redact(rest.get_mut(..length).unwrap_or_default()));
        loose.push(begun..at);
        at = at.saturating_add(length);
        begun = at;
    }
    loose.push(begun..stream.len());
    (loose, has_passwords)
}

fn valid_frame<'a>(protocols: &'a [Box<dyn Protocol>], bytes: &[u8]) -> Option<(&'a dyn Protocol, usize)> {
    protocols
        .iter()
        .map(|protocol| (protocol.as_ref(), protocol.valid_frame_len(bytes).min(bytes.len())))
        .find(|(_, length)| *length > 0)
}

/// Keeps a damaged frame invalid whose check happens to match after overwriting, also if it overlaps the valid frame behind it.
/// Changes bytes outside of valid frames only.
fn stay_damaged(protocols: &[Box<dyn Protocol>], stream: &mut [u8], loose: Range<usize>) {
    for at in loose.clone() {
        let found = valid_frame(protocols, stream.get(at..).unwrap_or_default());
        if let Some((_, length)) = found
            && let Some(last) = stream.get_mut(at.saturating_add(length).min(loose.end).saturating_sub(1))
        {
            *last ^= 0xFF;
        }
    }
}
