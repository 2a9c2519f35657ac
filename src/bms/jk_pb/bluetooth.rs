//! JK boards on Bluetooth: the frames of RS485 without an acknowledge, sent unasked about twice a second after one request.
//!
//! ```text
//! request  AA 55 90 EB cmd len value[13] sum8    20 bytes; cmd 97 device data, 96 the settings once, and live data from then on
//! reply    55 AA EB 90 | type | … | sum8         a frame, 300 bytes
//! between  AA 55 90 EB C8 01 01 … sum8           20 bytes that acknowledge a request; AT\r\n of the module. Both are passed over
//! ```
//! Both requests only read. Sources: syssi/esphome-jk-bms (`components/jk_bms_ble`), patman15/aiobmsble (`jikong_bms.py`), and the
//! recordings `tests/vectors/jk-pb/ble-*`.

use super::frames::{Kind, SHAPE, kind};
use super::{DRIVER, JkPb};
use crate::bms::asking::{AskUntilKnown, LIMITS, NAMES, Refresh};
use crate::bms::bytes::sum8;
use crate::bms::{Codec, DecodeError, Driver, Expected, Framing, Line, Progress, Protocol, Redact, Request, Sharing, Transport};
use crate::model::Reading;
use std::borrow::Cow;
use std::time::Duration;

/// The driver on this transport.
pub(in crate::bms) const OVER_BLUETOOTH: Driver = Driver {
    label: "JK (Jikong), Bluetooth",
    lines: &[Line { baud: 115_200 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    transports: &[Transport::Bluetooth],
    new: |_| Box::new(JkBluetooth::new()),
    ..DRIVER
};

const DEVICE: u8 = 0x97;
const START: u8 = 0x96;

/// Live data comes about twice a second.
const LISTEN: Request = Request::only_listen("live data", Duration::from_secs(2));

fn request(what: &'static str, command: u8) -> Request {
    let mut bytes = vec![0xAA, 0x55, 0x90, 0xEB, command];
    bytes.resize(19, 0);
    bytes.push(sum8(&bytes));
    Request { what, bytes: Cow::Owned(bytes), timeout: Duration::from_secs(1), required: false }
}

/// Decoder state: that of the frames, and whether the board sends by itself.
#[derive(Debug)]
struct JkBluetooth {
    frames: JkPb,
    /// Live data came since the last plan.
    streaming: bool,
}

impl JkBluetooth {
    fn new() -> Self {
        let (settings, device) = (AskUntilKnown::default(), AskUntilKnown::default());
        let frames = JkPb { address: None, settings, device, refresh: Refresh::default(), further_sensors: false };
        Self { frames, streaming: false }
    }
}

impl Codec for JkBluetooth {
    fn framing(&self, buf: &[u8]) -> Framing {
        SHAPE.framing(buf)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let kind = kind(frame).map(|(kind, _)| kind);
        let wanted = match expected {
            Expected::Any => kind,
            Expected::Request(request) => match request.bytes.get(4) {
                Some(&DEVICE) => Some(Kind::Device),
                Some(_) => Some(Kind::Settings),
                None => Some(Kind::Live),
            },
        };
        // Other frames come in between. Live data would make two answers with the same static data differ.
        if kind == Some(Kind::Live) && kind != wanted {
            return Ok(Progress::More);
        }
        self.frames.decode(Expected::Any, frame, into)?;
        self.streaming |= kind == Some(Kind::Live);
        Ok(if kind == wanted { Progress::Done } else { Progress::More })
    }

    fn reset(&mut self) {
        self.frames.reset();
    }
}

impl Protocol for JkBluetooth {
    fn identify(&self) -> Request {
        request("device data", DEVICE)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = Vec::new();
        if known.device.model.is_none() && self.frames.device.is_due(&NAMES) {
            plan.push(request("device data", DEVICE));
        }
        let again = known.voltage.is_some() && self.frames.refresh.is_due();
        let due = if known.settings.cell_ovp.is_none() { self.frames.settings.is_due(&LIMITS) } else { again };
        if due || !std::mem::take(&mut self.streaming) {
            plan.push(request("settings", START));
        }
        plan.push(LISTEN);
        plan
    }

    fn redact(&self) -> Option<&dyn Redact> {
        Some(&self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::file::Recording;

    fn asked(protocol: &mut dyn Protocol, known: &Reading) -> Vec<u8> {
        protocol.plan(known).iter().map(|request| request.bytes.get(4).copied().unwrap_or(0)).collect()
    }

    #[test]
    fn the_requests_are_those_of_the_sources() {
        let hex = |request: Request| crate::base::hex::encode(&request.bytes);
        assert_eq!(hex(request("", DEVICE)), "aa5590eb97000000000000000000000000000011");
        assert_eq!(hex(request("", START)), "aa5590eb96000000000000000000000000000010");
    }

    #[test]
    fn a_board_that_sends_is_only_listened_to_and_one_that_stopped_is_asked_again() {
        let text = include_str!("../../../tests/vectors/jk-pb/ble-16s-v15.json");
        let live = Recording::parse("live", text).unwrap().received();
        let start = live.windows(4).position(|bytes| bytes == super::super::HEADER).unwrap();
        let frame = &live[start..start + super::super::FRAME];
        let mut protocol = (OVER_BLUETOOTH.new)(None);
        let mut known = Reading::default();
        assert_eq!(asked(protocol.as_mut(), &known), [0x97, 0x96, 0]);
        assert_eq!(protocol.framing(frame), Framing::Frame(0..super::super::FRAME), "without an acknowledge");
        assert_eq!(protocol.decode(Expected::Request(&request("", DEVICE)), frame, &mut known), Ok(Progress::More));
        assert_eq!(protocol.decode(Expected::Request(&LISTEN), frame, &mut known), Ok(Progress::Done));
        known.settings.cell_ovp = Some(crate::base::units::Volts::new(3.65));
        known.device.model = Some("JK".into());
        assert_eq!(asked(protocol.as_mut(), &known), [0]);
        assert_eq!(asked(protocol.as_mut(), &known), [0x96, 0], "nothing came");
    }
}
