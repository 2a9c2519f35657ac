//! A bank of batteries of one process: the seam for a run with several ports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/snapshot.rs"]
mod snapshot;

use dbus_bms::bank::{Bank, Config};
use dbus_bms::model::{Freshness, History, Limit, Snapshot};
use dbus_bms::run::bank::combine;
use dbus_bms::units::Amps;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Waits for a snapshot of the bank that is as wanted.
async fn wanted(shown: &mut watch::Receiver<Option<Arc<Snapshot>>>, is: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let found = shown.wait_for(|snapshot| snapshot.as_deref().is_some_and(&is));
    let found = tokio::time::timeout(Duration::from_secs(20), found).await.expect("in time");
    found.unwrap().clone().unwrap()
}

fn ccl(snapshot: &Snapshot) -> f64 {
    snapshot.limits.ccl.value.get()
}

#[tokio::test]
async fn batteries_of_this_process_form_a_bank_that_ends_with_them() {
    let (a, heard_a) = watch::channel(Arc::new(snapshot::discharging()));
    let (b, heard_b) = watch::channel(Arc::new(snapshot::discharging()));
    let (shown, mut seen) = watch::channel(None);
    let members = vec![("a".to_owned(), heard_a), ("b".to_owned(), heard_b)];
    let end = tokio::spawn(combine(Bank::new(Config::default(), History::default()), members, shown));
    let first = wanted(&mut seen, |_| true).await;
    assert_eq!((ccl(&first), first.reading.current), (100.0, Some(Amps::new(-25.0))));
    // A fall is shown at once.
    let mut low = snapshot::discharging();
    low.part.readings += 1;
    low.limits.ccl = Limit { value: Amps::new(10.0), why: "highest cell" };
    b.send_replace(Arc::new(low.clone()));
    let fallen = wanted(&mut seen, |snapshot| ccl(snapshot) <= 20.0).await;
    assert_eq!(fallen.modules.as_ref().unwrap().reasons.ccl, "b has least left: highest cell");
    low.freshness = Freshness::Stale;
    b.send_replace(Arc::new(low));
    wanted(&mut seen, |snapshot| snapshot.modules.as_ref().unwrap().online == 1).await;
    // Without the senders the bank has nobody left.
    drop((a, b));
    let last = wanted(&mut seen, |snapshot| ccl(snapshot) == 0.0).await;
    assert_eq!((last.limits.dcl.value, last.reading.voltage), (Amps::ZERO, None));
    tokio::time::timeout(Duration::from_secs(20), end).await.expect("it ends").unwrap();
}
