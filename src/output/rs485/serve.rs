//! The I/O half: opens the port, and answers the inverter until the battery's snapshots end. Runs in a thread of its own.

use super::{Config, Responder, Status, owner};
use crate::base::runtime::{now, wait_briefly};
use crate::base::units::Moment;
use crate::bms::Line;
use crate::link::serial::Serial;
use crate::link::{Port, PortOptions};
use crate::model::Snapshot;
use crate::output::can;
use crate::output::can::feed::{Feed, is_sendable};
use crate::output::can::{AlarmPolicy, InverterData, Transmission};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait for bytes: snapshots that end are noticed after it.
const WAIT: Duration = Duration::from_millis(100);
/// Pause before a port is opened again.
const REOPEN_PAUSE: Duration = Duration::from_secs(2);
/// An inverter that does not ask for this time is absent.
const MISSING_AFTER: Duration = Duration::from_secs(30);

/// Answers the inverter on the port of `config` until the sender of `snapshots` is dropped. `content` says what it is told,
/// `batteries` are the ports on which batteries are read. Waits out faults of the port. `status` receives its state.
pub fn serve(
    config: &Config,
    content: can::Config,
    batteries: &[String],
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    status: watch::Sender<Status>,
) {
    let Some(name) = config.port.clone() else { return };
    let start = now().at;
    let mut feed = Feed::new(content);
    feed.observe(&snapshots.borrow_and_update().clone(), start);
    let mut slave = Slave {
        name,
        config,
        batteries,
        port: None,
        open_at: start,
        responder: Responder::new(config.protocol, config.address, start),
        asked_at: start,
        refused: 0,
        has_refused: false,
        now: Status::default(),
        status,
    };
    while let Ok(changed) = snapshots.has_changed() {
        if changed {
            feed.observe(&snapshots.borrow_and_update().clone(), now().at);
        }
        if slave.open() {
            let snapshot = snapshots.borrow().clone();
            slave.turn(&feed, &snapshot);
        } else {
            wait_briefly();
        }
        slave.tell_status();
    }
    log::info!("{}: no more replies to the inverter; its own timeout applies", slave.name);
}

/// State of the output.
struct Slave<'a> {
    name: String,
    config: &'a Config,
    batteries: &'a [String],
    port: Option<Serial>,
    open_at: Moment,
    responder: Responder,
    asked_at: Moment,
    refused: u64,
    /// The inverter refuses what is sent unasked.
    has_refused: bool,
    now: Status,
    status: watch::Sender<Status>,
}

