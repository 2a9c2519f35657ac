//! The sink that publishes.

use super::config::Config;
use super::connection::{Connection, Heard};
use super::message::Message;
use super::publisher::Publisher;
use crate::house::Views;
use crate::runtime::{self, now};
use crate::sink::Stop;
use crate::sink::domoticz::Numbers;
use std::time::Duration;
use tokio::sync::watch;

/// At most so often is looked for news: batteries tell something every second each.
const LOOK: Duration = Duration::from_secs(1);

/// Tells the broker of these views until the program ends; then that nobody is there any more. `numbers` gives a battery's
/// numbers in Domoticz by its identity.
pub async fn serve(config: Config, views: watch::Receiver<Views>, numbers: impl Fn(&str) -> Numbers, mut stop: Stop) {
    let topics = if config.home_assistant { vec![config.birth()] } else { Vec::new() };
    let mut connection = Connection::start(&config, "", Some(config.availability()), topics);
    let mut publisher = Publisher::new(config);
    let mut told = 0;
    loop {
        let number = connection.number();
        if number != 0 {
            let greeting = if number == told { Vec::new() } else { publisher.connected() };
            told = number;
            let house = views.borrow().clone();
            let messages = greeting.into_iter().chain(publisher.step(&house, &numbers, now().at));
            publish(&connection, messages, number).await;
        }
        let due = now().at.after(LOOK);
        tokio::select! {
            heard = connection.next() => if heard.is_some_and(is_birth) { publisher.born() },
            () = runtime::sleep_until(due) => {}
            () = stop.asked() => break,
        }
    }
    connection.leave(publisher.goodbye()).await;
}

/// Only Home Assistant is listened to. What it said long ago is no news, and everything is told after connecting anyway.
fn is_birth(heard: Heard) -> bool {
    !heard.old && heard.payload == b"online"
}

/// As long as connection `number` stands; the next one begins anew.
async fn publish(connection: &Connection, messages: impl Iterator<Item = Message>, number: u32) {
    for message in messages {
        if !connection.publish(message, number).await {
            return;
        }
    }
}
