//! A battery's RS485 output, starting with its first snapshot.

use super::can_output::LimitScope;
use super::identity::{claim, lock_folder};
use crate::base::runtime;
use crate::model::Snapshot;
use crate::output::rs485::{Reporter, Status};
use crate::output::{can, rs485};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The task that answers an inverter.
pub(super) struct Rs485Output {
    reporter: Reporter,
    task: JoinHandle<io::Result<()>>,
    /// Lock that keeps other batteries off this port.
    _claim: Option<File>,
}

impl Rs485Output {
    /// Starts answering if a port is set and the limits are for an inverter. `batteries` are the ports on which batteries are read.
    pub(super) fn start(
        label: &str,
        (config, content): (&rs485::Config, &can::Config),
        limits: LimitScope,
        batteries: Vec<String>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> Option<Self> {
        let port = config.port.clone()?;
        match limits {
            LimitScope::Installation => {}
            LimitScope::BankMember => {
                log::info!("{label}: not answering on {port}: this battery's bank does");
                return None;
            }
            LimitScope::ObserveOnly => {
                log::warn!("{label}: observe-only mode, not answering on {port}; set `control = true` to enable");
                return None;
            }
        }
        let name = port.replace('/', "_");
        let claim = match claim(&lock_folder(), &format!("rs485{name}")) {
            Ok(None) => {
                log::error!(
                    "{label}: {port} is already used by another battery; set `rs485.port` for one of them only, in [battery.\"ID\"]"
                );
                return None;
            }
            Ok(claim) => claim,
            // Without a folder for locks, go on without one.
            Err(_) => None,
        };
        log::info!("{label}: {} on {port}", config.protocol.label);
        let (config, content) = (config.clone(), content.clone());
        let (status_sender, status) = watch::channel(Status::default());
        let reporter = Reporter { port, protocol: config.protocol, status };
        let task = tokio::spawn(runtime::blocking(move || rs485::serve(&config, content, &batteries, snapshots, status_sender)));
        Some(Self { reporter, task, _claim: claim })
    }

    /// Receiver of the output's state.
    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Waits until it answers no more; the battery's snapshots must have ended.
    pub(super) async fn finished(&mut self) {
        match (&mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("the RS485 output failed: {error}; restart the driver, and please report this"),
            Err(error) => log::error!("the RS485 output failed: {error}; restart the driver, and please report this"),
        }
    }
}
