//! JK PB and other JK inverter boards: 300-byte frames on RS485, 115200 8N1.
//!
//! ```text
//! trigger  AA 10 16 RR 00 01 02 00 00 crc    AA address, RR 20 live, 1E settings, 1C device: a Modbus write of one word 0
//! reply    55 AA EB 90 | type | counter | … | sum8    300 bytes; type 01 settings, 02 live, 03 device
//!          [00] AA 10 16 RR 00 01 crc [00]            the acknowledge of the write; a padding byte may stand around it
//! ```
//! Frames are little endian, Modbus numbers big endian, crc is that of Modbus with the low byte first. Live and device frames
//! contain no address: the acknowledge does, and a frame without one is not assigned to a battery. A board with DIP address 0 polls
//! the others itself and sends its own frames with the same acknowledge after them (UART protocol 015): it is only listened to.
//! Old boards send other layouts of the same frames, over Bluetooth and without acknowledge: see `layout`.
//! Passwords begin at bytes 62 and 118 of a device frame: they are never read, and overwritten in recordings. Source: the RS485
//! Modbus V1.1 document, mr-manuel's JKBMS-PB.md and the recordings in `tests/vectors/jk-pb`.

pub(crate) mod alarms;
mod bluetooth;
mod commands;
mod frames;
mod layout;
mod values;

use super::asking::{AskUntilKnown, LIMITS, NAMES, Refresh};
use super::bytes::{crc16_modbus, has_sum8, sum8};
use super::redaction::overwrite;
use super::write_sequence::WriteSequence;
use super::{
    Codec, Commands, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Redact, Request, Sharing, Sniff,
    Transport,
};
use crate::model::{Command, Reading};
pub(super) use bluetooth::OVER_BLUETOOTH;
pub(crate) use frames::trigger;
use frames::{FRAME, HEADER, KINDS, Kind, SHAPE, kind, own_address};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "jk-pb",
    label: "JK (Jikong) PB, RS485",
    boards: "JK / Jikong PB1A, PB2A and other inverter BMS (RS485 with UART protocol 001, DIP address 1 to 15; a chain with a master, DIP address 0, is listened to)",
    // At 9600 baud the port may belong to another device, and the trigger has the form of a write.
    lines: &[Line { baud: 115_200 }],
    listed_lines_only: true,
    addresses: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    // Requests less than 50 ms apart made other boards reply, too; from 100 ms on none is known to.
    gap: Duration::from_millis(100),
    // A polling master sends at least every 220 ms.
    listen: Duration::from_millis(800),
    sharing: Sharing::Any,
    evidence: Evidence::RecordingsExcept("the time until a protection is released, which two descriptions name"),
    transports: &[Transport::Serial, Transport::Bluetooth],
    new: |address| {
        let (settings, device) = Default::default();
        Box::new(JkPb { address, settings, device, refresh: Refresh::of_board(address.unwrap_or(0)), further_sensors: false })
    },
};

/// Passwords in a device frame.
const PASSWORDS: [Range<usize>; 2] = [62..78, 118..134];

/// Decoder state: the battery's address, and how often slow data was requested.
#[derive(Debug)]
struct JkPb {
    address: Option<u8>,
    /// Requests for the settings until they are first known.
    settings: AskUntilKnown,
    device: AskUntilKnown,
    /// Requests for known settings: owners change them in the app.
    refresh: Refresh,
    /// The board was seen to have more than two battery sensors.
    further_sensors: bool,
}

impl JkPb {
    /// Requests one kind of frame. Only addresses 1 to 15 are ever triggered; for others the driver listens.
    fn request(&self, wanted: Kind) -> Request {
        let asked = KINDS.iter().find(|(kind, ..)| *kind == wanted);
        match (self.address, asked) {
            (Some(address @ 1..=15), Some((kind, _, register, what, timeout))) => {
                let bytes = Cow::Owned(trigger(address, *register).to_vec());
                Request { what, bytes, timeout: *timeout, required: *kind == Kind::Live }
            }
            _ => {
                let (what, timeout) = ("what the master says unasked", Duration::from_secs(20));
                Request::only_listen(what, timeout)
            }
        }
    }
}

impl Codec for JkPb {
    fn framing(&self, buf: &[u8]) -> Framing {
        frames::framing(buf)
    }

