//! The commands of one battery: permission, the command in progress, and what is persisted.

use super::port_worker::PortCommand;
use crate::bank;
use crate::base::state_file::StateFile;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::battery::Battery;
use crate::control::{Abilities, ControlRequest, Override, PendingRequest, PersistedCommands, RateLimiter};
use crate::model::{Command, GxSetting, Mode, Outcome, Reading, Reply, Snapshot, Switch, UserOverrides};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Consecutive readings with the switch on that prove it was switched on from elsewhere.
const READINGS_SHOWING_ON: u8 = 5;

/// Checks and rate-limits the commands for one battery, passes them to its port and persists what they switch off.
pub(super) struct BatteryCommands {
    label: String,
    enabled: bool,
    /// Commands that this BMS supports.
    pub(super) able: Abilities,
    port: mpsc::Sender<PortCommand>,
    /// The battery's number on its port.
    number: usize,
    rate_limiter: RateLimiter,
    file: StateFile,
    persisted: PersistedCommands,
    /// The command that the port carries out, and who waits for it.
    under_way: Option<(Command, PendingRequest)>,
    /// Consecutive readings that showed a switch on although it is persisted as off, in the order of [`Switch::ALL`].
    shown_on: [u8; 3],
    user_overrides: Arc<UserOverrides>,
    /// What the last run had switched off for equal charge of a bank's packs is to be switched on again, and when next.
    undo: Option<Moment>,
}

/// Time between two attempts to switch on again what the last run had switched off.
const UNDO_INTERVAL: Duration = Duration::from_secs(60);

/// Location of a battery: its port as named by the owner, its number there, its address.
pub(super) struct BatteryLocation<'a> {
    pub(super) port: &'a str,
    pub(super) number: usize,
    pub(super) address: Option<u8>,
}

impl BatteryCommands {
    /// Loads the persisted state, and lets the port clean up after an interrupted command.
    pub(super) fn new(
        label: &str,
        enabled: bool,
        able: Abilities,
        port: mpsc::Sender<PortCommand>,
        location: &BatteryLocation<'_>,
        file: (&Path, &str),
        now: Now,
    ) -> Self {
        let mut file = PersistedCommands::file(file.0, file.1);
        let mut persisted = PersistedCommands::load(&mut file).unwrap_or_else(|error| {
            log::warn!("{error}");
            PersistedCommands::default()
        });
        persisted.overrides.resume(now);
        (persisted.port, persisted.address) = (location.port.to_owned(), location.address);
        let mut commands = Self {
            label: label.to_owned(),
            enabled,
            able,
            port,
            number: location.number,
            rate_limiter: RateLimiter::default(),
            file,
            persisted,
            under_way: None,
            shown_on: [0; 3],
            user_overrides: Arc::default(),
            undo: None,
        };
        commands.undo = commands.switched_for_bank().map(|_| now.at);
        commands.describe();
        for text in commands.user_overrides.switched_off_text.iter().chain(&commands.user_overrides.overrides) {
            log::warn!("{label}: still in effect: {text}; release it with `dbus-bms set` or `dbus-bms override clear`");
        }
        if commands.persisted.under_way {
            log::warn!("{label}: the last run was interrupted during a command; restoring the BMS");
            let cleanup = PortCommand { number: location.number, command: None, at: now.at, unix: now.unix };
            // The port outlives its batteries.
            let _ = commands.port.send(cleanup);
        }
        commands
    }

    /// Whether commands are offered at all.
    pub(super) fn offers(&self) -> Abilities {
        if self.enabled { Abilities { overrides: true, ..self.able } } else { Abilities::default() }
    }

    /// Accepts a request; the answer may come later.
    pub(super) fn submit(&mut self, pending: PendingRequest, battery: &mut Battery, now: Now) {
        log::info!("{}: {} requested by {}", self.label, pending.request, pending.by);
        let outcome = match pending.request {
            _ if !self.enabled => Outcome::Off,
            ControlRequest::Override(wanted) => self.set_override(wanted, &pending.by, battery, now),
            ControlRequest::Command(_) if self.under_way.is_some() => Outcome::Busy,
            ControlRequest::Command(command) => match self.rate_limiter.try_acquire(self.persisted.releases(command), now.at) {
                Ok(()) => return self.begin(command, pending, now),
                Err(wait) => Outcome::TooOften { wait },
            },
        };
        self.answer(pending, outcome);
    }

    /// A switch that is off for equal charge of a bank's packs.
    fn switched_for_bank(&self) -> Option<Switch> {
        self.persisted.off.iter().find(|(_, off)| off.by == bank::REQUESTER).map(|(switch, _)| *switch)
    }

    /// Switches on again what the last run had switched off for equal charge, also where commands are not enabled any more. Repeated
    /// until the BMS shows it.
    fn undo(&mut self, now: Now) {
        let Some(due) = self.undo else { return };
        let Some(switch) = self.switched_for_bank() else {
            self.undo = None;
            return;
        };
        if self.under_way.is_some() || self.persisted.under_way || now.at < due {
            return;
        }
        self.undo = Some(now.at.after(UNDO_INTERVAL));
        let command = switch.to(true);
        log::warn!(
            "{}: {} was off for equal charge when the last run ended; switching it on again. Check that it is on, or switch it on in the \
             maker's app",
            self.label,
            switch.name()
        );
        let pending = PendingRequest {
            request: ControlRequest::Command(command),
            by: bank::REQUESTER.to_owned(),
            answer: oneshot::channel().0,
        };
        if self.rate_limiter.try_acquire(true, now.at).is_ok() {
            self.begin(command, pending, now);
        }
    }

