//! The stream of events to one browser: the newest view of each battery that changed.
//!
//! What changes while the browser does not read is sent once, as it is then: nothing piles up.

use super::answer::object;
use crate::house::{Views, gone, news};
use crate::runtime::{self, now};
use hyper::body::Bytes;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A browser that hears nothing for longer knows that the connection is dead.
const ALIVE: Duration = Duration::from_secs(10);

/// Sends events until the browser is gone or the house is closed.
pub(super) async fn tell(mut views: watch::Receiver<Views>, tell: mpsc::Sender<Bytes>) {
    let mut seen = Views::default();
    let mut text = String::from("retry: 3000\n\n");
    loop {
        let now_there = views.borrow_and_update().clone();
        write(&mut text, &seen, &now_there);
        seen = now_there;
        if !text.is_empty() && tell.send(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            return;
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            () = runtime::sleep_until(now().at.after(ALIVE)) => text.push_str("event: alive\ndata: {}\n\n"),
            () = tell.closed() => return,
        }
    }
}

fn write(text: &mut String, seen: &Views, now: &Views) {
    // Writing to a string cannot fail; JSON text has no line breaks.
    for view in news(seen, now) {
        let _ = write!(text, "event: view\ndata: {}\n\n", object(view));
    }
    for id in gone(seen, now) {
        let _ = write!(text, "event: gone\ndata: {}\n\n", serde_json::json!({ "id": id }));
    }
}