    /// A recording may end with a frame and without an acknowledge: over Bluetooth there is none.
    fn framing_at_end(&self, buf: &[u8]) -> Framing {
        match self.framing(buf) {
            Framing::Incomplete if buf.len() == FRAME => Framing::Frame(0..FRAME),
            Framing::Incomplete => Framing::Skip(1),
            step => step,
        }
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frames::source(frame)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let Some((kind, register)) = kind(frame) else {
            return Err(DecodeError::Foreign { what: "a frame of another type" });
        };
        let source = self.source(frame);
        let listening = matches!(expected, Expected::Request(request) if request.bytes.is_empty());
        if listening && self.address.is_some() && source != self.address {
            return Err(DecodeError::Foreign { what: "another board" });
        }
        if let Expected::Request(request) = expected
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
                values::live(frame, &mut self.further_sensors, into)?;
                self.settings.heard();
                self.device.heard();
            }
            Kind::Settings => {
                values::settings(frame, into)?;
                self.settings.answered();
                self.refresh.answered();
            }
            Kind::Device => values::device(frame, into)?,
        }
        into.awaited.settings = into.settings.cell_ovp.is_none() && self.settings.is_awaited();
        Ok(if listening && kind != Kind::Live { Progress::More } else { Progress::Done })
    }

    /// With or without the acknowledge, which contains no password.
    fn valid_frame_len(&self, buf: &[u8]) -> usize {
        SHAPE.valid_len(buf)
    }
}

impl Protocol for JkPb {
    fn identify(&self) -> Request {
        let request = self.request(Kind::Live);
        // A board that is present has replied after 65 ms, and fifteen addresses are to be probed.
        let timeout = if request.bytes.is_empty() { request.timeout } else { Duration::from_millis(130) };
        Request { timeout, ..request }
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.request(Kind::Live)];
        let again = known.voltage.is_some() && self.refresh.is_due();
        // A lost reply must not leave the protections unknown for a minute.
        let due = if known.settings.cell_ovp.is_none() { self.settings.is_due(&LIMITS) } else { again };
        let device = known.device.model.is_none() && self.device.is_due(&NAMES);
        if matches!(self.address, Some(1..=15)) {
            plan.extend(due.then(|| self.request(Kind::Settings)));
            plan.extend(device.then(|| self.request(Kind::Device)));
        }
        plan
    }

    fn commands(&self) -> Option<&dyn Commands> {
        Some(self)
    }

    fn sniff(&self) -> Option<&dyn Sniff> {
        Some(self)
    }

    fn redact(&self) -> Option<&dyn Redact> {
        Some(self)
    }
}

impl Commands for JkPb {
    fn encode(&self, command: Command, _: &Reading, _: Option<u64>, _: bool) -> Option<WriteSequence> {
        let address = self.address.filter(|address| (1..=15).contains(address))?;
        commands::encode(command, address, self.request(Kind::Settings))
    }
}

impl Sniff for JkPb {
    fn request_target(&self, buf: &[u8]) -> Option<u8> {
        let [asked @ .., low, high] = buf.first_chunk::<11>()?;
        let &[address @ 1..=15, 0x10, 0x16, register, 0, 1, 2, _, _] = asked else { return None };
        let known = KINDS.iter().any(|(_, _, own, ..)| *own == register);
        (known && crc16_modbus(asked) == u16::from_le_bytes([*low, *high])).then_some(address)
    }
}

impl Redact for JkPb {
    fn redact(&self, buf: &mut [u8]) -> bool {
        if !buf.starts_with(&HEADER) {
            return false;
        }
        let sound = buf.len() == FRAME && has_sum8(buf);
        // In a damaged frame the type itself may be damaged.
        if !sound || !matches!(kind(buf), Some((Kind::Settings | Kind::Live, _))) {
            PASSWORDS.into_iter().for_each(|place| overwrite(up_to(buf, place), sound));
        }
        if sound && let Some((sum, summed)) = buf.split_last_mut() {
            *sum = sum8(summed);
        }
        true
    }
}

