//! Decides what to publish when: pure, so that every sequence of events can be tested.

use super::command::{self, Asked};
use super::compat;
use super::config::Config;
use super::devices::{PublishedDevices, jk_pylon_devices};
use super::home_assistant as ha;
use super::message::{self, Shape, availability, base, level};
use super::ownership::{Ownership, claimed, released};
use crate::base::units::Moment;
use crate::link::mqtt::Message;
use crate::output::api::{Kind, View};
use crate::output::devices::Devices;
use crate::output::domoticz::{self, Numbers};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
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
    ownership: Ownership,
    published: BTreeMap<String, Published>,
    devices: PublishedDevices,
    /// Batteries and devices that another program publishes, to be reported.
    conflicts: Vec<String>,
    others_due: Option<Moment>,
    domoticz_due: Option<Moment>,
}

/// State of what was published about one battery.
#[derive(Debug, Default)]
struct Published {
    shape: Shape,
    is_claimed: bool,
    /// Digest of the last announcement, or removal.
    announced: Option<u64>,
    online: Option<bool>,
    /// Digest of the values whose change makes a state message urgent.
    news: Option<u64>,
    due: Option<Moment>,
}

/// What a message is.
#[derive(Debug)]
pub enum Heard {
    /// Nothing to do beyond the next step.
    Nothing,
    /// A request to a battery.
    Asked(Asked),
    /// To be answered with this message.
    Refused(Message),
}

