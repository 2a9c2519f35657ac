//! A bank of this process's batteries: `run` with several ports, without D-Bus.

use super::task::BankTask;
use crate::bank::{Layout, Member, PackSwitching, REQUESTER, SwitchOrder};
use crate::base::episode::Once;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::config::Settings;
use crate::control::{ControlRequest, PendingRequest};
use crate::dbus::{BATTERY_PREFIX, BankClaim, BusAddress};
use crate::model::{Freshness, Reply, Snapshot, Switch};
use crate::output::registry::BatteryRegistry;
use crate::service::battery_task::BatteryTask;
use crate::service::dbus_supervisor::{Bus, EventSource, ServiceEvent};
use crate::service::port::PortInUse;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Maximum wait for the search on a port, or for the first reading of a battery.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(60);
const STEP_INTERVAL: Duration = Duration::from_secs(1);

/// The right to form a bank of this process's batteries.
///
/// # Errors
/// Why this process may not although `bank.in_run` says so. `has_all` is false where each port has a process of its own: every one
/// of them would be the whole bank.
pub(in crate::service) async fn claim(settings: &Settings, address: &BusAddress, has_all: bool) -> Result<BankClaim, String> {
    if !has_all {
        return Err(
            "`bank.in_run` is for one `run` with all ports, and here each port has a process of its own: `dbus-bms bank` forms the \
             bank, on a GX started by the service dbus-bms.bank"
                .to_owned(),
        );
    }
    BankClaim::new(address, &settings.bank.name).await.ok_or_else(|| {
        format!(
            "{BATTERY_PREFIX}{} is on D-Bus already or about to come, so no second bank is formed by `bank.in_run`: name all ports \
             in one `run`, or leave the bank to `dbus-bms bank`",
            settings.bank.name
        )
    })
}

/// The bank, in the loop of its batteries.
pub(in crate::service) struct LocalBank {
    pub(in crate::service) task: BankTask,
    started: Moment,
    logged_empty: Once,
    /// Switches packs for equal charge, if configured, and the answer to the last order.
    switching: Option<PackSwitching>,
    answer: Option<oneshot::Receiver<Reply>>,
    layout: Layout,
    /// Since when the program ends.
    ending: Option<Moment>,
}

/// Time for a pack to be switched on at the end; else the next start does it.
const SWITCH_ON_TIMEOUT: Duration = Duration::from_secs(12);

impl LocalBank {
    /// The bank, if the settings ask for one.
    pub(in crate::service) fn new(settings: Settings, state_folder: &Path, registry: BatteryRegistry, now: Moment) -> Option<Self> {
        let wanted = settings.bank.in_run;
        let (switching, layout) = (settings.bank.equal_charge.then(PackSwitching::default), settings.bank.layout);
        wanted.then(|| Self {
            switching,
            answer: None,
            layout,
            ending: None,
            task: BankTask::new(settings, "batteries of this driver", state_folder, registry),
            started: now,
            logged_empty: Once::default(),
        })
    }

    /// When to call [`step`](Self::step) at the latest.
    pub(in crate::service) fn due(&self, now: Moment) -> Moment {
        self.task.due().unwrap_or_else(|| now.after(STEP_INTERVAL))
    }

    /// Recomputes the bank, and shows it once all ports have been searched and their batteries read.
    pub(in crate::service) fn step(
        &mut self,
        ports: &[PortInUse],
        batteries: &mut [BatteryTask],
        now: Now,
        (bus, event_sender): (&Bus, &mpsc::Sender<(EventSource, ServiceEvent)>),
        shown: &mut impl FnMut(&str, watch::Receiver<Arc<Snapshot>>),
    ) {
        let mut members: Vec<Member> = batteries.iter().filter_map(BatteryTask::as_member).collect();
        // A battery that was never found may still be connected to the busbar.
        members.extend(ports.iter().filter(|port| port.of_member && port.batteries.is_empty()).map(|port| missing(&port.name)));
        let fresh = |member: &Member| member.snapshot.as_ref().is_some_and(|snapshot| snapshot.freshness == Freshness::Fresh);
        if self.task.due().is_none() {
            let searched = ports.iter().all(PortInUse::is_searched);
            if members.is_empty() && searched && self.logged_empty.first() {
                log::warn!("bank {}: it has no batteries; set `member_of_bank = true`", self.task.name());
            }
            let read = batteries.iter().all(|battery| battery.was_read(now.at));
            if !members.iter().any(fresh) || !(searched && read) && now.at.since(self.started) < SEARCH_TIMEOUT {
                return;
            }
        }
        self.switch_packs(&mut members, batteries, now);
        self.task.step(&members, now);
        if let Some(snapshots) = self.task.serve(bus, event_sender) {
            shown(self.task.name(), snapshots);
        }
    }

    /// Advances the switching of packs, which marks the member concerned.
    fn switch_packs(&mut self, members: &mut [Member], batteries: &mut [BatteryTask], now: Now) {
        let Some(switching) = &mut self.switching else { return };
        take_answer(&mut self.answer, switching);
        let is_able = |name: &str, switch: Switch| batteries.iter().any(|battery| battery.is_member(name) && battery.obeys(switch));
        let before = switching.shown().state;
        let order = switching.step(self.layout, members, is_able, now.at);
        let shown = switching.shown();
        if shown.state != before {
            log::info!("bank {}: equal charge: {}: {}", self.task.name(), shown.state.key(), shown.reason);
        }
        // Marked before the command is sent, so that the limits never count on a pack that is off.
        switching.mark(members);
        self.task.show_switching(Some(shown));
        if let Some(order) = order {
            self.answer = Some(send(batteries, order, now));
        }
    }

    /// Switches on what is off, before the ports are closed. True if there is something to wait for; to be called again after each
    /// step.
    pub(in crate::service) fn switch_on(&mut self, batteries: &mut [BatteryTask], now: Now) -> bool {
        let Some(switching) = &mut self.switching else { return false };
        if self.ending.is_none()
            && let Some(order) = switching.stop(now.at)
        {
            log::info!("bank {}: equal charge: switching {} on before the end", self.task.name(), order.member);
            self.answer = Some(send(batteries, order, now));
        }
        let since = *self.ending.get_or_insert(now.at);
        switching.is_off() && now.at.since(since) < SWITCH_ON_TIMEOUT
    }
}

/// Hands the outcome of the last order to the rule, once there is one.
fn take_answer(answer: &mut Option<oneshot::Receiver<Reply>>, switching: &mut PackSwitching) {
    let Some(pending) = answer else { return };
    let done = match pending.try_recv() {
        Ok(reply) => reply.is_done(),
        Err(oneshot::error::TryRecvError::Empty) => return,
        Err(oneshot::error::TryRecvError::Closed) => false,
    };
    *answer = None;
    switching.answered(done);
}

/// Sends an order the way of all commands: persisted before it goes out, confirmed by what the BMS shows afterwards.
fn send(batteries: &mut [BatteryTask], order: SwitchOrder, now: Now) -> oneshot::Receiver<Reply> {
    let (answer, answered) = oneshot::channel();
    if let Some(battery) = batteries.iter_mut().find(|battery| battery.is_member(&order.member)) {
        battery.submit(PendingRequest { request: ControlRequest::Command(order.command), by: REQUESTER.to_owned(), answer }, now);
    }
    answered
}

fn missing(name: &str) -> Member {
    Member { name: name.to_owned(), label: name.to_owned(), ..Member::default() }
}