/// The available part of a field.
fn up_to(buf: &mut [u8], place: Range<usize>) -> &mut [u8] {
    let end = place.end.min(buf.len());
    buf.get_mut(place.start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All requests of the driver: for every address, over more than two rounds of polls, with and without replies.
    fn all_requests() -> impl Iterator<Item = (Option<u8>, Request)> {
        let known = Reading { voltage: Some(crate::base::units::Volts::new(52.0)), ..Reading::default() };
        (0..=255u8).map(Some).chain([None]).flat_map(move |address| {
            let mut protocol = (DRIVER.new)(address);
            let mut all = vec![protocol.identify()];
            for _ in 0..=2 * Refresh::READINGS {
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
        known.voltage = Some(crate::base::units::Volts::new(52.0));
        assert_eq!(asked(&known), ["live data", "settings", "device data"], "only live data was heard");
        known.settings.cell_ovp = Some(crate::base::units::Volts::new(3.65));
        known.device.model = Some("JK".into());
        let later: Vec<_> = (2..=Refresh::READINGS).map(|_| asked(&known)).collect();
        let again = later.iter().filter(|asked| asked.contains(&"settings")).count();
        assert_eq!(again, usize::from(Refresh::TRIES), "asked again, as long as there is patience, when nothing comes");
        assert!(later.iter().all(|asked| asked[0] == "live data" && !asked.contains(&"device data")));
    }

    /// However many settings frames are lost, the next reading requests them and is marked as awaiting them.
    #[test]
    fn settings_are_asked_for_until_they_are_known() {
        let recorded = [
            include_str!("../../../tests/vectors/jk-pb/v15.41-status-addr3.json"),
            include_str!("../../../tests/vectors/jk-pb/v15.41-settings-addr3.json"),
        ];
        let [live, settings] = recorded.map(|text| crate::recording::file::Recording::parse("frame", text).unwrap().received());
        let (mut protocol, mut known) = ((DRIVER.new)(Some(3)), Reading::default());
        for lost in 0..30 {
            let asked = protocol.plan(&known).iter().any(|request| request.what == "settings");
            assert!(asked, "after {lost} lost frames");
            known = known.next_poll();
            let _ = protocol.decode(Expected::Any, &live, &mut known).unwrap();
            assert!(known.awaited.settings, "after {lost} lost frames");
        }
        let _ = protocol.decode(Expected::Any, &settings, &mut known).unwrap();
        assert!(!known.awaited.settings && known.settings.cell_ovp.is_some());
        known = known.next_poll();
        let _ = protocol.decode(Expected::Any, &live, &mut known).unwrap();
        assert!(!known.awaited.settings, "they are known now");
    }

    /// A value seen beside a warm sensor is a temperature even at 0.0 °C; on a board with two sensors it is not.
    #[test]
    fn a_sensor_at_the_freezing_point_stays_one() {
        let text = include_str!("../../../tests/vectors/jk-pb/v15.41-status-addr3.json");
        let warm = crate::recording::file::Recording::parse("frame", text).unwrap().received();
        let mut cold = warm.clone();
        cold[256..260].fill(0);
        let sensors = |protocol: &mut dyn Protocol, frame: &[u8]| {
            let mut reading = Reading::default();
            let _ = protocol.decode(Expected::Any, frame, &mut reading).unwrap();
            reading.temperatures.sensors.unwrap().iter().map(|celsius| celsius.get()).collect::<Vec<_>>()
        };
        let mut protocol = (DRIVER.new)(Some(3));
        assert_eq!(sensors(protocol.as_mut(), &cold), [19.5, 19.8]);
        assert_eq!(sensors(protocol.as_mut(), &warm), [19.5, 19.8, 19.4, 19.9]);
        assert_eq!(sensors(protocol.as_mut(), &cold), [19.5, 19.8, 0.0, 0.0]);
    }

    #[test]
    fn settings_that_were_heard_are_left_alone_for_a_while() {
        let vector = include_str!("../../../tests/vectors/jk-pb/v15.41-settings-addr3.json");
        let frame = crate::recording::file::Recording::parse("settings", vector).unwrap().received();
        let mut protocol = (DRIVER.new)(Some(3));
        let mut known = Reading::default();
        let mut count = 0;
        for _ in 0..2 * Refresh::READINGS {
            if protocol.plan(&known).iter().any(|request| request.what == "settings") {
                count += 1;
                let _ = protocol.decode(Expected::Any, &frame, &mut known).unwrap();
            }
            (known.voltage, known.device.model) = (Some(crate::base::units::Volts::new(52.0)), Some("JK".into()));
        }
        assert!((2..=3).contains(&count), "{count} times: once in {} polls, the second time earlier", Refresh::READINGS);
    }

    /// With two boards on the line, each listener receives its own, and only live data completes a reading.
    #[test]
    fn a_listener_takes_only_its_board() {
        let cycle = include_str!("../../../tests/vectors/jk-pb/sniff-phinix-cycle.json");
        let bytes = crate::recording::file::Recording::parse("cycle", cycle).unwrap().received();
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
                        let answer = protocol.decode(Expected::Request(&listen), frame, &mut Reading::default());
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
