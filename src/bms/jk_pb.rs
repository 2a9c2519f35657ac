//! JK PB and other JK inverter boards: 300-byte frames on RS485, 115200 8N1.
//!
//! ```text
//! trigger  AA 10 16 RR 00 01 02 00 00 crc    AA address, RR 20 live, 1E settings, 1C device: a Modbus write of one word 0
//! reply    55 AA EB 90 | type | counter | … | sum8    300 bytes; type 01 settings, 02 live, 03 device
//!          [00] AA 10 16 RR 00 01 crc [00]            the acknowledge of the write; a padding byte may stand around it
//! ```
//! Frames are little endian, Modbus numbers big endian, crc is that of Modbus with the low byte first. Live and device frames
//! do not say whose they are: the address of the acknowledge does, and a frame without one belongs to nobody. A board with
//! DIP address 0 polls the others itself and puts its own frames on the line with the same record behind them (UART protocol
//! 015): it is only listened to. Bytes 62 and 118 of a device frame begin passwords: they are never looked at, and overwritten in
//! recordings.
//! Source: the RS485 Modbus V1.1 document, mr-manuel's JKBMS-PB.md and the recordings in `tests/vectors/jk-pb`.

mod commands;
mod content;

use super::asking::Asking;
use super::bytes::{Reader, crc_frame, crc16_modbus, skip_to, sum8};
use super::orders::Orders;
use super::redaction::overwrite;
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{Command, Reading};
pub(crate) use content::ALARMS;
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "jk-pb",
    label: "JK (Jikong) PB, RS485",
    boards: "JK / Jikong PB1A, PB2A and other inverter BMS (RS485 with UART protocol 001, DIP address 1 to 15; a chain with a master, DIP address 0, is listened to)",
    // At 9600 baud the same port may belong to somebody else, and the trigger has the form of a write.
    lines: &[Line { baud: 115_200 }],
    lines_only: true,
    addresses: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    // Requests that follow within 50 ms made other boards answer too; from 100 ms on none is known to.
    gap: Duration::from_millis(100),
    // A polling master speaks at least every 220 ms.
    listen: Duration::from_millis(800),
    sharing: Sharing::Any,
    new: |address| {
        let stagger = address.unwrap_or(0).min(15).saturating_mul(3);
        Box::new(JkPb { address, poll: 0, settings_heard: true, stagger, asking: Asking::default() })
    },
};

const HEADER: [u8; 4] = [0x55, 0xAA, 0xEB, 0x90];
/// Bytes of a frame, and of the acknowledge behind it.
const FRAME: usize = 300;
const RECORD: usize = 8;
/// The passwords in a device frame.
const PASSWORDS: [Range<usize>; 2] = [62..78, 118..134];

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Settings,
    Live,
    Device,
}

/// Type byte of the frame, low byte of its trigger register 16xx, name and time limit of its request.
const KINDS: [(Kind, u8, u8, &str, Duration); 3] = [
    (Kind::Settings, 0x01, 0x1E, "settings", Duration::from_secs(1)),
    (Kind::Live, 0x02, 0x20, "live data", Duration::from_millis(500)),
    (Kind::Device, 0x03, 0x1C, "device data", Duration::from_secs(1)),
];

/// Kind of a frame and its trigger register.
fn kind(frame: &[u8]) -> Option<(Kind, u8)> {
    let byte = *frame.get(4)?;
    KINDS.iter().find(|(_, number, ..)| *number == byte).map(|(kind, _, register, ..)| (*kind, *register))
}

/// Decoder state: which battery is meant, and when the slow data was asked for.
#[derive(Debug)]
struct JkPb {
    address: Option<u8>,
    /// Polls so far, from 0 again after [`RARELY`].
    poll: u8,
    /// The settings were heard since.
    settings_heard: bool,
    /// Polls by which the settings are read again earlier, once: boards on one line are not to do so all in the same round.
    stagger: u8,
    /// The settings, until they are known for the first time.
    asking: Asking,
}

/// Settings are read again after so many polls: owners change them in the app.
const RARELY: u8 = 60;
/// Polls that ask for settings and device data again while these are missing.
const PATIENCE: u8 = 3;

/// The request that lets a board send a frame: `AA 10 16 RR 00 01 02 00 00 crc`.
pub(crate) fn trigger(address: u8, register: u8) -> [u8; 11] {
    let asked = [address, 0x10, 0x16, register, 0, 1, 2, 0, 0];
    let [low, high] = crc16_modbus(&asked).to_le_bytes();
    [address, 0x10, 0x16, register, 0, 1, 2, 0, 0, low, high]
}

