//! The registry: the views of all batteries and banks, for the dashboard, MQTT and the other outputs.
//!
//! ```text
//! batteries of this process ──publish──▶ BatteryRegistry (the newest view of each) ──watch──▶ outputs
//! batteries of other processes (hub) ──┘
//! ```
//! A slow output misses intermediate views, but never the last one: nothing waits for it and nothing is queued.

use crate::base::natural::natural_order;
use crate::base::runtime::now;
use crate::control::CommandHandle;
use crate::generator::ByHand;
use crate::output::api::View;
use crate::output::devices::DeviceRegistry;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};

/// The newest view of each battery and bank, by name ([`natural_order`]).
pub type Views = Arc<Vec<Arc<View>>>;

/// The views of all batteries and banks. A clone is another handle to the same registry.
#[derive(Debug, Clone)]
pub struct BatteryRegistry {
    views: watch::Sender<Views>,
    /// Handles for requests to the batteries, by id.
    handles: Arc<Mutex<BTreeMap<String, CommandHandle>>>,
    devices: DeviceRegistry,
    /// Takes requests to the generator.
    generator: Arc<Mutex<Option<mpsc::Sender<ByHand>>>>,
}

impl Default for BatteryRegistry {
    fn default() -> Self {
        Self {
            views: watch::Sender::new(Views::default()),
            handles: Arc::default(),
            devices: DeviceRegistry::default(),
            generator: Arc::default(),
        }
    }
}

impl BatteryRegistry {
    /// Subscribes to all views: an output waits for `changed` of the receiver and compares the `Arc`s ([`changed`]).
    pub fn subscribe(&self) -> watch::Receiver<Views> {
        self.views.subscribe()
    }

    /// Whether there is a subscriber; else no view needs to be built.
    pub fn is_watched(&self) -> bool {
        self.views.receiver_count() > 0
    }

    /// Registers the handle for requests to a battery.
    pub fn register_handle(&self, id: String, handle: CommandHandle) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).insert(id, handle);
    }

    /// The handle for requests to a battery. In the hub it leads to its D-Bus service ([`crate::dbus::ask`]).
    pub fn handle(&self, id: &str) -> Option<CommandHandle> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The devices of the house beside the batteries.
    pub fn devices(&self) -> &DeviceRegistry {
        &self.devices
    }

    /// Registers the receiver of requests to the generator.
    pub fn register_generator(&self, requests: mpsc::Sender<ByHand>) {
        *self.generator.lock().unwrap_or_else(PoisonError::into_inner) = Some(requests);
    }

    /// Passes a request on to the generator; false if there is none, or if it is busy.
    pub fn ask_generator(&self, by_hand: ByHand) -> bool {
        let requests = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        requests.as_ref().is_some_and(|requests| requests.try_send(by_hand).is_ok())
    }

    /// The present views.
    pub fn current(&self) -> Views {
        self.views.borrow().clone()
    }

    /// Publishes a view, replacing the one with the same id.
    pub fn publish(&self, mut view: View) {
        let unix = now().unix;
        self.views.send_modify(|views| {
            let views = Arc::make_mut(views);
            let old = views.iter().find(|old| old.identity.id == view.identity.id);
            view.note_since(old.map(|old| &**old), unix);
            match views.iter_mut().find(|old| old.identity.id == view.identity.id) {
                Some(old) if old.identity.name == view.identity.name => *old = Arc::new(view),
                found => {
                    match found {
                        Some(old) => *old = Arc::new(view),
                        None => views.push(Arc::new(view)),
                    }
                    // As people count them; of equal names by the permanent one.
                    views.sort_by(|a, b| {
                        let [a, b] = [&a.identity, &b.identity];
                        natural_order(&a.name, &b.name).then_with(|| natural_order(&a.id, &b.id))
                    });
                }
            }
        });
    }

    /// Removes all batteries.
    pub fn clear(&self) {
        self.views.send_replace(Views::default());
    }

    /// Removes a battery.
    pub fn remove(&self, id: &str) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.views.send_if_modified(|views| {
            let there = views.iter().any(|view| view.identity.id == id);
            if there {
                Arc::make_mut(views).retain(|view| view.identity.id != id);
            }
            there
        });
    }
}

/// The views of `now` that are new or changed since `before`.
pub fn changed<'a>(before: &'a Views, now: &'a Views) -> impl Iterator<Item = &'a Arc<View>> {
    now.iter().filter(|view| !before.iter().any(|old| Arc::ptr_eq(old, view)))
}

/// The ids in `before` that are missing in `now`.
pub fn removed<'a>(before: &'a Views, now: &'a Views) -> impl Iterator<Item = &'a str> {
    before.iter().filter(|old| !now.iter().any(|view| view.identity.id == old.identity.id)).map(|view| view.identity.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: &str, soc: f64) -> View {
        let mut view = View::default();
        view.identity.id = id.into();
        view.pack.soc_pct = Some(soc);
        view
    }

    #[test]
    fn views_stand_in_the_order_of_their_names() {
        let registry = BatteryRegistry::default();
        let named = |id: &str, name: &str| {
            let mut view = view(id, 1.0);
            view.identity.name = name.into();
            registry.publish(view);
        };
        for (id, name) in
            [("jbd_1", "Battery 1"), ("jbd_3", "Battery 3"), ("jk_2", "Battery 2"), ("jk_10", "Battery 10"), ("jk_4", "Battery 4")]
        {
            named(id, name);
        }
        let ids = || registry.current().iter().map(|view| view.identity.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(), ["jbd_1", "jk_2", "jbd_3", "jk_4", "jk_10"]);
        named("jbd_1", "Battery 7");
        assert_eq!(ids(), ["jk_2", "jbd_3", "jk_4", "jbd_1", "jk_10"], "also after a new name");
    }

    #[test]
    fn a_slow_output_sees_the_last_view_of_each_once() {
        let registry = BatteryRegistry::default();
        assert!(!registry.is_watched());
        let mut output = registry.subscribe();
        let mut seen = output.borrow_and_update().clone();
        registry.publish(view("b", 1.0));
        registry.publish(view("a", 1.0));
        registry.publish(view("b", 2.0));
        let now = output.borrow_and_update().clone();
        let views: Vec<_> = changed(&seen, &now).map(|view| (view.identity.id.as_str(), view.pack.soc_pct)).collect();
        assert_eq!(views, [("a", Some(1.0)), ("b", Some(2.0))]);
        seen = now;
        registry.publish(view("a", 1.5));
        registry.remove("b");
        let now = output.borrow_and_update().clone();
        assert_eq!(changed(&seen, &now).map(|view| view.pack.soc_pct).collect::<Vec<_>>(), [Some(1.5)]);
        assert_eq!(removed(&seen, &now).collect::<Vec<_>>(), ["b"]);
        registry.remove("b");
        assert!(!output.has_changed().unwrap(), "nothing happened");
    }
}