    fn begin(&mut self, command: Command, pending: PendingRequest, now: Now) {
        // On disk before the first byte goes out: after a crash the next start knows what may be left to clean up or switched off.
        self.persisted.begin(command, &pending.by, now.unix);
        self.save(now);
        let sent = self.port.send(PortCommand { number: self.number, command: Some(command), at: now.at, unix: now.unix });
        self.under_way = Some((command, pending));
        if sent.is_err() {
            self.command_done(Outcome::Unreachable, now);
        }
    }

    /// The port reports the outcome of the command.
    pub(super) fn command_done(&mut self, outcome: Outcome, now: Now) {
        self.persisted.under_way = false;
        self.shown_on = [0; 3];
        let under_way = self.under_way.take();
        if let Some((command, pending)) = &under_way {
            self.persisted.end(*command, outcome, &pending.by, now.unix);
        }
        // Persist before answering.
        self.save(now);
        if let Some((_, pending)) = under_way {
            self.answer(pending, outcome);
        }
    }

    /// The port has finished cleaning up.
    pub(super) fn cleaned_up(&mut self, now: Now) {
        if self.under_way.is_none() {
            self.persisted.under_way = false;
            self.save(now);
        }
    }

    /// The port has failed: the command in progress may or may not have been carried out.
    pub(super) fn broken_off(&mut self, now: Now) {
        if let Some((_, pending)) = self.under_way.take() {
            self.persisted.doubt();
            self.answer(pending, Outcome::Unreachable);
            // `under_way` stays on disk; the port cleans up as soon as it is back.
            let _ = self.port.send(PortCommand { number: self.number, command: None, at: now.at, unix: now.unix });
            self.save(now);
        }
    }

    fn set_override(&mut self, wanted: Override, by: &str, battery: &mut Battery, now: Now) -> Outcome {
        match wanted {
            Override::ChargeTo100 => battery.charge_up(),
            Override::Balance if !battery.balance() => return Outcome::NotConfigured,
            Override::Clear => battery.end_balance(),
            Override::Balance | Override::Ccl(..) | Override::Dcl(..) => {}
        }
        self.persisted.overrides.set(wanted, by, now);
        self.save(now);
        Outcome::InForce
    }

    /// Applies the active overrides before the battery computes its limits.
    pub(super) fn apply(&mut self, battery: &mut Battery, now: Now) {
        self.undo(now);
        if self.persisted.overrides.expire(now) {
            self.report_overrides();
            self.save(now);
        }
        battery.set_owner_limits(self.persisted.overrides.limits());
    }

    /// Checks the reported switches: one that was switched on from elsewhere is no longer persisted as off.
    pub(super) fn observe(&mut self, reading: &Reading, now: Now) {
        let mut released = false;
        for (switch, shown) in Switch::ALL.into_iter().zip(&mut self.shown_on) {
            // A switch in transition still shows its old state.
            let settled = self.under_way.is_none() && self.persisted.off.contains_key(&switch);
            let on = settled && switch.to(true).is_shown_by(reading);
            *shown = if on { shown.saturating_add(1) } else { 0 };
            if *shown >= READINGS_SHOWING_ON && self.persisted.off.remove(&switch).is_some() {
                released = true;
                log::info!("{}: {} is on again; switched on from elsewhere", self.label, switch.name());
            }
        }
        if released {
            self.save(now);
        }
    }

    /// The settings that differ between the GX and the configuration.
    pub(super) fn show_gx_settings(&mut self, gx_settings: Vec<GxSetting>) {
        Arc::make_mut(&mut self.user_overrides).gx_settings = gx_settings;
    }

    /// Adds the owner's overrides and switched-off parts to a snapshot.
    pub(super) fn complete(&mut self, snapshot: &mut Snapshot, now: Now) {
        if snapshot.limits.mode == Mode::Float && self.persisted.overrides.is_full() {
            log::info!("{}: requested full charge reached", self.label);
            self.save(now);
        }
        snapshot.user_overrides = Arc::clone(&self.user_overrides);
    }

    fn answer(&self, pending: PendingRequest, outcome: Outcome) {
        let reply = Reply::from(outcome);
        let level = if reply.is_done() { log::Level::Info } else { log::Level::Warn };
        log::log!(level, "{}: {}: {outcome}", self.label, pending.request);
        // The requester may have disconnected.
        let _ = pending.answer.send(reply);
    }

    fn report_overrides(&self) {
        if self.persisted.overrides.is_empty() {
            log::info!("{}: temporary limits have expired", self.label);
        }
    }

    fn describe(&mut self) {
        let user_overrides = UserOverrides {
            switched_off: self.persisted.off.keys().copied().collect(),
            switched_off_text: self.persisted.describe(),
            overrides: self.persisted.overrides.describe(),
            gx_settings: self.user_overrides.gx_settings.clone(),
            active: self.persisted.overrides.active(),
            off: self.persisted.switches_off(),
        };
        if *self.user_overrides != user_overrides {
            self.user_overrides = Arc::new(user_overrides);
        }
    }

    fn save(&mut self, now: Now) {
        self.describe();
        if let Err(error) = self.file.save(&self.persisted, now.at) {
            log::warn!("{error}");
        }
    }
}