impl JkPb {
    /// Asks for one kind of frame. Only addresses 1 to 15 are ever triggered; all else is listened for.
    fn request(&self, wanted: Kind) -> Request {
        let asked = KINDS.iter().find(|(kind, ..)| *kind == wanted);
        match (self.address, asked) {
            (Some(address @ 1..=15), Some((kind, _, register, what, timeout))) => {
                let bytes = Cow::Owned(trigger(address, *register).to_vec());
                Request { what, bytes, timeout: *timeout, required: *kind == Kind::Live }
            }
            _ => {
                let (what, timeout) = ("what the master says unasked", Duration::from_secs(20));
                Request { what, bytes: Cow::Borrowed(&[]), timeout, required: true }
            }
        }
    }
}

impl Protocol for JkPb {
    fn identify(&self) -> Request {
        let request = self.request(Kind::Live);
        // A board that is there has answered after 65 ms, and fifteen addresses are to be tried.
        let timeout = if request.bytes.is_empty() { request.timeout } else { Duration::from_millis(130) };
        Request { timeout, ..request }
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        // A battery that has not been heard yet has used up none of our patience.
        let poll = if known.voltage.is_none() { 0 } else { self.poll };
        let stagger = if poll.saturating_add(1) == PATIENCE { std::mem::take(&mut self.stagger) } else { 0 };
        self.poll = poll.saturating_add(1).saturating_add(stagger) % RARELY;
        let mut plan = vec![self.request(Kind::Live)];
        // A lost reply must not leave the protections unknown for a minute.
        let unknown = known.voltage.is_some() && known.settings.cell_ovp.is_none() && self.asking.is_due();
        if matches!(self.address, Some(1..=15)) && poll >= PATIENCE && unknown {
            plan.push(self.request(Kind::Settings));
        }
        if matches!(self.address, Some(1..=15)) && poll < PATIENCE {
            if !self.settings_heard || known.settings.cell_ovp.is_none() {
                plan.push(self.request(Kind::Settings));
            }
            if known.model.is_none() {
                plan.push(self.request(Kind::Device));
            }
        }
        // Another round begins.
        self.settings_heard &= self.poll > 0;
        plan
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        if !HEADER.starts_with(buf.get(..4).unwrap_or(buf)) {
            return skip_to(0x55, buf);
        }
        let Some((frame, behind)) = buf.split_at_checked(FRAME) else { return Framing::Incomplete };
        let Some((_, register)) = kind(frame).filter(|_| is_sound(frame)) else { return skip_to(0x55, buf) };
        match record(register, behind) {
            Framing::Frame(range) => Framing::Frame(0..FRAME.saturating_add(range.end)),
            Framing::Incomplete => Framing::Incomplete,
            Framing::Skip(_) => skip_to(0x55, buf),
        }
    }

    /// A recording may end with a frame and hold no acknowledge: over Bluetooth there is none.
    fn framing_at_end(&self, buf: &[u8]) -> Framing {
        match self.framing(buf) {
            Framing::Incomplete if buf.len() == FRAME => Framing::Frame(0..FRAME),
            Framing::Incomplete => Framing::Skip(1),
            step => step,
        }
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        acknowledged_by(frame).or_else(|| own_address(frame))
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let Some((kind, register)) = kind(frame) else {
            return Err(DecodeError::Foreign { what: "a frame of another type" });
        };
        let source = self.source(frame);
        let listening = matches!(asked, Asked::Request(request) if request.bytes.is_empty());
        if listening && self.address.is_some() && source != self.address {
            return Err(DecodeError::Foreign { what: "another board" });
        }
        if let Asked::Request(request) = asked
            && !listening
            && (request.bytes.first().copied() != source || request.bytes.get(3) != Some(&register))
        {
            return Err(DecodeError::Foreign { what: "another board or another kind of frame" });
        }
        if own_address(frame).is_some_and(|own| Some(own) != source) {
            return Err(DecodeError::Foreign { what: "settings of another board than the one that acknowledges" });
        }
        match kind {
            Kind::Live => {
                content::live(frame, into)?;
                self.asking.heard();
            }
            Kind::Settings => {
                content::settings(frame, into)?;
                self.asking.answered();
                self.settings_heard = true;
            }
            Kind::Device => content::device(frame, into)?,
        }
        into.awaited.settings = into.settings.cell_ovp.is_none() && self.asking.is_awaited();
        Ok(if listening && kind != Kind::Live { Progress::More } else { Progress::Done })
    }

