//! Finds requests in the received bytes and limits how often they are answered.

use super::Protocol;
use crate::base::units::Moment;
use crate::bms::Framing;
use crate::output::can::InverterData;
use std::time::Duration;

/// Bytes that are kept at most: more than the longest request.
const MAX_PENDING: usize = 256;
/// A pause after which the start of a request is out of date.
const STALE_AFTER: Duration = Duration::from_millis(500);
/// Replies in a row, and replies per second afterwards. Inverters ask up to four times a second; more is a fault on the line.
const BURST: f64 = 20.0;
const PER_SECOND: f64 = 10.0;

/// State of the line.
#[derive(Debug)]
pub struct Responder {
    protocol: &'static Protocol,
    address: u8,
    pending: Vec<u8>,
    /// Our own reply, which some adapters hear, and how much of it was heard.
    echo: Vec<u8>,
    echoed: usize,
    heard_at: Moment,
    tokens: f64,
    refilled_at: Moment,
    /// Requests that were not answered because there were too many.
    refused: u64,
    /// What the last request that had a reply asked for.
    asked: String,
    /// When the next message is sent unasked.
    say_at: Moment,
    /// The inverter has taken or refused a message.
    taken: Option<bool>,
}

impl Responder {
    /// A quiet line.
    pub fn new(protocol: &'static Protocol, address: Option<u8>, now: Moment) -> Self {
        Self {
            protocol,
            address: address.unwrap_or(protocol.address),
            pending: Vec::new(),
            echo: Vec::new(),
            echoed: 0,
            heard_at: now,
            tokens: BURST,
            refilled_at: now,
            refused: 0,
            asked: String::new(),
            say_at: now,
            taken: None,
        }
    }

    /// Requests that were not answered because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What the last request that had a reply asked for, such as `63`; empty before the first one.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// Takes received bytes. Returns the reply to the last request, because nobody waits for those before it any more; without `data`
    /// there is none.
    pub fn receive(&mut self, bytes: &[u8], now: Moment, data: Option<&InverterData>) -> Option<Vec<u8>> {
        if now.since(self.heard_at) >= STALE_AFTER {
            self.pending.clear();
            self.forget_echo();
        }
        self.heard_at = now;
        let own = self.own(bytes);
        self.pending.extend(bytes.iter().skip(own));
        self.drop_first(self.pending.len().saturating_sub(MAX_PENDING));
        let request = self.last_request()?;
        if let Some(says) = self.protocol.says {
            self.taken = Some((says.is_taken)(&request));
            return None;
        }
        let reply = (self.protocol.answer)(&request, self.address, data?)?;
        if !self.take_token(now) {
            self.refused = self.refused.saturating_add(1);
            return None;
        }
        self.asked = (self.protocol.asks)(&request);
        self.echo.clone_from(&reply);
        self.echoed = 0;
        Some(reply)
    }

    /// The message that is sent unasked, if it is time; without `data` there is none.
    pub fn message(&mut self, now: Moment, data: Option<&InverterData>) -> Option<Vec<u8>> {
        let says = self.protocol.says.filter(|_| now >= self.say_at)?;
        self.say_at = now.after(says.every);
        let message = (says.message)(data?)?;
        self.echo.clone_from(&message);
        self.echoed = 0;
        Some(message)
    }

    /// Whether the inverter has taken a message since the last call, or refused it; `None` = it has said nothing.
    pub fn taken(&mut self) -> Option<bool> {
        self.taken.take()
    }

    /// Number of bytes that are our own reply. What only begins like it is a request after all.
    fn own(&mut self, bytes: &[u8]) -> usize {
        let expected = self.echo.get(self.echoed..).unwrap_or_default();
        let same = expected.iter().zip(bytes).take_while(|(ours, heard)| ours == heard).count();
        if same == expected.len() {
            self.forget_echo();
            return same;
        }
        if same == bytes.len() {
            self.echoed = self.echoed.saturating_add(same);
            return same;
        }
        self.pending.extend(self.echo.iter().take(self.echoed));
        self.forget_echo();
        0
    }

    fn forget_echo(&mut self) {
        self.echo.clear();
        self.echoed = 0;
    }

    fn last_request(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        loop {
            match (self.protocol.framing)(&self.pending) {
                Framing::Incomplete => return last,
                Framing::Skip(count) => self.drop_first(count.max(1)),
                Framing::Frame(range) => {
                    let end = range.end;
                    last = self.pending.get(range).map(<[u8]>::to_vec);
                    self.drop_first(end.max(1));
                }
            }
        }
    }

    fn drop_first(&mut self, count: usize) {
        self.pending = self.pending.iter().skip(count).copied().collect();
    }

    fn take_token(&mut self, now: Moment) -> bool {
        let gained = now.since(self.refilled_at).as_secs_f64() * PER_SECOND;
        self.tokens = (self.tokens + gained).min(BURST);
        self.refilled_at = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}