impl Publisher {
    /// Nothing published yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            ownership: Ownership::default(),
            published: BTreeMap::new(),
            devices: PublishedDevices::default(),
            conflicts: Vec::new(),
            others_due: None,
            domoticz_due: None,
        }
    }

    /// The topics to subscribe to: claims before programs, so that a program is heard after them.
    pub fn subscriptions(config: &Config) -> Vec<String> {
        let topic = &config.topic;
        let mut topics =
            vec![format!("{topic}/+/program"), format!("{topic}/devices/+/program"), format!("{topic}/availability/+")];
        topics.extend(config.home_assistant.then(|| config.birth()));
        topics.extend(config.commands.then(|| format!("{topic}/+/set/+")));
        topics
    }

    /// The address of the page, which may change with the network.
    pub fn set_page(&mut self, page: Option<String>) {
        self.config.program.page = page;
    }

    /// The first messages after each connection: the broker may have lost everything.
    pub fn connected(&mut self) -> Vec<Message> {
        for published in self.published.values_mut() {
            *published = Published { shape: published.shape, ..Published::default() };
        }
        self.devices.forget();
        self.ownership.connected();
        (self.others_due, self.domoticz_due) = (None, None);
        vec![Message::retained(self.config.availability(), availability(true)), ha::program_announcement(&self.config)]
    }

    /// Home Assistant has started: everything is published again.
    fn born(&mut self) {
        for published in self.published.values_mut() {
            (published.announced, published.due) = (None, None);
        }
        self.devices.born();
    }

    /// Handles a message for these batteries; `is_kept`: the broker had retained it.
    pub fn heard(&mut self, topic: &str, payload: &[u8], is_kept: bool, views: &[Arc<View>]) -> Heard {
        if self.config.home_assistant && topic == self.config.birth() {
            // After connecting everything is published anyway.
            if !is_kept && payload == b"online" {
                self.born();
            }
            return Heard::Nothing;
        }
        let Some(rest) = topic.strip_prefix(&self.config.topic).and_then(|rest| rest.strip_prefix('/')) else {
            return Heard::Nothing;
        };
        let text = std::str::from_utf8(payload).unwrap_or_default();
        if let Some(key) = rest.strip_prefix("availability/") {
            self.ownership.program(key, text == availability(true), is_kept, &self.config);
        } else if let Some(battery) = rest.strip_suffix("/program") {
            self.ownership.claim(battery, text, &self.config);
        } else if let Some((battery, what)) = rest.split_once("/set/").filter(|_| self.config.commands) {
            // One of another program is not ours to switch, even if we have one of the same name.
            if self.ownership.other(battery).is_none() {
                return match command::parse(&self.config, views, (battery, what), (payload, is_kept)) {
                    Ok(asked) => Heard::Asked(asked),
                    Err(answer) => answer.map_or(Heard::Nothing, Heard::Refused),
                };
            }
        }
        Heard::Nothing
    }

    /// What another program publishes under the same name, since the last call.
    pub fn conflicts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.conflicts)
    }

    /// The messages to publish now for these batteries and devices; `numbers` returns a battery's Domoticz numbers.
    pub fn step(&mut self, views: &[Arc<View>], devices: &Devices, numbers: impl Fn(&str) -> Numbers, now: Moment) -> Vec<Message> {
        let mut messages: Vec<_> = self.ownership.objection(&self.config).into_iter().collect();
        if self.ownership.is_ready(now) {
            // Banks first: a battery's announcement refers to its bank's.
            let (banks, batteries): (Vec<_>, Vec<_>) = views.iter().partition(|view| view.identity.kind == Kind::Bank);
            for view in banks.iter().chain(&batteries) {
                let bank = view.identity.bank.as_deref().filter(|id| banks.iter().any(|bank| bank.identity.id == *id));
                messages.extend(self.battery(view, bank, now));
            }
            self.published.retain(|id, _| {
                let is_there = views.iter().any(|view| view.identity.id == *id);
                if !is_there {
                    messages.extend(released(&self.config, &level(id)));
                }
                is_there
            });
            let (config, ownership) = (&self.config, &mut self.ownership);
            messages.extend(self.devices.step(config, ownership, &mut self.conflicts, devices, now));
            let (published, devices) = (&self.published, &self.devices);
            let is_there = |name: &str| devices.has(name) || published.keys().any(|id| level(id) == name);
            messages.extend(self.ownership.stale(is_there).iter().flat_map(|name| released(&self.config, name)));
        }
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

    fn battery(&mut self, view: &View, bank: Option<&str>, now: Moment) -> Vec<Message> {
        let name = level(&view.identity.id);
        if self.ownership.other(&name).is_some() {
            self.published.remove(&view.identity.id);
            if self.ownership.reports(&name) {
                self.conflicts.push(name);
            }
            return Vec::new();
        }
        self.ownership.is_mine(&name);
        let Self { config, published, .. } = self;
        let published = published.entry(view.identity.id.clone()).or_default();
        published.shape = published.shape.grown(view);
        let mut messages = Vec::new();
        if !std::mem::replace(&mut published.is_claimed, true) {
            messages.push(claimed(config, &name));
        }
        // What a silent battery says about itself is incomplete.
        let announced = match config.home_assistant {
            true if view.is_fresh() => Some(ha::digest(config, view, published.shape, bank)),
            true => published.announced,
            false => Some(0),
        };
        if announced.is_some() && published.announced != announced {
            published.announced = announced;
            messages.push(match config.home_assistant {
                true => ha::announcement(config, view, published.shape, bank),
                false => ha::removal(config, &view.identity.id),
            });
        }
        let news = news(view);
        let state = published.due.is_none_or(|due| due <= now) || published.news != Some(news);
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
        let batteries = self.published.keys().flat_map(|id| released(&self.config, &level(id)));
        let devices = self.devices.goodbye(&self.config);
        batteries.chain(devices).chain([Message::retained(self.config.availability(), availability(false))]).collect()
    }
}

/// Digest of the values that are published at once when they change.
fn news(view: &View) -> u64 {
    let mut digest = DefaultHasher::new();
    (view.state.freshness as u8, view.state.cable.map(|level| level as u8)).hash(&mut digest);
    let alarms = view.notices.alarms.as_ref().map(|alarms| &alarms.0);
    for alarm in alarms.into_iter().flatten() {
        (&alarm.name, alarm.level.map(|level| level as u8), &alarm.batteries, alarm.cell, alarm.sensor).hash(&mut digest);
    }
    let switches = &view.switches;
    (alarms.is_some(), switches.charge_fet, switches.discharge_fet).hash(&mut digest);
    (switches.charge_switch, switches.discharge_switch, switches.balance_allowed, &switches.overrides).hash(&mut digest);
    digest.finish()
}

/// True if `due` has passed; then sets it to the next time.
fn passed(due: &mut Option<Moment>, now: Moment, every: Duration) -> bool {
    let passed = due.is_none_or(|due| due <= now);
    if passed {
        *due = Some(now.after(every));
    }
    passed
}
