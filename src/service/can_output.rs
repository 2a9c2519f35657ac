//! A battery's CAN output, starting with its first snapshot.

use super::identity::{claim, lock_folder};
use crate::model::Snapshot;
use crate::output::can::{self, Config, Reporter, Status};
use std::fs::File;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Kind of limits that a battery publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitScope {
    /// Limits for the inverter.
    Installation,
    /// Limits of a bank's member: only the bank may send to an inverter.
    BankMember,
    /// Observe-only.
    ObserveOnly,
}

/// The task that sends a battery's data to an inverter.
pub(super) struct CanOutput {
    reporter: Reporter,
    task: JoinHandle<()>,
    /// Lock that keeps other batteries off this interface: an inverter would mix both up.
    _claim: Option<File>,
}

impl CanOutput {
    /// Starts sending if an interface is set and the limits are for an inverter.
    pub(super) fn start(
        label: &str,
        config: &Config,
        limits: LimitScope,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Option<Self> {
        let interface = config.interface.clone()?;
        match limits {
            LimitScope::Installation => {}
            // Usual if one file configures a bank and its members.
            LimitScope::BankMember => {
                log::info!("{label}: not sending on {interface}: this battery's bank does");
                return None;
            }
            LimitScope::ObserveOnly => {
                log::warn!("{label}: observe-only mode, not sending on {interface}; set `control = true` to enable");
                return None;
            }
        }
        let claim = match claim(&lock_folder(), &format!("can-{interface}")) {
            Ok(None) => {
                log::error!(
                    "{label}: {interface} is already used by another battery; set `can.interface` for one of them only, in [battery.\"ID\"]"
                );
                return None;
            }
            Ok(claim) => claim,
            // Without a folder for locks, go on without one.
            Err(_) => None,
        };
        log::info!("{label}: {} on {interface}", config.profile.label);
        let (status_sender, status) = watch::channel(Status::default());
        let task = tokio::spawn(can::serve(interface.clone(), config.clone(), snapshots, status_sender));
        Some(Self { reporter: Reporter { interface, profile: config.profile, status }, task, _claim: claim })
    }

    /// Receiver of the output's state.
    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Waits until limits of 0 have been sent; the battery's snapshots must have ended.
    pub(super) async fn finished(&mut self) {
        if let Err(error) = (&mut self.task).await {
            log::error!("the CAN output failed: {error}; restart the driver, and please report this");
        }
    }
}
