//! Decides what to publish when: pure, so that every sequence of events can be tested.

use super::compat;
use super::config::Config;
use super::devices::{PublishedDevices, jk_pylon_devices};
use super::home_assistant as ha;
use super::message::{self, Shape, availability, base};
use crate::base::units::Moment;
use crate::link::mqtt::Message;
use crate::model::{Freshness, Level};
use crate::output::api::{Alarm, Known, View};
use crate::output::devices::Devices;
use crate::output::domoticz::{self, Numbers};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Interval of BerryBMS' messages, and of others without an interval of their own.
const OTHER_LAYOUTS_INTERVAL: Duration = Duration::from_secs(5);
/// Interval for Domoticz, which stores every message in a database.
const DOMOTICZ_INTERVAL: Duration = Duration::from_secs(60);

/// State of what was published.
#[derive(Debug)]
pub struct Publisher {
    config: Config,
    published: BTreeMap<String, Published>,
    devices: PublishedDevices,
    others_due: Option<Moment>,
    domoticz_due: Option<Moment>,
}

/// State of what was published about one battery.
#[derive(Debug, Default)]
struct Published {
    shape: Shape,
    /// Input of the last announcement (or removal).
    announced: Option<(Shape, Json)>,
    online: Option<bool>,
    /// Values whose change makes a state message urgent.
    news: Option<News>,
    due: Option<Moment>,
}

/// Values published at once when they change.
type News = (Freshness, Option<Level>, Option<Known<Alarm>>);

impl Publisher {
    /// Nothing published yet.
    pub fn new(config: Config) -> Self {
        Self { config, published: BTreeMap::new(), devices: PublishedDevices::default(), others_due: None, domoticz_due: None }
    }

    /// The first messages after each connection: the broker may have lost everything.
    pub fn connected(&mut self) -> Vec<Message> {
        for published in self.published.values_mut() {
            *published = Published { shape: published.shape, ..Published::default() };
        }
        self.devices.forget();
        (self.others_due, self.domoticz_due) = (None, None);
        vec![Message::retained(self.config.availability(), availability(true))]
    }

    /// Home Assistant has started: everything is published again.
    pub fn born(&mut self) {
        for published in self.published.values_mut() {
            (published.announced, published.due) = (None, None);
        }
        self.devices.born();
    }

    /// The messages to publish now for these batteries and devices; `numbers` returns a battery's Domoticz numbers.
    pub fn step(&mut self, views: &[Arc<View>], devices: &Devices, numbers: impl Fn(&str) -> Numbers, now: Moment) -> Vec<Message> {
        let mut messages = Vec::new();
        for view in views {
            messages.extend(self.battery(view, now));
        }
        for (id, published) in &mut self.published {
            let there = views.iter().any(|view| view.identity.id == *id);
            if !there && published.online != Some(false) {
                *published = Published { shape: published.shape, online: Some(false), ..Published::default() };
                messages.push(offline(&self.config, id));
            }
        }
        messages.extend(self.devices.step(&self.config, devices, now));
        if passed(&mut self.others_due, now, OTHER_LAYOUTS_INTERVAL) {
            messages.extend(self.config.berrybms.then(|| compat::berrybms(views, devices, now)).flatten());
            messages.extend(self.config.jk_pylon.then(|| compat::jk_pylon(views)).into_iter().flatten());
            messages.extend(self.config.jk_pylon.then(|| jk_pylon_devices(devices, now)).into_iter().flatten());
        }
        if self.config.domoticz && passed(&mut self.domoticz_due, now, DOMOTICZ_INTERVAL) {
            messages.extend(domoticz::round(views, numbers).0.iter().map(compat::domoticz));
        }
        messages
    }

    fn battery(&mut self, view: &View, now: Moment) -> Vec<Message> {
        let Self { config, published, .. } = self;
        let published = published.entry(view.identity.id.clone()).or_default();
        published.shape = published.shape.grown(view);
        let mut messages = Vec::new();
        let announced = if config.home_assistant { (published.shape, ha::about(view)) } else { (Shape::default(), Json::Null) };
        if published.announced.as_ref() != Some(&announced) {
            published.announced = Some(announced);
            messages.push(match config.home_assistant {
                true => ha::announcement(config, view, published.shape),
                false => ha::removal(config, &view.identity.id),
            });
        }
        let news = (view.state.freshness, view.state.cable, view.notices.alarms.clone());
        let state = published.due.is_none_or(|due| due <= now) || published.news.as_ref() != Some(&news);
        if state {
            published.due = Some(now.after(config.interval));
            published.news = Some(news);
            messages.push(message::state(config, view));
            if config.single_values {
                messages.extend(message::single_values(config, view, published.shape));
            }
        }
        // After the state, so that an entity has its value before it becomes available.
        if published.online != Some(view.is_fresh()) {
            published.online = Some(view.is_fresh());
            let there = availability(view.is_fresh());
            messages.push(Message::retained(format!("{}/availability", base(config, &view.identity.id)), there));
        }
        messages
    }

    /// The final messages before a deliberate end.
    pub fn goodbye(&self) -> Vec<Message> {
        let batteries = self.published.keys().map(|id| offline(&self.config, id));
        let devices = self.devices.goodbye(&self.config);
        batteries.chain(devices).chain([Message::retained(self.config.availability(), availability(false))]).collect()
    }
}

fn offline(config: &Config, id: &str) -> Message {
    Message::retained(format!("{}/availability", base(config, id)), availability(false))
}

/// True if `due` has passed; then sets it to the next time.
fn passed(due: &mut Option<Moment>, now: Moment, every: Duration) -> bool {
    let passed = due.is_none_or(|due| due <= now);
    if passed {
        *due = Some(now.after(every));
    }
    passed
}