    fn asks(&self, buf: &[u8]) -> Option<u8> {
        let [asked @ .., low, high] = buf.first_chunk::<11>()?;
        let &[address @ 1..=15, 0x10, 0x16, register, 0, 1, 2, _, _] = asked else { return None };
        let known = KINDS.iter().any(|(_, _, own, ..)| *own == register);
        (known && crc16_modbus(asked) == u16::from_le_bytes([*low, *high])).then_some(address)
    }

    fn encode(&self, command: Command, _: &Reading, _: Option<u64>, _: bool) -> Option<Orders> {
        let address = self.address.filter(|address| (1..=15).contains(address))?;
        commands::encode(command, address, self.request(Kind::Settings))
    }

    /// With or without the acknowledge: that has no password.
    fn whole(&self, buf: &[u8]) -> usize {
        buf.get(..FRAME).filter(|frame| frame.starts_with(&HEADER) && is_sound(frame)).map_or(0, <[u8]>::len)
    }

    fn redact(&self, buf: &mut [u8]) -> bool {
        if !buf.starts_with(&HEADER) {
            return false;
        }
        let sound = buf.len() == FRAME && is_sound(buf);
        // In a damaged frame the type may be what is damaged.
        if !sound || !matches!(kind(buf), Some((Kind::Settings | Kind::Live, _))) {
            PASSWORDS.into_iter().for_each(|place| overwrite(up_to(buf, place), sound));
        }
        if sound && let Some((sum, summed)) = buf.split_last_mut() {
            *sum = sum8(summed);
        }
        true
    }
}

/// What there is of a field.
fn up_to(buf: &mut [u8], place: Range<usize>) -> &mut [u8] {
    let end = place.end.min(buf.len());
    buf.get_mut(place.start..end).unwrap_or_default()
}

fn is_sound(frame: &[u8]) -> bool {
    frame.split_last().is_some_and(|(sum, summed)| sum8(summed) == *sum)
}

/// The acknowledge behind a frame, with the padding byte that some firmware puts before it.
fn record(register: u8, behind: &[u8]) -> Framing {
    let plain = acknowledge(register, behind);
    let padded = match behind {
        [] => Framing::Incomplete,
        [0, rest @ ..] => acknowledge(register, rest),
        _ => Framing::Skip(1),
    };
    match (plain, padded) {
        (Framing::Frame(_), _) => Framing::Frame(0..RECORD),
        (_, Framing::Frame(_)) => Framing::Frame(0..RECORD.saturating_add(1)),
        (Framing::Incomplete, _) | (_, Framing::Incomplete) => Framing::Incomplete,
        _ => Framing::Skip(1),
    }
}

fn acknowledge(register: u8, bytes: &[u8]) -> Framing {
    let Some((address, rest)) = bytes.split_first() else { return Framing::Incomplete };
    let expected = [0x10, 0x16, register, 0, 1];
    if *address > 15 || !expected.starts_with(rest.get(..expected.len()).unwrap_or(rest)) {
        return Framing::Skip(1);
    }
    crc_frame(bytes, RECORD)
}

fn acknowledged_by(frame: &[u8]) -> Option<u8> {
    let (_, behind) = frame.split_at_checked(FRAME)?;
    behind.last_chunk::<RECORD>()?.first().copied()
}

/// Settings hold the board's address.
fn own_address(frame: &[u8]) -> Option<u8> {
    let (Kind::Settings, _) = kind(frame)? else { return None };
    u8::try_from(at(frame, 270).u32_le("device address").ok()?).ok()
}

