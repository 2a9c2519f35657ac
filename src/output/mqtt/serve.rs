//! The MQTT output.

use super::command::{Answered, Asked};
use super::config::Config;
use super::message::availability;
use super::program::{Program, page};
use super::publisher::{Heard, Publisher};
use crate::base::runtime::{self, now};
use crate::base::stop::Stop;
use crate::link::mqtt::{Connection, Message};
use crate::model::{Outcome, Reply};
use crate::output::domoticz::Numbers;
use crate::output::registry::BatteryRegistry;
use crate::output::web;
use std::time::Duration;
use tokio::sync::mpsc;

/// Minimum time between two checks for changes: every battery changes every second.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// Commands that are carried out at once; more are refused.
const MAX_COMMANDS: usize = 8;

/// Publishes these batteries and devices until the program ends, then publishes that it is offline. `task` is what this program serves,
/// `numbers` returns a battery's Domoticz numbers by its identity.
pub async fn serve(
    mut config: Config,
    (registry, website, task): (BatteryRegistry, web::Config, String),
    numbers: impl Fn(&str) -> Numbers,
    mut stop: Stop,
) {
    let (views, devices) = (registry.subscribe(), registry.devices().subscribe());
    config.program = Program::new(&config.broker, &task);
    let broker = config.broker.clone();
    let will = Message::retained(config.availability(), availability(false));
    let mut connection = Connection::start(&broker, "", Some(will), Publisher::subscriptions(&config));
    let mut publisher = Publisher::new(config);
    let (answers, mut answered) = mpsc::channel(MAX_COMMANDS);
    let mut greeted = 0;
    loop {
        let number = connection.number();
        if number != 0 {
            let mut greeting = Vec::new();
            if number != greeted {
                publisher.set_page(page(&website, &broker).await);
                greeting = publisher.connected();
            }
            greeted = number;
            let (current, devices) = (views.borrow().clone(), devices.borrow().clone());
            let messages = greeting.into_iter().chain(publisher.step(&current, &devices, &numbers, now().at));
            publish(&connection, messages, number).await;
        }
        for name in publisher.conflicts() {
            log::warn!(
                "MQTT: {name} is published by another computer on this broker, so it is not published here; set another `mqtt.topic` on one \
                 of them"
            );
        }
        let due = now().at.after(PUBLISH_INTERVAL);
        let answer = tokio::select! {
            heard = connection.next() => match heard {
                Some(heard) => {
                    let current = views.borrow().clone();
                    match publisher.heard(&heard.topic, &heard.payload, heard.old, &current) {
                        Heard::Nothing => None,
                        Heard::Refused(answer) => Some(answer),
                        Heard::Asked(asked) => ask(&registry, asked, &answers),
                    }
                }
                None => None,
            },
            Some(Answered(answer)) = answered.recv() => Some(answer),
            () = runtime::sleep_until(due) => None,
            () = stop.asked() => break,
        };
        publish(&connection, answer.into_iter(), number).await;
    }
    connection.disconnect(publisher.goodbye()).await;
}

/// Passes a request on to its battery; returns the answer if that cannot be done.
fn ask(registry: &BatteryRegistry, asked: Asked, answers: &mpsc::Sender<Answered>) -> Option<Message> {
    let refused = |outcome: Outcome| Some(asked.answered(&Reply::from(outcome)).0);
    let Ok(room) = answers.clone().try_reserve_owned() else { return refused(Outcome::Busy) };
    let Some(handle) = registry.handle(&asked.id) else { return refused(Outcome::Unreachable) };
    tokio::spawn(async move {
        let reply = handle.send(asked.request, "MQTT".to_owned()).await;
        room.send(asked.answered(&reply));
    });
    None
}

/// Publishes while connection `number` lasts.
async fn publish(connection: &Connection, messages: impl Iterator<Item = Message>, number: u32) {
    for message in messages {
        if !connection.publish(message, number).await {
            return;
        }
    }
}
