//! The stream of events to one browser: the newest view of each battery and device that changed.
//!
//! Changes while the browser does not read are sent once, in their last state: nothing is queued.

use super::answer::object;
use crate::base::runtime::{self, now};
use crate::base::units::Moment;
use crate::model::HouseDevice;
use crate::output::api::device_object;
use crate::output::devices::{Devices, next_expiry};
use crate::output::registry::{Views, changed, removed};
use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Keep-alive interval: after a longer silence a browser knows that the connection is dead.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The events as pieces of text, until the registry is dropped. Each is made when the connection has room for it.
///
/// `permit` is given back when the browser is gone.
pub(super) fn pieces(
    views: watch::Receiver<Views>,
    devices: watch::Receiver<Devices>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let start = (views, devices, Seen::default(), String::from("retry: 3000\n\n"), permit);
    stream::unfold(start, |(mut views, mut devices, mut seen, mut text, permit)| async move {
        loop {
            let now_there = views.borrow_and_update().clone();
            write(&mut text, &seen.views, &now_there);
            seen.views = now_there;
            let (now_there, time) = (devices.borrow_and_update().clone(), now().at);
            let expiry = next_expiry(&now_there, time);
            seen.devices = write_devices(&mut text, &seen.devices, &now_there, time);
            if !text.is_empty() {
                return Some((Ok(Bytes::from(text)), (views, devices, seen, String::new(), permit)));
            }
            let alive_at = time.after(KEEP_ALIVE_INTERVAL);
            // A moment later, because at the expiry itself the values are still known.
            let wake_at = expiry.map_or(alive_at, |expiry| alive_at.min(expiry.after(Duration::from_millis(1))));
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return None },
                changed = devices.changed() => if changed.is_err() { return None },
                () = runtime::sleep_until(wake_at) => if wake_at == alive_at { text.push_str("event: alive\ndata: {}\n\n") },
            }
        }
    })
}

/// What the browser has received.
#[derive(Default)]
struct Seen {
    views: Views,
    /// Each device, and whether its values were known.
    devices: Vec<(Arc<HouseDevice>, bool)>,
}

/// Writes the devices that changed, or whose values have become unknown; returns what the browser knows then.
fn write_devices(
    text: &mut String,
    seen: &[(Arc<HouseDevice>, bool)],
    devices: &Devices,
    now: Moment,
) -> Vec<(Arc<HouseDevice>, bool)> {
    let present: Vec<_> = devices.iter().map(|device| (Arc::clone(device), device.is_fresh(now))).collect();
    let is_same = |(a, fresh): &(Arc<HouseDevice>, bool), (b, was): &(Arc<HouseDevice>, bool)| Arc::ptr_eq(a, b) && fresh == was;
    for shown in present.iter().filter(|shown| !seen.iter().any(|old| is_same(old, shown))) {
        let _ = write!(text, "event: device\ndata: {}\n\n", device_object(&shown.0, now));
    }
    for (old, _) in seen.iter().filter(|(old, _)| !devices.iter().any(|device| device.info.id == old.info.id)) {
        let _ = write!(text, "event: device_gone\ndata: {}\n\n", serde_json::json!({ "id": old.info.id }));
    }
    present
}

fn write(text: &mut String, seen: &Views, now: &Views) {
    // Writing to a string cannot fail; JSON text has no line breaks.
    for view in changed(seen, now) {
        let _ = write!(text, "event: view\ndata: {}\n\n", object(view));
    }
    for id in removed(seen, now) {
        let _ = write!(text, "event: gone\ndata: {}\n\n", serde_json::json!({ "id": id }));
    }
}
