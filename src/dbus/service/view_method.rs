//! A battery's view over D-Bus as JSON text: method `View` of the interface `dbus_bms.Battery` on `/`. For the hub, which shows the
//! batteries of other processes. Created on request; nothing of it is published.

use super::item::Context;
use crate::base::units::Moment;
use crate::dbus::names::{BATTERY_INTERFACE, VIEW_METHOD};
use crate::model::Snapshot;
use crate::output::api::{ReadAt, View};
use crate::output::inverters::Reporters;
use zbus::message::Message;

/// Whether a call requests the view.
pub(in crate::dbus) fn is_view_call(call: &Message) -> bool {
    let header = call.header();
    header.interface().is_some_and(|interface| interface.as_str() == BATTERY_INTERFACE)
        && header.member().is_some_and(|member| member.as_str() == VIEW_METHOD)
}

/// Provides the view of one battery.
pub(in crate::dbus) struct ViewMethod {
    id: String,
    inverters: Reporters,
    read_at: ReadAt,
}

impl ViewMethod {
    pub(in crate::dbus) fn new(id: String, inverters: Reporters) -> Self {
        Self { id, inverters, read_at: ReadAt::default() }
    }

    /// Records the arrival of a snapshot.
    pub(in crate::dbus) fn note_snapshot(&mut self, snapshot: &Snapshot, now: Moment) {
        self.read_at.observe(snapshot, now);
    }

    /// The present view.
    pub(in crate::dbus) fn json(&self, service: &str, context: &Context, snapshot: &Snapshot, now: Moment) -> String {
        let info = context.info(&self.id, service);
        let view = View::new(&info, snapshot, self.read_at.age(now), self.inverters.view(now));
        // Contains only numbers and texts, so this cannot fail.
        serde_json::to_string(&view).unwrap_or_default()
    }
}