impl Slave<'_> {
    /// Opens the port if it is time; true if it is open.
    fn open(&mut self) -> bool {
        if self.port.is_some() {
            return true;
        }
        if now().at < self.open_at {
            return false;
        }
        self.open_at = now().at.after(REOPEN_PAUSE);
        // Each time: a port can be given to serial-starter, or plugged in as a battery's, later.
        if let Some(why) = owner(&self.name, self.batteries) {
            self.failed(&why);
            return false;
        }
        let line = Line { baud: self.config.baud.unwrap_or(self.config.protocol.baud) };
        let options = PortOptions { line, rs485: self.config.kernel_direction, ..PortOptions::default() };
        match Serial::open(&self.name, &options) {
            Ok(port) => {
                if self.now.fault.take().is_some() {
                    log::info!("{}: works again", self.name);
                }
                (self.port, self.asked_at) = (Some(port), now().at);
                true
            }
            Err(error) => {
                self.failed(&error.to_string());
                false
            }
        }
    }

    fn failed(&mut self, why: &str) {
        if self.now.fault.as_deref() != Some(why) {
            log::warn!("RS485 output to the inverter: {why}; retrying until it works");
            self.now.fault = Some(why.to_owned());
        }
    }

    fn tell_status(&mut self) {
        self.now.up = self.port.is_some();
        self.status.send_if_modified(|status| {
            let changed = *status != self.now;
            if changed {
                status.clone_from(&self.now);
            }
            changed
        });
    }

    /// Waits for bytes and answers them.
    fn turn(&mut self, feed: &Feed, snapshot: &Snapshot) {
        let mut buf = [0; 256];
        let Some(port) = &mut self.port else { return };
        let received = port.receive(&mut buf, WAIT);
        let now = now().at;
        let data = self.data(feed, snapshot, now);
        let outcome = received.and_then(|count| {
            let bytes = buf.get(..count).unwrap_or_default();
            if bytes.is_empty() { Ok(()) } else { self.reply(bytes, data.as_ref(), now) }
        });
        let outcome = outcome.and_then(|()| self.say(data.as_ref(), now));
        if let Err(error) = outcome {
            self.port = None;
            self.open_at = now.after(REOPEN_PAUSE);
            self.failed(&format!("{}: {error}; check the adapter", self.name));
        }
        self.watch(now);
    }

    /// Sends what is sent unasked, if it is time.
    fn say(&mut self, data: Option<&InverterData>, now: Moment) -> io::Result<()> {
        match (self.responder.message(now, data), &mut self.port) {
            (Some(message), Some(port)) => port.send(&message),
            _ => Ok(()),
        }
    }

    fn reply(&mut self, bytes: &[u8], data: Option<&InverterData>, now: Moment) -> io::Result<()> {
        let reply = self.responder.receive(bytes, now, data);
        if let Some(taken) = self.responder.taken() {
            self.acknowledged(taken, now);
        }
        let Some(reply) = reply else { return Ok(()) };
        self.asked_at = now;
        self.now.asked(self.responder.asked().to_owned(), now);
        if self.now.heartbeat != Some(true) {
            self.now.heartbeat = Some(true);
            log::info!("{}: the inverter asks for the battery's data", self.name);
        }
        // The inverter has to release the line first.
        wait_briefly();
        match &mut self.port {
            Some(port) => port.send(&reply),
            None => Ok(()),
        }
    }

    /// The inverter has taken or refused what was sent unasked.
    fn acknowledged(&mut self, taken: bool, now: Moment) {
        if !taken {
            if !self.has_refused {
                self.has_refused = true;
                log::warn!("{}: the inverter refuses the battery's data. Check `rs485.protocol` and its battery type", self.name);
            }
            return;
        }
        self.has_refused = false;
        self.asked_at = now;
        self.now.asked((self.config.protocol.asks)(&[]), now);
        if self.now.heartbeat != Some(true) {
            self.now.heartbeat = Some(true);
            log::info!("{}: the inverter takes the battery's data", self.name);
        }
    }

    /// The data at its age; `None` = no reply.
    fn data(&mut self, feed: &Feed, snapshot: &Snapshot, now: Moment) -> Option<InverterData> {
        let transmission = feed.transmission(snapshot, now);
        if transmission != self.now.transmission {
            let name = &self.name;
            match transmission {
                Transmission::Full => log::info!("{name}: answering with battery data again"),
                Transmission::ZeroLimits => {
                    log::warn!("{name}: no data from the BMS; telling the inverter not to charge or discharge. Check cable and BMS")
                }
                Transmission::Silent => log::error!(
                    "{name}: still no data from the BMS; no more replies, so that the inverter shuts down by its own timeout. Check cable and BMS"
                ),
            }
            self.now.transmission = transmission;
        }
        let data = feed.data(snapshot, transmission).filter(is_sendable)?;
        Some(match feed.config.alarms {
            AlarmPolicy::Alarms => data,
            AlarmPolicy::Warnings => data.with_warnings_only(),
        })
    }

    /// Logs an inverter that does not ask, or asks too often, once.
    fn watch(&mut self, now: Moment) {
        let refused = self.responder.refused();
        if self.refused == 0 && refused > 0 {
            log::warn!(
                "{}: more requests than an inverter sends; some are not answered. Is another device on the line?",
                self.name
            );
        }
        self.refused = refused;
        // Without replies nothing is to be learnt from silence.
        if self.now.transmission != Transmission::Full {
            self.asked_at = now;
        }
        if self.port.is_some() && self.now.heartbeat != Some(false) && now.since(self.asked_at) >= MISSING_AFTER {
            self.now.heartbeat = Some(false);
            log::warn!(
                "{}: {} for 30 s. Check the wires, the battery type set in the inverter, `rs485.protocol` and `rs485.baud`",
                self.name,
                if self.config.protocol.says.is_some() { "no answer of an inverter" } else { "no request from an inverter" }
            );
        }
    }
}
