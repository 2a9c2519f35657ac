//! The commands of one battery: who may give them, what is under way, and what is remembered of them.

use super::poller::PortOrder;
use crate::battery::{Battery, Now};
use crate::commands::{Abilities, Gate, Order, Override, Remembered, Wish};
use crate::model::{Command, GxSetting, Mode, Outcome, Owner, Reading, Snapshot, Switch, Wait};
use crate::state::StateFile;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

/// So many readings in a row that show a switch on prove that somebody else has put it on again.
const RELEASED: u8 = 5;

/// A command that the port has in hand.
#[derive(Debug)]
struct UnderWay {
    command: Command,
    order: Order,
}

/// What stands between those who give commands and the port.
pub(super) struct Commander {
    label: String,
    enabled: bool,
    /// What this BMS can be told.
    pub(super) able: Abilities,
    port: mpsc::Sender<PortOrder>,
    /// The battery's place among those of its port.
    number: usize,
    gate: Gate,
    file: StateFile,
    kept: Remembered,
    under_way: Option<UnderWay>,
    /// Readings that showed a switch on which is remembered as off, in the order of [`Switch::ALL`].
    shown_on: [u8; 3],
    owner: Arc<Owner>,
}

/// Where a battery is: its port as the owner names it, its place there, its address.
pub(super) struct Place<'a> {
    pub(super) port: &'a str,
    pub(super) number: usize,
    pub(super) address: Option<u8>,
}

impl Commander {
    /// Goes on with what was remembered, and lets the port put right what a command that was broken off may have left.
    pub(super) fn new(
        label: &str,
        enabled: bool,
        able: Abilities,
        port: mpsc::Sender<PortOrder>,
        place: &Place<'_>,
        file: (&Path, &str),
        now: Now,
    ) -> Self {
        let mut file = Remembered::file(file.0, file.1);
        let mut kept = Remembered::load(&mut file).unwrap_or_else(|error| {
            log::warn!("{error}");
            Remembered::default()
        });
        kept.overrides.resume(now);
        (kept.port, kept.address) = (place.port.to_owned(), place.address);
        let mut commander = Self {
            label: label.to_owned(),
            enabled,
            able,
            port,
            number: place.number,
            gate: Gate::default(),
            file,
            kept,
            under_way: None,
            shown_on: [0; 3],
            owner: Arc::default(),
        };
        commander.describe();
        for text in commander.owner.off_text.iter().chain(&commander.owner.overrides) {
            log::warn!("{label}: still in force: {text}; release it with `dbus-bms set` or `dbus-bms override clear`");
        }
        if commander.kept.under_way {
            log::warn!("{label}: a command was broken off the last time; the BMS is put right");
            let order = PortOrder { number: place.number, command: None, at: now.at, unix: now.unix };
            // The port outlives its batteries.
            let _ = commander.port.send(order);
        }
        commander
    }

    /// Whether commands are to be offered at all.
    pub(super) fn offers(&self) -> Abilities {
        if self.enabled { self.able } else { Abilities::default() }
    }

    /// Takes in what somebody wants; the answer may come later.
    pub(super) fn order(&mut self, order: Order, battery: &mut Battery, now: Now) {
        log::info!("{}: {} asked for by {}", self.label, order.wish, order.by);
        let outcome = match order.wish {
            _ if !self.enabled => Outcome::Off,
            Wish::Override(wanted) => self.set_override(wanted, &order.by, battery, now),
            Wish::Command(_) if self.under_way.is_some() => Outcome::Busy,
            Wish::Command(command) => match self.gate.admit(self.kept.releases(command), now.at) {
                Ok(()) => return self.begin(command, order, now),
                Err(wait) => Outcome::TooOften { wait: Wait::at_least(wait) },
            },
        };
        self.answer(order, outcome);
    }

    fn begin(&mut self, command: Command, order: Order, now: Now) {
        // On disk before the first byte goes out: whoever starts next knows that something may have been left or switched off.
        self.kept.begin(command, &order.by, now.unix);
        self.save(now);
        let sent = self.port.send(PortOrder { number: self.number, command: Some(command), at: now.at, unix: now.unix });
        self.under_way = Some(UnderWay { command, order });
        if sent.is_err() {
            self.obeyed(Outcome::Unreachable, now);
        }
    }

