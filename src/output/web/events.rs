//! The stream of events to one browser: the newest view of each battery that changed.
//!
//! Changes while the browser does not read are sent once, in their last state: nothing is queued.

use super::answer::object;
use crate::base::runtime::{self, now};
use crate::output::registry::{Views, changed, removed};
use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Keep-alive interval: after a longer silence a browser knows that the connection is dead.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The events as pieces of text, until the registry is dropped. Each is made when the connection has room for it.
///
/// `permit` is given back when the browser is gone.
pub(super) fn pieces(
    views: watch::Receiver<Views>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let start = (views, Views::default(), String::from("retry: 3000\n\n"), permit);
    stream::unfold(start, |(mut views, mut seen, mut text, permit)| async move {
        loop {
            let now_there = views.borrow_and_update().clone();
            write(&mut text, &seen, &now_there);
            seen = now_there;
            if !text.is_empty() {
                return Some((Ok(Bytes::from(text)), (views, seen, String::new(), permit)));
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return None },
                () = runtime::sleep_until(now().at.after(KEEP_ALIVE_INTERVAL)) => text.push_str("event: alive\ndata: {}\n\n"),
            }
        }
    })
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
