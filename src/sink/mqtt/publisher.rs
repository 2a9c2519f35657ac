//! Decides what is published when: pure, so that every sequence of events can be tested.

use super::compat;
use super::config::Config;
use super::home_assistant as ha;
use super::message::{self, Message, Shape, availability, base};
use super::values::is_fresh;
use crate::model::{Freshness, Level};
use crate::sink::domoticz::{self, Numbers};
use crate::units::Moment;
use crate::view::{Alarm, Known, View};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two messages of BerryBMS' layout, and of others that have no rhythm of their own.
const OTHERS: Duration = Duration::from_secs(5);
/// Domoticz keeps what it is told in a database.
const DOMOTICZ: Duration = Duration::from_secs(60);

/// What the broker has been told.
#[derive(Debug)]
pub struct Publisher {
    config: Config,
    told: BTreeMap<String, Told>,
    others_due: Option<Moment>,
    domoticz_due: Option<Moment>,
}

/// What it has been told of one battery.
#[derive(Debug, Default)]
struct Told {
    shape: Shape,
    /// What the announcement (or the removal) was made of.
    announced: Option<(Shape, Json)>,
    online: Option<bool>,
    /// What makes a state message urgent.
    news: Option<News>,
    due: Option<Moment>,
}

/// What is told at once when it changes.
type News = (Freshness, Option<Level>, Option<Known<Alarm>>);

impl Publisher {
    /// Nothing has been told.
    pub fn new(config: Config) -> Self {
        Self { config, told: BTreeMap::new(), others_due: None, domoticz_due: None }
    }

    /// The first words after each connection: the broker may have forgotten everything.
    pub fn connected(&mut self) -> Vec<Message> {
        for told in self.told.values_mut() {
            *told = Told { shape: told.shape, ..Told::default() };
        }
        (self.others_due, self.domoticz_due) = (None, None);
        vec![Message::retained(self.config.availability(), availability(true))]
    }

    /// Home Assistant has started: it wants to know everything again.
    pub fn born(&mut self) {
        for told in self.told.values_mut() {
            (told.announced, told.due) = (None, None);
        }
    }

    /// What is to be published now of the batteries that there are; `numbers` gives a battery's numbers in Domoticz.
    pub fn step(&mut self, house: &[Arc<View>], numbers: impl Fn(&str) -> Numbers, now: Moment) -> Vec<Message> {
        let mut messages = Vec::new();
        for view in house {
            messages.extend(self.battery(view, now));
        }
        for (id, told) in &mut self.told {
            let there = house.iter().any(|view| view.id == *id);
            if !there && told.online != Some(false) {
                *told = Told { shape: told.shape, online: Some(false), ..Told::default() };
                messages.push(offline(&self.config, id));
            }
        }
        if passed(&mut self.others_due, now, OTHERS) {
            messages.extend(self.config.berrybms.then(|| compat::berrybms(house)).flatten());
            messages.extend(self.config.jk_pylon.then(|| compat::jk_pylon(house)).into_iter().flatten());
        }
        if self.config.domoticz && passed(&mut self.domoticz_due, now, DOMOTICZ) {
            messages.extend(domoticz::round(house, numbers).0.iter().map(domoticz::message));
        }
        messages
    }

    fn battery(&mut self, view: &View, now: Moment) -> Vec<Message> {
        let Self { config, told, .. } = self;
        let told = told.entry(view.id.clone()).or_default();
        told.shape = told.shape.grown(view);
        let mut messages = Vec::new();
        let announced = if config.home_assistant { (told.shape, ha::about(view)) } else { (Shape::default(), Json::Null) };
        if told.announced.as_ref() != Some(&announced) {
            told.announced = Some(announced);
            messages.push(match config.home_assistant {
                true => ha::announcement(config, view, told.shape),
                false => ha::removal(config, &view.id),
            });
        }
        let news = (view.freshness, view.cable, view.alarms.clone());
        let state = told.due.is_none_or(|due| due <= now) || told.news.as_ref() != Some(&news);
        if state {
            told.due = Some(now.after(config.interval));
            told.news = Some(news);
            messages.push(message::state(config, view));
            if config.single_values {
                messages.extend(message::single_values(config, view, told.shape));
            }
        }
        // After the state, so that what becomes available has its value already.
        if told.online != Some(is_fresh(view)) {
            told.online = Some(is_fresh(view));
            let there = availability(is_fresh(view));
            messages.push(Message::retained(format!("{}/availability", base(config, &view.id)), there));
        }
        messages
    }

    /// The last words before an end that was wanted.
    pub fn goodbye(&self) -> Vec<Message> {
        let batteries = self.told.keys().map(|id| offline(&self.config, id));
        batteries.chain([Message::retained(self.config.availability(), availability(false))]).collect()
    }
}

fn offline(config: &Config, id: &str) -> Message {
    Message::retained(format!("{}/availability", base(config, id)), availability(false))
}

/// True when `due` is over; it is set for the next time then.
fn passed(due: &mut Option<Moment>, now: Moment, every: Duration) -> bool {
    let passed = due.is_none_or(|due| due <= now);
    if passed {
        *due = Some(now.after(every));
    }
    passed
}
