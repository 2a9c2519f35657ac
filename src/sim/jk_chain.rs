//! A chain of simulated JK PB boards on RS485-2: the board at address 0 is the master (UART protocol 015). It sends its own values,
//! then requests live data from every address from 1 to 15 and, if there is a reply, settings.
//!
//! ```text
//! master   live 00-record, settings 00-record, then for AA = 1..15: AA 10 16 20 … answer, AA 10 16 1E … answer | 220 ms of nothing
//! ```
//! A cycle takes 4.4 s or more. Requests of another sender are answered between two transmissions of the master and lost during
//! one.

use super::jk_pb::{JkPb, own_frames};
use super::random::Random;
use super::{Reply, Responder, Unit};
use crate::bms::bytes::crc16_modbus;
use crate::bms::{Line, jk_pb};
use crate::model::AlarmName;
use std::time::Duration;

/// Minimum time from one cycle to the next.
const CHAIN_CYCLE: Duration = Duration::from_millis(4400);
/// Time that the master waits for an absent board.
const ABSENT_BOARD_TIMEOUT: Duration = Duration::from_millis(220);
/// Time from the end of a request to the start of its reply.
const ANSWER_LATENCY: Duration = Duration::from_millis(38);
/// Time from the end of a reply to the next transmission of the master.
const PAUSE_AFTER_ANSWER: Duration = Duration::from_millis(20);

/// Length of the acknowledge after a frame.
const RECORD: usize = 8;

const LIVE_DATA: u8 = 0x20;
const SETTINGS: u8 = 0x1E;

/// Faults between boards, in percent of the replies.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Collisions {
    /// Another board replies at the same time.
    pub overlap_pct: f64,
    /// The acknowledge after a frame is lost.
    pub no_record_pct: f64,
    /// The acknowledge is that of another board: everything in between was lost.
    pub wrong_record_pct: f64,
}

/// The chain, and the position of its master in the cycle.
pub struct JkChain {
    boards: JkPb,
    collisions: Collisions,
    random: Random,
    /// The next transmission: an address and the register to request.
    next: (u8, u8),
    next_at: Duration,
    cycle_began: Duration,
    /// The line is busy until then.
    busy_until: Duration,
    now: Duration,
    /// Number of requests received while the line was busy.
    pub collided: usize,
}

impl Default for JkChain {
    fn default() -> Self {
        Self::new(Collisions::default(), 0)
    }
}

impl JkChain {
    /// A chain with these `collisions` at times chosen by `seed`.
    pub fn new(collisions: Collisions, seed: u64) -> Self {
        Self {
            boards: JkPb::new(false),
            collisions,
            random: Random::new(seed),
            next: (0, LIVE_DATA),
            next_at: Duration::ZERO,
            cycle_began: Duration::ZERO,
            busy_until: Duration::ZERO,
            now: Duration::ZERO,
            collided: 0,
        }
    }

    fn time_of(&self, bytes: usize) -> Duration {
        self.line().time_of(bytes)
    }

    fn length_of(&self, replies: &[Reply]) -> Duration {
        replies.iter().map(|reply| reply.after.saturating_add(self.time_of(reply.bytes.len()))).sum()
    }

    /// Schedules the next transmission after this one, which ends at `end`; `heard`: a board has replied.
    fn go_on(&mut self, heard: bool, end: Duration) {
        let (address, register) = self.next;
        self.next = match (address, register) {
            (_, LIVE_DATA) if heard => (address, SETTINGS),
            (15, _) => (0, LIVE_DATA),
            _ => (address.saturating_add(1), LIVE_DATA),
        };
        (self.busy_until, self.next_at) = (end, end.saturating_add(PAUSE_AFTER_ANSWER));
        if self.next == (0, LIVE_DATA) {
            self.cycle_began = self.next_at.max(self.cycle_began.saturating_add(CHAIN_CYCLE));
            self.next_at = self.cycle_began;
        }
    }

