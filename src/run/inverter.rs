//! A battery's output over CAN, from its first snapshot on.

use super::identity::{claim, lock_folder};
use crate::model::Snapshot;
use crate::sink::can::{self, Config, Reporter, Status};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Whose limits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limits {
    /// Those of everything that the inverter works with.
    OfAll,
    /// Those of a member of a bank: only the whole bank may be told to an inverter.
    OfAPart,
    /// Those that would be, if we were asked.
    Observed,
}

/// The task that tells an inverter of a battery.
pub(super) struct Inverter {
    reporter: Reporter,
    task: JoinHandle<()>,
    /// Held so that no other battery talks on this interface: an inverter would take both for one.
    _claim: Option<OwnedFd>,
}

impl Inverter {
    /// Starts telling, if an interface is set and the limits are for an inverter.
    pub(super) fn start(label: &str, config: &Config, limits: Limits, snapshots: watch::Receiver<Arc<Snapshot>>) -> Option<Self> {
        let interface = config.interface.clone()?;
        match limits {
            Limits::OfAll => {}
            // The usual case where one file serves a bank and its members.
            Limits::OfAPart => {
                log::info!("{label}: nothing is sent on {interface}, for that is left to its bank");
                return None;
            }
            Limits::Observed => {
                log::warn!("{label}: only observing, so that nothing is sent on {interface}; `control = true` ends that");
                return None;
            }
        }
        let claim = match claim(&lock_folder(), &format!("can-{interface}")) {
            Ok(None) => {
                log::error!(
                    "{label}: {interface} carries another battery already; set `can.interface` for one of them only, in [battery.\"ID\"]"
                );
                return None;
            }
            Ok(claim) => claim,
            // Without a place for locks nothing can collide with us knowingly.
            Err(_) => None,
        };
        log::info!("{label}: {} on {interface}", config.profile.label);
        let (tell, status) = watch::channel(Status::default());
        let task = tokio::spawn(can::serve(interface.clone(), config.clone(), snapshots, tell));
        Some(Self { reporter: Reporter { interface, profile: config.profile, status }, task, _claim: claim })
    }

    /// Who tells how it is doing.
    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Waits until the inverter has been told that nothing may flow any more; the battery's snapshots must have ended.
    pub(super) async fn left(&mut self) {
        if let Err(error) = (&mut self.task).await {
            log::error!("the output over CAN broke down: {error}; restart the driver, and please report this");
        }
    }
}