    /// The port says what became of it.
    pub(super) fn obeyed(&mut self, outcome: Outcome, now: Now) {
        self.kept.under_way = false;
        self.shown_on = [0; 3];
        let under_way = self.under_way.take();
        if let Some(UnderWay { command, order }) = &under_way {
            self.kept.end(*command, outcome, &order.by, now.unix);
        }
        // Whoever has an answer can count on it being remembered.
        self.save(now);
        if let Some(UnderWay { order, .. }) = under_way {
            self.answer(order, outcome);
        }
    }

    /// What was left is put right.
    pub(super) fn tidied(&mut self, now: Now) {
        if self.under_way.is_none() {
            self.kept.under_way = false;
            self.save(now);
        }
    }

    /// The port has failed: what was under way may or may not have been done.
    pub(super) fn broken_off(&mut self, now: Now) {
        if let Some(UnderWay { order, .. }) = self.under_way.take() {
            self.kept.doubt();
            self.answer(order, Outcome::Unreachable);
            // `under_way` stays on disk, and the port is asked to put things right as soon as it is back.
            let _ = self.port.send(PortOrder { number: self.number, command: None, at: now.at, unix: now.unix });
            self.save(now);
        }
    }

    fn set_override(&mut self, wanted: Override, by: &str, battery: &mut Battery, now: Now) -> Outcome {
        self.kept.overrides.set(wanted, by, now);
        if wanted == Override::ChargeTo100 {
            battery.charge_up();
        }
        self.save(now);
        Outcome::InForce
    }

    /// Applies the overrides that are in force to a battery that is about to decide.
    pub(super) fn apply(&mut self, battery: &mut Battery, now: Now) {
        if self.kept.overrides.expire(now) {
            self.report_overrides();
            self.save(now);
        }
        battery.set_owner_limits(self.kept.overrides.limits());
    }

    /// Looks at what the BMS says: a switch that somebody else has put on again is no longer ours to remember.
    pub(super) fn look(&mut self, reading: &Reading, now: Now) {
        let mut released = false;
        for (switch, shown) in Switch::ALL.into_iter().zip(&mut self.shown_on) {
            // One that is being moved shows where it was.
            let settled = self.under_way.is_none() && self.kept.off.contains_key(&switch);
            let on = settled && switch.to(true).is_shown_by(reading);
            *shown = if on { shown.saturating_add(1) } else { 0 };
            if *shown >= RELEASED && self.kept.off.remove(&switch).is_some() {
                released = true;
                log::info!("{}: {} is on again; it was switched on elsewhere", self.label, switch.name());
            }
        }
        if released {
            self.save(now);
        }
    }

    /// What the GX says otherwise than the configuration, to be shown.
    pub(super) fn show_gx(&mut self, gx: Vec<GxSetting>) {
        Arc::make_mut(&mut self.owner).gx = gx;
    }

    /// Adds to a snapshot what its owner has done.
    pub(super) fn complete(&mut self, snapshot: &mut Snapshot, now: Now) {
        if snapshot.limits.mode == Mode::Float && self.kept.overrides.is_full() {
            log::info!("{}: full, as was wanted", self.label);
            self.save(now);
        }
        snapshot.owner = Arc::clone(&self.owner);
    }

    fn answer(&self, order: Order, outcome: Outcome) {
        let level = if outcome.is_done() { log::Level::Info } else { log::Level::Warn };
        log::log!(level, "{}: {}: {outcome}", self.label, order.wish);
        // Who asked may be gone.
        let _ = order.answer.send(outcome);
    }

    fn report_overrides(&self) {
        if self.kept.overrides.is_empty() {
            log::info!("{}: the limits for a while are over", self.label);
        }
    }

    fn describe(&mut self) {
        let owner = Owner {
            off: self.kept.off.keys().copied().collect(),
            off_text: self.kept.describe(),
            overrides: self.kept.overrides.describe(),
            gx: self.owner.gx.clone(),
        };
        if *self.owner != owner {
            self.owner = Arc::new(owner);
        }
    }

    fn save(&mut self, now: Now) {
        self.describe();
        if let Err(error) = self.file.save(&self.kept, now.at) {
            log::warn!("{error}");
        }
    }
}