    /// A reply with its possible faults.
    fn collide(&mut self, answer: Vec<u8>, address: u8, register: u8, units: &[Unit]) -> Vec<Reply> {
        let whole = |bytes| Reply { after: Duration::ZERO, bytes };
        let others: Vec<&Unit> = units.iter().filter(|unit| unit.address != address).collect();
        let other = others.get(self.random.below(others.len()));
        let frame = answer.get(..answer.len().saturating_sub(RECORD)).unwrap_or_default().to_vec();
        let Collisions { overlap_pct, no_record_pct, wrong_record_pct } = self.collisions;
        match other {
            Some(other) if self.random.chance(overlap_pct) => {
                vec![whole(overlap(&answer, &own_frames(other, register), self.random.below(40)))]
            }
            _ if self.random.chance(no_record_pct) => vec![whole(frame)],
            Some(other) if self.random.chance(wrong_record_pct) => {
                // After the other board's request, response time and frame at the earliest; all of that was lost.
                let after = ANSWER_LATENCY.saturating_add(self.time_of(frame.len()));
                vec![whole(frame), Reply { after, bytes: record(other.address, register) }]
            }
            _ => vec![whole(answer)],
        }
    }
}

impl Responder for JkChain {
    fn line(&self) -> Line {
        self.boards.line()
    }

    fn addressed(&self) -> bool {
        true
    }

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        self.boards.shown_as(alarm)
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        // Without time there are no simultaneous transmissions.
        if !self.now.is_zero() && self.now < self.busy_until {
            self.collided = self.collided.saturating_add(1);
            return Vec::new();
        }
        let replies = self.boards.answer(input, units);
        let length = replies.iter().map(|reply| reply.bytes.len()).sum::<usize>();
        if length > 0 {
            self.busy_until =
                self.now.saturating_add(ANSWER_LATENCY).saturating_add(self.time_of(length.saturating_add(input.len())));
        }
        replies
    }

    fn quiet(&mut self) {
        self.boards.quiet();
    }

    fn writes(&self) -> usize {
        self.boards.writes()
    }

    fn unsolicited(&mut self, now: Duration, units: &mut [Unit]) -> Vec<Reply> {
        self.now = now;
        if now < self.next_at {
            return Vec::new();
        }
        if !units.iter().any(|unit| unit.answers_to(0)) {
            // A master that is switched on again restarts its cycle.
            self.next = (0, LIVE_DATA);
            self.next_at = now.saturating_add(ABSENT_BOARD_TIMEOUT);
            return Vec::new();
        }
        let (address, register) = self.next;
        let unit = units.iter().find(|unit| unit.answers_to(address));
        let answer = unit.map(|unit| own_frames(unit, register));
        if address == 0 {
            let replies = self.collide(answer.unwrap_or_default(), 0, register, units);
            let end = now.saturating_add(self.length_of(&replies));
            self.go_on(true, end);
            return replies;
        }
        let mut replies = vec![Reply { after: Duration::ZERO, bytes: jk_pb::trigger(address, register).to_vec() }];
        let asked = now.saturating_add(self.time_of(11));
        match answer {
            Some(bytes) => {
                let mut answer = self.collide(bytes, address, register, units);
                if let Some(first) = answer.first_mut() {
                    first.after = ANSWER_LATENCY;
                }
                let end = asked.saturating_add(self.length_of(&answer));
                replies.append(&mut answer);
                self.go_on(true, end);
            }
            None => {
                self.go_on(false, asked);
                self.next_at = self.next_at.max(asked.saturating_add(ABSENT_BOARD_TIMEOUT));
            }
        }
        replies
    }

    fn next_unsolicited_at(&self) -> Option<Duration> {
        Some(self.next_at)
    }
}

/// `AA 10 16 RR 00 01 crc`.
fn record(address: u8, register: u8) -> Vec<u8> {
    let mut record = vec![address, 0x10, 0x16, register, 0, 1];
    record.extend(crc16_modbus(&record).to_le_bytes());
    record
}

/// Two senders on one pair of wires: a 0 of one dominates a 1 of the other.
fn overlap(first: &[u8], second: &[u8], later: usize) -> Vec<u8> {
    let end = first.len().max(second.len().saturating_add(later));
    let at = |bytes: &[u8], place: Option<usize>| place.and_then(|place| bytes.get(place)).copied().unwrap_or(0xFF);
    (0..end).map(|place| at(first, Some(place)) & at(second, place.checked_sub(later))).collect()
}
