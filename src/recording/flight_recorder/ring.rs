//! A ring buffer of a bounded number of bytes for messages that resemble earlier ones. Pure.
//!
//! A message is stored as its difference from the previous one with the same key: replies to the same request differ in a few bytes.
//! When the oldest messages are dropped, the last of each key is kept in a dictionary, from which the differences start. So nothing is
//! lost but messages older than the ring, and even of these the last of each key remains: a name or a setting that was read hours ago.

use std::collections::VecDeque;

/// What a message is: its kind (an arbitrary number of the user) and what it resembles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) kind: u8,
    pub(super) like: u16,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) key: Key,
    /// Time, µs; for one from before the ring: that of its first message.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
}

/// The last message of each key, the least recently used first.
#[derive(Debug, Default, Clone)]
struct Dictionary {
    items: Vec<(Key, Vec<u8>)>,
    bytes: usize,
}

/// Memory of an entry beside its bytes.
const ITEM: usize = 40;

impl Dictionary {
    fn get(&self, key: Key) -> &[u8] {
        self.items.iter().find(|(known, _)| *known == key).map_or(&[], |(_, bytes)| bytes)
    }

    /// Replaces the message of `key`; drops the least recently used ones above `limit`.
    fn set(&mut self, key: Key, bytes: &[u8], limit: usize) {
        let place = self.items.iter().position(|(known, _)| *known == key);
        let mut item = place.map_or_else(|| (key, Vec::new()), |place| self.items.remove(place));
        self.bytes = self.bytes.saturating_sub(if place.is_some() { item.1.len().saturating_add(ITEM) } else { 0 });
        item.1.clear();
        item.1.reserve_exact(bytes.len());
        item.1.extend_from_slice(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len()).saturating_add(ITEM);
        self.items.push(item);
        while self.bytes > limit && self.items.len() > 1 {
            let (_, oldest) = self.items.remove(0);
            self.bytes = self.bytes.saturating_sub(oldest.len().saturating_add(ITEM));
        }
    }
}

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// Of the messages, bytes; both dictionaries together may take as much.
    limit: usize,
    stored: VecDeque<u8>,
    /// Before the first and after the last message.
    before: Dictionary,
    after: Dictionary,
    /// Time of the message before the first one, and of the last one, µs.
    start: u64,
    end: u64,
}

impl Ring {
    /// An empty ring with at most this memory, bytes.
    pub(super) fn new(memory: usize) -> Self {
        let limit = memory / 2;
        Self { limit, stored: VecDeque::new(), before: Dictionary::default(), after: Dictionary::default(), start: 0, end: 0 }
    }

    /// Adds a message, and drops the oldest ones if there is no room for it.
    pub(super) fn push(&mut self, key: Key, at: u64, bytes: &[u8]) {
        if self.stored.is_empty() {
            // Once and for all: growing would copy it, and take twice the memory meanwhile.
            self.stored.reserve_exact(self.limit);
            (self.start, self.end) = (at, at);
        }
        let mut body = Vec::with_capacity(32);
        body.push(key.kind);
        body.extend(key.like.to_le_bytes());
        // Messages of two threads may come in a slightly wrong order.
        let at = at.max(self.end);
        push_number(&mut body, at.saturating_sub(self.end));
        difference(self.after.get(key), bytes, &mut body);
        if body.len() > self.limit {
            return;
        }
        while self.stored.len().saturating_add(body.len()) > self.limit {
            self.drop_oldest();
        }
        self.after.set(key, bytes, self.limit / 2);
        self.stored.extend(body);
        self.end = at;
    }

    fn drop_oldest(&mut self) {
        let mut bytes = self.stored.iter().copied();
        let Some(message) = next(&mut bytes, self.start, &self.before) else {
            self.stored.clear();
            return;
        };
        let left = bytes.len();
        self.stored.drain(..self.stored.len().saturating_sub(left));
        self.start = message.at;
        self.before.set(message.key, &message.bytes, self.limit / 2);
    }

    /// The last messages of each key from before the ring, and the messages in it, in order of time.
    pub(super) fn messages(&self) -> (Vec<Message>, Vec<Message>) {
        let mut known = self.before.clone();
        let before = known.items.iter().map(|(key, bytes)| Message { key: *key, at: self.start, bytes: bytes.clone() }).collect();
        let (mut bytes, mut at, mut messages) = (self.stored.iter().copied(), self.start, Vec::new());
        while let Some(message) = next(&mut bytes, at, &known) {
            at = message.at;
            known.set(message.key, &message.bytes, self.limit / 2);
            messages.push(message);
        }
        (before, messages)
    }

