//! A bank of the batteries of this process: the seam for a run that serves several ports.

use super::pace::Pace;
use crate::bank::{Bank, Member};
use crate::charge;
use crate::model::Snapshot;
use crate::runtime::{self, now};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Reckons `bank` from its members, each with a name that stays, until all of them are stopped; its last snapshot then has limits
/// of 0. The first is sent to `shown` once every member has one, which a `watch` always has.
pub async fn combine(
    mut bank: Bank,
    members: Vec<(String, watch::Receiver<Arc<Snapshot>>)>,
    shown: watch::Sender<Option<Arc<Snapshot>>>,
) {
    let changed = Arc::new(Notify::new());
    let followers: Vec<_> = members
        .iter()
        .map(|(_, snapshots)| {
            let (mut snapshots, changed) = (snapshots.clone(), changed.clone());
            tokio::spawn(async move {
                while snapshots.changed().await.is_ok() {
                    changed.notify_one();
                }
                changed.notify_one();
            })
        })
        .collect();
    let mut pace = Pace::default();
    while !followers.iter().all(|follower| follower.is_finished()) || followers.is_empty() {
        let now = now();
        let list: Vec<Member> = members.iter().map(|(name, snapshots)| member(name, snapshots)).collect();
        let snapshot = bank.step(&list, now);
        if pace.is_due(&snapshot, now.at) {
            shown.send_replace(Some(Arc::new(snapshot)));
        }
        let wake = pace.next().unwrap_or_else(|| now.at.after(Duration::from_secs(1)));
        tokio::select! {
            () = changed.notified() => {}
            () = runtime::sleep_until(wake) => {}
            () = shown.closed() => return,
        }
    }
    shown.send_replace(Some(Arc::new(bank.stop(charge::STOPPED, now()))));
}

fn member(name: &str, snapshots: &watch::Receiver<Arc<Snapshot>>) -> Member {
    let snapshot = snapshots.borrow().clone();
    let leaving = [charge::STOPPED, charge::ENDED].contains(&snapshot.limits.ccl.why);
    Member { leaving, ..Member::local(name, snapshot) }
}
