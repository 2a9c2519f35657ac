//! The house: the views of all batteries and banks, which the web server, MQTT and other sinks show.
//!
//! ```text
//! batteries of this process ──put──▶ House (the newest view of each) ──watch──▶ sinks
//! batteries of other processes (hub) ──┘
//! ```
//! A sink that is slow misses views between, never the last one: nothing waits for it and nothing piles up.

use crate::commands::Door;
use crate::view::View;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The newest view of each battery and bank, sorted by id.
pub type Views = Arc<Vec<Arc<View>>>;

/// Where views are put and found. Cloning gives another handle to the same house.
#[derive(Debug, Clone)]
pub struct House {
    views: watch::Sender<Views>,
    /// The ways to the batteries of this process, by id.
    doors: Arc<Mutex<BTreeMap<String, Door>>>,
}

impl Default for House {
    fn default() -> Self {
        Self { views: watch::Sender::new(Views::default()), doors: Arc::default() }
    }
}

impl House {
    /// All views from now on: a sink waits for `changed` and looks which of the `Arc`s are others ([`news`]).
    pub fn subscribe(&self) -> watch::Receiver<Views> {
        self.views.subscribe()
    }

    /// Somebody looks; else no view needs to be made.
    pub fn is_watched(&self) -> bool {
        self.views.receiver_count() > 0
    }

    /// Lets wishes for a battery come in.
    pub fn open_door(&self, id: String, door: Door) {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).insert(id, door);
    }

    /// The way to a battery. In the hub it leads to its D-Bus service ([`crate::sink::dbus::ask`]).
    pub fn door(&self, id: &str) -> Option<Door> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The views at this moment.
    pub fn now(&self) -> Views {
        self.views.borrow().clone()
    }

    /// Puts a view in the place of the one with the same id.
    pub fn put(&self, view: View) {
        self.views.send_modify(|views| {
            let views = Arc::make_mut(views);
            match views.iter_mut().find(|old| old.id == view.id) {
                Some(old) => *old = Arc::new(view),
                None => {
                    views.push(Arc::new(view));
                    views.sort_by(|a, b| a.id.cmp(&b.id));
                }
            }
        });
    }

    /// Nobody is there any more.
    pub fn clear(&self) {
        self.views.send_replace(Views::default());
    }

    /// Takes a battery out that is not served any more.
    pub fn leave(&self, id: &str) {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.views.send_if_modified(|views| {
            let there = views.iter().any(|view| view.id == id);
            if there {
                Arc::make_mut(views).retain(|view| view.id != id);
            }
            there
        });
    }
}

/// The views of `now` that were not in `before`.
pub fn news<'a>(before: &'a Views, now: &'a Views) -> impl Iterator<Item = &'a Arc<View>> {
    now.iter().filter(|view| !before.iter().any(|old| Arc::ptr_eq(old, view)))
}

/// The ids of `before` that are gone.
pub fn gone<'a>(before: &'a Views, now: &'a Views) -> impl Iterator<Item = &'a str> {
    before.iter().filter(|old| !now.iter().any(|view| view.id == old.id)).map(|view| view.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: &str, soc: f64) -> View {
        View { id: id.into(), soc_pct: Some(soc), ..View::default() }
    }

    #[test]
    fn a_slow_sink_sees_the_last_view_of_each_once() {
        let house = House::default();
        assert!(!house.is_watched());
        let mut sink = house.subscribe();
        let mut seen = sink.borrow_and_update().clone();
        house.put(view("b", 1.0));
        house.put(view("a", 1.0));
        house.put(view("b", 2.0));
        let now = sink.borrow_and_update().clone();
        let told: Vec<_> = news(&seen, &now).map(|view| (view.id.as_str(), view.soc_pct)).collect();
        assert_eq!(told, [("a", Some(1.0)), ("b", Some(2.0))]);
        seen = now;
        house.put(view("a", 1.5));
        house.leave("b");
        let now = sink.borrow_and_update().clone();
        assert_eq!(news(&seen, &now).map(|view| view.soc_pct).collect::<Vec<_>>(), [Some(1.5)]);
        assert_eq!(gone(&seen, &now).collect::<Vec<_>>(), ["b"]);
        house.leave("b");
        assert!(!sink.has_changed().unwrap(), "nothing happened");
    }
}