fn at(frame: &[u8], offset: usize) -> Reader<'_> {
    Reader::new(frame.get(offset..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that leaves the driver: for every address, over more than two rounds of polls, heard or not.
    fn all_requests() -> impl Iterator<Item = (Option<u8>, Request)> {
        let known = Reading { voltage: Some(crate::units::Volts::new(52.0)), ..Reading::default() };
        (0..=255u8).map(Some).chain([None]).flat_map(move |address| {
            let mut protocol = (DRIVER.new)(address);
            let mut all = vec![protocol.identify()];
            for _ in 0..=2 * RARELY {
                all.extend(protocol.plan(&Reading::default()));
                all.extend(protocol.plan(&known));
            }
            all.into_iter().map(move |request| (address, request))
        })
    }

    #[test]
    fn nothing_but_the_trigger_is_sent_unasked() {
        let mut triggers = std::collections::BTreeSet::new();
        for (address, request) in all_requests() {
            let Some(address @ 1..=15) = address else {
                assert!(request.bytes.is_empty(), "address {address:?} is sent {:02x?}", request.bytes);
                continue;
            };
            let (asked, crc) = request.bytes.split_last_chunk::<2>().unwrap();
            assert_eq!(crc16_modbus(asked).to_le_bytes(), *crc);
            assert_eq!((asked[0], &asked[1..3], &asked[4..]), (address, &[0x10, 0x16][..], &[0, 1, 2, 0, 0][..]));
            assert!(matches!(asked[3], 0x1C | 0x1E | 0x20), "register 16{:02x}", asked[3]);
            triggers.insert((address, asked[3]));
        }
        assert_eq!(triggers.len(), 15 * 3, "every address gets every trigger");
        assert_eq!(DRIVER.lines, [Line { baud: 115_200 }]);
        assert!(!DRIVER.addresses.contains(&0));
    }

    #[test]
    fn settings_are_read_at_the_start_and_rarely_after() {
        let mut protocol = (DRIVER.new)(Some(1));
        let mut known = Reading::default();
        let mut asked = |known: &Reading| protocol.plan(known).iter().map(|request| request.what).collect::<Vec<_>>();
        assert_eq!(asked(&known), ["live data", "settings", "device data"]);
        assert_eq!(asked(&known), ["live data", "settings", "device data"], "nothing was heard");
        known.voltage = Some(crate::units::Volts::new(52.0));
        assert_eq!(asked(&known), ["live data", "settings", "device data"], "only live data was heard");
        known.settings.cell_ovp = Some(crate::units::Volts::new(3.65));
        known.model = Some("JK".into());
        let later: Vec<_> = (2..=RARELY).map(|_| asked(&known)).collect();
        let again = later.iter().filter(|asked| asked.contains(&"settings")).count();
        assert_eq!(again, usize::from(PATIENCE), "asked again, as long as there is patience, when nothing comes");
        assert!(later.iter().all(|asked| asked[0] == "live data" && !asked.contains(&"device data")));
    }

    #[test]
    fn settings_that_were_heard_are_left_alone_for_a_while() {
        let vector = include_str!("../../tests/vectors/jk-pb/v15.41-settings-addr3.json");
        let frame = crate::vector::Vector::parse("settings", vector).unwrap().received();
        let mut protocol = (DRIVER.new)(Some(3));
        let mut known = Reading::default();
        let mut count = 0;
        for _ in 0..2 * RARELY {
            if protocol.plan(&known).iter().any(|request| request.what == "settings") {
                count += 1;
                let _ = protocol.decode(Asked::Anything, &frame, &mut known).unwrap();
            }
            (known.voltage, known.model) = (Some(crate::units::Volts::new(52.0)), Some("JK".into()));
        }
        assert!((2..=3).contains(&count), "{count} times: once in {RARELY} polls, the second time earlier");
    }

    /// Two boards speak; each listener hears its own, and only live data completes a reading.
    #[test]
    fn a_listener_takes_only_its_board() {
        let cycle = include_str!("../../tests/vectors/jk-pb/sniff-phinix-cycle.json");
        let bytes = crate::vector::Vector::parse("cycle", cycle).unwrap().received();
        let mut heard = Vec::new();
        for address in [0, 200] {
            let mut protocol = (DRIVER.new)(Some(address));
            let listen = protocol.identify();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                rest = match protocol.framing(rest) {
                    Framing::Incomplete => &[],
                    Framing::Skip(n) => &rest[n..],
                    Framing::Frame(range) => {
                        let (frame, behind) = rest.split_at(range.end);
                        let answer = protocol.decode(Asked::Request(&listen), frame, &mut Reading::default());
                        heard.push((address, protocol.source(frame), frame[4], answer.ok()));
                        behind
                    }
                };
            }
        }
        let (done, more) = (Some(Progress::Done), Some(Progress::More));
        let of_master = [(0, Some(0), 2, done), (0, Some(0), 1, more), (0, Some(1), 2, None), (0, Some(1), 1, None)];
        let of_nobody = of_master.map(|(_, source, kind, _)| (200, source, kind, None));
        assert_eq!(heard, [of_master, of_nobody].concat());
    }
}
