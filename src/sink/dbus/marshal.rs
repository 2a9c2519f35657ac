//! Items in the form in which D-Bus has them on the line, and the signal that tells of them. Pure.
//!
//! It is written here rather than by zbus' serializer, which looks up a signature and writes a few bytes at a time for each of the
//! four strings and two variants of an item: that took two thirds of all the CPU time of a reading. What is the same for most
//! items is written in one piece.

use super::items::Items;
use super::names::BUS_ITEM;
use super::value::Value;

/// As long as a signal in which nearly everything changes; `GetItems` takes twice as much.
const ROOM: usize = 8192;

/// Where a message says how long its body is.
const BODY_LENGTH: usize = 4;

/// The signal `ItemsChanged` of `/` with the items of these `numbers`, ready to be sent; `serial` is not zero.
pub(super) fn items_changed(items: &Items, numbers: impl Iterator<Item = usize>, serial: u32) -> Vec<u8> {
    let endian = if cfg!(target_endian = "little") { b'l' } else { b'B' };
    // A signal, without flags, of version 1 of the protocol.
    let mut message = Marshaller { bytes: Vec::with_capacity(ROOM) };
    message.raw(&[endian, 4, 0, 1]);
    message.length(0);
    message.raw(&serial.to_ne_bytes());
    let fields = message.begin_array();
    message.field(1, b'o', "/");
    message.field(2, b's', BUS_ITEM);
    message.field(3, b's', "ItemsChanged");
    message.align(8);
    message.raw(b"\x08\x01g\0\x09a{sa{sv}}\0");
    message.end_array(fields, fields);
    message.align(8);
    let body = message.bytes.len();
    let entries = message.begin_array();
    message.align(8);
    let first = message.bytes.len();
    message.entries(items, numbers);
    message.end_array(entries, first);
    let length = message.bytes.len().saturating_sub(body);
    message.put_length(BODY_LENGTH, length);
    message.bytes
}

/// The entries of these `numbers`, as they stand in an array `a{sa{sv}}`; the first byte is aligned to eight.
pub(super) fn entries(items: &Items, numbers: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut body = Marshaller { bytes: Vec::with_capacity(ROOM) };
    body.entries(items, numbers);
    body.bytes
}

/// Bytes as D-Bus wants them, in the byte order of this computer; the first is aligned to eight.
struct Marshaller {
    bytes: Vec<u8>,
}

impl Marshaller {
    fn entries(&mut self, items: &Items, numbers: impl Iterator<Item = usize>) {
        let mut text = String::new();
        for number in numbers {
            let Some((path, value)) = items.get(number) else { continue };
            items.write_text(number, &mut text);
            self.align(8);
            self.entry(path, value, &text);
        }
    }

    /// `{s a{sv}}`; begins aligned to eight.
    fn entry(&mut self, path: &str, value: &Value<'_>, text: &str) {
        self.string(path);
        let facts = self.begin_array();
        self.align(8);
        let first = self.bytes.len();
        match value {
            Value::Double(x) => self.raw(&plain(*b"\x01d\0\0\0\0", x.to_ne_bytes())),
            Value::Int(n) => self.raw(&plain(*b"\x01i\0\0\0\0", padded(*n))),
            // An array of integers without one.
            Value::Invalid => self.raw(&plain(*b"\x02ai\0\0\0", [0; 8])),
            Value::Text(value) => {
                self.string("Value");
                self.raw(b"\x01s\0");
                self.string(value);
                self.align(8);
                self.string("Text");
                self.raw(b"\x01s\0");
            }
        }
        self.string(text);
        self.end_array(facts, first);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// A length that is known, or is put in later.
    fn length(&mut self, length: usize) {
        self.align(4);
        self.raw(&in_four(length));
    }

    fn put_length(&mut self, at: usize, length: usize) {
        let place = self.bytes.get_mut(at..at.saturating_add(4)).unwrap_or_default();
        place.iter_mut().zip(in_four(length)).for_each(|(to, from)| *to = from);
    }

    fn string(&mut self, text: &str) {
        self.length(text.len());
        self.raw(text.as_bytes());
        self.bytes.push(0);
    }

    /// A header field: its number, its type and a text.
    fn field(&mut self, number: u8, kind: u8, text: &str) {
        self.align(8);
        self.raw(&[number, 1, kind, 0]);
        self.string(text);
    }

    /// The length of an array comes before it, and is known only behind it. Returns where the array's elements begin, unless
    /// they are aligned to more than four bytes.
    fn begin_array(&mut self) -> usize {
        self.length(0);
        self.bytes.len()
    }

    /// `begun` is what `begin_array` returned, `first` where the first element begins.
    fn end_array(&mut self, begun: usize, first: usize) {
        let length = self.bytes.len().saturating_sub(first);
        self.put_length(begun.saturating_sub(4), length);
    }
}

/// No message is longer than 128 MiB.
fn in_four(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes()
}

/// An integer where eight bytes are to be aligned.
fn padded(n: i32) -> [u8; 8] {
    let [a, b, c, d] = n.to_ne_bytes();
    [a, b, c, d, 0, 0, 0, 0]
}

/// The facts of an item up to its text, for values of at most eight bytes: `Value` with its signature (padded), the value,
/// `Text` and the signature of a text.
fn plain([s0, s1, s2, s3, s4, s5]: [u8; 6], [v0, v1, v2, v3, v4, v5, v6, v7]: [u8; 8]) -> [u8; 36] {
    let ([a, b, c, d], [e, f, g, h]) = (5u32.to_ne_bytes(), 4u32.to_ne_bytes());
    [
        a, b, c, d, b'V', b'a', b'l', b'u', b'e', 0, s0, s1, s2, s3, s4, s5, //
        v0, v1, v2, v3, v4, v5, v6, v7, //
        e, f, g, h, b'T', b'e', b'x', b't', 0, 1, b's', 0,
    ]
}