    /// Time from the first to the last message, µs.
    pub(super) fn span(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Memory in use, bytes.
    pub(super) fn memory(&self) -> usize {
        self.stored.capacity().saturating_add(self.before.bytes).saturating_add(self.after.bytes)
    }
}

/// The next message of a ring.
fn next(bytes: &mut impl Iterator<Item = u8>, before: u64, known: &Dictionary) -> Option<Message> {
    let key = Key { kind: bytes.next()?, like: u16::from_le_bytes([bytes.next()?, bytes.next()?]) };
    let at = before.saturating_add(number(bytes)?);
    Some(Message { key, at, bytes: apply(known.get(key), bytes)? })
}

/// A number in seven bits per byte, the lowest first.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7_u32;
    }
    out.push((number & 0x7f) as u8);
}

fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64_u32).step_by(7) {
        let byte = bytes.next()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Equal bytes between two changes that are cheaper to repeat than to skip.
const SHORT_GAP: usize = 2;

/// `new` as its difference from `old`: its length, then alternately the number of equal bytes, and of changed ones with these.
fn difference(old: &[u8], new: &[u8], out: &mut Vec<u8>) {
    push_number(out, new.len() as u64);
    let is_same = |place: usize| old.get(place).is_some_and(|byte| new.get(place) == Some(byte));
    let mut place = 0_usize;
    while place < new.len() {
        let changed = (place..new.len()).find(|at| !is_same(*at)).unwrap_or(new.len());
        push_number(out, changed.saturating_sub(place) as u64);
        if changed == new.len() {
            return;
        }
        let (mut end, mut gap) = (changed, 0_usize);
        for at in changed..new.len() {
            gap = if is_same(at) { gap.saturating_add(1) } else { 0 };
            if gap > SHORT_GAP {
                break;
            }
            if gap == 0 {
                end = at.saturating_add(1);
            }
        }
        push_number(out, end.saturating_sub(changed) as u64);
        out.extend_from_slice(new.get(changed..end).unwrap_or_default());
        place = end;
    }
}

/// The reverse of [`difference`].
fn apply(old: &[u8], bytes: &mut impl Iterator<Item = u8>) -> Option<Vec<u8>> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let mut new = Vec::with_capacity(length);
    while new.len() < length {
        let same = usize::try_from(number(bytes)?).ok()?;
        let end = new.len().checked_add(same)?;
        new.extend_from_slice(old.get(new.len()..end)?);
        if new.len() < length {
            let changed = number(bytes)?;
            for _ in 0..changed {
                new.push(bytes.next()?);
            }
        }
    }
    (new.len() == length).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: Key = Key { kind: 1, like: 7 };

    #[test]
    fn a_small_change_takes_a_few_bytes_and_the_memory_is_bounded() {
        let mut ring = Ring::new(8192);
        let mut reply = vec![0x55_u8; 300];
        for second in 0..100_000_u64 {
            reply[20] = (second % 251) as u8;
            reply[150] = (second / 251) as u8;
            ring.push(KEY, second.saturating_mul(1_000_000), &reply);
            assert!(ring.memory() <= 8192 + ITEM, "{}", ring.memory());
        }
        let (before, messages) = ring.messages();
        assert!(messages.len() > 200, "{} of 300 bytes in 4 kB", messages.len());
        assert_eq!((before.len(), &messages.last().unwrap().bytes), (1, &reply));
        assert_eq!(messages.last().unwrap().at, 99_999_000_000);
        assert_eq!(ring.span(), (messages.len() as u64).saturating_mul(1_000_000));
    }

    #[test]
    fn the_last_of_a_rare_message_remains() {
        let mut ring = Ring::new(2048);
        let rare = Key { kind: 1, like: 8 };
        ring.push(rare, 0, b"name and settings, read once");
        (0..10_000_u64).for_each(|at| ring.push(KEY, at, &at.to_le_bytes()));
        let (before, messages) = ring.messages();
        assert!(messages.iter().all(|message| message.key == KEY));
        assert!(before.iter().any(|message| message.bytes == b"name and settings, read once"));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(messages in proptest::collection::vec(
            (0..3_u8, 0..3_u16, 0..5_000_000_u64, proptest::collection::vec(0..4_u8, 0..60)), 1..200)) {
            let mut ring = Ring::new(1024);
            let (mut at, mut pushed) = (0, Vec::new());
            for (kind, like, later, bytes) in messages {
                at = u64::saturating_add(at, later);
                ring.push(Key { kind, like }, at, &bytes);
                pushed.push(Message { key: Key { kind, like }, at, bytes });
            }
            let (_, kept) = ring.messages();
            prop_assert!(pushed.ends_with(&kept));
            prop_assert!(!kept.is_empty());
        }
    }
}
